"""A chain's file, read and checked as a whole: all that is wrong with it at once, each with its place.

It reads YAML, so no workflow may import it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from chains import limits
from chains.checking import check, suggestion
from chains.errors import InvalidChain
from chains.nodes import Fault, JsonReader, Mapping, Mark, Node, Scalar, Sequence, Unreadable, plain_value
from chains.spec import (
    Approve,
    Ask,
    Body,
    CallFunction,
    ChainSpec,
    ForEach,
    InputSpec,
    Join,
    Research,
    Retry,
    Step,
)
from chains.templates import Part
from chains.yaml_nodes import YamlReader
from runs.budget import Budget
from runs.message import Message

_KINDS: Final[dict[str, type[Message]]] = {
    "research": Research,
    "ask": Ask,
    "tool": CallFunction,
    "approve": Approve,
    "join": Join,
    "for_each": ForEach,
}


@dataclass(frozen=True)
class PlacedChain:
    """A chain, and where in its file each part of it stands.

    Attributes:
        spec: The chain.
        place_of: Returns ``FILE:LINE:COLUMN`` of the value at a path, or of the nearest above that is there.
    """

    spec: ChainSpec
    place_of: Callable[[tuple[Part, ...]], str]


def read_chain(text: str, *, source: str) -> ChainSpec:
    """Return the chain in ``text``.

    Args:
        text: A file's content: JSON if ``source`` ends in ``.json``, or has no ending and ``text`` begins
            like an object; else YAML.
        source: What to call it in messages, such as the file's name.

    Raises:
        InvalidChain: It is none; with all that is wrong, in the order of the file.
    """
    return read_placed_chain(text, source=source).spec


def read_placed_chain(text: str, *, source: str) -> PlacedChain:
    """Return the chain in ``text``, as `read_chain` does, for whoever finds something more to say about it.

    Raises:
        InvalidChain: It is none.
    """
    faults: list[Fault] = []
    spec: ChainSpec | None = None
    places: _Places | None = None
    try:
        root = _tree(text, source, faults)
        places = _Places(root, text.removeprefix("\ufeff"))
        spec = _spec(root, places, faults)
    except Unreadable as unreadable:
        faults.append(unreadable.fault)
    if faults or spec is None or places is None:
        ordered = sorted(set(faults), key=lambda fault: (fault.mark.line, fault.mark.column))
        raise InvalidChain(tuple(f"{_place(source, fault.mark)}: {fault.message}" for fault in ordered))
    found = places
    return PlacedChain(spec, lambda path: _place(source, found.of(path)))


def _place(source: str, mark: Mark) -> str:
    return f"{source}:{mark.line}:{mark.column}"


def _tree(text: str, source: str, faults: list[Fault]) -> Mapping:
    size_bytes = len(text.encode(errors="replace"))
    if size_bytes > limits.MAX_FILE_BYTES:
        raise Unreadable(
            Fault(Mark(1, 1), f"the file has {size_bytes:,} bytes, the limit is {limits.MAX_FILE_BYTES:,}")
        )
    name = source.lower()
    is_json = name.endswith(".json") or (
        not name.endswith((".yaml", ".yml")) and text.lstrip("\ufeff \t\r\n").startswith("{")
    )
    text = text.removeprefix("\ufeff")
    reader = JsonReader(text) if is_json else YamlReader(text)
    try:
        root = reader.read()
    finally:
        faults += reader.faults
    if root is None:
        raise Unreadable(Fault(Mark(1, 1), "the file is empty; a chain has a name and steps"))
    if not isinstance(root, Mapping):
        raise Unreadable(Fault(root.mark, "a chain is an object with a name and steps"))
    return root


def _spec(root: Mapping, places: "_Places", faults: list[Fault]) -> ChainSpec | None:
    """Return the chain at ``root``, with what is wrong added to ``faults``; None where it has no shape."""
    value = plain_value(root)
    assert isinstance(value, dict)  # the root is a mapping
    try:
        spec = _validated(value)
        unread: frozenset[str] = frozenset()
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        faults += (_fault(details, places) for details in wrong)
        # The rest is checked, too, so that all is said at once.
        unread = _leave_out(value, wrong)
        try:
            spec = _validated(value)
        except ValidationError:
            return None
    for problem in check(spec, may_name_files=True, unread=unread):
        faults.append(Fault(places.of(problem.path, opening=problem.opening), problem.message))
    return spec


def _validated(value: dict[str, JsonValue]) -> ChainSpec:
    return ChainSpec.model_validate(value, extra="forbid")


def _leave_out(value: dict[str, JsonValue], wrong: list[ErrorDetails]) -> frozenset[str]:
    """Take out of ``value`` what is wrong, and return the names of the steps that this leaves out."""
    names: set[str] = set()
    for details in wrong:
        match details["loc"]:
            case ("steps", str() as name, *_):
                names.add(name)
            case ("inputs", str() as name, *_):
                inputs = value.get("inputs")
                if isinstance(inputs, dict) and name in inputs:
                    # It is there, of whatever kind it is.
                    inputs[name] = {}
            case (str() as key, *_) if key != "name":
                value.pop(key, None)
            case _:
                pass
    value["name"] = "unnamed"
    steps = value.get("steps")
    if isinstance(steps, dict):
        for name in names:
            steps.pop(name, None)
    return frozenset(names)


class _Places:
    """Where each value of a file stands, by its path."""

    def __init__(self, root: Mapping, text: str) -> None:
        self._root = root
        self._text = text

    def of(self, path: tuple[Part, ...], *, opening: int | None = None) -> Mark:
        """Return where the value at ``path`` stands, or the nearest above that is there.

        Args:
            path: By keys and positions; what names no part of the file, because it is a short form, is
                passed over.
            opening: Which ``{{`` of the text, from 0; None for its beginning.
        """
        node = self._nodes(path)[-1]
        if opening is None or not isinstance(node, Scalar) or not isinstance(node.value, str):
            return node.mark
        raw = self._text[node.start : node.end]
        if raw.count("{{") != node.value.count("{{"):
            return node.mark  # written with escapes
        position = -2
        for _ in range(opening + 1):
            position = raw.find("{{", position + 2)
        if position < 0:
            return node.mark
        before = raw[:position]
        if "\n" not in before:
            return Mark(node.mark.line, node.mark.column + position)
        return Mark(node.mark.line + before.count("\n"), position - before.rfind("\n"))

    def of_key(self, path: tuple[Part, ...]) -> Mark:
        """Return where the key of the value at ``path`` stands."""
        above = self._nodes(path[:-1])[-1]
        if path and isinstance(above, Mapping) and path[-1] in above.entries:
            return above.entries[str(path[-1])][0]
        # Of a list's part, or of nothing: the key above it.
        return self.of_key(path[:-1]) if path else self._root.mark

    def _nodes(self, path: tuple[Part, ...]) -> list[Node]:
        nodes: list[Node] = [self._root]
        for part in path:
            node = nodes[-1]
            if isinstance(node, Mapping) and isinstance(part, str) and part in node.entries:
                nodes.append(node.entries[part][1])
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.parts):
                nodes.append(node.parts[part])
        return nodes


def _fault(details: ErrorDetails, places: _Places) -> Fault:
    path = details["loc"]
    key = path[-1] if path else ""
    match details["type"]:
        case "extra_forbidden":
            hint = suggestion(str(key), _keys_at(path[:-1]))
            return Fault(places.of_key(path), f"unknown key {str(key)[:80]!r}{hint}")
        case "missing":
            mark = places.of_key(path[:-1]) if len(path) > 1 else places.of(())
            return Fault(mark, f"`{key}` is missing")
        case "string_pattern_mismatch" if key == "[key]":
            return Fault(places.of_key(path[:-1]), f"{str(path[-2])[:80]!r} is no name; {_NAME}")
        case "string_pattern_mismatch" if path == ("name",):
            return Fault(places.of(path), f"`name`: {_NAME}")
        case _:
            return Fault(places.of(path), f"{_label(path)}{_said(details)}")


_NAME: Final = f"a name is a letter, and up to {limits.MAX_NAME_CHARS - 1} more letters, digits, `_` or `-`"


def _label(path: tuple[Part, ...]) -> str:
    keys = [part for part in path if isinstance(part, str)]
    return f"`{keys[-1]}`: " if keys else ""


_SAID: Final = {
    "string_type": "is to be text; put it in quotes",
    "int_type": "is to be a whole number",
    "float_type": "is to be a number",
    "bool_type": "is to be true or false",
    "tuple_type": "is to be a list",
    "list_type": "is to be a list",
    "dict_type": "is to be an object, with a key for each value",
    "model_type": "is to be an object, with a key for each value",
    "string_too_short": "is empty",
}


def _said(details: ErrorDetails) -> str:
    said = _SAID.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    return said.replace("Input should be", "is to be")


def _keys_at(path: tuple[Part, ...]) -> Iterator[str]:
    """Yield the keys that may stand at ``path``."""
    model: type[Message] | None = None
    match path:
        case ():
            model = ChainSpec
        case ("inputs", _):
            model = InputSpec
        case (*_, "budget"):
            model = Budget
        case (*_, "retry"):
            model = Retry
        case ("steps", _):
            model = Step
        case ("steps", _, "for_each", "do"):
            model = Body
        case ("steps", _, str() as kind) | ("steps", _, "for_each", "do", str() as kind):
            model = _KINDS.get(kind)
        case _:
            pass
    if model is not None:
        for name, field in model.model_fields.items():
            yield field.alias or name
