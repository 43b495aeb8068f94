"""The `Chain` workflow: steps that refer to each other, each agent or model step a run of its own.

Workflow code: see docs/changing.md.

Theory of operation. ``chains.schedule`` decides everything: what may start, what is skipped or tried again,
when the chain has ended, and how. This class carries out what it asks for and reports what came of it. So
one loop asks, starts, and waits for news: something that ended, a decision, a cancel, or a moment that the
schedule named.

What a step leaves is kept here only as an address or a few lines; a text that goes into another prompt is
put there when that is submitted. A long history is continued as new: nothing more is started, what runs is
waited for, and the state of the schedule is the next execution's input.
"""

import asyncio
from datetime import datetime
from typing import Final, NoReturn

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities import timeouts
    from activities.text_activities import TextActivities
    from activities.tool_activities import ToolActivities
    from chains import actions
    from chains.checking import check
    from chains.details import render_chain
    from chains.errors import InvalidInputs, NotPossible, StepErrorCode
    from chains.files import foreign_files
    from chains.messages import (
        CHAIN,
        ChainPhase,
        ChainRequest,
        ChainResult,
        ChainStatus,
        DecideStep,
        StepPhase,
        StepResult,
        result_of_run,
        step_error,
    )
    from chains.plan import Plan, function_names_of, unapproved_calls
    from chains.schedule import Schedule, Start, Unit
    from runs.errors import RunErrorCode, UpdateErrorType, WorkflowErrorType
    from runs.limits import MAX_ERROR_CHARS, MAX_EXCERPT_BYTES, MAX_ID_CHARS
    from runs.messages import RESULT_MEMO
    from runs.places import artifacts_prefix
    from runs.stored_text import StoredText, StoreText
    from runs.tool_calls import CallTool, DescribeTools, ToolCall, ToolDescription, digest_of
    from workflows import search_attributes
    from workflows.child_runs import run_child
    from workflows.failures import failure_of
    from workflows.inputs import NO_INPUT, decode_input
    from workflows.tool_round import options_of

_MAX_EVENTS: Final = 2_000
"""History after which a chain is continued as new. What runs then adds some ten events each, and there are
at most a hundred of them, so a history stays below 4,000, where replays are quick."""

_UNAPPROVED: Final = (
    "the function it calls needs approval; have it wait for an approve step, with `after` or by a template"
)


