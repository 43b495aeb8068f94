"""``longhaul research``: what starts a run."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

from typing import Annotated

import typer

from runs.phase import UnknownPolicy
from starter.cli.options import AsJson, Out, WaitTimeout


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
