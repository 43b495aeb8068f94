"""How long a run is blind when its only worker is killed."""

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.sections import WITHIN_S, ground
from tests.chaos.table import Table
from tests.chaos.waiting import holds
from tests.emulator_server import EmulatorServer

_LONG_S = 36_000
"""Emulated length of a research that outlasts all kills: ten wall minutes."""

_SLOWEST_LOOK_S = 180.0
"""A worker killed in the middle of a look is given up after 75 s. The next look may come a minute later:
each look counts as an attempt, and the pause between attempts grows up to that."""


async def first_look(home: Path, *, seed: int, count: int = 7) -> Table:
    """Kill the only worker at random moments, start the next at once, and wait for its first look."""
    rng = random.Random(f"first look {seed}")  # noqa: S311 - repeatable bad luck, not secrets
    starts_s, looks_s = [], []
    table = Table("From SIGKILL of the only worker to the first look by the next one, started at once")
    async with ground(home, label="first-look", workers=1) as (longhaul, _):
        (worker,) = longhaul.victims()
        emulator = longhaul.emulator
        await longhaul.ask("blind", directive=f"duration_s={_LONG_S}")
        await holds(lambda: _looks(emulator) > 0, within_s=WITHIN_S)
        for _ in range(count):
            await asyncio.sleep(rng.uniform(1.0, 4.0))
            worker.kill()
            began_s = time.monotonic()
            before = _looks(emulator)
            starting = asyncio.create_task(asyncio.to_thread(worker.start))
            table.check(await holds(_is_seen(emulator, before), within_s=_SLOWEST_LOOK_S, every_s=0.01))
            looks_s.append(time.monotonic() - began_s)
            await starting
            starts_s.append(time.monotonic() - began_s)
    table.head("kills", "median", "fastest", "slowest", "median until the worker is ready")
    table.row(
        count,
        f"{statistics.median(looks_s):.1f} s",
        f"{min(looks_s):.1f} s",
        f"{max(looks_s):.1f} s",
        f"{statistics.median(starts_s):.1f} s",
    )
    return table


def _is_seen(emulator: EmulatorServer, before: int) -> Callable[[], bool]:
    return lambda: _looks(emulator) > before


def _looks(emulator: EmulatorServer) -> int:
    submissions = emulator.admin("GET", "/stats")["submissions"]
    return int(submissions["blind"]["looks"]) if "blind" in submissions else 0
