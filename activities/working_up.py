"""From the documents of an answer to everything that a run leaves behind: pure, and as long as it takes.

What it reads was written by a model, a server or a stranger, and nobody can foresee what a parser, a renderer
or a schema makes of it. So it is called in a process of its own; see `activities.apart`.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import JsonValue
from pydantic_core import from_json

from activities.answers import answer_of
from activities.calls import calls_of
from activities.json_values import is_readable, size_bytes
from activities.reports import Output, output_of
from activities.sightings import counts_of, notes_on
from artifacts.json_schema import InvalidAnswer, Unchecked, validate
from artifacts.report import render_html, render_markdown
from interactions.responses import Interaction
from interactions.statuses import Status
from interactions.steps import ModelOutputStep
from isolation.stages import begin
from runs.errors import RunErrorCode
from runs.limits import (
    MAX_DATA_BYTES,
    MAX_ERROR_CHARS,
    MAX_EXCERPT_BYTES,
    MAX_PLAN_BYTES,
    MAX_TURN_TEXT_BYTES,
)
from runs.messages import Counts, Outcome, RunError, SettleInteraction, Usage
from runs.text import clean_text, excerpt_utf8
from runs.tool_calls import ToolCall

FOLLOWED: Final = frozenset({Outcome.NEEDS_TOOLS, Outcome.CONTINUES, Outcome.PLAN_READY})
"""Outcomes that another turn follows."""

FINISHED: Final = frozenset({Status.COMPLETED, Status.IDLE})
"""Ends after which there is an answer."""

_PARTIAL: Final = "partial: stopped at the deadline"

_NO_CALL: Final = (
    RunErrorCode.NEEDS_ACTION,
    "the agent asks for an action, but names no function to be called",
)


class Part(StrEnum):
    """What can turn out not to be possible. All but the first can be left out."""

    ANSWER = "answer"
    SCHEMA = "schema"
    MARKDOWN = "markdown"
    """Reading the text as Markdown; without, the report shows it as it is."""
    REPORT = "report"


class File(NamedTuple):
    """A file for the run's folder."""

    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be worked up.

    Attributes:
        document: The interaction that is settled, as it was received.
        earlier: Those before it that belong to the same answer, in order.
        notes: What is missing of these, for people.
        settling: Whose answer it is.
        usage: What this interaction used.
        cost_usd: What that is estimated to cost; None where there is no estimate.
    """

    document: bytes
    earlier: tuple[bytes, ...]
    notes: tuple[str, ...]
    settling: SettleInteraction
    usage: Usage
    cost_usd: float | None


@dataclass(frozen=True, kw_only=True)
class WorkedUp:
    """What came of it.

    Attributes:
        outcome: What the run makes of it.
        error: Why it failed, if it did.
        is_empty: Whether the last round left nothing to read, look at or listen to.
        text: All text, as it was written.
        excerpt: Its beginning, for history.
        files: To be stored, the interaction itself excepted.
        text_name: Which of them is the text alone; None if none is.
        data: The JSON that was asked for, if it is small enough for history.
        counts: What the answer is made of.
        notes: Oddities worth a person's eye.
        calls: What is to be called.
    """

    outcome: Outcome
    error: RunError | None
    is_empty: bool = False
    text: str = ""
    excerpt: str = ""
    files: tuple[File, ...] = ()
    text_name: str | None = None
    data: JsonValue = None
    counts: Counts = field(default_factory=Counts)
    notes: tuple[str, ...] = ()
    calls: tuple[ToolCall, ...] = ()


class _Text(NamedTuple):
    """The text of an answer alone, as a file.

    Attributes:
        data: Its JSON, where it is the JSON that was asked for.
        objection: Why it is not; None if none was asked for.
        note: Why nobody knows whether it is.
    """

    file: File
    data: JsonValue = None
    objection: str | None = None
    note: str | None = None


def work_up(work: Work, left_out: dict[Part, str]) -> WorkedUp:
    """Return what the answer comes to.

    Args:
        work: The answer.
        left_out: What turned out not to be possible, and why. It is left out, and told in the notes.
    """
    begin(Part.ANSWER)
    settling = work.settling
    answer = answer_of(work.document, work.earlier, work.notes)
    output = output_of(answer, settling)
    if settling.is_partial:
        output = replace(output, notes=(_PARTIAL, *output.notes))
    calls = calls_of(answer.latest)
    counts = counts_of(answer)
    begin(Part.SCHEMA)
    text = _text_of(output, unchecked=left_out.get(Part.SCHEMA))
    outcome, error = (
        (Outcome.INCOMPLETE, None)
        if settling.is_partial
        else _outcome_of(
            answer.latest, settling, is_empty=output.is_empty, calls=calls, objection=text and text.objection
        )
    )
    notes = [*output.notes, *notes_on(answer)]
    files: list[File] = []
    text_name: str | None = None
    if outcome is Outcome.PLAN_READY:
        text_name = f"plan-{settling.turn}.md"
        files.append(File(text_name, _encoded(output.text), "text/markdown"))
    elif outcome not in FOLLOWED:
        if Part.MARKDOWN in left_out:
            notes.append(f"the answer could not be read as Markdown: {left_out[Part.MARKDOWN]}")
        if Part.REPORT in left_out:
            notes.append(f"the report could not be rendered: {left_out[Part.REPORT]}")
        elif output.blocks:
            begin(Part.REPORT if Part.MARKDOWN in left_out else Part.MARKDOWN)
            unparsed_because = left_out.get(Part.MARKDOWN)
            files += _report(output, counts=counts, work=work, unparsed_because=unparsed_because)
        if text is not None:
            files.append(text.file)
            text_name = text.file.name
        files += [File(media.name, media.content, media.media_type) for media in output.media]
    if text is not None and text.note is not None:
        notes.append(text.note)
    return WorkedUp(
        outcome=outcome,
        error=error,
        is_empty=output.is_empty,
        text=output.text,
        excerpt=excerpt_utf8(clean_text(output.text), max_bytes=_excerpt_bytes(settling, outcome)),
        files=tuple(files),
        text_name=text_name,
        data=text.data if text is not None and outcome not in FOLLOWED and _is_small(text.data) else None,
        counts=counts,
        notes=tuple(notes),
        calls=calls if outcome is Outcome.NEEDS_TOOLS else (),
    )


def not_worked_up(interaction: Interaction, why: str) -> WorkedUp:
    """Return what an answer comes to that could not be worked up at all; it is kept as it was received.

    Args:
        interaction: That is settled.
        why: What kept it from being worked up.
    """
    note = f"nothing but interaction.json could be made of this: {why}"
    match interaction.status:
        case Status.CANCELLED:
            outcome, error = Outcome.CANCELLED, None
        case (
            Status.COMPLETED
            | Status.IDLE
            | Status.INCOMPLETE
            | Status.BUDGET_EXCEEDED
            | Status.REQUIRES_ACTION
            | Status.REQUIRES_CONTINUATION
        ):
            outcome, error = _failed(
                RunErrorCode.INVALID_OUTPUT,
                f"the answer could not be worked up: {why}; interaction.json has it as it was received",
            )
        case _:
            outcome, error = _failed(RunErrorCode.INTERACTION_FAILED, _why_failed(interaction))
    return WorkedUp(outcome=outcome, error=error, notes=(note,))


def _text_of(output: Output, *, unchecked: str | None) -> _Text | None:
    """Return the answer's text alone, as it was written; None if there is none.

    Where JSON was asked for it is the text of the last round, since before its tools' results a model has
    nothing but talk.
    """
    if not output.text.strip():
        return None
    markdown = _Text(File("answer.md", _encoded(output.text), "text/markdown"))
    schema = output.settling.json_schema
    if schema is None:
        return markdown
    data: JsonValue = None
    objection: str | None = None
    note: str | None = None
    try:
        if unchecked is not None:
            raise Unchecked(unchecked)  # noqa: TRY301 - as the schema itself may turn out not to be checkable
        data = validate(output.last_text, schema)
    except InvalidAnswer as error:
        objection = f"the answer is not the JSON that was asked for: {error}"
    except Unchecked as error:
        # Whoever asks for a schema relies on it: "completed" always means that the answer follows it.
        objection = f"the answer could not be checked against its schema, and is kept: {error}"
        note = f"the answer was not checked against its schema: {error}"
    objection = objection and clean_text(objection)[:MAX_ERROR_CHARS]
    if objection is not None and not _is_json(output.last_text):
        return markdown._replace(objection=objection, note=note)
    file = File("answer.json", _encoded(output.last_text), "application/json")
    return _Text(file, data, objection, note)


def _report(output: Output, *, counts: Counts, work: Work, unparsed_because: str | None) -> list[File]:
    settling = work.settling
    report = output.report(
        counts=counts,
        usage=settling.earlier_usage.plus(work.usage),
        cost_usd=_sum_usd(settling.earlier_cost_usd, work.cost_usd),
    )
    report = replace(report, unparsed_because=unparsed_because)
    return [
        File("report.md", render_markdown(report).encode(), "text/markdown"),
        File("report.html", render_html(report).encode(), "text/html"),
    ]


def _excerpt_bytes(settling: SettleInteraction, outcome: Outcome) -> int:
    if outcome is Outcome.PLAN_READY:
        return MAX_PLAN_BYTES
    # Whoever talks wants the answer, not its address.
    return MAX_EXCERPT_BYTES if settling.transcript is None else MAX_TURN_TEXT_BYTES


def _sum_usd(earlier: float | None, this: float | None) -> float | None:
    return None if earlier is None or this is None else earlier + this


def _is_small(data: object) -> bool:
    return is_readable(data) and size_bytes(data) <= MAX_DATA_BYTES


def _outcome_of(
    interaction: Interaction,
    settling: SettleInteraction,
    *,
    is_empty: bool,
    calls: tuple[ToolCall, ...],
    objection: str | None,
) -> tuple[Outcome, RunError | None]:
    match interaction.status:
        case Status.COMPLETED | Status.IDLE:
            return _completed(settling, is_empty=is_empty, objection=objection)
        case Status.REQUIRES_ACTION:
            return _followed_by(Outcome.NEEDS_TOOLS, settling) if calls else _failed(*_NO_CALL)
        case Status.REQUIRES_CONTINUATION if interaction.continuation_token:
            return _followed_by(Outcome.CONTINUES, settling)
        case Status.INCOMPLETE | Status.BUDGET_EXCEEDED | Status.REQUIRES_CONTINUATION:
            return Outcome.INCOMPLETE, None
        case Status.CANCELLED:
            return Outcome.CANCELLED, None
        case _:
            return _failed(RunErrorCode.INTERACTION_FAILED, _why_failed(interaction))


def _completed(
    settling: SettleInteraction, *, is_empty: bool, objection: str | None
) -> tuple[Outcome, RunError | None]:
    if is_empty:
        return _failed(RunErrorCode.EMPTY_RESULT, "the API says that it is done, but there is no output")
    if settling.is_plan:
        return _followed_by(Outcome.PLAN_READY, settling)
    if objection is not None:
        return _failed(RunErrorCode.INVALID_OUTPUT, objection)
    return Outcome.COMPLETED, None


def _followed_by(outcome: Outcome, settling: SettleInteraction) -> tuple[Outcome, RunError | None]:
    if settling.last_because is not None:
        return Outcome.INCOMPLETE, settling.last_because
    return outcome, None


def _failed(code: RunErrorCode, message: str) -> tuple[Outcome, RunError]:
    return Outcome.FAILED, RunError(code=code, message=clean_text(message)[:MAX_ERROR_CHARS])


def _why_failed(interaction: Interaction) -> str:
    reasons = [
        f"{problem.code or 'error'}: {problem.message or 'no reason given'}" for problem in interaction.errors
    ]
    reasons += [
        step.error.message
        for step in interaction.turn_steps
        if isinstance(step, ModelOutputStep) and step.error and step.error.message
    ]
    return "; ".join(dict.fromkeys(reasons)) or "the API gives no reason"


def _is_json(text: str) -> bool:
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError:
        return False
    return True


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")
