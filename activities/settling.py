"""From a finished interaction to files in the store and a result small enough for history."""

import asyncio
from typing import Final, NamedTuple

from activities import failures
from activities.reports import output_of
from activities.sightings import counts_of, notes_on, usage_of
from artifacts.report import render_html, render_markdown
from artifacts.store import ArtifactStore
from interactions.responses import Interaction
from interactions.statuses import Standing, Status
from interactions.steps import ModelOutputStep
from runs.errors import RunErrorCode
from runs.limits import MAX_ERROR_CHARS, MAX_EXCERPT_BYTES
from runs.messages import ArtifactRef, Outcome, RunError, Settled, SettleInteraction
from runs.pricing import PriceTable
from runs.text import clean_text, excerpt_utf8

_EMPTY_LOOKS: Final = 4
"""Attempts after which "completed" without any output is believed; the parts of a result have been seen to
come in after the status."""

_USAGE_LOOKS: Final = 2
"""Attempts after which a result without usage is taken as it is; usage lags by a moment now and then."""

_LOOK_AGAIN_S: Final = 5.0


class _File(NamedTuple):
    name: str
    content: bytes
    media_type: str


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
    # Decoding and rendering megabytes take seconds; on the event loop, others would miss a heartbeat.
    output = await asyncio.to_thread(output_of, interaction, settling)
    _look_again_if_odd(interaction, is_empty=output.is_empty, attempt=attempt)
    outcome, error = _outcome_of(interaction, is_empty=output.is_empty)
    files = [
        *(_File(media.name, media.content, media.media_type) for media in output.media),
        # As received: whatever this version does not understand is in here.
        _File("interaction.json", interaction.raw_json, "application/json"),
    ]
    usage = usage_of(interaction)
    cost_usd = prices.estimate_usd(settling.agent, usage)
    counts = counts_of(interaction)
    if not output.is_empty:
        report = output.report(counts=counts, usage=usage, cost_usd=cost_usd)
        markdown = await asyncio.to_thread(render_markdown, report)
        page = await asyncio.to_thread(render_html, report)
        files = [
            _File("report.md", markdown.encode(), "text/markdown"),
            _File("report.html", page.encode(), "text/html"),
            *files,
        ]
    stored: list[ArtifactRef] = [
        await store.put(f"{settling.artifacts_prefix}/{file.name}", file.content, file.media_type)
        for file in files
    ]
    notes = output.notes + notes_on(interaction)
    if cost_usd is None:
        notes += ("no cost estimate: no price for this agent, or no usage from the API",)
    return Settled(
        outcome=outcome,
        error=error,
        excerpt=excerpt_utf8(clean_text(output.text), max_bytes=MAX_EXCERPT_BYTES),
        artifacts=tuple(stored),
        usage=usage,
        cost_usd=cost_usd,
        counts=counts,
        notes=notes,
    )


def _look_again_if_odd(interaction: Interaction, *, is_empty: bool, attempt: int) -> None:
    if interaction.standing is Standing.RUNNING:
        raise failures.not_settled(
            f"the interaction went back to {interaction.status!r}",
            code=RunErrorCode.INTERNAL,
            retry_after_s=_LOOK_AGAIN_S,
        )
    if interaction.status != Status.COMPLETED:
        return
    if is_empty and attempt < _EMPTY_LOOKS:
        raise failures.not_settled(
            "completed, but without any output yet",
            code=RunErrorCode.EMPTY_RESULT,
            retry_after_s=_LOOK_AGAIN_S,
        )
    if interaction.usage is None and attempt < _USAGE_LOOKS:
        raise failures.not_settled(
            "completed, but without usage yet", code=RunErrorCode.INTERNAL, retry_after_s=_LOOK_AGAIN_S
        )


def _outcome_of(interaction: Interaction, *, is_empty: bool) -> tuple[Outcome, RunError | None]:
    match interaction.status:
        case Status.COMPLETED if is_empty:
            return Outcome.FAILED, RunError(
                code=RunErrorCode.EMPTY_RESULT, message="the API says completed, but there is no output"
            )
        case Status.COMPLETED:
            return Outcome.COMPLETED, None
        case Status.CANCELLED:
            return Outcome.CANCELLED, None
        case Status.INCOMPLETE | Status.BUDGET_EXCEEDED | Status.REQUIRES_CONTINUATION:
            return Outcome.INCOMPLETE, None
        case Status.REQUIRES_ACTION:
            return Outcome.FAILED, RunError(
                code=RunErrorCode.NEEDS_ACTION,
                message="the agent asks for a function to be called, and this run has none",
            )
        case _:
            return Outcome.FAILED, RunError(
                code=RunErrorCode.INTERACTION_FAILED, message=_why_failed(interaction)
            )


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
