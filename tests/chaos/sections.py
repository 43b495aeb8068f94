"""The sections of ``make chaos``."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.chaos.contenders import Longhaul, longhaul_on, running
from tests.chaos.ledger import Ledger
from tests.chaos.storm import Moments, Storm, storm
from tests.chaos.table import Table
from tests.dev_server import DevServer, running_dev_server
from tests.emulator_server import EmulatorServer

TIME_SCALE: Final = 60.0
"""A research of two minutes takes two seconds."""

WITHIN_S: Final = 300.0
"""A lost submission is noticed after ten seconds and held after two minutes more; the rest is slack."""


@contextlib.asynccontextmanager
async def ground(home: Path, *, label: str, workers: int = 2) -> AsyncIterator[tuple[Longhaul, DevServer]]:
    """Run Longhaul on a server with a file and an emulator, all of its own."""
    make_home(home)
    with (
        running_dev_server(db_file=home / "temporal.db") as server,
        EmulatorServer(time_scale=TIME_SCALE) as emulator,
    ):
        longhaul = await longhaul_on(server, emulator, home=home, label=label, workers=workers)
        async with running(longhaul.victims()):
            yield longhaul, server


def make_home(home: Path) -> None:
    """Make the folder of one trial."""
    home.mkdir(parents=True)


async def kills(home: Path, *, seed: int, questions: int = 200, count: int = 48) -> Table:
    """Kill workers while they submit."""
    rng = random.Random(f"kills {seed}")  # noqa: S311 - repeatable bad luck, not secrets
    began_s = time.monotonic()
    async with ground(home, label="kills") as (longhaul, _):
        moments = await storm(
            longhaul, Storm(questions=questions, kills=count, prefix="kill"), rng=rng, moments=Moments(home)
        )
        ledger = await longhaul.finish(within_s=WITHIN_S)
    table = books(
        f"{questions} submissions, two workers, {moments.total()} kills with SIGKILL",
        ledger,
        longhaul.trial.journeys,
        began_s=began_s,
    )
    for moment in sorted(moments):
        table.row(f"  kills: {moment}", moments[moment])
    return table


def books(title: str, ledger: Ledger, journeys: Counter[str], *, began_s: float) -> Table:
    """Return the table of a trial of Longhaul, which has to have answered everything and paid once each."""
    table = Table(title)
    table.head("what", "runs")
    table.row("submissions", ledger.questions)
    table.row("interactions paid for", ledger.paid)
    table.row("duplicates", ledger.duplicates)
    table.row("lost from sight", ledger.out_of_sight)
    table.row("completed", ledger.answered)
    for journey in sorted(journeys):
        table.row(f"  {journey}", journeys[journey])
    table.note(f"{time.monotonic() - began_s:.0f} s")
    table.check(ledger.duplicates == 0 and ledger.out_of_sight == 0 and ledger.answered == ledger.questions)
    return table
