"""Decide about plans and function calls that wait for a person, from any program.

    status = await status_of(client, run_id)
    for call in status.pending_calls:
        await decide_tool_call(client, run_id, call, decision=ToolDecision.APPROVE)

Each of these needs a worker: only the run itself knows what it waits for.
"""

from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from runs.message import Message
from runs.messages import AgentRunStatus
from runs.planning import ApprovePlan, RevisePlan
from runs.text import clean_text
from runs.tool_calls import DecideToolCall, PendingToolCall, ToolDecision
from starter import formats
from starter.errors import InvalidInput
from starter.runs import look_at_run
from starter.temporal import temporal_errors
from starter.updates import no_answer, send_update

__all__ = ["approve_plan", "decide_tool_call", "revise_plan", "status_of"]

_QUERY_TIMEOUT_S: Final = 10.0
"""A worker that has to replay the run first takes a second; one that is not there never answers."""

_UPDATE_TIMEOUT_S: Final = 60.0
"""As long as `starter.runs.resolve_run` waits: a decision is worth a worker's restart."""

_NO_WORKER: Final = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
"""How a query ends that nobody answers; the second is how the client's own time-out arrives."""


async def status_of(client: Client, run_id: str) -> AgentRunStatus:
    """Return where a run stands in its own words, with the plan or the calls that wait for somebody.

    Args:
        client: From `starter.runs.connect`.
        run_id: Of an open run.

    Raises:
        InvalidInput: The run has ended, or its worker is of a version that cannot say.
        RunNotFound: There is no such run.
        RunStillRunning: No worker answers for it.
        TemporalError: Temporal could not be asked.
    """
    view = await look_at_run(client, run_id)
    if view.phase.is_end:
        raise InvalidInput(f"run {run_id} has ended ({view.phase.value}); there is nothing to decide")
    if view.is_paused:
        raise InvalidInput(f"run {run_id} is {formats.paused(run_id)}")
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(run_id)
    async with temporal_errors(client, run_id=run_id):
        try:
            status: AgentRunStatus = await handle.query(
                "status", result_type=AgentRunStatus, rpc_timeout=timedelta(seconds=_QUERY_TIMEOUT_S)
            )
        except WorkflowQueryFailedError as error:
            raise InvalidInput(
                f"run {run_id} cannot say where it stands: {clean_text(str(error))}"
            ) from error
        except (ValueError, RuntimeError) as error:
            raise InvalidInput(
                f"run {run_id} is carried on by a worker of another version, whose answer cannot be read"
            ) from error
        except RPCError as error:
            if error.status in _NO_WORKER:
                raise no_answer(run_id, wait_timeout_s=_QUERY_TIMEOUT_S) from error
            raise
    return status


async def decide_tool_call(
    client: Client, run_id: str, call: PendingToolCall, *, decision: ToolDecision, reason: str = ""
) -> AgentRunStatus:
    """Let a function call be carried out, or not, and return where the run then stands.

    Args:
        client: From `starter.runs.connect`.
        run_id: Of the run.
        call: As `status_of` shows it. Its digest goes along, so that no other call can be meant.
        decision: What to do.
        reason: Told to the model when the call is denied.

    Raises:
        InvalidInput: The call does not wait any more, or is another by now. Nothing was changed.
        RunNotFound: There is no such run, or it has ended.
        RunStillRunning: No worker carried it out in time; it is carried out when one comes.
        TemporalError: Temporal could not be asked.
    """
    decided = DecideToolCall(call_id=call.call_id, digest=call.digest, decision=decision, reason=reason)
    return await _decide(client, run_id, "decide_tool_call", decided)


async def approve_plan(client: Client, run_id: str, *, note: str = "") -> AgentRunStatus:
    """Let the agent begin with its plan, and return where the run then stands.

    Args:
        client: From `starter.runs.connect`.
        run_id: Of the run.
        note: A last word to the agent, if any.

    Raises:
        InvalidInput: No plan waits. Nothing was changed.
        RunNotFound: There is no such run, or it has ended.
        RunStillRunning: No worker carried it out in time; it is carried out when one comes.
        TemporalError: Temporal could not be asked.
    """
    return await _decide(client, run_id, "approve_plan", ApprovePlan(note=note))


async def revise_plan(client: Client, run_id: str, feedback: str) -> AgentRunStatus:
    """Ask the agent for another plan, and return where the run then stands.

    Args:
        client: From `starter.runs.connect`.
        run_id: Of the run.
        feedback: What is to be different.

    Raises:
        InvalidInput: No plan waits. Nothing was changed.
        RunNotFound: There is no such run, or it has ended.
        RunStillRunning: No worker carried it out in time; it is carried out when one comes.
        TemporalError: Temporal could not be asked.
    """
    return await _decide(client, run_id, "revise_plan", RevisePlan(feedback=feedback))


async def _decide(client: Client, run_id: str, update: str, argument: Message) -> AgentRunStatus:
    return await send_update(
        client, run_id, update, argument, result_type=AgentRunStatus, wait_timeout_s=_UPDATE_TIMEOUT_S
    )
