import pytest
from pydantic import JsonValue

from artifacts.json_schema import InvalidAnswer, InvalidSchema, check_schema, validate

_PERSON: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "friends": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
}


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
    ],
)
def test_what_validation_can_use_is_taken(schema: dict[str, JsonValue]) -> None:
    """A schema may refer to its own parts in every way there is."""
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "objection"),
    [
        ({"type": "strin"}, r"\$\.type: 'strin' is not valid"),
        ({"type": "string", "pattern": "("}, r"\$\.pattern: '\(' is not a 'regex'"),
        ({"properties": []}, r"\$\.properties: \[\] is not of type 'object'"),
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
        ("{}", "$", "'name' is a required property"),
        ('{"name": 7}', "$.name", "7 is not of type 'string'"),
        ('{"name": "A", "friends": [{"name": "B"}, {}]}', "$.friends[1]", "'name' is a required property"),
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


def test_a_schema_that_only_refers_to_itself_accepts_nothing() -> None:
    """It would be followed for ever."""
    with pytest.raises(InvalidAnswer, match="nested too deeply"):
        validate("1", {"$ref": "#"})
