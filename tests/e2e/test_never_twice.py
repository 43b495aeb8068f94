"""The promise in small: no crash, time-out or retry pays twice, and nothing paid is out of sight.

`make chaos` is the same in large, and waits out what takes minutes.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.contenders import Longhaul
from tests.chaos.outages import behind_proxies, outlive, swallow
from tests.chaos.storm import Moments, Storm, storm
from tests.chaos.trial import Trial
from tests.e2e.stack import Stack, running_stack

_FAULTS: Final = (
    "429",
    "500-before",
    "500-after",
    "503-after",
    "502-html",
    "accepted-then-dropped",
    "html",
    "cut-body",
    "rpc-error",
)
"""Those of the creates that show within seconds; the others only differ in how long they take."""

pytestmark = pytest.mark.timeout(240)
"""On two idle cores the whole module takes less than one minute; on busy ones a worker alone takes 20 s."""

_WITHIN_S: Final = 120.0
"""Ten seconds until a dead worker is missed, some for the runs; the rest is for a busy machine."""


@pytest.fixture(scope="module")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for this module."""
    with running_stack(tmp_path_factory.mktemp("never-twice")) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The stack, all of it running, whatever the test before did to it."""
    shared_stack.mend()
    yield shared_stack
    shared_stack.worker.show_news()


async def longhaul_on(stack: Stack, *, label: str) -> Longhaul:
    """Longhaul on the stack, with runs of its own."""
    trial = Trial(await stack.client(), emulator=stack.emulator, home=stack.home, label=label)
    longhaul = Longhaul(trial, [stack.worker])
    longhaul.is_doubt_enough = True
    return longhaul


def lucky(seed: int) -> random.Random:
    """Bad luck that repeats itself."""
    return random.Random(seed)  # noqa: S311 - no secrets


async def test_killed_workers_neither_pay_twice_nor_lose_anything(stack: Stack) -> None:
    """Of submissions whose worker is killed, each is paid for once, and known to its run or in doubt."""
    longhaul = await longhaul_on(stack, label="kills")
    size = Storm(questions=12, kills=3, prefix="kill")
    await storm(longhaul, size, rng=lucky(1), moments=Moments(stack.home))
    ledger = await longhaul.finish(within_s=_WITHIN_S)
    # Started by a thread of this test's loop, it would be killed with that thread, in the next test.
    stack.worker.kill()
    assert (ledger.questions, ledger.duplicates, ledger.out_of_sight) == (12, 0, 0)
    assert ledger.answered > 0


async def test_no_fault_of_the_api_pays_twice(stack: Stack) -> None:
    """Before acceptance or after, whatever the API does instead of answering, one interaction is paid for."""
    longhaul = await longhaul_on(stack, label="faults")
    for fault in _FAULTS:
        await longhaul.ask(f"fault-{fault}", directive=f"duration_s=60 fault={fault}")
    ledger = await longhaul.finish(within_s=_WITHIN_S)
    assert (ledger.answered, ledger.paid, ledger.duplicates) == (len(_FAULTS), len(_FAULTS), 0)


async def test_a_killed_server_pays_nothing_twice(stack: Stack) -> None:
    """Runs go on when the server is back on its file, and each is paid for once."""
    longhaul = await longhaul_on(stack, label="server")
    ledger = await outlive(longhaul, stack.server, rng=lucky(1), questions=8, count=1)
    assert (ledger.questions, ledger.duplicates, ledger.out_of_sight) == (8, 0, 0)
    assert ledger.answered > 0


async def test_a_broken_network_pays_nothing_twice(tmp_path: Path) -> None:
    """Whatever the network swallows, each run is paid for once, and known to its run or in doubt."""
    async with behind_proxies(tmp_path / "home", workers=1) as (longhaul, proxies):
        longhaul.is_doubt_enough = True
        await swallow(longhaul, proxies, rng=lucky(1), questions=8, lasts_s=4)
        ledger = await longhaul.finish(within_s=_WITHIN_S)
    assert (ledger.questions, ledger.duplicates, ledger.out_of_sight) == (8, 0, 0)
    assert ledger.answered > 0
