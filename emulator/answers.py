"""What a model answers: at once, with its tools, and with the conversation before it in mind."""

from dataclasses import dataclass
from typing import Any, Final

from emulator.contents import contents_of, media_tokens
from emulator.continuation import cut, rest_of, split
from emulator.functions import function_calls
from emulator.prose import topic_of
from emulator.records import Behaviour, Record
from emulator.research import UNKNOWN_STEPS, shows_thoughts, usage_of
from emulator.server_tools import (
    ToolUse,
    code_steps,
    counts_of,
    searches_of_tools,
    signature_of,
    tokens_of,
    uses_of,
)
from emulator.timeline import Step, TimedStep, Timeline

ANSWER_S: Final = 2.0
SANDBOX_S: Final = 90.0

_THOUGHT_TOKENS: Final = {"minimal": 0, "low": 64, "medium": 256, "high": 1_024, "xhigh": 4_096}
"""What thinking costs, by level."""


def plan_answer(record: Record) -> Timeline:
    """The timeline of a model's turn, or of a sandbox agent's."""
    is_sandbox = record.behaviour is Behaviour.SANDBOX
    duration_s = record.duration_s(SANDBOX_S if is_sandbox else ANSWER_S)
    thinking_s = duration_s / 2
    calls = [] if "continuation_token" in record.body else function_calls(record)
    uses = [] if calls else uses_of(record)
    answer = _Answer("requires_action", calls) if calls else _answer(record, uses)
    tools = searches_of_tools(record) if calls else _tool_steps(record, uses)
    share = thinking_s / (len(tools) + 1)
    working = [
        TimedStep(step, index * share, (index + 1) * share)
        for index, step in enumerate([_thought(record), *tools])
    ]
    return Timeline(
        duration_s=duration_s,
        end_status=answer.status,
        working=working,
        write_output=lambda: answer.steps,
        output_starts_s=thinking_s,
        usage=lambda: _usage(record, tools, answer.steps),
        continuation_token=answer.continuation_token,
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    steps: list[Step]
    continuation_token: str | None = None


def _answer(record: Record, uses: list[ToolUse]) -> _Answer:
    stops_left = record.directive.continuations or 1 if "requires-continuation" in record.life else 0
    if "continuation_token" in record.body:
        text, stops_left = rest_of(record.body["continuation_token"])
        contents: list[dict[str, Any]] = [{"type": "text", "text": text}]
    else:
        contents = contents_of(record, uses)
    if [content["type"] for content in contents] == ["text"]:
        limit = _limit_chars(record)
        if limit is not None and len(contents[0]["text"]) > limit:
            return _Answer("incomplete", [_said(cut(contents[0], limit))])
        if stops_left:
            head, token = split(contents[0], stops_left=stops_left)
            return _Answer("requires_continuation", [_said(head)], token)
    return _Answer("completed", [{"type": "model_output", "content": contents}])


def _said(content: dict[str, Any]) -> Step:
    return {"type": "model_output", "content": [content]}


def _limit_chars(record: Record) -> int | None:
    """The bound on the answer, at four characters a token, as a rule of thumb."""
    tokens = (record.body.get("generation_config") or {}).get("max_output_tokens")
    if record.behaviour is Behaviour.SANDBOX:
        tokens = (record.body.get("agent_config") or {}).get("max_total_tokens")
    return None if tokens is None else int(tokens) * 4


def _thought(record: Record) -> Step:
    step: Step = {"type": "thought", "signature": signature_of(record.interaction_id, 0)}
    config = record.body.get("generation_config") or {}
    is_sandbox = record.behaviour is Behaviour.SANDBOX
    if is_sandbox or config.get("thinking_summaries") == "auto" or shows_thoughts(record):
        text = f"**Considering the request**\n\nThe question is about {topic_of(record.question)}."
        step["summary"] = [{"type": "text", "text": text}]
    return step


def _tool_steps(record: Record, uses: list[ToolUse]) -> list[Step]:
    steps: list[Step] = []
    if record.behaviour is Behaviour.SANDBOX:
        steps += code_steps("sandbox_1", record.question)[0]
    steps += [step for use in uses for step in use.steps]
    if "unknown-step" in record.life:
        steps += UNKNOWN_STEPS
    return steps


def _usage(record: Record, tools: list[Step], output: list[Step]) -> dict[str, Any]:
    heard = sum(len(turn.user) + len(turn.model) for turn in record.turns) + len(record.question)
    contents = [part for step in output for part in step.get("content", [])]
    media = media_tokens(record, contents)
    words = sum(len(part.get("text", "")) for part in contents)
    level = (record.body.get("generation_config") or {}).get("thinking_level", "low")
    return usage_of(
        given=12 + heard // 4,
        written=max(8, words // 4) + sum(media.values()),
        thought=_THOUGHT_TOKENS[level],
        cached=heard // 8,
        tool_use=tokens_of(tools),
        counts=counts_of(tools),
        modalities=media,
    )
