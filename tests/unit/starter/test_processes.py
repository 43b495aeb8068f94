import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from starter.processes import ChildProcess, free_ports, is_port_free

FOR_EVER = "import signal; signal.pause()"
IGNORING_SIGTERM = (
    f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); {FOR_EVER}"
)


class Children:
    """Starts children that run Python code, and ends those that a test leaves."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._started: list[ChildProcess] = []

    async def start(self, code: str) -> ChildProcess:
        """Start Python on ``code``, with nothing in its environment."""
        child = await ChildProcess.start(
            [sys.executable, "-I", "-S", "-c", code],
            name="child",
            environ={},
            show=lambda name, line: self.lines.append((name, line)),
        )
        self._started.append(child)
        return child

    async def end(self) -> None:
        """End them all."""
        for child in self._started:
            child.kill()
            await child.wait()


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    """A factory of children whose lines are kept."""
    children = Children()
    yield children
    await children.end()


async def until(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds; fail when it does not within ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether ``pid`` runs; a dead process that nobody has waited for does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def test_what_a_child_prints_is_shown_under_its_name(children: Children) -> None:
    """Both outputs are shown by line, the last without its newline included, and kept as last words."""
    child = await children.start(
        "import sys; print('one'); sys.stdout.flush(); print('two', file=sys.stderr, end=''); sys.exit(3)"
    )
    assert await child.wait() == 3
    assert children.lines == [("child", "one"), ("child", "two")]
    assert list(child.tail) == ["one", "two"]
    assert not child.is_running


async def test_an_endless_line_blocks_nobody(children: Children) -> None:
    """A child that prints megabytes without a newline runs to its end, and later lines are shown."""
    child = await children.start("print('x' * 5_000_000); print('after')")
    assert await child.wait() == 0
    assert children.lines[-1] == ("child", "after")
    assert max(len(line) for _, line in children.lines) < 1_000_000


async def test_stop_lets_a_child_end_by_itself(children: Children) -> None:
    """A child that heeds SIGTERM chooses its exit code."""
    child = await children.start(
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('up', flush=True)\n"
        + FOR_EVER
    )
    await until(lambda: bool(child.tail))
    await child.stop(grace_s=30)
    assert await child.wait() == 7


async def test_stop_kills_a_child_that_does_not_end(children: Children) -> None:
    """A child that ignores SIGTERM is gone after its grace, and it is said so."""
    child = await children.start(IGNORING_SIGTERM)
    await until(lambda: bool(child.tail))
    await child.stop(grace_s=0.1)
    assert await child.wait() == -signal.SIGKILL
    assert "killed" in children.lines[-1][1]
    await child.stop(grace_s=0.1)  # once more changes nothing


async def test_what_a_child_started_ends_with_it(children: Children) -> None:
    """A grandchild does not outlive the child that left it behind."""
    child = await children.start(
        "import subprocess, sys\n"
        f"print(subprocess.Popen([sys.executable, '-I', '-S', '-c', {FOR_EVER!r}]).pid, flush=True)"
    )
    assert await child.wait() == 0
    await until(lambda: not is_alive(int(child.tail[0])))


async def test_ctrl_c_reaches_only_the_parent(children: Children) -> None:
    """A terminal signals the parent's session; the child is in its own."""
    child = await children.start(FOR_EVER)
    assert os.getsid(child.pid) == child.pid


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no parent-death signal")
async def test_a_killed_parent_leaves_no_child() -> None:
    """Even SIGKILL, which the parent cannot see, ends a child that ignores every polite request."""
    parent_code = f"""
import asyncio, os, sys
from starter.processes import ChildProcess
async def main():
    child = await ChildProcess.start(
        [sys.executable, "-I", "-S", "-c", {IGNORING_SIGTERM!r}],
        name="child", environ={{}}, show=lambda name, line: print(child.pid, flush=True),
    )
    await asyncio.Event().wait()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", parent_code), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child_pid = int(await parent.stdout.readline())
    assert is_alive(child_pid)
    parent.kill()
    await parent.wait()
    await until(lambda: not is_alive(child_pid))


def test_free_ports_are_free_and_different() -> None:
    """A port is free until somebody listens on it."""
    ports = free_ports(4)
    assert len(set(ports)) == 4
    assert all(is_port_free(port) for port in ports)
    with socket.create_server(("127.0.0.1", ports[0])):
        assert not is_port_free(ports[0])
