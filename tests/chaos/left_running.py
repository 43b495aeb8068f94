"""Workflows are terminated at any moment: what they left running is found, all of it, and stopped."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from temporalio.client import Client

from artifacts.store import ArtifactStore
from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from starter.orphans import ask_api, find_orphans, stop_orphans
from starter.views import Orphan
from tests.chaos.contenders import Longhaul
from tests.chaos.ledger import paid_interactions
from tests.chaos.sections import ground
from tests.chaos.table import Table
from tests.chaos.waiting import holds
from tests.emulator_server import EmulatorServer

_LONG_S: Final = 36_000
"""Emulated length of a research that ends only if somebody stops it."""

_LATEST_S: Final = 6.0
"""After its start, a run is terminated: before anybody has seen it, while it is submitted, or watched."""

_AT_ONCE: Final = 6
"""Runs at the same time, so that most come as far as that."""

_ANSWERS_WITHIN_S: Final = 30.0
"""By then every submission that was under way has its answer, and its record in the journal."""

_LISTED_WITHIN_S: Final = 30.0
"""Temporal's list is a second or two behind."""


async def left_running(home: Path, *, seed: int, count: int = 60) -> Table:
    """Start runs, terminate each at some moment, and look for what they paid for."""
    rng = random.Random(f"left running {seed}")  # noqa: S311 - repeatable bad luck, not secrets
    began_s = time.monotonic()
    async with ground(home, label="left-running") as (longhaul, _):
        client = longhaul.trial.client
        names = [f"left-{number}" for number in range(count)]
        gate = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(_start_and_terminate(longhaul, name, rng=rng, gate=gate) for name in names))
        emulator = longhaul.emulator

        async def all_are_listed() -> bool:
            query = "ExecutionStatus = 'Terminated'"
            return len([each async for each in client.list_workflows(query)]) == count

        is_whole = await holds(all_are_listed, within_s=_LISTED_WITHIN_S)
        await holds(lambda: not _unanswered(home), within_s=_ANSWERS_WITHIN_S)
        found = await _find(client, emulator, home=home)
        running = _running(emulator)
        named = {orphan.interaction_id for orphan in found if orphan.interaction_id}
        open_runs = {orphan.run_id for orphan in found if orphan.interaction_id is None}
        unnamed = {each: name for each, name in running.items() if each not in named}
        async with _api(emulator) as api:
            stopped = await stop_orphans(api, found)
        left = _running(emulator)
        paid = paid_interactions(emulator, names)
    table = Table(f"{count} runs, each terminated in Temporal at some moment; then `longhaul orphans`")
    table.head("what", "interactions")
    table.row("paid for", sum(map(len, paid.values())))
    table.row("running, and nobody watches", len(running))
    table.row("  named by `longhaul orphans`", len(running) - len(unnamed))
    table.row("  shown as a submission that nobody has named", sum(n in open_runs for n in unnamed.values()))
    table.row("  out of sight", sum(name not in open_runs for name in unnamed.values()))
    table.row("stopped by --cancel", sum(orphan.was_stopped is True for orphan in stopped))
    table.row("running after that, but for those that nobody has named", len(left.keys() - unnamed.keys()))
    table.row("duplicates", sum(max(0, len(ids) - 1) for ids in paid.values()))
    table.note(f"{time.monotonic() - began_s:.0f} s")
    table.check(set(unnamed.values()) <= open_runs)
    table.check(not left.keys() - unnamed.keys())
    table.check(all(len(ids) <= 1 for ids in paid.values()))
    table.check(is_whole and bool(running))
    return table


async def _start_and_terminate(
    longhaul: Longhaul, name: str, *, rng: random.Random, gate: asyncio.Semaphore
) -> None:
    fault = rng.choice(("", "", "fault=delay-before", "fault=delay-after", "fault=accepted-then-dropped"))
    delay = f"delay_s={rng.uniform(0.1, 3.0):.2f}" if "delay" in fault else ""
    after_s = rng.uniform(0.0, _LATEST_S)
    async with gate:
        await longhaul.trial.start(name, directive=f"duration_s={_LONG_S} {fault} {delay}", is_awaited=False)
        await asyncio.sleep(after_s)
        await longhaul.trial.client.get_workflow_handle(name).terminate("chaos")


async def _find(client: Client, emulator: EmulatorServer, *, home: Path) -> list[Orphan]:
    search = await find_orphans(client, store=ArtifactStore.open(str(home / "artifacts")))
    async with _api(emulator) as api:
        return await ask_api(api, search.orphans)


def _api(emulator: EmulatorServer) -> InteractionsClient:
    return InteractionsClient(ApiConfig(api_key=SecretStr("any"), base_url=emulator.base_url))


def _running(emulator: EmulatorServer) -> dict[str, str]:
    """Return the interactions that the API works on, and the run that each is of."""
    listed: list[dict[str, Any]] = emulator.admin("GET", "/interactions")["interactions"]
    return {each["id"]: each["submission"] for each in listed if each["status"] == "in_progress"}


def _unanswered(home: Path) -> bool:
    """Return whether a submission may still be under way: it is in the journal, and has no answer there."""
    folders = [path.parent for path in (home / "artifacts").glob("*/*/submission-1.sending.json")]
    return any(not (folder / "submission-1.accepted.json").exists() for folder in folders)
