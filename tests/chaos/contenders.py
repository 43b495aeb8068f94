"""Who answers the questions: Longhaul, and the obvious ways to do without it. All can be killed."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter

from starter.processes import tied
from tests.chaos.ledger import Ledger, close, paid_interactions
from tests.chaos.trial import Trial
from tests.chaos.waiting import holds
from tests.dev_server import DevServer
from tests.e2e.stack import WorkerProcess, worker_of
from tests.emulator_server import EmulatorServer

_ROOT: Final = Path(__file__).parents[2]

_PLUGIN: Final = "temporalio-google-genai==0.1.0"
_PLUGIN_QUEUE: Final = "plugin"

_COMPLETED: Final = WorkflowExecutionStatus.COMPLETED


class Contender(Protocol):
    """Somebody who answers questions, in processes that may be killed."""

    name: str
    emulator: EmulatorServer

    async def ask(self, name: str, *, directive: str) -> None:
        """Hand in one question."""

    def victims(self) -> list["Victim"]:
        """The processes that may be killed; each comes back by itself."""

    async def finish(self, *, within_s: float) -> Ledger:
        """Wait until nothing more will come, and close the books."""


class Victim(Protocol):
    """A process that may be killed and started again."""

    def kill(self) -> None:
        """End it as ``kill -9`` would."""

    def start(self) -> None:
        """Start it and return once it works."""


class Longhaul:
    """Longhaul with its workers.

    Args:
        trial: Its runs.
        workers: Started ones.

    Attributes:
        is_doubt_enough: Whether not to wait for what takes two minutes; see `Trial.wait`.
    """

    name = "Longhaul"

    def __init__(self, trial: Trial, workers: list[WorkerProcess]) -> None:
        self.trial: Final = trial
        self.emulator = trial.emulator
        self._workers = workers
        self.is_doubt_enough = False

    async def ask(self, name: str, *, directive: str) -> None:
        """Start a run."""
        await self.trial.start(name, directive=directive)

    def victims(self) -> list[Victim]:
        """Its workers."""
        return list(self._workers)

    async def finish(self, *, within_s: float) -> Ledger:
        """Wait, resolve what is held, wait for that."""
        await self.trial.wait(within_s=within_s, is_doubt_enough=self.is_doubt_enough)
        await self.trial.resolve(within_s=within_s, is_doubt_enough=self.is_doubt_enough)
        return await self.trial.close()


class _Process:
    """A process of a rival."""

    def __init__(self, argv: list[str], *, log_file: Path) -> None:
        self._argv = argv
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return once it says so."""
        offset = self._log_file.stat().st_size if self._log_file.exists() else 0
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                tied(self._argv), cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        give_up_at = time.monotonic() + 60
        while b"READY" not in self._log_file.read_bytes()[offset:]:
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.kill()
                raise RuntimeError(f"did not start:\n{self._log_file.read_text()[-5_000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as ``kill -9`` would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


class Loop:
    """The tutorial's loop in one process, under a supervisor. See `tests.chaos.rivals.loop`."""

    def __init__(self, emulator: EmulatorServer, *, client: str, home: Path) -> None:
        self.name = "create-and-poll loop" if client == "http" else "google-genai 3.4 in the same loop"
        self.emulator = emulator
        self._questions = home / "questions"
        self._answers = home / "answers"
        self._questions.touch()
        self._answers.touch()
        self._asked: list[str] = []
        argv = [sys.executable, "-m", "tests.chaos.rivals.loop", "--client", client]
        argv += ["--base-url", emulator.base_url]
        argv += ["--questions", str(self._questions), "--answers", str(self._answers)]
        self.process: Final = _Process(argv, log_file=home / "loop.log")

    async def ask(self, name: str, *, directive: str) -> None:
        """Put one question on the list."""
        self._asked.append(name)
        text = f"Why is black tea astringent? [[emulator submission={name} {directive}]]"
        with self._questions.open("a") as lines:
            lines.write(json.dumps([name, text]) + "\n")

    def victims(self) -> list[Victim]:
        """The one process."""
        return [self.process]

    async def finish(self, *, within_s: float) -> Ledger:
        """Wait for the answers; give up on what hangs."""
        await holds(lambda: self._read().keys() == set(self._asked), within_s=within_s)
        answers = self._read()
        paid = paid_interactions(self.emulator, self._asked)
        return close(paid, known={name: {found} for name, found in answers.items()}, answered=len(answers))

    def _read(self) -> dict[str, str]:
        return {name: found for name, found, _ in map(json.loads, self._answers.read_text().splitlines())}


class Plugin:
    """Temporal's own Gemini plugin. See `tests.chaos.rivals.plugin`."""

    name = "temporalio-google-genai 0.1.0"

    def __init__(
        self, client: Client, *, server: DevServer, emulator: EmulatorServer, home: Path, python: Path
    ) -> None:
        self.emulator = emulator
        self._client = client
        self._asked: list[str] = []
        argv = [str(python), str(_ROOT / "tests/chaos/rivals/plugin.py"), server.address, emulator.base_url]
        self.processes: Final = [_Process(argv, log_file=home / f"plugin-{n}.log") for n in range(2)]

    async def ask(self, name: str, *, directive: str) -> None:
        """Start a workflow."""
        self._asked.append(name)
        text = f"Why is black tea astringent? [[emulator submission={name} {directive}]]"
        await self._client.start_workflow("PluginRun", text, id=name, task_queue=_PLUGIN_QUEUE)

    def victims(self) -> list[Victim]:
        """Its two workers."""
        return list(self.processes)

    async def finish(self, *, within_s: float) -> Ledger:
        """Wait for the workflows; give up on what does not end."""
        known: dict[str, set[str]] = {}

        async def is_done() -> bool:
            for name in self._asked:
                handle = self._client.get_workflow_handle(name, result_type=str)
                if name not in known and (await handle.describe()).status is _COMPLETED:
                    known[name] = {await handle.result()}
            return len(known) == len(self._asked)

        await holds(is_done, within_s=within_s)
        return close(paid_interactions(self.emulator, self._asked), known=known, answered=len(known))


def plugin_python() -> Path:
    """Return the interpreter of an environment that has the plugin, making it at the first call.

    It cannot be this one: the plugin wants google-genai below 3.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "longhaul-chaos" / "plugin"
    python = cache / "bin" / "python"
    ready = cache / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(cache)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--quiet", _PLUGIN], check=True)
        ready.write_text(_PLUGIN)
    return python


@contextlib.asynccontextmanager
async def running(victims: list[Victim]) -> AsyncIterator[None]:
    """Start them, and kill them in the end."""
    try:
        await asyncio.gather(*(asyncio.to_thread(victim.start) for victim in victims))
        yield
    finally:
        for victim in victims:
            victim.kill()


async def longhaul_on(
    server: DevServer, emulator: EmulatorServer, *, home: Path, label: str, workers: int = 2, **environ: str
) -> Longhaul:
    """Return Longhaul on a server of its own, its workers not started yet.

    Args:
        server: On which it runs.
        emulator: Its API.
        home: Of its workers.
        label: Of its runs.
        workers: How many.
        environ: More variables of theirs.
    """
    client = await Client.connect(server.address, data_converter=pydantic_data_converter)
    return Longhaul(
        Trial(client, emulator=emulator, home=home, label=label),
        [worker_of(server, emulator, home=home, **environ) for _ in range(workers)],
    )
