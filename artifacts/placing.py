"""Where the marks of citations go in a Markdown text, so that the text still means the same.

Theory of operation. A citation names a span of bytes; its mark goes to the span's end. But a mark is
Markdown itself, and the end may lie in a code fence, between two cells, in a link, or before a dash that
makes a list. So the text is parsed, and marks go only where the parser found running text:

1. ``Piece`` s are the pieces of source lines that are running text. An end outside of all of them goes
   back to the end of the piece before. What makes structure (fences, prefixes, rules, bars between cells)
   is outside by construction.
2. Within running text, ``running_text`` knows what must not be cut (links, code, escapes), and an end in
   there moves behind it.
3. The result is parsed again. Where running text changed, its marks move to its end, or are left out;
   if blocks changed, all are left out. A source is listed whether it is marked or not.

Rule 3 keeps the promise; rules 1 and 2 only make it look good.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from artifacts.running_text import Mark, RunningText, insert, without_probes, write_probe


def place(text: str, wanted: Iterable[tuple[int, int]], parser: MarkdownIt) -> list[Mark]:
    """Return marks at places where they change nothing else.

    Args:
        text: Clean Markdown.
        wanted: A position and the number of the source to mark there, in any order.
        parser: Whose reading is to stay the same: `OTHERS_PARSER` or `OUR_PARSER`.

    Returns:
        Marks in the order of their positions; fewer than wanted where a source is marked twice in one
        place, or where there is no safe place.
    """
    ordered = sorted(set(wanted))
    if not ordered:
        return []
    env: dict[str, Any] = {}
    blocks = blocks_of(text, env, parser)
    pieces = list(pieces_of(text, blocks))
    pieces_by_inline = {inline: list(group) for inline, group in groupby(pieces, lambda piece: piece.inline)}
    starts = [piece.start for piece in pieces]
    wanted_by_inline: dict[int, list[tuple[int, int]]] = {}
    for position, number in ordered:
        # The last piece that begins before the position; before the first there is nothing to mark.
        index = bisect_left(starts, position) - 1
        if index >= 0:
            piece = pieces[index]
            wanted_by_inline.setdefault(piece.inline, []).append((piece.offset_of(position), number))
    marks = []
    for inline, wanted_here in wanted_by_inline.items():
        running = RunningText(blocks[inline].content, env.get("references", {}), parser)
        marks += [_in_text(mark, pieces_by_inline[inline]) for mark in running.marks(wanted_here)]
    if _structure(blocks_of(insert(text, marks, write_probe), {}, parser)) != _structure(blocks):
        return []
    return marks


@dataclass(frozen=True, slots=True)
class Piece:
    """Running text in one source line.

    Attributes:
        start: Where in the text it begins.
        end: Where it ends.
        inline: Index of the token whose content it belongs to.
        offset: Where in that content it begins; for a table's cell, where it ends. A cell's source may have
            more escapes than its content, so that only the ends of both are known to be the same place.
        is_cell: Whether it is such a cell.
    """

    start: int
    end: int
    inline: int
    offset: int
    is_cell: bool = False

    def offset_of(self, position: int) -> int:
        """Return the offset in the content for a position in the text, not before ``start``."""
        return self.offset if self.is_cell else self.offset + min(position, self.end) - self.start


def _in_text(mark: Mark, pieces: list[Piece]) -> Mark:
    """Return a mark for a position in the content of ``pieces`` as one for a position in the text."""
    piece = next((piece for piece in reversed(pieces) if piece.offset < mark.position), pieces[0])
    position = piece.end if piece.is_cell else min(piece.start + mark.position - piece.offset, piece.end)
    return mark._replace(position=position)


def blocks_of(text: str, env: dict[str, Any], parser: MarkdownIt) -> list[Token]:
    """Return the text's blocks; ``inline`` tokens have the running text as content, not parsed."""
    tokens: list[Token] = []
    parser.block.parse(text, parser, env, tokens)
    return tokens


def _structure(blocks: list[Token]) -> list[tuple[str, str, str]]:
    """Return what makes up ``blocks``, whether marks are in them or not."""
    return [
        (
            token.type,
            token.tag + token.info,
            without_probes(token.content) if token.type == "inline" else token.content,
        )
        for token in blocks
    ]


def pieces_of(text: str, blocks: list[Token]) -> Iterator[Piece]:
    """Yield the running text of ``blocks``, in its order in the text."""
    lines = text.split("\n")
    line_starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    cells_end = 0
    for index, token in enumerate(blocks):
        if token.type != "inline" or token.map is None:
            continue
        first_line = token.map[0]
        if blocks[index - 1].type in {"td_open", "th_open"}:
            cells_end = max(cells_end, line_starts[first_line])
            found = _cell(lines[first_line], cells_end - line_starts[first_line], token.content)
            if found is not None:
                start, end = (line_starts[first_line] + column for column in found)
                yield Piece(start, end, index, len(token.content), is_cell=True)
                cells_end = end
            continue
        offset = 0
        for line_number, part in enumerate(token.content.split("\n"), start=first_line):
            words = part.strip()
            # Prefixes stand before the words; what may follow them is closing hashes.
            column = lines[line_number].rfind(words)
            if words and column >= 0:
                start = line_starts[line_number] + column
                yield Piece(start, start + len(words), index, offset + len(part) - len(part.lstrip()))
            offset += len(part) + 1


def _cell(line: str, column: int, content: str) -> tuple[int, int] | None:
    """Return where in ``line``, not before ``column``, the cell with ``content`` stands."""
    for match in _CELL.finditer(line, column):
        raw = match[0].rstrip()
        if content and raw.replace("\\|", "|").endswith(content):
            return match.start(), match.start() + len(raw)
    return None


_CELL: Final = re.compile(r"(?:\\.|[^|\\])+|\\\Z")
"""What stands between bars that are not escaped."""
