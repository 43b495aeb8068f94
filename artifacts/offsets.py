"""From byte offsets into a model's text to positions in the text as it is shown."""

from collections.abc import Iterable

from runs.text import UNSHOWN, clean_text, shown

_CONTINUATION_MASK = 0b1100_0000
_CONTINUATION = 0b1000_0000


def clean_with_positions(text: str, ends: Iterable[int]) -> tuple[str, dict[int, int]]:
    """Return `clean_text` of ``text``, and the position in it for each byte offset into ``text``.

    An offset within a character, or within something that is cleaned away, goes to the end of it; one
    outside of the text goes to the nearest end. Takes time in proportion to the text.
    """
    positions = _character_positions(text, sorted(set(ends)))
    moved = {}
    clean_end = source_end = 0
    unshown = UNSHOWN.finditer(text)
    match = next(unshown, None)
    for end, position in positions.items():
        while match is not None and match.start() < position:
            clean_end += match.start() - source_end + len(shown(match[0]))
            source_end = match.end()
            match = next(unshown, None)
        moved[end] = clean_end + max(position - source_end, 0)
    return clean_text(text), moved


def _character_positions(text: str, ends: list[int]) -> dict[int, int]:
    """Return the character position for each of the ``ends``, which are sorted."""
    # A lone surrogate is one character of three bytes to whoever counted; it only must not raise here.
    raw = text.encode("utf-8", "surrogatepass")
    positions = {}
    done_bytes = done_characters = 0
    for end in ends:
        byte = min(max(end, 0), len(raw))
        while byte < len(raw) and raw[byte] & _CONTINUATION_MASK == _CONTINUATION:
            byte += 1
        # Two ends within one character snap to the same byte, so this never goes back.
        done_characters += len(raw[done_bytes:byte].decode("utf-8", "surrogatepass"))
        done_bytes = byte
        positions[end] = done_characters
    return positions
