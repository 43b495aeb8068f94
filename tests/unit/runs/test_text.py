import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.text import ELLIPSIS, TextCleaner, clean_text, excerpt_utf8, first_line

# With lone surrogates, which hypothesis leaves out unless asked.
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;c2VjcmV0\x07", ""),
        ("\x9b2Jgone", "gone"),
        ("bell\x07 back\x08space nul\x00", "bell backspace nul"),
        ("user\u202egpj.exe", "usergpj.exe"),
        ("\u2067isolated\u2069", "isolated"),
        ("one\r\ntwo\rthree\u2028four\u2029five", "one\ntwo\nthree\nfour\nfive"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\ufeffbom", "bom"),
        ("hid\U000e0041den", "hidden"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        (
            "👩\u200d🚀 and \u0645\u06cc\u200c\u062e\u0648\u0645 stay",
            "👩\u200d🚀 and \u0645\u06cc\u200c\u062e\u0648\u0645 stay",
        ),
        ("broken \x1b[12", "broken 12"),
        ("unended \x1b]0;title", "unended 0;title"),
    ],
)
def test_clean_text_leaves_what_can_be_shown(dirty: str, clean: str) -> None:
    """Escapes, controls and overrides go; words, tabs, lines and joined characters stay."""
    assert clean_text(dirty) == clean


@given(ANY_TEXT)
def test_clean_text_is_stable_and_encodes(text: str) -> None:
    """Cleaning twice changes nothing more, and the result is always UTF-8."""
    clean = clean_text(text)
    assert clean_text(clean) == clean
    clean.encode()


def test_clean_text_is_not_slowed_by_unended_escapes() -> None:
    """A megabyte of beginnings of escapes is cleaned in a moment; quadratic work would hit the time-out."""
    assert clean_text("\x1b]" * 500_000) == ""
    assert clean_text("\x1b[0" * 300_000).strip("0") == ""


@pytest.mark.parametrize(
    ("text", "max_chars", "line"),
    [
        ("\n  \n  first   line \nsecond", 40, "first line"),
        ("exactly", 7, "exactly"),
        ("too long", 7, "too lo…"),
        ("too long", 5, "too…"),
        ("", 10, ""),
        (" \x1b[0m\n\u202e\n", 10, ""),
        ("x", 0, "…"),
    ],
)
def test_first_line_shows_the_first_words(text: str, max_chars: int, line: str) -> None:
    """The first line that shows anything, in single spaces, cut with an ellipsis."""
    assert first_line(text, max_chars) == line


@pytest.mark.parametrize(
    ("text", "max_bytes", "excerpt"),
    [
        ("short", 100, "short"),
        ("exactly!", 8, "exactly!"),
        ("one two three", 12, "one two…"),
        ("one two three", 10, "one two…"),
        ("äöü äöü äöü", 17, "äöü äöü…"),
        ("日本語日本語", 12, "日本語…"),
        ("ab", 1, "a"),
        ("é", 1, ""),
        ("anything", 0, ""),
        ("aaaaae\u0301xxxx", 9, "aaaaa…"),
        ("aaaa👩\u200d🚀xxxxxxx", 14, "aaaa…"),
    ],
)
def test_excerpt_is_cut_between_words(text: str, max_bytes: int, excerpt: str) -> None:
    """An excerpt ends at a word, or at least at a whole character."""
    assert excerpt_utf8(text, max_bytes) == excerpt


@given(ANY_TEXT, st.integers(min_value=0, max_value=60))
def test_excerpt_is_a_bounded_beginning(text: str, max_bytes: int) -> None:
    """An excerpt is never longer than allowed, and is the beginning of the text."""
    excerpt = excerpt_utf8(text, max_bytes)
    whole = text.encode("utf-8", "replace").decode()
    assert len(excerpt.encode()) <= max_bytes
    assert whole.startswith(excerpt.removesuffix(ELLIPSIS))
    if len(whole.encode()) <= max_bytes:
        assert excerpt == whole


@given(st.lists(st.one_of(ANY_TEXT, st.text("\x1b\x9b\x9d[]\\\x07\r\n0;m x\u202e", max_size=12))))
def test_a_text_cleaned_in_pieces_is_the_clean_text(pieces: list[str]) -> None:
    """Wherever an escape sequence is cut, it is taken out as if it had come whole."""
    cleaner = TextCleaner()
    cleaned = [cleaner.feed(piece) for piece in pieces]
    assert "".join([*cleaned, cleaner.flush()]) == clean_text("".join(pieces))


def test_what_shows_is_not_held_back() -> None:
    """Only what may be the beginning of a sequence waits for more, and not for ever."""
    cleaner = TextCleaner()
    assert cleaner.feed("Tides \x1b[3") == "Tides "
    assert cleaner.feed("1mare") == "are"
    assert cleaner.feed("\x1b]0;") == ""
    assert "pulled" in cleaner.feed("pulled " * 1_000)
