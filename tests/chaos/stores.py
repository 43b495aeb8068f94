"""Workers of one task queue that do not have the same artifact store, and a store that lies."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.journal import SendingRecord
from runs.messages import DEFAULT_AGENT, AgentRunRequest
from runs.phase import Phase
from starter.runs import look_at_run, notify_run, start_run
from starter.views import RunView
from tests.chaos.ledger import paid_interactions
from tests.chaos.sections import TIME_SCALE, make_home
from tests.chaos.table import Table
from tests.chaos.trial import known_to
from tests.chaos.waiting import holds
from tests.dev_server import DevServer, running_dev_server
from tests.e2e.stack import WorkerProcess, worker_of
from tests.emulator_server import EmulatorServer

_INTO_POST_S: Final = 2.0
"""How long the POST is out when its worker dies. By then the API has accepted it."""

_POST: Final = "fault=delay-after delay_s=20 times=1"

_FROZEN_S: Final = 25.0
"""Longer than the heartbeat time-out of a submission and than its answer takes."""

_KNOWN_WITHIN_S: Final = 240.0
"""A lost submission is noticed after ten seconds and held after two minutes more; the rest is slack."""

_NEWS_WITHIN_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class _Case:
    """A way in which the second worker's store is not the first one's.

    Attributes:
        name: Of the run and its task queue.
        what: For the table.
        store: The second worker's, as `LONGHAUL_ARTIFACTS_URL`; empty for the first one's.
        between: Done to the first store between the workers; also given how it was before the submission.
        is_frozen: Whether the first worker is not killed but stopped for a while.
        outcome: What is to become of the submission before anybody brings news.
        paid: How often it is paid for.
        says: What has to be in the problem that the run shows.
    """

    name: str
    what: str
    store: str = ""
    between: Callable[[Path, Path], None] = lambda _store, _before: None
    is_frozen: bool = False
    outcome: Phase = Phase.SUBMISSION_UNKNOWN
    paid: int = 1
    says: str = ""


def _restore(store: Path, before: Path) -> None:
    shutil.rmtree(store)
    before.rename(store)


def _forget_claim(store: Path, _: Path) -> None:
    """Leave what a backup has that was taken in the milliseconds between the last record and the claim."""
    (record,) = store.rglob("submission-1.sending.json")
    record.unlink()


_NAMES_BOTH: Final = "its journal is in store"

_CASES: Final = (
    _Case(name="same", what="the same store"),
    _Case(name="other", what="another machine's ~/.longhaul", store="{home}/elsewhere", says=_NAMES_BOTH),
    _Case(name="memory", what="memory://", store="memory://", says=_NAMES_BOTH),
    _Case(
        name="frozen",
        what="another's, and the first worker only slept",
        store="{home}/elsewhere",
        is_frozen=True,
        outcome=Phase.COMPLETED,
    ),
    _Case(
        name="restored",
        what="the same, restored from a backup of before",
        between=_restore,
        says="was it restored from a backup?",
    ),
    _Case(
        name="gap",
        what="the same, restored from a backup of the very milliseconds before the claim",
        between=_forget_claim,
        outcome=Phase.RUNNING,
        paid=2,
    ),
)


async def stores(home: Path) -> Table:
    """Kill a worker in the middle of a submission and let one with another store clear up."""
    began_s = time.monotonic()
    make_home(home)
    table = Table("A worker killed 2 s into a slow POST; the next worker of its queue has …")
    table.head("store", "paid for", "duplicates", "becomes", "says why", "after news", "note", "out of sight")
    with (
        running_dev_server(db_file=home / "temporal.db") as server,
        EmulatorServer(time_scale=TIME_SCALE) as emulator,
    ):
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        ground = _Ground(client=client, server=server, emulator=emulator, home=home, turn=asyncio.Lock())
        trials = [_Trial(case, ground) for case in _CASES]
        for trial, (row, is_good) in zip(
            trials, await asyncio.gather(*(trial.run() for trial in trials)), strict=True
        ):
            table.row(*row)
            table.check(is_good)
            if not is_good:
                table.note(f"{trial.case.name}: {trial.problem}")
    table.note("The last row is what cannot be known: no store can tell that its newest file is missing.")
    table.note("The second shows once news of the first come by webhook: one of them is the run's orphan.")
    table.note(f"{time.monotonic() - began_s:.0f} s")
    return table


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What the cases share.

    Attributes:
        turn: Whose turn it is to start a worker: a dozen at once would take each other's time for it.
    """

    client: Client
    server: DevServer
    emulator: EmulatorServer
    home: Path
    turn: asyncio.Lock


