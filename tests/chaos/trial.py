"""Runs of Longhaul under bad luck: starting them, waiting them out, resolving what is held, counting."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from activities.journal import SendingRecord
from runs.budget import Budget
from runs.messages import DEFAULT_AGENT, AgentRunRequest, Recovered, Resolution, ResolveSubmission
from runs.phase import Phase
from runs.places import artifacts_prefix
from starter.errors import RunStillRunning, TemporalError
from starter.runs import list_runs, look_at_run, notify_run, resolve_run, start_run
from starter.views import RunView
from tests.chaos.ledger import Ledger, close, paid_interactions
from tests.chaos.waiting import holds
from tests.emulator_server import EmulatorServer

_MAX_RUNS: Final = 1_000
"""More than any trial starts."""

_RECOVERY: Final = "recover_submission"
"""The activity that reads the journal after a crash."""

_LOOK_EVERY_S: Final = 0.5
"""Temporal's list is a second behind anyway."""

_RESOLVE_WITHIN_S: Final = 30.0
"""A worker is there and idle by then; its first task after a crash may wait ten seconds for a dead one."""

_ROUNDS: Final = 5
"""A question that is sent again may meet bad luck again; more often than this would be a fault of its own."""


class Trial:
    """Some runs, each counted by the emulator under its own id.

    Args:
        client: Of the server, past any proxy.
        emulator: Which counts.
        home: The workers' home, where the journals are.
        label: Tells these runs from those of another trial on the same server.
    """

    def __init__(self, client: Client, *, emulator: EmulatorServer, home: Path, label: str) -> None:
        self.client: Final = client
        self.emulator: Final = emulator
        self.journeys: Final[Counter[str]] = Counter()
        self.held: Final[set[str]] = set()
        self.names: Final[list[str]] = []
        self._awaited: list[str] = []
        self._home = home
        self._label = label

    async def start(
        self,
        name: str,
        *,
        directive: str,
        deadline_s: float = 900.0,
        is_awaited: bool = True,
        budget: Budget | None = None,
    ) -> None:
        """Start one run, however often the server has to be asked.

        Args:
            name: The run's id, and the submission's.
            directive: For the emulator.
            deadline_s: Of the run.
            is_awaited: Whether `wait` waits for it.
            budget: Of the run.
        """
        request = AgentRunRequest(
            agent=DEFAULT_AGENT,
            input=f"Why is black tea astringent? [[emulator submission={name} {directive}]]",
            labels=(self._label,),
            deadline_s=deadline_s,
            budget=budget,
        )
        self.names.append(name)
        if is_awaited:
            self._awaited.append(name)
        await _persist(lambda: start_run(self.client, request, run_id=name))

    async def wait(self, *, within_s: float, is_doubt_enough: bool = False) -> None:
        """Wait until every run has ended or is held.

        Args:
            within_s: How long at the most.
            is_doubt_enough: Whether not to wait for what takes two minutes: a run that is still finding out
                what became of its submission then counts as held.

        Raises:
            TimeoutError: Some have not; they are named.
        """
        give_up_at = time.monotonic() + within_s
        while True:
            phases = await self._phases()
            self.held.update(name for name, phase in phases.items() if phase is Phase.SUBMISSION_UNKNOWN)
            if is_doubt_enough:
                requested = [name for name, phase in phases.items() if phase is Phase.REQUESTED]
                in_doubt = {name for name in requested if await self._is_finding_out(name)}
                phases |= dict.fromkeys(in_doubt, Phase.SUBMISSION_UNKNOWN)
            under_way = {
                name: phases.get(name)
                for name in self._awaited
                if name not in phases or not (phases[name].is_end or phases[name] is Phase.SUBMISSION_UNKNOWN)
            }
            if not under_way:
                return
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"after {within_s:g} s still under way: {under_way}")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def resolve(self, *, within_s: float, is_doubt_enough: bool = False) -> None:
        """Resolve what is held, as a webhook and a person would, until nothing is.

        News for what the emulator took, a new submission for what it did not. Counted in ``journeys``.
        """
        for _ in range(_ROUNDS):
            held = [
                name for name, phase in (await self._phases()).items() if phase is Phase.SUBMISSION_UNKNOWN
            ]
            if not held:
                return
            paid = paid_interactions(self.emulator, held)
            for name in held:
                await self._resolve(name, paid[name])
            await self.wait(within_s=within_s, is_doubt_enough=is_doubt_enough)

    async def _resolve(self, name: str, paid: list[str]) -> None:
        view = await look_at_run(self.client, name)
        unclaimed = set(paid) - known_to(view)
        if unclaimed:
            self.journeys["resolved by news"] += 1
            token = await self._token(name)
            await notify_run(self.client, name, source="chaos", interaction_id=unclaimed.pop(), token=token)
        else:
            self.journeys["resolved by a person"] += 1
            await _persist(
                lambda: resolve_run(
                    self.client,
                    name,
                    ResolveSubmission(resolution=Resolution.RESUBMIT),
                    wait_timeout_s=_RESOLVE_WITHIN_S,
                )
            )

        async def has_moved_on() -> bool:
            return (await self._phases()).get(name) is not Phase.SUBMISSION_UNKNOWN

        # Temporal's list is behind by a second; else the next round would resolve it again.
        await holds(has_moved_on, within_s=_RESOLVE_WITHIN_S)

    async def tell(self, name: str, interaction_id: str, *, number: int) -> None:
        """Bring news of a run's submission, as its webhook would."""
        token = await self._token(name, number=number)
        await notify_run(self.client, name, source="chaos", interaction_id=interaction_id, token=token)

    async def _token(self, name: str, *, number: int | None = None) -> str:
        """Return the token of a run's submission, as its journal has it; of the last one without a number."""
        description = await self.client.get_workflow_handle(name).describe()
        folder = self._home / "artifacts" / artifacts_prefix(workflow_id=name, run_id=description.run_id)
        records = {
            int(found[1]): path
            for path in folder.iterdir()
            if (found := re.fullmatch(r"submission-(\d+)\.sending\.json", path.name))
        }
        return SendingRecord.model_validate_json(records[number or max(records)].read_bytes()).token

    async def close(self) -> Ledger:
        """Close the books; ``journeys`` then says how submissions whose worker was lost were recovered."""
        paid = paid_interactions(self.emulator, self.names)
        known, answered, waiting = {}, 0, []
        for name in self.names:
            view = await look_at_run(self.client, name)
            known[name] = known_to(view)
            answered += view.phase is Phase.COMPLETED
            if view.phase is Phase.SUBMISSION_UNKNOWN or await self._is_finding_out(name):
                waiting.append(name)
            self.journeys.update(await self._recoveries(name))
        return close(paid, known=known, answered=answered, waiting=waiting)

    async def _recoveries(self, name: str) -> Iterable[str]:
        handle: WorkflowHandle[Any, Any] = self.client.get_workflow_handle(name)
        scheduled: dict[int, str] = {}
        journeys = []
        async for event in handle.fetch_history_events():
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                attributes = event.activity_task_scheduled_event_attributes
                scheduled[event.event_id] = attributes.activity_type.name
            elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                if scheduled[completed.scheduled_event_id] == _RECOVERY:
                    payloads = list(completed.result.payloads)
                    (found,) = await self.client.data_converter.decode(payloads, [Recovered])
                    journeys.append(_journey(found))
        return journeys

    async def _is_finding_out(self, name: str) -> bool:
        description = await self.client.get_workflow_handle(name).describe()
        pending = description.raw_description.pending_activities
        return any(each.activity_type.name == _RECOVERY for each in pending)

    async def _phases(self) -> dict[str, Phase]:
        try:
            rows = await list_runs(self.client, label=self._label, limit=_MAX_RUNS)
        except TemporalError:
            return {}
        return {row.run_id: row.phase for row in rows if isinstance(row.phase, Phase)}


def known_to(view: RunView) -> set[str]:
    """Return the interactions that a run knows of."""
    known = {view.interaction_id} if view.interaction_id else set()
    if view.result is not None:
        known |= {*view.result.interaction_ids, *view.result.orphan_interaction_ids}
    return known


def _journey(found: Recovered) -> str:
    if not found.was_sent:
        return "not sent, sent again"
    return "held as unknown" if found.interaction_id is None else "adopted from the journal"


async def _persist(send: Any) -> None:
    """Do what a caller does whose server is away: ask again, which none of these calls minds."""
    async with asyncio.timeout(60):
        while True:
            try:
                await send()
            except (TemporalError, RunStillRunning):
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                return
