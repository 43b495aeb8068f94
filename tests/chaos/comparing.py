"""The same bad luck for Longhaul and for the obvious ways to do without it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from temporalio.client import Client

from tests.chaos.contenders import Contender, Loop, Plugin, plugin_python, running
from tests.chaos.sections import TIME_SCALE, WITHIN_S, ground, make_home
from tests.chaos.storm import Storm, storm
from tests.chaos.table import Table
from tests.dev_server import running_dev_server
from tests.emulator_server import EmulatorServer

_PAUSE_S: Final = (1.0, 4.0)
"""Long enough for a process to answer something: a loop that is killed before answers nothing, and pays anew
for every open question each time it is started."""


def contenders(
    home: Path, *, label: str, rivals: bool = True
) -> Iterator[AbstractAsyncContextManager[Contender]]:
    """Return each contender, to be entered: on an emulator of its own, and running."""
    yield _longhaul(home / "longhaul", label=label)
    if rivals:
        yield _loop(home / "http", client="http")
        yield _loop(home / "sdk", client="sdk")
        yield _plugin(home / "plugin")


async def comparison(home: Path, *, seed: int, questions: int = 100, kills: int = 15) -> Table:
    """Kill the processes of each contender at random while they submit."""
    began_s = time.monotonic()
    async with AsyncExitStack() as stack:
        waits = []
        # One after the other, so that none is slowed down by another's restarts; what is left to wait for is
        # idle, and waited for together.
        for each in contenders(home, label="comparison"):
            contender = await stack.enter_async_context(each)
            rng = random.Random(f"comparison {seed}")  # noqa: S311 - repeatable bad luck, not secrets
            size = Storm(questions=questions, kills=kills, prefix="question", pause_s=_PAUSE_S)
            await storm(contender, size, rng=rng)
            waits.append((contender, asyncio.create_task(contender.finish(within_s=WITHIN_S))))
        table = Table(f"{questions} questions and {kills} kills with SIGKILL for each")
        table.head("who", "answered", "interactions paid for", "duplicates", "paid and out of sight")
        for contender, wait in waits:
            ledger = await wait
            table.row(
                contender.name,
                f"{ledger.answered} of {ledger.questions}",
                ledger.paid,
                ledger.duplicates,
                ledger.out_of_sight,
            )
            if contender.name == "Longhaul":
                table.check(ledger.duplicates == 0 and ledger.out_of_sight == 0)
                table.check(ledger.answered == questions)
    table.note(f"{time.monotonic() - began_s:.0f} s")
    return table


@asynccontextmanager
async def _longhaul(home: Path, *, label: str) -> AsyncIterator[Contender]:
    async with ground(home, label=label) as (longhaul, _):
        yield longhaul


@asynccontextmanager
async def _loop(home: Path, *, client: str) -> AsyncIterator[Contender]:
    make_home(home)
    with EmulatorServer(time_scale=TIME_SCALE) as emulator:
        loop = Loop(emulator, client=client, home=home)
        async with running(loop.victims()):
            yield loop


@asynccontextmanager
async def _plugin(home: Path) -> AsyncIterator[Contender]:
    python = await asyncio.to_thread(plugin_python)
    make_home(home)
    with (
        running_dev_server(db_file=home / "temporal.db") as server,
        EmulatorServer(time_scale=TIME_SCALE) as emulator,
    ):
        client = await Client.connect(server.address)
        plugin = Plugin(client, server=server, emulator=emulator, home=home, python=python)
        async with running(plugin.victims()):
            yield plugin
