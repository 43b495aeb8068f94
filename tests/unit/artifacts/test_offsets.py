import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.offsets import clean_with_positions
from runs.text import clean_text


@pytest.mark.parametrize(
    ("text", "end", "before"),
    [
        ("plain", 3, "pla"),
        ("aé日👩b", 1, "a"),
        ("aé日👩b", 3, "aé"),
        ("aé日👩b", 2, "aé"),  # within é
        ("aé日👩b", 4, "aé日"),  # within 日
        ("aé日👩b", 8, "aé日👩"),  # within 👩
        ("aé日👩b", 99, "aé日👩b"),
        ("aé日👩b", -5, ""),
        ("a\r\nb", 3, "a\n"),
        ("a\r\nb", 2, "a\n"),  # within the line end
        ("\x1b[31mred\x1b[0m!", 8, "red"),
        ("\x1b[31mred\x1b[0m!", 2, ""),  # within the escape
        ("\x1b[31mred\x1b[0m!", 13, "red!"),
        ("\u202ea\u202cb", 4, "a"),
    ],
)
def test_a_byte_offset_becomes_a_position_in_the_clean_text(text: str, end: int, before: str) -> None:
    """An offset counts bytes of what was sent; its position counts characters of what is shown."""
    clean, positions = clean_with_positions(text, [end])
    assert clean[: positions[end]] == before


@given(st.text(st.characters(codec=None, exclude_categories=())), st.lists(st.integers(-5, 200)))
def test_positions_are_in_the_text_and_in_order(text: str, ends: list[int]) -> None:
    """Whatever the offsets, positions lie within the clean text and keep the offsets' order."""
    clean, positions = clean_with_positions(text, ends)
    assert clean == clean_text(text)
    assert set(positions) == set(ends)
    ordered = [positions[end] for end in sorted(positions)]
    assert ordered == sorted(ordered)
    assert all(0 <= position <= len(clean) for position in ordered)


@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_whole_characters_keep_their_ends(parts: list[str]) -> None:
    """An offset at the end of a part has just that part, cleaned, before it."""
    text = "|".join(parts)
    ends = [len("|".join(parts[: count + 1]).encode()) for count in range(len(parts))]
    _, positions = clean_with_positions(text, ends)
    if clean_text(text) == text:
        assert [text[: positions[end]] for end in ends] == [
            "|".join(parts[: count + 1]) for count in range(len(parts))
        ]
