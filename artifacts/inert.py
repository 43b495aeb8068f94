"""An agent's Markdown, made to be read instead of obeyed.

``report.md`` is opened with whatever a person has. Readers of Markdown load images as soon as a text is
opened, which tells the images' host who reads it and when; they follow addresses such as ``javascript:``; and
many let HTML through.

Theory of operation. The text is parsed as such readers do, with and without tables, and with nothing refused.
Each thing that would load or run is escaped: HTML; an image, of which a link is left that nobody follows
unasked; a link, an address in ``<>`` or a definition that leads anywhere but to the web, to a mailbox or
within the text. That may bring to light what was hidden within, so it is done again until nothing is found. A
text in which something is found again and again was made to be, and everything in it that could begin any of
these is escaped, in code, too.

Readers that make links of bare addresses (GitHub's) take a backslash or a backtick behind one for its end. So
``<`` becomes ``&lt;`` instead of being escaped, and code behind an address is no code.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable
from typing import Any, Final, NamedTuple

from markdown_it import MarkdownIt, rules_inline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from artifacts.placing import Piece, blocks_of, pieces_of

_OPENER: Final = re.compile(r"(?<!\\)((?:\\\\)*)<(?=[A-Za-z/!?])")
"""A ``<`` that may begin HTML and is not escaped already."""

_ANY_OPENER: Final = re.compile(r"((?:\\\\)*)\\?<(?=[A-Za-z/!?])")
"""A ``<`` that may begin HTML, with the backslash that escapes it."""

_BRACKET: Final = re.compile(r"(?<!\\)((?:\\\\)*)\[")
"""What every link, image and definition has, not escaped already."""

_AUTOLINK: Final = re.compile(r"<(?:https?://|mailto:)[^\s<>]*>", re.IGNORECASE)
"""Looks like a tag, but is an address that readers link; only kinds of addresses that are harmless."""

_BARE_ADDRESS: Final = re.compile(r"://|www\.|@", re.IGNORECASE)
"""In a word that many readers make a link of."""

_BARE_ADDRESS_CHARS: Final = 4_096
"""How far back one is looked for."""

_DEFINITION: Final = re.compile(
    # The signs of lists and quotations, a label, and an address, perhaps on the next line.
    r"^[ \t>*+\-\d.)]*\[(?:[^\[\]\\]|\\.){1,999}\]:[\s>]*(<[^<>\n]*>|\S*)",
    re.MULTILINE | re.DOTALL,
)
"""What some reader may take for the definition of a link; they differ in what else belongs to one."""

_MAYBE_SCHEME: Final = re.compile(r"[:&\\]|\A//")
"""What an address with a scheme has, or may have once it is decoded. A note's words rarely begin so."""

_DELIMITER_ROW: Final = re.compile(r"^[ \t]*[|:-][ \t|:-]*$", re.MULTILINE)
"""A line that makes the one above it the head of a table, to some readers also within a paragraph."""

_HARMLESS: Final = re.compile(r"[\x00-\x20]*(?:https?://|mailto:|#|\Z)", re.IGNORECASE)
"""How an address begins that may be followed. Relative ones are not among them: a file beside the report may
be anybody's, and an address without a scheme takes that of the page."""

_MAX_ROUNDS: Final = 6
"""Once for what there is, once for what was hidden by it, and some; deeper nesting than this is malice."""

_MAX_NESTING: Final = 100
"""Of lists and quotations. The parser leaves out what is deeper, and other readers do not."""


def inert(text: str, own: Container[str] = frozenset()) -> str:
    """Return ``text`` so that no reader of Markdown loads or runs anything of it.

    Only ever adds backslashes, and writes ``&lt;`` for ``<``. Code stays as it is, since readers show it.

    Args:
        text: Clean Markdown.
        own: Addresses of files beside the text that it may show and lead to.
    """
    # Where there is no bar there is no table, and both readings are the same.
    parsers = _PARSERS if "|" in text else _PARSERS[:1]
    for _ in range(_MAX_ROUNDS):
        is_done = True
        for parser in parsers:
            try:
                found = _Found(text, parser, own).positions
            except _NestedTooDeeply:
                return inert_unparsed(text)
            is_done = is_done and not found
            text = _escaped_at(text, found)
        if is_done:
            return text
    return inert_unparsed(text)


