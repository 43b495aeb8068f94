"""Executions of workflows as the server tells of them, in whatever state they are.

The SDK names the states of a workflow with a closed enum, and raises over a number that is not in it: one
workflow that an operator has paused would make every list that it is in fail, and each description of it. So
descriptions and lists are read here from the service itself, and nowhere else in this package.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from temporalio import converter
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.common import TypedSearchAttributes
from temporalio.converter import DataConverter, WorkflowSerializationContext

from starter.temporal import RPC_TIMEOUT

_MAX_PAGE: Final = 1_000
"""What a server returns at once at the most."""


class ExecutionStatus(StrEnum):
    """Temporal's word for where a workflow stands, and ours for what it may say one day."""

    RUNNING = "running"
    PAUSED = "paused"
    """By an operator: its workflow tasks wait, until it is unpaused."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    CONTINUED_AS_NEW = "continued_as_new"
    TIMED_OUT = "timed_out"
    OPEN_SOMEHOW = "open_somehow"
    """In a state that this version does not know, and not closed."""
    CLOSED_SOMEHOW = "closed_somehow"
    """In a state that this version does not know, and closed."""

    @property
    def is_open(self) -> bool:
        """Whether it goes on, or would."""
        return self in {ExecutionStatus.RUNNING, ExecutionStatus.PAUSED, ExecutionStatus.OPEN_SOMEHOW}

    @property
    def is_from_outside(self) -> bool:
        """Whether something else than its own code has ended it, which then could see to nothing."""
        return self in {ExecutionStatus.TERMINATED, ExecutionStatus.TIMED_OUT}


_STATUSES: Final[dict[int, ExecutionStatus]] = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING: ExecutionStatus.RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED: ExecutionStatus.PAUSED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED: ExecutionStatus.COMPLETED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED: ExecutionStatus.FAILED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED: ExecutionStatus.CANCELED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED: ExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: ExecutionStatus.CONTINUED_AS_NEW,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: ExecutionStatus.TIMED_OUT,
}


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution of a workflow, of a list or described.

    Attributes:
        workflow_id: The workflow's id.
        run_id: Temporal's id of this execution of it.
        workflow_type: The workflow's type.
        status: Where it stands.
        task_queue: Where it waits for a worker.
        start_time: When it was started, by the server's clock.
        close_time: When it ended; None while it goes on.
        history_length: Events of its history.
        attributes: Its search attributes.
        info: All of it, as the server says it.
        raw_description: What else a description holds; empty for one of a list.
        data_converter: Reads its payloads.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    status: ExecutionStatus
    task_queue: str
    start_time: datetime
    close_time: datetime | None
    history_length: int
    attributes: TypedSearchAttributes
    info: WorkflowExecutionInfo = field(repr=False)
    raw_description: DescribeWorkflowExecutionResponse = field(repr=False)
    data_converter: DataConverter = field(repr=False)

    async def memo_value(self, key: str, *, type_hint: type | None = None) -> Any:
        """Return what the memo holds under ``key``; None when it holds nothing.

        Raises:
            ValueError: It is not of this type.
            RuntimeError: It cannot be read.
        """
        if key not in self.info.memo.fields:
            return None
        hints = None if type_hint is None else [type_hint]
        try:
            [value] = await self.data_converter.decode([self.info.memo.fields[key]], hints)
        except KeyError as error:  # as the library tells of an encoding that it does not know
            raise RuntimeError(str(error)) from error
        return value

    async def memo_text(self, key: str) -> str | None:
        """Return the text that the memo holds under ``key``; None where that is not there, or is no text.

        What one execution holds that cannot be read must not cost a list all the others.
        """
        try:
            value = await self.memo_value(key)
        except (ValueError, RuntimeError):
            return None
        return value if isinstance(value, str) else None


def status_of(info: WorkflowExecutionInfo) -> ExecutionStatus:
    """Return where the server says a workflow stands, also where it says it with a number new to us."""
    unknown = ExecutionStatus.CLOSED_SOMEHOW if info.HasField("close_time") else ExecutionStatus.OPEN_SOMEHOW
    return _STATUSES.get(int(info.status), unknown)


async def describe(client: Client, workflow_id: str, *, run_id: str | None = None) -> Execution:
    """Return one execution of a workflow.

    Args:
        client: Of its namespace.
        workflow_id: The workflow's id.
        run_id: Which execution; None for the latest.

    Raises:
        temporalio.service.RPCError: There is none, or Temporal could not be asked.
    """
    description = await client.workflow_service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id or ""),
        ),
        # As the SDK's own: only reads, so it is asked again where that may help.
        retry=True,
        timeout=RPC_TIMEOUT,
    )
    return _execution(client, description.workflow_execution_info, description)


async def list_executions(client: Client, query: str, *, limit: int) -> AsyncIterator[Execution]:
    """Yield executions in the server's order: those that are open first, then the newest.

    Args:
        client: Of the namespace.
        query: What to list.
        limit: How many at the most.

    Raises:
        temporalio.service.RPCError: The query is wrong, or Temporal could not be asked.
    """
    token = b""
    while limit > 0:
        page = await client.workflow_service.list_workflow_executions(
            ListWorkflowExecutionsRequest(
                namespace=client.namespace,
                page_size=min(limit, _MAX_PAGE),
                next_page_token=token,
                query=query,
            ),
            retry=True,
            timeout=RPC_TIMEOUT,
        )
        for info in page.executions[:limit]:
            yield _execution(client, info, DescribeWorkflowExecutionResponse())
        limit -= len(page.executions)
        token = page.next_page_token
        if not token:
            return


def _execution(
    client: Client, info: WorkflowExecutionInfo, description: DescribeWorkflowExecutionResponse
) -> Execution:
    workflow_id = info.execution.workflow_id
    return Execution(
        workflow_id=workflow_id,
        run_id=info.execution.run_id,
        workflow_type=info.type.name,
        status=status_of(info),
        task_queue=info.task_queue,
        start_time=info.start_time.ToDatetime(tzinfo=UTC),
        close_time=info.close_time.ToDatetime(tzinfo=UTC) if info.HasField("close_time") else None,
        history_length=info.history_length,
        attributes=converter.decode_typed_search_attributes(info.search_attributes),
        info=info,
        raw_description=description,
        data_converter=client.data_converter.with_context(
            WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
        ),
    )
