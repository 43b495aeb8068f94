"""``temporal workflow reset`` at every event of a run: what is paid for again, and what the answer is."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2 as httpx
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from activities.journal import SendingRecord
from runs.messages import (
    AGENT_RUN,
    DEFAULT_AGENT,
    DEFAULT_MODEL,
    AgentRunRequest,
    AgentRunResult,
    AgentRunStatus,
    Notification,
    Resolution,
    ResolveSubmission,
)
from runs.phase import Phase, UnknownPolicy
from runs.places import artifacts_prefix
from runs.planning import ApprovePlan, RevisePlan
from runs.tool_calls import DecideToolCall, ToolDecision
from tests.chaos.sections import make_home
from tests.chaos.table import Table
from tests.dev_server import running_dev_server
from tests.e2e.stack import worker_of
from tests.emulator_server import EmulatorServer

_TIME_SCALE: Final = 600.0
"""A plan takes a tenth of a second, a report 1.2 s."""

_WITHIN_S: Final = 240.0
"""One life. A submission without an answer is asked for in the journal for two minutes."""

_LOOK_EVERY_S: Final = 0.05

_ANSWERS: Final = "/v1beta/interactions"

Decide = Callable[["Life", AgentRunStatus], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A run, and the person who decides for it: otherwise in its first life than after each reset.

    Attributes:
        name: Of the run.
        what: For the table.
        request: What it is asked.
        decide: Decides what the run waits for.
    """

    name: str
    what: str
    request: AgentRunRequest
    decide: Decide


@dataclass
class Life:
    """One life of a run: the first, or one after a reset.

    Attributes:
        is_first: Whether this is the one that the others are reset to a part of.
        decided: What was decided in this life, in order.
    """

    client: Client
    emulator: EmulatorServer
    home: Path
    name: str
    run_id: str
    first_run_id: str
    decided: list[str] = field(default_factory=list)

    @property
    def is_first(self) -> bool:
        """Whether nothing was reset yet."""
        return self.run_id == self.first_run_id

    def token_of(self, number: int) -> str:
        """Return the token that a submission was sent with, as its webhook would know it."""
        folder = self.home / "artifacts" / artifacts_prefix(workflow_id=self.name, run_id=self.first_run_id)
        record = folder / f"submission-{number}.sending.json"
        return SendingRecord.model_validate_json(record.read_bytes()).token

    async def update(self, name: str, argument: object) -> None:
        """Decide something; what has been decided meanwhile is left alone."""
        handle = self.client.get_workflow_handle(self.name, run_id=self.run_id)
        with contextlib.suppress(WorkflowUpdateFailedError):
            await handle.execute_update(name, argument)
            self.decided.append(name)


async def _decide_plan(life: Life, status: AgentRunStatus) -> None:
    """Revise the first plan and approve the second; after a reset, approve whatever there is."""
    assert status.plan is not None
    if life.is_first and status.plan.revision == 1:
        await life.update("revise_plan", RevisePlan(feedback="Shorter."))
    else:
        await life.update("approve_plan", ApprovePlan())


async def _decide_call(life: Life, status: AgentRunStatus) -> None:
    """Deny the call; after a reset, approve it."""
    for call in status.pending_calls:
        decision = ToolDecision.DENY if life.is_first else ToolDecision.APPROVE
        await life.update(
            "decide_tool_call", DecideToolCall(call_id=call.call_id, digest=call.digest, decision=decision)
        )


async def _decide_lost(life: Life, status: AgentRunStatus) -> None:
    """Send again what was not answered; after a reset, have the news of it come instead."""
    if life.is_first:
        await life.update("resolve_submission", ResolveSubmission(resolution=Resolution.RESUBMIT))
        return
    assert status.submissions == 1
    (lost, *_) = paid_by(life.emulator)
    handle = life.client.get_workflow_handle(life.name, run_id=life.run_id)
    life.decided.append("news")
    await handle.signal("notified", Notification(interaction_id=lost, token=life.token_of(1)))


def paid_by(emulator: EmulatorServer) -> list[str]:
    """Return all interactions of an emulator, oldest first: further turns name no submission."""
    return [each["id"] for each in emulator.admin("GET", "/interactions")["interactions"]]


