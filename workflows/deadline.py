"""The time a run has for its work.

Workflow code: see docs/changing.md.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow


class Deadline:
    """A durable timer that can stand still while a run waits for a person.

    Args:
        at: When it passes.
        passed: Called then.
    """

    def __init__(self, at: datetime, passed: Callable[[], None]) -> None:
        self._at = at
        self._passed = passed
        self._left: timedelta | None = None
        self._timer: asyncio.Task[None] | None = None

    @property
    def at(self) -> datetime:
        """When it passes; while the clock stands still, if it went on now."""
        return self._at if self._left is None else workflow.now() + self._left

    def start(self) -> None:
        """Begin to wait. The timer is left open when the run ends, which costs no event in history."""
        self._timer = asyncio.create_task(self._wait())

    def extend(self, span: timedelta) -> None:
        """Give ``span`` from now."""
        if self._timer is not None:
            self._timer.cancel()
        self._at = workflow.now() + span
        self.start()

    def stand_still(self) -> None:
        """Stop the clock. Where no time is left, it passes: its timer may fire in this very workflow task."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._left = self._at - workflow.now()
        if self._left <= timedelta():
            self._passed()

    def go_on(self) -> None:
        """Let the clock run again, with the time that was left."""
        left, self._left = self._left, None
        assert left is not None
        self.extend(left)

    async def _wait(self) -> None:
        left = self._at - workflow.now()
        # A run whose first worker came late begins after its deadline, and no timer takes a negative time.
        if left >= timedelta():
            await workflow.sleep(left, summary="deadline")
        self._passed()
