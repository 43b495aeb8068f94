"""The stack's own laws, with stand-ins for worker and emulator, and Temporal's real server."""

import asyncio
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from runs.search_attributes import SEARCH_ATTRIBUTES
from starter import dev_stack
from starter.dev_stack import DevStack, DevStackError, DevStackOptions, Ports
from starter.processes import ChildProcess
from tests.dev_server import running_dev_server
from tests.e2e.dev_stand_ins import bare_environ, processes_of, until, write_stand_ins


class Seen:
    """Lines that programs printed, and waiting for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, name: str, line: str) -> None:
        """Keep a line."""
        self.lines.append(f"{name}: {line}")

    async def until(self, part: str, *, times: int = 1) -> None:
        """Return once ``times`` lines contain ``part``."""
        await until(lambda: sum(part in line for line in self.lines) >= times)


@pytest.fixture
def seen() -> Seen:
    """What the programs of this test's stacks printed."""
    return Seen()


@pytest.fixture
def options(tmp_path: Path) -> DevStackOptions:
    """A stack of stand-ins on free ports."""
    environ = {**bare_environ(), "PYTHONPATH": str(write_stand_ins(tmp_path))}
    return DevStackOptions(home=tmp_path / "home", environ=environ, ports=Ports.free())


def child(stack: DevStack, name: str) -> ChildProcess:
    """One program of a stack."""
    return stack._children[name]


async def test_the_worker_ends_first(options: DevStackOptions, seen: Seen) -> None:
    """While the worker drains, server and emulator are still there; afterwards nothing is."""
    async with DevStack(options, show=seen.show):
        assert processes_of(options.home)
    assert options.home.joinpath("drained").read_text() == "[True, True]"
    assert not processes_of(options.home)


async def test_worker_and_emulator_are_started_again(
    options: DevStackOptions, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker or an emulator that dies comes back by itself, as often as it takes."""
    monkeypatch.setattr(dev_stack, "_FIRST_PAUSE_S", 0.05)
    async with DevStack(options, show=seen.show) as stack:
        options.home.joinpath("broken").touch()
        os.kill(child(stack, "worker").pid, signal.SIGKILL)
        await seen.until("longhaul: worker ended by itself (signal 9); starting it again")
        await seen.until("worker: this worker is broken", times=2)
        options.home.joinpath("broken").unlink()
        await until(lambda: is_healthy(options))
        emulator = child(stack, "emulator")
        os.kill(emulator.pid, signal.SIGKILL)
        await until(lambda: child(stack, "emulator") is not emulator)
        await seen.until("emulator: emulator listening", times=2)
        assert not stack.failure.done()
    assert not processes_of(options.home)


def is_healthy(options: DevStackOptions) -> bool:
    """Whether the worker's health port answers."""
    try:
        socket.create_connection(("127.0.0.1", options.ports.health)).close()
    except OSError:
        return False
    return True


async def test_without_its_server_the_stack_fails(options: DevStackOptions, seen: Seen) -> None:
    """A server that dies ends the stack, which says so in one line; nothing is left running."""
    async with DevStack(options, show=seen.show) as stack:
        os.kill(child(stack, "temporal").pid, signal.SIGKILL)
        error = await asyncio.wait_for(stack.failure, 30)
        assert str(error) == "temporal ended by itself (signal 9)"
    assert not processes_of(options.home)


async def test_a_worker_that_cannot_start_ends_all(options: DevStackOptions, seen: Seen) -> None:
    """When something does not come up, the error has its last words and the rest is ended."""
    options.home.mkdir()
    options.home.joinpath("broken").touch()
    with pytest.raises(DevStackError, match=r"worker ended by itself \(exit code 1\)") as caught:
        await DevStack(options, show=seen.show).__aenter__()
    assert caught.value.last_words == ("this worker is broken",)
    assert not processes_of(options.home)


async def test_an_older_database_gets_the_missing_search_attributes(
    options: DevStackOptions, seen: Seen
) -> None:
    """Attributes that came with a newer release are registered in a database that lacks them."""
    options.home.mkdir()
    name, kind = next(iter(SEARCH_ATTRIBUTES.items()))
    with running_dev_server(db_file=options.home / "temporal.db", search_attributes={name: kind}):
        pass
    async with DevStack(options, show=seen.show) as stack:
        _, listed = await stack._temporal_cli("list")
        assert [name for name in SEARCH_ATTRIBUTES if name not in listed] == []


async def test_a_taken_port_is_named(options: DevStackOptions, seen: Seen) -> None:
    """The error names the port and the option that chooses another; nothing was started."""
    expected = rf"port {options.ports.ui} is in use.*--ui-port"
    with (
        socket.create_server(("127.0.0.1", options.ports.ui)),
        pytest.raises(DevStackError, match=expected),
    ):
        await DevStack(options, show=seen.show).__aenter__()
    assert not seen.lines


async def test_a_home_in_use_is_explained(options: DevStackOptions, seen: Seen) -> None:
    """Two stacks cannot have one database; the second says which process has it."""
    async with DevStack(options, show=seen.show):
        second = DevStack(replace(options, ports=Ports.free()), show=seen.show)
        with pytest.raises(DevStackError, match=rf"already running in .*process {os.getpid()}"):
            await second.__aenter__()
