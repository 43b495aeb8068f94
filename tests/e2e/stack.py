"""Longhaul as an operator runs it: server, emulator and worker as processes, which tests may kill."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx2 as httpx
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from runs.messages import DEFAULT_AGENT, AgentRunRequest
from runs.pacing import Pacing
from runs.phase import Phase
from starter.processes import tied
from starter.runs import look_at_run, start_run
from starter.views import RunView
from tests.dev_server import DevServer, free_port, running_dev_server
from tests.emulator_server import EmulatorServer

_ROOT: Final = Path(__file__).parent.parent.parent

_READY_WITHIN_S: Final = 30.0
"""A worker is ready in about a second on two idle cores; the rest is for a machine that runs other tests."""

_OURS: Final = ("LONGHAUL_", "TEMPORAL_", "GEMINI_", "GOOGLE_")
"""Variables that a developer's shell may have set, and that must not reach a worker under test."""

_SHOWN_CHARS: Final = 20_000

_T = TypeVar("_T")


async def assert_eventually(check: Callable[[], Awaitable[_T]], *, within_s: float = 30.0) -> _T:
    """Return what ``check`` returns once its assertions hold; after ``within_s``, fail as it last failed."""
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            return await check()
        except AssertionError:
            if time.monotonic() > give_up_at:
                raise
        await asyncio.sleep(0.05)


