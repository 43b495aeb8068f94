"""The `AgentRun` workflow on a real server, its activities replaced by name with ones a test directs."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from runs.errors import ActivityErrorType
from runs.messages import (
    AGENT_RUN,
    AgentRunRequest,
    AgentRunResult,
    ArtifactRef,
    CancelInteraction,
    CancelReport,
    CheckInteraction,
    Counts,
    Outcome,
    Recovered,
    RecoverSubmission,
    Settled,
    SettleInteraction,
    Sighting,
    SubmitInteraction,
    Submitted,
    Usage,
    WatchInteraction,
)
from runs.pacing import Pacing, next_look_s
from tests.dev_server import DevServer
from workflows.agent_run import AgentRunWorkflow

Handle = WorkflowHandle[AgentRunWorkflow, AgentRunResult]

REQUEST = AgentRunRequest(
    agent="deep-research-preview-04-2026",
    input="Why is tea astringent?\nIn depth.",
    labels=("tea",),
    tenant="t",
)

REPORT = ArtifactRef(
    name="report.md",
    uri="file:///reports/report.md",
    media_type="text/markdown",
    size_bytes=3,
    sha256="0" * 64,
)

SETTLED = Settled(
    outcome=Outcome.COMPLETED,
    excerpt="Tannins.",
    artifacts=(REPORT,),
    usage=Usage(total_tokens=319_000),
    cost_usd=2.07,
    counts=Counts(searches=80, sources=12),
)

CONFIRMED = CancelReport(was_confirmed=True, detail="confirmed")

NOT_SENT = Recovered(was_sent=False)

QUICK = Pacing(poll_min_s=0.05, poll_max_s=0.1)


@dataclass
class FakeApi:
    """What the activities find, set by a test; and what they were asked, for it to check.

    Attributes:
        submissions: Failures of the first submissions, in order; then they are accepted.
        looks_until_end: Looks that see a running interaction before one sees it ended.
        on_look: Called at each look, for a test to act in the middle of a run.
        submit_gate: Submissions wait for it, where there is one.
    """

    submissions: list[ApplicationError] = field(default_factory=list)
    looks_until_end: int = 2
    look_error: ApplicationError | None = None
    settled: Settled = SETTLED
    settle_error: ApplicationError | None = None
    cancel_report: CancelReport = CONFIRMED
    cancel_error: ApplicationError | None = None
    recovered: Recovered = NOT_SENT
    check_error: ApplicationError | None = None
    submit_gate: asyncio.Event | None = None
    submit_started: asyncio.Event = field(default_factory=asyncio.Event)
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    submitted: int = 0
    sent: list[SubmitInteraction] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    looks: int = 0
    cancelled: list[str] = field(default_factory=list)
    pacing: Pacing = QUICK

    def all(self) -> list[Callable[..., object]]:
        """Return the activities to register."""
        return [self.submit, self.recover, self.check, self.watch, self.settle, self.cancel]

    @activity.defn(name="submit_interaction")
    async def submit(self, submission: SubmitInteraction) -> Submitted:
        """Count the submission, wait at the gate, then refuse or accept it."""
        self.submitted += 1
        self.sent.append(submission)
        self.submit_started.set()
        if self.submit_gate is not None:
            await self.submit_gate.wait()
        if self.submissions:
            raise self.submissions.pop(0)
        return Submitted(
            interaction_id="v1_abc", artifacts_uri=f"file:///reports/{submission.artifacts_prefix}"
        )

    @activity.defn(name="recover_submission")
    async def recover(self, lost: RecoverSubmission) -> Recovered:
        """Read the journal as set up."""
        assert lost.number == self.submitted
        return self.recovered

    @activity.defn(name="check_interaction")
    async def check(self, checked: CheckInteraction) -> Sighting:
        """Know every interaction, or none."""
        self.checked.append(checked.interaction_id)
        if self.check_error is not None:
            raise self.check_error
        return Sighting(status="in_progress")

    @activity.defn(name="watch_interaction")
    async def watch(self, watched: WatchInteraction) -> Sighting:
        """Take one look."""
        self.looks += 1
        self.looked.set()
        if self.look_error is not None:
            raise self.look_error
        if self.looks > self.looks_until_end:
            return Sighting(has_ended=True, status="completed", looks=self.looks, searches=80)
        now = activity.info().current_attempt_scheduled_time
        delay_s = next_look_s(
            watched.pacing or self.pacing, elapsed_s=(now - watched.accepted_at).total_seconds()
        )
        raise ApplicationError(
            "in_progress",
            type=ActivityErrorType.STILL_RUNNING,
            next_retry_delay=timedelta(seconds=delay_s),
        )

    @activity.defn(name="settle_interaction")
    async def settle(self, settling: SettleInteraction) -> Settled:
        """Settle as set up."""
        assert settling.interaction_id.startswith("v1_")
        if self.settle_error is not None:
            raise self.settle_error
        return self.settled

    @activity.defn(name="cancel_interaction")
    async def cancel(self, cancelled: CancelInteraction) -> CancelReport:
        """Note what was cancelled."""
        self.cancelled.append(cancelled.interaction_id)
        if self.cancel_error is not None:
            raise self.cancel_error
        return self.cancel_report


@pytest.fixture
async def client(temporal_server: DevServer) -> Client:
    """A client of the shared server."""
    return await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)


@pytest.fixture
def api() -> FakeApi:
    """An API where all goes well, until a test says otherwise."""
    return FakeApi()


@asynccontextmanager
async def running_worker(
    client: Client, api: FakeApi, *, max_cached_workflows: int = 100, task_queue: str | None = None
) -> AsyncIterator[str]:
    """Serve ``task_queue``, or one of one's own, with ``api``, and yield its name."""
    task_queue = task_queue or f"test-{uuid.uuid4()}"
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[AgentRunWorkflow],
        activities=api.all(),
        workflow_runner=SandboxedWorkflowRunner(),
        max_cached_workflows=max_cached_workflows,
    ):
        yield task_queue


async def start(client: Client, task_queue: str, request: AgentRunRequest = REQUEST) -> Handle:
    """Start a run under an id of its own."""
    return await client.start_workflow(
        AGENT_RUN,
        request,
        id=f"run-{uuid.uuid4()}",
        task_queue=task_queue,
        result_type=AgentRunResult,
    )
