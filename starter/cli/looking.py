"""``longhaul status``, ``watch``, ``result`` and ``list``: what shows, and changes nothing."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

from typing import Annotated

import typer

from runs.phase import Phase
from starter.cli.options import AsJson, Out, RunId, Stream, WaitTimeout
from starter.kinds import RunKind


def status(run_id: RunId, *, as_json: AsJson = False) -> None:
    """Say where a run or a chain stands. Exits with 5 while it goes on."""
    from starter.commands.looking import status as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    run_to_exit(run(run_id, output=output), output=output)


def watch(
    run_id: RunId,
    *,
    stream: Stream = False,
    wait_timeout: WaitTimeout = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Show a run's or a chain's progress to its end. Ctrl-C detaches; it goes on."""
    from starter.commands.looking import WatchOptions
    from starter.commands.looking import watch as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    options = WatchOptions(run_id=run_id, is_streamed=stream, wait_timeout=wait_timeout, out=out)
    output = Output(as_json=as_json)
    run_to_exit(run(options, output=output), output=output)


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
    """Print a run's report or a chain's output; with --open or --out, open or copy it instead."""
    from starter.commands.results import ResultOptions
    from starter.commands.results import result as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    options = ResultOptions(run_id=run_id, is_opened=is_opened, out=out, wait_timeout=wait_timeout)
    run_to_exit(run(options, output=output), output=output)


def list_(  # noqa: PLR0913 - one parameter per option is typer's way
    *,
    kind: Annotated[
        list[RunKind] | None,
        typer.Option("--kind", help="Only runs, chains or chats; may be repeated.", show_default=False),
    ] = None,
    phase: Annotated[
        list[Phase] | None,
        typer.Option("--phase", help="Only what is in this phase; may be repeated.", show_default=False),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(metavar="AGENT", help="Only runs of this agent or model.", show_default=False),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="WORD", help="Only what has this label.", show_default=False)
    ] = None,
    needs_attention: Annotated[
        bool, typer.Option("--needs-attention", help="Only what waits for a person.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at the most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, chains and chats: those under way first, then the newest."""
    from starter.commands.looking import ListOptions
    from starter.commands.looking import list_ as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    phases = phase or []
    if needs_attention:
        phases = [each for each in Phase if each.needs_a_person]
    options = ListOptions(kinds=kind or [], phases=phases, agent=agent, label=label, limit=limit)
    run_to_exit(run(options, output=output), output=output)
