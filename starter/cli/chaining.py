"""``longhaul chain check``, ``run`` and ``show``."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

from pathlib import Path
from typing import Annotated

import typer

from starter.cli.options import (
    Again,
    AsJson,
    Labels,
    MaxCostUsd,
    MaxInteractions,
    MaxTokens,
    NewRunId,
    NoWait,
    Out,
    RunId,
    Tenant,
    WaitTimeout,
)

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="The chain, YAML or JSON; - reads it from standard input.", show_default=False
    ),
]

AllowPath = Annotated[
    list[Path] | None,
    typer.Option(
        "--allow-path",
        metavar="DIR",
        help="Let it attach files in or below this folder, too, not only below its own. May be repeated.",
        show_default=False,
    ),
]

app = typer.Typer(
    help="Chains of steps: researches, models, functions and approvals that refer to each other.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def check(file: File, *, allow_path: AllowPath = None, as_json: AsJson = False) -> None:
    """Check a chain's file as a whole: say what it reads and sends, or all that is wrong. Starts nothing."""
    from starter.commands.chain import check as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    run_to_exit(run(file, allowed_folders=tuple(allow_path or ()), output=output), output=output)


@app.command("run")
def run_(  # noqa: PLR0913 - one parameter per option is typer's way
    file: File,
    *,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="One of the chain's inputs; anything but a text is JSON. May be repeated.",
            show_default=False,
        ),
    ] = None,
    allow_path: AllowPath = None,
    chain_id: NewRunId = None,
    again: Again = False,
    label: Labels = None,
    tenant: Tenant = None,
    max_cost_usd: MaxCostUsd = None,
    max_tokens: MaxTokens = None,
    max_interactions: MaxInteractions = None,
    is_sure: Annotated[
        bool,
        typer.Option("--yes", help="Start without asking, and approve whatever the chain asks meanwhile."),
    ] = False,
    no_wait: NoWait = False,
    wait_timeout: WaitTimeout = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Start a chain, show its steps as they go on, and say where the result is.

    Asks you what a step wants approved. Ctrl-C detaches; the chain goes on.
    """
    from starter.commands.chain import ChainRunOptions
    from starter.commands.chain import run as run_chain
    from starter.exiting import run_to_exit
    from starter.output import Output

    options = ChainRunOptions(
        file=file,
        inputs=tuple(inputs or ()),
        allowed_folders=tuple(allow_path or ()),
        chain_id=chain_id,
        is_again=again,
        labels=tuple(label or ()),
        tenant=tenant,
        max_cost_usd=max_cost_usd,
        max_tokens=max_tokens,
        max_interactions=max_interactions,
        is_sure=is_sure,
        is_waiting=not no_wait,
        wait_timeout=wait_timeout,
        out=out,
    )
    output = Output(as_json=as_json)
    run_to_exit(run_chain(options, output=output), output=output)


@app.command()
def show(chain_id: RunId, *, as_json: AsJson = False) -> None:
    """Show where a chain and each of its steps stand: phases, times, costs, runs, and why."""
    from starter.commands.chain import show as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    run_to_exit(run(chain_id, output=output), output=output)
