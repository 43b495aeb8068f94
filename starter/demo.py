"""``longhaul demo``: one question, from nothing running to a report, to nothing running."""

import asyncio
import contextlib
import shlex
import sys
import time
from pathlib import Path
from typing import Final

import typer

from settings import Settings, SettingsError
from starter.dev import COST, Terminal, dev_options, run_in_foreground
from starter.dev_stack import DevStack, DevStackError, DevStackOptions, Ports, stack_environ
from starter.errors import ExitCode
from starter.processes import PRIVATE_UMASK, tied

_HOME: Final = Path(".longhaul")
"""In the current folder, where whoever tries this out finds the report, and can delete all of it."""

_QUESTION: Final = "What limits the lifetime of grid-scale batteries, and what is being done about it?"

_TIME_SCALE: Final = 60.0
"""The emulator's research takes twelve minutes of its time, so the demo waits twelve seconds for it."""

_SECOND_THOUGHTS_S: Final = 5
"""Enough to read one line and press Ctrl-C."""

_COMMAND_GRACE_S: Final = 5.0
"""For the command to say goodbye after Ctrl-C or SIGTERM; it only watches the run."""


def demo() -> None:
    """Ask one Deep Research question and show its report: start everything, run, end everything.

    Offline and free unless an API key is set.
    """
    try:
        # Free ports: the demo must work beside a `longhaul dev`, or whatever else has the usual ones.
        options = dev_options(ports=Ports.free(), time_scale=_TIME_SCALE, home=_HOME)
        terminal = Terminal(quiet=True)
        _announce(options, terminal)
        code = asyncio.run(_run(options, terminal))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except DevStackError as error:
        for line in error.last_words:
            typer.echo(f"  {line}", err=True)
        typer.echo(f"longhaul demo: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except SettingsError as error:
        typer.echo(f"longhaul demo: {error}", err=True)
        raise typer.Exit(ExitCode.USAGE) from None
    raise typer.Exit(code)


def _announce(options: DevStackOptions, terminal: Terminal) -> None:
    """Say what is about to happen; leave time to stop it where it costs money."""
    if options.emulate:
        terminal.say(
            "Starting Temporal, an emulator of Google's API and a worker to ask one Deep Research question:\n"
            "offline, free, about 20 seconds. Set GEMINI_API_KEY to do it for real."
        )
        return
    settings = Settings.from_env(stack_environ(options))
    terminal.say(f"Starting Temporal and a worker, to ask one question of {settings.base_url}.")
    if settings.is_paid:
        terminal.warn(
            f"PAID: this costs {COST}, and takes 5 to 60 minutes. "
            f"It starts in {_SECOND_THOUGHTS_S} seconds; Ctrl-C stops it."
        )
        time.sleep(_SECOND_THOUGHTS_S)


async def _run(options: DevStackOptions, terminal: Terminal) -> int:
    async def research(stack: DevStack) -> int:
        arguments = ["research", _QUESTION, "--out", str(_HOME / "demo")]
        terminal.say(f"Temporal UI, while this runs: {stack.ui_url}\n\n$ longhaul {shlex.join(arguments)}")
        return await _command(arguments, stack)

    code = await run_in_foreground(DevStack(options, show=terminal.show), research, terminal=terminal)
    if code is None:
        if not options.emulate:
            terminal.warn(
                f"A question that was sent is still being worked on, and paid for; "
                f"`longhaul dev --home {_HOME}` fetches its report."
            )
        return ExitCode.INTERRUPTED
    if code == 0:
        terminal.say(f"\nThe report is in {_HOME / 'demo' / 'report.html'}. Everything has ended again.")
        if options.emulate:
            terminal.say("Nothing was paid: the cost above is an estimate of what the real API would ask.")
    return code


async def _command(arguments: list[str], stack: DevStack) -> int:
    """Run a ``longhaul`` command on ``stack``, in this terminal, and return its exit code."""
    process = await asyncio.create_subprocess_exec(
        *tied([sys.executable, "-P", "-m", "starter.main", *arguments]),
        env=stack.environ,
        stdin=asyncio.subprocess.DEVNULL,
        # What it writes lies with the rest, and is as private.
        umask=PRIVATE_UMASK,
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _COMMAND_GRACE_S)
        if process.returncode is None:
            process.kill()
            await process.wait()
