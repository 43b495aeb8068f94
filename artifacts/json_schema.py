"""JSON Schemas for answers: whether one can be asked for, and whether an answer follows it.

Schemas are of draft 2020-12 and refer only to themselves: nothing is ever fetched to read one.

Patterns are matched by an engine that does not backtrack, in time proportional to the answer. Only one that
needs it (look-around, back-references) is given to one that does, which gives up after a number of steps.
How much else there is to check is bounded by the schema, not by us: whoever cannot wait lets a process of
its own do it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast
from urllib.parse import unquote

from jsonschema_rs import (
    Draft202012Validator,
    FancyRegexOptions,
    RegexOptions,
    ValidationError,
    ValidationErrorKind,
)
from pydantic import JsonValue
from pydantic_core import from_json

_REFERENCES: Final = ("$ref", "$dynamicRef")
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")

_SAME_VALUE: Final = ("not", "if", "then", "else")
_SAME_VALUE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SAME_VALUE_OBJECTS: Final = ("dependentSchemas",)
"""Keywords whose schemas are about the value itself, and not about one within it."""

_MAX_CHECKS: Final = 100_000
"""Of one value, by a schema whose parts refer to each other. A large one has thousands; these are checked in
milliseconds, and an answer has thousands of values."""

_MAX_BACKTRACKS: Final = 1_000_000
"""Of one pattern that needs them; seconds at the most."""

_MAX_MESSAGE_CHARS: Final = 300
"""The library's messages repeat what they object to, which may be a whole answer."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class InvalidSchema(ValueError):
    """The schema cannot be asked for; the message says why."""


