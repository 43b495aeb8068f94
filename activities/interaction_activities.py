"""The activities of a run. Each wraps one thing that can fail by itself, and says whether it may repeat."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import structlog
from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities import failures
from activities.announcing import Announcing
from activities.claims import claim_interaction
from activities.heartbeat import beating, heartbeating
from activities.journal import accepted_after
from activities.recovering import recover
from activities.settling import SettlesWith, settle
from activities.sightings import sighting_of
from activities.submitting import SubmitsWith, submit
from activities.timeouts import CLAIM_TIMEOUT, MISSING_GRACE
from activities.working_up import FOLLOWED
from artifacts.errors import ArtifactsError
from interactions.client import InteractionsClient
from interactions.errors import InteractionsError, WrongInteraction
from interactions.responses import Interaction
from interactions.statuses import Standing, Status
from runs.errors import ActivityErrorType, RunErrorCode
from runs.limits import MAX_ERROR_CHARS, MAX_NOTE_CHARS
from runs.messages import (
    CancelInteraction,
    CancelReport,
    CheckInteraction,
    Recovered,
    RecoverSubmission,
    Settled,
    SettleInteraction,
    Sighting,
    SubmitInteraction,
    Submitted,
    WatchInteraction,
)
from runs.pacing import Pacing, for_a_model, next_look_s
from runs.text import first_line

log = structlog.get_logger()

_ATTEMPTS_ELSEWHERE: Final = 4
"""From this attempt on, settling makes do with a store that is not the run's: the report is paid for, and may
be all there will be. Before, a worker with the right one is given the chance to take it."""

_ELSEWHERE_AGAIN_S: Final = 2.0
"""Between two of them: another worker takes it at once, if there is one."""

_MAX_LOOK_NOTES: Final = 3
"""Of one interaction's looks: enough to see what goes on, in details that are rewritten at every look."""


