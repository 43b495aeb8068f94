"""Attaching to a run that is there already, in place of starting another.

A workflow that was reset starts its runs again, under the same ids. Those that there were are paid for, so
their results are fetched. A workflow can wait for a child of its own only, so an activity does it: each
attempt is one look, and the retry is the clock, as with interactions.
"""

from collections.abc import Callable
from typing import Any, Final

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
)
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError, RPCStatusCode

from activities import failures
from activities.timeouts import RPC_TIMEOUT
from runs.budget import Spent
from runs.errors import ActivityErrorType, RunErrorCode, WorkflowErrorType
from runs.limits import MAX_ERROR_CHARS
from runs.messages import (
    AGENT_RUN,
    RESULT_MEMO,
    AgentRunRequest,
    AgentRunResult,
    AttachedRun,
    AttachRun,
    RunError,
)
from runs.sameness import digest_of

_LOOK_MIN_S: Final = 1.0
_LOOK_MAX_S: Final = 10.0
"""Between two looks: a run that has ended is found at once, and one that goes on takes its minutes."""

_UNKNOWN: Final = Spent(interactions=1, unknown_tokens=1, unknown_costs=1)
"""A run that ended without saying what it used may have used anything."""

_WITH_RESULT: Final = frozenset({WorkflowErrorType.RUN_FAILED, WorkflowErrorType.RUN_TIMED_OUT})
"""How a run fails that says what it left behind."""


class AttachingActivities:
    """The activity that waits for somebody else's run; it asks Temporal through the worker's own client."""

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for a worker to register."""
        return [self.attach_run]

    @activity.defn(name="attach_run")
    async def attach_run(self, attached: AttachRun) -> AttachedRun:
        """Look whether the run has ended; return how it did, else ask to be run again later.

        Only reads, and may be repeated at will. The execution that was found to ask for the same is kept in
        the heartbeat details, so that the next attempts look at that one.

        Raises:
            ApplicationError: type ``StillRunning``, retried after the delay it carries, or ``NotAttached``:
                the run asks for something else, or is not there any more.
        """
        client = activity.client()
        info = activity.info()
        known = info.heartbeat_details[0] if info.heartbeat_details else None
        try:
            description = await _describe(client, attached.run_id, known)
            execution_id = description.workflow_execution_info.execution.run_id
            if execution_id != known:
                await _check(client, attached, description)
                activity.heartbeat(execution_id)
            # By the time of its end and not by the state, of which a newer server may know more.
            if not description.workflow_execution_info.HasField("close_time"):
                raise failures.expected_retry(
                    f"run {attached.run_id} goes on",
                    kind=ActivityErrorType.STILL_RUNNING,
                    after_s=min(_LOOK_MIN_S * info.attempt, _LOOK_MAX_S),
                )
            return await _ending(client, attached.run_id, description)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise _not_attached(
                    f"there has been a run {attached.run_id!r} already, and Temporal has forgotten it; "
                    "it is not paid for twice"
                ) from error
            raise


async def _describe(
    client: Client, run_id: str, execution_id: str | None
) -> DescribeWorkflowExecutionResponse:
    return await client.workflow_service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=run_id, run_id=execution_id or ""),
        ),
        timeout=RPC_TIMEOUT,
    )


async def _check(client: Client, attached: AttachRun, description: DescribeWorkflowExecutionResponse) -> None:
    """Return if the execution asks for what is wanted.

    Raises:
        ApplicationError: type ``NotAttached``: it does not.
        RPCError: Temporal could not be asked.
    """
    info = description.workflow_execution_info
    if info.type.name != AGENT_RUN:
        raise _not_attached(f"{attached.run_id!r} is a workflow of type {info.type.name!r}, not a run")
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(
        attached.run_id, run_id=info.execution.run_id
    )
    async for event in handle.fetch_history_events(page_size=1, rpc_timeout=RPC_TIMEOUT):
        started = event.workflow_execution_started_event_attributes
        converter = _converter(client, attached.run_id)
        [asked] = await converter.decode(list(started.input.payloads)[:1], [AgentRunRequest])
        if not isinstance(asked, AgentRunRequest) or digest_of(asked) != attached.digest:
            break
        return
    raise _not_attached(
        f"there has been a run {attached.run_id!r} already, which asked for something else; "
        "it is not paid for twice"
    )


async def _ending(client: Client, run_id: str, description: DescribeWorkflowExecutionResponse) -> AttachedRun:
    """Return how a run that is closed has ended.

    What this version cannot read raises, and is tried again: a newer worker may take the next attempt.
    """
    handle: WorkflowHandle[Any, AgentRunResult] = client.get_workflow_handle(
        run_id,
        run_id=description.workflow_execution_info.execution.run_id,
        result_type=AgentRunResult,
    )
    try:
        return _ended_well(await handle.result(follow_runs=False))
    except WorkflowFailureError as error:
        cause = error.cause
    match cause:
        case ApplicationError() if cause.type in _WITH_RESULT:
            return _ended_well(AgentRunResult.model_validate(cause.details[0]), why=cause.message)
        case ApplicationError():
            return _ended(RunErrorCode.INTERNAL, cause.message)
        case CancelledError():
            # A cancelled workflow returns nothing; its result is in its memo.
            result = await _in_memo(client, run_id, description)
            spent = result.spent if result else _UNKNOWN
            return _ended(RunErrorCode.CANCELLED, f"the run {run_id!r} was cancelled", spent=spent)
        case _:
            return _ended(RunErrorCode.CANCELLED, f"the run {run_id!r} was ended from outside: {cause}")


def _ended_well(result: AgentRunResult, *, why: str | None = None) -> AttachedRun:
    """Return the end of a run that says itself how it ended, and ``why``, where it failed."""
    error = result.error
    if error is None and why is not None:
        error = RunError(code=RunErrorCode.INTERNAL, message=why[:MAX_ERROR_CHARS])
    return AttachedRun(result=result, error=error, spent=result.spent)


def _ended(code: RunErrorCode, message: str, *, spent: Spent = _UNKNOWN) -> AttachedRun:
    return AttachedRun(error=RunError(code=code, message=message[:MAX_ERROR_CHARS]), spent=spent)


async def _in_memo(
    client: Client, run_id: str, description: DescribeWorkflowExecutionResponse
) -> AgentRunResult | None:
    memo = description.workflow_execution_info.memo.fields
    if RESULT_MEMO not in memo:
        return None
    [result] = await _converter(client, run_id).decode([memo[RESULT_MEMO]], [AgentRunResult])
    return result if isinstance(result, AgentRunResult) else None


def _converter(client: Client, run_id: str) -> DataConverter:
    return client.data_converter.with_context(
        WorkflowSerializationContext(namespace=client.namespace, workflow_id=run_id)
    )


def _not_attached(reason: str) -> ApplicationError:
    return ApplicationError(
        reason[:MAX_ERROR_CHARS],
        RunErrorCode.REJECTED.value,
        type=ActivityErrorType.NOT_ATTACHED,
        non_retryable=True,
    )
