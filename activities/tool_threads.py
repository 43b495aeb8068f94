"""Where tools run: a user's code, which may block whatever it runs on.

None of it is the worker's own. Those that are not asynchronous have threads; the asynchronous ones share one
event loop, where one that blocks holds up the others and nothing else.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

import structlog

_T = TypeVar("_T")

_ABANDONED_PER_CALL: Final = 10
"""Threads that never come back, for each that may be used at once. A thread that blocks costs a few dozen
kilobytes; past this many the worker says that it has to be started anew."""

log = structlog.get_logger()


class ToolThreads:
    """Threads for tools, and the event loop of the asynchronous ones.

    Args:
        max_calls: How many calls are waited for at once.
    """

    def __init__(self, *, max_calls: int) -> None:
        self._max_abandoned = max_calls * _ABANDONED_PER_CALL
        self._abandoned = 0
        self._lock = threading.Lock()
        # A thread whose call is not waited for any more cannot be stopped. It must not be missing to others.
        self._threads = ThreadPoolExecutor(max_calls + self._max_abandoned, thread_name_prefix="tool")
        self._is_closed = False
        self.loop = asyncio.new_event_loop()
        # Not of the pool: a thread that ends takes with it what was forked from it.
        self._loop_thread = threading.Thread(target=self._run_loop, name="async-tools", daemon=True)
        self._loop_thread.start()

    @property
    def problem(self) -> str | None:
        """Why tools cannot be called any more, for people; None if they can be."""
        if self._abandoned < self._max_abandoned:
            return None
        return (
            f"{self._abandoned} calls of tools have taken longer than they may and still run; "
            "start the worker anew, and give what they wait for a time-out"
        )

    async def call(self, function: Callable[..., _T], /, *args: Any, **kwargs: Any) -> _T:
        """Call ``function`` in a thread, in this context. One that is not waited for any more runs on."""
        run = contextvars.copy_context().run
        future = self._threads.submit(run, partial(_carried, partial(function, *args, **kwargs)))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancelled() and not future.done():
                with self._lock:
                    self._abandoned += 1
                future.add_done_callback(self._came_back)
            raise

    async def run(self, function: Callable[..., Coroutine[Any, Any, _T]], /, **kwargs: Any) -> _T:
        """Call the coroutine function in the tools' event loop, in this context.

        Raises:
            SystemExit: As the function may; anything else, too.
        """
        found = await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(_contained(function, kwargs), self.loop)
        )
        if isinstance(found, _Ended):
            raise found.error
        return found

    def close(self) -> None:
        """Wait for nothing any more: calls that run go on until the process ends, and no others begin."""
        self._is_closed = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _came_back(self, _future: object) -> None:
        with self._lock:
            self._abandoned -= 1

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not self._is_closed:
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # Out of a task that a tool made for itself; it would end the loop for all.
                log.exception("tool.loop_interrupted")
        with contextlib.suppress(RuntimeError):
            self.loop.close()


def _carried(function: Callable[[], _T]) -> _T:
    try:
        return function()
    except StopIteration as error:
        # No future can carry it: whoever waited for the thread would wait for ever.
        raise RuntimeError("a StopIteration left the tool") from error


class _Ended:
    def __init__(self, error: BaseException) -> None:
        self.error = error


async def _contained(
    function: Callable[..., Coroutine[Any, Any, _T]], kwargs: dict[str, Any]
) -> "_T | _Ended":
    try:
        return await function(**kwargs)
    except (SystemExit, KeyboardInterrupt) as error:
        # Out of a task it would end the loop, and never reach whoever waits.
        return _Ended(error)
