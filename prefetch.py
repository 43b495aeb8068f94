"""How many activities a worker has under way, and how few it takes before it can begin with them.

Temporal's core takes tasks from the server as long as there are slots, and the library hands them to Python
one per turn of the event loop. On a busy worker a hundred tasks would lie in between, and each would count
as begun from the moment the server gave it away: its heartbeat time-out would run while nobody has even
seen it. So a task is only asked for while few are waiting to begin; the others stay in the server's queue,
where another worker can have them.
"""

import asyncio
import threading
from typing import Final

from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
)

MAX_WAITING: Final = 8
"""Five are the open requests for tasks, which hold a slot each; three let the next begin without a request in
between. At ten tasks a second, which a starved machine manages, eight begin within a second."""


class BoundedPrefetch(CustomSlotSupplier):
    """Slots for activities, of which only some may be held by tasks that have not begun.

    Called by the core, from threads of its own and from the event loop.

    Args:
        slots: How many activities may be under way.
        max_waiting: How many of the slots may be reserved for what has not begun.
    """

    def __init__(self, slots: int, *, max_waiting: int = MAX_WAITING) -> None:
        self._slots: Final = slots
        self._max_waiting: Final = max_waiting
        self._lock: Final = threading.Lock()
        self._held = 0
        self._waiting = 0
        self._asking: list[asyncio.Future[None]] = []

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:  # noqa: ARG002 - all are alike
        """Return a slot to ask the server for a task with, once there is one."""
        while True:
            with self._lock:
                if self._take():
                    return SlotPermit()
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._asking.append(turn)
            await turn

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:  # noqa: ARG002 - as above
        """Return a slot for a task that comes with the answer to a workflow task, if there is one."""
        with self._lock:
            return SlotPermit() if self._take() else None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:  # noqa: ARG002 - as above
        """Note that a task has begun."""
        with self._lock:
            self._waiting -= 1
            self._call_next()

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """Note that a task is done, or that the server had none."""
        with self._lock:
            self._held -= 1
            if ctx.slot_info is None:
                self._waiting -= 1
            self._call_next()

    def _take(self) -> bool:
        if self._held >= self._slots or self._waiting >= self._max_waiting:
            return False
        self._held += 1
        self._waiting += 1
        return True

    def _call_next(self) -> None:
        # All of them: one that has been cancelled meanwhile must not swallow another's turn.
        asking, self._asking = self._asking, []
        for turn in asking:
            turn.get_loop().call_soon_threadsafe(_come, turn)


def _come(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
