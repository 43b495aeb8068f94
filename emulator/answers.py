"""What a model answers: at once, with its tools, and with the conversation before it in mind."""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from emulator.continuation import halve, rest_of
from emulator.media import SAMPLE_RATE_HZ, draw_picture, play_tone, wave_file
from emulator.prose import Writer, topic_of
from emulator.records import Behaviour, Record, Turn
from emulator.report import TextPart, sources_for
from emulator.research import (
    UNKNOWN_STEPS,
    mcp_steps,
    reading_steps,
    search_steps,
    shows_thoughts,
    signature_of,
    usage_of,
)
from emulator.schema import example_of
from emulator.timeline import Step, TimedStep, Timeline

ANSWER_S: Final = 2.0
SANDBOX_S: Final = 90.0

_FACT: Final = re.compile(r"\bmy ([\w ]{2,30}?) is ([^.!?\n,]{1,60})", re.IGNORECASE)
_ASKED: Final = re.compile(r"\bwhat(?:['\u2019]s| is| was) my ([\w ]{2,30}?)\s*[?.!]", re.IGNORECASE)


def plan_answer(record: Record) -> Timeline:
    """The timeline of a model's turn, or of a sandbox agent's."""
    is_sandbox = record.behaviour is Behaviour.SANDBOX
    duration_s = record.duration_s(SANDBOX_S if is_sandbox else ANSWER_S)
    thinking_s = duration_s / 2
    answer = _answer(record)
    tools = [] if answer.status == "requires_action" else _tool_steps(record)
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
        usage=lambda: _usage(record, answer.steps),
        continuation_token=answer.continuation_token,
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    steps: list[Step]
    continuation_token: str | None = None


def _answer(record: Record) -> _Answer:
    if "continuation_token" in record.body:
        return _Answer("completed", [_said(rest_of(record.body["continuation_token"]))])
    calls = function_calls(record)
    if calls:
        return _Answer("requires_action", calls)
    contents = _contents(record)
    if [content["type"] for content in contents] == ["text"]:
        # Citations past a cut go with their text.
        text = contents[0]["text"]
        limit = _limit_chars(record)
        if limit is not None and len(text) > limit:
            return _Answer("incomplete", [_said(text[:limit])])
        if "requires-continuation" in record.life:
            head, token = halve(text)
            return _Answer("requires_continuation", [_said(head)], token)
    return _Answer("completed", [{"type": "model_output", "content": contents}])


def _said(text: str) -> Step:
    return {"type": "model_output", "content": [{"type": "text", "text": text}]}


def _limit_chars(record: Record) -> int | None:
    """The bound on the answer, at four characters a token, as a rule of thumb."""
    tokens = (record.body.get("generation_config") or {}).get("max_output_tokens")
    if record.behaviour is Behaviour.SANDBOX:
        tokens = (record.body.get("agent_config") or {}).get("max_total_tokens")
    return None if tokens is None else int(tokens) * 4


def functions_of(record: Record) -> list[dict[str, Any]]:
    """The client functions that this interaction declares."""
    return [tool for tool in record.body.get("tools") or [] if tool["type"] == "function"]


def function_calls(record: Record) -> list[Step]:
    """The functions that the model asks for now; empty when it can answer."""
    choice = (record.body.get("generation_config") or {}).get("tool_choice", "auto")
    declared = functions_of(record)
    if not declared or choice == "none" or _rounds_done(record) >= (record.directive.tool_rounds or 1):
        return []
    if isinstance(choice, dict):
        allowed = choice.get("allowed_tools", {}).get("tools", [])
        declared = [tool for tool in declared if tool.get("name") in allowed] or declared
    question = _asked_first(record)
    chosen = [tool for tool in declared if _is_about(tool, question)] or declared[:1]
    return [
        {
            "type": "function_call",
            "id": f"fc_{_rounds_done(record) + 1}_{number}",
            "name": tool["name"],
            "arguments": example_of(tool.get("parameters") or {"type": "object"}, text=question),
            "signature": signature_of(record.interaction_id, number),
        }
        for number, tool in enumerate(chosen, start=1)
    ]


def _is_about(tool: dict[str, Any], question: str) -> bool:
    words = {word for word in re.split(r"[\W_]+", tool["name"].lower()) if len(word) > 3}  # noqa: PLR2004 - skips get, set
    return any(word in question.lower() for word in words)


