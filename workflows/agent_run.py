"""The `AgentRun` workflow: one agent run from request to settled result.

Workflow code: see docs/changing.md.

Theory of operation. ``runs.phase`` says what may follow what; the loop in ``_work`` does what the
current phase asks for and reports what happened to the table. Three things reach a run from outside:
a *stop* (a cancel of the workflow, or the deadline), a *wake* (the ``notified`` signal) and news of a
submission (``notified`` with its token, or the ``resolve_submission`` update). None interrupts
anything by itself: each leaves a note that the loop heeds where it is safe to. So a submission in
flight is always waited for, since its answer is the only place where the id of a paid interaction can
be learned, and settling is never abandoned, since by then the report is paid for.

A submission is sent at most once. Every further one has a number and a journal of its own, and comes
only after it is certain that the one before was not run, or after somebody decided to risk it.

A run may take several turns, each an interaction that follows the one before: the results of function
calls, the continuation of an answer that stopped at the API's own limit, a revised or approved plan. A
turn is settled like any other; what settling found decides whether the run ends or says something more,
and no further turn begins once the budget is used up.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities import timeouts
    from activities.interaction_activities import InteractionActivities
    from activities.tool_activities import ToolActivities
    from runs import limits
    from runs.budget import Spent, why_exhausted
    from runs.details import render_details
    from runs.errors import ActivityErrorType, RunErrorCode, UpdateErrorType, WorkflowErrorType
    from runs.ledger import SubmissionLedger
    from runs.messages import (
        AGENT_RUN,
        RESULT_MEMO,
        AgentRunRequest,
        AgentRunResult,
        AgentRunStatus,
        CancelInteraction,
        CancelReport,
        CheckInteraction,
        Counts,
        EarlierSubmission,
        FollowUp,
        FollowUpKind,
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
    from runs.pacing import resubmit_after_s, send_again_after_s
    from runs.phase import Event, Phase, UnknownPolicy, advance
    from runs.places import artifacts_prefix
    from runs.planning import ApprovePlan, PlanMode, PlanView, RevisePlan
    from runs.queues import submissions_of
    from runs.stores import StoreRef  # noqa: TC001 - workflows import inside this block only
    from runs.text import first_line
    from runs.tool_calls import DecideToolCall, DescribeTools, ToolCatalog
    from runs.tools import callable_names, function_names
    from runs.turns import TurnLog
    from workflows import search_attributes
    from workflows.deadline import Deadline
    from workflows.failures import Failure, failure_of
    from workflows.inputs import NO_INPUT, decode_request
    from workflows.parents import rights_of
    from workflows.tool_round import ToolRound

_UNNAMED: Final = (
    "the outcome of a submission was never learned: another interaction may have run, and been billed"
)


_NOT_SENT: Final = frozenset({RunErrorCode.NOT_SENT, RunErrorCode.ARTIFACT_STORE})
"""Why a submission may be sent again that never reached the API; every other refusal is the API's word."""


_SAYS: Final = {
    FollowUpKind.TOOL_RESULTS: "function results to",
    FollowUpKind.CONTINUATION: "a continuation to",
    FollowUpKind.PLAN_REVISED: "a wish for the plan to",
    FollowUpKind.PLAN_APPROVED: "the approved plan to",
}
"""What a further turn submits, in the summary that the Temporal UI shows."""


class _Stop(StrEnum):
    """Why a run is asked to stop before its turn has ended."""

    CALLER = "caller"
    DEADLINE = "deadline"