class InteractionActivities:
    """Activities that share what a worker has to submit, to look and to settle with.

    Args:
        client: Looks, and cancels.
        submits_with: For submissions and what becomes of them.
        settles_with: For what interactions leave behind.
        pacing: How often to look where a request does not say.
    """

    def __init__(
        self,
        client: InteractionsClient,
        submits_with: SubmitsWith,
        settles_with: SettlesWith,
        *,
        pacing: Pacing,
    ) -> None:
        self._client = client
        self._submits_with = submits_with
        self._settles_with = settles_with
        self._pacing = pacing

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for a worker to register."""
        return [
            self.submit_interaction,
            self.recover_submission,
            self.check_interaction,
            self.watch_interaction,
            self.settle_interaction,
            self.cancel_interaction,
        ]

    def submitting(self) -> list[Callable[..., Any]]:
        """Return those that submit, or find out what became of a submission."""
        return [self.submit_interaction, self.recover_submission]

    @activity.defn(name="submit_interaction")
    async def submit_interaction(self, submission: SubmitInteraction) -> Submitted:
        """Start one interaction and return its id; in the foreground, once it has ended.

        Run with one attempt: a worker that dies after sending looks like a time-out, which Temporal would
        retry, and the API has no idempotency key. Request and journal are written before anything is sent,
        so a store that could not take the report is found while it costs nothing, too.

        Raises:
            ApplicationError: type ``SubmissionRefused``, ``SubmissionRejected``, ``SubmissionUnknown``,
                ``SubmissionPending`` or ``SubmissionNumberTaken``.
        """
        try:
            announcing = Announcing(await self._submits_with.store.identity())
        except ArtifactsError as error:
            raise failures.store_failure_before_submission(error) from error
        async with beating(announcing.beat):
            sending = asyncio.create_task(self._send(submission, announcing))
            while True:
                try:
                    return await asyncio.shield(sending)
                except asyncio.CancelledError:
                    # The workflow never cancels this. A worker too busy to beat in time is given up by the
                    # server and told so here, in the middle of a request that may already be paid for: its
                    # answer must get into the journal, where the recovery waits for it. So must it when the
                    # worker is told to stop after that.
                    if sending.done():
                        # The cancel came in the very moment of the answer, which still counts.
                        return sending.result()

    async def _send(self, submission: SubmitInteraction, announcing: Announcing) -> Submitted:
        try:
            return await submit(submission, self._submits_with, announcing)
        except ApplicationError:
            raise
        except Exception as error:
            # A bug, at any point of it: the recovery has to know where the journal is.
            raise failures.crashed(error, announcing.announcement) from error

    @activity.defn(name="recover_submission")
    async def recover_submission(self, lost: RecoverSubmission) -> Recovered:
        """Say what became of a submission whose worker was lost sight of. May be repeated.

        Raises:
            ApplicationError: type ``SubmissionPending``, to be asked again after the delay it carries.
        """
        info = activity.info()
        return await recover(
            lost,
            store=self._submits_with.store,
            now=info.current_attempt_scheduled_time,
            kept=info.heartbeat_details,
        )

    @activity.defn(name="check_interaction")
    async def check_interaction(self, checked: CheckInteraction) -> Sighting:
        """Look at an interaction that somebody says is ours, and mark it as such. May be repeated.

        Raises:
            ApplicationError: type ``InteractionLost``: the API does not know it. ``InteractionTaken``: it is
                another run's. Any other failure is retried if it may pass.
        """
        try:
            interaction = await self._client.get(checked.interaction_id)
        except InteractionsError as error:
            if failures.is_missing(error):
                raise failures.lost(checked.interaction_id) from error
            raise ApplicationError(error.message, non_retryable=not error.is_transient) from error
        await self._claim(checked)
        return sighting_of(interaction, looks=1)

    async def _claim(self, checked: CheckInteraction) -> None:
        if not checked.artifacts_prefix:
            return
        try:
            async with asyncio.timeout(CLAIM_TIMEOUT.total_seconds()):
                other = await claim_interaction(
                    self._submits_with.store,
                    checked.interaction_id,
                    workflow_id=activity.info().workflow_id or "",
                    artifacts_prefix=checked.artifacts_prefix,
                    number=checked.number,
                )
        except (ArtifactsError, TimeoutError) as error:
            # Unlike an id that the API answered with, this one can be given again.
            raise ApplicationError(f"the store cannot say whose it is: {error}") from error
        # What an earlier submission of the same run became may be the very one that is missed.
        if other is not None and other.artifacts_prefix != checked.artifacts_prefix:
            raise ApplicationError(
                f"interaction {checked.interaction_id} is submission {other.number} of run "
                f"{other.workflow_id}",
                type=ActivityErrorType.INTERACTION_TAKEN,
                non_retryable=True,
            )

    @activity.defn(name="watch_interaction")
    async def watch_interaction(self, watched: WatchInteraction) -> Sighting:
        """Look once; return what was seen if the turn has ended, else ask to be run again later.

        Every attempt is one look, so this may be repeated at will. What it saw is kept in the heartbeat
        details, where the next attempt, the Temporal UI and ``describe`` find it.

        Raises:
            ApplicationError: type ``StillRunning``, retried after the delay it carries, or
                ``InteractionLost`` once the API has not known the interaction for the grace period.
        """
        before = _last_sighting()
        # The server's clock, as is the time of acceptance: pacing and grace compare like with like.
        now = activity.info().current_attempt_scheduled_time
        retry_after_s: float | None = None
        try:
            # What the look before saw stays to be seen. Most looks are over before the first beat is due.
            async with heartbeating(before, begins_at_once=False):
                interaction = await self._client.get(watched.interaction_id)
            seen = sighting_of(interaction, looks=before.looks + 1)
            seen = seen.model_copy(update={"seen_at": now, "notes": before.notes})
        except InteractionsError as error:
            seen = _after_failed_look(before, error, now=now)
            retry_after_s = error.retry_after_s
        except Exception as error:
            # A bug of ours, or an answer that nobody thought of. It carries a delay like any failed look,
            # since the retry policy's own is for workers that vanish.
            log.exception("look.broken", interaction_id=watched.interaction_id)
            seen = _after_broken_look(before, error)
        if seen.has_ended:
            log.info("interaction.ended", interaction_id=watched.interaction_id, looks=seen.looks)
            return seen
        activity.heartbeat(seen)
        if seen.missing_since is not None and now - seen.missing_since >= MISSING_GRACE:
            raise failures.lost(watched.interaction_id)
        raise failures.expected_retry(
            seen.problem or seen.status or "running",
            kind=ActivityErrorType.STILL_RUNNING,
            after_s=next_look_s(
                watched.pacing or (for_a_model(self._pacing) if watched.is_model else self._pacing),
                elapsed_s=(now - watched.accepted_at).total_seconds(),
                failures=seen.failures,
                retry_after_s=retry_after_s,
            ),
        )

    @activity.defn(name="settle_interaction")
    async def settle_interaction(self, settling: SettleInteraction) -> Settled:
        """Fetch the finished interaction, store its files and return the small result.

        May be repeated: reading costs nothing, and files are written whole under the same names.

        Raises:
            ApplicationError: type ``NotSettled``, to be tried again, ``RunsAgain`` or ``InteractionLost``.
        """
        before = _last_sighting()
        now = activity.info().current_attempt_scheduled_time
        note = await self._note_on_store(settling, before)
        async with heartbeating(before):
            try:
                interaction = await self._client.get(settling.interaction_id)
            except InteractionsError as error:
                # A 404 is believed as slowly as while watching. Attempts say nothing: a full store uses them
                # up as well.
                seen = _after_failed_look(before, error, now=now)
                activity.heartbeat(seen)
                if seen.missing_since is not None and now - seen.missing_since >= MISSING_GRACE:
                    raise failures.lost(settling.interaction_id) from error
                raise failures.not_settled(
                    error.message,
                    code=RunErrorCode.INTERNAL,
                    # A run that is over does not wait for what an API asks for.
                    retry_after_s=None if settling.is_partial else error.retry_after_s,
                ) from error
        found = before.model_copy(update={"missing_since": None})
        activity.heartbeat(found)
        async with heartbeating(found):
            try:
                settled = await settle(
                    interaction, settling, self._settles_with, attempt=activity.info().attempt
                )
                settled = settled.model_copy(
                    update={
                        "notes": settled.notes + note + found.notes,
                        "store": await self._settles_with.store.identity(),
                        "earlier_interaction_ids": await self._earlier(settling, settled),
                    }
                )
            except ArtifactsError as error:
                raise failures.not_settled(
                    f"the report exists but cannot be stored: {error}", code=RunErrorCode.ARTIFACT_STORE
                ) from error
        log.info(
            "interaction.settled",
            interaction_id=settling.interaction_id,
            outcome=settled.outcome.value,
            artifacts=len(settled.artifacts),
            total_tokens=settled.usage.total_tokens,
            cost_usd=settled.cost_usd,
        )
        return settled

    async def _note_on_store(self, settling: SettleInteraction, seen: Sighting) -> tuple[str, ...]:
        """Return what is to be said of a store that is not the one that has the run's files so far.

        Raises:
            ApplicationError: type ``NotSettled``: a worker that has it is given the time to take this.
        """
        if settling.store is None:
            return ()
        try:
            here = await self._settles_with.store.identity()
        except ArtifactsError:
            return ()  # storing will say so
        if settling.store.store_id == here.store_id:
            return ()
        # A run that is over is not kept open for that.
        if not settling.is_partial and activity.info().attempt < _ATTEMPTS_ELSEWHERE:
            activity.heartbeat(seen)
            raise failures.not_settled(
                f"the run's files are in {settling.store.named}, and this worker has {here.named}",
                code=RunErrorCode.ARTIFACT_STORE,
                retry_after_s=_ELSEWHERE_AGAIN_S,
            )
        log.warning("store.differs", store=here.named, run_store=settling.store.named)
        return (f"settled into {here.named}; what came before is in {settling.store.named}",)

    async def _earlier(self, settling: SettleInteraction, settled: Settled) -> tuple[str, ...]:
        if settling.submissions is None or settled.outcome in FOLLOWED:
            return ()  # another turn may yet come to the numbers of these
        return await accepted_after(
            self._settles_with.store, prefix=settling.artifacts_prefix, number=settling.submissions
        )

    @activity.defn(name="cancel_interaction")
    async def cancel_interaction(self, cancelled: CancelInteraction) -> CancelReport:
        """Ask the API to stop, and look whether it has.

        May be repeated. The answer to the cancel itself decides nothing, since cancels have answered 404
        for running interactions; only a look tells.

        Raises:
            ApplicationError: type ``NotCancelled``: it still runs, or could not be looked at; try again.
        """
        answer = "the API took the cancel"
        try:
            await self._client.cancel(cancelled.interaction_id)
        except InteractionsError as error:
            answer = f"the API answered the cancel with {error.message}"
        try:
            interaction = await self._client.get(cancelled.interaction_id)
        except InteractionsError as error:
            raise _not_cancelled(f"{answer}; the look after it: {error.message}") from error
        if interaction.standing is Standing.RUNNING:
            raise _not_cancelled(f"{answer}; the interaction is still {interaction.status!r}")
        log.info("interaction.stopped", interaction_id=cancelled.interaction_id, status=interaction.status)
        return _cancel_report(interaction)


def _cancel_report(interaction: Interaction) -> CancelReport:
    was_cancelled = interaction.status == Status.CANCELLED
    return CancelReport(
        was_confirmed=was_cancelled,
        had_ended=not was_cancelled,
        detail="the API confirmed it" if was_cancelled else "it had finished before the cancel reached it",
        sighting=sighting_of(interaction, looks=1),
    )


def _not_cancelled(reason: str) -> ApplicationError:
    return ApplicationError(
        reason[:MAX_ERROR_CHARS],
        type=ActivityErrorType.NOT_CANCELLED,
        # A cancel takes effect a moment after its answer, so the first look seldom sees it.
        category=ApplicationErrorCategory.BENIGN,
    )


def _last_sighting() -> Sighting:
    details = activity.info().heartbeat_details
    try:
        return Sighting.model_validate(details[0]) if details else Sighting()
    except ValidationError:
        # Of another version, in the middle of a rollout: better to forget it than never to look again.
        return Sighting()


def _after_broken_look(before: Sighting, error: Exception) -> Sighting:
    """Return ``before`` with a failure noted that nobody foresaw."""
    reason = first_line(f"the look itself broke: {type(error).__name__}: {error}", MAX_ERROR_CHARS)
    return before.model_copy(
        update={"looks": before.looks + 1, "failures": before.failures + 1, "problem": reason}
    )


def _after_failed_look(before: Sighting, error: InteractionsError, *, now: datetime) -> Sighting:
    """Return ``before`` with the failure noted. Whatever it was, the interaction may well be running."""
    # Only a 404 counts towards losing it: a 403 also comes from a key that someone can mend while the
    # interaction runs on.
    is_missing = failures.is_missing(error)
    return before.model_copy(
        update={
            "looks": before.looks + 1,
            "failures": before.failures + 1,
            "problem": error.message,
            "missing_since": (before.missing_since or now) if is_missing else None,
            "notes": _with_note(before.notes, error),
        }
    )


def _with_note(notes: tuple[str, ...], error: InteractionsError) -> tuple[str, ...]:
    """Return ``notes`` with what is worth remembering of a failed look once a good one has followed."""
    if not isinstance(error, WrongInteraction):
        return notes
    return tuple(dict.fromkeys((*notes, error.message[:MAX_NOTE_CHARS])))[:_MAX_LOOK_NOTES]
