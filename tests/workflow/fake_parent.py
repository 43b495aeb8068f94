"""Somebody else's workflow, which starts a run as its child, under a name such as ours have."""

from collections.abc import Mapping
from typing import Any

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@workflow.defn(name="Orchestrator")
class Orchestrator:
    """Start one run, and wait for it."""

    @workflow.run
    async def run(self, request: Mapping[str, object], task_queue: str) -> None:
        """Start ``request`` on ``task_queue``, as the child ``ID.research``."""
        child_id = f"{workflow.info().workflow_id}.research"
        await workflow.execute_child_workflow("AgentRun", request, id=child_id, task_queue=task_queue)


async def orchestrate(
    client: Client, request: Mapping[str, object], *, parent_id: str, task_queue: str
) -> WorkflowHandle[Any, Any]:
    """Have ``request`` run on ``task_queue`` by such a parent; returns the run once both have ended.

    Raises:
        WorkflowFailureError: The run failed, and the parent with it.
    """
    queue = f"{parent_id}-parents"
    async with Worker(
        client, task_queue=queue, workflows=[Orchestrator], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        await client.execute_workflow(
            Orchestrator.run, args=[request, task_queue], id=parent_id, task_queue=queue
        )
    return client.get_workflow_handle(f"{parent_id}.research")
