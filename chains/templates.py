"""Templates: texts with ``{{ path }}`` in them, and what they become.

Workflow code: see docs/changing.md.

Nothing in a template is executed: a path names a value that is there, and there are no filters, operators or
calls. What a value contains is never read as a template again. ``{{{{`` stands for two literal braces.

A text of another step that is too long for history is never here: only the address of its file is. In its
place `render` puts a placeholder, a number between two characters of Unicode's private use area, and says in
a `Quote` which file is to replace it when the text is sent. These two characters are taken out of everything
else, so that no text can pretend to be a placeholder.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from pydantic import JsonValue

from chains.errors import RenderError, TemplateError
from chains.limits import MAX_PATH_PARTS, MAX_REFERENCES
from runs.messages import ArtifactRef, Quote

Root = Literal["inputs", "item", "item_index", "steps"]
Part = str | int
"""A key of an object, or a position in a list."""

ITEM_INDEX: Final = "[item_index]"
"""Stands in a path for the number of the item at hand. No key is written like this."""

_OPEN: Final = "{{"
_CLOSE: Final = "}}"
_MARKS: Final = str.maketrans("", "", "\ue000\ue001")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_INDEX: Final = re.compile(r"\[ *(\d{1,9}|item_index) *\]")
_FILE: Final = re.compile(r"(steps\.[\w-]+(?:\.items\[[^\]]*\])?)\.artifacts\.([\w-][\w.-]*)", re.ASCII)
_MAX_SHOWN_CHARS: Final = 60


@dataclass(frozen=True)
class Reference:
    """One ``{{ path }}``.

    Attributes:
        root: What the path begins with.
        name: Of the input or the step; empty for the others.
        index: Which item of a for_each, by its number or `ITEM_INDEX`; None: the step.
        field: What of the step; empty for the others.
        path: Further in, in the value; a position may be `ITEM_INDEX`.
        source: The path as it was written.
        opening: Which ``{{`` of the text it is, from 0.
    """

    root: Root
    name: str = ""
    index: Part | None = None
    field: str = ""
    path: tuple[Part, ...] = ()
    source: str = ""
    opening: int = 0


Piece: TypeAlias = str | Reference


@lru_cache(maxsize=4096)
def parse(template: str) -> tuple[Piece, ...]:
    """Return the literal texts and the references of ``template``, in order.

    Raises:
        TemplateError: It is not well formed.
    """
    pieces: list[Piece] = []
    literal: list[str] = []
    position = opening = found = 0
    while (start := template.find(_OPEN, position)) >= 0:
        literal.append(template[position:start])
        if template.startswith(_OPEN * 2, start):
            literal.append(_OPEN)
            position = start + 2 * len(_OPEN)
            opening += 2
            continue
        end = template.find(_CLOSE, start)
        if end < 0:
            raise TemplateError("`{{` is never closed; write {{{{ for two literal braces", opening=opening)
        if text := "".join(literal):
            pieces.append(text)
        literal = []
        if found == MAX_REFERENCES:
            raise TemplateError(f"more than {MAX_REFERENCES} templates in one text", opening=opening)
        pieces.append(_reference(template[start + len(_OPEN) : end].strip(), opening=opening))
        found += 1
        opening += 1
        position = end + len(_CLOSE)
    literal.append(template[position:])
    if text := "".join(literal):
        pieces.append(text)
    return tuple(pieces)


def references(template: str) -> Iterator[Reference]:
    """Yield the references in ``template``, in order.

    Raises:
        TemplateError: It is not well formed.
    """
    return (piece for piece in parse(template) if isinstance(piece, Reference))


def whole(template: str) -> Reference | None:
    """Return the reference that ``template`` consists of; None when there is more to it, or less.

    Such a template gives the value itself, a list for example, and not its text.

    Raises:
        TemplateError: It is not well formed.
    """
    pieces = parse(template.strip())
    first = pieces[0] if len(pieces) == 1 else None
    return first if isinstance(first, Reference) else None


def _reference(source: str, *, opening: int) -> Reference:
    def refuse(reason: str) -> TemplateError:
        return TemplateError(reason, opening=opening)

    shown = source if len(source) <= _MAX_SHOWN_CHARS else source[:_MAX_SHOWN_CHARS] + "…"
    match _parts(source):
        case None:
            raise refuse(
                f"`{shown}` is no path like steps.NAME.text, inputs.NAME or item; templates have no code"
            )
        case ["inputs", str() as name, *path]:
            return Reference("inputs", name=name, path=tuple(path), source=source, opening=opening)
        case ["item", *path]:
            return Reference("item", path=tuple(path), source=source, opening=opening)
        case ["item_index"]:
            return Reference("item_index", source=source, opening=opening)
        case ["steps", str() as name, "items", (int() | "[item_index]") as index, str() as what, *path]:
            return Reference(
                "steps",
                name=name,
                index=index,
                field=what,
                path=tuple(path),
                source=source,
                opening=opening,
            )
        case ["steps", str() as name, str() as what, *path]:
            return Reference("steps", name=name, field=what, path=tuple(path), source=source, opening=opening)
        case ["steps", *_]:
            raise refuse(f"`{shown}` says not what of the step; write steps.NAME.text, for example")
        case ["inputs", *_]:
            raise refuse(f"`{shown}` says not which input; write inputs.NAME")
        case _:
            raise refuse(f"`{shown}` begins with none of inputs, steps, item and item_index")


def _parts(source: str) -> list[Part] | None:
    """Return the parts of a path; None when it is none."""
    if file := _FILE.fullmatch(source):
        # A file's name has dots of its own, so it is the rest of the path.
        before = _parts(file[1])
        return None if before is None else [*before, "artifacts", file[2]]
    parts: list[Part] = []
    position = 0
    while position < len(source):
        if index := _INDEX.match(source, position):
            if not parts:
                return None
            parts.append(int(index[1]) if index[1].isdigit() else ITEM_INDEX)
            position = index.end()
            continue
        if parts:
            if source[position] != ".":
                return None
            position += 1
        word = _WORD.match(source, position)
        if word is None:
            return None
        parts.append(word[0])
        position = word.end()
    return parts if 0 < len(parts) <= MAX_PATH_PARTS else None


@dataclass(frozen=True)
class LongText:
    """A text that is too long for history: where it is."""

    uri: str


@dataclass(frozen=True)
class Texts:
    """The texts of a for_each's items, of which some may be long."""

    parts: tuple[str | LongText, ...]


Value: TypeAlias = JsonValue | LongText | Texts | ArtifactRef

TEXTS_SEPARATOR: Final = "\n\n"
"""Between the texts of a for_each's items."""


@dataclass(frozen=True)
class Scope:
    """What a template can refer to.

    Attributes:
        inputs: The chain's inputs, by name.
        steps: What the steps have come to.
        item: The item at hand; None outside of a for_each.
        item_index: Its number, from 0; None outside of a for_each.
    """

    inputs: Mapping[str, JsonValue]
    steps: "StepValues"
    item: JsonValue = None
    item_index: int | None = None

    def value_of(self, reference: Reference) -> Value:
        """Return what ``reference`` refers to.

        Raises:
            RenderError: It is not there.
        """
        numbered = self._numbered(reference)
        match numbered.root:
            case "inputs":
                if numbered.name not in self.inputs:
                    raise RenderError(f"there is no input {numbered.name!r}")
                return descend(self.inputs[numbered.name], numbered.path, numbered.source)
            case "item":
                self._check_inside(numbered)
                return descend(self.item, numbered.path, numbered.source)
            case "item_index":
                return self._check_inside(numbered)
            case "steps":
                return self.steps.value_of(numbered)

    def _numbered(self, reference: Reference) -> Reference:
        """Return ``reference`` with the number of the item at hand in its place."""
        if reference.index != ITEM_INDEX and ITEM_INDEX not in reference.path:
            return reference
        number = self._check_inside(reference)
        index = number if reference.index == ITEM_INDEX else reference.index
        path = tuple(number if part == ITEM_INDEX else part for part in reference.path)
        return replace(reference, index=index, path=path)

    def _check_inside(self, reference: Reference) -> int:
        if self.item_index is None:
            raise RenderError(f"`{reference.source}`: an item is only there inside for_each")
        return self.item_index


class StepValues:
    """What steps have come to, as far as templates may refer to it. The base knows no step."""

    def value_of(self, reference: Reference) -> Value:
        """Return what ``reference``, whose root is ``steps``, refers to.

        Raises:
            RenderError: It is not there.
        """
        raise RenderError(f"there is no step {reference.name!r}")


def descend(value: JsonValue, path: tuple[Part, ...], source: str) -> JsonValue:
    """Return what is at ``path`` in ``value``.

    Raises:
        RenderError: Nothing is; the message names ``source``.
    """
    for part in path:
        match value, part:
            case dict(), str() if part in value:
                value = value[part]
            case list(), int() if part < len(value):
                value = value[part]
            case _:
                raise RenderError(f"`{source}`: there is no {part!r}")
    return value


@dataclass(frozen=True)
class Rendered:
    """A text ready to be sent.

    Attributes:
        text: With a placeholder where a long text belongs.
        quotes: The long texts, one for each placeholder.
    """

    text: str
    quotes: tuple[Quote, ...] = ()


@dataclass
class Quotes:
    """The long texts of one message: each has one placeholder, however often it stands there."""

    _numbers: dict[str, int] = field(default_factory=dict)

    def placeholder(self, uri: str) -> str:
        """Return what stands for the text at ``uri``."""
        return f"\ue000{self._numbers.setdefault(uri, len(self._numbers))}\ue001"

    def taken(self) -> tuple[Quote, ...]:
        """Return the placeholders given out, in their order."""
        return tuple(Quote(placeholder=self.placeholder(uri), uri=uri) for uri in self._numbers)


def render(template: str, scope: Scope) -> Rendered:
    """Return what ``template`` becomes.

    Raises:
        RenderError: Something it refers to is not there.
        TemplateError: It is not well formed.
    """
    quotes = Quotes()
    text = render_text(template, scope, quotes)
    return Rendered(text, quotes.taken())


def render_text(template: str, scope: Scope, quotes: Quotes) -> str:
    """Return what ``template`` becomes, with its placeholders taken from ``quotes``.

    Raises:
        RenderError: Something it refers to is not there.
        TemplateError: It is not well formed.
    """
    return "".join(
        plain(piece) if isinstance(piece, str) else text_of(scope.value_of(piece), quotes)
        for piece in parse(template)
    )


def render_json(value: JsonValue, scope: Scope, quotes: Quotes) -> JsonValue:
    """Return ``value`` with every text in it, at any depth, taken as a template.

    A text that is one reference and nothing else becomes the value it refers to. Keys are no templates.

    Raises:
        RenderError: Something is not there.
        TemplateError: A text is not well formed.
    """
    match value:
        case str():
            reference = whole(value)
            if reference is None:
                return render_text(value, scope, quotes)
            found = scope.value_of(reference)
            if isinstance(found, LongText | Texts | ArtifactRef):
                return text_of(found, quotes)
            return plain_json(found)
        case list():
            return [render_json(part, scope, quotes) for part in value]
        case dict():
            return {plain(key): render_json(part, scope, quotes) for key, part in value.items()}
        case _:
            return value


def text_of(value: Value, quotes: Quotes) -> str:
    """Return ``value`` as it stands in a text: JSON for lists and objects, nothing for null."""
    match value:
        case LongText():
            return quotes.placeholder(value.uri)
        case ArtifactRef():
            return plain(value.uri)
        case Texts():
            return TEXTS_SEPARATOR.join(text_of(part, quotes) for part in value.parts)
        case None:
            return ""
        case str():
            return plain(value)
        case _:
            return plain(json.dumps(value, ensure_ascii=False))


def plain(text: str) -> str:
    """Return ``text`` without the two characters that make a placeholder."""
    return text.translate(_MARKS)


def plain_json(value: JsonValue) -> JsonValue:
    """Return ``value`` with no such character in any of its texts."""
    match value:
        case str():
            return plain(value)
        case list():
            return [plain_json(part) for part in value]
        case dict():
            return {plain(key): plain_json(part) for key, part in value.items()}
        case _:
            return value
