import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from contextvars import ContextVar

import pytest

from activities.tool_threads import ToolThreads
from tests.chaos.waiting import holds

_WHO: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.fixture
def threads() -> Iterator[ToolThreads]:
    """For one call at a time."""
    with closing(ToolThreads(max_calls=1)) as made:
        yield made


async def test_neither_kind_of_tool_runs_where_the_worker_does(threads: ToolThreads) -> None:
    """Both run in the context of the call all the same."""
    here = threading.current_thread()
    _WHO.set("me")

    def where() -> tuple[threading.Thread, str]:
        return threading.current_thread(), _WHO.get()

    async def where_async() -> tuple[threading.Thread, str]:
        return where()

    (thread, who), (loop_thread, loop_who) = await threads.call(where), await threads.run(where_async)
    assert (who, loop_who) == ("me", "me")
    assert len({here, thread, loop_thread}) == 3


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
async def test_what_an_asynchronous_tool_raises_reaches_its_caller(
    threads: ToolThreads, error: BaseException
) -> None:
    """Also what would end an event loop; the next call finds it running."""

    async def fail() -> None:
        raise error

    async def work() -> str:
        return "done"

    with pytest.raises(type(error)):
        await threads.run(fail)
    assert await threads.run(work) == "done"


async def test_a_thread_that_does_not_come_back_is_not_missing_to_others(threads: ToolThreads) -> None:
    """There are ten for each call; past that, the worker says what is to be done."""
    come_back = threading.Event()
    try:
        for _ in range(10):
            assert threads.problem is None
            began = threading.Event()
            call = asyncio.create_task(threads.call(lambda began=began: (began.set(), come_back.wait())))
            await asyncio.to_thread(began.wait)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert threads.problem is not None
        assert threads.problem.startswith("10 calls of tools have taken longer than they may and still run")
        assert await threads.call(lambda: "done") == "done"
    finally:
        come_back.set()
    assert await holds(lambda: threads.problem is None, within_s=10, every_s=0.01)


async def test_a_stopiteration_reaches_the_caller_too(threads: ToolThreads) -> None:
    """No future can carry it, and whoever waited for the thread would wait for ever."""

    def stop() -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="a StopIteration left the tool"):
        await threads.call(stop)
