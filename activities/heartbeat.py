"""Beats while a longer activity works, so that a worker that vanishes is noticed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity


@asynccontextmanager
async def heartbeating(*details: object) -> AsyncIterator[None]:
    """Heartbeat ``details`` until the block ends, three times per heartbeat time-out.

    Without a heartbeat time-out there is nobody to notice a missing beat, and none is sent.
    """
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return

    async def beat() -> None:
        while True:
            activity.heartbeat(*details)
            # A third: two beats may be lost before the server gives the worker up.
            await asyncio.sleep(timeout.total_seconds() / 3)

    beats = asyncio.create_task(beat())
    try:
        yield
    finally:
        beats.cancel()
