"""`longhaul dev` and `longhaul demo` as a person meets them: processes in a terminal."""

import asyncio
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from starter.processes import free_ports
from tests.e2e.dev_stand_ins import bare_environ, processes_of, until, write_stand_ins

UMASK = 0o022
"""What the commands run with."""

READY = "Ctrl-C ends all."


def open_to_others(top: Path) -> list[str]:
    """What other users may do something with, of all that is in ``top`` and itself."""
    return [str(path) for path in (top, *top.rglob("*")) if path.stat().st_mode & 0o077]


def write_loosely(path: Path) -> None:
    """Write a file that everybody may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("of an earlier version")
    for each in (path, path.parent):
        each.chmod(0o755)


class Session:
    """Starts ``longhaul`` commands with one home and one environment, and kills what a test leaves.

    Attributes:
        home: The home, which exists.
        environ: The environment, without anything that a developer's shell may have set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.environ = {"HOME": str(folder), **bare_environ()}
        self._started: list[Command] = []

    async def start(self, *arguments: str, environ: Mapping[str, str] | None = None) -> "Command":
        """Start ``longhaul`` with ``arguments``."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "starter.main", *arguments),
            env={**self.environ, **(environ or {})},
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            umask=UMASK,
        )
        command = Command(process)
        self._started.append(command)
        return command

    async def start_dev(self, *arguments: str, environ: Mapping[str, str] | None = None) -> "Command":
        """Start ``longhaul dev`` on free ports."""
        return await self.start(*self.dev_arguments(), *arguments, environ=environ)

    def dev_arguments(self) -> list[str]:
        """What starts ``longhaul dev`` on free ports."""
        names = ("--port", "--ui-port", "--emulator-port", "--health-port")
        ports = [f"{name}={port}" for name, port in zip(names, free_ports(4), strict=True)]
        return ["dev", f"--home={self.home}", *ports]

    async def end(self) -> None:
        """Kill the commands that still run."""
        for command in self._started:
            await command.kill()


class Command:
    """One running command and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""

    async def until(self, part: str) -> None:
        """Return once it has printed ``part``."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while part not in self.output:
                line = await self.process.stdout.readline()
                assert line, f"it ended without {part!r}:\n{self.output}"
                self.output += line.decode()

    async def end(self) -> int:
        """Wait for its end and return its exit code."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            self.output += (await self.process.stdout.read()).decode()
            return await self.process.wait()

    async def kill(self) -> None:
        """End it as ``kill -9`` would."""
        if self.process.returncode is None:
            self.process.kill()
        await self.end()


