"""``longhaul dev``: everything on this machine, in one terminal."""

import asyncio
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

import typer

from settings import Settings, SettingsError
from starter.dev_stack import DevStack, DevStackError, DevStackOptions, Ports, stack_environ

COST: Final = "about 1 to 3 US dollars a Deep Research question, 3 to 7 with the Max agent"
"""Google's own estimates for the preview agents (Deep Research guide, read 2026-11-22)."""

_COLOURS: Final = {"temporal": "35", "emulator": "36", "worker": "32", "longhaul": "1"}
"""ANSI codes: magenta, cyan, green, bold."""

_NAME_WIDTH: Final = max(map(len, _COLOURS))


class Terminal:
    """Where the lines of all programs go, each behind its program's name.

    Args:
        quiet: Leave out what programs print, and show only what we say ourselves.

    Attributes:
        is_tty: Whether a person may be looking.
        on_gone: Called when nobody reads our output any more.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.is_tty: Final = sys.stdout.isatty()
        self.on_gone: Callable[[], None] = sys.exit
        self._quiet = quiet
        self._has_colours = self.is_tty and "NO_COLOR" not in os.environ

    def show(self, name: str, line: str) -> None:
        """Print a line of the program ``name``."""
        if self._quiet and name != "longhaul":
            return
        self.say(f"{self._coloured(f'{name:<{_NAME_WIDTH}} |', _COLOURS[name])} {line}")

    def warn(self, text: str) -> None:
        """Print ``text`` so that it is not overlooked."""
        self.say(self._coloured(text, "1;31"))

    def say(self, text: str) -> None:
        """Print ``text`` as it is."""
        try:
            typer.echo(text)
        except OSError:
            # For example `longhaul dev | head`. What is still to come, the interpreter's last flush
            # included, goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.on_gone()

    def _coloured(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._has_colours else text


def dev(  # noqa: PLR0913 - one parameter per option is typer's way
    *,
    port: Annotated[int, typer.Option(help="Temporal's gRPC port.", metavar="PORT", min=1, max=65535)] = 7233,
    ui_port: Annotated[
        int, typer.Option(help="Temporal UI's port.", metavar="PORT", min=1, max=65535)
    ] = 8233,
    emulator_port: Annotated[
        int, typer.Option(help="The emulator's port.", metavar="PORT", min=1, max=65535)
    ] = 8089,
    health_port: Annotated[
        int, typer.Option(help="The worker's health port.", metavar="PORT", min=1, max=65535)
    ] = 9090,
    time_scale: Annotated[
        float,
        typer.Option(help="How many times as fast as the real API the emulator works.", metavar="N", min=0.1),
    ] = 60.0,
    emulator: Annotated[
        bool, typer.Option("--emulator", help="Use the emulator even though an API key is set.")
    ] = False,
    home: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the database and the reports.  [default: ~/.longhaul]"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show what the programs print.")] = False,
) -> None:
    """Run Temporal with its UI, an API and a worker on this machine. Ctrl-C ends all.

    Without an API key, the API is the emulator: free, offline, and quick.
    """
    try:
        options = dev_options(
            ports=Ports(temporal=port, ui=ui_port, emulator=emulator_port, health=health_port),
            time_scale=time_scale,
            force_emulator=emulator,
            home=home,
        )
        asyncio.run(_serve(options, quiet=quiet))
    except DevStackError as error:
        for line in error.last_words if quiet else ():
            typer.echo(f"  {line}", err=True)
        typer.echo(f"longhaul dev: {error}", err=True)
        raise typer.Exit(1) from None
    except SettingsError as error:
        typer.echo(f"longhaul dev: {error}", err=True)
        raise typer.Exit(2) from None


def dev_options(
    *, ports: Ports, time_scale: float, force_emulator: bool = False, home: Path | None = None
) -> DevStackOptions:
    """Return what to start here, by the process's environment.

    Args:
        ports: Where to listen.
        time_scale: The emulator's.
        force_emulator: Use it although an API is configured.
        home: None for the configured one.

    Raises:
        SettingsError: A variable has a value that cannot be used.
    """
    environ = dict(os.environ)
    if home is not None:
        environ["LONGHAUL_HOME"] = str(home)
    settings = Settings.from_env(environ)
    is_configured = settings.api_key or settings.vertex_project or settings.api_base_url
    return DevStackOptions(
        home=settings.home,
        environ=environ,
        emulate=force_emulator or not is_configured,
        time_scale=time_scale,
        ports=ports,
    )


async def run_in_foreground(
    stack: DevStack, use: Callable[[DevStack], Awaitable[int]], *, terminal: Terminal
) -> int | None:
    """Start ``stack``, use it, end it, and return what ``use`` returned; None when a signal ended it.

    The first Ctrl-C (or SIGTERM, or the terminal's end) ends everything in order, as does the end of
    whoever reads our output; the second signal ends it at once.

    Raises:
        DevStackError: The stack did not start, or could not go on.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(_use(stack, use))
    is_stopping = False

    def stop() -> None:
        nonlocal is_stopping
        if is_stopping:
            stack.kill()
            return
        is_stopping = True
        task.cancel()
        terminal.say("Ending the worker, then the rest; Ctrl-C again ends all at once.")

    def stop_once() -> None:
        if not is_stopping:
            stop()

    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup, where it is to go on
        signals.append(signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, stop)
    terminal.on_gone = stop_once
    try:
        return await task
    except asyncio.CancelledError:
        if not is_stopping:
            raise
        return None
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _use(stack: DevStack, use: Callable[[DevStack], Awaitable[int]]) -> int:
    async with stack:
        using = asyncio.ensure_future(use(stack))
        try:
            futures: set[asyncio.Future[Any]] = {using, stack.failure}
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            if stack.failure.done():
                raise stack.failure.result()
            return using.result()
        finally:
            using.cancel()
            await asyncio.gather(using, return_exceptions=True)


async def _serve(options: DevStackOptions, *, quiet: bool) -> None:
    terminal = Terminal(quiet=quiet)
    if terminal.is_tty and "LONGHAUL_LOG_FORMAT" not in options.environ:
        # The programs see a pipe, where they would print JSON; a person reads the other end of it.
        options = replace(options, environ={**options.environ, "LONGHAUL_LOG_FORMAT": "console"})
    settings = Settings.from_env(stack_environ(options))
    if settings.is_paid:
        terminal.warn(f"PAID: runs go to Google's API: {COST}. `longhaul dev --emulator` is free.")
    terminal.say("Starting …")

    async def wait_for_ever(stack: DevStack) -> int:
        terminal.say(_banner(stack, settings))
        await asyncio.Event().wait()
        return 0

    await run_in_foreground(DevStack(options, show=terminal.show), wait_for_ever, terminal=terminal)
    terminal.say("Everything has ended.")


def _banner(stack: DevStack, settings: Settings) -> str:
    options = stack.options
    api = api_url = settings.base_url
    if options.emulate:
        api = f"emulator at {api}, {options.time_scale:g} times as fast as the real API, free"
    elif settings.is_paid:
        api = f"{api} (PAID: {COST})"
    command = [_own_command(), "research", "What limits grid-scale batteries?"]
    return f"""
Ready.
  Temporal     {stack.temporal_address}
  Temporal UI  {stack.ui_url}
  API          {api}
  worker       {stack.health_url}
  artifacts    {_readable(settings.artifacts_url)}

Now, in another terminal:
  {" ".join([*_assignments(stack), shlex.join(command)])}{_how_to_stream(api_url, options)}

Ctrl-C ends all.
"""


def _how_to_stream(api_url: str, options: DevStackOptions) -> str:
    """What to say about ``--stream``, which reads from the API itself."""
    if not options.emulate:
        return ""
    return f"\n  and with LONGHAUL_API_BASE_URL={api_url} before it and --stream, to read along"


def _assignments(stack: DevStack) -> list[str]:
    """What another terminal must set to find this stack, as NAME=value words."""
    inherited = {"TEMPORAL_ADDRESS": "127.0.0.1:7233", "LONGHAUL_HOME": str(Settings.from_env({}).home)}
    inherited |= {name: os.environ[name] for name in inherited if os.environ.get(name)}
    needed = {name: stack.environ[name] for name in inherited if stack.environ[name] != inherited[name]}
    return [f"{name}={shlex.quote(value)}" for name, value in needed.items()]


def _own_command() -> str:
    """How to type this command in another terminal."""
    on_path = shutil.which("longhaul")
    own = Path(sys.executable).with_name("longhaul")
    if on_path and Path(on_path).absolute() == own:
        return "longhaul"
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def _readable(url: str) -> str:
    """A folder's path for a file:// URL; other URLs as they are."""
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "file" else url
