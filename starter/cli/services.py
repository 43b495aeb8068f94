"""``longhaul doctor``, ``dev``, ``demo``, ``worker`` and ``emulator``: what runs need."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

import os
import sys
from collections.abc import Callable
from typing import NoReturn

import typer

from starter.cli.options import AsJson


def doctor(*, as_json: AsJson = False) -> None:
    """Check everything a run needs, and say how to mend what is not in order."""
    from starter.commands.doctor import doctor as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    run_to_exit(run(output=output), output=output)


def dev(context: typer.Context) -> None:
    """Run Temporal with its UI, an API and a worker on this machine. Ctrl-C ends all."""
    from starter.dev import dev as run

    _delegate(run, context)


def demo(context: typer.Context) -> None:
    """Ask one question and show its report: start everything, run, end everything."""
    from starter.demo import demo as run

    _delegate(run, context)


def worker(context: typer.Context) -> None:
    """Run a worker in this terminal."""
    _become("worker", context.args)


def emulator(context: typer.Context) -> None:
    """Run the emulator of the Interactions API in this terminal."""
    _become("emulator", context.args)


def _delegate(command: Callable[..., None], context: typer.Context) -> None:
    """Run ``command``, whose options are declared where it is, with the arguments that are left."""
    delegate = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    delegate.command()(command)
    delegate(args=context.args, prog_name=context.command_path)


def _become(module: str, arguments: list[str]) -> NoReturn:
    # -P: a folder that happens to have a worker.py of its own must not take this one's place.
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606 - our own modules; there is no shell to want
