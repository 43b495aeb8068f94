"""The time a run has for its work."""

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
        self.at = at
        self._passed = passed
        self._timer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to wait. The timer is left open when the run ends, which costs no event in history."""
        self._timer = asyncio.create_task(self._wait())

    def extend(self, span: timedelta) -> None:
        """Give ``span`` from now, after it has passed."""
        self.at = workflow.now() + span
        self.start()

    def stand_still(self) -> timedelta:
        """Stop the clock; return the time that is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self.at - workflow.now()

    def go_on(self, left: timedelta) -> None:
        """Let the clock run again, with the time that was left."""
        self.extend(max(left, timedelta()))

    async def _wait(self) -> None:
        left = self.at - workflow.now()
        # A run whose first worker came late begins after its deadline, and no timer takes a negative time.
        if left >= timedelta():
            await workflow.sleep(left, summary="deadline")
        self._passed()
