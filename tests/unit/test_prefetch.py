"""A worker takes as many activities as it may, and few before it can begin with them."""

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.worker import SlotPermit

from prefetch import BoundedPrefetch

_ANY: Any = None
"""What the core tells of a task, which decides nothing here."""


def used(permit: SlotPermit) -> Any:
    """What the core says when a task begins."""
    return SimpleNamespace(slot_info=object(), permit=permit)


def unused(permit: SlotPermit) -> Any:
    """What the core says when the server had no task."""
    return SimpleNamespace(slot_info=None, permit=permit)


async def nobody_comes(asking: asyncio.Task[SlotPermit]) -> None:
    """Check that no slot is to be had."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not asking.done()


async def test_few_tasks_are_taken_before_they_begin() -> None:
    """The next one is asked for when one begins, not before."""
    slots = BoundedPrefetch(10, max_waiting=2)
    first, _ = [await slots.reserve_slot(_ANY) for _ in range(2)]
    asking = asyncio.create_task(slots.reserve_slot(_ANY))
    await nobody_comes(asking)
    assert slots.try_reserve_slot(_ANY) is None
    slots.mark_slot_used(used(first))
    assert await asking
    # The first is under way still, and its end makes no room for another that waits to begin.
    slots.release_slot(used(first))
    assert slots.try_reserve_slot(_ANY) is None


async def test_no_more_are_under_way_than_there_are_slots() -> None:
    """However quickly they begin."""
    slots = BoundedPrefetch(2, max_waiting=2)
    permits = [await slots.reserve_slot(_ANY) for _ in range(2)]
    for permit in permits:
        slots.mark_slot_used(used(permit))
    asking = asyncio.create_task(slots.reserve_slot(_ANY))
    await nobody_comes(asking)
    slots.release_slot(used(permits[0]))
    assert await asking


async def test_a_request_that_brought_nothing_gives_its_slot_back() -> None:
    """It held one of those for what has not begun."""
    slots = BoundedPrefetch(2, max_waiting=1)
    permit = await slots.reserve_slot(_ANY)
    slots.release_slot(unused(permit))
    assert slots.try_reserve_slot(_ANY)


@pytest.mark.parametrize("leave", [lambda task: task.cancel(), lambda _: None], ids=["cancelled", "waits"])
async def test_one_that_leaves_takes_nobodys_turn(leave: Callable[[asyncio.Task[SlotPermit]], None]) -> None:
    """The core cancels requests when it stops; whoever asked after that gets the slot, from any thread."""
    slots = BoundedPrefetch(1)
    permit = await slots.reserve_slot(_ANY)
    asking = [asyncio.create_task(slots.reserve_slot(_ANY)) for _ in range(2)]
    await nobody_comes(asking[1])
    leave(asking[0])
    await asyncio.sleep(0)
    thread = threading.Thread(target=slots.release_slot, args=(used(permit),))
    slots.mark_slot_used(used(permit))
    thread.start()
    done, _ = await asyncio.wait(
        [task for task in asking if not task.cancelled()], return_when=asyncio.FIRST_COMPLETED, timeout=10
    )
    assert len(done) == 1
    for task in asking:
        task.cancel()
