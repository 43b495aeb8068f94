"""Runs that a test directs, in place of `AgentRun`, to see what a parent of runs does with them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.attaching import AttachingActivities
    from runs.budget import Spent
    from runs.errors import RunErrorCode, WorkflowErrorType
    from runs.messages import AGENT_RUN, AgentRunRequest, AgentRunResult, RunError, Timings, Usage
    from runs.phase import Phase
    from tests.queues import serving

_ANSWER = "answer_run"

_NOTHING = Spent()
SPENT = Spent(interactions=1, tokens=100, cost_usd=0.01)


@workflow.defn(name=AGENT_RUN)
class FakeAgentRun:
    """Ends as the test says."""

    @workflow.run
    async def run(self, request: AgentRunRequest) -> AgentRunResult:
        """Return or fail with what the test directs."""
        try:
            result: AgentRunResult = await workflow.execute_activity(
                _ANSWER,
                request,
                result_type=AgentRunResult,
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError):
                raise error.cause from None
            raise
        return result


def answered(request: AgentRunRequest, number: int) -> AgentRunResult:
    """A run that went well."""
    return AgentRunResult(
        phase=Phase.COMPLETED,
        agent=request.target,
        interaction_ids=(f"v1_{number}",),
        excerpt=f"answer to {request.input}",
        text_uri=f"file:///answers/{number}.md",
        usage=Usage(total_tokens=100),
        cost_usd=0.01,
        spent=SPENT,
        timings=Timings(requested_at=datetime(2026, 1, 1, tzinfo=UTC)),
    )


def failed(code: RunErrorCode, *, spent: Spent = _NOTHING) -> ApplicationError:
    """A run that fails."""
    result = AgentRunResult(
        phase=Phase.FAILED,
        agent="a",
        spent=spent,
        error=RunError(code=code, message="as the API said"),
        timings=Timings(requested_at=datetime(2026, 1, 1, tzinfo=UTC)),
    )
    return ApplicationError("as the API said", result, type=WorkflowErrorType.RUN_FAILED, non_retryable=True)


@dataclass
class FakeRuns:
    """How runs end, set by a test; and which there were, for it to check.

    Attributes:
        endings: How the first runs end, in order; the others, and those with None, are answered.
        endings_of: How runs with one input end.
        gate: Runs wait for it, where there is one.
        gates: The same for runs with one input.
        requests: Of all runs so far, in order.
        run_ids: Of the same.
        started: Put when a run has started.
    """

    endings: list[AgentRunResult | ApplicationError | None] = field(default_factory=list)
    endings_of: dict[str, AgentRunResult | ApplicationError] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    requests: list[AgentRunRequest] = field(default_factory=list)
    run_ids: list[str] = field(default_factory=list)
    started: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    @activity.defn(name=_ANSWER)
    async def answer(self, request: AgentRunRequest) -> AgentRunResult:
        """End as set up."""
        run_id = activity.info().workflow_id
        assert run_id is not None
        self.requests.append(request)
        self.run_ids.append(run_id)
        number = len(self.requests)
        self.started.put_nowait(run_id)
        if (gate := self.gates.get(request.input, self.gate)) is not None:
            await gate.wait()
        ending = self.endings_of.get(request.input) or (self.endings.pop(0) if self.endings else None)
        if isinstance(ending, ApplicationError):
            raise ending
        return ending or answered(request, number)


@asynccontextmanager
async def worker_of_runs(
    client: Client,
    runs: FakeRuns,
    *workflows: type,
    task_queue: str,
    max_cached_workflows: int = 100,
    activities: Sequence[Callable[..., Any]] = (),
) -> AsyncIterator[None]:
    """Serve ``task_queue`` with ``workflows`` and the runs that they start."""
    async with serving(
        client,
        task_queue=task_queue,
        workflows=[FakeAgentRun, *workflows],
        activities=[runs.answer, *AttachingActivities().all(), *activities],
        max_cached_workflows=max_cached_workflows,
    ):
        yield
