"""What Temporal's description of a workflow says about the run in it."""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError, TimeoutError  # noqa: A004 - Temporal's name

from chains.messages import CHAIN, ChainPhase
from runs.conversation import CONVERSATION, ConversationPhase
from runs.errors import ActivityErrorType
from runs.memos import AGENT_MEMO, QUESTION_MEMO
from runs.messages import AGENT_RUN, RESULT_MEMO, AgentRunRequest, AgentRunResult, Sighting
from runs.phase import Phase
from runs.text import first_line
from starter.errors import RunNotFound
from starter.executions import Execution, ExecutionStatus
from starter.formats import seconds_between
from starter.kinds import RunKind
from starter.queries import WORKFLOW_TYPES
from starter.temporal import RPC_TIMEOUT
from starter.views import RunRow, RunView
from workflows import search_attributes

_Input = TypeVar("_Input", bound=BaseModel)

_KINDS: Final = {workflow_type: kind for kind, workflow_type in WORKFLOW_TYPES.items()}

_WATCH: Final = "watch_interaction"
"""The pending activity whose heartbeat details are the newest `Sighting`."""

_CALL: Final = "call_tool"
"""The pending activity of one function call."""

_BROKEN_AFTER: Final = 2
"""One failure is a worker that was restarted; more are a bug or a version that does not fit."""

_MAX_PROBLEM_CHARS: Final = 300
_MAX_QUESTION_CHARS: Final = 200


def phase_of(status: ExecutionStatus, *, published: str | None) -> Phase:
    """Return where a run stands, from what Temporal knows and what the run last published.

    Temporal's word wins: a run that was terminated publishes nothing any more.

    Args:
        status: Of the workflow.
        published: The ``RunPhase`` search attribute.
    """
    phase = Phase(published) if published in set(Phase) else None
    match status:
        case ExecutionStatus.COMPLETED:
            return phase if phase in {Phase.COMPLETED, Phase.INCOMPLETE} else Phase.COMPLETED
        case ExecutionStatus.CANCELED:
            return Phase.CANCELLED
        case ExecutionStatus.TIMED_OUT:
            return Phase.TIMED_OUT
        case ExecutionStatus.FAILED:
            return phase if phase is Phase.TIMED_OUT else Phase.FAILED
        case ExecutionStatus.TERMINATED | ExecutionStatus.CLOSED_SOMEHOW:
            return Phase.FAILED
        case _:
            # A run that publishes its end closes with the same workflow task.
            return phase if phase is not None and not phase.is_end else Phase.REQUESTED


def chain_phase_of(status: ExecutionStatus, *, published: str | None) -> ChainPhase:
    """Return where a chain stands, from what Temporal knows and what the chain last published.

    Temporal's word wins: a chain that was terminated publishes nothing any more.

    Args:
        status: Of the workflow.
        published: The ``RunPhase`` search attribute.
    """
    phase = ChainPhase(published) if published in set(ChainPhase) else ChainPhase.RUNNING
    match status:
        case ExecutionStatus.COMPLETED:
            return phase if phase is ChainPhase.INCOMPLETE else ChainPhase.COMPLETED
        case ExecutionStatus.CANCELED:
            return ChainPhase.CANCELLED
        case ExecutionStatus.FAILED:
            return phase if phase is ChainPhase.REJECTED else ChainPhase.FAILED
        case ExecutionStatus.TERMINATED | ExecutionStatus.TIMED_OUT | ExecutionStatus.CLOSED_SOMEHOW:
            return ChainPhase.FAILED
        case _:
            # A chain that publishes its end closes with the same workflow task.
            return ChainPhase.RUNNING if phase.is_end else phase