class _Trial:
    """One case, on a task queue of its own."""

    def __init__(self, case: _Case, ground: _Ground) -> None:
        self.case = case
        self.problem: str | None = None
        self._ground = ground
        self._home = ground.home / case.name
        self._home.mkdir()
        self._first = self._worker("first", "")
        self._second = self._worker("second", case.store)

    def _worker(self, name: str, store: str) -> WorkerProcess:
        folder = self._home / name
        folder.mkdir()
        return worker_of(
            self._ground.server,
            self._ground.emulator,
            home=folder,
            LONGHAUL_TASK_QUEUE=self.case.name,
            LONGHAUL_ARTIFACTS_URL=store.format(home=self._home) or str(self._store),
        )

    @property
    def _store(self) -> Path:
        return self._home / "store"

    async def run(self) -> tuple[tuple[object, ...], bool]:
        """Play the case, and return its row and whether all is as it has to be."""
        case = self.case
        with contextlib.ExitStack() as stack:
            stack.callback(self._first.kill)
            stack.callback(self._second.kill)
            token = await self._lose_a_submission()
            await holds(self._is_known, within_s=_KNOWN_WITHIN_S)
            before = await self._look()
            self.problem = before.problem
            (accepted, *_) = self._paid()
            if not before.phase.is_end:
                await notify_run(
                    self._ground.client, case.name, source="chaos", interaction_id=accepted, token=token
                )
            await holds(self._has_ended, within_s=_NEWS_WITHIN_S)
            after = await self._look()
        paid = self._paid()
        out_of_sight = len(set(paid) - known_to(after))
        notes = after.result.notes if after.result else ()
        says = case.says in (before.problem or "")
        row = (
            case.what,
            len(paid),
            len(paid) - 1,
            before.phase.value,
            "yes" if case.says and says else "-",
            after.phase.value,
            "which store has what" if any("settled into store" in note for note in notes) else "-",
            out_of_sight,
        )
        is_good = (
            (before.phase, len(paid), out_of_sight) == (case.outcome, case.paid, 0)
            and after.phase is Phase.COMPLETED
            and says
        )
        return row, is_good

    async def _lose_a_submission(self) -> str:
        """Leave a submission without its worker, start the next worker, and return the submission's token."""
        case = self.case
        await self._start(self._first)
        before = self._home / "before"
        shutil.copytree(self._store, before)
        directive = f"submission={case.name} duration_s=1200 {_POST}"
        request = AgentRunRequest(agent=DEFAULT_AGENT, input=f"Why? [[emulator {directive}]]")
        await start_run(self._ground.client, request, run_id=case.name, task_queue=case.name)
        await holds(lambda: bool(self._paid()), within_s=_NEWS_WITHIN_S, every_s=0.1)
        await asyncio.sleep(_INTO_POST_S)
        (record,) = self._store.rglob("submission-1.sending.json")
        token = SendingRecord.model_validate_json(record.read_bytes()).token
        if case.is_frozen:
            os.kill(self._first.pid, signal.SIGSTOP)
        else:
            self._first.kill()
        case.between(self._store, before)
        if case.is_frozen:
            # Counted from when it was stopped: its call has a minute, however long the other takes to start.
            await asyncio.gather(self._start(self._second), self._wake_later())
        else:
            await self._start(self._second)
        return token

    async def _wake_later(self) -> None:
        await asyncio.sleep(_FROZEN_S)
        os.kill(self._first.pid, signal.SIGCONT)

    async def _start(self, worker: WorkerProcess) -> None:
        async with self._ground.turn:
            await asyncio.to_thread(worker.start)

    def _paid(self) -> list[str]:
        return paid_interactions(self._ground.emulator, [self.case.name])[self.case.name]

    async def _look(self) -> RunView:
        return await look_at_run(self._ground.client, self.case.name)

    async def _is_known(self) -> bool:
        view = await self._look()
        return view.phase.is_end or view.phase in (Phase.SUBMISSION_UNKNOWN, self.case.outcome)

    async def _has_ended(self) -> bool:
        return (await self._look()).phase.is_end
