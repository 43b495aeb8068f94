import pytest

from runs.limits import MAX_QUOTED_BYTES
from runs.quotes import Quote, QuotesTooLong, fill, placeholders_in


def test_only_strings_are_filled() -> None:
    """Keys, numbers and everything else stay as they are."""
    filled = fill({"<1>": ["a <1> b <1>", 1, None, True, 1.5], "x": {"y": "<1>"}}, {"<1>": "one"})
    assert filled == {"<1>": ["a one b one", 1, None, True, 1.5], "x": {"y": "one"}}


def test_a_text_is_not_searched_for_placeholders() -> None:
    """A report may say anything, another's placeholder included."""
    assert fill("<1> <2>", {"<1>": "<2>", "<2>": "<1>"}) == "<2> <1>"


def test_the_longest_placeholder_is_meant() -> None:
    """One may be the beginning of another."""
    assert fill("$1 $10", {"$1": "one", "$10": "ten"}) == "one ten"


def test_nothing_to_fill_in_changes_nothing() -> None:
    """The usual case."""
    assert fill(["a"], {}) == ["a"]


def test_texts_are_counted_as_often_as_they_stand_there() -> None:
    """A short input could ask for more than any machine has."""
    text = "x" * (MAX_QUOTED_BYTES // 2)
    assert fill(["<1>", "<1>"], {"<1>": text}) == [text, text]
    with pytest.raises(QuotesTooLong):
        fill(["<1>", "<1>", "<1>"], {"<1>": text})


def test_only_what_is_quoted_has_to_be_read() -> None:
    """Of all quotes those whose placeholder is in a string."""
    quotes = [Quote(placeholder=f"<{number}>", uri="u") for number in range(4)]
    assert placeholders_in({"<0>": [{"x": "a<1>"}, "<2>"]}, quotes) == (quotes[1], quotes[2])
