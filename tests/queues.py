"""A worker as ours are, with the activities of a test."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from runs.queues import submissions_of, tools_of


@asynccontextmanager
async def serving(
    client: Client,
    *,
    task_queue: str,
    workflows: Sequence[type],
    activities: Sequence[Callable[..., Any]],
    max_cached_workflows: int,
) -> AsyncIterator[None]:
    """Serve ``task_queue`` and those that belong to it while the block lasts."""
    async with AsyncExitStack() as workers:
        for queue in (submissions_of(task_queue), tools_of(task_queue)):
            await workers.enter_async_context(Worker(client, task_queue=queue, activities=activities))
        await workers.enter_async_context(
            Worker(
                client,
                task_queue=task_queue,
                workflows=workflows,
                activities=activities,
                workflow_runner=SandboxedWorkflowRunner(),
                max_cached_workflows=max_cached_workflows,
            )
        )
        yield
