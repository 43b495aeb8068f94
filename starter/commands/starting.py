"""Starting a run in front of a person: what the commands that start one have in common."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from runs.messages import KNOWN_AGENTS
from runs.phase import UnknownPolicy
from starter import formats
from starter.arguments import parse_deadline_s, parse_run_id, parse_wait_timeout_s
from starter.attachments import read_attachments, store_attachments
from starter.commands.following import Ending, FollowOptions, follow
from starter.commands.setup import load_settings
from starter.errors import ExitCode, InvalidInput, RunEndedFromOutside, RunNotFound, TemporalUnreachable
from starter.files import check_out_dir, open_store
from starter.live import api_to_stream_from, check_streaming
from starter.output import Output
from starter.requests import check_request
from starter.runs import look_at_run, new_run_id, start_run
from starter.temporal import connect
from starter.tool_arguments import parse_tools
from starter.views import RunView, StartedRun


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """The arguments that every command takes which starts a run, as they were typed."""

    run_id: str | None = None
    is_again: bool = False
    attachments: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    continues: str | None = None
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    max_interactions: int | None = None
    deadline: str | None = None
    labels: tuple[str, ...] = ()
    tenant: str | None = None
    on_unknown: UnknownPolicy | None = None
    is_streamed: bool = False
    is_waiting: bool = True
    wait_timeout: str | None = None
    out: Path | None = None


@contextmanager
def told_if_lost(output: Output, *, what: str, ask_with: str, run_id: str) -> Iterator[None]:
    """Say how to find out what became of a start whose answer is lost.

    The answer is lost, not the run or the chain: whoever does not learn its id would start, and pay for,
    another.
    """
    try:
        yield
    except (asyncio.CancelledError, TemporalUnreachable):
        output.say(f"The {what} may have been started: ask with `{ask_with}`,")
        output.say(f"and if it was not, start it with `--id {run_id}`")
        raise


async def start(
    fields: dict[str, object], options: StartOptions, *, ending: Ending, output: Output
) -> ExitCode:
    """Start a run, or attach to the one with this id; show it to its end unless told not to wait.

    Args:
        fields: Of the request, beside those that ``options`` are about.
        options: As they were typed.
        ending: What to print once the run has ended.
        output: Where everything goes.

    Raises:
        StarterError: Something is wrong with what was typed, or with what a run needs. Nothing was started,
            unless Temporal went away in the middle of it.
    """
    # Everything that can be wrong on this side is found before anything is started.
    request = check_request({**fields, **_fields_of(options)})
    run_id = new_run_id(request) if options.run_id is None else parse_run_id(options.run_id)
    previous_run_id = None if options.continues is None else parse_run_id(options.continues)
    wait_timeout_s = parse_wait_timeout_s(options.wait_timeout)
    check_again(is_again=options.is_again, given_id=options.run_id)
    check_streaming(is_streamed=options.is_streamed, is_waiting=options.is_waiting, as_json=output.as_json)
    attachments = read_attachments(list(options.attachments))
    settings = load_settings()
    store = open_store(settings.artifacts_url)
    if options.out is not None:
        check_out_dir(options.out)
    client = await connect()
    if previous_run_id is not None:
        previous = await last_interaction_of(client, previous_run_id)
        request = check_request(request.model_dump() | {"previous_interaction_id": previous})
    if attachments:
        stored = await store_attachments(attachments, store)
        request = check_request(request.model_dump() | {"attachments": stored})
    if request.agent is not None and request.agent not in KNOWN_AGENTS:
        agent = formats.one_line(request.agent)
        output.say(f"note: {agent!r} is no agent this version knows; the API will say whether it does")
    before = await _to_be_started_again(client, run_id) if options.is_again else None
    with told_if_lost(output, what="run", ask_with=f"longhaul status {run_id}", run_id=run_id):
        started = await start_run(
            client, request, run_id=run_id, task_queue=settings.task_queue, is_again=options.is_again
        )
    if started.is_ended_from_outside:
        before = await look_at_run(client, run_id)
        raise RunEndedFromOutside(
            f"run {run_id} is not there to attach to: {before.problem}; to start, and pay for, another one "
            "under this id say --again"
        )
    _tell(started, output, before=before)
    if not options.is_waiting:
        if output.as_json:
            output.json(started)
        else:
            output.line(started.run_id)
        return ExitCode.DONE
    following = FollowOptions(
        wait_timeout_s=wait_timeout_s,
        out=options.out,
        artifacts_url=settings.artifacts_url,
        ending=ending,
        is_streamed=options.is_streamed,
        api=api_to_stream_from(settings, output=output) if options.is_streamed else None,
    )
    return await follow(client, started.run_id, following, output=output)


async def last_interaction_of(client: Client, run_id: str) -> str:
    """Return the interaction that a run ended with, for another to continue.

    Raises:
        InvalidInput: The run goes on, or left nothing to continue.
        RunNotFound: There is no such run.
        TemporalError: Temporal could not be asked.
    """
    view = await look_at_run(client, run_id)
    if not view.phase.is_end:
        raise InvalidInput(
            f"--continues: run {run_id} is still {view.phase.value}; `longhaul watch {run_id}` waits for it"
        )
    interactions = view.result.interaction_ids if view.result else ()
    if not interactions or view.exit_code is not ExitCode.DONE:
        raise InvalidInput(
            f"--continues: run {run_id} ended as {view.phase.value}; there is no answer to continue"
        )
    return interactions[-1]


def check_again(*, is_again: bool, given_id: str | None) -> None:
    """Return if ``--again`` goes with what was typed.

    Raises:
        InvalidInput: It does not.
    """
    if is_again and given_id is None:
        raise InvalidInput("--again starts what has an id once more; give it with --id")


async def _to_be_started_again(client: Client, run_id: str) -> RunView | None:
    """Return the run that has this id now; None where there is none."""
    try:
        return await look_at_run(client, run_id)
    except RunNotFound:
        return None


def _fields_of(options: StartOptions) -> dict[str, object]:
    budget = {
        name: bound
        for name, bound in (
            ("max_cost_usd", options.max_cost_usd),
            ("max_tokens", options.max_tokens),
            ("max_interactions", options.max_interactions),
        )
        if bound is not None
    }
    return {
        "tools": parse_tools(options.tools),
        "budget": budget or None,
        "labels": options.labels,
        "tenant": options.tenant,
        "deadline_s": parse_deadline_s(options.deadline),
        "on_unknown_submission": options.on_unknown,
    }


def _tell(started: StartedRun, output: Output, *, before: RunView | None) -> None:
    if started.is_new and before is not None:
        output.say(f"Started {started.run_id} again, which is paid for anew")
        if before.is_ended_from_outside:
            output.say(
                f"note: the run before it was {formats.one_line(before.problem or 'ended from outside')}"
            )
        return
    if started.is_new:
        output.say(f"Started {started.run_id}")
        return
    output.say(f"Attached to {started.run_id}, which was there already; nothing new was started")
    if started.note:
        output.say(f"note: {formats.one_line(started.note)}")
