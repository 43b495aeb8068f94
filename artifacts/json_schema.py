"""JSON Schemas for answers: whether one can be asked for, and whether an answer follows it.

Schemas are of draft 2020-12 and refer only to themselves: nothing is ever fetched to read one.
"""

from collections.abc import Iterator
from typing import Final, cast
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from pydantic import JsonValue
from pydantic_core import from_json

_REFERENCES: Final = ("$ref", "$dynamicRef")
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")

_MAX_MESSAGE_CHARS: Final = 300
"""The library's messages repeat what they object to, which may be a whole answer."""


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


def check_schema(schema: dict[str, JsonValue]) -> None:
    """Make sure that ``schema`` is a JSON Schema that `validate` can use.

    Raises:
        InvalidSchema: It is none, or refers to something outside of itself or not there.
    """
    try:
        Draft202012Validator.check_schema(schema)
        objection = next(_objections(schema), None)
    except SchemaError as error:
        raise InvalidSchema(f"no valid JSON Schema: {error.json_path}: {_short(error.message)}") from None
    except RecursionError:
        raise InvalidSchema("no usable JSON Schema: nested too deeply") from None
    if objection is not None:
        raise InvalidSchema(f"no usable JSON Schema: {objection}")


def validate(answer: str, schema: dict[str, JsonValue]) -> JsonValue:
    """Return the JSON value in ``answer``, which follows ``schema``.

    Takes as long as the schema's patterns do, so an event loop should let a thread do it.

    Args:
        answer: The whole text of an answer.
        schema: One that `check_schema` has nothing against.

    Raises:
        InvalidAnswer: It is no JSON, or does not follow the schema.
    """
    try:
        # NaN and infinity are no JSON, and nothing that stores the value takes them.
        value = cast("JsonValue", from_json(answer, allow_inf_nan=False))
    except ValueError as error:
        raise InvalidAnswer("$", f"not JSON: {_short(str(error))}") from None
    try:
        problem: ValidationError | None = best_match(Draft202012Validator(schema).iter_errors(value))
    except RecursionError:
        # A schema may refer to itself without end.
        raise InvalidAnswer("$", "nested too deeply for its schema") from None
    if problem is not None:
        raise InvalidAnswer(problem.json_path, _short(problem.message))
    return value


def _objections(schema: dict[str, JsonValue]) -> Iterator[str]:
    parts = tuple(_parts(schema))
    # A property may have one of these names, too; then its value is a schema, and no text.
    anchors = {part[word] for part in parts for word in _ANCHORS if isinstance(part.get(word), str)}
    for part in parts:
        if part is not schema and isinstance(part.get("$id"), str):
            yield "a part of it has a $id of its own"
        for word in _REFERENCES:
            reference = part.get(word)
            if not isinstance(reference, str):
                continue
            if not reference.startswith("#"):
                yield f"it refers to {_short(reference)!r}; put what that holds into $defs"
            elif reference[1:] not in anchors and not _is_there(schema, reference):
                yield f"it refers to {_short(reference)!r}, which is not there"


def _parts(value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    """Yield every object in ``value``, itself included."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _parts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _parts(each)


def _is_there(schema: dict[str, JsonValue], reference: str) -> bool:
    """Return whether the JSON pointer in ``reference`` leads anywhere."""
    place: JsonValue = schema
    root, *tokens = unquote(reference[1:]).split("/")
    if root:
        return False
    for token in tokens:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        else:
            return False
    return isinstance(place, dict | bool)


def _short(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE_CHARS else message[: _MAX_MESSAGE_CHARS - 1] + "…"