def ignored_signals(pid: int) -> set[int]:
    """Numbers of the signals that a process ignores."""
    (mask,) = re.findall(r"SigIgn:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
    return {number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1}


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    """Commands with the real worker and emulator."""
    session = Session(tmp_path)
    yield session
    await session.end()
    await until(lambda: not processes_of(tmp_path))


@pytest.fixture
def standing_in(session: Session) -> Session:
    """Commands with stand-ins for worker and emulator."""
    session.environ["PYTHONPATH"] = str(write_stand_ins(session.folder))
    return session


async def test_a_question_is_answered_on_one_machine(session: Session) -> None:
    """With nothing configured, the printed command leads to a report, and Ctrl-C to nothing running.

    What is kept at home is nobody else's business, also what an earlier version left there; what was asked to
    be written elsewhere is as the umask says.
    """
    write_loosely(session.home / "artifacts" / ".unfinished" / "file")
    write_loosely(session.home / "artifacts" / "report.md")
    dev = await session.start_dev("--time-scale=600")
    await dev.until(READY)
    (line,) = re.findall(r"another terminal:\n +(.+)", dev.output)
    *assignments, _, command, question = shlex.split(line)
    environ = dict(word.split("=", 1) for word in assignments)
    research = await session.start(command, question, "--out=report", environ=environ)
    assert await research.end() == 0, research.output
    reports = list(session.folder.joinpath("report").rglob("*.md"))
    assert reports, research.output
    assert all(report.stat().st_mode & 0o777 == 0o666 & ~UMASK for report in reports)
    assert {"temporal.db", "emulator.db-wal"} <= {path.name for path in session.home.iterdir()}
    assert open_to_others(session.home) == []
    dev.process.send_signal(signal.SIGINT)
    assert await dev.end() == 0
    assert not processes_of(session.home)


async def test_the_demo_goes_from_nothing_to_a_report_to_nothing(session: Session) -> None:
    """The demo needs no key, no free usual port and no terminal, and leaves a report and no process."""
    demo = await session.start("demo")
    assert await demo.end() == 0, demo.output
    assert any(session.folder.joinpath(".longhaul", "demo").rglob("*.md")), demo.output
    assert not processes_of(session.folder / ".longhaul")
    assert open_to_others(session.folder / ".longhaul") == []


async def test_every_address_is_printed_once_all_is_ready(standing_in: Session) -> None:
    """Addresses of server, web page, API and worker, the folder, and what to type next.

    Two of them are said again with what to type: Temporal's, and the API's for reading along.
    """
    dev = await standing_in.start_dev()
    await dev.until(READY)
    assert len(re.findall(r"127\.0\.0\.1:\d+", dev.output.rpartition("Ready.")[2])) == 6
    assert f"{standing_in.home}/artifacts" in dev.output
    assert "PAID" not in dev.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_everything_in_order(standing_in: Session, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and the terminal's end are ordinary ways to end it: the worker drains first."""
    dev = await standing_in.start_dev()
    await dev.until(READY)
    dev.process.send_signal(number)
    assert await dev.end() == 0, dev.output
    assert standing_in.home.joinpath("drained").read_text() == "[True, True]"
    assert not processes_of(standing_in.home)


async def test_nohup_is_heeded(standing_in: Session) -> None:
    """Started under nohup, it outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # is inherited
    try:
        dev = await standing_in.start_dev()
    finally:
        signal.signal(signal.SIGHUP, before)
    await dev.until(READY)
    assert signal.SIGHUP in ignored_signals(dev.process.pid)


async def test_a_second_signal_ends_everything_at_once(standing_in: Session) -> None:
    """Nobody waits for a worker that does not end."""
    dev = await standing_in.start_dev()
    await dev.until(READY)
    standing_in.home.joinpath("hangs").touch()
    dev.process.send_signal(signal.SIGINT)
    await dev.until("draining")
    dev.process.send_signal(signal.SIGINT)
    assert await dev.end() == 0, dev.output
    assert not processes_of(standing_in.home)


async def test_a_signal_while_it_starts_ends_everything(standing_in: Session) -> None:
    """Ctrl-C does not wait for what is not ready yet."""
    dev = await standing_in.start_dev()
    await dev.until("Starting")
    await until(lambda: len(processes_of(standing_in.home)) > 1)
    dev.process.send_signal(signal.SIGINT)
    assert await dev.end() == 0, dev.output
    assert not processes_of(standing_in.home)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no parent-death signal")
async def test_kill_9_leaves_nothing_running(standing_in: Session) -> None:
    """The kernel ends what `longhaul dev` had no chance to end."""
    dev = await standing_in.start_dev()
    await dev.until(READY)
    await dev.kill()
    await until(lambda: not processes_of(standing_in.home))


async def test_it_ends_when_nobody_reads_it_any_more(standing_in: Session) -> None:
    """`longhaul dev | head` ends everything in order at the next line, and says nothing of broken pipes."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "starter.main", *standing_in.dev_arguments()),
            env=standing_in.environ,
            stdout=output,
            stderr=asyncio.subprocess.PIPE,
        )
    with os.fdopen(reading, "rb") as lines:
        while READY.encode() not in await asyncio.to_thread(lines.readline):
            pass
    for pid in processes_of(standing_in.home, part="-m\0worker"):
        os.kill(pid, signal.SIGKILL)  # its restart is news
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert not processes_of(standing_in.home)


async def test_quiet_shows_what_a_failed_program_said(standing_in: Session) -> None:
    """Without the programs' lines, a failed start still shows why, and ends in one line and not with 0."""
    standing_in.home.joinpath("broken").touch()
    dev = await standing_in.start_dev("--quiet")
    assert await dev.end() == 1
    assert dev.output.endswith(
        "  this worker is broken\nlonghaul dev: worker ended by itself (exit code 1)\n"
    ), dev.output


async def test_with_a_key_it_says_what_that_costs(standing_in: Session) -> None:
    """A key means Google's API, loudly, and no emulator."""
    dev = await standing_in.start_dev(environ={"GEMINI_API_KEY": "k"})
    await dev.until(READY)
    assert "PAID" in dev.output
    assert "US dollars" in dev.output
    assert "emulator |" not in dev.output


async def test_the_emulator_can_be_had_despite_a_key(standing_in: Session) -> None:
    """`--emulator` costs nothing, whatever is configured."""
    dev = await standing_in.start_dev("--emulator", environ={"GEMINI_API_KEY": "k"})
    await dev.until(READY)
    assert "PAID" not in dev.output
    assert "emulator |" in dev.output


async def test_a_setting_that_cannot_be_used_is_one_line(standing_in: Session) -> None:
    """A wrong variable is named; nothing is started."""
    dev = await standing_in.start_dev(environ={"LONGHAUL_POLL_MIN_S": "often"})
    assert await dev.end() == 2
    assert re.fullmatch(r"longhaul dev: LONGHAUL_POLL_MIN_S: .*\n", dev.output)
