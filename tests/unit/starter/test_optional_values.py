import pytest

from starter.cli.optional_values import with_values


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ask --image cat", "ask --image=auto cat"),
        ("ask --image 16:9 cat", "ask --image 16:9 cat"),
        ("ask --image 16x9 cat", "ask --image 16x9 cat"),
        ("ask --image=16:9 cat", "ask --image=16:9 cat"),
        ("ask cat --image", "ask cat --image=auto"),
        ("ask cat --video --text", "ask cat --video=auto --text"),
        ("research q --plan", "research q --plan=ask"),
        ("research --plan q", "research --plan=ask q"),
        ("research --plan auto q", "research --plan auto q"),
        ("ask -- --image", "ask -- --image"),
        ("ask --plan --image", "ask --plan=ask --image=auto"),
        ("list", "list"),
    ],
)
def test_a_value_is_taken_only_where_it_can_be_one(typed: str, meant: str) -> None:
    """A question after an option whose value was left out stays the question."""
    assert with_values(typed.split()) == meant.split()
