"""``longhaul resolve``."""

from dataclasses import dataclass

from runs.messages import Resolution, ResolveSubmission
from starter.arguments import parse_run_id
from starter.errors import ExitCode, InvalidInput
from starter.output import Output
from starter.runs import resolve_run
from starter.temporal import connect


@dataclass(frozen=True, kw_only=True)
class ResolveOptions:
    """The arguments of ``longhaul resolve``."""

    run_id: str
    adopt: str | None
    is_resubmitted: bool
    is_given_up: bool


async def resolve(options: ResolveOptions, *, output: Output) -> ExitCode:
    """Decide about a submission whose outcome is unknown, and say where the run then stands."""
    parse_run_id(options.run_id)
    resolution = _resolution(options)
    client = await connect()
    output.run(await resolve_run(client, options.run_id, resolution))
    return ExitCode.DONE


def _resolution(options: ResolveOptions) -> ResolveSubmission:
    chosen = [
        resolution
        for resolution, is_chosen in (
            (Resolution.ADOPT, options.adopt is not None),
            (Resolution.RESUBMIT, options.is_resubmitted),
            (Resolution.GIVE_UP, options.is_given_up),
        )
        if is_chosen
    ]
    if len(chosen) != 1 or options.adopt == "":
        raise InvalidInput("give exactly one of --adopt INTERACTION, --resubmit and --give-up")
    return ResolveSubmission(resolution=chosen[0], interaction_id=options.adopt)
