"""Telling a run or a chain what somebody decided, and learning what it makes of that."""

from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError

from runs.message import Message
from runs.text import clean_text
from starter.errors import InvalidInput, RunStillRunning
from starter.temporal import temporal_errors

_Status = TypeVar("_Status", bound=Message)


async def send_update(  # noqa: PLR0913 - all of one request
    client: Client,
    run_id: str,
    update: str,
    argument: Message,
    *,
    result_type: type[_Status],
    wait_timeout_s: float,
) -> _Status:
    """Send an update to an open run or chain, and return where it then stands.

    Args:
        client: Of the run's namespace.
        run_id: Of an open run.
        update: The update's name.
        argument: What it takes.
        result_type: What it answers with.
        wait_timeout_s: How long to wait for a worker to carry it out.

    Raises:
        InvalidInput: The run does not take it; the message says why. Nothing was changed.
        RunNotFound: There is no such run, or it has ended.
        RunStillRunning: No worker carried it out in time; it is carried out when one comes.
        TemporalError: Temporal could not be asked.
    """
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(run_id)
    async with temporal_errors(client, run_id=run_id):
        try:
            status: _Status = await handle.execute_update(
                update,
                argument,
                result_type=result_type,
                rpc_timeout=timedelta(seconds=wait_timeout_s),
            )
        except WorkflowUpdateFailedError as error:
            reason = error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
            raise InvalidInput(f"{run_id}: {clean_text(reason)}") from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise no_answer(run_id, wait_timeout_s=wait_timeout_s) from error
    return status


def no_answer(run_id: str, *, wait_timeout_s: float) -> RunStillRunning:
    """Return the error of a run that nobody carries on."""
    return RunStillRunning(
        f"no worker has answered for {run_id} within {wait_timeout_s:g} s; "
        "start one with `longhaul worker`, then look with `longhaul status`"
    )
