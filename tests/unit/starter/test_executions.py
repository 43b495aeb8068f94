"""Executions are read whatever numbers a server says."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Memo, Payload, SearchAttributes, WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse
from temporalio.contrib.pydantic import pydantic_data_converter

from chains.messages import ChainPhase
from runs.memos import QUESTION_MEMO
from runs.phase import Phase
from starter.describing import chain_phase_of, phase_of, row_of
from starter.executions import ExecutionStatus, list_executions, status_of

_NEW = 99
"""A number that no library of today knows."""


def info(status: int, **changes: Any) -> WorkflowExecutionInfo:
    """What a server says of a run."""
    return WorkflowExecutionInfo(
        execution=WorkflowExecution(workflow_id="w", run_id="r"),
        status=cast("WorkflowExecutionStatus.ValueType", status),
        **changes,
    )


def closed(status: int) -> WorkflowExecutionInfo:
    """The same of one that has ended."""
    ended = Timestamp()
    ended.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
    return info(status, close_time=ended)


def test_every_state_of_this_library_is_known() -> None:
    """What it has a name for, has one of ours; a state that it gains is seen here."""
    known = {number for number in WorkflowExecutionStatus.values() if number}
    assert {status_of(info(number)) for number in known} == {*ExecutionStatus} - {
        ExecutionStatus.OPEN_SOMEHOW,
        ExecutionStatus.CLOSED_SOMEHOW,
    }


@pytest.mark.parametrize(
    ("said", "status", "phase", "chain_phase"),
    [
        (info(_NEW), ExecutionStatus.OPEN_SOMEHOW, Phase.RUNNING, ChainPhase.RUNNING),
        (closed(_NEW), ExecutionStatus.CLOSED_SOMEHOW, Phase.FAILED, ChainPhase.FAILED),
        (info(8), ExecutionStatus.PAUSED, Phase.RUNNING, ChainPhase.RUNNING),
    ],
)
def test_an_unknown_state_is_open_or_closed(
    said: WorkflowExecutionInfo, status: ExecutionStatus, phase: Phase, chain_phase: ChainPhase
) -> None:
    """Whether it is, the time of its end tells; what was published stands while it is open."""
    assert status_of(said) is status
    assert status.is_open is not said.HasField("close_time")
    assert phase_of(status, published="running") is phase
    assert chain_phase_of(status, published="running") is chain_phase


async def test_one_execution_that_cannot_be_read_costs_no_list() -> None:
    """An unknown state, a memo of an unknown encoding and an attribute of an unknown type: a row each."""
    strange = Payload(metadata={"encoding": b"of/tomorrow", "type": b"Vector"}, data=b"?")
    pages = [
        ListWorkflowExecutionsResponse(executions=[info(_NEW), closed(_NEW)], next_page_token=b"more"),
        ListWorkflowExecutionsResponse(
            executions=[
                info(1, memo=Memo(fields={QUESTION_MEMO: strange})),
                info(8, search_attributes=SearchAttributes(indexed_fields={"Theirs": strange})),
                info(1),
            ],
            next_page_token=b"more",
        ),
    ]
    asked: list[ListWorkflowExecutionsRequest] = []

    async def answer(request: ListWorkflowExecutionsRequest, **_: Any) -> ListWorkflowExecutionsResponse:
        asked.append(request)
        return pages[len(asked) - 1]

    client: Any = SimpleNamespace(
        namespace="default",
        data_converter=pydantic_data_converter,
        workflow_service=SimpleNamespace(list_workflow_executions=answer),
    )
    executions = list_executions(client, "q", limit=4)
    rows = [await row_of(execution) async for execution in executions]
    assert [row.is_paused for row in rows] == [False, False, False, True]
    assert [request.next_page_token for request in asked] == [b"", b"more"]
    assert [request.page_size for request in asked] == [4, 2]
