"""From a finished interaction to files in the store and a result small enough for history."""

from dataclasses import dataclass
from typing import Final

from activities import failures
from activities.apart import work_up_apart
from activities.sightings import usage_of
from activities.storing import leave_in_transcript, read_earlier, store_answer, store_turn
from activities.working_up import FINISHED, FOLLOWED, Work
from artifacts.store import ArtifactStore
from interactions.responses import Interaction
from interactions.statuses import Standing, Status
from isolation.lanes import Lanes
from runs.errors import RunErrorCode
from runs.messages import Outcome, Settled, SettleInteraction
from runs.pricing import PriceTable

_EMPTY_LOOKS: Final = 4
"""Attempts after which "completed" without any output is believed; the parts of a result have been seen to
come in after the status."""

_USAGE_LOOKS: Final = 2
"""Attempts after which a result without usage is taken as it is; usage lags by a moment now and then."""

_LOOK_AGAIN_S: Final = 5.0

_AGAIN_LOOKS: Final = 3
"""Attempts after which it is believed that an interaction runs again; replicas lag behind by a moment."""

_PAID_IN_FULL: Final = frozenset({*FINISHED, Status.REQUIRES_ACTION, Status.REQUIRES_CONTINUATION})
"""Ends after which the API says what was used, which a budget needs to know before another turn."""

_TOLD: Final = frozenset({Outcome.COMPLETED, Outcome.INCOMPLETE})
"""Outcomes that leave a turn of a conversation; what failed was never said."""


@dataclass(frozen=True, kw_only=True)
class SettlesWith:
    """What a worker settles with.

    Attributes:
        store: Where files go.
        lanes: Where answers are worked up.
        prices: For the cost estimate.
    """

    store: ArtifactStore
    lanes: Lanes
    prices: PriceTable


async def settle(
    interaction: Interaction, settling: SettleInteraction, means: SettlesWith, *, attempt: int
) -> Settled:
    """Store what ``interaction`` left behind and return the result.

    Args:
        interaction: As the API last showed it.
        settling: Whose it is and where its files go.
        means: Files are written whole, so repeating this leaves the same files.
        attempt: Which try this is, from 1; oddities are looked at again before they are believed.

    Raises:
        ApplicationError: type ``NotSettled``: fetch the interaction again; or ``RunsAgain``.
        ArtifactsError: A file could not be stored.
    """
    if not settling.is_partial:
        _look_again_if_odd(interaction, settling, attempt=attempt)
    store = means.store
    earlier, missing = await read_earlier(settling.earlier, store)
    usage = usage_of(interaction)
    cost_usd = means.prices.estimate_usd(settling.agent, usage)
    work = Work(
        document=interaction.raw_json,
        earlier=earlier,
        notes=missing,
        settling=settling,
        usage=usage,
        cost_usd=cost_usd,
    )
    worked = await work_up_apart(work, interaction, means.lanes)
    if not settling.is_partial:
        _look_again_if_empty(interaction, is_empty=worked.is_empty, attempt=attempt)
    store_it = store_turn if worked.outcome in FOLLOWED else store_answer
    stored = await store_it(worked, interaction.raw_json, settling, store)
    if settling.transcript is not None and worked.text.strip() and worked.outcome in _TOLD:
        await leave_in_transcript(
            settling.transcript,
            worked.text,
            settling,
            environment_id=interaction.environment_id,
            store=store,
        )
    notes = worked.notes
    if cost_usd is None:
        notes += ("no cost estimate: no price for this agent, or no usage from the API",)
    return Settled(
        outcome=worked.outcome,
        error=worked.error,
        excerpt=worked.excerpt,
        artifacts=stored.artifacts,
        usage=usage,
        cost_usd=cost_usd,
        counts=worked.counts,
        notes=notes,
        calls=worked.calls,
        interaction_uri=stored.interaction_uri,
        text_uri=stored.text_uri,
        data=worked.data,
    )


def _look_again_if_odd(interaction: Interaction, settling: SettleInteraction, *, attempt: int) -> None:
    if interaction.standing is Standing.RUNNING:
        if settling.may_go_back and attempt >= _AGAIN_LOOKS:
            raise failures.runs_again(settling.interaction_id, interaction.status)
        raise failures.not_settled(
            f"the interaction went back to {interaction.status!r}",
            code=RunErrorCode.INTERNAL,
            retry_after_s=_LOOK_AGAIN_S,
        )
    if interaction.status in _PAID_IN_FULL and interaction.usage is None and attempt < _USAGE_LOOKS:
        raise failures.not_settled(
            f"{interaction.status}, but without usage yet",
            code=RunErrorCode.INTERNAL,
            retry_after_s=_LOOK_AGAIN_S,
        )


def _look_again_if_empty(interaction: Interaction, *, is_empty: bool, attempt: int) -> None:
    if interaction.status in FINISHED and is_empty and attempt < _EMPTY_LOOKS:
        raise failures.not_settled(
            f"{interaction.status}, but without any output yet",
            code=RunErrorCode.EMPTY_RESULT,
            retry_after_s=_LOOK_AGAIN_S,
        )
