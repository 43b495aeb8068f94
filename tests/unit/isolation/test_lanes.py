import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from isolation import lanes as module
from isolation.lanes import BusyError, Lanes
from isolation.limits import Limits
from isolation.pool import Cause, CutShort
from tests.unit.isolation import calls

_QUICK = Limits(cpu_s=1, wall_s=0.3, memory_bytes=512 * 1024**2)
_PATIENT = _QUICK._replace(wall_s=2.0)


@pytest.fixture
async def lanes() -> AsyncIterator[Lanes]:
    """One process of each kind, with little time."""
    async with aclosing(Lanes(quick=1, quick_limits=_QUICK, patient_limits=_PATIENT)) as made:
        await made.run("warm", calls.pid)
        yield made


async def test_what_is_not_quick_is_tried_once_more(lanes: Lanes) -> None:
    """It may have had bad luck, or be large; and the next time it goes where there is time at once."""
    await lanes.run("long", calls.sleep, 0.5)
    assert len(lanes.pids) == 1  # that of the first try is gone
    quick = await lanes.run("short", calls.pid)
    await lanes.run("long", calls.sleep, 0.5)
    assert quick in lanes.pids


async def test_what_never_ends_is_tried_twice(lanes: Lanes) -> None:
    """Then it is known."""
    with pytest.raises(CutShort) as caught:
        await lanes.run("endless", calls.sleep, 60)
    assert (caught.value.cause, str(caught.value)) == (Cause.TIME, "it took more than 2 s")


async def test_what_raises_is_not_tried_again(lanes: Lanes) -> None:
    """It would raise again."""
    with pytest.raises(CutShort, match="boom"):
        await lanes.run("broken", calls.boom)
    assert len(lanes.pids) == 1


async def test_what_never_ends_does_not_hold_up_what_does(lanes: Lanes) -> None:
    """The others wait for its short first try at the most, and not for its second."""
    endless = asyncio.create_task(lanes.run("endless", calls.sleep, 60))
    async with asyncio.timeout(1.8):  # of which half a second is to start a process anew
        assert await lanes.run("healthy", calls.add, 1, 2) == 3
    assert not endless.done()
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless


async def test_few_wait_for_a_second_try(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits holds a slot of the worker; past a few they come back later."""
    monkeypatch.setattr(module, "_MAX_WAITING", 1)
    found = await asyncio.gather(
        *(lanes.run(name, calls.sleep, 60) for name in ("one", "other")), return_exceptions=True
    )
    assert {type(error) for error in found} == {CutShort, BusyError}


async def test_who_is_not_waited_for_any_more_still_takes_a_place(
    lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call goes on in the process, and whoever came next would wait for that, too."""
    monkeypatch.setattr(module, "_MAX_WAITING", 1)
    with pytest.raises(CutShort):
        await lanes.run("left", calls.sleep, 60)
    left = asyncio.create_task(lanes.run("left", calls.sleep, 60))
    await asyncio.sleep(0)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    with pytest.raises(BusyError):
        await lanes.run("left", calls.sleep, 60)
