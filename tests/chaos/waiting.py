"""Waiting for what other processes do."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def holds(
    condition: Callable[[], bool | Awaitable[bool]], *, within_s: float, every_s: float = 0.5
) -> bool:
    """Wait until the condition holds, and return whether it did in time.

    Args:
        condition: Asked again and again: nothing tells when another process does something.
        within_s: How long to wait at the most.
        every_s: How often to ask.
    """
    give_up_at = time.monotonic() + within_s
    while True:
        found = condition()
        if await found if inspect.isawaitable(found) else found:
            return True
        if time.monotonic() > give_up_at:
            return False
        await asyncio.sleep(every_s)
