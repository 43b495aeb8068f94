"""A worker whose tools block or fork: it says so, ends when it is told to, and leaves nothing behind."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from temporalio.client import Client

from runs.messages import AgentRunRequest
from runs.phase import Phase
from runs.tools import FunctionTool
from starter.runs import start_run
from tests.dev_server import DevServer, running_dev_server
from tests.e2e.stack import Stack, assert_eventually, worker_of
from tests.emulator_server import EmulatorServer

_TOOLS: Final = '''
import os, subprocess, sys, threading, time
from pathlib import Path
from tools import tool

MARK = Path(__file__).parent

def mark(name, text=""):
    (MARK / name).write_text(text)

@tool(timeout_s=3600)
def blocks_a_thread() -> str:
    """Never return."""
    mark("began")
    threading.Event().wait()
    return ""

@tool(timeout_s=3600)
async def blocks_the_loop() -> str:
    """Never return."""
    mark("began")
    while True:
        time.sleep(0.05)

@tool
def forks() -> str:
    """Leave a child that is this very program once more, and a program."""
    pid = os.fork()
    if pid == 0:
        while True:
            time.sleep(1)
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    mark("children", f"{pid} {program.pid}")
    return "done"
'''

_WITHIN_S: Final = 7
"""Of which five are for those that are cancelled, and two for those that still may come to their end."""


@pytest.fixture(scope="module")
def ground() -> Iterator[tuple[DevServer, EmulatorServer]]:
    """A server and an API for workers of all kinds."""
    with running_dev_server() as server, EmulatorServer(time_scale=240) as emulator:
        yield server, emulator


@pytest.fixture
async def stack(ground: tuple[DevServer, EmulatorServer], tmp_path: Path) -> AsyncIterator[Stack]:
    """A worker with bad tools, which has a few seconds to stop, and a task queue of its own."""
    server, emulator = ground
    (tmp_path / "bad_tools.py").write_text(_TOOLS)
    worker = worker_of(
        server,
        emulator,
        home=tmp_path,
        LONGHAUL_TOOLS="bad_tools",
        LONGHAUL_STOP_WITHIN_S=str(_WITHIN_S),
        LONGHAUL_TASK_QUEUE=tmp_path.name,
        PYTHONPATH=str(tmp_path),
        # One call of a tool uses up all that tools have, and nothing else.
        LONGHAUL_MAX_ACTIVITIES="1",
    )
    with worker:
        yield Stack(server=server, emulator=emulator, worker=worker, home=tmp_path)


async def _ask(client: Client, stack: Stack, tool: str) -> str:
    request = AgentRunRequest(
        model="gemini-3.8-flash", input=f"Call {tool}.", tools=(FunctionTool(name=tool),)
    )
    run_id = f"{stack.home.name}-{tool}"
    await start_run(client, request, run_id=run_id, task_queue=stack.home.name)
    return run_id


async def _answer_meanwhile(client: Client, stack: Stack) -> None:
    request = AgentRunRequest(model="gemini-3.8-flash", input="Why is tea astringent?")
    run_id = f"{stack.home.name}-healthy"
    await start_run(client, request, run_id=run_id, task_queue=stack.home.name)
    view = await assert_eventually(partial(stack.assert_ended, run_id, client=client))
    assert view.phase is Phase.COMPLETED


async def _has_begun(stack: Stack) -> None:
    async def begun() -> None:
        assert (stack.home / "began").exists()

    await assert_eventually(begun)


@pytest.mark.parametrize("tool", ["blocks_a_thread", "blocks_the_loop"])
async def test_a_worker_ends_when_it_is_told_to(stack: Stack, tool: str) -> None:
    """Nobody waits longer than that for a tool that never returns."""
    client = await stack.client()
    await _ask(client, stack, tool)
    await _has_begun(stack)
    began = time.monotonic()
    os.kill(stack.worker.pid, signal.SIGTERM)
    assert stack.worker.wait(within_s=_WITHIN_S + 5) == 0
    assert time.monotonic() - began < _WITHIN_S + 1


async def test_a_second_signal_ends_it_at_once(stack: Stack) -> None:
    """The person who presses Ctrl-C twice does not wait for what blocks."""
    await _ask(await stack.client(), stack, "blocks_the_loop")
    await _has_begun(stack)
    os.kill(stack.worker.pid, signal.SIGINT)
    await asyncio.sleep(0.2)  # two that come at the same moment are one, to the kernel
    os.kill(stack.worker.pid, signal.SIGINT)
    assert stack.worker.wait(within_s=2) == 130


async def test_tools_that_block_use_up_nothing_but_their_own(stack: Stack) -> None:
    """Submissions, looks and settling have slots, threads and connections of their own."""
    client = await stack.client()
    await _ask(client, stack, "blocks_a_thread")
    await _has_begun(stack)
    await _answer_meanwhile(client, stack)
    assert stack.worker.health()["ok"]


async def test_an_async_tool_that_blocks_holds_up_its_like_alone(stack: Stack) -> None:
    """Runs without one go on, and ``/healthz`` says what is wrong."""
    client = await stack.client()
    await _ask(client, stack, "blocks_the_loop")
    await _has_begun(stack)
    await _answer_meanwhile(client, stack)

    async def is_told() -> None:
        health = stack.worker.health()
        assert not health["ok"]
        assert health["submissions_possible"]
        assert "the event loop of async tools is kept from running" in health["problems"][0]

    await assert_eventually(is_told)


async def test_forked_children_do_not_outlive_the_worker(stack: Stack) -> None:
    """However it ends, the next worker has its address; what it was told to end takes programs along, too."""
    client = await stack.client()
    run_id = await _ask(client, stack, "forks")
    await assert_eventually(partial(stack.assert_ended, run_id, client=client))
    forked, program = map(int, (stack.home / "children").read_text().split())
    assert _is_there(forked)
    assert _is_there(program)
    os.kill(stack.worker.pid, signal.SIGTERM)
    stack.worker.wait(within_s=_WITHIN_S + 2)
    await assert_eventually(partial(_gone, forked))
    await assert_eventually(partial(_gone, program))


async def test_forked_children_end_with_a_killed_worker(stack: Stack) -> None:
    """Its health address is free again, and the next worker starts on it."""
    client = await stack.client()
    run_id = await _ask(client, stack, "forks")
    await assert_eventually(partial(stack.assert_ended, run_id, client=client))
    forked, program = map(int, (stack.home / "children").read_text().split())
    try:
        stack.worker.kill()
        await assert_eventually(partial(_gone, forked))
        stack.worker.start()
        assert stack.worker.health()["ok"]
    finally:
        os.kill(program, signal.SIGKILL)


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def _gone(pid: int) -> None:
    assert not _is_there(pid)
