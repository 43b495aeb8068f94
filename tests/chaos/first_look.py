"""How long a run is blind when its only worker is killed."""

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client

from starter.executions import describe
from tests.chaos.contenders import Longhaul, Victim
from tests.chaos.sections import WITHIN_S, ground
from tests.chaos.table import Table
from tests.chaos.waiting import holds
from tests.emulator_server import EmulatorServer

_LONG_S = 36_000
"""Emulated length of a research that outlasts all kills: ten wall minutes."""

_BLIND_FOR_S = 5.0
"""How long at the most after the next worker is ready. A look is due again after its heartbeat time-out and a
pause, five seconds in all, and the worker has taken at least one of them to come up."""

_SLOWEST_LOOK_S = 180.0
"""When a look is waited for no longer."""


async def first_look(home: Path, *, seed: int, count: int = 20) -> Table:
    """Kill the only worker, between looks and in the middle of one; wait for the next one's first look."""
    rng = random.Random(f"first look {seed}")  # noqa: S311 - repeatable bad luck, not secrets
    table = Table("From SIGKILL of the only worker to the first look by the next one, started at once")
    table.head(
        "killed", "kills", "look due: median", "slowest", "worker ready", "looked after that", "slowest"
    )
    async with ground(home, label="first-look", workers=1) as (longhaul, _):
        await longhaul.ask("blind", directive=f"duration_s={_LONG_S}")
        table.check(await holds(lambda: _looks(longhaul.emulator) > 0, within_s=WITHIN_S))
        for moment, wait in (("at any moment", _any_moment), ("in the middle of a look", _middle_of_a_look)):
            kills = []
            for _ in range(count):
                await wait(longhaul.emulator, rng)
                kills.append(await _kill(longhaul, table))
            due_s = [kill.due_s for kill in kills]
            after_s = [kill.after_ready_s for kill in kills]
            table.check(max(after_s) <= _BLIND_FOR_S)
            table.row(
                moment,
                count,
                f"{statistics.median(due_s):.1f} s",
                f"{max(due_s):.1f} s",
                f"{statistics.median(kill.ready_s for kill in kills):.1f} s",
                f"{statistics.median(after_s):.1f} s",
                f"{max(after_s):.1f} s",
            )
    table.note(f"promised: within {_BLIND_FOR_S:g} s of the next worker being ready")
    return table


async def _any_moment(_: EmulatorServer, rng: random.Random) -> None:
    """Wait for a moment that has nothing to do with looks; with one a second it is mostly between two."""
    await asyncio.sleep(rng.uniform(1.0, 4.0))


async def _middle_of_a_look(emulator: EmulatorServer, rng: random.Random) -> None:
    """Wait until a look has been taken to which no answer comes, and then a little."""
    before = _looks(emulator)
    emulator.set_faults("get-hang")
    await holds(_is_seen(emulator, before), within_s=WITHIN_S, every_s=0.01)
    # Beyond the first beat at times, before it at others.
    await asyncio.sleep(rng.uniform(0.0, 3.0))


@dataclass(frozen=True)
class _Blindness:
    """What came of one kill, in seconds after it.

    Attributes:
        due_s: When the next look was due at the server, whoever would take it.
        ready_s: When the next worker was ready, which is the machine's matter.
        looked_s: When it looked.
    """

    due_s: float
    ready_s: float
    looked_s: float

    @property
    def after_ready_s(self) -> float:
        """How long the run was blind once there was somebody to look."""
        return max(0.0, self.looked_s - self.ready_s)


async def _kill(longhaul: Longhaul, table: Table) -> _Blindness:
    (worker,) = longhaul.victims()
    worker.kill()
    began_s = time.monotonic()
    longhaul.emulator.set_faults()
    before = _looks(longhaul.emulator)
    ready = asyncio.create_task(asyncio.to_thread(_start, worker))
    due = asyncio.create_task(_due(longhaul.trial.client))
    table.check(await holds(_is_seen(longhaul.emulator, before), within_s=_SLOWEST_LOOK_S, every_s=0.01))
    looked_s = time.monotonic()
    # What is over before it was seen to be due was due at the latest then.
    due_s = due.result() if due.done() else looked_s
    due.cancel()
    return _Blindness(due_s - began_s, await ready - began_s, looked_s - began_s)


def _start(worker: Victim) -> float:
    worker.start()
    return time.monotonic()


async def _due(client: Client) -> float:
    """Wait until a worker could have the next look."""

    async def is_due() -> bool:
        description = await describe(client, "blind")
        return any(
            pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
            and pending.scheduled_time.ToDatetime(tzinfo=UTC) <= datetime.now(UTC)
            for pending in description.raw_description.pending_activities
        )

    await holds(is_due, within_s=_SLOWEST_LOOK_S, every_s=0.02)
    return time.monotonic()


def _is_seen(emulator: EmulatorServer, before: int) -> Callable[[], bool]:
    return lambda: _looks(emulator) > before


def _looks(emulator: EmulatorServer) -> int:
    submissions = emulator.admin("GET", "/stats")["submissions"]
    return int(submissions["blind"]["looks"]) if "blind" in submissions else 0
