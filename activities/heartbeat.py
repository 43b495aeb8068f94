"""Beats while a longer activity works, so that a worker that vanishes is noticed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from temporalio import activity


@asynccontextmanager
async def heartbeating(*details: object, begins_at_once: bool = True) -> AsyncIterator[None]:
    """Heartbeat ``details`` until the block ends, three times per heartbeat time-out.

    Args:
        details: What the next attempt, and whoever looks, is to find.
        begins_at_once: Whether the first beat is sent now. Otherwise it comes after a third of the time-out,
            so that a block that is mostly over by then mostly costs none.

    Without a heartbeat time-out there is nobody to notice a missing beat, and none is sent.
    """
    async with beating(lambda: activity.heartbeat(*details), begins_at_once=begins_at_once):
        yield


@asynccontextmanager
async def beating(beat: Callable[[], None], *, begins_at_once: bool = True) -> AsyncIterator[None]:
    """Call ``beat`` until the block ends, three times per heartbeat time-out: for details that change.

    Args:
        beat: Sends one.
        begins_at_once: As for `heartbeating`.

    Without a heartbeat time-out there is nobody to notice a missing beat, and none is sent.
    """
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return

    # A third: two beats may be lost before the server gives the worker up.
    pause_s = timeout.total_seconds() / 3

    async def beat_on() -> None:
        if not begins_at_once:
            await asyncio.sleep(pause_s)
        while True:
            beat()
            await asyncio.sleep(pause_s)

    beats = asyncio.create_task(beat_on())
    try:
        yield
    finally:
        beats.cancel()
