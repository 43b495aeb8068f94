"""The watchdog in processes of its own, since what it does is end them."""

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE
from typing import Final, NamedTuple

import pytest

_WITHIN_S: Final = 2.0
"""What the programs here have to end."""

_PROGRAM: Final = """
import asyncio, os, re, signal, sys, threading, time
import watchdog
watchdog.STANDSTILL_S = 2.0
dog = watchdog.Watchdog(end=os._exit)

async def main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    lag = dog.watch(loop)
    if {is_serving}:
        dog.drain_with(lambda: loop.call_soon_threadsafe(stop.set), within_s=2.0)
    print("ready", flush=True)
    {what}
    await stop.wait()

asyncio.run(main())
"""

_KEEP_LOCK: Final = 're.match("^(a+)+$", "a" * 60 + "!")'


class _Ended(NamedTuple):
    exit_code: int
    took_s: float
    written: str


async def _end(what: str, *signals: signal.Signals, is_serving: bool = True) -> _Ended:
    """Run the program, send it the signals once it is ready, and return how it ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PROGRAM.format(what=what, is_serving=is_serving),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        began = time.monotonic()
        for number in signals:
            await asyncio.sleep(0.3)  # two that come at the same moment are one, to the kernel
            process.send_signal(number)
        async with asyncio.timeout(20):
            out, err = await process.communicate()
        assert process.returncode is not None
        return _Ended(process.returncode, time.monotonic() - began, (out + err).decode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_first_signal_asks_for_a_drain() -> None:
    """What is served comes to its end by itself."""
    ended = await _end("pass", signal.SIGTERM)
    assert ended.exit_code == 0
    assert "worker.draining" in ended.written


async def test_before_there_is_anything_to_drain_a_signal_ends_the_process() -> None:
    """Nothing has begun."""
    assert (await _end("time.sleep(60)", signal.SIGINT, is_serving=False)).exit_code == 0


async def test_a_blocked_loop_does_not_keep_the_process() -> None:
    """The time that it has to end is counted where nothing blocks."""
    ended = await _end("time.sleep(60)", signal.SIGTERM)
    assert ended.exit_code == 1
    assert "worker.killed" in ended.written
    assert ended.took_s < _WITHIN_S + 1.5


async def test_a_second_signal_ends_a_blocked_process() -> None:
    """At once, with the shell's code."""
    ended = await _end("time.sleep(60)", signal.SIGTERM, signal.SIGTERM)
    assert ended.exit_code == 128 + signal.SIGTERM
    assert "worker.aborted" in ended.written
    assert ended.took_s < _WITHIN_S


@pytest.mark.parametrize("signals", [(), (signal.SIGTERM,)])
async def test_a_process_without_python_s_lock_is_ended(signals: tuple[signal.Signals, ...]) -> None:
    """Nobody is left to read a signal, or to see that anything is wrong; and its stack shows who keeps it."""
    ended = await _end(_KEEP_LOCK, *signals)
    assert ended.exit_code == 1
    assert "in match" in ended.written
    assert ended.took_s < 10


async def test_a_lock_kept_in_bursts_delays_no_end() -> None:
    """The signal is read in one of the gaps, and counts from before."""
    burst = 're.match("^(a+)+$", "a" * 23 + "!")'
    ended = await _end(f"[({burst}, time.sleep(0.001)) for _ in range(200)]", signal.SIGTERM)
    assert ended.exit_code == 1
    assert ended.took_s < _WITHIN_S + 2.5
