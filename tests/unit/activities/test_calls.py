from typing import Any

import pytest

from activities.calls import calls_of
from activities.json_values import MAX_DEPTH
from interactions.responses import Interaction
from runs.limits import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALLS_PER_ROUND,
    MAX_INTERACTION_ID_CHARS,
    MAX_ROUND_ARGUMENTS_BYTES,
)
from runs.messages import Outcome, Settled
from runs.tool_calls import ToolCall, digest_of


def _calls(*steps: dict[str, Any]) -> tuple[ToolCall, ...]:
    return calls_of(Interaction.model_validate({"status": "requires_action", "steps": list(steps)}))


def _asking(call_id: Any = "c1", name: Any = "get_weather", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": call_id, "name": name, "arguments": {}, **fields}


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_call_is_taken_as_it_was_asked_for() -> None:
    """Id, name and arguments are the model's, numbers of any size included; the digest is of both."""
    arguments: dict[str, Any] = {"city": "Oslo", "n": 2**70}
    assert _calls({"type": "thought"}, _asking(arguments=arguments)) == (
        ToolCall(
            call_id="c1",
            name="get_weather",
            arguments=arguments,
            digest=digest_of("get_weather", arguments),
        ),
    )


def test_only_what_waits_for_an_answer_is_called() -> None:
    """Calls with a result in the timeline were answered; of two with one id only the first can be."""
    answered = {"type": "function_result", "call_id": "old", "result": "sunny"}
    calls = _calls(_asking("old"), answered, _asking("new"), _asking("new", name="other"))
    assert [(call.call_id, call.name) for call in calls] == [("new", "get_weather")]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"arguments": "city=Oslo"}, "the arguments are no JSON object"),
        ({"arguments": ["Oslo"]}, "the arguments are no JSON object"),
        ({"arguments": {"text": "é" * MAX_ARGUMENTS_BYTES}}, "the limit is 65,536"),
        ({"arguments": {"deep": _nested(MAX_DEPTH)}}, "nested more than 100 deep"),
        ({"arguments": {"number": float("nan")}}, "a number that is not finite"),
        ({"call_id": ""}, "no usable id"),
        ({"call_id": "a\x1b[31m b"}, "no usable id"),
        ({"call_id": "x" * (MAX_INTERACTION_ID_CHARS + 1)}, "no usable id"),
        ({"name": ""}, "no usable function"),
        ({"name": "rm\n-rf"}, "no usable function"),
        ({"name": "n" * 201}, "no usable function"),
        ({"name": ["a"]}, "no usable function"),
    ],
)
def test_a_call_that_cannot_be_carried_out_says_why(fields: dict[str, Any], problem: str) -> None:
    """It is told to the model instead of being called, and brings nothing of its arguments along."""
    (call,) = _calls(_asking(**fields))
    assert call.problem is not None
    assert problem in call.problem
    assert call.arguments == {}
    assert call.call_id.isprintable()
    assert call.name.isprintable()


def test_no_arguments_are_empty_ones() -> None:
    """A function without parameters may be called with null."""
    (call,) = _calls(_asking(arguments=None))
    assert (call.arguments, call.problem) == ({}, None)


def test_the_calls_of_one_answer_are_bounded() -> None:
    """Past the first 64 the model is told to ask again, and past as many more they are not named."""
    calls = _calls(*(_asking(f"c{number}") for number in range(1_000)))
    assert len(calls) == 2 * MAX_CALLS_PER_ROUND
    assert [call.problem is None for call in calls] == [True] * 64 + [False] * 64
    assert "in another round" in (calls[-1].problem or "")


def test_the_arguments_of_one_answer_are_bounded_together() -> None:
    """What does not fit into history with the others is refused; a smaller one after it still fits."""
    large = {"text": "x" * (MAX_ARGUMENTS_BYTES - 20)}
    steps = [_asking(f"c{number}", arguments=large) for number in range(10)]
    calls = _calls(*steps, _asking("small"))
    refused = [call.call_id for call in calls if call.problem is not None]
    assert refused == ["c8", "c9"]
    assert sum(len(str(call.arguments)) for call in calls) < MAX_ROUND_ARGUMENTS_BYTES + 1_000


def test_the_worst_calls_fit_into_a_payload() -> None:
    """Whatever ids, names and arguments are made of, they stay below the 2 MiB that Temporal takes."""
    arguments = {"text": "\x01" * (MAX_ARGUMENTS_BYTES // 6 - 50)}
    steps = [
        _asking(f"{number:04}" + '"' * (MAX_INTERACTION_ID_CHARS - 4), name="😀" * 200, arguments=arguments)
        for number in range(1_000)
    ]
    settled = Settled(outcome=Outcome.NEEDS_TOOLS, calls=_calls(*steps))
    assert len(settled.model_dump_json().encode()) < 1_500_000