@workflow.defn(name=AGENT_RUN)
class AgentRunWorkflow:
    """Carry one run of an agent or a model from request to settled result.

    Start it with an `AgentRunRequest`; `agent` or `model`, and `input`, make a valid one. It returns an
    `AgentRunResult` when the run completes, also incompletely; it fails with the result in the failure's
    details when the run failed or timed out, and ends as cancelled, with the result in the memo, when
    it was cancelled. Cancelling the workflow cancels the interaction. The ``notified`` signal brings
    the next look forward; the ``resolve_submission`` update decides about a submission whose outcome is
    unknown, ``approve_plan`` and ``revise_plan`` about a plan, and ``decide_tool_call`` about a function call
    that needs approval; the ``status`` query says where the run stands.
    """

    @workflow.init
    def __init__(self, raw: RawValue = NO_INPUT) -> None:
        self._phase = Phase.REQUESTED
        self._first_accepted_at: datetime | None = None
        self._accepted_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._interaction_id: str | None = None
        self._artifacts_uri: str | None = None
        self._store: StoreRef | None = None
        self._sighting: Sighting | None = None
        self._cancel: CancelReport | None = None
        self._error: RunError | None = None
        self._ledger = SubmissionLedger()
        self._turns = TurnLog()
        self._catalog: ToolCatalog | None = None
        self._round: ToolRound | None = None
        self._plan: PlanView | None = None
        self._plan_decision: FollowUp | None = None
        self._last_because: RunError | None = None
        self._resolution: ResolveSubmission | None = None
        self._next_submission_at: datetime | None = None
        self._problem: str | None = None
        self._stop: _Stop | None = None
        self._notes: list[str] = []
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
        self._deadline = Deadline(
            info.start_time + timedelta(seconds=request.deadline_s), passed=self._stop_at_deadline
        )
        self._is_foreground = request.is_background is False

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
        self._deadline.start()
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
            if self._invalid is None:
                self._show_details()
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
        why_not = resolution.unknown
        if self._phase is not Phase.SUBMISSION_UNKNOWN:
            why_not = f"there is nothing to resolve: the run is {self._phase}"
        elif (resolution.resolution is Resolution.ADOPT) != (resolution.interaction_id is not None):
            why_not = "an interaction id goes with adopt, and only with adopt"
        elif resolution.resolution is Resolution.RESUBMIT and self._stop:
            why_not = "the run is past its deadline; give it up and start a new one"
        elif resolution.resolution is Resolution.RESUBMIT and (used_up := self._why_exhausted()):
            why_not = f"{used_up}; adopt an interaction, or give the run up"
        if why_not:
            raise ApplicationError(why_not, type=UpdateErrorType.NOT_POSSIBLE, non_retryable=True)

    async def _check(self, interaction_id: str) -> None:
        try:
            await workflow.execute_activity_method(
                InteractionActivities.check_interaction,
                CheckInteraction(
                    interaction_id=interaction_id,
                    artifacts_prefix=self._artifacts_prefix,
                    number=self._ledger.count,
                ),
                start_to_close_timeout=timeouts.LOOK_TIMEOUT,
                schedule_to_close_timeout=timeouts.CHECK_BUDGET,
                retry_policy=timeouts.CHECK_RETRY,
                summary=f"check {interaction_id[:40]}",
            )
        except ActivityError as error:
            raise ApplicationError(
                f"not adopted: {failure_of(error).message}", type=UpdateErrorType.NOT_POSSIBLE
            ) from error

    @workflow.update
    async def approve_plan(self, approval: ApprovePlan) -> AgentRunStatus:
        """Let the agent carry out the plan it has made, and return where the run then stands."""
        return await self._decide_plan(FollowUpKind.PLAN_APPROVED, approval.note)

    @workflow.update
    async def revise_plan(self, revision: RevisePlan) -> AgentRunStatus:
        """Have the agent make the plan anew, and return where the run then stands."""
        return await self._decide_plan(FollowUpKind.PLAN_REVISED, revision.feedback)

    @approve_plan.validator
    def _check_approval(self, approval: ApprovePlan) -> None:
        self._refuse(self._why_no_plan() or approval.unknown)

    @revise_plan.validator
    def _check_revision(self, revision: RevisePlan) -> None:
        self._refuse(self._why_no_plan() or self._why_exhausted() or revision.unknown)

    def _why_no_plan(self) -> str | None:
        if self._plan is None:
            return f"no plan waits for approval: the run is {self._phase}"
        return "somebody else has just decided" if self._plan_decision else None

    async def _decide_plan(self, kind: FollowUpKind, text: str) -> AgentRunStatus:
        # Again, for what was decided in the same workflow task.
        self._refuse(self._why_no_plan())
        self._plan_decision = FollowUp(
            kind=kind, previous_interaction_id=self._turns.interaction_ids[-1], text=text
        )
        await workflow.wait_condition(lambda: self._plan is None)
        return self.status()

    @workflow.update
    async def decide_tool_call(self, decided: DecideToolCall) -> AgentRunStatus:
        """Approve or deny a function call, and return where the run then stands.

        Raises:
            ApplicationError: type ``NotPossible``: no such call waits, or it is not the one that was shown.
        """
        self._refuse(self._why_no_call(decided))
        assert self._round is not None
        self._round.decide(decided)
        self._publish()
        return self.status()

    @decide_tool_call.validator
    def _check_decision(self, decided: DecideToolCall) -> None:
        self._refuse(self._why_no_call(decided) or decided.unknown)

    def _why_no_call(self, decided: DecideToolCall) -> str | None:
        if self._round is None or self._stop:
            return f"no call waits for approval: the run is {self._phase}"
        return self._round.why_not(decided)

    def _refuse(self, why_not: str | None) -> None:
        if why_not:
            raise ApplicationError(why_not, type=UpdateErrorType.NOT_POSSIBLE, non_retryable=True)

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
            agent=self._request.target,
            interaction_id=self._interaction_id,
            artifacts_uri=self._artifacts_uri,
            requested_at=self._requested_at,
            deadline_at=self._deadline.at,
            submissions=self._ledger.count,
            orphan_interaction_ids=self._orphans(),
            refusals=self._ledger.refusals,
            next_submission_at=self._next_submission_at,
            problem=self._problem,
            sighting=self._sighting,
            turn=self._turns.number,
            interaction_ids=tuple(self._turns.interaction_ids),
            plan=self._plan,
            pending_calls=self._round.pending if self._round else (),
            running_calls=self._round.running if self._round else 0,
            spent=self._spent(),
        )

    def _orphans(self) -> tuple[str, ...]:
        return self._ledger.orphans(own=self._turns.interaction_ids)

    def _spent(self) -> Spent:
        """Return what the run used, with what it paid for twice, or may have."""
        others = len(self._orphans()) + self._ledger.unnamed
        return self._turns.spent.plus(Spent(interactions=others, unknown_tokens=others, unknown_costs=others))

    def _why_exhausted(self) -> str | None:
        return why_exhausted(self._request.budget, self._spent())

    def _stop_at_deadline(self) -> None:
        self._stop = self._stop or _Stop.DEADLINE

    async def _work(self) -> None:
        while not self._phase.is_end:
            match self._phase:
                case Phase.REQUESTED:
                    await self._begin()
                case Phase.SUBMISSION_UNKNOWN:
                    await self._resolve()
                case Phase.RUNNING | Phase.CALLING_TOOLS | Phase.AWAITING_APPROVAL if self._stop:
                    self._enter(Event.STOP_ASKED)
                case Phase.RUNNING:
                    await self._watch()
                case Phase.CANCELLING:
                    await self._cancel_interaction()
                case Phase.SETTLING:
                    await self._settle()
                case Phase.CALLING_TOOLS:
                    await self._call_tools()
                case Phase.AWAITING_APPROVAL:
                    await self._wait_for_a_person()
                case _:
                    raise AssertionError(f"nothing to do in phase {self._phase}")
        # Here, where a cancel does not reach: a run that has ended must not lose its result to it.
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _begin(self) -> None:
        """Take the next turn, if nothing speaks against it."""
        if found := self._ledger.found():
            # News of a submission that was given up for unknown: no need to pay for another.
            self._accept(found, Event.ADOPTED)
        elif self._is_stopped():
            self._enter(Event.STOP_ASKED)
        elif used_up := self._why_exhausted():
            self._error = RunError(code=RunErrorCode.BUDGET, message=used_up)
            self._enter(Event.BUDGET_EXHAUSTED)
        elif self._catalog is None:
            await self._find_tools()
        else:
            await self._submit()

    def _is_stopped(self) -> bool:
        """Return whether a stop has been asked for, if only in this very workflow task.

        A worker that was away finds cancel, deadline and whatever it waited for in one task, and the order
        in which they wake their coroutines must not decide whether something is still paid for.
        """
        if workflow.cancellation_reason() is not None:
            self._stop = _Stop.CALLER
        elif workflow.now() >= self._deadline.at:
            self._stop = self._stop or _Stop.DEADLINE
        return self._stop is not None

    async def _find_tools(self) -> None:
        """Ask the workers for the function tools that the run wants, before anything is paid for."""
        names, optional = function_names(self._request.tools), callable_names(self._request.tools)
        if not names and not optional:
            self._catalog = ToolCatalog()
            return
        try:
            catalog = await workflow.execute_activity_method(
                ToolActivities.describe_tools,
                DescribeTools(names=names, optional=optional),
                start_to_close_timeout=timeouts.DESCRIBE_TIMEOUT,
                retry_policy=timeouts.DESCRIBE_RETRY,
                summary="describe function tools",
            )
        except ActivityError as error:
            self._fail(failure_of(error), default=RunErrorCode.INTERNAL, event=Event.SUBMISSION_REJECTED)
            return
        if why_not := catalog.why_incomplete:
            self._error = RunError(code=RunErrorCode.UNKNOWN_TOOL, message=why_not[: limits.MAX_ERROR_CHARS])
            self._enter(Event.SUBMISSION_REJECTED)
        self._catalog = catalog

    async def _submit(self) -> None:
        assert self._catalog is not None
        follow_up = self._turns.follow_up
        wanted = set(function_names(self._request.tools))
        self._next_submission_at = None
        self._ledger.begin(str(workflow.uuid4()))
        try:
            submitted = await workflow.execute_activity_method(
                InteractionActivities.submit_interaction,
                SubmitInteraction(
                    request=self._request if follow_up is None else self._without_question(),
                    artifacts_prefix=self._artifacts_prefix,
                    number=self._ledger.count,
                    token=self._ledger.latest_token,
                    follow_up=follow_up,
                    functions=tuple(tool for tool in self._catalog.tools if tool.name in wanted),
                    is_foreground=self._is_foreground,
                    store=self._store,
                    rights=rights_of(self._request),
                ),
                task_queue=submissions_of(workflow.info().task_queue),
                start_to_close_timeout=timeouts.FOREGROUND_SUBMIT_TIMEOUT
                if self._is_foreground
                else timeouts.SUBMIT_TIMEOUT,
                heartbeat_timeout=timeouts.SUBMIT_HEARTBEAT_TIMEOUT,
                retry_policy=timeouts.ONCE,
                summary=f"submit {_SAYS[follow_up.kind] if follow_up else 'to'} {self._request.target[:80]}",
            )
        except ActivityError as error:
            await self._take_submission_failure(failure_of(error))
        else:
            self._artifacts_uri = submitted.artifacts_uri
            self._store = submitted.store or self._store
            self._accept(submitted.interaction_id, Event.SUBMISSION_ACCEPTED)
            if submitted.has_ended:
                self._ended_at = workflow.now()
                self._enter(Event.TURN_ENDED)

    def _without_question(self) -> AgentRunRequest:
        """Return the request for a further turn: history holds what was said in the first one."""
        return self._request.model_copy(
            update={"input": self._question or "…", "attachments": (), "quotes": ()}
        )

    def _accept(self, interaction_id: str, event: Event) -> None:
        self._next_submission_at = None
        self._problem = None
        self._interaction_id = interaction_id
        self._turns.accepted(interaction_id)
        self._accepted_at = workflow.now()
        self._first_accepted_at = self._first_accepted_at or self._accepted_at
        # By the clock, too: the news may come in the workflow task before the one in which the timer fires.
        is_late = self._stop is _Stop.DEADLINE or (self._stop is None and workflow.now() >= self._deadline.at)
        if event is Event.ADOPTED and is_late:
            # It was waited for beyond the deadline, so that is not held against it: the time starts anew.
            self._stop = None
            self._deadline.extend(timedelta(seconds=self._request.deadline_s))
        self._enter(event)

    async def _take_submission_failure(self, failure: Failure) -> None:
        match failure.kind:
            case ActivityErrorType.SUBMISSION_REFUSED:
                self._problem = failure.message
                why = "not sent" if failure.code in _NOT_SENT else "refused"
                await self._wait_to_submit(
                    Event.SUBMISSION_REFUSED, delay_s=self._refused_for_s(failure), why=why
                )
            case ActivityErrorType.SUBMISSION_REJECTED if self._may_hold_a_connection(failure):
                # Certainly not run, and free. From now on every turn of the run is submitted this way.
                self._is_foreground = True
                self._enter(Event.SUBMISSION_REFUSED)
            case ActivityErrorType.SUBMISSION_REJECTED if (
                found := self._ledger.found()
            ) and workflow.patched("news-before-rejection"):
                # Of this submission or of one before it that was thought refused: it is paid for.
                self._accept(found, Event.ADOPTED)
            case ActivityErrorType.SUBMISSION_REJECTED:
                self._fail(failure, default=RunErrorCode.REJECTED, event=Event.SUBMISSION_REJECTED)
            case ActivityErrorType.SUBMISSION_UNKNOWN:
                self._hold(failure.message)
            case ActivityErrorType.SUBMISSION_NUMBER_TAKEN:
                self._take_next_number(failure.earlier)
            case _:
                # Nobody answered, or a bug did: the worker may have vanished at any point of it.
                await self._recover(failure)

    def _may_hold_a_connection(self, failure: Failure) -> bool:
        is_choice = self._request.is_background is None and not self._is_foreground
        return failure.code is RunErrorCode.NO_BACKGROUND and is_choice

    def _take_next_number(self, earlier: EarlierSubmission | None) -> None:
        """Submit under the next number: this one is another submission's, from before the run was reset."""
        if earlier is not None:
            self._ledger.inherit(earlier.token, earlier.interaction_id)
        self._problem = None
        self._enter(Event.SUBMISSION_NOT_SENT)

    def _refused_for_s(self, failure: Failure) -> float:
        """Count a refusal and return how long to wait before what was refused is sent again."""
        jitter = workflow.random().random()
        if failure.code in _NOT_SENT:
            self._ledger.postponements += 1
            return send_again_after_s(times=self._ledger.postponements, jitter=jitter)
        self._ledger.refusals += 1
        return resubmit_after_s(
            refusals=self._ledger.refusals, retry_after_s=failure.retry_after_s, jitter=jitter
        )

    async def _wait_to_submit(self, event: Event, *, delay_s: float, why: str) -> None:
        self._next_submission_at = workflow.now() + timedelta(seconds=delay_s)
        self._enter(event)
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: self._stop is not None or self._ledger.found() is not None,
                timeout=delay_s,
                timeout_summary=f"{why}; submit again in {delay_s:.0f} s",
            )

    async def _recover(self, failure: Failure) -> None:
        self._problem = f"finding out what became of the submission: {failure.message}"
        self._publish()
        try:
            recovered = await workflow.execute_activity_method(
                InteractionActivities.recover_submission,
                RecoverSubmission(
                    artifacts_prefix=self._artifacts_prefix,
                    number=self._ledger.count,
                    is_foreground=self._is_foreground,
                    token=self._ledger.latest_token,
                    announced=failure.announced,
                ),
                task_queue=submissions_of(workflow.info().task_queue),
                start_to_close_timeout=timeouts.RECOVER_TIMEOUT,
                retry_policy=timeouts.RECOVER_RETRY,
                summary="read the submission journal",
            )
        except ActivityError as error:
            self._hold(f"{failure.message}; {failure_of(error).message}")
            return
        self._artifacts_uri = recovered.artifacts_uri or self._artifacts_uri
        self._store = recovered.store or self._store
        if recovered.token is not None:
            self._ledger.know_latest_as(recovered.token)
        if recovered.earlier is not None:
            self._take_next_number(recovered.earlier)
        elif not recovered.was_sent:
            self._ledger.unsent += 1
            self._problem = None
            if self._ledger.unsent == 1:
                self._enter(Event.SUBMISSION_NOT_SENT)
            else:
                # A worker vanishes once; what ends every one that tries would fill the history in minutes.
                self._problem = failure.message
                await self._wait_to_submit(
                    Event.SUBMISSION_NOT_SENT,
                    delay_s=send_again_after_s(times=self._ledger.unsent, jitter=workflow.random().random()),
                    why="worker vanished, nothing sent",
                )
        elif recovered.interaction_id is not None:
            self._accept(recovered.interaction_id, Event.SUBMISSION_ACCEPTED)
        else:
            self._hold(
                "; ".join(filter(None, (failure.message, recovered.problem)))[: limits.MAX_ERROR_CHARS]
            )

    def _hold(self, problem: str) -> None:
        self._ledger.leave_open()
        self._problem = problem
        self._enter(Event.SUBMISSION_UNKNOWN)

    async def _resolve(self) -> None:
        """End the uncertainty about the last submission: by news, by policy, or by a person."""
        policy = self._request.unknown_policy
        is_news = self._ledger.found() is not None
        if not is_news and policy is UnknownPolicy.FAIL:
            self._give_up()
            return
        # Where a second bill is not within the budget, a person or news has to say whether there is a first.
        may_resubmit = (
            self._ledger.resubmissions < limits.MAX_RESUBMISSIONS
            and not self._stop
            and not self._why_exhausted()
        )
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
                is_model=self._request.model is not None,
            ),
            start_to_close_timeout=timeouts.LOOK_TIMEOUT,
            heartbeat_timeout=timeouts.LOOK_HEARTBEAT_TIMEOUT,
            retry_policy=timeouts.LOOK_RETRY,
            cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
            summary=f"watch {self._interaction_id[:40]}",
        )
        await workflow.wait_condition(lambda: watch.done() or self._is_woken or self._stop is not None)
        watch.cancel()
        try:
            self._sighting = await watch
            for note in self._sighting.notes:
                self._note(note)
        except ActivityError as error:
            if is_cancelled_exception(error):
                return
            self._fail(failure_of(error), default=RunErrorCode.LOST, event=Event.LOST)
        else:
            self._ended_at = workflow.now()
            self._enter(Event.TURN_ENDED)

    async def _cancel_interaction(self) -> None:
        # While functions are called nothing runs at the API, but the last turn may have left a text.
        to_keep = self._turns.interaction_ids[-1] if self._round is not None else self._interaction_id
        if self._round is not None:
            self._round.stop()
            self._round = None
        self._plan = None
        if self._interaction_id is None and self._ledger.unnamed:
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
        if self._stop is _Stop.DEADLINE and to_keep is not None and workflow.patched("partial-at-deadline"):
            await self._keep_what_there_is(to_keep)
        if self._stop is _Stop.DEADLINE:
            self._error = RunError(code=RunErrorCode.DEADLINE, message=self._deadline_message())
            self._enter(Event.DEADLINE_STOPPED)
        else:
            self._enter(Event.CALLER_STOPPED)

    async def _keep_what_there_is(self, interaction_id: str) -> None:
        """Store what the interaction has come to by the deadline, if the API still shows it."""
        # Neither the JSON that was asked for nor a turn of a conversation: half of one is none.
        partial = self._settling(interaction_id).model_copy(
            update={"is_partial": True, "is_plan": False, "json_schema": None, "transcript": None}
        )
        try:
            settled = await workflow.execute_activity_method(
                InteractionActivities.settle_interaction,
                partial,
                start_to_close_timeout=timeouts.SETTLE_TIMEOUT,
                heartbeat_timeout=timeouts.HEARTBEAT_TIMEOUT,
                retry_policy=timeouts.PARTIAL_RETRY,
                summary="store what there is at the deadline",
            )
        except ActivityError as error:
            self._note(f"what there was at the deadline could not be kept: {failure_of(error).message}")
        else:
            self._turns.settled(settled)
            self._store = settled.store or self._store
            self._ledger.name(settled.earlier_interaction_ids)

    def _settling(self, interaction_id: str) -> SettleInteraction:
        return SettleInteraction(
            interaction_id=interaction_id,
            agent=self._request.target,
            question=self._question,
            workflow_id=workflow.info().workflow_id,
            artifacts_prefix=self._artifacts_prefix,
            requested_at=self._requested_at,
            turn=self._turns.number,
            is_plan=self._is_planning(),
            earlier=self._turns.earlier,
            earlier_usage=self._turns.usage_before,
            earlier_cost_usd=self._turns.cost_before_usd,
            json_schema=self._request.outputs.json_schema,
            last_because=self._last_because,
            transcript=self._request.transcript,
            store=self._store,
            submissions=self._ledger.count,
            may_go_back=not self._is_history_full(),
        )

    async def _settle(self) -> None:
        assert self._interaction_id is not None
        try:
            settled = await workflow.execute_activity_method(
                InteractionActivities.settle_interaction,
                self._settling(self._interaction_id),
                start_to_close_timeout=timeouts.SETTLE_TIMEOUT,
                heartbeat_timeout=timeouts.HEARTBEAT_TIMEOUT,
                retry_policy=timeouts.SETTLE_RETRY,
                summary="fetch the result and store its files",
            )
        except ActivityError as error:
            self._take_settle_failure(failure_of(error))
            return
        self._turns.settled(settled)
        self._store = settled.store or self._store
        self._ledger.name(settled.earlier_interaction_ids)
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
            case Outcome.NEEDS_TOOLS | Outcome.CONTINUES if self._last_because is not None:
                # From a worker of a version that does not know of last turns.
                self._error = self._last_because
                self._enter(Event.SETTLED_INCOMPLETE)
            case Outcome.NEEDS_TOOLS:
                self._take_calls(settled)
            case Outcome.CONTINUES:
                self._take_continuation(settled)
            case Outcome.PLAN_READY:
                self._take_plan(settled)
            case _ as never:
                assert_never(never)

    def _take_settle_failure(self, failure: Failure) -> None:
        match failure.kind:
            case ActivityErrorType.RUNS_AGAIN:
                self._note(failure.message)
                self._ended_at = None
                self._enter(Event.RUNS_AGAIN)
            case ActivityErrorType.INTERACTION_LOST:
                self._fail(failure, default=RunErrorCode.LOST, event=Event.LOST)
            case _:
                self._fail(failure, default=RunErrorCode.INTERNAL, event=Event.SETTLED_FAILED)

    def _is_planning(self) -> bool:
        follow_up = self._turns.follow_up
        is_approved = follow_up is not None and follow_up.kind is FollowUpKind.PLAN_APPROVED
        return self._request.planning is not None and not is_approved

    def _begin_turn(self, follow_up: FollowUp, event: Event) -> None:
        is_same_answer = follow_up.kind in (FollowUpKind.TOOL_RESULTS, FollowUpKind.CONTINUATION)
        self._turns.begin(follow_up, is_same_answer=is_same_answer)
        self._ledger.begin_turn()
        self._interaction_id = None
        self._sighting = None
        self._enter(event)

    def _take_calls(self, settled: Settled) -> None:
        self._last_because = self._why_no_calls()
        if self._last_because is not None:
            return  # and it is settled once more, as the end
        assert self._catalog is not None
        self._turns.rounds += 1
        self._round = ToolRound(
            settled.calls,
            {tool.name: tool for tool in self._catalog.tools},
            artifacts_prefix=self._artifacts_prefix,
            number=self._turns.rounds,
            expires_at=workflow.now() + timedelta(seconds=self._request.tool_approval_s),
        )
        self._interaction_id = None
        self._round.start(store=self._store)
        self._enter(Event.TOOLS_ASKED)

    def _why_no_calls(self) -> RunError | None:
        """Return why the calls that the model asks for are not carried out; None when they are."""
        if used_up := self._why_exhausted():
            # Asked before they are carried out: their results could not be sent.
            return RunError(code=RunErrorCode.BUDGET, message=used_up)
        message = None
        if self._catalog is None or not self._catalog.tools:
            message = "the model asks for functions to be called, and this run has none"
        elif self._turns.rounds >= self._request.max_tool_rounds:
            message = f"the model still asks for functions after {self._turns.rounds} rounds of calls"
        elif self._is_history_full():
            message = f"the run's history has no room for more than {self._turns.rounds} rounds of calls"
        return None if message is None else RunError(code=RunErrorCode.NEEDS_ACTION, message=message)

    def _is_history_full(self) -> bool:
        info = workflow.info()
        return (
            info.get_current_history_length() > limits.MAX_RUN_EVENTS
            or info.get_current_history_size() > limits.MAX_RUN_HISTORY_BYTES
        )

    def _take_continuation(self, settled: Settled) -> None:
        if used_up := self._why_exhausted():
            self._last_because = RunError(code=RunErrorCode.BUDGET, message=used_up)
        elif self._turns.continuations >= limits.MAX_CONTINUATIONS:
            self._last_because = RunError(
                code=RunErrorCode.NEEDS_ACTION,
                message=f"the answer is not whole after {self._turns.continuations} continuations",
            )
        else:
            self._turns.continuations += 1
            self._begin_turn(
                FollowUp(
                    kind=FollowUpKind.CONTINUATION,
                    previous_interaction_id=self._turns.interaction_ids[-1],
                    interaction_uri=settled.interaction_uri,
                ),
                Event.CONTINUED,
            )

    def _take_plan(self, settled: Settled) -> None:
        planning = self._request.planning
        assert planning is not None
        self._turns.plans += 1
        is_auto = planning.mode is PlanMode.AUTO
        self._plan = PlanView(
            revision=self._turns.plans,
            text=settled.excerpt,
            uri=settled.text_uri,
            expires_at=workflow.now()
            + timedelta(seconds=planning.grace_s if is_auto else planning.expires_s),
            approves_itself=is_auto,
        )
        self._interaction_id = None
        self._enter(Event.PLAN_READY)

    async def _call_tools(self) -> None:
        tools = self._round
        assert tools is not None
        if tools.pending:
            self._enter(Event.CALLS_HELD)
            return
        await workflow.wait_condition(lambda: tools.is_answered or self._stop is not None)
        if self._is_stopped():
            return
        self._round = None
        self._begin_turn(
            FollowUp(
                kind=FollowUpKind.TOOL_RESULTS,
                previous_interaction_id=self._turns.interaction_ids[-1],
                answers=tools.answers,
                # Some agents go on in the sandbox that is named there.
                interaction_uri=self._turns.last.interaction_uri if self._turns.last else None,
            ),
            Event.TOOLS_ANSWERED,
        )

    async def _wait_for_a_person(self) -> None:
        if self._round is not None:
            await self._wait_for_decisions(self._round)
        else:
            await self._wait_for_approval()

    async def _wait_for_decisions(self, tools: ToolRound) -> None:
        async with self._clock_standing_still():
            try:
                await workflow.wait_condition(
                    lambda: not tools.pending or self._stop is not None,
                    timeout=tools.expires_at - workflow.now(),
                    timeout_summary="calls that nobody approved are denied",
                )
            except TimeoutError:
                tools.expire()
        if not tools.pending:
            self._enter(Event.CALLS_DECIDED)

    async def _wait_for_approval(self) -> None:
        plan = self._plan
        assert plan is not None
        async with self._clock_standing_still():
            try:
                await workflow.wait_condition(
                    lambda: self._plan_decision is not None or self._stop is not None,
                    timeout=plan.expires_at - workflow.now(),
                    timeout_summary="the plan is approved by itself"
                    if plan.approves_itself
                    else "plan expires",
                )
            except TimeoutError:
                if plan.approves_itself:
                    self._plan_decision = FollowUp(
                        kind=FollowUpKind.PLAN_APPROVED,
                        previous_interaction_id=self._turns.interaction_ids[-1],
                    )
        decision, self._plan_decision = self._plan_decision, None
        if decision is not None:
            self._plan = None
            is_approved = decision.kind is FollowUpKind.PLAN_APPROVED
            self._begin_turn(decision, Event.PLAN_APPROVED if is_approved else Event.PLAN_REVISED)
        elif self._stop is None:
            self._plan = None
            self._error = RunError(
                code=RunErrorCode.NOT_APPROVED,
                message="nobody approved the plan in time; it is among the run's files",
            )
            self._enter(Event.PLAN_EXPIRED)

    @asynccontextmanager
    async def _clock_standing_still(self) -> AsyncIterator[None]:
        """Stop the deadline's clock while a person is waited for."""
        self._deadline.stand_still()
        yield
        if self._stop is None:
            self._deadline.go_on()

    def _note(self, note: str) -> None:
        """Keep something odd for the result; what happens again is said once, and a flood not at all."""
        note = note[: limits.MAX_NOTE_CHARS]
        if note not in self._notes and len(self._notes) < limits.MAX_NOTES:
            self._notes.append(note)

    def _fail(self, failure: Failure, *, default: RunErrorCode, event: Event) -> None:
        message = failure.message
        if self._interaction_id is not None:
            message = f"{message} (interaction {self._interaction_id})"[: limits.MAX_ERROR_CHARS]
        self._error = RunError(code=failure.code or default, message=message)
        self._enter(event)

    def _deadline_message(self) -> str:
        took = f"not finished {self._request.deadline_s:.0f} s after the start"
        if self._cancel is None and self._turns.interaction_ids:
            return f"{took}; nothing was running at the API"
        if self._cancel is None and self._ledger.refusals:
            not_sent = self._ledger.postponements + self._ledger.unsent
            others = f", and {not_sent} were not sent" if not_sent else ""
            return f"{took}; submissions that the API refused: {self._ledger.refusals}{others}"
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
        usage, cost_usd = self._turns.usage, self._turns.cost_usd
        interaction_id = self._interaction_id and self._interaction_id[: limits.MAX_KEYWORD_CHARS]
        shown = workflow.info().typed_search_attributes
        # Only what changed: each upsert is an event, and the starter may have set the first ones already.
        updates = [
            *search_attributes.change(shown, search_attributes.PHASE, self._phase.value),
            *search_attributes.change(shown, search_attributes.AGENT, self._request.target),
            *search_attributes.change(shown, search_attributes.INTERACTION_ID, interaction_id),
            *search_attributes.change(shown, search_attributes.TENANT, self._request.tenant),
            *search_attributes.change(shown, search_attributes.LABELS, list(self._request.labels) or None),
            *search_attributes.change(shown, search_attributes.TOKENS, usage.total_tokens),
            *search_attributes.change(shown, search_attributes.COST_USD, cost_usd),
        ]
        if updates:
            workflow.upsert_search_attributes(updates)
        self._show_details()

    def _show_details(self) -> None:
        workflow.set_current_details(
            render_details(
                self.status(),
                question=self._question,
                now=workflow.now(),
                settled=self._turns.last if self._phase.is_end else None,
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
        settled = self._turns.last
        seen = self._sighting or Sighting()
        used = self._turns.usage
        if self._interaction_id is not None and settled is None:
            used = Usage(total_tokens=seen.total_tokens)
        return AgentRunResult(
            phase=self._phase,
            agent=self._request.target,
            interaction_ids=tuple(self._turns.interaction_ids),
            orphan_interaction_ids=self._orphans(),
            submissions=self._ledger.count,
            excerpt=settled.excerpt if settled else "",
            artifacts=self._turns.artifacts,
            text_uri=settled.text_uri if settled else None,
            data=settled.data if settled else None,
            usage=used,
            cost_usd=self._turns.cost_usd,
            spent=self._spent(),
            counts=settled.counts
            if settled
            else Counts(steps=seen.steps, searches=seen.searches, pages=seen.pages),
            timings=Timings(
                requested_at=self._requested_at,
                accepted_at=self._first_accepted_at,
                ended_at=self._ended_at,
                closed_at=workflow.now(),
            ),
            error=self._error,
            cancel=self._cancel,
            notes=tuple(dict.fromkeys(self._all_notes(settled))),
        )

    def _all_notes(self, settled: Settled | None) -> Iterator[str]:
        yield from settled.notes if settled else ()
        yield from self._notes
        if self._ledger.unnamed:
            yield _UNNAMED


def _failure_with(result: AgentRunResult) -> ApplicationError:
    message = result.error.message if result.error else "the interaction was cancelled by somebody else"
    is_late = result.phase is Phase.TIMED_OUT
    kind = WorkflowErrorType.RUN_TIMED_OUT if is_late else WorkflowErrorType.RUN_FAILED
    # Not retryable: a retry policy given by whoever started the run would pay for it again.
    return ApplicationError(message, result, type=kind, non_retryable=True)
