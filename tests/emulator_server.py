"""The emulator as a real process, for any test that needs the API on a socket."""

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

_ROOT = Path(__file__).parent.parent

STOP_WITHIN_S = 10.0
"""A stopping emulator leaves hanging replies after two seconds; the rest is a slow machine."""


class EmulatorServer:
    """One emulator process on an ephemeral port of the loopback interface.

    Args:
        time_scale: Emulated seconds per wall second; at the default a twelve-minute research takes 1.2 s.
        state_file: Where it keeps its state; in memory without.
        port: A port to come back on; 0 picks a free one.
    """

    def __init__(self, *, time_scale: float = 600.0, state_file: Path | None = None, port: int = 0) -> None:
        self._time_scale = time_scale
        self._state_file = state_file
        self._process: subprocess.Popen[str] | None = None
        self._client: httpx.Client | None = None
        self.port = port

    @property
    def base_url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it listens."""
        command = [sys.executable, "-m", "emulator", "--port", str(self.port), "--host", "127.0.0.1"]
        command += ["--time-scale", str(self._time_scale)]
        if self._state_file is not None:
            command += ["--state-file", str(self._state_file)]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("emulator listening on http://127.0.0.1:"), line
        self.port = int(line.rpartition(":")[2])
        self._client = httpx.Client(base_url=f"{self.base_url}/_emulator")

    def stop(self) -> int:
        """Ask it to stop and return its exit code; one that has stopped already is left alone."""
        return self._end(kill=False)

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> int:
        process, self._process = self._process, None
        client, self._client = self._client, None
        if client is not None:
            client.close()
        if process is None:
            return 0
        process.kill() if kill else process.terminate()
        with process:
            return process.wait(STOP_WITHIN_S)

    def admin(self, method: str, path: str, *, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call one of the emulator's own paths, for instance ``("GET", "/stats")``."""
        assert self._client is not None
        reply = self._client.request(method, path, json=body)
        reply.raise_for_status()
        answer: dict[str, Any] = reply.json()
        return answer

    def submission(self, name: str) -> dict[str, Any]:
        """What one submission led to: interactions, creates, looks, cancels, deletes, interaction_ids."""
        found: dict[str, Any] = self.admin("GET", f"/stats?submission={name}")["submissions"][name]
        return found

    def set_faults(self, *names: str, **settings: Any) -> None:
        """Let the whole server show faults, in place of those it showed before; none at all without names."""
        self.admin("DELETE", "/faults")
        for name in names:
            self.admin("POST", "/faults", body={"fault": name, **settings})
