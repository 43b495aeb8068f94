import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.ids import InvalidRunId, check_run_id, make_run_id


def test_a_run_id_says_what_was_asked() -> None:
    """A made id begins with the question's words and ends with the entropy in base32."""
    run_id = make_run_id("What's new in Zürich?\nIgnored at length.", entropy=b"\x00\x00\x00\x00")
    assert run_id == "research-whats-new-in-zurich-ignored-at-length-aaaaaa"


def test_a_question_without_latin_letters_still_gets_an_id() -> None:
    """Where no word survives, the id is the kind and the suffix."""
    assert make_run_id("量子コンピュータとは", entropy=b"\xff\xff\xff\xff") == "research-777777"
    assert make_run_id("Why?", entropy=b"\xff\xff\xff\xff", kind="ask") == "ask-why-777777"


def test_entropy_keeps_runs_of_one_question_apart() -> None:
    """Two runs of one question have different ids."""
    assert make_run_id("q", entropy=b"\x01\x02\x03\x04") != make_run_id("q", entropy=b"\x05\x02\x03\x04")


@given(st.text(), st.binary(min_size=4, max_size=8))
def test_every_made_id_is_valid(question: str, entropy: bytes) -> None:
    """Whatever the question, the id made for it is one that may be given back, and is short."""
    run_id = make_run_id(question, entropy=entropy)
    assert check_run_id(run_id) == run_id
    assert len(run_id) <= 60


@pytest.mark.parametrize("run_id", ["a", "7", "Run_1.b-c", "x" * 200])
def test_plain_ids_are_accepted(run_id: str) -> None:
    """Letters, digits, dot, underscore and dash make an id of up to 200 characters."""
    assert check_run_id(run_id) == run_id


@pytest.mark.parametrize(
    "run_id", ["", "-a", ".a", "_a", "a b", "a/b", "ü", "x" * 201, "a\n", "a'b", "a\x1b[31m", "--json"]
)
def test_other_ids_are_refused(run_id: str) -> None:
    """An id that would need quoting somewhere is refused, in one line without control characters."""
    with pytest.raises(InvalidRunId) as caught:
        check_run_id(run_id)
    assert str(caught.value).isprintable()
