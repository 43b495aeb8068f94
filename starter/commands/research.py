"""``longhaul research``."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from runs.messages import DEFAULT_AGENT, KNOWN_AGENTS, MAX_AGENT, AgentRunRequest
from runs.phase import UnknownPolicy
from starter import formats
from starter.arguments import parse_deadline_s, parse_run_id, parse_wait_timeout_s, read_question
from starter.attachments import read_attachments, store_attachments
from starter.commands.following import FollowOptions, follow
from starter.commands.setup import load_settings
from starter.errors import ExitCode, InvalidInput, TemporalUnreachable
from starter.files import check_out_dir, open_store
from starter.output import Output
from starter.runs import new_run_id, start_run
from starter.temporal import connect
from starter.views import StartedRun


@dataclass(frozen=True, kw_only=True)
class ResearchOptions:
    """The command's arguments as they were typed."""

    question: str
    agent: str | None
    is_max: bool
    run_id: str | None
    attachments: list[str]
    deadline: str | None
    is_waiting: bool
    wait_timeout: str | None
    labels: list[str]
    tenant: str | None
    on_unknown: UnknownPolicy
    out: Path | None


async def research(options: ResearchOptions, *, output: Output) -> ExitCode:
    """Start a run, or attach to the one with this id; show it to its end unless told not to wait."""
    # Everything that can be wrong on this side is found before anything is started.
    request = _request_of(options)
    run_id = new_run_id(request.input) if options.run_id is None else parse_run_id(options.run_id)
    wait_timeout_s = parse_wait_timeout_s(options.wait_timeout)
    attachments = read_attachments(options.attachments)
    settings = load_settings()
    if options.out is not None:
        check_out_dir(options.out)
    client = await connect()
    if attachments:
        stored = await store_attachments(attachments, open_store(settings.artifacts_url))
        request = _checked(request.model_dump() | {"attachments": stored})
    if request.agent not in KNOWN_AGENTS:
        agent = formats.one_line(request.agent)
        output.say(f"note: {agent!r} is no agent this version knows; the API will say whether it does")
    try:
        started = await start_run(client, request, run_id=run_id, task_queue=settings.task_queue)
    except (asyncio.CancelledError, TemporalUnreachable):
        # The answer is lost, not the run: whoever does not learn its id would start, and pay for, another.
        output.say(f"The run may have been started: ask with `longhaul status {run_id}`,")
        output.say(f"and if it was not, start it with `--id {run_id}`")
        raise
    _tell(started, output)
    if not options.is_waiting:
        if output.as_json:
            output.json(started)
        else:
            output.line(started.run_id)
        return ExitCode.DONE
    following = FollowOptions(
        wait_timeout_s=wait_timeout_s, out=options.out, artifacts_url=settings.artifacts_url
    )
    return await follow(client, started.run_id, following, output=output)


def _request_of(options: ResearchOptions) -> AgentRunRequest:
    if options.is_max and options.agent is not None:
        raise InvalidInput("--max and --agent both choose the agent; give one of them")
    agent = MAX_AGENT if options.is_max else options.agent
    return _checked(
        {
            "agent": DEFAULT_AGENT if agent is None else agent,
            "input": read_question(options.question),
            "labels": options.labels,
            "tenant": options.tenant,
            "deadline_s": parse_deadline_s(options.deadline),
            "on_unknown_submission": options.on_unknown,
        }
    )


def _checked(fields: dict[str, object]) -> AgentRunRequest:
    try:
        return AgentRunRequest.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def _tell(started: StartedRun, output: Output) -> None:
    if started.is_new:
        output.say(f"Started {started.run_id}")
        return
    output.say(f"Attached to {started.run_id}, which was there already; nothing new was started")
    if started.note:
        output.say(f"note: {formats.one_line(started.note)}")