def _question(name: str, text: str, more: str = "") -> str:
    return f"{text} [[emulator submission={name} {more}]]"


SCENARIOS: Final = (
    Scenario(
        name="reset-plan",
        what="a plan, first revised, then approved",
        request=AgentRunRequest.model_validate(
            {"agent": DEFAULT_AGENT, "input": _question("reset-plan", "Why?"), "planning": {}}
        ),
        decide=_decide_plan,
    ),
    Scenario(
        name="reset-tools",
        what="a function call, first denied, then approved",
        request=AgentRunRequest.model_validate(
            {
                "model": DEFAULT_MODEL,
                "input": _question("reset-tools", "order_umbrellas for Bergen"),
                "tools": [{"type": "function", "name": "order_umbrellas"}],
            }
        ),
        decide=_decide_call,
    ),
    Scenario(
        name="reset-held",
        what="a submission without an answer, first sent again, then adopted by news",
        request=AgentRunRequest.model_validate(
            {
                "agent": DEFAULT_AGENT,
                "input": _question("reset-held", "Why?", "fault=500-after times=1"),
                "on_unknown_submission": UnknownPolicy.HOLD,
            }
        ),
        decide=_decide_lost,
    ),
)


class Sweep:
    """One run through all its resets.

    Attributes:
        points: Events that it was reset to.
        completed: Lives that completed, the first one included.
        naming_all: Lives whose result names all that the run has paid for, in any life.
        wrong: Lives whose answer is not the one that was asked for; why.
    """

    def __init__(self, scenario: Scenario, client: Client, *, emulator: EmulatorServer, home: Path) -> None:
        self.points: Final[list[int]] = []
        self.wrong: Final[list[str]] = []
        self.completed = 0
        self.naming_all = 0
        self._known: set[str] = set()
        self._scenario = scenario
        self._client = client
        self._emulator = emulator
        self._home = home
        self._first_run_id = ""

    async def run(self, *, points: Callable[[list[int]], list[int]] = lambda every: every) -> None:
        """Live the first life, and then one from each point.

        Args:
            points: Picks among the events that a run can be reset to.
        """
        name = self._scenario.name
        handle = await self._client.start_workflow(
            AGENT_RUN, self._scenario.request, id=name, task_queue=name
        )
        assert handle.result_run_id is not None
        self._first_run_id = handle.result_run_id
        await self._live(self._first_run_id)
        self.paid_at_first = self.paid
        history = await self._client.get_workflow_handle(name, run_id=self._first_run_id).fetch_history()
        every = [
            event.event_id
            for event in history.events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        ]
        for event_id in points(every):
            self.points.append(event_id)
            await self._live(await self._reset(event_id))

    @property
    def paid(self) -> list[str]:
        """All interactions of the run so far."""
        return paid_by(self._emulator)

    @property
    def out_of_sight(self) -> int:
        """How many interactions no life has named."""
        return len(set(self.paid) - self._known)

    async def asked_twice(self) -> int:
        """Return how many interactions ask what one before has asked, and follow the same."""
        asked = [await self._asked(interaction_id) for interaction_id in self.paid]
        return len(asked) - len(set(asked))

    async def _asked(self, interaction_id: str) -> str:
        document = await self._get(interaction_id)
        said = [
            step for step in document.get("steps", []) if step["type"] in ("user_input", "function_result")
        ]
        return json.dumps([document.get("previous_interaction_id"), said], sort_keys=True)

    async def _get(self, interaction_id: str) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=self._emulator.base_url, trust_env=False) as api:
            reply = await api.get(
                f"{_ANSWERS}/{interaction_id}",
                params={"include_input": "true"},
                headers={"x-goog-api-key": "emulator"},
            )
        document: dict[str, Any] = reply.raise_for_status().json()
        return document

    async def _reset(self, event_id: int) -> str:
        answer = await self._client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=WorkflowExecution(
                    workflow_id=self._scenario.name, run_id=self._first_run_id
                ),
                reason="chaos",
                workflow_task_finish_event_id=event_id,
                request_id=f"{self._scenario.name}-{event_id}",
                # As with `--reapply-exclude All`: the person decides anew, and otherwise.
                reset_reapply_exclude_types=[
                    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
                    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
                ],
            )
        )
        return answer.run_id

    async def _live(self, run_id: str) -> None:
        """Live one life to its end, and look whether it is as it has to be."""
        name = self._scenario.name
        life = Life(self._client, self._emulator, self._home, name, run_id, self._first_run_id)
        handle = self._client.get_workflow_handle(name, run_id=run_id, result_type=AgentRunResult)
        async with asyncio.timeout(_WITHIN_S):
            while (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
                with contextlib.suppress(RPCError):  # it may have ended meanwhile
                    status = await handle.query("status", result_type=AgentRunStatus)
                    if status.phase in (Phase.AWAITING_APPROVAL, Phase.SUBMISSION_UNKNOWN):
                        await self._scenario.decide(life, status)
                await asyncio.sleep(_LOOK_EVERY_S)
            result = await handle.result()
        self.completed += result.phase is Phase.COMPLETED
        known = {*result.interaction_ids, *result.orphan_interaction_ids}
        self._known |= known
        says_so = any("was never learned" in note for note in result.notes)
        self.naming_all += len(set(self.paid) - known) <= says_so
        if why := await self._why_wrong(life, result):
            self.wrong.append(why)

    async def _why_wrong(self, life: Life, result: AgentRunResult) -> str | None:
        """Return in how far the answer is not the one that was asked for; None when it is."""
        documents = [await self._get(interaction_id) for interaction_id in result.interaction_ids]
        for before, after in itertools.pairwise(documents):
            if after.get("previous_interaction_id") != before["id"]:
                return f"{after['id']} does not follow {before['id']}"
        last = documents[-1]
        if last.get("agent_config", {}).get("collaborative_planning"):
            return f"{last['id']} is a plan"
        said = await self._asked(last["id"])
        if "decide_tool_call" in life.decided and ("denied" in said) is not life.is_first:
            return f"{last['id']} was told of another decision"
        return None


@contextlib.asynccontextmanager
async def sweeping(home: Path, scenarios: Sequence[Scenario] = SCENARIOS) -> AsyncIterator[list[Sweep]]:
    """Run a server, and for each scenario a worker and an API of its own."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_dev_server(db_file=home / "temporal.db"))
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        sweeps = []
        for scenario in scenarios:
            own = home / scenario.name
            own.mkdir()
            emulator = stack.enter_context(EmulatorServer(time_scale=_TIME_SCALE))
            queue = {"LONGHAUL_TASK_QUEUE": scenario.name, "LONGHAUL_TOOLS": "examples.weather"}
            stack.enter_context(worker_of(server, emulator, home=own, **queue))
            sweeps.append(Sweep(scenario, client, emulator=emulator, home=own))
        yield sweeps


async def resets(home: Path) -> Table:
    """Reset runs to every event that they can be reset to, each time with another decision."""
    began_s = time.monotonic()
    make_home(home)
    table = Table("`temporal workflow reset` to every event of a run, with another decision after it")
    table.head(
        "run", "resets", "completed", "wrong answers", "paid in the first life", "paid after it",
        "paid twice by resets", "lives that name all of it", "out of sight",
    )  # fmt: skip
    async with sweeping(home) as sweeps:
        await asyncio.gather(*(sweep.run() for sweep in sweeps))
        for scenario, sweep in zip(SCENARIOS, sweeps, strict=True):
            # The person has sent the lost submission a second time, in the first life.
            by_resets = await sweep.asked_twice() - (scenario.name == "reset-held")
            lives = len(sweep.points) + 1
            table.row(
                scenario.what,
                len(sweep.points),
                f"{sweep.completed} of {lives}",
                len(sweep.wrong),
                len(sweep.paid_at_first),
                len(sweep.paid) - len(sweep.paid_at_first),
                by_resets,
                f"{sweep.naming_all} of {lives}",
                sweep.out_of_sight,
            )
            for why in sweep.wrong:
                table.note(f"{scenario.name}: {why}")
            table.check(sweep.completed == lives and not sweep.wrong)
            table.check(by_resets == 0 and sweep.out_of_sight == 0)
    table.note("A life that is reset to after its last settling names what was known; the others, the rest.")
    table.note(f"{time.monotonic() - began_s:.0f} s")
    return table
