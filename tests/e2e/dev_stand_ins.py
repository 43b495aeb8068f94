"""Programs that stand in for worker and emulator in a development stack, and what is left of a stack."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_WORKER: Final = """
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
    emulator_port = os.environ.get("LONGHAUL_API_BASE_URL", ":1").rpartition(":")[2]
    print("draining", flush=True)
    addresses = (temporal_host, int(temporal_port)), ("127.0.0.1", int(emulator_port))
    home.joinpath("drained").write_text(str([reaches(address) for address in addresses]))
    if not home.joinpath("hangs").exists():
        sys.exit(0)

if home.joinpath("broken").exists():
    sys.exit("this worker is broken")
signal.signal(signal.SIGTERM, drain)
http.server.ThreadingHTTPServer((host, int(port)), Health).serve_forever()
"""

_EMULATOR: Final = """
import socket, sys

port = int(sys.argv[sys.argv.index("--port") + 1])
server = socket.create_server(("127.0.0.1", port))
print(f"emulator listening on http://127.0.0.1:{port}", flush=True)
while True:
    server.accept()
"""


def write_stand_ins(folder: Path) -> Path:
    """Return a folder that, on PYTHONPATH, has other programs found instead of ours.

    A file in the stack's home changes what the worker does: with ``broken`` it ends at its start, with
    ``hangs`` it does not end when it is asked to. It writes what it could reach at its end into ``drained``.
    """
    programs = folder / "programs"
    programs.joinpath("emulator").mkdir(parents=True)
    programs.joinpath("worker.py").write_text(_WORKER)
    programs.joinpath("emulator", "__init__.py").touch()
    programs.joinpath("emulator", "__main__.py").write_text(_EMULATOR)
    return programs


def bare_environ() -> dict[str, str]:
    """The environment without anything that a developer's shell may have set."""
    # COVERAGE_…: by these, coverage measures the processes that a test starts.
    return {
        name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")
    }


def processes_of(home: Path, *, part: str = "") -> set[int]:
    """Ids of the live processes that were started for ``home``, with ``part`` in their command."""
    pids = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = process.joinpath("cmdline").read_bytes()
            started_for = command + process.joinpath("environ").read_bytes()
            if str(home).encode() in started_for and part.encode() in command:
                pids.add(int(process.name))
    return pids


async def until(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds; fail when it does not within half a minute."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)
