"""Values that fit a JSON Schema, drawn from a text where possible, and values that do not fit."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from emulator.prose import topic_of

_MAX_DEPTH: Final = 8
"""A recursive schema has to end somewhere."""

_TRIES: Final = 50
"""Values tried for an array that may not hold one twice; a schema may have fewer than it asks for."""

_FORMATS: Final = {
    "date": "2026-11-22",
    "date-time": "2026-11-22T10:14:03Z",
    "time": "10:14:03Z",
    "duration": "P1D",
    "email": "somebody@example.com",
    "hostname": "www.example.com",
    "ipv4": "192.0.2.1",
    "uri": "https://www.example.com/",
    "uuid": "5f2b1c3e-8d4a-4f6b-9c7d-1e2f3a4b5c6d",
}


def example_of(schema: dict[str, Any], *, text: str) -> Any:
    """A value that fits ``schema``; strings and numbers come from ``text``.

    Covers what function parameters and structured output use: types, enum, const, nested objects and arrays
    with their bounds, references inside the schema, combinations of schemas and the usual formats. Patterns
    are not followed.
    """
    return _Sampler(schema, text).value(schema)


def misfit_of(value: Any) -> Any:
    """The same shape with every leaf of a wrong type, so that no typed schema takes it."""
    match value:
        case dict() if value:
            return {key: misfit_of(each) for key, each in value.items()}
        case list() if value:
            return [misfit_of(each) for each in value]
        case str():
            return [value]
        case dict() | list() | bool() | None:
            return "none of the kind"
        case _:
            return f"about {value}"


@dataclass(slots=True)
class _Sampler:
    root: dict[str, Any]
    text: str
    alternatives: int = 0
    """How many values have been made in place of one that was there already."""

    def value(self, schema: Any, *, name: str = "", depth: int = 0) -> Any:
        schema = self._flat(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._mentioned(schema["enum"])
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            rest = {key: each for key, each in schema.items() if key not in {"anyOf", "oneOf"}}
            # The last choice of a recursive schema is as a rule the one that ends it.
            choice = self._flat(choices[0] if depth < _MAX_DEPTH else choices[-1])
            return self.value(_merged([rest, choice]), name=name, depth=depth + 1)
        match _kind_of(schema):
            case "object":
                return self._object(schema, depth=depth)
            case "array":
                return self._array(schema, name=name, depth=depth)
            case scalar:
                return self._scalar(scalar, schema, name)

    def _scalar(self, kind: str, schema: dict[str, Any], name: str) -> Any:
        match kind:
            case "integer":
                return int(self._number(schema, step=1))
            case "number":
                return float(self._number(schema, step=0))
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _flat(self, schema: Any) -> dict[str, Any]:
        """A schema without references and without ``allOf``."""
        # ``true`` takes anything.
        schema = schema if isinstance(schema, dict) else {}
        for _ in range(_MAX_DEPTH):
            if "$ref" not in schema:
                break
            rest = {key: each for key, each in schema.items() if key != "$ref"}
            schema = _merged([_at(self.root, str(schema["$ref"])), rest])
        parts = [self._flat(each) for each in schema.get("allOf", [])]
        return _merged([*parts, {key: each for key, each in schema.items() if key != "allOf"}])

    def _mentioned(self, choices: list[Any]) -> Any:
        lowered = self.text.lower()
        named = (choice for choice in choices if choice is not None and str(choice).lower() in lowered)
        return next(named, choices[0])

    def _object(self, schema: dict[str, Any], *, depth: int) -> dict[str, Any]:
        required = schema.get("required", [])
        declared = schema.get("properties", {})
        wanted = [key for key in declared if depth < _MAX_DEPTH or key in required]
        wanted += [key for key in required if key not in declared]
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            wanted += [f"key_{n}" for n in range(len(wanted), max(1, schema.get("minProperties", 1)))]
        return {
            key: self.value(declared.get(key, others), name=key, depth=depth + 1)
            for key in wanted[: schema.get("maxProperties")]
        }

    def _array(self, schema: dict[str, Any], *, name: str, depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        least = int(schema.get("minItems", 1 if depth < _MAX_DEPTH else 0))
        count = min(max(len(first), least), int(schema.get("maxItems", 1_000)))
        items = [self.value(each, name=name, depth=depth + 1) for each in first[:count]]
        for _ in range(_TRIES * count):
            if len(items) >= count:
                break
            item = self.value(schema.get("items"), name=name, depth=depth + 1)
            if schema.get("uniqueItems") and item in items:
                item = self._another(schema.get("items"), item)
            if not schema.get("uniqueItems") or item not in items:
                items.append(item)
        return items

    def _another(self, schema: Any, value: Any) -> Any:
        """A further value for an array that may not hold one twice."""
        self.alternatives += 1
        number, schema = self.alternatives + 1, self._flat(schema)
        if schema.get("enum"):
            return schema["enum"][number % len(schema["enum"])]
        match value:
            case bool():
                return not value
            case int() | float():
                return value + number * schema.get("multipleOf", 1)
            case str():
                return self._fitted(f"{value} {number}", schema)
            case dict():
                # One field that differs is enough.
                return {
                    key: self._another(schema.get("properties", {}).get(key), each)
                    for key, each in value.items()
                }
            case _:
                return value

    def _number(self, schema: dict[str, Any], *, step: float) -> float:
        found = re.search(r"-?\d+(?:\.\d+)?", self.text)
        value = float(found.group()) if found else 1.0
        step = float(schema.get("multipleOf", step))
        least = max(_bounds(schema, "minimum", "exclusiveMinimum", step or 0.5), default=None)
        most = min(_bounds(schema, "maximum", "exclusiveMaximum", -(step or 0.5)), default=None)
        value = value if least is None else max(value, least)
        value = value if most is None else min(value, most)
        if step:
            value = value // step * step
            value += step if least is not None and value < least else 0
        return value

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        # A proper noun inside the sentence is what a place, person or product parameter usually wants.
        proper = re.findall(r"(?<=[^.!?] )([A-ZÀ-Þ][\w-]+(?: [A-ZÀ-Þ][\w-]+)*)", self.text)
        proper = [each for each in proper if each.lower() not in {"i", name.lower()}]
        return self._fitted(str(proper[0]) if proper else topic_of(self.text, words=4), schema)

    @staticmethod
    def _fitted(value: str, schema: dict[str, Any]) -> str:
        """A string of an allowed length; what sets it apart is at its end, and kept."""
        value = value.ljust(int(schema.get("minLength", 0)), ".")
        most = int(schema.get("maxLength", len(value)))
        return value[-most:] if most else ""


def _kind_of(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if kind is None:
        shapes = {"object": ("properties", "additionalProperties"), "array": ("items", "prefixItems")}
        kind = next((each for each, keys in shapes.items() if any(key in schema for key in keys)), "string")
    # Google's own schemas shout their types.
    return str(kind).lower()


def _at(root: dict[str, Any], reference: str) -> dict[str, Any]:
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _merged(schemas: Iterable[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for schema in schemas:
        for key, each in schema.items():
            match merged.get(key), each:
                case dict(known), dict() if key == "properties":
                    merged[key] = {**known, **each}
                case list(known), list() if key == "required":
                    merged[key] = [*known, *(name for name in each if name not in known)]
                case _:
                    merged[key] = each
    return merged


def _bounds(schema: dict[str, Any], inclusive: str, exclusive: str, margin: float) -> Iterable[float]:
    if inclusive in schema:
        yield float(schema[inclusive])
    # Older drafts said true here, about the bound beside it.
    if exclusive in schema and not isinstance(schema[exclusive], bool):
        yield float(schema[exclusive]) + margin
