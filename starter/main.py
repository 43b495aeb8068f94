"""The ``longhaul`` command: what can be typed. What it does is in `starter.commands`."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from runs.phase import Phase, UnknownPolicy

app = typer.Typer(
    name="longhaul",
    help="Run agents that take minutes or hours: submitted once, watched through Temporal, never lost.",
    epilog="Exit codes: 0 done, 1 the run failed, 2 usage or setup, 3 Temporal cannot be used, "
    "4 not found, 5 still running. Answers go to standard output, progress to standard error.",
    no_args_is_help=True,
    # Plain help costs a third of the time, and plain errors are one line.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PASSED_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For commands whose arguments another program reads, ``--help`` included."""


RunId = Annotated[str, typer.Argument(metavar="ID", help="The run's id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Copy the run's files into this folder.", show_default=False),
]
WaitTimeout = Annotated[
    str | None,
    typer.Option(
        "--wait-timeout",
        metavar="TIME",
        help="Stop waiting after this time, such as 10m; the run goes on.",
        show_default=False,
    ),
]


@app.command()
def research(  # noqa: PLR0913 - one parameter per option is typer's way
    *,
    question: Annotated[
        str, typer.Argument(help="What to find out; - reads it from standard input.", show_default=False)
    ],
    agent: Annotated[
        str | None, typer.Option(metavar="AGENT", help="Another agent's id.", show_default=False)
    ] = None,
    is_max: Annotated[
        bool, typer.Option("--max", help="Use the Deep Research Max agent: more thorough, slower, dearer.")
    ] = False,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="ID",
            help="The run's id. The same id again attaches to the run instead of starting a second one.",
            show_default=False,
        ),
    ] = None,
    attach: Annotated[
        list[str] | None,
        typer.Option(
            "--attach", metavar="FILE|URL", help="Something to read; may be repeated.", show_default=False
        ),
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Stop the run after this time, such as 90m. Default: 75m.",
            show_default=False,
        ),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Start the run, print its id and leave.")
    ] = False,
    wait_timeout: WaitTimeout = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="WORD",
            help="A word to find the run by; may be repeated. Not encrypted: no personal data.",
            show_default=False,
        ),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose run it is.", show_default=False)
    ] = None,
    on_unknown: Annotated[
        UnknownPolicy,
        typer.Option(
            "--on-unknown",
            help="When the answer to the submission is lost: wait for news or for you, send again and "
            "perhaps pay twice, or fail.",
        ),
    ] = UnknownPolicy.HOLD,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Start a run, show its progress, and say where the report is.

    Ctrl-C detaches; the run goes on. `longhaul watch ID` comes back to it.
    """
    from starter.commands.research import ResearchOptions
    from starter.commands.research import research as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    options = ResearchOptions(
        question=question,
        agent=agent,
        is_max=is_max,
        run_id=run_id,
        attachments=attach or [],
        deadline=deadline,
        is_waiting=not no_wait,
        wait_timeout=wait_timeout,
        labels=label or [],
        tenant=tenant,
        on_unknown=on_unknown,
        out=out,
    )
    output = Output(as_json=as_json)
    run_to_exit(run(options, output=output), output=output)


@app.command()
def status(run_id: RunId, *, as_json: AsJson = False) -> None:
    """Say where a run stands. Exits with 5 while it goes on."""
    from starter.commands.looking import status as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    run_to_exit(run(run_id, output=output), output=output)


@app.command()
def watch(
    run_id: RunId, *, wait_timeout: WaitTimeout = None, out: Out = None, as_json: AsJson = False
) -> None:
    """Show a run's progress to its end. Ctrl-C detaches; the run goes on."""
    from starter.commands.looking import watch as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    run_to_exit(run(run_id, wait_timeout=wait_timeout, out=out, output=output), output=output)


@app.command()
def result(
    run_id: RunId,
    *,
    is_opened: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    out: Out = None,
    wait_timeout: Annotated[
        str | None,
        typer.Option(
            "--wait-timeout",
            metavar="TIME",
            help="Wait this long for a run that goes on. Default: not at all.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a run's report; with --open or --out, open or copy it instead."""
    from starter.commands.results import ResultOptions
    from starter.commands.results import result as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    options = ResultOptions(run_id=run_id, is_opened=is_opened, out=out, wait_timeout=wait_timeout)
    run_to_exit(run(options, output=output), output=output)


@app.command("list")
def list_(  # noqa: PLR0913 - one parameter per option is typer's way
    *,
    phase: Annotated[
        list[Phase] | None,
        typer.Option("--phase", help="Only runs in this phase; may be repeated.", show_default=False),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="AGENT", help="Only runs of this agent.", show_default=False)
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="WORD", help="Only runs with this label.", show_default=False)
    ] = None,
    needs_attention: Annotated[
        bool, typer.Option("--needs-attention", help="Only runs that wait for a person.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs: those under way first, then the newest."""
    from starter.commands.looking import ListOptions
    from starter.commands.looking import list_ as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    phases = phase or []
    if needs_attention:
        phases = [each for each in Phase if each.needs_a_person]
    options = ListOptions(phases=phases, agent=agent, label=label, limit=limit)
    run_to_exit(run(options, output=output), output=output)


@app.command()
def cancel(
    run_id: RunId,
    *,
    wait_timeout: Annotated[
        str, typer.Option("--wait-timeout", metavar="TIME", help="How long to wait for the run's end.")
    ] = "60s",
    as_json: AsJson = False,
) -> None:
    """Stop a run, and say whether the API confirmed that it stopped."""
    from starter.commands.results import cancel as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    run_to_exit(run(run_id, wait_timeout=wait_timeout, output=output), output=output)


@app.command()
def resolve(
    run_id: RunId,
    *,
    adopt: Annotated[
        str | None,
        typer.Option(
            metavar="INTERACTION",
            help="Go on with this interaction; it is looked up first.",
            show_default=False,
        ),
    ] = None,
    is_resubmitted: Annotated[
        bool, typer.Option("--resubmit", help="Send the request again, and perhaps pay twice.")
    ] = False,
    is_given_up: Annotated[bool, typer.Option("--give-up", help="End the run as failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide about a run whose submission may or may not have been taken."""
    from starter.commands.resolving import ResolveOptions
    from starter.commands.resolving import resolve as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    options = ResolveOptions(
        run_id=run_id, adopt=adopt, is_resubmitted=is_resubmitted, is_given_up=is_given_up
    )
    run_to_exit(run(options, output=output), output=output)


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Check everything a run needs, and say how to mend what is not in order."""
    from starter.commands.doctor import doctor as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    run_to_exit(run(output=output), output=output)


@app.command(context_settings=_PASSED_ON, add_help_option=False)
def dev(context: typer.Context) -> None:
    """Run Temporal with its UI, an API and a worker on this machine. Ctrl-C ends all."""
    from starter.dev import dev as run

    _delegate(run, context)


@app.command(context_settings=_PASSED_ON, add_help_option=False)
def demo(context: typer.Context) -> None:
    """Ask one question and show its report: start everything, run, end everything."""
    from starter.demo import demo as run

    _delegate(run, context)


@app.command(context_settings=_PASSED_ON, add_help_option=False)
def worker(context: typer.Context) -> None:
    """Run a worker in this terminal."""
    _become("worker", context.args)


@app.command(context_settings=_PASSED_ON, add_help_option=False)
def emulator(context: typer.Context) -> None:
    """Run the emulator of the Interactions API in this terminal."""
    _become("emulator", context.args)


def main() -> None:
    """Run the command that was typed."""
    app()


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


if __name__ == "__main__":
    main()
