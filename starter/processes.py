"""Child processes that cannot outlive the one that started them.

Two things end a group of processes on a development machine: Ctrl-C, which a terminal sends to every process
in its foreground, and ``kill -9``, which nobody can catch. A child here is in a session of its own, so that
Ctrl-C reaches only the parent, which then ends its children in the order it wants; and on Linux it asks the
kernel to be killed with its parent, so that nothing stays behind when the parent had no chance to end it.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

_TAIL_LINES: Final = 40
"""Enough of a child's last words for a traceback."""

_MAX_LINE_BYTES: Final = 1_000_000
"""A longer line is not shown; it must not block the child that prints it either."""

_DRAIN_S: Final = 2.0
"""How long to wait for the rest of a dead child's output. It is in the pipe already, unless a grandchild
that left its group keeps the pipe open."""

_LAUNCH: Final = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
if sys.platform == "linux":
    # PR_SET_PDEATHSIG, from <sys/prctl.h>.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != parent:  # it died before it was asked for
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Runs between the parent and the program it starts, and becomes that program.

A pipe would need a program that watches it, which Temporal's server does not; the kernel's parent-death
signal survives ``exec`` and needs nothing from the program. It is SIGKILL because nothing less is sure to
leave nothing running, and nothing is lost: whatever these programs must not lose is in a file before they
say so. It is set here and not in a ``preexec_fn``, which is unsafe in a process with threads.
"""

PRIVATE_UMASK: Final = 0o077
"""For a program that writes what is nobody else's business and knows no modes of its own."""

ShowLine = Callable[[str, str], None]
"""Takes the name of a child and one line that it printed."""


def tied(argv: Sequence[str]) -> list[str]:
    """Return a command that becomes ``argv`` and is killed with this process (on Linux).

    Args:
        argv: A program, by its absolute path, and its arguments.
    """
    # -S and -I: the launcher needs no packages, and must not be changed by PYTHON* variables.
    return [sys.executable, "-S", "-I", "-c", _LAUNCH, str(os.getpid()), *argv]


class ChildProcess:
    """One running program: its output, its end, and how to end it.

    Attributes:
        name: What people call it.
        pid: Its process id, which is also its process group's.
        tail: The last lines it printed.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        output: asyncio.StreamReader,
        transport: asyncio.ReadTransport,
        *,
        name: str,
        show: ShowLine,
    ) -> None:
        self.name: Final = name
        self.pid: Final = process.pid
        self.tail: Final[deque[str]] = deque(maxlen=_TAIL_LINES)
        self._process = process
        self._output = output
        self._transport = transport
        self._show = show
        self._ended = asyncio.create_task(self._read_and_reap())

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        name: str,
        environ: Mapping[str, str],
        show: ShowLine,
        umask: int | None = None,
    ) -> "ChildProcess":
        """Start the program ``argv[0]``, an absolute path, with exactly the environment ``environ``.

        ``umask`` is what its new files are without; None: as ours.
        """
        # A pipe of our own: asyncio's Process.wait() would wait for the end of its pipes, too, which
        # whatever the program left behind may hold open.
        reading, writing = os.pipe()
        output = asyncio.StreamReader(limit=_MAX_LINE_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), os.fdopen(reading, "rb")
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *tied(argv),
                env=dict(environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
                umask=-1 if umask is None else umask,
            )
        except BaseException:
            transport.close()
            raise
        finally:
            os.close(writing)
        return cls(process, output, transport, name=name, show=show)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet, as far as is known."""
        return not self._ended.done()

    async def wait(self) -> int:
        """Wait for its end and return its exit code, negative for a signal."""
        return await asyncio.shield(self._ended)

    async def stop(self, *, grace_s: float) -> None:
        """Ask it to end, and kill it when it has not after ``grace_s`` seconds. May be repeated."""
        if not self.is_running:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), grace_s)
            return
        self._show(self.name, f"did not end within {grace_s:g} s and is killed")
        self.kill()
        await self.wait()

    def kill(self) -> None:
        """End it now, with whatever it started itself. May be repeated."""
        if not self.is_running:
            return  # its id may be another's by now
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def _read_and_reap(self) -> int:
        reading = asyncio.create_task(self._read())
        try:
            code = await self._process.wait()
            # What it started itself ends with it, and with that the pipe.
            self.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reading, _DRAIN_S)
            return code
        finally:
            reading.cancel()
            self._transport.close()

    async def _read(self) -> None:
        while True:
            try:
                line = await self._output.readline()
            except ValueError:
                line = f"(a line of more than {_MAX_LINE_BYTES:,} bytes)".encode()
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self.tail.append(text)
            self._show(self.name, text)


def is_port_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        # Servers set this too: connections of one that ended a moment ago do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_ports(count: int, *, host: str = "127.0.0.1") -> list[int]:
    """Return ``count`` different ports that nothing listened on a moment ago."""
    with contextlib.ExitStack() as probes:
        ports = []
        for _ in range(count):
            probe = probes.enter_context(socket.socket())
            probe.bind((host, 0))
            ports.append(int(probe.getsockname()[1]))
        return ports
