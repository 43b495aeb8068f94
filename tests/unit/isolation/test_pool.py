import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from isolation.limits import Limits
from isolation.pool import Cause, CutShort, Pool
from tests.unit.isolation import calls

_LIMITS = Limits(cpu_s=1, wall_s=30.0, memory_bytes=512 * 1024**2)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """One process."""
    async with aclosing(Pool("test", processes=1)) as made:
        yield made


async def test_a_process_is_used_again(pool: Pool) -> None:
    """Starting one takes half a second, and most calls a thousandth."""
    assert await pool.run(_LIMITS, calls.add, 1, 2) == 3
    first = await pool.run(_LIMITS, calls.pid)
    assert await pool.run(_LIMITS, calls.pid) == first != os.getpid()
    assert pool.pids == (first,)


async def test_megabytes_go_through(pool: Pool) -> None:
    """More than fits into a pipe, there and back."""
    content = os.urandom(5_000_000)
    assert await pool.run(_LIMITS, calls.echo, content) == content


class _Endless(NamedTuple):
    """A call, and what becomes of it."""

    function: Callable[..., Any]
    args: tuple[object, ...]
    limits: Limits
    cause: Cause
    reason: str
    stage: str = ""


@pytest.mark.parametrize(
    "call",
    [
        _Endless(calls.spin, (), _LIMITS, Cause.TIME, "it took more than 1 s of processor time", "spinning"),
        _Endless(calls.sleep, (60,), _LIMITS._replace(wall_s=0.2), Cause.TIME, "it took more than 0.2 s"),
        _Endless(calls.eat, (), _LIMITS, Cause.MEMORY, "it needed more than 512 MB of memory", "eating"),
        _Endless(calls.crash, (), _LIMITS, Cause.CRASH, "it crashed with SIGSEGV"),
        _Endless(calls.die, (), _LIMITS, Cause.MEMORY, "it was killed, probably for want of memory"),
        _Endless(calls.boom, (), _LIMITS, Cause.ERROR, "ValueError: boom"),
    ],
    ids=lambda call: call.function.__name__,
)
async def test_a_call_without_end_is_ended(pool: Pool, call: _Endless) -> None:
    """Whoever waits for it is told why, and what it was about to do; the next call is carried out."""
    with pytest.raises(CutShort) as caught:
        await pool.run(call.limits, call.function, *call.args)
    found = caught.value
    assert (found.cause, str(found), found.stage) == (call.cause, call.reason, call.stage)
    assert found.has_begun
    assert await pool.run(_LIMITS, calls.add, 1, 2) == 3


async def test_limits_are_of_each_call(pool: Pool) -> None:
    """A process that has worked for long has as much time for the next call as any other."""
    first = await pool.run(_LIMITS, calls.pid)
    for _ in range(3):
        await pool.run(_LIMITS, calls.work, 0.7)
    assert await pool.run(_LIMITS, calls.pid) == first


async def test_a_process_that_stands_still_is_replaced(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that the kernel does not end, because it is stopped."""
    monkeypatch.setattr("isolation.pool._MARGIN_S", 0.2)
    stopped = await pool.run(_LIMITS, calls.pid)
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(CutShort, match=r"it took more than 0\.1 s"):
        await pool.run(_LIMITS._replace(wall_s=0.1), calls.pid)
    assert await pool.run(_LIMITS, calls.pid) != stopped


async def test_what_a_library_prints_is_no_answer(pool: Pool) -> None:
    """Answers have a pipe of their own."""
    assert await pool.run(_LIMITS, calls.talk) == 1


async def test_keys_stay_behind(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that reads strangers' texts has no secrets to lose."""
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    monkeypatch.setenv("LONGHAUL_SECRET_CRM", "s")
    found = await pool.run(_LIMITS, calls.environment)
    assert {"GEMINI_API_KEY", "LONGHAUL_SECRET_CRM"}.isdisjoint(found)
    assert "PATH" in found


async def test_closing_ends_calls_under_way() -> None:
    """A worker that is told to end does not wait for what may never end."""
    pool = Pool("test", processes=1)
    await pool.run(_LIMITS, calls.pid)
    slept = asyncio.create_task(pool.run(_LIMITS, calls.sleep, 60))
    await asyncio.sleep(0)
    (pid,) = pool.pids
    await pool.aclose()
    with pytest.raises(CutShort):
        await slept
    assert not _exists(pid)
    with pytest.raises(CutShort, match="about to end") as caught:
        await pool.run(_LIMITS, calls.pid)
    assert not caught.value.has_begun


async def test_a_process_that_cannot_be_had_says_nothing_about_the_call(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told from one that the call has ended."""
    monkeypatch.setattr("isolation.pool.sys.executable", "/bin/false")
    with pytest.raises(CutShort) as caught:
        await pool.run(_LIMITS, calls.crash)
    assert not caught.value.has_begun


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends when it looks for the next call")
async def test_processes_end_with_the_one_that_made_them() -> None:
    """However that ends, and whatever they are doing."""
    program = (
        "import asyncio\n"
        "from isolation.limits import Limits\n"
        "from isolation.pool import Pool\n"
        "from tests.unit.isolation import calls\n"
        "async def main():\n"
        "    pool = Pool('test', processes=1)\n"
        "    limits = Limits(cpu_s=60, wall_s=60, memory_bytes=512 * 1024**2)\n"
        "    print(await pool.run(limits, calls.pid), flush=True)\n"
        "    await pool.run(limits, calls.spin)\n"
        "asyncio.run(main())\n"
    )
    maker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert maker.stdout is not None
    pid = int(await maker.stdout.readline())
    maker.kill()
    await maker.wait()
    until = time.monotonic() + 10
    while _exists(pid):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


def _exists(pid: int) -> bool:
    try:
        # Another's dead child stays in the table until somebody asks for it.
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
