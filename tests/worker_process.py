"""The worker as a real process: what it prints, how it ends."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

_ROOT: Final = Path(__file__).parent.parent

WITHIN_S: Final = 60.0
"""A worker starts in about 1.5 s and drains in 0.2 s on two idle cores; the rest is for a busy machine."""

Line = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a worker ended: exit code, log lines in order, and what it wrote to standard error."""

    exit_code: int
    lines: list[Line]
    stderr: str


class WorkerProcess:
    """One ``python -m worker``. Killed at the end of the ``async with`` block, if it still runs.

    Args:
        environ: All of its environment but PATH and HOME.
        home: Its home folder, so that nothing of this machine's configuration is read.
    """

    def __init__(self, environ: Mapping[str, str], *, home: Path) -> None:
        self._environ = {
            "HOME": str(home),
            "LONGHAUL_HEALTH_ADDRESS": "127.0.0.1:0",
            **environ,
        }
        self._process: Process | None = None
        self._stderr: asyncio.Task[bytes] | None = None
        self.lines: Final[list[Line]] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "worker", cwd=_ROOT, env=self._environ, stdout=PIPE, stderr=PIPE
        )
        assert self._process.stderr is not None
        # Read all along: a full pipe would stop the worker.
        self._stderr = asyncio.create_task(self._process.stderr.read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._stderr is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._stderr

    async def event(self, name: str) -> Line:
        """Read log lines up to the next ``name``, and return it.

        Raises:
            AssertionError: The worker ended without it.
        """
        async with asyncio.timeout(WITHIN_S):
            while (line := await self._next_line()) is not None:
                if line["event"] == name:
                    return line
        ended = await self.ended()
        raise AssertionError(f"no {name}: {ended}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> Ended:
        """Wait for the end and return it."""
        assert self._process is not None
        assert self._stderr is not None
        async with asyncio.timeout(WITHIN_S):
            while await self._next_line() is not None:
                pass
            exit_code = await self._process.wait()
            return Ended(exit_code, self.lines, (await self._stderr).decode())

    async def _next_line(self) -> Line | None:
        assert self._process is not None
        assert self._process.stdout is not None
        text = await self._process.stdout.readline()
        if not text:
            return None
        line: Line = json.loads(text)
        self.lines.append(line)
        return line
