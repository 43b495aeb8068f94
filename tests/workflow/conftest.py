"""The `AgentRun` workflow on a real server, its activities replaced by name with ones a test directs."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

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
from runs.tool_calls import CallTool, DescribeTools, ToolAnswer, ToolCatalog, ToolDescription
from tests.dev_server import DevServer
from tests.queues import serving
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

CATALOG = ToolCatalog(
    tools=(
        ToolDescription(name="weather", description="The weather."),
        ToolDescription(name="broken", max_attempts=2),
        ToolDescription(name="slow"),
        ToolDescription(name="pay", needs_approval=True),
    ),
    available=("broken", "pay", "slow", "weather"),
)

QUICK = Pacing(poll_min_s=0.05, poll_max_s=0.1)


@dataclass
class FakeApi:
    """What the activities find, set by a test; and what they were asked, for it to check.

    Attributes:
        submissions: Failures of the first submissions, in order; then they are accepted.
        looks_until_end: Looks that see a running interaction before one sees it ended.
        on_look: Called at each look, for a test to act in the middle of a run.
        submit_gate: Submissions wait for it, where there is one.
        turns: What the first turns are settled as, in order; then ``settled``.
        catalog: The function tools that the workers have.
        tool_error: What a call of the function ``broken`` fails with.
        tool_gate: Calls of the function ``slow`` wait for it.
        settle_failures: What the first settlings fail with, in order.
        on_settle: Called at each settling, for a test to act before its answer.
    """

    submissions: list[ApplicationError] = field(default_factory=list)
    looks_until_end: int = 2
    look_error: ApplicationError | None = None
    settled: Settled = SETTLED
    turns: list[Settled] = field(default_factory=list)
    catalog: ToolCatalog = CATALOG
    tool_error: ApplicationError | None = None
    tool_gate: asyncio.Event = field(default_factory=asyncio.Event)
    settle_error: ApplicationError | None = None
    settle_failures: list[ApplicationError] = field(default_factory=list)
    on_settle: Callable[[], None] = lambda: None
    cancel_report: CancelReport = CONFIRMED
    cancel_error: ApplicationError | None = None
    recovered: Recovered = NOT_SENT
    check_error: ApplicationError | None = None
    submit_gate: asyncio.Event | None = None
    submit_started: asyncio.Event = field(default_factory=asyncio.Event)
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    submitted: int = 0
    sent: list[SubmitInteraction] = field(default_factory=list)
    lost: list[RecoverSubmission] = field(default_factory=list)
    settlings: list[SettleInteraction] = field(default_factory=list)
    called: list[CallTool] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    looks: int = 0
    cancelled: list[str] = field(default_factory=list)
    pacing: Pacing = QUICK

    def all(self) -> list[Callable[..., object]]:
        """Return the activities to register."""
        return [
            self.submit,
            self.recover,
            self.check,
            self.watch,
            self.settle,
            self.cancel,
            self.describe_tools,
            self.call_tool,
        ]

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
            interaction_id=f"v1_{self.submitted}" if submission.follow_up else "v1_abc",
            artifacts_uri=f"file:///reports/{submission.artifacts_prefix}",
            has_ended=submission.is_foreground,
        )

    @activity.defn(name="recover_submission")
    async def recover(self, lost: RecoverSubmission) -> Recovered:
        """Read the journal as set up."""
        assert lost.number == self.submitted
        self.lost.append(lost)
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
        self.on_settle()
        if self.settle_error is not None:
            raise self.settle_error
        if self.settle_failures:
            raise self.settle_failures.pop(0)
        self.settlings.append(settling)
        if settling.last_because is not None:
            return Settled(outcome=Outcome.INCOMPLETE, error=settling.last_because)
        return self.turns.pop(0) if self.turns else self.settled

    @activity.defn(name="describe_tools")
    async def describe_tools(self, wanted: DescribeTools) -> ToolCatalog:
        """Say what there is of what is wanted."""
        there = {tool.name for tool in self.catalog.tools}
        missing = tuple(name for name in wanted.names if name not in there)
        return self.catalog.model_copy(update={"missing": missing})

    @activity.defn(name="call_tool")
    async def call_tool(self, calling: CallTool) -> ToolAnswer:
        """Answer a call by its function's name."""
        self.called.append(calling)
        call = calling.call
        if call.name == "broken" and self.tool_error is not None:
            raise self.tool_error
        if call.name == "slow":
            await self.tool_gate.wait()
        return ToolAnswer(call_id=call.call_id, name=call.name, uri=f"file:///{calling.file_name}", text="4")

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
    async with serving(
        client,
        task_queue=task_queue,
        workflows=[AgentRunWorkflow],
        activities=api.all(),
        max_cached_workflows=max_cached_workflows,
    ):
        yield task_queue


async def start(
    client: Client, task_queue: str, request: AgentRunRequest | Mapping[str, object] = REQUEST
) -> Handle:
    """Start a run under an id of its own; a mapping is sent as it is, as another program may."""
    return await client.start_workflow(
        AGENT_RUN,
        request,
        id=f"run-{uuid.uuid4()}",
        task_queue=task_queue,
        result_type=AgentRunResult,
    )