class InvalidAnswer(ValueError):
    """The answer does not follow its schema.

    Attributes:
        path: Where in the answer, as a JSON path such as ``$.items[0].name``; ``$`` for the whole.
        message: What is wrong there, shortened.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class _EndlessError(Exception):
    """A part of a schema is about the same value as itself."""


class Unchecked(Exception):
    """Nobody knows whether the answer follows its schema; the message says why it could not be checked."""


def check_schema(schema: dict[str, JsonValue]) -> None:
    """Make sure that ``schema`` is a JSON Schema that `validate` can use.

    Raises:
        InvalidSchema: It is none, refers to something outside of itself or not there, or takes too long.
    """
    try:
        objection = next(_objections(schema), None)
        if objection is None:
            _validator(schema)
    except ValidationError as error:
        raise InvalidSchema(f"no valid JSON Schema: {_path(error)}: {_short(error.message)}") from None
    except (RecursionError, ValueError):
        # ValueError: the library's word for the same.
        raise InvalidSchema("no usable JSON Schema: nested too deeply") from None
    if objection is not None:
        raise InvalidSchema(f"no usable JSON Schema: {objection}")


def objection_to(schema: dict[str, JsonValue]) -> str | None:
    """Return what `check_schema` has against ``schema``, or None: for a process that returns values."""
    try:
        check_schema(schema)
    except InvalidSchema as error:
        return str(error)
    return None


def validate(answer: str, schema: dict[str, JsonValue]) -> JsonValue:
    """Return the JSON value in ``answer``, which follows ``schema``.

    May take for ever: see `isolation`.

    Args:
        answer: The whole text of an answer.
        schema: One that `check_schema` has nothing against.

    Raises:
        InvalidAnswer: It is no JSON, or does not follow the schema.
        Unchecked: A pattern of the schema took too long.
    """
    try:
        # NaN and infinity are no JSON, and nothing that stores the value takes them.
        value = cast("JsonValue", from_json(answer, allow_inf_nan=False))
    except ValueError as error:
        raise InvalidAnswer("$", f"not JSON: {_short(str(error))}") from None
    try:
        # The first problem. To find all before choosing one takes time in the square of their number.
        _validator(schema).validate(value)
    except ValidationError as error:
        problem = _innermost(error)
        if isinstance(problem.kind, ValidationErrorKind.BacktrackLimitExceeded):
            raise Unchecked(
                f"{_path(problem)}: one of its patterns takes more than {_MAX_BACKTRACKS:,} steps"
            ) from None
        raise InvalidAnswer(_path(problem), _short(problem.message)) from None
    except (RecursionError, ValueError):
        raise InvalidAnswer("$", "nested too deeply for its schema") from None
    return value


def _validator(schema: dict[str, JsonValue]) -> Draft202012Validator:
    """Return what checks an answer.

    Raises:
        ValidationError: The schema is none.
    """
    try:
        return Draft202012Validator(schema, offline=True, pattern_options=RegexOptions())
    except ValidationError:
        # For its pattern, perhaps; and if not, this finds the same.
        return Draft202012Validator(
            schema, offline=True, pattern_options=FancyRegexOptions(backtrack_limit=_MAX_BACKTRACKS)
        )


def _innermost(error: ValidationError) -> ValidationError:
    """Return what helps most to see what is wrong: of a choice with one candidate, why that is none."""
    kind = error.kind
    while isinstance(kind, ValidationErrorKind.AnyOf | ValidationErrorKind.OneOfNotValid):
        # What is wrong further down in the answer belongs to the choice that was nearest.
        depths = [max((len(found.instance_path) for found in branch), default=0) for branch in kind.context]
        nearest = [branch for branch, depth in zip(kind.context, depths, strict=True) if depth == max(depths)]
        if len(nearest) != 1 or not nearest[0]:
            break
        error = max(nearest[0], key=lambda found: len(found.instance_path))
        kind = error.kind
    return error


def _path(error: ValidationError) -> str:
    return "$" + "".join(map(_step, error.instance_path))


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN_NAME.fullmatch(part) else f"[{json.dumps(part, ensure_ascii=False)}]"


def _objections(schema: dict[str, JsonValue]) -> Iterator[str]:
    parts = tuple(_parts(schema))
    # A property may have one of these names, too; then its value is a schema, and no text.
    anchors = {name: part for part in parts for word in _ANCHORS if isinstance(name := part.get(word), str)}
    for part in parts:
        if part is not schema and isinstance(part.get("$id"), str):
            yield "a part of it has a $id of its own"
        for word in _REFERENCES:
            reference = part.get(word)
            if not isinstance(reference, str):
                continue
            if not reference.startswith("#"):
                yield f"it refers to {_short(reference)!r}; put what that holds into $defs"
            elif _target(schema, anchors, reference) is None:
                yield f"it refers to {_short(reference)!r}, which is not there"
    yield from _too_much(schema, parts, anchors)


def _too_much(
    schema: dict[str, JsonValue],
    parts: Sequence[dict[str, JsonValue]],
    anchors: Mapping[str, dict[str, JsonValue]],
) -> Iterator[str]:
    """Yield why one value would be checked without end, or far too often."""
    checks: dict[int, int | None] = {}  # None: being counted

    def count(part: JsonValue) -> int:
        if not isinstance(part, dict):
            return 1
        known = checks.get(id(part), 0)
        if known is None:
            raise _EndlessError
        if known == 0:
            checks[id(part)] = None
            known = 1 + sum(map(count, _of_same_value(schema, anchors, part)))
            # Numbers of thousands of digits would take their time, too.
            checks[id(part)] = known = min(known, _MAX_CHECKS + 1)
        return known

    try:
        is_too_much = any(count(part) > _MAX_CHECKS for part in parts)
    except _EndlessError:
        yield "a part of it refers to itself without end"
        return
    if is_too_much:
        yield (
            "its parts refer to each other so often that one value would have to be checked more than "
            f"{_MAX_CHECKS:,} times"
        )


def _of_same_value(
    schema: dict[str, JsonValue], anchors: Mapping[str, dict[str, JsonValue]], part: dict[str, JsonValue]
) -> Iterator[JsonValue]:
    """Yield the schemas in ``part`` that are about the same value as itself."""
    for word in _REFERENCES:
        if isinstance(reference := part.get(word), str):
            yield _target(schema, anchors, reference)
    for word in _SAME_VALUE:
        yield part.get(word)
    for word in _SAME_VALUE_LISTS:
        if isinstance(schemas := part.get(word), list):
            yield from schemas
    for word in _SAME_VALUE_OBJECTS:
        if isinstance(named := part.get(word), dict):
            yield from named.values()


def _parts(value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    """Yield every object in ``value``, itself included."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _parts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _parts(each)


def _target(
    schema: dict[str, JsonValue], anchors: Mapping[str, dict[str, JsonValue]], reference: str
) -> dict[str, JsonValue] | bool | None:
    """Return the schema that a reference within ``schema`` leads to; None if there is none."""
    place: JsonValue = schema
    root, *tokens = unquote(reference[1:]).split("/")
    if root:
        return anchors.get(reference[1:])
    for token in tokens:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        else:
            return None
    return place if isinstance(place, dict | bool) else None


def _short(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE_CHARS else message[: _MAX_MESSAGE_CHARS - 1] + "…"