class WorkerProcess:
    """``python -m worker``, over any number of starts.

    Args:
        environ: Its variables, beside those of this process that do not concern it.
        log_file: Where it writes; each start appends.
        command: What Python runs instead, and its arguments.

    Attributes:
        environ: All its variables.
    """

    def __init__(
        self, environ: dict[str, str], *, log_file: Path, command: Sequence[str] = ("-m", "worker")
    ) -> None:
        self._address = f"127.0.0.1:{free_port()}"
        others = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self.environ = {**others, **environ, "LONGHAUL_HEALTH_ADDRESS": self._address}
        self._log_file = log_file
        self._command = [sys.executable, *command]
        self._shown_bytes = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it without waiting for its drain, which a test that needs it has waited for."""
        self.kill()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All it has written."""
        return self._log_file.read_text(errors="replace")

    def start(self) -> None:
        """Start it and return once ``/healthz`` says it is ready.

        Not from a thread that may end: to the kernel that is the parent, and the worker ends with it.

        Raises:
            RuntimeError: It did not come up; the message ends with what it wrote.
        """
        with self._log_file.open("ab") as log:
            # Killed with the tests, should those be killed.
            self._process = subprocess.Popen(
                tied(self._command),
                cwd=_ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        give_up_at = time.monotonic() + _READY_WITHIN_S
        while not self.health().get("ok"):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.kill()
                raise RuntimeError(f"the worker did not start:\n{self.log[-_SHOWN_CHARS:]}")
            time.sleep(0.02)

    def health(self) -> dict[str, Any]:
        """Return what ``/healthz`` answers; nothing when it does not answer."""
        try:
            answer: dict[str, Any] = httpx.get(f"http://{self._address}/healthz", trust_env=False).json()
        except httpx.TransportError:
            return {}
        return answer

    def kill(self) -> None:
        """End it as ``kill -9`` would; nothing happens when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def terminate(self) -> None:
        """Ask it to stop, as a supervisor would; it drains first."""
        assert self._process is not None
        self._process.terminate()

    def wait(self, within_s: float) -> int:
        """Wait for the end it was asked for and return its exit code."""
        assert self._process is not None
        return self._process.wait(within_s)

    def show_news(self) -> None:
        """Print what it wrote since the last time, for pytest to show when the test failed."""
        written = self._log_file.read_bytes()
        print(written[self._shown_bytes :].decode(errors="replace")[-_SHOWN_CHARS:])  # noqa: T201 - captured
        self._shown_bytes = len(written)


class Stack:
    """One server, one emulator and one worker, and what tests do with them."""

    def __init__(
        self, *, server: DevServer, emulator: EmulatorServer, worker: WorkerProcess, home: Path
    ) -> None:
        self.server: Final = server
        self.emulator: Final = emulator
        self.worker: Final = worker
        self.home: Final = home

    def mend(self) -> None:
        """Start again what has been killed."""
        if not self.server.is_running:
            self.server.start()
        if not self.worker.is_running:
            self.worker.start()

    async def client(self) -> Client:
        """Return a client of the server."""
        return await Client.connect(self.server.address, data_converter=pydantic_data_converter)

    def let_pass(self, emulated_s: float) -> None:
        """Let that much time pass at the API, so that whatever takes less is over."""
        before = self.emulator.admin("GET", "/clock")
        scale, over_at_s = before["time_scale"], before["now_s"] + emulated_s
        self.emulator.admin("PUT", "/clock", body={"time_scale": 1e6 * scale})
        while self.emulator.admin("GET", "/clock")["now_s"] < over_at_s:
            pass  # a request takes milliseconds, which are hours
        self.emulator.admin("PUT", "/clock", body={"time_scale": scale})

    async def start(self, submission: str, *, client: Client, request: AgentRunRequest | None = None) -> str:
        """Start a run whose id is the word under which the emulator counts its creates; return it."""
        await start_run(client, request or request_for(submission), run_id=submission)
        return submission

    async def assert_running(self, run_id: str, *, client: Client) -> RunView:
        """Check that a run's submission was accepted."""
        view = await look_at_run(client, run_id)
        assert view.phase is Phase.RUNNING, view
        return view

    async def assert_between_looks(self, run_id: str, *, client: Client) -> None:
        """Check that a run has been looked at and waits for the next look, so that no worker has it."""
        description = await client.get_workflow_handle(run_id).describe()
        states = [(each.state, each.attempt > 1) for each in description.raw_description.pending_activities]
        assert states == [(PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED, True)], states

    async def assert_ended(self, run_id: str, *, client: Client) -> RunView:
        """Check that a run has ended, however."""
        view = await look_at_run(client, run_id)
        assert view.phase.is_end, view
        return view


def request_for(
    submission: str,
    *,
    directive: str = "duration_s=120",
    pacing: Pacing | None = None,
    deadline_s: float = 600.0,
) -> AgentRunRequest:
    """Return a request that steers the emulator from inside its question."""
    return AgentRunRequest(
        agent=DEFAULT_AGENT,
        input=f"Why is black tea astringent? [[emulator submission={submission} {directive}]]",
        pacing=pacing,
        deadline_s=deadline_s,
    )


@contextlib.contextmanager
def running_stack(
    home: Path,
    *,
    time_scale: float = 60.0,
    has_ui: bool = False,
    dynamic_config: Mapping[str, str] | None = None,
    **environ: str,
) -> Iterator[Stack]:
    """Run a stack of one's own; all of it has ended when the block has.

    Args:
        home: An empty folder for state, artifacts and logs.
        time_scale: The emulator's: at the default a research of two minutes takes two seconds.
        has_ui: Whether the server has its web UI.
        dynamic_config: More of the server's, as JSON values by key.
        environ: More variables of the worker.
    """
    with (
        running_dev_server(
            db_file=home / "temporal.db", has_ui=has_ui, dynamic_config=dynamic_config
        ) as server,
        EmulatorServer(time_scale=time_scale) as emulator,
        worker_of(server, emulator, home=home, **environ) as worker,
    ):
        yield Stack(server=server, emulator=emulator, worker=worker, home=home)


def worker_of(
    server: DevServer,
    emulator: EmulatorServer,
    *,
    home: Path,
    command: Sequence[str] = ("-m", "worker"),
    **environ: str,
) -> WorkerProcess:
    """Return a worker of ``server`` and ``emulator``, not started yet.

    Args:
        server: Whose task queue it serves.
        emulator: Its API.
        home: For its artifacts and its log.
        command: What Python runs instead, and its arguments.
        environ: More variables.
    """
    return WorkerProcess(
        {
            **server.environ,
            "LONGHAUL_API_BASE_URL": emulator.base_url,
            "LONGHAUL_HOME": str(home),
            "LONGHAUL_POLL_MIN_S": "0.2",
            "LONGHAUL_POLL_MAX_S": "1",
            **environ,
        },
        log_file=home / "worker.log",
        command=command,
    )
