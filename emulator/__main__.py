"""``python -m emulator``: serve the emulated API until told to stop."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from emulator.app import build_app
from emulator.clock import DEFAULT_SCALE
from emulator.service import Emulator
from emulator.state import StateFile

DEFAULT_PORT = 8089

_CLOSE_WITHIN_S = 2
"""Hanging replies never end by themselves; a stopping emulator leaves them after this."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handling, which ends the process by the signal instead of cleanly."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="emulator", description="The Interactions API, offline.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 picks a free one")
    parser.add_argument(
        "--time-scale", type=float, default=DEFAULT_SCALE, help="emulated seconds per wall second"
    )
    parser.add_argument("--state-file", type=Path, help="keep state in this file; without it, in memory")
    options = parser.parse_args(arguments)
    state_file: Path | None = options.state_file
    if state_file is not None and state_file.exists() and not state_file.is_file():
        parser.error(f"--state-file {state_file}: not a regular file")
    asyncio.run(_serve(options.host, options.port, time_scale=options.time_scale, path=state_file))


async def _serve(host: str, port: int, *, time_scale: float, path: Path | None) -> None:
    state = StateFile(path)
    emulator = Emulator(state, time_scale=time_scale)
    config = uvicorn.Config(
        build_app(emulator),
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=_CLOSE_WITHIN_S,
    )
    server = _Server(config)

    def stop() -> None:
        emulator.stopping.set()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop)
    with contextlib.closing(_listen(host, port)) as listener:
        sys.stdout.write(f"emulator listening on http://{host}:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve(sockets=[listener])
    state.close()


def _listen(host: str, port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; with it, each reply waits
    # 40 ms for the acknowledgement of its own head.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # A restarted emulator must get its port back while old connections linger.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    # Listening already, so that a client may connect as soon as it has read the line on stdout.
    listener.listen(2048)
    return listener


if __name__ == "__main__":
    main()
