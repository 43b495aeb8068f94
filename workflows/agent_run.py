"""The `AgentRun` workflow: one agent run from request to settled result.

Theory of operation. ``runs.phase`` says what may follow what; the loop in ``_work`` does what the
current phase asks for and reports what happened to the table. Three things reach a run from outside:
a *stop* (a cancel of the workflow, or the deadline), a *wake* (the ``notified`` signal) and news of a
submission (``notified`` with its token, or the ``resolve_submission`` update). None interrupts
anything by itself: each leaves a note that the loop heeds where it is safe to. So a submission in
flight is always waited for, since its answer is the only place where the id of a paid interaction can
be learned, and settling is never abandoned, since by then the report is paid for.

A submission is sent at most once. Every further one has a number and a journal of its own, and comes
only after it is certain that the one before was not run, or after somebody decided to risk it.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, assert_never

from temporalio import workflow
from temporalio.common import (
    RawValue,
    SearchAttributeKey,
    SearchAttributeUpdate,
    SearchAttributeValueType,
    TypedSearchAttributes,
)
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities import timeouts
    from activities.interaction_activities import InteractionActivities
    from runs import limits
    from runs.details import render_details
    from runs.errors import ActivityErrorType, RunErrorCode, UpdateErrorType, WorkflowErrorType
    from runs.ledger import SubmissionLedger
    from runs.messages import (
        AGENT_RUN,
        RESULT_MEMO,
        AgentRunResult,
        AgentRunStatus,
        CancelInteraction,
        CancelReport,
        CheckInteraction,
        Counts,
        Notification,
        Outcome,
        RecoverSubmission,
        Resolution,
        ResolveSubmission,
        RunError,
        Settled,
        SettleInteraction,
        Sighting,
        SubmitInteraction,
        Timings,
        Usage,
        WatchInteraction,
    )
    from runs.pacing import resubmit_after_s
    from runs.phase import Event, Phase, UnknownPolicy, advance
    from runs.places import artifacts_prefix
    from runs.text import first_line
    from workflows import search_attributes
    from workflows.failures import Failure, failure_of
    from workflows.inputs import NO_INPUT, decode_request


_UNNAMED: Final = (
    "the outcome of a submission was never learned: another interaction may have run, and been billed"
)


class _Stop(StrEnum):
    """Why a run is asked to stop before its turn has ended."""

    CALLER = "caller"
    DEADLINE = "deadline"


@workflow.defn(name=AGENT_RUN)
class AgentRunWorkflow:
    """Carry one agent run from request to settled result.

    Start it with an `AgentRunRequest`; `agent` and `input` alone make a valid one. It returns an
    `AgentRunResult` when the run completes, also incompletely; it fails with the result in the failure's
    details when the run failed or timed out, and ends as cancelled, with the result in the memo, when
    it was cancelled. Cancelling the workflow cancels the interaction. The ``notified`` signal brings
    the next look forward; the ``resolve_submission`` update decides about a submission whose outcome is
    unknown; the ``status`` query says where the run stands.
    """

    @workflow.init
    def __init__(self, raw: RawValue = NO_INPUT) -> None:
        self._phase = Phase.REQUESTED
        self._accepted_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._interaction_id: str | None = None
        self._artifacts_uri: str | None = None
        self._sighting: Sighting | None = None
        self._settled: Settled | None = None
        self._cancel: CancelReport | None = None
        self._error: RunError | None = None
        self._ledger = SubmissionLedger()
        self._resolution: ResolveSubmission | None = None
        self._next_submission_at: datetime | None = None
        self._problem: str | None = None
        self._stop: _Stop | None = None
        self._wakes = 0
        self._is_woken = False
        self._invalid: ApplicationError | None = None
        try:
            request = decode_request(raw)
        except ApplicationError as error:
            # `run` raises it; failing here, or in a signal that came along, would stall the workflow task
            # for ever.
            self._invalid = error
            return
        info = workflow.info()
        self._request = request
        self._question = first_line(request.input, max_chars=120)
        self._artifacts_prefix = artifacts_prefix(
            workflow_id=info.workflow_id,
            # Kept by a reset of the workflow, whose replay from an earlier point then finds the journal of
            # what it had sent, and sends nothing twice.
            run_id=info.original_execution_run_id,
        )
        self._requested_at = info.start_time
        self._deadline_at = info.start_time + timedelta(seconds=request.deadline_s)

    @workflow.run
    async def run(self, raw: RawValue = NO_INPUT) -> AgentRunResult:  # noqa: ARG002 - `__init__` has read it
        """Return what the run left behind. The input is an `AgentRunRequest`.

        Raises:
            ApplicationError: The input is no run, or the run failed or timed out; see
                `runs.errors.WorkflowErrorType`.
            asyncio.CancelledError: The run was cancelled.
        """
        if self._invalid is not None:
            raise self._invalid
        self._publish()
        self._deadline = asyncio.create_task(self._stop_at_deadline())
        work = asyncio.create_task(self._work())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # A workflow is cancelled once; the work goes on, and ends by itself now that it is told.
            self._stop = _Stop.CALLER
            await work
        return self._close()

    @workflow.signal(name="notified")
    def notified(self, notification: Notification | None = None) -> None:
        """Take a look now: something may have happened to the interaction. Only a hint; may be repeated.

        With the token of one of the run's submissions it also says which interaction that became.
        """
        if notification and notification.interaction_id and notification.token:
            self._ledger.announce(notification.token, notification.interaction_id)
        if notification and notification.interaction_id not in (None, self._interaction_id):
            return
        if self._wakes < limits.MAX_WAKES:
            self._wakes += 1
            self._is_woken = True

    # Without ``name=``, whose type in SDK 1.35 forgets that the handler is awaited; the method's own name is
    # the update's, and so may not change.
    @workflow.update
    async def resolve_submission(self, resolution: ResolveSubmission) -> AgentRunStatus:
        """Decide about a submission whose outcome is unknown, and return where the run then stands.

        Raises:
            ApplicationError: type ``NotPossible``: the API does not know the interaction to adopt, or the
                run has moved on meanwhile.
        """
        if resolution.interaction_id is not None:
            await self._check(resolution.interaction_id)
        if self._phase is not Phase.SUBMISSION_UNKNOWN:
            raise ApplicationError(
                f"the run has moved on and is {self._phase}", type=UpdateErrorType.NOT_POSSIBLE
            )
        if self._resolution is not None:
            # In the same workflow task; to take over its place would lose an id that may be paid for.
            raise ApplicationError("somebody else has just decided", type=UpdateErrorType.NOT_POSSIBLE)
        self._resolution = resolution
        await workflow.wait_condition(lambda: self._phase is not Phase.SUBMISSION_UNKNOWN)
        return self.status()

    @resolve_submission.validator
    def _check_resolution(self, resolution: ResolveSubmission) -> None:
        why_not = None
        if self._phase is not Phase.SUBMISSION_UNKNOWN:
            why_not = f"there is nothing to resolve: the run is {self._phase}"
        elif (resolution.resolution is Resolution.ADOPT) != (resolution.interaction_id is not None):
            why_not = "an interaction id goes with adopt, and only with adopt"
        elif resolution.resolution is Resolution.RESUBMIT and self._stop:
            why_not = "the run is past its deadline; give it up and start a new one"
        if why_not:
            raise ApplicationError(why_not, type=UpdateErrorType.NOT_POSSIBLE, non_retryable=True)

    async def _check(self, interaction_id: str) -> None:
        try:
            await workflow.execute_activity_method(
                InteractionActivities.check_interaction,
                CheckInteraction(interaction_id=interaction_id),
                start_to_close_timeout=timeouts.LOOK_TIMEOUT,
                schedule_to_close_timeout=timeouts.CHECK_BUDGET,
                retry_policy=timeouts.LOOK_RETRY,
                summary=f"check {interaction_id[:40]}",
            )
        except ActivityError as error:
            raise ApplicationError(
                f"not adopted: {failure_of(error).message}", type=UpdateErrorType.NOT_POSSIBLE
            ) from error

    @workflow.query(name="status")
    def status(self) -> AgentRunStatus:
        """Say where the run stands.

        Raises:
            ApplicationError: type ``InvalidRequest``: the input is no run.
        """
        if self._invalid is not None:
            raise self._invalid
        return AgentRunStatus(
            phase=self._phase,
            agent=self._request.agent,
            interaction_id=self._interaction_id,
            artifacts_uri=self._artifacts_uri,
            requested_at=self._requested_at,
            deadline_at=self._deadline_at,
            submissions=self._ledger.count,
            orphan_interaction_ids=self._ledger.orphans(own=self._interaction_id),
            refusals=self._ledger.refusals,
            next_submission_at=self._next_submission_at,
            problem=self._problem,
            sighting=self._sighting,
        )

    async def _stop_at_deadline(self) -> None:
        # Never cancelled, nor its timer: ending the workflow drops both, without an event in history.
        await workflow.sleep(self._deadline_at - workflow.now(), summary="deadline")
        self._stop = self._stop or _Stop.DEADLINE

    async def _work(self) -> None:
        while not self._phase.is_end:
            match self._phase:
                case Phase.REQUESTED if found := self._ledger.found():
                    # News of a submission that was given up for unknown: no need to pay for another.
                    self._accept(found, Event.ADOPTED)
                case Phase.REQUESTED if self._is_stopped():
                    self._enter(Event.STOP_ASKED)
                case Phase.REQUESTED:
                    await self._submit()
                case Phase.SUBMISSION_UNKNOWN:
                    await self._resolve()
                case Phase.RUNNING if self._stop:
                    self._enter(Event.STOP_ASKED)
                case Phase.RUNNING:
                    await self._watch()
                case Phase.CANCELLING:
                    await self._cancel_interaction()
                case Phase.SETTLING:
                    await self._settle()
                case _:
                    raise AssertionError(f"nothing to do in phase {self._phase}")
        # Here, where a cancel does not reach: a run that has ended must not lose its result to it.
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _is_stopped(self) -> bool:
        """Return whether a stop has been asked for, if only in this very workflow task.

        A worker that was away finds cancel, deadline and whatever it waited for in one task, and the order
        in which they wake their coroutines must not decide whether something is still paid for.
        """
        if workflow.cancellation_reason() is not None:
            self._stop = _Stop.CALLER
        elif workflow.now() >= self._deadline_at:
            self._stop = self._stop or _Stop.DEADLINE
        return self._stop is not None

    async def _submit(self) -> None:
        self._next_submission_at = None
        self._ledger.begin(str(workflow.uuid4()))
        try:
            submitted = await workflow.execute_activity_method(
                InteractionActivities.submit_interaction,
                SubmitInteraction(
                    request=self._request,
                    artifacts_prefix=self._artifacts_prefix,
                    number=self._ledger.count,
                    token=self._ledger.latest_token,
                ),
                start_to_close_timeout=timeouts.SUBMIT_TIMEOUT,
                heartbeat_timeout=timeouts.SUBMIT_HEARTBEAT_TIMEOUT,
                retry_policy=timeouts.ONCE,
                summary=f"submit to {self._request.agent}",
            )
        except ActivityError as error:
            await self._take_submission_failure(failure_of(error))
        else:
            self._artifacts_uri = submitted.artifacts_uri
            self._accept(submitted.interaction_id, Event.SUBMISSION_ACCEPTED)

    def _accept(self, interaction_id: str, event: Event) -> None:
        self._next_submission_at = None
        self._problem = None
        self._interaction_id = interaction_id
        self._accepted_at = workflow.now()
        if event is Event.ADOPTED and self._stop is _Stop.DEADLINE:
            # It was waited for beyond the deadline, so that is not held against it: the time starts anew.
            self._stop = None
            self._deadline_at = workflow.now() + timedelta(seconds=self._request.deadline_s)
            self._deadline = asyncio.create_task(self._stop_at_deadline())
        self._enter(event)

    async def _take_submission_failure(self, failure: Failure) -> None:
        match failure.kind:
            case ActivityErrorType.SUBMISSION_REFUSED:
                self._ledger.refusals += 1
                self._problem = failure.message
                await self._wait_to_submit(
                    Event.SUBMISSION_REFUSED,
                    times=self._ledger.refusals,
                    retry_after_s=failure.retry_after_s,
                )
            case ActivityErrorType.SUBMISSION_REJECTED:
                self._fail(failure, default=RunErrorCode.REJECTED, event=Event.SUBMISSION_REJECTED)
            case ActivityErrorType.SUBMISSION_UNKNOWN:
                self._hold(failure.message)
            case _:
                # Nobody answered, or a bug did: the worker may have vanished at any point of it.
                await self._recover(failure)

    async def _wait_to_submit(self, event: Event, *, times: int, retry_after_s: float | None = None) -> None:
        delay_s = resubmit_after_s(
            refusals=times, retry_after_s=retry_after_s, jitter=workflow.random().random()
        )
        self._next_submission_at = workflow.now() + timedelta(seconds=delay_s)
        self._enter(event)
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: self._stop is not None or self._ledger.found() is not None,
                timeout=delay_s,
                timeout_summary=f"refused; submit again in {delay_s:.0f} s",
            )

    async def _recover(self, failure: Failure) -> None:
        self._problem = f"finding out what became of the submission: {failure.message}"
        self._publish()
        try:
            recovered = await workflow.execute_activity_method(
                InteractionActivities.recover_submission,
                RecoverSubmission(artifacts_prefix=self._artifacts_prefix, number=self._ledger.count),
                start_to_close_timeout=timeouts.RECOVER_TIMEOUT,
                retry_policy=timeouts.RECOVER_RETRY,
                summary="read the submission journal",
            )
        except ActivityError as error:
            self._hold(f"{failure.message}; {failure_of(error).message}")
            return
        self._artifacts_uri = recovered.artifacts_uri or self._artifacts_uri
        if not recovered.was_sent:
            self._ledger.unsent += 1
            self._problem = None
            if self._ledger.unsent == 1:
                self._enter(Event.SUBMISSION_NOT_SENT)
            else:
                # A worker vanishes once; what ends every one that tries would fill the history in minutes.
                self._problem = failure.message
                await self._wait_to_submit(Event.SUBMISSION_NOT_SENT, times=self._ledger.unsent)
        elif recovered.interaction_id is not None:
            self._accept(recovered.interaction_id, Event.SUBMISSION_ACCEPTED)
        else:
            self._hold(failure.message)

    def _hold(self, problem: str) -> None:
        self._ledger.leave_open()
        self._problem = problem
        self._enter(Event.SUBMISSION_UNKNOWN)

    async def _resolve(self) -> None:
        """End the uncertainty about the last submission: by news, by policy, or by a person."""
        policy = self._request.on_unknown_submission
        is_news = self._ledger.found() is not None
        if not is_news and policy is UnknownPolicy.FAIL:
            self._give_up()
            return
        may_resubmit = self._ledger.resubmissions < limits.MAX_RESUBMISSIONS and not self._stop
        if not is_news and policy is UnknownPolicy.RESUBMIT and may_resubmit:
            self._ledger.resubmissions += 1
            self._enter(Event.RESUBMIT_CHOSEN)
            return
        # The deadline does not end this: ending would only drop the one place that waits for the news.
        await workflow.wait_condition(
            lambda: (
                self._ledger.found() is not None or self._resolution is not None or self._stop is _Stop.CALLER
            )
        )
        resolution, self._resolution = self._resolution, None
        if found := self._ledger.found():
            self._accept(found, Event.ADOPTED)
        elif resolution is None:
            self._enter(Event.STOP_ASKED)
        elif resolution.interaction_id is not None:
            self._ledger.settle_latest()
            self._accept(resolution.interaction_id, Event.ADOPTED)
        elif resolution.resolution is Resolution.RESUBMIT:
            self._enter(Event.RESUBMIT_CHOSEN)
        else:
            self._give_up()

    def _give_up(self) -> None:
        self._error = RunError(
            code=RunErrorCode.SUBMISSION_UNKNOWN,
            message=f"nobody can say whether the API took the submission: {self._problem}"[
                : limits.MAX_ERROR_CHARS
            ],
        )
        self._enter(Event.GIVEN_UP)

    async def _watch(self) -> None:
        assert self._interaction_id is not None
        assert self._accepted_at is not None
        self._is_woken = False
        # Each attempt is one look. "Still running" is a benign failure that carries the delay to the
        # next look, so between looks the run is only a durable timer on the server.
        watch = workflow.start_activity_method(
            InteractionActivities.watch_interaction,
            WatchInteraction(
                interaction_id=self._interaction_id,
                accepted_at=self._accepted_at,
                pacing=self._request.pacing,
            ),
            start_to_close_timeout=timeouts.LOOK_TIMEOUT,
            retry_policy=timeouts.LOOK_RETRY,
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
            summary=f"watch {self._interaction_id[:40]}",
        )
        await workflow.wait_condition(lambda: watch.done() or self._is_woken or self._stop is not None)
        watch.cancel()
        try:
            self._sighting = await watch
        except ActivityError as error:
            if is_cancelled_exception(error):
                return
            self._fail(failure_of(error), default=RunErrorCode.LOST, event=Event.LOST)
        else:
            self._ended_at = workflow.now()
            self._enter(Event.TURN_ENDED)

    async def _cancel_interaction(self) -> None:
        if self._interaction_id is None and self._ledger.may_be_running():
            self._cancel = CancelReport(
                was_confirmed=False,
                detail="the submission's outcome is unknown: an interaction may be running, and bill",
            )
        if self._interaction_id is not None:
            try:
                self._cancel = await workflow.execute_activity_method(
                    InteractionActivities.cancel_interaction,
                    CancelInteraction(interaction_id=self._interaction_id),
                    start_to_close_timeout=timeouts.CANCEL_TIMEOUT,
                    retry_policy=timeouts.CANCEL_RETRY,
                    summary=f"cancel {self._interaction_id[:40]}",
                )
            except ActivityError as error:
                self._cancel = CancelReport(was_confirmed=False, detail=failure_of(error).message)
            if self._cancel.sighting is not None:
                self._sighting = self._cancel.sighting
            if self._cancel.had_ended:
                self._ended_at = workflow.now()
                self._enter(Event.TURN_ENDED)
                return
        if self._stop is _Stop.DEADLINE:
            self._error = RunError(code=RunErrorCode.DEADLINE, message=self._deadline_message())
            self._enter(Event.DEADLINE_STOPPED)
        else:
            self._enter(Event.CALLER_STOPPED)

    async def _settle(self) -> None:
        assert self._interaction_id is not None
        try:
            settled = await workflow.execute_activity_method(
                InteractionActivities.settle_interaction,
                SettleInteraction(
                    interaction_id=self._interaction_id,
                    agent=self._request.agent,
                    question=self._question,
                    workflow_id=workflow.info().workflow_id,
                    artifacts_prefix=self._artifacts_prefix,
                    requested_at=self._requested_at,
                ),
                start_to_close_timeout=timeouts.SETTLE_TIMEOUT,
                heartbeat_timeout=timeouts.HEARTBEAT_TIMEOUT,
                retry_policy=timeouts.SETTLE_RETRY,
                summary="fetch the result and store its files",
            )
        except ActivityError as error:
            failure = failure_of(error)
            is_lost = failure.kind == ActivityErrorType.INTERACTION_LOST
            self._fail(
                failure,
                default=RunErrorCode.LOST if is_lost else RunErrorCode.INTERNAL,
                event=Event.LOST if is_lost else Event.SETTLED_FAILED,
            )
            return
        self._settled = settled
        self._error = settled.error
        match settled.outcome:
            case Outcome.COMPLETED:
                self._enter(Event.SETTLED_COMPLETED)
            case Outcome.INCOMPLETE:
                self._enter(Event.SETTLED_INCOMPLETE)
            case Outcome.FAILED:
                self._enter(Event.SETTLED_FAILED)
            case Outcome.CANCELLED:
                self._enter(Event.SETTLED_CANCELLED)
            case _ as never:
                assert_never(never)

    def _fail(self, failure: Failure, *, default: RunErrorCode, event: Event) -> None:
        message = failure.message
        if self._interaction_id is not None:
            message = f"{message} (interaction {self._interaction_id})"[: limits.MAX_ERROR_CHARS]
        self._error = RunError(code=failure.code or default, message=message)
        self._enter(event)

    def _deadline_message(self) -> str:
        took = f"not finished {self._request.deadline_s:.0f} s after the start"
        if self._cancel is None:
            return f"{took}; nothing was submitted"
        if self._cancel.was_confirmed:
            return f"{took}; the API confirmed that it stopped"
        return f"{took}; the API did not confirm that it stopped, so it may go on and bill"

    def _enter(self, event: Event) -> None:
        self._phase = advance(self._phase, event)
        workflow.logger.info("run.moved", extra={"phase": self._phase.value, "because": event.value})
        self._publish()

    def _publish(self) -> None:
        """Show where the run stands: search attributes for lists, current details for people."""
        usage = self._settled.usage if self._settled else Usage()
        cost_usd = self._settled.cost_usd if self._settled else None
        interaction_id = self._interaction_id and self._interaction_id[: limits.MAX_KEYWORD_CHARS]
        shown = workflow.info().typed_search_attributes
        # Only what changed: each upsert is an event, and the starter may have set the first ones already.
        updates = [
            *_change(shown, search_attributes.PHASE, self._phase.value),
            *_change(shown, search_attributes.AGENT, self._request.agent),
            *_change(shown, search_attributes.INTERACTION_ID, interaction_id),
            *_change(shown, search_attributes.TENANT, self._request.tenant),
            *_change(shown, search_attributes.LABELS, list(self._request.labels) or None),
            *_change(shown, search_attributes.TOKENS, usage.total_tokens),
            *_change(shown, search_attributes.COST_USD, cost_usd),
        ]
        if updates:
            workflow.upsert_search_attributes(updates)
        workflow.set_current_details(
            render_details(
                self.status(),
                question=self._question,
                now=workflow.now(),
                settled=self._settled,
                error=self._error,
            )
        )

    def _close(self) -> AgentRunResult:
        """Return the result, or end the workflow the way the phase asks for."""
        result = self._result()
        if self._phase in (Phase.COMPLETED, Phase.INCOMPLETE):
            return result
        if self._phase is Phase.CANCELLED and self._stop is _Stop.CALLER:
            # A cancelled workflow returns nothing, so the result goes where `describe` shows it.
            workflow.upsert_memo({RESULT_MEMO: result})
            raise asyncio.CancelledError
        raise _failure_with(result)

    def _result(self) -> AgentRunResult:
        settled = self._settled
        seen = self._sighting or Sighting()
        return AgentRunResult(
            phase=self._phase,
            agent=self._request.agent,
            interaction_ids=(self._interaction_id,) if self._interaction_id else (),
            orphan_interaction_ids=self._ledger.orphans(own=self._interaction_id),
            submissions=self._ledger.count,
            excerpt=settled.excerpt if settled else "",
            artifacts=settled.artifacts if settled else (),
            usage=settled.usage if settled else Usage(total_tokens=seen.total_tokens),
            cost_usd=settled.cost_usd if settled else None,
            counts=settled.counts
            if settled
            else Counts(steps=seen.steps, searches=seen.searches, pages=seen.pages),
            timings=Timings(
                requested_at=self._requested_at,
                accepted_at=self._accepted_at,
                ended_at=self._ended_at,
                closed_at=workflow.now(),
            ),
            error=self._error,
            cancel=self._cancel,
            notes=(settled.notes if settled else ()) + ((_UNNAMED,) if self._ledger.may_be_running() else ()),
        )


def _change(
    shown: TypedSearchAttributes,
    key: SearchAttributeKey[SearchAttributeValueType],
    value: SearchAttributeValueType | None,
) -> list[SearchAttributeUpdate[Any]]:
    return [] if value is None or shown.get(key) == value else [key.value_set(value)]


def _failure_with(result: AgentRunResult) -> ApplicationError:
    message = result.error.message if result.error else "the interaction was cancelled by somebody else"
    is_late = result.phase is Phase.TIMED_OUT
    kind = WorkflowErrorType.RUN_TIMED_OUT if is_late else WorkflowErrorType.RUN_FAILED
    # Not retryable: a retry policy given by whoever started the run would pay for it again.
    return ApplicationError(message, result, type=kind, non_retryable=True)