async def view_of(
    description: Execution,
    *,
    client: Client,
    before: RunView | None = None,
) -> RunView:
    """Return the run that ``description`` describes.

    Args:
        description: Of the workflow.
        client: To fetch what a description does not hold: a closed run's result, the question of a run
            that another program started.
        before: An earlier view of the run. What does not change is taken from it.

    Raises:
        RunNotFound: The workflow is not a run.
        temporalio.service.RPCError: Temporal could not be asked.
    """
    if description.workflow_type != AGENT_RUN:
        raise RunNotFound(
            f"{description.workflow_id!r} is a workflow of type {description.workflow_type!r}, not a run"
        )
    handle: WorkflowHandle[Any, AgentRunResult] = client.get_workflow_handle(
        description.workflow_id, run_id=description.run_id, result_type=AgentRunResult
    )
    attributes = description.attributes
    agent, question = await _subject_of(description, client, before=before)
    result, problem = (None, None)
    sighting: Sighting | None = None
    turn, spent = (before.turn, before.spent) if before else (1, None)
    if description.status.is_open:
        sighting, problem = await _progress_of(description)
        sighting = sighting or (before.sighting if before else None)
    else:
        result, problem = await _ending_of(description, handle)
        if result is not None:
            turn, spent = max(1, len(result.interaction_ids)), result.spent
    return RunView(
        run_id=description.workflow_id,
        phase=phase_of(description.status, published=attributes.get(search_attributes.PHASE)),
        agent=agent,
        question=question,
        task_queue=description.task_queue,
        requested_at=description.start_time,
        elapsed_s=seconds_between(description.start_time, description.close_time),
        interaction_id=attributes.get(search_attributes.INTERACTION_ID),
        sighting=sighting,
        problem=problem,
        turn=turn,
        spent=spent,
        running_calls=_running_calls(description),
        is_paused=description.status is ExecutionStatus.PAUSED,
        is_ended_from_outside=description.status.is_from_outside,
        result=result,
    )


async def row_of(execution: Execution) -> RunRow:
    """Return the run, chain or conversation that ``execution``, one of a list, stands for."""
    attributes = execution.attributes
    return RunRow(
        run_id=execution.workflow_id,
        kind=_KINDS.get(execution.workflow_type, RunKind.RUN),
        phase=_listed_phase_of(execution),
        agent=attributes.get(search_attributes.AGENT) or await execution.memo_text(AGENT_MEMO),
        question=await execution.memo_text(QUESTION_MEMO),
        labels=tuple(attributes.get(search_attributes.LABELS) or ()),
        tenant=attributes.get(search_attributes.TENANT),
        requested_at=execution.start_time,
        ended_at=execution.close_time,
        tokens=attributes.get(search_attributes.TOKENS),
        cost_usd=attributes.get(search_attributes.COST_USD),
        is_paused=execution.status is ExecutionStatus.PAUSED,
        is_ended_from_outside=execution.status.is_from_outside,
    )


def _listed_phase_of(execution: Execution) -> Phase | ChainPhase | ConversationPhase:
    published = execution.attributes.get(search_attributes.PHASE)
    match execution.workflow_type:
        case typed if typed == CHAIN:
            return chain_phase_of(execution.status, published=published)
        case typed if typed == CONVERSATION:
            return ConversationPhase.OPEN if execution.status.is_open else ConversationPhase.CLOSED
        case _:
            return phase_of(execution.status, published=published)


async def request_of(client: Client, run_id: str) -> AgentRunRequest | None:
    """Return what a run was started with; None when that is no request.

    Raises:
        temporalio.service.RPCError: Temporal could not be asked.
    """
    return await input_of(client, run_id, AgentRunRequest)


async def input_of(client: Client, workflow_id: str, kind: type[_Input]) -> _Input | None:
    """Return what a workflow's latest execution was started with; None when that is no ``kind``.

    Raises:
        temporalio.service.RPCError: Temporal could not be asked.
    """
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id)
    async for event in handle.fetch_history_events(page_size=1, rpc_timeout=RPC_TIMEOUT):
        started = event.workflow_execution_started_event_attributes
        try:
            [given] = await client.data_converter.decode(list(started.input.payloads), [kind])
        except (ValueError, RuntimeError, KeyError):
            return None
        return given if isinstance(given, kind) else None
    return None


async def _subject_of(
    description: Execution, client: Client, *, before: RunView | None
) -> tuple[str | None, str | None]:
    """Return the agent or model and the question, from the cheapest place that has both."""
    if before is not None:
        return before.agent, before.question
    agent, question = await description.memo_text(AGENT_MEMO), await description.memo_text(QUESTION_MEMO)
    if agent is not None and question is not None:
        return agent, question
    request = await request_of(client, description.workflow_id)
    if request is None:
        return None, None
    return request.target, first_line(request.input, max_chars=_MAX_QUESTION_CHARS)


