"""A believable Deep Research run: it thinks, searches, reads, thinks again, and writes."""

from typing import Any, Final

from emulator.prose import Writer, topic_of
from emulator.records import Behaviour, Record
from emulator.report import SECTIONS, ReportWriter, sources_for
from emulator.server_tools import (
    code_steps,
    counts_of,
    file_citations,
    file_steps,
    mcp_steps,
    reading_steps,
    search_steps,
    signature_of,
)
from emulator.timeline import Step, TimedStep, Timeline, spread

RESEARCH_S: Final = 720.0
PLAN_S: Final = 60.0

_WRITING_FROM: Final = 0.85
"""The share of a run after which the report is being written."""

_FAST_ROUNDS: Final = 20
_THOROUGH_ROUNDS: Final = 40
_QUERIES_A_ROUND: Final = 4
"""Rounds times queries give the documented searches of a run: about 80, or 160 for the thorough agent."""

_THOUGHTS: Final = (
    "Mapping the question",
    "Looking for primary sources",
    "Comparing the figures",
    "Checking a contradiction",
    "Filling a gap",
    "Reading the methodology",
    "Weighing the evidence",
)

_ASPECTS: Final = (
    "statistics",
    "cost",
    "regulation",
    "history",
    "criticism",
    "outlook",
    "Japan 日本",
    "survey",
    "méthode",
)


def plan_research(record: Record) -> Timeline:
    """The timeline of a research run or of its planning."""
    if record.behaviour is Behaviour.PLAN:
        return _planning(record)
    duration_s = record.duration_s(RESEARCH_S)
    writer = Writer(topic_of(subject_of(record)), seed=record.interaction_id)
    if "many-steps" in record.life:
        working = _many_steps(record.directive.steps or 10_000)
    else:
        working = _rounds(record, writer)
    writing_s = duration_s * _WRITING_FROM
    return Timeline(
        duration_s=duration_s,
        end_status="completed",
        working=spread(working, starts_s=0.0, ends_s=writing_s),
        write_output=lambda: _output(record),
        output_starts_s=writing_s,
        usage=lambda: _usage(record, working),
    )


def subject_of(record: Record) -> str:
    """What the research is about: the question with which the planning began, or this one."""
    for turn in record.turns:
        if turn.behaviour is Behaviour.PLAN:
            return turn.user
    return record.question


def is_thorough(record: Record) -> bool:
    """Whether it is the agent that takes longer and costs more."""
    return "-max-" in str(record.body.get("agent"))


def shows_thoughts(record: Record) -> bool:
    """Whether thought summaries were asked for; without them a thought is only its signature."""
    config = record.body.get("agent_config") or {}
    return bool(config.get("thinking_summaries") == "auto")


def _planning(record: Record) -> Timeline:
    duration_s = record.duration_s(PLAN_S)
    thought = _thought(record, Writer(topic_of(subject_of(record)), seed=record.interaction_id), 0)
    return Timeline(
        duration_s=duration_s,
        end_status="completed",
        working=[TimedStep(thought, 0.0, duration_s / 2)],
        write_output=lambda: [
            {"type": "model_output", "content": [{"type": "text", "text": plan_text(record)}]}
        ],
        output_starts_s=duration_s / 2,
        usage=lambda: _small_usage(record),
    )


def plan_points(record: Record) -> list[str]:
    """The points of the plan: fixed sections, and one for each wish of a revision."""
    return [*SECTIONS[:5], *(f"As requested: {wish}" for wish in _wishes(record))]


def plan_text(record: Record) -> str:
    """The plan as the agent words it."""
    subject = subject_of(record)
    points = "\n".join(f"{number}. {point}" for number, point in enumerate(plan_points(record), start=1))
    return (
        f"# Research plan: {topic_of(subject)}\n\nHere is how I would go about “{subject}”:\n\n{points}\n\n"
        "Approve this plan, or tell me what to change.\n"
    )


def _wishes(record: Record) -> list[str]:
    revisions = [turn.user for turn in record.turns if turn.behaviour is Behaviour.PLAN][1:]
    if record.behaviour is Behaviour.PLAN and any(t.behaviour is Behaviour.PLAN for t in record.turns):
        revisions.append(record.question)
    return revisions


def _rounds(record: Record, writer: Writer) -> list[Step]:
    hostile = "html-title" in record.life
    sources = sources_for(writer.topic, seed=record.interaction_id, hostile=hostile)
    steps = [_thought(record, writer, 0)]
    for number in range(1, (_THOROUGH_ROUNDS if is_thorough(record) else _FAST_ROUNDS) + 1):
        queries = [
            f"{writer.topic} {writer.chance.choice(_ASPECTS)} {2019 + number % 8}"
            for _ in range(_QUERIES_A_ROUND)
        ]
        urls = [source.url for source in writer.chance.sample(sources, 2)]
        steps += _search(number, queries)
        steps += _reading(number, urls, unread=writer.chance.randrange(9))
        steps.append(_thought(record, writer, number))
    for number, tool in enumerate(record.body.get("tools") or [], start=1):
        match tool["type"]:
            case "mcp_server":
                is_hidden = "mcp-tool-call" in record.life
                steps += mcp_steps(f"mcp_{number}", tool, about=writer.topic, is_hidden=is_hidden)
            case "file_search":
                steps += file_steps(f"fs_{number}")
            case "code_execution":
                steps += code_steps(f"ce_{number}", record.question)[0]
            case _:
                # It searches and reads in any case.
                pass
    if "unknown-step" in record.life:
        steps += UNKNOWN_STEPS
    return steps


