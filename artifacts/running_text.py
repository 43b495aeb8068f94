"""Running text in Markdown, and where in it something can be inserted without breaking it."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from markdown_it import MarkdownIt, rules_inline
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token


class Mark(NamedTuple):
    """One mark to insert.

    Attributes:
        position: Before which character.
        before: What keeps the mark apart from the text: nothing, or a space.
        number: Of the source.
    """

    position: int
    before: str
    number: int


def insert(text: str, marks: Iterable[Mark], write: Callable[[int], str]) -> str:
    """Return ``text`` with ``marks``, which are in the order of their positions.

    Args:
        text: What the marks were made for.
        marks: What to insert.
        write: Returns a source's mark in Markdown, as `write_mark` does.
    """
    pieces = []
    done = 0
    for mark in marks:
        pieces += [text[done : mark.position], mark.before, write(mark.number)]
        done = mark.position
    return "".join([*pieces, text[done:]])


def write_mark(number: int, href: str) -> str:
    """Return a mark in Markdown. The brackets are escaped, lest ``[1]`` be one of the text's own links."""
    return f"[\\[{number}\\]]({href})"


_PROBE_HREF: Final = "#mark-being-placed-"


def write_probe(number: int) -> str:
    """Return a mark as it is written only to see what it would do."""
    return write_mark(number, f"{_PROBE_HREF}{number}")


def without_probes(content: str) -> str:
    """Return ``content`` without probes, and without white space: a mark may bring a space along."""
    return "".join(_PROBE.sub("", content).split())


_PROBE: Final = re.compile(rf"\[\\\[\d+\\\]\]\({_PROBE_HREF}\d+\)")

_STICKY: Final = frozenset("!]^")
"""Characters that would make something else of a mark right behind them: an image, a reference, a note."""

_BARE_ADDRESS: Final = re.compile(r"(?:://|www\.|@)\S*\Z", re.IGNORECASE)
"""Text that many readers make a link of, and that would take the mark for the rest of the address."""

_BARE_ADDRESS_CHARS: Final = 300
"""How far back a bare address is looked for: a longer one is not for people."""


@dataclass(slots=True)
class _Recorder:
    """What the parser found in ``content``, by position."""

    content: str
    atoms: list[tuple[int, int]] = field(default_factory=list)
    """What must not be cut."""
    runs: list[tuple[list[Delimiter], int, int, int]] = field(default_factory=list)
    """Of each possible opener or closer: its list, its index there, its position and its width."""


class RunningText:
    """The content of one paragraph, heading or cell.

    Args:
        content: Markdown without block structure.
        references: The document's link definitions, as markdown-it keeps them.
        parser: Whose reading is to stay the same.
    """

    def __init__(self, content: str, references: object, parser: MarkdownIt) -> None:
        self._parser = parser
        self._content = content
        self._references = references
        recorder = _Recorder(content)
        self._structure = _structure(self._parse(content, recorder))
        self._atoms = _merged(recorder.atoms)
        self._atom_starts = [start for start, _ in self._atoms]
        self._closers = _closers(recorder)

    def marks(self, wanted: Sequence[tuple[int, int]]) -> list[Mark]:
        """Return marks for ``wanted`` (pairs of offset and number) that leave everything else as it is.

        They are where they are wanted, or else all at the end, or else there are none.
        """
        end = len(self._content)
        moved = sorted({(self._moved(offset), number) for offset, number in wanted})
        at_end = sorted({(end, number) for _, number in wanted})
        for places in (moved, at_end):
            marks = self._spaced(places)
            if _structure(self._parse(insert(self._content, marks, write_probe))) == self._structure:
                return marks
        return []

    def _moved(self, offset: int) -> int:
        """Return where a mark wanted at ``offset`` may be: out of atoms, before spaces, behind closers."""
        offset = self._out_of_atom(offset, forward=True)
        while offset and self._content[offset - 1].isspace():
            # Back over an escaped line end, too: that is an atom.
            offset = self._out_of_atom(offset - 1, forward=False)
        while offset in self._closers:
            offset += self._closers[offset]
        return offset

    def _out_of_atom(self, offset: int, *, forward: bool) -> int:
        index = bisect_right(self._atom_starts, offset) - 1
        if index < 0:
            return offset
        start, end = self._atoms[index]
        if not start < offset < end:
            return offset
        return end if forward else start

    def _spaced(self, places: Iterable[tuple[int, int]]) -> list[Mark]:
        marks: list[Mark] = []
        for offset, number in places:
            is_first = not marks or marks[-1].position != offset
            marks.append(Mark(offset, " " if is_first and self._sticks(offset) else "", number))
        return marks

    def _sticks(self, offset: int) -> bool:
        """Return whether what stands before ``offset`` would take a mark right behind it for a part of it."""
        before = self._content[max(offset - _BARE_ADDRESS_CHARS, 0) : offset]
        if before[-1:] in _STICKY:
            return True
        is_behind_atom = self._out_of_atom(offset - 1, forward=True) == offset
        return not is_behind_atom and _BARE_ADDRESS.search(before) is not None

    def _parse(self, content: str, recorder: _Recorder | None = None) -> list[Token]:
        env = {"references": self._references, "recorder": recorder}
        return self._parser.inline.parse(content, self._parser, env, [])


