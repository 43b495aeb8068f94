"""Values that fit a JSON Schema, drawn from a text where possible."""

import re
from typing import Any

from emulator.prose import topic_of

_MAX_DEPTH = 8
"""A recursive schema has to end somewhere."""


def example_of(schema: dict[str, Any], *, text: str, name: str = "", depth: int = 0) -> Any:
    """A value that fits ``schema``; strings and numbers come from ``text``.

    Covers what function parameters and structured output use: types, enum, const, properties, required,
    items, minItems, minimum, anyOf. References inside the schema are not followed.
    """
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return _mentioned(schema["enum"], text)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return example_of(choices[0], text=text, name=name, depth=depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    match str(kind).lower():
        case "object":
            return {
                key: example_of(each, text=text, name=key, depth=depth + 1)
                for key, each in schema.get("properties", {}).items()
                if depth < _MAX_DEPTH or key in schema.get("required", [])
            }
        case "array":
            count = max(1, int(schema.get("minItems", 1)))
            item = schema.get("items", {"type": "string"})
            return [example_of(item, text=text, name=name, depth=depth + 1) for _ in range(count)]
        case scalar:
            return _scalar(scalar, schema, text=text, name=name)


def _scalar(kind: str, schema: dict[str, Any], *, text: str, name: str) -> Any:
    match kind:
        case "integer":
            return int(_number(schema, text))
        case "number":
            return float(_number(schema, text))
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _string(name, text)


def _mentioned(choices: list[Any], text: str) -> Any:
    lowered = text.lower()
    return next((choice for choice in choices if str(choice).lower() in lowered), choices[0])


def _number(schema: dict[str, Any], text: str) -> float:
    found = re.search(r"-?\d+(?:\.\d+)?", text)
    value = float(found.group()) if found else 1.0
    value = max(value, float(schema.get("minimum", value)))
    return min(value, float(schema.get("maximum", value)))


def _string(name: str, text: str) -> str:
    # A proper noun inside the sentence is what a place, person or product parameter usually wants.
    proper = re.findall(r"(?<=[^.!?] )([A-ZÀ-Þ][\w-]+(?: [A-ZÀ-Þ][\w-]+)*)", text)
    proper = [each for each in proper if each.lower() not in {"i", name.lower()}]
    if proper:
        return str(proper[0])
    return topic_of(text, words=4)
