"""From a finished interaction to files in the store and a result small enough for history."""

import asyncio
from typing import Final

from activities import failures
from activities.answers import read_answer
from activities.calls import calls_of
from activities.json_values import is_readable, size_bytes
from activities.reports import output_of
from activities.sightings import counts_of, notes_on, usage_of
from activities.storing import TextFile, leave_in_transcript, store_answer, store_turn, text_file_of
from artifacts.store import ArtifactStore
from interactions.responses import Interaction
from interactions.statuses import Standing, Status
from interactions.steps import ModelOutputStep
from runs.errors import RunErrorCode
from runs.limits import (
    MAX_DATA_BYTES,
    MAX_ERROR_CHARS,
    MAX_EXCERPT_BYTES,
    MAX_PLAN_BYTES,
    MAX_TURN_TEXT_BYTES,
)
from runs.messages import Outcome, RunError, Settled, SettleInteraction
from runs.pricing import PriceTable
from runs.text import clean_text, excerpt_utf8
from runs.tool_calls import ToolCall

_EMPTY_LOOKS: Final = 4
"""Attempts after which "completed" without any output is believed; the parts of a result have been seen to
come in after the status."""

_USAGE_LOOKS: Final = 2
"""Attempts after which a result without usage is taken as it is; usage lags by a moment now and then."""

_LOOK_AGAIN_S: Final = 5.0

_PAID_IN_FULL: Final = frozenset({Status.COMPLETED, Status.REQUIRES_ACTION, Status.REQUIRES_CONTINUATION})
"""Ends after which the API says what was used, which a budget needs to know before another turn."""

_NO_CALL: Final = (
    RunErrorCode.NEEDS_ACTION,
    "the agent asks for an action, but names no function to be called",
)

_FOLLOWED: Final = frozenset({Outcome.NEEDS_TOOLS, Outcome.CONTINUES, Outcome.PLAN_READY})
"""Outcomes that another turn follows."""

_TOLD: Final = frozenset({Outcome.COMPLETED, Outcome.INCOMPLETE})
"""Outcomes that leave a turn of a conversation; what failed was never said."""


async def settle(
    interaction: Interaction,
    settling: SettleInteraction,
    *,
    store: ArtifactStore,
    prices: PriceTable,
    attempt: int,
) -> Settled:
    """Store what ``interaction`` left behind and return the result.

    Args:
        interaction: As the API last showed it.
        settling: Whose it is and where its files go.
        store: Files are written whole, so repeating this leaves the same files.
        prices: For the cost estimate.
        attempt: Which try this is, from 1; oddities are looked at again before they are believed.

    Raises:
        ApplicationError: type ``NotSettled``: fetch the interaction again.
        ArtifactsError: A file could not be stored.
    """
    answer = await read_answer(interaction, settling.earlier, store)
    # Decoding and rendering megabytes take seconds; on the event loop, others would miss a heartbeat.
    output = await asyncio.to_thread(output_of, answer, settling)
    _look_again_if_odd(interaction, is_empty=output.is_empty, attempt=attempt)
    calls = await asyncio.to_thread(calls_of, interaction)
    text = await asyncio.to_thread(text_file_of, output)
    outcome, error = _outcome_of(interaction, settling, is_empty=output.is_empty, calls=calls, text=text)
    usage = usage_of(interaction)
    cost_usd = prices.estimate_usd(settling.agent, usage)
    counts = await asyncio.to_thread(counts_of, answer)
    if outcome in _FOLLOWED:
        stored = await store_turn(output, is_plan=outcome is Outcome.PLAN_READY, store=store)
    else:
        report = output.report(
            counts=counts,
            usage=settling.earlier_usage.plus(usage),
            cost_usd=_sum_usd(settling.earlier_cost_usd, cost_usd),
        )
        stored = await store_answer(output, text, report if output.blocks else None, store=store)
    if settling.transcript is not None and text is not None and outcome in _TOLD:
        await leave_in_transcript(
            settling.transcript,
            output.text,
            settling,
            environment_id=interaction.environment_id,
            store=store,
        )
    notes = output.notes + notes_on(answer)
    if cost_usd is None:
        notes += ("no cost estimate: no price for this agent, or no usage from the API",)
    return Settled(
        outcome=outcome,
        error=error,
        excerpt=excerpt_utf8(clean_text(output.text), max_bytes=_excerpt_bytes(settling, outcome)),
        artifacts=stored.artifacts,
        usage=usage,
        cost_usd=cost_usd,
        counts=counts,
        notes=notes,
        calls=calls if outcome is Outcome.NEEDS_TOOLS else (),
        interaction_uri=stored.interaction_uri,
        text_uri=stored.text_uri,
        data=text.data if stored.text_uri is not None and text is not None and _is_small(text.data) else None,
    )


