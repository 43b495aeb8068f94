"""What surrounds the workers fails: the Temporal server, the network to it, the network to the API."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.chaos.contenders import Longhaul, longhaul_on, running
from tests.chaos.ledger import Ledger
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.sections import TIME_SCALE, WITHIN_S, books, ground, make_home
from tests.chaos.storm import fortunes
from tests.chaos.table import Table
from tests.dev_server import DevServer, running_dev_server
from tests.emulator_server import EmulatorServer

_SERVER_UP_S: Final = (2.0, 6.0)
_SERVER_DOWN_S: Final = (0.0, 4.0)
"""How long the server runs and is away between two kills."""

_BAD_MODES: Final = (Mode.STALL, Mode.RESET, Mode.TRUNCATE)

_LONG_STALL_S: Final = 14.0
"""Longer than the heartbeat time-out of a submission, so that the server gives its worker up."""


async def server_kills(home: Path, *, seed: int, questions: int = 100, count: int = 5) -> Table:
    """Kill the Temporal server and start it on the same file."""
    rng = random.Random(f"server {seed}")  # noqa: S311 - repeatable bad luck, not secrets
    began_s = time.monotonic()
    async with ground(home, label="server") as (longhaul, server):
        ledger = await outlive(longhaul, server, rng=rng, questions=questions, count=count)
    return books(
        f"{questions} submissions, the Temporal server killed {count} times and restarted on its file",
        ledger,
        longhaul.trial.journeys,
        began_s=began_s,
    )


async def outlive(
    longhaul: Longhaul, server: DevServer, *, rng: random.Random, questions: int, count: int
) -> Ledger:
    """Hand in questions while the server is killed ``count`` times, and close the books."""

    async def kill() -> None:
        for _ in range(count):
            await asyncio.sleep(rng.uniform(*_SERVER_UP_S))
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(rng.uniform(*_SERVER_DOWN_S))
            await asyncio.to_thread(server.start)

    killing = asyncio.create_task(kill())
    for number, directive in enumerate(fortunes(rng, questions)):
        await longhaul.ask(f"server-{number}", directive=directive)
        await asyncio.sleep(rng.uniform(0.0, 0.5))
    await killing
    return await longhaul.finish(within_s=WITHIN_S)


async def bad_network(home: Path, *, seed: int, questions: int = 100, lasts_s: float = 60.0) -> Table:
    """Spoil the network between worker and API, and between worker and Temporal."""
    rng = random.Random(f"network {seed}")  # noqa: S311 - repeatable bad luck, not secrets
    began_s = time.monotonic()
    async with behind_proxies(home) as (longhaul, proxies):
        moods = await swallow(longhaul, proxies, rng=rng, questions=questions, lasts_s=lasts_s)
        ledger = await longhaul.finish(within_s=WITHIN_S)
    table = books(
        f"{questions} submissions over a network that stalls, resets and truncates for {lasts_s:.0f} s",
        ledger,
        longhaul.trial.journeys,
        began_s=began_s,
    )
    for mood in sorted(moods):
        table.row(f"  {mood}", moods[mood])
    return table


async def swallow(
    longhaul: Longhaul, proxies: dict[str, Proxy], *, rng: random.Random, questions: int, lasts_s: float
) -> Counter[str]:
    """Hand in questions while the network is bad; return how often it was bad in which way."""
    moods: Counter[str] = Counter()
    spoiling = [
        asyncio.create_task(
            _spoil(proxy, rng=random.Random(rng.random()), lasts_s=lasts_s, name=name, moods=moods)  # noqa: S311 - as above
        )
        for name, proxy in proxies.items()
    ]
    for number, directive in enumerate(fortunes(rng, questions)):
        await longhaul.ask(f"network-{number}", directive=directive)
        await asyncio.sleep(lasts_s / questions)
    await asyncio.gather(*spoiling)
    return moods


@asynccontextmanager
async def behind_proxies(home: Path, *, workers: int = 2) -> AsyncIterator[tuple[Longhaul, dict[str, Proxy]]]:
    """Run Longhaul with a proxy before its API and one before its Temporal; see `longhaul_on`."""
    make_home(home)
    with (
        running_dev_server(db_file=home / "temporal.db") as server,
        EmulatorServer(time_scale=TIME_SCALE) as emulator,
    ):
        async with Proxy(emulator.port) as to_api, Proxy(server.port) as to_temporal:
            longhaul = await longhaul_on(
                server,
                emulator,
                home=home,
                label="network",
                workers=workers,
                LONGHAUL_API_BASE_URL=f"http://127.0.0.1:{to_api.port}",
                TEMPORAL_ADDRESS=f"127.0.0.1:{to_temporal.port}",
            )
            async with running(longhaul.victims()):
                yield longhaul, {"API": to_api, "Temporal": to_temporal}


async def _spoil(proxy: Proxy, *, rng: random.Random, lasts_s: float, name: str, moods: Counter[str]) -> None:
    until = time.monotonic() + lasts_s
    while time.monotonic() < until:
        proxy.switch(Mode.PASS)
        await asyncio.sleep(rng.uniform(0.5, 3.0))
        mode = rng.choice(_BAD_MODES)
        is_long = mode is Mode.STALL and rng.random() < 0.3
        proxy.switch(mode, after_bytes=rng.randrange(2_000))
        moods[f"{name}: {'long stall' if is_long else mode}"] += 1
        await asyncio.sleep(_LONG_STALL_S if is_long else rng.uniform(0.1, 2.0))
    proxy.switch(Mode.PASS)
