import json

import pytest
from pydantic import JsonValue

from artifacts.json_schema import InvalidAnswer, InvalidSchema, Unchecked, check_schema, validate

_PERSON: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "friends": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
}


def _doubling(levels: int, *, root: bool = True) -> dict[str, JsonValue]:
    """Return a small schema by which one value is checked two to the power of ``levels`` times."""
    parts: dict[str, JsonValue] = {
        f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)
    }
    parts[f"d{levels}"] = {"type": "object"}
    return {"$defs": parts, **({"$ref": "#/$defs/d0"} if root else {})}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        _PERSON,
        {"$id": "https://example.org/s", "$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$ref": "#here", "$defs": {"a": {"$anchor": "here"}}},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": True}},
        {"$ref": "#/allOf/0", "allOf": [{}]},
        {"properties": {"$ref": {"type": "string"}, "$id": {}, "$anchor": {}}},
        {"properties": {"child": {"$ref": "#"}}, "anyOf": [{"items": {"$ref": "#"}}, {}]},
        {"pattern": "^(?=.*[0-9])[a-z0-9]+$"},
        {"pattern": r"^(.)\1$"},
        _doubling(10),
    ],
)
def test_what_validation_can_use_is_taken(schema: dict[str, JsonValue]) -> None:
    """A schema may refer to its own parts in every way there is."""
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "objection"),
    [
        ({"type": "strin"}, r'\$\.type: "strin" is not valid'),
        ({"type": "string", "pattern": "("}, r'\$\.pattern: "\(" is not a "regex"'),
        ({"properties": []}, r'\$\.properties: \[\] is not of type "object"'),
        (
            {"$ref": "https://example.org/s.json"},
            "refers to 'https://example.org/s.json'; put what that holds",
        ),
        ({"items": {"$ref": "other.json#/a"}}, "refers to 'other.json#/a'"),
        ({"items": {"$dynamicRef": "file:///etc/passwd"}}, "refers to 'file:///etc/passwd'"),
        ({"$ref": "#/$defs/gone"}, "refers to '#/\\$defs/gone', which is not there"),
        ({"$ref": "#/allOf/1", "allOf": [{}]}, "not there"),
        ({"$ref": "#gone"}, "refers to '#gone', which is not there"),
        ({"items": {"$id": "https://example.org/part"}}, "has a \\$id of its own"),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"anyOf": [{"type": "string"}, {"not": {"$ref": "#"}}]}, "refers to itself without end"),
        (_doubling(41), "would have to be checked more than 100,000 times"),
        ({"items": {"$ref": "#/$defs/d0"}, **_doubling(41, root=False)}, "more than 100,000 times"),
    ],
)
def test_what_validation_could_not_use_is_refused(schema: dict[str, JsonValue], objection: str) -> None:
    """Nothing is paid for an answer that could not be checked, and nothing is fetched to check one."""
    with pytest.raises(InvalidSchema, match=objection):
        check_schema(schema)


def test_a_schema_without_end_is_refused() -> None:
    """Depth is the schema's author's to choose, and must not end a worker."""
    schema: dict[str, JsonValue] = {}
    for _ in range(5_000):
        schema = {"not": schema}
    with pytest.raises(InvalidSchema, match="nested too deeply"):
        check_schema(schema)


def test_an_answer_that_follows_its_schema_is_returned() -> None:
    """White space around JSON is JSON's own."""
    answer = '\n{"name": "Ada", "friends": [{"name": "Bob"}]}\n'
    assert validate(answer, _PERSON) == {"name": "Ada", "friends": [{"name": "Bob"}]}


@pytest.mark.parametrize(
    ("answer", "path", "message"),
    [
        ("", "$", "not JSON"),
        ("Here you are: {}", "$", "not JSON"),
        ('{"name": "A"', "$", "not JSON"),
        ('{"name": NaN}', "$", "not JSON"),
        ("{}", "$", '"name" is a required property'),
        ('{"name": 7}', "$.name", '7 is not of type "string"'),
        ('{"name": "A", "friends": [{"name": "B"}, {}]}', "$.friends[1]", '"name" is a required property'),
    ],
)
def test_an_answer_that_does_not_is_refused_with_the_place(answer: str, path: str, message: str) -> None:
    """Whoever reads the error finds the spot in the answer."""
    with pytest.raises(InvalidAnswer) as caught:
        validate(answer, _PERSON)
    assert caught.value.path == path
    assert message in caught.value.message


def test_a_message_does_not_repeat_a_long_answer() -> None:
    """The message goes into history, and the answer may be megabytes."""
    with pytest.raises(InvalidAnswer) as caught:
        validate(f'"{"x" * 100_000}"', {"type": "object"})
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=(a+)+$)a"])
def test_a_pattern_is_matched_without_backtracking(pattern: str) -> None:
    """Tried one way after another, this pattern takes longer than the universe has been there."""
    with pytest.raises(InvalidAnswer, match="does not match"):
        validate(f'"{"a" * 60}!"', {"pattern": pattern})


def test_a_pattern_that_has_to_backtrack_gives_up() -> None:
    """That nobody knows is not the same as that the answer is wrong."""
    with pytest.raises(Unchecked, match=r"\$\.name: one of its patterns takes more than"):
        validate(f'{{"name": "{"a" * 60}!"}}', {"properties": {"name": {"pattern": r"^(a|aa)+\1$"}}})


@pytest.mark.parametrize(
    ("value", "path"),
    [('{"a b": [1]}', '$["a b"][0]'), ('{"it": {"kind": "cat", "age": "x"}}', "$.it.age")],
)
def test_the_place_is_the_innermost(value: str, path: str) -> None:
    """Of several choices the one that came nearest is what was meant."""
    cat: JsonValue = {
        "properties": {"kind": {"const": "cat"}, "age": {"type": "integer"}},
        "required": ["kind"],
    }
    schema: dict[str, JsonValue] = {
        "properties": {"a b": {"items": {"type": "string"}}, "it": {"anyOf": [{"type": "string"}, cat]}}
    }
    with pytest.raises(InvalidAnswer) as caught:
        validate(value, schema)
    assert caught.value.path == path


@pytest.mark.parametrize("number", ["100000000000000000000000000000000000001", "0.1", "-0"])
def test_numbers_are_compared_as_they_are(number: str) -> None:
    """JSON bounds neither their size nor how exact they are."""
    validate(number, {"enum": [json.loads(number)]})
    with pytest.raises(InvalidAnswer):
        validate(number, {"enum": [json.loads(number) + 1]})
