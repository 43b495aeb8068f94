"""Beats while a longer activity works, so that a worker that vanishes is noticed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from temporalio import activity


@asynccontextmanager
async def heartbeating(*details: object) -> AsyncIterator[None]:
    """Heartbeat ``details`` until the block ends, three times per heartbeat time-out.

    Without a heartbeat time-out there is nobody to notice a missing beat, and none is sent.
    """
    async with beating(lambda: activity.heartbeat(*details)):
        yield


@asynccontextmanager
async def beating(beat: Callable[[], None]) -> AsyncIterator[None]:
    """Call ``beat`` until the block ends, three times per heartbeat time-out: for details that change.

    Without a heartbeat time-out there is nobody to notice a missing beat, and none is sent.
    """
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return

    async def beat_on() -> None:
        while True:
            beat()
            # A third: two beats may be lost before the server gives the worker up.
            await asyncio.sleep(timeout.total_seconds() / 3)

    beats = asyncio.create_task(beat_on())
    try:
        yield
    finally:
        beats.cancel()