@workflow.defn(name=CHAIN)
class ChainWorkflow:
    """Carry a chain from its request to its result.

    Start it with a `ChainRequest`; its ``spec`` is the JSON of a chain's file. It returns a `ChainResult`
    when it comes to its end, also incompletely; it fails with the result in the failure's details when it
    failed or was rejected, and ends as cancelled, with the result in the memo, when it was cancelled, which
    cancels what runs. The ``decide_step`` update decides about an approval; the ``status`` query is the
    whole tree.
    """

    @workflow.init
    def __init__(self, raw: RawValue = NO_INPUT) -> None:
        self._tasks: dict[Unit, asyncio.Task[StepResult]] = {}
        self._tools: dict[str, ToolDescription] = {}
        self._unapproved: tuple[str, ...] = ()
        self._has_news = False
        self._is_moving = False
        self._alarm: tuple[datetime, asyncio.Task[None]] | None = None
        self._invalid: ApplicationError | None = None
        self._output: tuple[str, str | None] = ("", None)
        info = workflow.info()
        try:
            self._request = decode_input(
                raw, ChainRequest, what="chain", hint="give at least a spec, the JSON of a chain's file"
            )
            if len(info.workflow_id.encode()) > MAX_ID_CHARS:
                raise _invalid(f"its workflow id is longer than {MAX_ID_CHARS} bytes")
            for problem in check(self._request.spec, may_name_files=False):
                where = ".".join(str(part) for part in problem.path)
                raise _invalid(f"{where}: {problem.message}")
            for path, why_not in foreign_files(self._request.spec):
                # What began before goes on; its runs are refused the file.
                if workflow.patched("refuse-foreign-files"):
                    raise _invalid(f"{'.'.join(map(str, path))}: {why_not}")
            self._schedule = Schedule(
                self._request, chain_id=info.workflow_id, started_at=info.workflow_start_time
            )
        except InvalidInputs as error:
            self._invalid = _invalid(str(error))
        except ApplicationError as error:
            # `run` raises it; failing here would stall the workflow task for ever.
            self._invalid = error
        # The same for all executions of one chain, so that each finds the texts of the others.
        self._folder = artifacts_prefix(workflow_id=info.workflow_id, run_id=info.first_execution_run_id)

    @workflow.run
    async def run(self, raw: RawValue = NO_INPUT) -> ChainResult:  # noqa: ARG002 - `__init__` has read it
        """Return what the chain left behind. The input is a `ChainRequest`.

        Raises:
            ApplicationError: The input is no chain, or the chain failed.
            asyncio.CancelledError: The chain was cancelled.
        """
        if self._invalid is not None:
            raise self._invalid
        self._publish()
        work = asyncio.create_task(self._work())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stop()
            self._has_news = True
            await work
        if self._is_moving:
            self._continue_as_new()
        return await self._close()

    # Without ``name=``, as in `AgentRun`: the method's own name is the update's, and so may not change.
    @workflow.update
    async def decide_step(self, decision: DecideStep) -> ChainStatus:
        """Approve or reject what an ``approve`` step asks, and return where the chain then stands.

        Raises:
            ApplicationError: type ``NotPossible``: no such step waits for a decision.
        """
        try:
            self._schedule.decide(decision, workflow.now())
        except NotPossible as error:
            raise _not_possible(str(error)) from error
        self._has_news = True
        return self._schedule.status()

    @decide_step.validator
    def _check_decision(self, decision: DecideStep) -> None:
        if self._invalid is not None:
            raise self._invalid
        if decision.unknown is not None:
            raise _not_possible(decision.unknown)
        try:
            self._schedule.check_decision(decision)
        except NotPossible as error:
            raise _not_possible(str(error)) from error

    @workflow.query(name="status")
    def status(self) -> ChainStatus:
        """Say where the chain and each of its steps stand.

        Raises:
            ApplicationError: type ``InvalidRequest``: the input is no chain.
        """
        if self._invalid is not None:
            raise self._invalid
        return self._schedule.status()

    async def _work(self) -> None:
        await self._find_tools()
        while True:
            self._has_news = False
            if workflow.cancellation_reason() is not None:
                # Perhaps in this very workflow task: nothing more is to be paid for.
                self._stop()
            if not self._is_moving:
                decision = self._schedule.advance(workflow.now())
                for start in decision.starts:
                    self._tasks[start.unit] = asyncio.create_task(self._report(start))
                for unit in decision.stops:
                    self._tasks[unit].cancel()
                if decision.has_ended:
                    # Here, where no cancel interrupts it: all of it has been paid for.
                    self._output = await self._put_output()
                    return
                self._set_alarm(decision.wake_at)
                self._is_moving = self._must_continue_as_new()
            if self._is_moving and not self._tasks:
                return
            self._publish()
            await workflow.wait_condition(lambda: self._has_news or self._broken() is not None)
            if (broken := self._broken()) is not None:
                # A bug: it fails the workflow task, loudly, instead of leaving the chain to wait for ever.
                await broken

    def _broken(self) -> asyncio.Task[StepResult] | None:
        """Return a task that ended without reporting what came of it."""
        return next((task for task in self._tasks.values() if task.done()), None)

    async def _find_tools(self) -> None:
        """Ask the workers for all functions that the chain calls, before anything is paid for.

        Asked again when the chain continues as new; what has gone meanwhile concerns only the steps that
        call it.

        Raises:
            ApplicationError: type ``InvalidRequest``: some are not there, or may not be called like this.
        """
        names = function_names_of(self._request.spec)
        if not names:
            return
        try:
            catalog = await workflow.execute_activity_method(
                ToolActivities.describe_tools,
                DescribeTools(names=names),
                start_to_close_timeout=timeouts.DESCRIBE_TIMEOUT,
                retry_policy=timeouts.DESCRIBE_RETRY,
                summary="describe function tools",
            )
        except ActivityError as error:
            raise _invalid(f"its function tools cannot be described: {failure_of(error).message}") from error
        is_new = self._request.state is None
        if is_new and (why_not := catalog.why_incomplete):
            raise _invalid(why_not)
        needing_approval = frozenset(tool.name for tool in catalog.tools if tool.needs_approval)
        self._unapproved = unapproved_calls(Plan(self._request.spec), needing_approval)
        if is_new and self._unapproved:
            raise _invalid(f"steps.{self._unapproved[0]}: {_UNAPPROVED}")
        self._tools = {tool.name: tool for tool in catalog.tools}

    async def _report(self, start: Start) -> StepResult:
        result = await self._carry_out(start)
        del self._tasks[start.unit]
        self._schedule.finished(start.unit, result, workflow.now())
        self._has_news = True
        return result

    async def _carry_out(self, start: Start) -> StepResult:
        try:
            match start.action:
                case actions.StartRun(request=request):
                    outcome = await run_child(request, run_id=start.run_id, is_again=self._request.is_again)
                    if outcome.result is not None:
                        return result_of_run(outcome.result)
                    assert outcome.error is not None
                    is_cancelled = outcome.error.code is RunErrorCode.CANCELLED
                    return StepResult(
                        phase=StepPhase.CANCELLED if is_cancelled else StepPhase.FAILED,
                        spent=outcome.spent,
                        error=step_error(outcome.error.code, outcome.error.message),
                    )
                case actions.CallTool() as call:
                    return await self._call(call, start)
                case actions.StoreText() as text:
                    stored = await self._store(text, name=f"steps/{start.unit.step}")
                    is_whole = stored.size_bytes <= MAX_EXCERPT_BYTES
                    return StepResult(
                        phase=StepPhase.COMPLETED, text=stored.text if is_whole else "", text_uri=stored.uri
                    )
        except ActivityError as error:
            if is_cancelled_exception(error):
                return StepResult(phase=StepPhase.CANCELLED)
            return StepResult(
                phase=StepPhase.FAILED, error=step_error(StepErrorCode.TOOL, failure_of(error).message)
            )

    async def _call(self, call: actions.CallTool, start: Start) -> StepResult:
        tool = self._tools.get(call.name)
        if tool is None or start.unit.step in self._unapproved:
            # Only after a rollout, in a chain that was continued as new; a new one is refused as a whole.
            why = f"the workers have no function tool {call.name} any more" if tool is None else _UNAPPROVED
            return StepResult(phase=StepPhase.FAILED, error=step_error(StepErrorCode.TOOL, why))
        result = await workflow.execute_activity_method(
            TextActivities.call_tool_for_step,
            CallTool(
                call=ToolCall(
                    call_id=start.run_id,
                    name=call.name,
                    arguments=call.arguments,
                    digest=digest_of(call.name, call.arguments),
                ),
                quotes=call.quotes,
                artifacts_prefix=self._folder,
                file_name=f"tools{start.run_id.removeprefix(workflow.info().workflow_id)}.json",
            ),
            **options_of(tool, call.arguments),
        )
        if result.error is not None:
            return StepResult(phase=StepPhase.FAILED, error=step_error(StepErrorCode.TOOL, result.error))
        return StepResult(
            phase=StepPhase.COMPLETED, text=result.text, text_uri=result.text_uri, data=result.data
        )

    async def _store(self, text: actions.StoreText, *, name: str) -> StoredText:
        return await workflow.execute_activity_method(
            TextActivities.store_text,
            StoreText(text=text.text, quotes=text.quotes, key=f"{self._folder}/{name}.md"),
            start_to_close_timeout=timeouts.STORE_TEXT_TIMEOUT,
            retry_policy=timeouts.STORE_TEXT_RETRY,
            summary=f"put {name.removeprefix('steps/')} together",
        )

    def _stop(self) -> None:
        self._schedule.cancel()
        # What is under way is stopped by the schedule's word, not left to end by itself first.
        self._is_moving = False

    def _set_alarm(self, wake_at: datetime | None) -> None:
        """Have one timer for the next moment that the schedule named; each that is set anew is two events."""
        if self._alarm is not None:
            if self._alarm[0] == wake_at and not self._alarm[1].done():
                return
            self._alarm[1].cancel()
            self._alarm = None
        if wake_at is not None:
            self._alarm = (wake_at, asyncio.create_task(self._wake_at(wake_at)))

    async def _wake_at(self, moment: datetime) -> None:
        await workflow.sleep(
            max(0.0, (moment - workflow.now()).total_seconds()), summary="next retry or expiry"
        )
        self._has_news = True

    def _must_continue_as_new(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.get_current_history_length() > _MAX_EVENTS

    def _continue_as_new(self) -> NoReturn:
        workflow.continue_as_new(
            self._request.model_copy(
                update={
                    "state": self._schedule.state(),
                    "started_at": self._schedule.status().started_at,
                }
            )
        )

    def _publish(self) -> None:
        """Show where the chain stands: search attributes for lists, current details for people."""
        shown = workflow.info().typed_search_attributes
        phase = self._schedule.phase
        # Whoever looks for what needs a person finds it, also while other steps run.
        is_awaited = phase is ChainPhase.RUNNING and bool(self._schedule.awaiting)
        listed = ChainPhase.AWAITING_APPROVAL if is_awaited else phase
        tokens = self._schedule.spent.tokens if phase.is_end else None
        cost_usd = self._schedule.spent.cost_usd if phase.is_end else None
        # Only what changed, and what was used only at the end: each upsert is an event.
        updates = [
            *search_attributes.change(shown, search_attributes.PHASE, listed.value),
            *search_attributes.change(shown, search_attributes.TENANT, self._request.tenant),
            *search_attributes.change(shown, search_attributes.LABELS, list(self._request.labels) or None),
            *search_attributes.change(shown, search_attributes.TOKENS, tokens),
            *search_attributes.change(shown, search_attributes.COST_USD, cost_usd),
        ]
        if updates:
            workflow.upsert_search_attributes(updates)
        workflow.set_current_details(render_chain(self._schedule.status(), now=workflow.now()))

    async def _put_output(self) -> tuple[str, str | None]:
        """Return the chain's result, or the beginning of it, and where the whole of it is stored."""
        output = self._schedule.output()
        if output.stored_at is not None:
            return "", output.stored_at
        if output.is_short:
            return output.text, None
        try:
            stored = await self._store(output, name="output")
        except ActivityError as error:
            failure = failure_of(error)
            self._schedule.fail_output(step_error(failure.code or RunErrorCode.INTERNAL, failure.message))
            return "", None
        return stored.text, stored.uri

    async def _close(self) -> ChainResult:
        """Return the result, or end the workflow the way the phase asks for."""
        text, uri = self._output
        result = self._schedule.result(workflow.now(), output=text, output_uri=uri)
        self._publish()
        await workflow.wait_condition(workflow.all_handlers_finished)
        match result.phase:
            case ChainPhase.COMPLETED | ChainPhase.INCOMPLETE:
                return result
            case ChainPhase.CANCELLED:
                # A cancelled workflow returns nothing, so the result goes where `describe` shows it.
                workflow.upsert_memo({RESULT_MEMO: result})
                raise asyncio.CancelledError
            case _:
                failure = result.failure
                message = f"{failure.step}: {failure.error.message}" if failure else f"it is {result.phase}"
                # Not retryable: a retry policy of whoever started the chain would pay for it again.
                raise ApplicationError(
                    message[:MAX_ERROR_CHARS],
                    result,
                    type=WorkflowErrorType.CHAIN_FAILED,
                    non_retryable=True,
                )


def _invalid(reason: str) -> ApplicationError:
    return ApplicationError(
        f"not a chain: {reason}"[:MAX_ERROR_CHARS],
        type=WorkflowErrorType.INVALID_REQUEST,
        non_retryable=True,
    )


def _not_possible(reason: str) -> ApplicationError:
    return ApplicationError(reason, type=UpdateErrorType.NOT_POSSIBLE, non_retryable=True)
