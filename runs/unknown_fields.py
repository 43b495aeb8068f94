"""Fields of a document that nobody will read: found, with the name or the place that is probably meant.

Workflow code: see docs/changing.md.

Stored shapes ignore what they do not know. A request that somebody writes must not: a bound on the cost under
a wrong name would be no bound.
"""

import difflib
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from runs.text import first_line

_MAX_NAME_CHARS: Final = 80

_SLIP: Final = 0.75
"""So alike are a name and one with a letter or two wrong: ``deadlin_s``. Below, a field of that very name
elsewhere is likelier to be meant."""

_MIN_PART_CHARS: Final = 4
"""``schema`` for ``json_schema``."""

_LATER: Final[tuple[object, ...]] = (None, [], {}, ())
"""A field that says nothing is none that is missed. A newer client writes its newer fields out like this."""

_CARRIED: Final = "state"
"""What only a workflow gives itself; nothing to suggest to a person."""

_ANY_KEY: Final = "*"
_ANY_ITEM: Final = "[]"

_Path: TypeAlias = tuple[str, ...]
"""From the document down: names of fields, and ``*`` for a key of free choice, ``[]`` for an item."""


def unknown_fields(document: object, model: type[BaseModel], *, what: str) -> Iterator[str]:
    """Yield a line for each field of ``document`` that ``model`` does not have, at any depth.

    What a field holds is only looked into as far as models say what is in it: a JSON Schema, or the arguments
    of a function, are anybody's. Values that are no JSON, such as models already made, are passed over.

    Args:
        document: JSON, as Python has it.
        model: What it is to become.
        what: What it is to start or to say, such as ``a run``.
    """
    return _Walk(model, what).of_model(document, model, at=_At())


@dataclass(frozen=True)
class _At:
    """A place in a document.

    Attributes:
        path: With free keys and positions left open.
        pieces: The same as people write it, part for part: ``.forms``, ``[0]``.
    """

    path: _Path = ()
    pieces: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        return "".join(self.pieces).lstrip(".")

    def field(self, name: str) -> "_At":
        return _At((*self.path, name), (*self.pieces, f".{name}"))

    def key(self, key: str) -> "_At":
        return _At((*self.path, _ANY_KEY), (*self.pieces, f".{key}"))

    def item(self, number: int) -> "_At":
        return _At((*self.path, _ANY_ITEM), (*self.pieces, f"[{number}]"))


class _Walk:
    def __init__(self, root: type[BaseModel], what: str) -> None:
        self._root = root
        self._what = what

    def of_model(self, value: object, model: type[BaseModel], *, at: _At) -> Iterator[str]:
        if not isinstance(value, dict):
            return  # a short form, or no document
        known = _fields_of(model)
        for name, part in value.items():
            if name in known:
                yield from self._of_value(part, known[name], at=at.field(name))
            elif part not in _LATER:
                yield self._objection(str(name), known, at=at)

    def _of_value(self, value: object, annotation: Any, *, at: _At) -> Iterator[str]:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            yield from self._of_value(value, arguments[0], at=at)
        elif origin in (Union, types.UnionType):
            yield from self._of_union(value, arguments, at=at)
        elif origin in (tuple, list) and isinstance(value, list | tuple):
            for number, part in enumerate(value):
                yield from self._of_value(part, arguments[0], at=at.item(number))
        elif origin is dict and isinstance(value, dict):
            for key, part in value.items():
                yield from self._of_value(part, arguments[1], at=at.key(_shown(str(key))))
        elif _is_model(annotation):
            yield from self.of_model(value, annotation, at=at)

    def _of_union(self, value: object, members: tuple[Any, ...], *, at: _At) -> Iterator[str]:
        models = [member for member in members if _is_model(member)]
        if not isinstance(value, dict) or not models:
            for member in members:
                yield from self._of_value(value, member, at=at)
            return
        meant = [model for model in models if _is_of_type(value, model)]
        # Where nothing tells them apart, the one that knows the most of it.
        found = [list(self.of_model(value, model, at=at)) for model in meant or models]
        yield from min(found, key=len, default=())

    def _objection(self, name: str, known: Iterable[str], *, at: _At) -> str:
        place = at.field(_shown(name)).shown
        hint = self._hint(name[:_MAX_NAME_CHARS], known, at)
        return f"{place}: not a field of {at.shown or self._what}; {hint}"

    def _hint(self, name: str, known: Iterable[str], at: _At) -> str:
        names = [each for each in known if each != _CARRIED]
        if meant := _alike(name, names):
            return f"did you mean {meant}?"
        # A field of another kind of the same thing is none here.
        elsewhere = [path for path in _places_of(self._root) if path[-1] == name and path[:-1] != at.path]
        if elsewhere:
            # The nearest: with the most of the way in common, and then the shortest.
            nearest = min(elsewhere, key=lambda path: (-_common(path, at.path), len(path)))
            where = _shown_like(nearest[:-1], at)
            return f"it belongs into {where}" if where else f"it is a field of {self._what} itself"
        close = difflib.get_close_matches(name, names, n=1)
        return f"did you mean {close[0]}?" if close else f"there are: {', '.join(names)}"


def _alike(name: str, names: list[str]) -> str | None:
    """Return which of ``names`` is meant, as good as certainly: a slip, or a part of it."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=_SLIP)
    parts = [each for each in names if len(name) >= _MIN_PART_CHARS and name in each]
    return next(iter([*close, *parts]), None)


def _shown(name: str) -> str:
    return first_line(name, _MAX_NAME_CHARS)


def _fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the annotations of a model's fields, by the names that documents use."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_of_type(value: dict[Any, Any], model: type[BaseModel]) -> bool:
    """Return whether ``value`` says that it is a ``model``, by a field that is one word there."""
    return any(
        get_origin(annotation) is Literal and value.get(name) in get_args(annotation)
        for name, annotation in _fields_of(model).items()
        if name == "type"
    )


def _places_of(annotation: Any, path: _Path = (), above: tuple[Any, ...] = ()) -> Iterator[_Path]:
    """Yield the path of every field below ``annotation``."""
    if _is_model(annotation):
        if annotation in above:
            return
        for name, inner in _fields_of(annotation).items():
            if name != _CARRIED:
                yield (*path, name)
                yield from _places_of(inner, (*path, name), (*above, annotation))
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _places_of(arguments[0], path, above)
    elif origin in (Union, types.UnionType):
        for member in arguments:
            yield from _places_of(member, path, above)
    elif origin in (tuple, list):
        yield from _places_of(arguments[0], (*path, _ANY_ITEM), above)
    elif origin is dict:
        yield from _places_of(arguments[1], (*path, _ANY_KEY), above)


def _common(one: _Path, other: _Path) -> int:
    """Return how many parts both paths begin with."""
    alike = (first == second for first, second in zip(one, other, strict=False))
    return next((number for number, is_alike in enumerate(alike) if not is_alike), min(len(one), len(other)))


def _shown_like(path: _Path, at: _At) -> str:
    """Return ``path`` as people write it, with the keys of ``at`` as far as both go together."""
    common = _common(path, at.path)
    further = (
        "[0]" if part == _ANY_ITEM else f".{'NAME' if part == _ANY_KEY else part}" for part in path[common:]
    )
    return "".join((*at.pieces[:common], *further)).lstrip(".")
