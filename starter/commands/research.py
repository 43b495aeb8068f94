"""``longhaul research``."""

from dataclasses import dataclass

from runs.messages import DEFAULT_AGENT, MAX_AGENT
from runs.planning import PlanMode
from starter.arguments import parse_duration_s, read_question
from starter.commands.following import Ending
from starter.commands.starting import StartOptions, start
from starter.errors import ExitCode, InvalidInput
from starter.output import Output


@dataclass(frozen=True, kw_only=True)
class ResearchOptions(StartOptions):
    """The command's arguments as they were typed."""

    question: str
    agent: str | None = None
    is_max: bool = False
    plan: str | None = None
    plan_grace: str | None = None
    plan_expires: str | None = None


async def research(options: ResearchOptions, *, output: Output) -> ExitCode:
    """Start a run, or attach to the one with this id; show it to its end unless told not to wait."""
    if options.is_max and options.agent is not None:
        raise InvalidInput("--max and --agent both choose the agent; give one of them")
    agent = MAX_AGENT if options.is_max else options.agent
    fields: dict[str, object] = {
        "agent": DEFAULT_AGENT if agent is None else agent,
        "input": read_question(options.question),
        "planning": _planning(options),
    }
    return await start(fields, options, ending=Ending.SUMMARY, output=output)


def _planning(options: ResearchOptions) -> dict[str, object] | None:
    if options.plan is None:
        if options.plan_grace is not None or options.plan_expires is not None:
            raise InvalidInput("--plan-grace and --plan-expires go with --plan")
        return None
    if options.plan not in set(PlanMode):
        raise InvalidInput(f"--plan {options.plan!r}: ask, or auto to go on by itself unless you object")
    planning: dict[str, object] = {"mode": options.plan}
    if options.plan_grace is not None:
        if options.plan != PlanMode.AUTO:
            raise InvalidInput("--plan-grace goes with --plan auto; --plan ask waits until --plan-expires")
        planning["grace_s"] = parse_duration_s(options.plan_grace, what="--plan-grace")
    if options.plan_expires is not None:
        if options.plan != PlanMode.ASK:
            raise InvalidInput("--plan-expires goes with --plan ask; --plan auto goes on after --plan-grace")
        planning["expires_s"] = parse_duration_s(options.plan_expires, what="--plan-expires")
    return planning
