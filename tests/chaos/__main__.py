"""``python -m tests.chaos``: all the bad luck there is, as tables. Ends with 1 if a promise was broken."""

import argparse
import asyncio
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from temporalio.runtime import Runtime, TelemetryConfig

from tests.chaos.comparing import comparison
from tests.chaos.first_look import first_look
from tests.chaos.left_running import left_running
from tests.chaos.lying import lying_store
from tests.chaos.matrix import matrix
from tests.chaos.outages import bad_network, server_kills
from tests.chaos.parents import parents
from tests.chaos.poison import poison
from tests.chaos.resets import resets
from tests.chaos.sections import kills
from tests.chaos.stores import stores
from tests.chaos.table import Table
from tests.chaos.words import statuses
from tests.chaos.wrong_bodies import wrong_bodies

Section = Callable[[Path, int], Awaitable[Table]]

_SECTIONS: Final[dict[str, Section]] = {
    "kills": lambda home, seed: kills(home, seed=seed),
    "server": lambda home, seed: server_kills(home, seed=seed),
    "network": lambda home, seed: bad_network(home, seed=seed),
    "faults": lambda home, _: matrix(home),
    "comparison": lambda home, seed: comparison(home, seed=seed),
    "statuses": lambda home, _: statuses(home),
    "wrong-bodies": lambda home, _: wrong_bodies(home),
    "stores": lambda home, _: stores(home),
    "lying-store": lambda home, _: lying_store(home),
    "resets": lambda home, _: resets(home),
    "parents": lambda home, _: parents(home),
    "left-running": lambda home, seed: left_running(home, seed=seed),
    "poison": lambda home, _: poison(home),
    "first-look": lambda home, seed: first_look(home, seed=seed),
}


_TOGETHER: Final = (
    ("kills", "stores"),
    ("server", "faults"),
    ("network", "lying-store"),
    ("resets",),
    ("poison",),
    ("statuses",),
    ("wrong-bodies",),
    ("comparison",),
    ("parents", "left-running"),
    ("first-look",),
)
"""Groups in order. Most faults are time-outs to be waited for, so there is room beside them."""


async def _run(names: Collection[str], seed: int) -> bool:
    is_good = True
    for group in _TOGETHER:
        tables = await asyncio.gather(*(_try(name, seed) for name in group if name in names))
        is_good = is_good and all(table.is_good for table in tables)
    return is_good


async def _try(name: str, seed: int) -> Table:
    with tempfile.TemporaryDirectory(prefix=f"chaos-{name}-", ignore_cleanup_errors=True) as folder:
        table = await _SECTIONS[name](Path(folder) / "home", seed)
    print(table, flush=True)  # noqa: T201 - the product of this program
    return table


def main() -> None:
    """Run the sections and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(_SECTIONS))
    seed = random.randrange(10_000)  # noqa: S311 - repeatable bad luck, not secrets
    parser.add_argument("--seed", type=int, default=seed, help="repeats the same bad luck")
    options = parser.parse_args()
    unknown = set(options.sections) - _SECTIONS.keys()
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    began_s = time.monotonic()
    print(  # noqa: T201 - as below
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"seed {options.seed}",
        flush=True,
    )
    # Servers are killed and networks cut on purpose; the client's core would tell of each.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))
    is_good = asyncio.run(_run(options.sections or list(_SECTIONS), options.seed))
    print(f"\n{time.monotonic() - began_s:.0f} s in all")  # noqa: T201 - as above
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
