"""A file as a tree of values that know where they stand, and JSON read into one."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]  # there, but not in the stubs
from typing import Final, TypeAlias

from pydantic import JsonValue

from chains.limits import MAX_DEPTH

MAX_INTEGER: Final = 2**53
"""Beyond it JSON is read differently everywhere, and past 2^63 not at all."""


@dataclass(frozen=True)
class Mark:
    """A place in a file; line and column from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Fault:
    """Something wrong in a file, and where."""

    mark: Mark
    message: str


@dataclass
class Scalar:
    """A text, a number, true, false or null.

    Attributes:
        start: Where it begins in the file, in characters.
        end: Where it ends.
    """

    value: str | int | float | bool | None
    mark: Mark
    start: int
    end: int


@dataclass
class Sequence:
    """A list."""

    mark: Mark
    parts: "list[Node]" = field(default_factory=list)


@dataclass
class Mapping:
    """An object; each key once, with the place of the key."""

    mark: Mark
    entries: "dict[str, tuple[Mark, Node]]" = field(default_factory=dict)


Node: TypeAlias = Scalar | Sequence | Mapping


class Unreadable(Exception):
    """The file cannot be read to its end.

    Attributes:
        fault: What is wrong, and where.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def plain_value(node: Node) -> JsonValue:
    """Return the value of ``node``, without its place."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain_value(part) for part in node.parts]
        case Mapping():
            return {key: plain_value(value) for key, (_, value) in node.entries.items()}


def whole_characters(text: str) -> str:
    """Return ``text`` with surrogate pairs joined, as JSON escapes write them; a lone one becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number_of(text: str) -> int | float | None:
    """Return the number ``text`` stands for; None where it is too large to be one everywhere."""
    number = float(text)
    if not math.isfinite(number):
        return None
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text) if abs(number) <= MAX_INTEGER else None
    return number


TOO_LARGE: Final = f"the number is too large; write it as text, in quotes (the limit is {MAX_INTEGER:,})"
TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
_WORDS: Final = {"true": True, "false": False, "null": None}


class JsonReader:
    """JSON with the place of each value, which the standard library does not tell.

    Attributes:
        faults: What is wrong without keeping the rest from being read.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.faults: list[Fault] = []

    def read(self) -> Node:
        """Return the whole text's value.

        Raises:
            Unreadable: It is no JSON.
        """
        node, position = self._value(self._skip(0), depth=0)
        position = self._skip(position)
        if position < len(self._text):
            raise self._unreadable(position, "something follows the end of the chain")
        return node

    def mark(self, position: int) -> Mark:
        """Return the line and column of a position in the text."""
        low, high = 0, len(self._line_starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._line_starts[middle] <= position else (low, middle)
        return Mark(low + 1, position - self._line_starts[low] + 1)

    def _value(self, position: int, *, depth: int) -> tuple[Node, int]:
        if depth > MAX_DEPTH:
            raise self._unreadable(position, TOO_DEEP)
        match self._text[position : position + 1]:
            case "{":
                return self._mapping(position, depth=depth)
            case "[":
                return self._sequence(position, depth=depth)
            case '"':
                text, end = self._string(position)
                return Scalar(text, self.mark(position), position, end), end
            case "":
                raise self._unreadable(position, "the file ends too early")
            case _:
                return self._word(position)

    def _word(self, position: int) -> tuple[Node, int]:
        if number := _NUMBER.match(self._text, position):
            value: int | float | bool | None = number_of(number[0])
            if value is None:
                self.faults.append(Fault(self.mark(position), TOO_LARGE))
            return Scalar(value, self.mark(position), position, number.end()), number.end()
        for word, meaning in _WORDS.items():
            if self._text.startswith(word, position):
                end = position + len(word)
                return Scalar(meaning, self.mark(position), position, end), end
        raise self._unreadable(position, f"{self._text[position]!r} begins no JSON value")

    def _string(self, position: int) -> tuple[str, int]:
        try:
            text, end = scanstring(self._text, position + 1, True)
        except json.JSONDecodeError as error:
            raise self._unreadable(error.pos, error.msg) from None
        return whole_characters(text), end

    def _sequence(self, position: int, *, depth: int) -> tuple[Node, int]:
        sequence = Sequence(self.mark(position))
        for start in self._parts(position, "]"):
            node, self._end = self._value(start, depth=depth + 1)
            sequence.parts.append(node)
        return sequence, self._end

    def _mapping(self, position: int, *, depth: int) -> tuple[Node, int]:
        mapping = Mapping(self.mark(position))
        for start in self._parts(position, "}"):
            if self._text[start : start + 1] != '"':
                raise self._unreadable(start, "a key in double quotes is expected here")
            key, end = self._string(start)
            colon = self._skip(end)
            if self._text[colon : colon + 1] != ":":
                raise self._unreadable(colon, "`:` is expected here")
            node, self._end = self._value(self._skip(colon + 1), depth=depth + 1)
            add_entry(mapping, key, self.mark(start), node, self.faults)
        return mapping, self._end

    def _parts(self, position: int, closing: str) -> Iterator[int]:
        """Yield where each part begins; whoever takes them says in ``_end`` where it ended."""
        self._end = self._skip(position + 1)
        if self._text[self._end : self._end + 1] == closing:
            self._end += 1
            return
        while True:
            yield self._end
            self._end = self._skip(self._end)
            mark = self._text[self._end : self._end + 1]
            if mark == closing:
                self._end += 1
                return
            if mark != ",":
                raise self._unreadable(self._end, f"`,` or `{closing}` is expected here")
            self._end = self._skip(self._end + 1)

    def _skip(self, position: int) -> int:
        match = _SPACE.match(self._text, position)
        assert match is not None  # it matches nothing, too
        return match.end()

    def _unreadable(self, position: int, message: str) -> Unreadable:
        return Unreadable(Fault(self.mark(position), message))


def add_entry(mapping: Mapping, key: str, mark: Mark, node: Node, faults: list[Fault]) -> None:
    """Add an entry to ``mapping``; a key that is there already is a fault, and the first one stays."""
    if key in mapping.entries:
        first = mapping.entries[key][0]
        faults.append(Fault(mark, f"the key {key[:80]!r} is given twice; the first is in line {first.line}"))
    else:
        mapping.entries[key] = (mark, node)
