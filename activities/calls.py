"""The function calls that an interaction asks for, bounded for history."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from activities.json_values import MAX_DEPTH, is_readable, size_bytes
from interactions.responses import Interaction
from interactions.steps import FunctionCallStep, FunctionResultStep, UnknownStep
from runs.limits import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALLS_PER_ROUND,
    MAX_INTERACTION_ID_CHARS,
    MAX_ROUND_ARGUMENTS_BYTES,
)
from runs.text import first_line
from runs.tool_calls import ToolCall, digest_of

_MAX_CALLS: Final = 2 * MAX_CALLS_PER_ROUND
"""Calls named in a result, those that are refused included. Their ids and names stand in history."""

_MAX_NAME_CHARS: Final = 200
_SHOWN_ID_CHARS: Final = 100

_USABLE_ID: Final = re.compile(rf"[!-~]{{1,{MAX_INTERACTION_ID_CHARS}}}")


class _Asked(NamedTuple):
    call_id: str
    name: str
    arguments: object


def calls_of(interaction: Interaction) -> tuple[ToolCall, ...]:
    """Return the function calls that have no result yet, each with what keeps it from being carried out.

    A call that cannot be carried out is for the model to be told of, so it is here as well; only what comes
    after `_MAX_CALLS` is not.
    """
    calls: list[ToolCall] = []
    taken: set[str] = set()
    room_bytes = MAX_ROUND_ARGUMENTS_BYTES
    for asked in _asked(interaction):
        if asked.call_id in taken:
            # Results are matched by id: a second one could not be told from the first.
            continue
        if len(calls) == _MAX_CALLS:
            break
        taken.add(asked.call_id)
        call = _call(asked, room_bytes=room_bytes, carried_out=sum(call.problem is None for call in calls))
        if call.problem is None:
            room_bytes -= size_bytes(call.arguments)
        calls.append(call)
    return tuple(calls)


def _asked(interaction: Interaction) -> Iterator[_Asked]:
    steps = interaction.turn_steps
    answered = {step.call_id for step in steps if isinstance(step, FunctionResultStep)}
    for step in steps:
        match step:
            case FunctionCallStep():
                asked = _Asked(step.id, step.name, step.arguments)
            case UnknownStep(type="function_call", raw=dict(raw)):
                # One of its fields is not what it should be; it waits for an answer all the same.
                asked = _Asked(_text(raw.get("id")), _text(raw.get("name")), raw.get("arguments"))
            case _:
                continue
        if asked.call_id not in answered:
            yield asked


def _call(asked: _Asked, *, room_bytes: int, carried_out: int) -> ToolCall:
    name = first_line(asked.name, _MAX_NAME_CHARS)
    arguments = {} if asked.arguments is None else asked.arguments
    problem = next(_problems(asked, name, arguments, room_bytes=room_bytes, carried_out=carried_out), None)
    is_usable = _USABLE_ID.fullmatch(asked.call_id) is not None
    kept = arguments if problem is None and isinstance(arguments, dict) else {}
    return ToolCall(
        call_id=asked.call_id if is_usable else first_line(asked.call_id, _SHOWN_ID_CHARS),
        name=name,
        arguments=kept,
        digest=digest_of(name, kept),
        problem=problem,
    )


def _problems(
    asked: _Asked, name: str, arguments: object, *, room_bytes: int, carried_out: int
) -> Iterator[str]:
    if _USABLE_ID.fullmatch(asked.call_id) is None:
        yield "the call has no usable id"
    if not name or name != asked.name:
        yield "the call names no usable function"
    if not isinstance(arguments, dict):
        yield "the arguments are no JSON object"
    if carried_out >= MAX_CALLS_PER_ROUND:
        yield f"more than {MAX_CALLS_PER_ROUND} calls at once; call the rest in another round"
    if not is_readable(arguments):
        yield f"the arguments are nested more than {MAX_DEPTH} deep, or hold a number that is not finite"
        return
    length_bytes = size_bytes(arguments)
    if length_bytes > MAX_ARGUMENTS_BYTES:
        yield f"the arguments have {length_bytes:,} bytes; the limit is {MAX_ARGUMENTS_BYTES:,}"
    if length_bytes > room_bytes:
        yield (
            f"the arguments of all calls together have more than {MAX_ROUND_ARGUMENTS_BYTES:,} bytes; "
            "call the rest in another round"
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