def inert_unparsed(text: str) -> str:
    """Return ``text`` with all escaped that could begin HTML, a link or an image, code or not, unparsed."""
    parts: list[str] = []
    begin = 0
    for link in _AUTOLINK.finditer(text):
        parts += [_without_beginnings(text[begin : link.start()]), link[0]]
        begin = link.end()
    return "".join([*parts, _without_beginnings(text[begin:])])


def _without_beginnings(text: str) -> str:
    return _BRACKET.sub(r"\1\\[", _ANY_OPENER.sub(r"\1&lt;", text))


def _escaped_at(text: str, positions: set[int]) -> str:
    parts: list[str] = []
    begin = 0
    for position in sorted(positions):
        parts.append(text[begin:position])
        begin = position
        if text[position] == "<":
            parts.append("&lt;")
            begin += 1
        elif text[position : position + 2] == "\\<":
            parts.append("&lt;")
            begin += 2
        else:
            parts.append("\\")
    return "".join([*parts, text[begin:]])


class _Sight(NamedTuple):
    """Something in running text.

    Attributes:
        kind: The type of its token, or ``escape``.
        start: Where it begins.
        end: Where it ends.
        address: Where it leads, or what it shows.
    """

    kind: str
    start: int
    end: int
    address: str = ""


class _NestedTooDeeply(Exception):
    """There may be text that the parser left out."""


class _Found:
    """What one reader would load or run of a text.

    Attributes:
        positions: Of the characters to escape; of a backslash, where that is no escape to every reader.
    """

    def __init__(self, text: str, parser: MarkdownIt, own: Container[str]) -> None:
        self.positions: set[int] = set()
        self._text = text
        self._own = own
        lines = text.split("\n")
        self._line_starts = [0]
        for line in lines:
            self._line_starts.append(self._line_starts[-1] + len(line) + 1)
        env: dict[str, Any] = {}
        blocks = blocks_of(text, env, parser)
        if any(block.level > _MAX_NESTING - 2 for block in blocks):
            raise _NestedTooDeeply
        for definition in (*env.get("references", {}).values(), *env.get("duplicate_refs", [])):
            if not self._is_harmless(definition["href"]):
                # Before it on its line there are only the signs of lists and quotations.
                self.positions.add(text.index("[", self._line_starts[definition["map"][0]]))
        self._look_for_definitions(blocks)
        pieces: dict[int, list[Piece]] = {}
        for piece in pieces_of(text, blocks):
            pieces.setdefault(piece.inline, []).append(piece)
        for index, block in enumerate(blocks):
            if block.type == "html_block":
                self._take_all_of(block, _OPENER)
            elif block.type == "inline":
                self._look_through(block, env, parser, pieces.get(index, []))

    def _look_for_definitions(self, blocks: list[Token]) -> None:
        code = {
            line
            for block in blocks
            if block.map is not None and block.type in {"fence", "code_block"}
            for line in range(*block.map)
        }
        for match in _DEFINITION.finditer(self._text):
            address = match[1].removeprefix("<").removesuffix(">")
            position = self._text.index("[", match.start())
            if (
                _MAYBE_SCHEME.search(address)
                and not self._is_harmless(address)
                and bisect_right(self._line_starts, position) - 1 not in code
            ):
                self.positions.add(position)

    def _look_through(
        self, inline: Token, env: dict[str, Any], parser: MarkdownIt, pieces: list[Piece]
    ) -> None:
        offsets: list[int] = []

        def see(found: _Sight) -> None:
            offsets.extend(self._escaped_of(found, inline.content))

        parser.inline.parse(inline.content, parser, {**env, "see": see, "src": inline.content}, [])
        starts = [piece.offset for piece in pieces]
        for offset in offsets:
            position = _position_of(offset, inline.content, pieces, starts)
            if position is None or self._text[position] != inline.content[offset]:
                # Its place in the source is not known: then all of these lines.
                self._take_all_of(inline, _OPENER)
                self._take_all_of(inline, _BRACKET)
                break
            self.positions.add(position)

    def _escaped_of(self, found: "_Sight", content: str) -> Iterable[int]:
        """Return which characters of ``found`` to escape."""
        start, end = found.start, found.end
        match found.kind:
            case "html_inline":
                return (start,)
            case "image" if found.address not in self._own:
                # The second is the bracket of the link that is left.
                return (start,) if self._is_harmless(found.address) else (start, start + 1)
            case "link_open" if not self._is_harmless(found.address):
                return (start,)
            case "code_inline" if _is_code_to_some_only(content, start, end):
                return range(start, _end_of_run(content, start))
            case "escape" if _ANY_OPENER.match(content, start) and _is_behind_address(content, start):
                return (start,)
            case _:
                return ()

    def _take_all_of(self, block: Token, beginning: re.Pattern[str]) -> None:
        assert block.map is not None
        first, after = (self._line_starts[line] for line in block.map)
        self.positions |= {match.end() - 1 for match in beginning.finditer(self._text, first, after)}

    def _is_harmless(self, address: str) -> bool:
        return _HARMLESS.match(address) is not None or address in self._own


