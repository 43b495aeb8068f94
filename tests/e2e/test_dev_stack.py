"""The stack's own laws, with stand-ins for worker and emulator, and Temporal's real server."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runs.search_attributes import SEARCH_ATTRIBUTES
from starter import dev_stack
from starter.dev_stack import DevStack, DevStackError, DevStackOptions, Ports
from starter.processes import ChildProcess
from tests.dev_server import running_dev_server

WORKER = """
import http.server, os, pathlib, signal, socket, sys

home = pathlib.Path(os.environ["LONGHAUL_HOME"])
host, port = os.environ["LONGHAUL_HEALTH_ADDRESS"].split(":")

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

def reaches(address):
    try:
        socket.create_connection(address).close()
    except OSError:
        return False
    return True

def drain(*_):
    temporal_host, temporal_port = os.environ["TEMPORAL_ADDRESS"].split(":")
    emulator_port = os.environ["LONGHAUL_API_BASE_URL"].rpartition(":")[2]
    addresses = (temporal_host, int(temporal_port)), ("127.0.0.1", int(emulator_port))
    home.joinpath("drained").write_text(str([reaches(address) for address in addresses]))
    sys.exit(0)

if home.joinpath("broken").exists():
    sys.exit("this worker is broken")
signal.signal(signal.SIGTERM, drain)
http.server.ThreadingHTTPServer((host, int(port)), Health).serve_forever()
"""

EMULATOR = """
import socket, sys

port = int(sys.argv[sys.argv.index("--port") + 1])
server = socket.create_server(("127.0.0.1", port))
print(f"emulator listening on http://127.0.0.1:{port}", flush=True)
while True:
    server.accept()
"""


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
    programs = tmp_path / "programs"
    programs.joinpath("emulator").mkdir(parents=True)
    programs.joinpath("worker.py").write_text(WORKER)
    programs.joinpath("emulator", "__init__.py").touch()
    programs.joinpath("emulator", "__main__.py").write_text(EMULATOR)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(programs)}
    return DevStackOptions(home=tmp_path / "home", environ=environ, ports=Ports.free())


def processes_of(home: Path) -> set[int]:
    """Ids of the live processes that were started for ``home``."""
    pids = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            started_for = process.joinpath("environ").read_bytes() + process.joinpath("cmdline").read_bytes()
            if str(home).encode() in started_for:
                pids.add(int(process.name))
    return pids


async def until(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds; fail when it does not within half a minute."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


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