def _rounds_done(record: Record) -> int:
    results = _result_groups(record.body.get("input"))
    if not results:
        return 0
    rounds = results - 1
    for turn in reversed(record.turns):
        if not turn.calls:
            break
        rounds += 1
    # Without stored turns (store=false) the groups in the input are all there is.
    return rounds if record.turns else results


def _result_groups(value: Any) -> int:
    groups, inside = 0, False
    for step in value if isinstance(value, list) else []:
        kind = step.get("type")
        if kind == "function_result":
            groups += not inside
        elif kind == "user_input":
            groups = 0
        inside = kind == "function_result"
    return groups


def _asked_first(record: Record) -> str:
    if _result_groups(record.body.get("input")):
        for turn in reversed(record.turns):
            if turn.user and not turn.user.startswith("{"):
                return turn.user
    return record.question


def _thought(record: Record) -> Step:
    step: Step = {"type": "thought", "signature": signature_of(record.interaction_id, 0)}
    config = record.body.get("generation_config") or {}
    is_sandbox = record.behaviour is Behaviour.SANDBOX
    if is_sandbox or config.get("thinking_summaries") == "auto" or shows_thoughts(record):
        text = f"**Considering the request**\n\nThe question is about {topic_of(record.question)}."
        step["summary"] = [{"type": "text", "text": text}]
    return step


def _tool_steps(record: Record) -> list[Step]:
    steps: list[Step] = []
    topic = topic_of(record.question)
    if record.behaviour is Behaviour.SANDBOX:
        steps += _code_steps(topic)
    for number, tool in enumerate(record.body.get("tools") or [], start=1):
        match tool["type"]:
            case "google_search":
                steps += search_steps(f"gs_{number}", [topic, f"{topic} 2026"])
            case "url_context":
                urls = [source.url for source in sources_for(topic, seed=record.interaction_id, count=2)]
                steps += reading_steps(f"uc_{number}", urls, ["success", "success"])
            case "code_execution":
                steps += _code_steps(topic)
            case "mcp_server":
                steps += mcp_steps(f"mcp_{number}", tool, about=topic)
            case "file_search" | "google_maps" as kind:
                steps += _plain_pair(kind, number, topic)
            case _:
                # Functions are called by function_calls; the others show no steps.
                pass
    if "unknown-step" in record.life:
        steps += UNKNOWN_STEPS
    return steps


def _code_steps(topic: str) -> list[Step]:
    code = f"print(len({topic!r}))"
    return [
        {"type": "code_execution_call", "id": "ce_1", "arguments": {"language": "python", "code": code}},
        {"type": "code_execution_result", "call_id": "ce_1", "result": f"{len(topic)}\n", "is_error": False},
    ]


def _plain_pair(kind: str, number: int, topic: str) -> list[Step]:
    call_id = f"{kind}_{number}"
    if kind == "file_search":
        return [
            {"type": "file_search_call", "id": call_id},
            {"type": "file_search_result", "call_id": call_id},
        ]
    place = {"place_id": "place_1", "name": f"{topic} (Zürich)", "url": "https://maps.example.com/?q=1"}
    return [
        {"type": "google_maps_call", "id": call_id, "arguments": {"queries": [topic]}},
        {"type": "google_maps_result", "call_id": call_id, "result": [{"places": [place]}]},
    ]


def _formats(record: Record) -> list[dict[str, Any]]:
    declared = record.body.get("response_format") or []
    formats = declared if isinstance(declared, list) else [declared]
    formats += [{"type": kind} for kind in record.body.get("response_modalities") or []]
    name = str(record.body.get("model", ""))
    if not formats and ("image" in name or "banana" in name):
        return [{"type": "image"}]
    if not formats and "tts" in name:
        return [{"type": "audio"}]
    return formats or [{"type": "text"}]


def _contents(record: Record) -> list[dict[str, Any]]:
    contents = []
    for wanted in _formats(record):
        match wanted.get("type"):
            case "image":
                contents.append(_image(record, wanted))
            case "audio":
                contents.append(_audio(record, wanted))
            case _:
                contents.append(_text(record, wanted))
    return contents


def _image(record: Record, wanted: dict[str, Any]) -> dict[str, Any]:
    mime_type = wanted.get("mime_type", "image/png")
    picture = draw_picture(
        record.question,
        aspect_ratio=wanted.get("aspect_ratio", "1:1"),
        image_size=wanted.get("image_size", "512"),
        file_format="JPEG" if mime_type == "image/jpeg" else "PNG",
    )
    return {"type": "image", "mime_type": mime_type, "data": base64.b64encode(picture).decode()}