def _recording(rule: Callable[[StateInline, bool], bool]) -> Callable[[StateInline, bool], bool]:
    """Return ``rule``, which now tells the recorder where it matched."""

    def record(state: StateInline, silent: bool) -> bool:
        start = state.pos
        known = len(state.delimiters)
        if not rule(state, silent):
            return False
        recorder = state.env["recorder"]
        # The text of an image is parsed on its own, and its positions are not ours.
        if silent or recorder is None or state.src is not recorder.content:
            return True
        recorder.atoms.append((start, state.pos))
        added = len(state.delimiters) - known
        if added > 0:
            # "~~~" is a tilde and a pair; the pairs come last.
            width = 2 if state.src[start] == "~" else 1
            first = state.pos - added * width
            recorder.runs += [
                (state.delimiters, known + index, first + index * width, width) for index in range(added)
            ]
        return True

    return record


def _make_parser(*, is_html_read: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": is_html_read}).enable(["table", "strikethrough"])
    for name, rule in _ATOMIC.items():
        parser.inline.ruler.at(name, _recording(rule))
    return parser


_ATOMIC: Final = {
    # Not "text" and "newline": those may be cut, and white space is left behind the mark anyway.
    "escape": rules_inline.escape,
    "backticks": rules_inline.backtick,
    "strikethrough": rules_inline.strikethrough.tokenize,
    "emphasis": rules_inline.emphasis.tokenize,
    "link": rules_inline.link,
    "image": rules_inline.image,
    "autolink": rules_inline.autolink,
    "html_inline": rules_inline.html_inline,
    "entity": rules_inline.entity,
}

# Used by threads side by side: what a parse learns is in its own `env`.

OTHERS_PARSER: Final = _make_parser(is_html_read=True)
"""Reads Markdown as most programs do that people open ``report.md`` with."""

OUR_PARSER: Final = _make_parser(is_html_read=False)
"""Reads it as ``report.html`` shows it, where HTML is text."""


def _closers(recorder: _Recorder) -> dict[int, int]:
    """Return the width of every delimiter that closes something, by its position."""
    where = {
        (id(delimiters), index): (position, width) for delimiters, index, position, width in recorder.runs
    }
    ends = [(id(delimiters), delimiters[index].end) for delimiters, index, _, _ in recorder.runs]
    return dict(where[end] for end in ends if end in where)


def _merged(atoms: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the outermost of nested spans, in order."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(atoms, key=lambda atom: (atom[0], -atom[1])):
        if not merged or start >= merged[-1][1]:
            merged.append((start, end))
    return merged


def _structure(tokens: list[Token]) -> list[tuple[str, str]]:
    """Return what a reader sees of ``tokens``, without probes and white space."""
    seen: list[tuple[str, str]] = []
    text: list[str] = []
    in_probe = False
    for token in tokens:
        if token.type == "link_open" and str(token.attrs.get("href", "")).startswith(_PROBE_HREF):
            in_probe = True
        elif in_probe:
            in_probe = token.type != "link_close"
        elif token.type == "text":
            text += token.content.split()
        else:
            seen.append(("text", "".join(text)))
            text.clear()
            seen.append((token.type, f"{token.content} {token.attrs}"))
    seen.append(("text", "".join(text)))
    return seen
