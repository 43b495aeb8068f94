from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, JsonValue

from tools.errors import InvalidTool
from tools.parameters import InvalidArguments, Parameters


class Unit(Enum):
    """Of a temperature."""

    CELSIUS = "c"
    KELVIN = "k"


@dataclass
class Point:
    """Where something is."""

    latitude: float
    longitude: float = 0.0


class Tree(BaseModel):
    """A type that contains itself."""

    children: list[Tree] = []


def schema_of(function: Callable[..., object], **descriptions: str) -> dict[str, JsonValue]:
    """Return the schema that the model is told."""
    return Parameters(function, descriptions).schema


def checked(function: Callable[..., object], arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what ``function`` is called with."""
    return Parameters(function, {}).check(arguments)


def test_the_schema_is_json_schema_without_what_says_nothing() -> None:
    """Types, defaults and texts; no titles, no references, no word twice."""

    def forecast(where: Point, unit: Unit = Unit.CELSIUS, days: int | None = None) -> None: ...

    assert schema_of(forecast, where="Of the place.") == {
        "type": "object",
        "properties": {
            "where": {
                "type": "object",
                "description": "Of the place.",
                "properties": {
                    "latitude": {"type": "number"},
                    "longitude": {"type": "number", "default": 0.0},
                },
                "required": ["latitude"],
            },
            "unit": {
                "type": "string",
                "enum": ["c", "k"],
                "description": "Of a temperature.",
                "default": "c",
            },
            "days": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        },
        "required": ["where"],
    }


def test_a_function_without_parameters_has_a_schema() -> None:
    """An object without properties."""

    def now() -> None: ...

    assert schema_of(now) == {"type": "object", "properties": {}}


def test_the_text_beside_the_type_wins() -> None:
    """It is nearer to the parameter than the docstring."""

    def lookup(city: Annotated[str, Field(description="near", max_length=9)]) -> None: ...

    assert schema_of(lookup, city="far")["properties"] == {
        "city": {"type": "string", "description": "near", "maxLength": 9}
    }


def test_data_in_a_schema_is_kept_word_for_word() -> None:
    """A default may have a title of its own."""

    def search(query: dict[str, str] = {"title": "x"}) -> None: ...  # noqa: B006 - never changed

    assert schema_of(search)["properties"] == {
        "query": {"type": "object", "additionalProperties": {"type": "string"}, "default": {"title": "x"}}
    }


def test_a_default_that_is_no_json_is_the_functions_own_matter() -> None:
    """The schema leaves it out, and the call too."""
    nothing = object()

    def lookup(city: str, cache: Any = nothing) -> None: ...

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert schema_of(lookup)["required"] == ["city"]
    assert checked(lookup, {"city": "x"}) == {"city": "x"}


def test_arguments_become_what_the_hints_say() -> None:
    """As from JSON: dates, enums and objects of one's own."""

    def forecast(where: Point, unit: Unit, day: dt.date, *, tags: set[str]) -> None: ...

    arguments = {"where": {"latitude": 1}, "unit": "k", "day": "2026-11-22", "tags": ["a", "a"]}
    assert checked(forecast, arguments) == {
        "where": Point(1.0),
        "unit": Unit.KELVIN,
        "day": dt.date(2026, 11, 22),
        "tags": {"a"},
    }


@pytest.mark.parametrize("name", ["schema", "_id", "model_config", "copy", "self_", "p0", "json"])
def test_a_parameter_may_have_any_name(name: str) -> None:
    """Names that mean something to pydantic are names like all others here."""
    scope: dict[str, Any] = {}
    exec(f"def f(first: str, {name}: int) -> None: ...", scope)  # noqa: S102 - the name is the point
    assert checked(scope["f"], {"first": "x", name: 1}) == {"first": "x", name: 1}


def test_what_does_not_fit_is_told_per_parameter() -> None:
    """Short, by the names that the model used, so that it can correct itself."""

    def forecast(where: Point, unit: Unit) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        checked(forecast, {"where": {"latitude": "north"}, "days": 3})
    assert str(caught.value) == (
        "where.latitude: Input should be a valid number, unable to parse string as a number; "
        "unit: is missing; days: there is no such parameter"
    )


def test_not_more_is_told_than_can_be_corrected_at_a_time() -> None:
    """A model that gives a thousand wrong things is told of ten."""

    def add(numbers: list[int]) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        checked(add, {"numbers": ["x"] * 1_000})
    assert str(caught.value).endswith("; and 990 more")
    assert len(str(caught.value)) < 1_500


def test_text_that_is_no_text_does_not_fit() -> None:
    """JSON can carry half a character; no function should have to."""

    def lookup(city: str) -> None: ...

    with pytest.raises(InvalidArguments):
        checked(lookup, {"city": "\ud800"})


def no_hint(city) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, D103 - the point
    del city


def any_number(*cities: str) -> None:  # noqa: D103
    del cities


def any_names(**cities: str) -> None:  # noqa: D103
    del cities


def positional(city: str, /) -> None:  # noqa: D103
    del city


def no_json(callback: Callable[[], None]) -> None:  # noqa: D103
    del callback


def no_schema(thing: Parameters) -> None:  # noqa: D103
    del thing


def unknown_type(city: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: D103, F821 - the point
    del city


def endless(tree: Tree) -> None:  # noqa: D103
    del tree


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (no_hint, "'city' has no type hint; give it one"),
        (any_number, "*cities has no JSON Schema; name each parameter"),
        (any_names, "*cities has no JSON Schema; name each parameter"),
        (positional, "'city' is positional-only"),
        (no_json, "a parameter has no JSON Schema"),
        (no_schema, "the type of 'thing' cannot be read from JSON"),
        (unknown_type, "its type hints cannot be resolved (name 'Nowhere' is not defined)"),
        (endless, "Tree contains itself"),
    ],
)
def test_a_parameter_that_no_model_can_give_is_refused(
    function: Callable[..., object], complaint: str
) -> None:
    """It says which one, and what to do."""
    with pytest.raises(InvalidTool) as caught:
        Parameters(function, {})
    assert complaint in str(caught.value)
