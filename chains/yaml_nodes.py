"""YAML read into a tree of values that know where they stand. No workflow may import this.

The core schema of YAML 1.2: ``yes``, ``on``, ``16:9`` and ``2026-11-22`` are texts, as people expect. Tags,
anchors and aliases are refused: a chain needs none, and with them a short file can mean an endless one.
"""

import re
from collections.abc import Iterator
from typing import Final, Protocol

import yaml

from chains.limits import MAX_DEPTH
from chains.nodes import (
    TOO_DEEP,
    TOO_LARGE,
    Fault,
    Mapping,
    Mark,
    Node,
    Scalar,
    Sequence,
    Unreadable,
    add_entry,
    number_of,
    whole_characters,
)

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)


class _HasPlace(Protocol):
    """A mark of either of PyYAML's two scanners."""

    line: int
    column: int


class YamlReader:
    """One document.

    Attributes:
        faults: What is wrong without keeping the rest from being read.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        # Events only: what they say is never constructed.
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self.faults: list[Fault] = []

    def read(self) -> Node | None:
        """Return the document's value; None for an empty one.

        Raises:
            Unreadable: It is no YAML.
        """
        try:
            return self._document()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise Unreadable(Fault(_mark(mark), _said(error))) from None
        except yaml.reader.ReaderError as error:
            position = error.position
            line = self._text.count("\n", 0, position)
            column = position - (self._text.rfind("\n", 0, position) + 1)
            message = f"the character U+{error.character:04X} cannot stand in a YAML file"
            raise Unreadable(Fault(Mark(line + 1, column + 1), message)) from None

    def _document(self) -> Node | None:
        next(self._events)  # the stream begins
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        node = self._node(next(self._events), depth=0)
        next(self._events)  # the document ends
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise Unreadable(Fault(_mark(after.start_mark), "a file holds one chain; here begins another"))
        return node

    def _node(self, event: yaml.Event, *, depth: int) -> Node:
        mark = _mark(event.start_mark)
        if depth > MAX_DEPTH:
            raise Unreadable(Fault(mark, TOO_DEEP))
        match event:
            case yaml.AliasEvent():
                raise Unreadable(Fault(mark, f"aliases (*{event.anchor}) are not supported; write it out"))
            case yaml.ScalarEvent():
                self._check_plain(event.anchor, event.tag, mark)
                assert event.start_mark is not None  # what comes out of a text has its places
                assert event.end_mark is not None
                return Scalar(self._scalar(event, mark), mark, event.start_mark.index, event.end_mark.index)
            case yaml.SequenceStartEvent():
                self._check_plain(event.anchor, event.tag, mark)
                sequence = Sequence(mark)
                while not isinstance(part := next(self._events), yaml.SequenceEndEvent):
                    sequence.parts.append(self._node(part, depth=depth + 1))
                return sequence
            case yaml.MappingStartEvent():
                self._check_plain(event.anchor, event.tag, mark)
                return self._mapping(mark, depth=depth)
            case _:
                raise AssertionError(f"{event!r} begins no value")

    def _mapping(self, mark: Mark, *, depth: int) -> Mapping:
        mapping = Mapping(mark)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth=depth + 1)
            if not isinstance(event, yaml.ScalarEvent):
                raise Unreadable(Fault(key.mark, "a key is a word, not a list or an object"))
            value = self._node(next(self._events), depth=depth + 1)
            # As it is written: `1` and `true` are fine names for a tool's arguments.
            add_entry(mapping, whole_characters(event.value), key.mark, value, self.faults)
        return mapping

    def _check_plain(self, anchor: str | None, tag: str | None, mark: Mark) -> None:
        if anchor is not None:
            self.faults.append(Fault(mark, f"anchors (&{anchor}) are not supported"))
        if tag not in (None, "!"):
            self.faults.append(Fault(mark, "tags (!…) are not supported; write plain values"))

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> str | int | float | bool | None:
        text: str = event.value
        if event.style is not None:
            return whole_characters(text)
        if text in _NULLS:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        if _NUMBER.fullmatch(text):
            number = number_of(text)
            if number is None:
                self.faults.append(Fault(mark, TOO_LARGE))
            return number
        return whole_characters(text)


def _mark(mark: _HasPlace | None) -> Mark:
    return Mark(1, 1) if mark is None else Mark(mark.line + 1, mark.column + 1)


def _said(error: yaml.MarkedYAMLError) -> str:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    if "cannot start any token" in said and "'\\t'" in said:
        return "a tab cannot indent; use spaces"
    if "mapping values are not allowed here" in said:
        return "`: ` cannot stand here; put the text in quotes, or check the indentation"
    return f"this is no YAML: {said}"
