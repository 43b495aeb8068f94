"""Ends a worker that is told to end, and notices when it stands still: from a thread of its own.

What an event loop promises, it keeps only while it runs. A library or a tool can keep the loop's thread, or
Python's lock, so that no handler of a signal is ever called. So signals are read here as bytes, which C code
writes the moment that they arrive; and where Python itself does not run any more, a timer in C ends it all.
"""

import asyncio
import contextlib
import faulthandler
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, NoReturn

import structlog

STANDSTILL_S: Final = 60.0
"""Nothing of Python has run for this long: some C code keeps the lock, and perhaps for ever. The server has
long given this worker's work to others (heartbeats are missed after 10 to 20 s), and whoever supervises it
can start it anew. A machine that slept is not meant: its clock stands still, too."""

_TICK_S: Final = 1.0

_IN_C_AFTER_S: Final = 1.0
"""How much later than this thread the timer in C ends the process: for the last line of the log."""

log = structlog.get_logger()


class LoopWatch:
    """How long an event loop takes to come to something new."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked_at: float | None = None
        self._lag_s = 0.0

    @property
    def lag_s(self) -> float:
        """How long it took the last time, or for how long it has been waited for."""
        asked_at = self._asked_at
        return self._lag_s if asked_at is None else max(self._lag_s, time.monotonic() - asked_at)

    def ask(self) -> None:
        """Give the loop something to do, unless it has not come to the last yet. From any thread."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            with contextlib.suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        if self._asked_at is not None:
            self._lag_s = time.monotonic() - self._asked_at
        self._asked_at = None


class Watchdog:
    """SIGTERM and SIGINT: the first asks for a drain, the second ends the process; so does the time.

    To be made once, by the main thread.

    Args:
        end: Ends the process with an exit code.
    """

    def __init__(self, *, end: Callable[[int], NoReturn]) -> None:
        self._stop_within_s = 0.0
        self._end = end
        self._watches: list[LoopWatch] = []
        self._on_stop: Callable[[], object] | None = None
        self._deadline: float | None = None
        self._ticked_at = time.monotonic()
        self._signals, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # else the signal would be nobody's, and end the process
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def watch(self, loop: asyncio.AbstractEventLoop) -> LoopWatch:
        """Begin to look how long ``loop`` takes to come to something new."""
        watch = LoopWatch(loop)
        self._watches.append(watch)
        return watch

    def drain_with(self, on_stop: Callable[[], object], *, within_s: float) -> None:
        """From now on, have a first signal call ``on_stop``; before, there is nothing to drain.

        Args:
            on_stop: Called in the watchdog's thread.
            within_s: How long after the signal the process has to have ended.
        """
        self._stop_within_s = within_s
        self._on_stop = on_stop

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        while True:
            self._tick()
            wait_s = _TICK_S
            if self._deadline is not None:
                wait_s = min(wait_s, max(0.0, self._deadline - time.monotonic()))
            if poll.poll(wait_s * 1000):
                for number in os.read(self._signals, 64):
                    self._receive(number)

    def _tick(self) -> None:
        for watch in self._watches:
            watch.ask()
        now = self._ticked_at = time.monotonic()
        if self._deadline is None:
            _end_in_c_after(STANDSTILL_S)
        elif now >= self._deadline:
            log.error("worker.killed", reason=f"it had not ended {self._stop_within_s:g} s after the signal")
            self._end(1)

    def _receive(self, number: int) -> None:
        if number not in (signal.SIGTERM, signal.SIGINT):
            return
        name = signal.Signals(number).name
        if self._on_stop is None:
            self._end(0)
        if self._deadline is not None:
            log.warning("worker.aborted", signal=name)
            self._end(128 + number)  # the shell's convention
        # Counted from when this thread last ran: where something kept it from running, the signal may have
        # come right then.
        self._deadline = self._ticked_at + self._stop_within_s
        _end_in_c_after(max(0.1, self._deadline - time.monotonic()) + _IN_C_AFTER_S)
        log.info("worker.draining", signal=name)
        self._on_stop()


def _end_in_c_after(delay_s: float) -> None:
    """Have the process end with 1 after that time, and show where its threads are, whatever keeps Python."""
    assert sys.__stderr__ is not None
    faulthandler.dump_traceback_later(delay_s, exit=True, file=sys.__stderr__)
