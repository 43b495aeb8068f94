import pytest
from pydantic import JsonValue

from chains.errors import InvalidInputs
from chains.inputs import complete_inputs, read_inputs
from chains.limits import MAX_INPUTS_BYTES
from tests.unit.chains.support import chain

_SPEC = chain(
    {"a": {"ask": "x"}},
    inputs={
        "topic": {"description": "what it is about"},
        "who": "beginners",
        "depth": 3,
        "loud": False,
        "readers": {"type": "list", "default": ["a"]},
        "options": {"type": "object", "default": {"k": 1}},
    },
)


def test_what_is_not_given_has_its_default() -> None:
    """And a text is taken as it is typed, with all its signs of equality."""
    assert read_inputs(_SPEC, ["topic=a=b", "who="]) == {
        "topic": "a=b",
        "who": "",
        "depth": 3,
        "loud": False,
        "readers": ["a"],
        "options": {"k": 1},
    }


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [
        ("depth=2.5", "depth", 2.5),
        ("loud=true", "loud", True),
        ('readers=["x", {"y": 1}]', "readers", ["x", {"y": 1}]),
        ('options={"a": []}', "options", {"a": []}),
        ("who=5", "who", "5"),
    ],
)
def test_what_is_no_text_is_json(given: str, key: str, value: JsonValue) -> None:
    """As its kind says, and not as it looks."""
    assert read_inputs(_SPEC, ["topic=t", given])[key] == value


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ([], ["the input 'topic' (what it is about) is missing; give it with --set topic=VALUE"]),
        (["topic=t", "topc=u"], ["there is no input 'topc'; did you mean 'topic'?"]),
        (
            ["topic=t", "zzz=u"],
            ["there is no input 'zzz'; this chain takes topic, who, depth, loud, readers, options"],
        ),
        (["topic=t", "topic=u"], ["the input 'topic' is given twice"]),
        (["topic"], ["'topic' is no input; write KEY=VALUE"]),
        (["topic=t", "depth=deep"], ["the input 'depth' is to be a number, not 'deep'"]),
        (["topic=t", "depth=NaN"], ["the input 'depth' is to be a number, not 'NaN'"]),
        (["topic=t", "depth=true"], ["the input 'depth' is to be a number, not 'true'"]),
        (["topic=t", "loud=yes"], ["the input 'loud' is to be true or false, not 'yes'"]),
        (
            ["topic=t", "readers=a,b"],
            ["the input 'readers' is to be a list, as JSON: [\"a\", \"b\"], not 'a,b'"],
        ),
        (
            ["topic=t", "options=[]"],
            ["the input 'options' is to be an object, as JSON: {\"key\": \"value\"}, not '[]'"],
        ),
        (
            ["nix=1", "depth=x"],
            [
                "the input 'depth' is to be a number, not 'x'",
                "there is no input 'nix'; this chain takes topic, who, depth, loud, readers, options",
                "the input 'topic' (what it is about) is missing; give it with --set topic=VALUE",
            ],
        ),
    ],
)
def test_all_that_does_not_fit_is_said_at_once(given: list[str], problems: list[str]) -> None:
    """With the key that was meant, and the way to write the value."""
    with pytest.raises(InvalidInputs) as caught:
        read_inputs(_SPEC, given)
    if given == ["topic"]:
        problems = [*problems, *caught.value.problems[1:]]
    assert list(caught.value.problems) == problems


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"topic": 5}, "the input 'topic' is to be text"),
        ({"topic": "t", "readers": "a"}, "the input 'readers' is to be a list"),
        ({"topic": None}, "the input 'topic' (what it is about) is missing"),
        ({"topic": "x" * MAX_INPUTS_BYTES}, "bytes together, the limit is"),
    ],
)
def test_values_of_a_program_are_checked_the_same(values: dict[str, JsonValue], problem: str) -> None:
    """A chain may be started without the command line."""
    with pytest.raises(InvalidInputs, match=problem.replace("(", r"\(").replace(")", r"\)")):
        complete_inputs(_SPEC, values)