def _position_of(offset: int, content: str, pieces: list[Piece], starts: list[int]) -> int | None:
    """Return where in the text the character at ``offset`` of an inline's content is; None if not known."""
    if pieces and pieces[0].is_cell:
        (cell,) = pieces
        # The source of a cell has a backslash before each bar.
        position = cell.end
        for character in reversed(content[offset:]):
            position -= 2 if character == "|" else 1
        return position if position >= cell.start else None
    index = bisect_right(starts, offset) - 1
    if index < 0:
        return None
    piece = pieces[index]
    position = piece.start + offset - piece.offset
    return position if position < piece.end else None


def _is_behind_address(content: str, offset: int) -> bool:
    before = content[max(0, offset - _BARE_ADDRESS_CHARS) : offset]
    is_in_word = before != "" and not before[-1].isspace()
    return is_in_word and _BARE_ADDRESS.search(before.rsplit(maxsplit=1)[-1]) is not None


def _is_code_to_some_only(content: str, start: int, end: int) -> bool:
    """Return whether some reader takes the beginning or the end of a code span for something else.

    For the end of an address; or for a part of another line, where below them is what begins a table.
    """
    return _is_behind_address(content, start) or (
        "\n" in content[start:end] and _DELIMITER_ROW.search(content) is not None
    )


def _end_of_run(content: str, start: int) -> int:
    """Return where the run of one character that begins at ``start`` ends."""
    return len(content) - len(content[start:].lstrip(content[start]))


def _seeing(rule: Callable[[StateInline, bool], bool]) -> Callable[[StateInline, bool], bool]:
    """Return ``rule``, which now tells what it found, where, and to which address that leads."""

    def see(state: StateInline, silent: bool) -> bool:
        start, known = state.pos, len(state.tokens)
        if not rule(state, silent):
            return False
        # The text of an image is parsed on its own, and shown only as the image's name.
        if not silent and state.src is state.env["src"]:
            found = next((token for token in state.tokens[known:] if token.type in _TELLING), None)
            if found is None:
                state.env["see"](_Sight("escape", start, state.pos))
            else:
                address = str(found.attrs.get("href") or found.attrs.get("src") or "")
                state.env["see"](_Sight(found.type, start, state.pos, address))
        return True

    return see


_TELLING: Final = frozenset({"link_open", "image", "html_inline", "code_inline"})
"""Tokens that say what was found; one of an escape says nothing."""


def _make_parser(*, has_tables: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": _MAX_NESTING})
    if has_tables:
        parser.enable(["table", "strikethrough"])
    for name, rule in _RULES.items():
        parser.inline.ruler.at(name, _seeing(rule))
    # markdown-it's own way to leave addresses as they are, and to refuse none, is to replace these methods.
    for name, replacement in _AS_WRITTEN.items():
        setattr(parser, name, replacement)
    return parser


_RULES: Final = {
    "link": rules_inline.link,
    "image": rules_inline.image,
    "autolink": rules_inline.autolink,
    "html_inline": rules_inline.html_inline,
    "backticks": rules_inline.backtick,
    "escape": rules_inline.escape,
}

_AS_WRITTEN: Final[dict[str, Callable[[str], object]]] = {
    "validateLink": lambda _: True,
    "normalizeLink": lambda url: url,
    "normalizeLinkText": lambda text: text,
}

_PARSERS: Final = (_make_parser(has_tables=False), _make_parser(has_tables=True))
