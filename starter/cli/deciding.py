"""``longhaul approve``, ``deny``, ``revise``, ``cancel`` and ``resolve``: what decides."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

from typing import Annotated

import typer

from starter.cli.options import AsJson, RunId

CallId = Annotated[
    str | None,
    typer.Option("--call", metavar="CALL", help="Which call, where several wait.", show_default=False),
]


StepName = Annotated[
    str | None,
    typer.Option(
        "--step", metavar="STEP", help="Which step of a chain, where several wait.", show_default=False
    ),
]


def approve(  # noqa: PLR0913 - one parameter per option is typer's way
    run_id: RunId,
    *,
    call: CallId = None,
    step: StepName = None,
    note: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="A last word to the agent about its plan; for a chain, what later steps may refer to.",
            show_default=False,
        ),
    ] = "",
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Approve the plan or the function call that a run waits with, or what a step of a chain asks."""
    from starter.commands.approving import ApproveOptions
    from starter.commands.approving import approve as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    options = ApproveOptions(run_id=run_id, call_id=call, step=step, note=note, is_sure=is_sure)
    run_to_exit(run(options, output=output), output=output)


def deny(
    run_id: RunId,
    *,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; the model, or the chain, is told.", show_default=False)
    ],
    call: CallId = None,
    step: StepName = None,
    as_json: AsJson = False,
) -> None:
    """Have a function call that a run waits with not carried out, or reject what a step of a chain asks."""
    from starter.commands.approving import DenyOptions
    from starter.commands.approving import deny as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    options = DenyOptions(run_id=run_id, call_id=call, step=step, reason=reason)
    run_to_exit(run(options, output=output), output=output)


def revise(
    run_id: RunId,
    feedback: Annotated[
        str,
        typer.Argument(help="What is to be different; - reads it from standard input.", show_default=False),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Ask for another plan in place of the one that a run waits with."""
    from starter.commands.approving import ReviseOptions
    from starter.commands.approving import revise as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    output = Output(as_json=as_json)
    options = ReviseOptions(run_id=run_id, feedback=feedback)
    run_to_exit(run(options, output=output), output=output)


def cancel(
    run_id: RunId,
    *,
    wait_timeout: Annotated[
        str, typer.Option("--wait-timeout", metavar="TIME", help="How long to wait for the run's end.")
    ] = "60s",
    as_json: AsJson = False,
) -> None:
    """Stop a run or a chain; of a run, say whether the API confirmed that it stopped."""
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
