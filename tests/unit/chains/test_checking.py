import pytest

from chains.checking import Problem, check, suggestion
from tests.unit.chains.support import chain


def test_a_chain_sent_without_a_file_is_checked_the_same() -> None:
    """Paths take the place of lines: its JSON has none."""
    spec = chain({"a": {"ask": "{{ inputs.nix }}"}})
    assert check(spec, may_name_files=False) == (
        Problem(("steps", "a", "ask", "prompt"), "there is no input 'nix'", opening=0),
    )


@pytest.mark.parametrize(
    ("attach", "may_be"),
    [
        ("notes.md", False),
        ("https://e.org/a.pdf", True),
        ("{{ inputs.x }}", True),
        ("{{ steps.b.image }}", True),
    ],
)
def test_a_workflow_has_no_files_next_to_it(attach: str, may_be: bool) -> None:
    """Whoever starts a chain stores them first; then they are references."""
    spec = chain(
        {"a": {"ask": {"prompt": "x", "attach": [attach]}}, "b": {"ask": {"prompt": "x", "image": {}}}},
        inputs={"x": "https://e.org/b.pdf"},
    )
    assert check(spec, may_name_files=True) == ()
    assert (check(spec, may_name_files=False) == ()) is may_be


def test_steps_that_could_not_be_read_are_there() -> None:
    """What is wrong with them is said where they stand, and not at everything that names them."""
    spec = chain({"a": {"ask": "{{ steps.b.text }}", "after": ["b"], "continues": "b"}}, output="b")
    assert len(check(spec, may_name_files=True)) == 4
    assert check(spec, may_name_files=True, unread=frozenset({"b"})) == ()


@pytest.mark.parametrize(
    ("word", "expected"), [("reserch", "; did you mean 'research'?"), ("zzz", ""), ("", "")]
)
def test_the_word_that_was_meant_is_named(word: str, expected: str) -> None:
    """Only where it is close."""
    assert suggestion(word, ["research", "ask"]) == expected