UNKNOWN_STEPS: Final[tuple[Step, ...]] = (
    {"type": "tool_call", "id": "tc_1", "signature": "QUJD"},
    {"type": "holographic_note", "payload": {"depth": 3}},
)


def _thought(record: Record, writer: Writer, number: int) -> Step:
    title = _THOUGHTS[number % len(_THOUGHTS)]
    text = f"**{title}**\n\n{writer.paragraph(2)}"
    if "control-characters" in record.life:
        text = f"\x1b[31m\x07\u202e{text}\u202c\x00"
    if "html-title" in record.life:
        text = f"<script>alert('thought')</script>{text}"
    signature = signature_of(record.interaction_id, number)
    if not shows_thoughts(record):
        return {"type": "thought", "signature": signature}
    return {"type": "thought", "summary": [{"type": "text", "text": text}], "signature": signature}


def _search(number: int, queries: list[str]) -> list[Step]:
    return search_steps(f"gs_{number}", queries)


def _reading(number: int, urls: list[str], *, unread: int) -> list[Step]:
    # Now and then a page cannot be read; a client must not take that for a failed run.
    statuses = ["success", {0: "error", 1: "paywall"}.get(unread, "success")]
    return reading_steps(f"uc_{number}", urls, statuses)


def _many_steps(count: int) -> list[Step]:
    return [
        {"type": "thought", "summary": [{"type": "text", "text": f"Thought {number}"}], "signature": "QUJD"}
        for number in range(count)
    ]


def _output(record: Record) -> list[Step]:
    approved = [turn for turn in record.turns if turn.behaviour is Behaviour.PLAN]
    config = record.body.get("agent_config") or {}
    return ReportWriter(
        question=subject_of(record),
        seed=record.interaction_id,
        plan=plan_points(record) if approved else [],
        wishes=_wishes(record),
        with_chart=config.get("visualization", "auto") == "auto",
        hostile="html-title" in record.life,
        controls="control-characters" in record.life,
        files=[
            citation
            for tool in record.body.get("tools") or []
            if tool["type"] == "file_search"
            for citation in file_citations(tool, topic_of(record.question))
        ],
        at_least_bytes=record.directive.result_bytes or 0,
    ).steps()


def _usage(record: Record, working: list[Step]) -> dict[str, Any]:
    chance = Writer("", seed=f"{record.interaction_id} usage").chance
    given = int((900_000 if is_thorough(record) else 250_000) * chance.uniform(0.9, 1.1))
    cached = int(given * chance.uniform(0.5, 0.7))
    written = int((80_000 if is_thorough(record) else 60_000) * chance.uniform(0.9, 1.1))
    thought = written // 7
    return usage_of(given=given, written=written, thought=thought, cached=cached, counts=counts_of(working))


def _small_usage(record: Record) -> dict[str, Any]:
    return usage_of(given=len(record.question) // 4 + 1_200, written=len(plan_text(record)) // 4, thought=400)


def usage_of(  # noqa: PLR0913 - keywords only, and each is one line of the bill
    *,
    given: int,
    written: int,
    thought: int,
    cached: int = 0,
    tool_use: int = 0,
    counts: list[dict[str, Any]] | None = None,
    modalities: dict[str, int] | None = None,
) -> dict[str, Any]:
    """A bill whose parts add up.

    Args:
        given: Input tokens, cached ones among them.
        written: Output tokens, of all modalities.
        thought: Thought tokens.
        cached: Cached tokens.
        tool_use: What reading the results of tools took.
        counts: How often which grounding was used.
        modalities: The output tokens that are not text.
    """
    others = modalities or {}
    by_modality = {"text": written - sum(others.values()), **others}
    usage = {
        "total_input_tokens": given,
        "total_cached_tokens": cached,
        "total_output_tokens": written,
        "total_thought_tokens": thought,
        "total_tool_use_tokens": tool_use,
        "total_tokens": given + written + thought + tool_use,
        "input_tokens_by_modality": [{"modality": "text", "tokens": given}],
        "output_tokens_by_modality": [
            {"modality": modality, "tokens": tokens} for modality, tokens in by_modality.items() if tokens
        ],
    }
    if tool_use:
        usage["tool_use_tokens_by_modality"] = [{"modality": "text", "tokens": tool_use}]
    if counts:
        usage["grounding_tool_count"] = counts
    return usage
