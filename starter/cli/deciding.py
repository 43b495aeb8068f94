"""``longhaul cancel`` and ``resolve``: what decides about a run."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

from typing import Annotated

import typer

from starter.cli.options import AsJson, RunId


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
