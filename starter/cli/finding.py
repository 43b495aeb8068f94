"""``longhaul orphans``: what finds, and stops, what was left running."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

from typing import Annotated

import typer

from starter.cli.options import AsJson


def orphans(  # noqa: PLR0913 - one parameter per option is typer's way
    *,
    is_cancelling: Annotated[
        bool, typer.Option("--cancel", help="Cancel those that run; at a terminal, you are asked first.")
    ] = False,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    is_store_searched: Annotated[
        bool,
        typer.Option(
            "--in-store",
            help="Also search the whole artifact store for runs that this namespace does not have, as after "
            "it was deleted.",
        ),
    ] = False,
    closed_before: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only runs that ended before, to go on from a limit.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many runs of each kind are looked at.")
    ] = 500,
    as_json: AsJson = False,
) -> None:
    """Find interactions that may be running, and billed, without a run that watches them.

    Those of runs that were terminated in Temporal, and second ones that runs have named; with what the API
    says of each now.
    """
    from starter.commands.orphans import OrphansOptions
    from starter.commands.orphans import orphans as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    options = OrphansOptions(
        is_cancelling=is_cancelling,
        is_sure=is_sure,
        is_store_searched=is_store_searched,
        closed_before=closed_before,
        limit=limit,
    )
    run_to_exit(run(options, output=output), output=output)