def _audio(record: Record, wanted: dict[str, Any]) -> dict[str, Any]:
    samples = play_tone(record.question)
    audio = {"type": "audio", "sample_rate": SAMPLE_RATE_HZ, "channels": 1}
    if wanted.get("mime_type") == "audio/l16":
        # RFC 2586: samples in network byte order, without a header.
        swapped = bytearray(samples)
        swapped[0::2], swapped[1::2] = samples[1::2], samples[0::2]
        return {**audio, "mime_type": "audio/l16", "data": base64.b64encode(bytes(swapped)).decode()}
    return {**audio, "mime_type": "audio/wav", "data": base64.b64encode(wave_file(samples)).decode()}


def _text(record: Record, wanted: dict[str, Any]) -> dict[str, Any]:
    if wanted.get("mime_type") == "application/json" or wanted.get("schema"):
        value = example_of(wanted.get("schema") or {"type": "object"}, text=record.question)
        return {"type": "text", "text": json.dumps(value, ensure_ascii=False)}
    part = TextPart()
    writer = Writer(topic_of(record.question), seed=record.interaction_id)
    for sentence in _with_history(record):
        part.add(f"{sentence} ")
    if any(tool["type"] == "google_search" for tool in record.body.get("tools") or []):
        for source in sources_for(writer.topic, seed=record.interaction_id, count=3):
            part.cite(writer.sentence(), source)
            part.add(" ")
    else:
        part.add(writer.paragraph(3))
    while part.length_bytes < (record.directive.result_bytes or 0):
        part.add(f"\n\n{writer.paragraph(8)}")
    return part.content()


def _with_history(record: Record) -> list[str]:
    """Sentences that only an answer that knows the conversation can contain."""
    said: list[str] = []
    results = [step for step in _steps_in(record) if step.get("type") == "function_result"]
    for step in results:
        name = step.get("name") or _name_of_call(record, step["call_id"])
        said.append(f"The function {name} returned {json.dumps(step['result'], ensure_ascii=False)}.")
    facts = {
        name.strip().lower(): value.strip()
        for text in [*(turn.user for turn in record.turns), *_user_texts(record)]
        for name, value in _FACT.findall(text)
    }
    for name in _ASKED.findall(record.question + "?"):
        known = facts.get(name.strip().lower())
        said.append(f"Your {name} is {known}." if known else f"You have not told me what your {name} is.")
    if record.turns:
        first = record.turns[0]
        said.append(
            f"This is turn {len(record.turns) + 1} of a conversation that began with “{first.user[:200]}”."
        )
        said += [_about_report(turn) for turn in record.turns[-1:] if turn.behaviour is Behaviour.RESEARCH]
    return said


def _steps_in(record: Record) -> list[dict[str, Any]]:
    value = record.body.get("input")
    return [step for step in value if isinstance(step, dict)] if isinstance(value, list) else []


def _user_texts(record: Record) -> list[str]:
    # A stateless client sends the conversation itself, as steps.
    return [record.question]


def _name_of_call(record: Record, call_id: str) -> str:
    for turn in reversed(record.turns):
        if call_id in turn.calls:
            return turn.calls[call_id]
    return call_id


def _about_report(turn: Turn) -> str:
    headings = re.findall(r"^## (.+)$", turn.model, re.MULTILINE)[:4]
    finding = re.search(r"^- (.+)$", turn.model, re.MULTILINE)
    return (
        f"The report on “{turn.user[:200]}” has the sections {', '.join(f'“{each}”' for each in headings)}; "
        f"its first finding was: {finding.group(1) if finding else 'none'}"
    )


def _usage(record: Record, output: list[Step]) -> dict[str, Any]:
    heard = sum(len(turn.user) + len(turn.model) for turn in record.turns) + len(record.question)
    words = sum(len(part.get("text", "")) for step in output for part in step.get("content", []))
    usage = usage_of(given=12 + heard // 4, written=max(8, words // 4), thought=64, cached=heard // 8)
    searches = sum(tool["type"] == "google_search" for tool in record.body.get("tools") or [])
    if searches:
        usage["grounding_tool_count"] = [{"type": "google_search", "count": searches}]
    return usage