async def _progress_of(description: Execution) -> tuple[Sighting | None, str | None]:
    """Return the newest sighting and what the run is waiting out, from its pending activities."""
    sighting: Sighting | None = None
    problem: str | None = None
    for pending in description.raw_description.pending_activities:
        if pending.activity_type.name == _WATCH:
            sighting = await _sighting_of(pending, description)
        problem = problem or _failure_of(pending)
    if sighting is not None and sighting.problem:
        problem = sighting.problem
    failures = description.raw_description.pending_workflow_task.attempt - 1
    if failures >= _BROKEN_AFTER:
        problem = f"the worker has failed {failures} times to go on with it; its log says why"
    return sighting, problem and first_line(problem, max_chars=_MAX_PROBLEM_CHARS)


def _running_calls(description: Execution) -> int:
    pending = description.raw_description.pending_activities
    return sum(activity.activity_type.name == _CALL for activity in pending)


async def _sighting_of(pending: PendingActivityInfo, description: Execution) -> Sighting | None:
    payloads = list(pending.heartbeat_details.payloads)
    if not payloads:
        return None
    try:
        [sighting, *_] = await description.data_converter.decode(payloads[:1], [Sighting])
    except (ValueError, RuntimeError, KeyError):
        # Written by a newer worker: a look without its findings is still a look.
        return None
    return sighting if isinstance(sighting, Sighting) else None


def _failure_of(pending: PendingActivityInfo) -> str | None:
    if not pending.HasField("last_failure"):
        return None
    failure = pending.last_failure
    if failure.application_failure_info.type == ActivityErrorType.STILL_RUNNING:
        return None
    return f"{pending.activity_type.name}, attempt {pending.attempt}: {failure.message}"


async def _ending_of(
    description: Execution, handle: WorkflowHandle[Any, AgentRunResult]
) -> tuple[AgentRunResult | None, str | None]:
    """Return a closed run's result, and why there is none or why it is no report."""
    try:
        return await handle.result(follow_runs=False, rpc_timeout=RPC_TIMEOUT), None
    except WorkflowFailureError as error:
        cause = error.cause
    except (ValueError, RuntimeError) as error:
        return None, _unreadable(error)
    result: AgentRunResult | None = None
    problem: str | None = first_line(str(cause), max_chars=_MAX_PROBLEM_CHARS)
    match cause:
        case ApplicationError():
            result = result_in(cause.details)
            problem = first_line(cause.message, max_chars=_MAX_PROBLEM_CHARS)
        case CancelledError():
            result, problem = await _cancelled_result(description)
        case TerminatedError():
            # Nobody told the API: these two are the ends that may leave a bill running.
            problem = f"terminated in Temporal ({problem}); {_may_go_on(description)}"
        case TimeoutError():
            problem = f"Temporal's own time-out ended the workflow; {_may_go_on(description)}"
        case _:
            pass
    return result, problem


def _may_go_on(description: Execution) -> str:
    interaction_id = description.attributes.get(search_attributes.INTERACTION_ID)
    what = f"interaction {interaction_id}" if interaction_id else "its interaction"
    return f"{what} may go on at the API: see `longhaul orphans`"


async def _cancelled_result(
    description: Execution,
) -> tuple[AgentRunResult | None, str | None]:
    try:
        return await description.memo_value(RESULT_MEMO, type_hint=AgentRunResult), None
    except (ValueError, RuntimeError) as error:
        return None, _unreadable(error)


def _unreadable(error: Exception) -> str:
    """Say that a result is of a shape that this version does not know."""
    reason = first_line(str(error.__cause__ or error), max_chars=_MAX_PROBLEM_CHARS)
    return f"its result cannot be read by this version: {reason}"


def result_in(details: Iterable[Any]) -> AgentRunResult | None:
    """Return the result among the details of a run's failure; None where there is none."""
    for detail in details:
        try:
            return AgentRunResult.model_validate(detail)
        except ValidationError:
            continue
    return None