def _excerpt_bytes(settling: SettleInteraction, outcome: Outcome) -> int:
    if outcome is Outcome.PLAN_READY:
        return MAX_PLAN_BYTES
    # Whoever talks wants the answer, not its address.
    return MAX_EXCERPT_BYTES if settling.transcript is None else MAX_TURN_TEXT_BYTES


def _sum_usd(earlier: float | None, this: float | None) -> float | None:
    return None if earlier is None or this is None else earlier + this


def _is_small(data: object) -> bool:
    return is_readable(data) and size_bytes(data) <= MAX_DATA_BYTES


def _look_again_if_odd(interaction: Interaction, *, is_empty: bool, attempt: int) -> None:
    if interaction.standing is Standing.RUNNING:
        raise failures.not_settled(
            f"the interaction went back to {interaction.status!r}",
            code=RunErrorCode.INTERNAL,
            retry_after_s=_LOOK_AGAIN_S,
        )
    if interaction.status not in _PAID_IN_FULL:
        return
    if interaction.status == Status.COMPLETED and is_empty and attempt < _EMPTY_LOOKS:
        raise failures.not_settled(
            "completed, but without any output yet",
            code=RunErrorCode.EMPTY_RESULT,
            retry_after_s=_LOOK_AGAIN_S,
        )
    if interaction.usage is None and attempt < _USAGE_LOOKS:
        raise failures.not_settled(
            f"{interaction.status}, but without usage yet",
            code=RunErrorCode.INTERNAL,
            retry_after_s=_LOOK_AGAIN_S,
        )


def _outcome_of(
    interaction: Interaction,
    settling: SettleInteraction,
    *,
    is_empty: bool,
    calls: tuple[ToolCall, ...],
    text: TextFile | None,
) -> tuple[Outcome, RunError | None]:
    match interaction.status:
        case Status.COMPLETED:
            return _completed(settling, is_empty=is_empty, text=text)
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
    settling: SettleInteraction, *, is_empty: bool, text: TextFile | None
) -> tuple[Outcome, RunError | None]:
    if is_empty:
        return _failed(RunErrorCode.EMPTY_RESULT, "the API says completed, but there is no output")
    if settling.is_plan:
        return _followed_by(Outcome.PLAN_READY, settling)
    if text is not None and text.objection is not None:
        return _failed(RunErrorCode.INVALID_OUTPUT, text.objection)
    return Outcome.COMPLETED, None


def _followed_by(outcome: Outcome, settling: SettleInteraction) -> tuple[Outcome, RunError | None]:
    if settling.last_because is not None:
        return Outcome.INCOMPLETE, settling.last_because
    return outcome, None


def _failed(code: RunErrorCode, message: str) -> tuple[Outcome, RunError]:
    return Outcome.FAILED, RunError(code=code, message=message)


def _why_failed(interaction: Interaction) -> str:
    reasons = [
        f"{problem.code or 'error'}: {problem.message or 'no reason given'}" for problem in interaction.errors
    ]
    reasons += [
        step.error.message
        for step in interaction.turn_steps
        if isinstance(step, ModelOutputStep) and step.error and step.error.message
    ]
    return clean_text("; ".join(dict.fromkeys(reasons)) or "the API gives no reason")[:MAX_ERROR_CHARS]
