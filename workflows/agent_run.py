"""The `AgentRun` workflow: one agent run from request to settled result.

Theory of operation. ``runs.phase`` says what may follow what; the loop in ``_work`` does what the
current phase asks for and reports what happened to the table. Two things reach a run from outside:
a *stop* (a cancel of the workflow, or the deadline) and a *wake* (the ``notified`` signal). Neither
interrupts anything by itself: each sets a flag that the loop heeds where it is safe to. So a
submission in flight is always waited for, since its answer is the only place where the id of a paid
interaction can be learned, and settling is never abandoned, since by then the report is paid for.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributeUpdate,
    SearchAttributeValueType,
    TypedSearchAttributes,
)
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities import timeouts
    from activities.interaction_activities import InteractionActivities
    from runs import limits
    from runs.details import render_details
    from runs.errors import ActivityErrorType, RunErrorCode, WorkflowErrorType
    from runs.messages import (
        AGENT_RUN,
        RESULT_MEMO,
        AgentRunRequest,
        AgentRunResult,
        AgentRunStatus,
        CancelInteraction,
        CancelReport,
        Counts,
        Notification,
        Outcome,
        RawRequest,
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
    from runs.phase import Event, Phase, advance
    from runs.places import artifacts_prefix
    from runs.text import first_line
    from workflows import search_attributes
    from workflows.failures import Failure, failure_of


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
    the next look forward; the ``status`` query says where the run stands.
    """

    @workflow.init
    def __init__(self, request: RawRequest = None) -> None:
        if not isinstance(request, AgentRunRequest):
            return  # `run` refuses it; failing here would stall the workflow task for ever.
        info = workflow.info()
        self._request = request
        self._phase = Phase.REQUESTED
        self._question = first_line(request.input, max_chars=120)
        self._artifacts_prefix = artifacts_prefix(workflow_id=info.workflow_id, run_id=info.run_id)
        self._requested_at = info.start_time
        self._deadline_at = info.start_time + timedelta(seconds=request.deadline_s)
        self._accepted_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._interaction_id: str | None = None
        self._artifacts_uri: str | None = None
        self._sighting: Sighting | None = None
        self._settled: Settled | None = None
        self._cancel: CancelReport | None = None
        self._error: RunError | None = None
        self._refusals = 0
        self._next_submission_at: datetime | None = None
        self._problem: str | None = None
        self._stop: _Stop | None = None
        self._wakes = 0
        self._is_woken = False

    @workflow.run
    async def run(self, request: RawRequest = None) -> AgentRunResult:
        """Return what the run left behind.

        Raises:
            ApplicationError: The input is no run, or the run failed or timed out; see
                `runs.errors.WorkflowErrorType`.
            asyncio.CancelledError: The run was cancelled.
        """
        if not isinstance(request, AgentRunRequest):
            raise ApplicationError(
                _why_invalid(request), type=WorkflowErrorType.INVALID_REQUEST, non_retryable=True
            )
        self._publish()
        # Never cancelled, nor its timer: ending the workflow drops both, without an event in history.
        deadline = asyncio.create_task(self._stop_at_deadline())
        work = asyncio.create_task(self._work())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # A workflow is cancelled once; the work goes on, and ends by itself now that it is told.
            self._stop = _Stop.CALLER
            await work
        del deadline
        return self._close()

    @workflow.signal(name="notified")
    def notified(self, notification: Notification | None = None) -> None:
        """Take a look now: something may have happened to the interaction. Only a hint; may be repeated."""
        if notification and notification.interaction_id not in (None, self._interaction_id):
            return
        if self._wakes < limits.MAX_WAKES:
            self._wakes += 1
            self._is_woken = True

    @workflow.query(name="status")
    def status(self) -> AgentRunStatus:
        """Say where the run stands."""
        return AgentRunStatus(
            phase=self._phase,
            agent=self._request.agent,
            interaction_id=self._interaction_id,
            artifacts_uri=self._artifacts_uri,
            requested_at=self._requested_at,
            deadline_at=self._deadline_at,
            refusals=self._refusals,
            next_submission_at=self._next_submission_at,
            problem=self._problem,
            sighting=self._sighting,
        )

    async def _stop_at_deadline(self) -> None:
        await workflow.sleep(self._deadline_at - workflow.now(), summary="deadline")
        self._stop = self._stop or _Stop.DEADLINE

    async def _work(self) -> None:
        while not self._phase.is_end:
            match self._phase:
                case Phase.REQUESTED if self._stop:
                    self._enter(Event.STOP_ASKED)
                case Phase.REQUESTED:
                    await self._submit()
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

    async def _submit(self) -> None:
        self._next_submission_at = None
        try:
            submitted = await workflow.execute_activity_method(
                InteractionActivities.submit_interaction,
                SubmitInteraction(request=self._request, artifacts_prefix=self._artifacts_prefix),
                start_to_close_timeout=timeouts.SUBMIT_TIMEOUT,
                retry_policy=timeouts.ONCE,
                summary=f"submit to {self._request.agent}",
            )
        except ActivityError as error:
            await self._take_submission_failure(failure_of(error))
            return
        self._problem = None
        self._interaction_id = submitted.interaction_id
        self._artifacts_uri = submitted.artifacts_uri
        self._accepted_at = workflow.now()
        self._enter(Event.SUBMISSION_ACCEPTED)

    async def _take_submission_failure(self, failure: Failure) -> None:
        match failure.kind:
            case ActivityErrorType.SUBMISSION_REFUSED:
                self._refusals += 1
                self._problem = failure.message
                delay_s = resubmit_after_s(
                    refusals=self._refusals,
                    retry_after_s=failure.retry_after_s,
                    jitter=workflow.random().random(),
                )
                self._next_submission_at = workflow.now() + timedelta(seconds=delay_s)
                self._enter(Event.SUBMISSION_REFUSED)
                with suppress(asyncio.TimeoutError):
                    await workflow.wait_condition(
                        lambda: self._stop is not None,
                        timeout=delay_s,
                        timeout_summary=f"refused; submit again in {delay_s:.0f} s",
                    )
            case ActivityErrorType.SUBMISSION_REJECTED:
                self._fail(failure, default=RunErrorCode.REJECTED, event=Event.SUBMISSION_REJECTED)
            case _:
                # Whatever else went wrong, a vanished worker above all: it may have been sent.
                self._fail(failure, default=RunErrorCode.SUBMISSION_UNKNOWN, event=Event.SUBMISSION_UNKNOWN)

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
        if self._interaction_id is not None:
            try:
                self._cancel = await workflow.execute_activity_method(
                    InteractionActivities.cancel_interaction,
                    CancelInteraction(interaction_id=self._interaction_id),
                    start_to_close_timeout=timeouts.CANCEL_TIMEOUT,
                    schedule_to_close_timeout=timeouts.CANCEL_BUDGET,
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
                schedule_to_close_timeout=timeouts.SETTLE_BUDGET,
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
        self._publish()

    def _publish(self) -> None:
        """Show where the run stands: search attributes for lists, current details for people."""
        usage = self._settled.usage if self._settled else Usage()
        cost_usd = self._settled.cost_usd if self._settled else None
        shown = workflow.info().typed_search_attributes
        # Only what changed: each upsert is an event, and the starter may have set the first ones already.
        updates = [
            *_change(shown, search_attributes.PHASE, self._phase.value),
            *_change(shown, search_attributes.AGENT, self._request.agent),
            *_change(shown, search_attributes.INTERACTION_ID, self._interaction_id),
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
            notes=settled.notes if settled else (),
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


def _why_invalid(request: object) -> str:
    """Say in one line what is wrong with an input that is no request."""
    try:
        AgentRunRequest.model_validate(request)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "input"
        return f"not a run: {where}: {first['msg']}; give at least an agent and an input"
    return "not a run: sent in a form this version cannot read"
