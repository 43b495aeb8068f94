from typing import Any

import jsonschema
import pytest

from emulator.schema import example_of, misfit_of

_STRING = {"type": "string"}
_PERSON = {
    "type": "object",
    "properties": {"name": _STRING, "age": {"type": "integer"}},
    "required": ["name"],
}

SCHEMAS: list[dict[str, Any]] = [
    _PERSON,
    {"type": "array", "items": _PERSON, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "maxItems": 3, "uniqueItems": True},
    {"type": "array", "items": _STRING, "maxItems": 0},
    {"type": "array", "prefixItems": [_STRING, {"type": "number"}], "minItems": 2},
    {"type": "integer", "minimum": 10, "maximum": 20, "multipleOf": 7},
    {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "maximum": -4},
    {"type": "string", "minLength": 40},
    {"type": "string", "maxLength": 2},
    {"type": "string", "format": "date"},
    {"type": ["null", "integer"]},
    {"anyOf": [{"type": "null"}, _STRING]},
    {"oneOf": [_PERSON, {"type": "array"}]},
    {"allOf": [_PERSON, {"properties": {"city": _STRING}, "required": ["city"]}]},
    {"const": {"fixed": [1]}},
    {"properties": {"kind": {"enum": ["novel", None, 3]}}, "required": ["kind"]},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
    {"type": "object", "required": ["unsaid"]},
    {"$ref": "#/$defs/person", "$defs": {"person": _PERSON}},
    {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["value", "next"],
            }
        },
    },
    {
        "type": "object",
        "properties": {
            "tree": {"type": "array", "items": {"type": "array", "items": _PERSON, "minItems": 2}}
        },
        "required": ["tree"],
    },
]


@pytest.mark.parametrize("text", ["An essay about Paris in 4 parts", "-7.25", ""])
@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_example_fits_its_schema(schema: dict[str, Any], text: str) -> None:
    """Whatever the question was, a validator of another make finds nothing wrong."""
    jsonschema.validate(example_of(schema, text=text), schema)


@pytest.mark.parametrize(
    "schema", [_PERSON, {"type": "array", "items": _PERSON}, {"type": "integer"}, {"type": "boolean"}]
)
def test_a_misfit_does_not_fit(schema: dict[str, Any]) -> None:
    """The counter-example has the schema's shape, and a validator refuses it."""
    misfit = misfit_of(example_of(schema, text="An essay"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(misfit, schema)
