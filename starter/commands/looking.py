"""``longhaul status``, ``watch`` and ``list``."""

from dataclasses import dataclass
from pathlib import Path

from runs.phase import Phase
from starter.arguments import parse_run_id, parse_wait_timeout_s
from starter.chains import is_chain
from starter.commands.chain_following import ChainFollowOptions, follow_chain, show_chain
from starter.commands.following import FollowOptions, follow
from starter.commands.setup import load_settings
from starter.errors import ExitCode, InvalidInput
from starter.files import check_out_dir, open_store
from starter.kinds import RunKind
from starter.live import api_to_stream_from, check_streaming
from starter.output import Output
from starter.runs import list_runs, look_at_run
from starter.temporal import connect, has_worker


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """The arguments of ``longhaul list``."""

    kinds: list[RunKind]
    phases: list[Phase]
    agent: str | None
    label: str | None
    limit: int


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """The arguments of ``longhaul watch``."""

    run_id: str
    is_streamed: bool = False
    wait_timeout: str | None = None
    out: Path | None = None


async def status(run_id: str, *, output: Output) -> ExitCode:
    """Say where a run or a chain stands, and exit as it stands."""
    parse_run_id(run_id)
    client = await connect()
    if await is_chain(client, run_id):
        return await show_chain(client, run_id, output=output)
    view = await look_at_run(client, run_id)
    if not view.phase.is_end:
        is_served = await has_worker(client, task_queue=view.task_queue)
        view = view.model_copy(update={"has_worker": is_served})
    output.run(view)
    return view.exit_code


async def watch(options: WatchOptions, *, output: Output) -> ExitCode:
    """Show a run's or a chain's progress until it ends, then what it left behind."""
    run_id = parse_run_id(options.run_id)
    wait_timeout_s = parse_wait_timeout_s(options.wait_timeout)
    check_streaming(is_streamed=options.is_streamed, as_json=output.as_json)
    settings = load_settings()
    if options.out is not None:
        check_out_dir(options.out)
    client = await connect()
    if await is_chain(client, run_id):
        if options.is_streamed:
            raise InvalidInput("--stream follows one run; `longhaul chain show ID` names those of a chain")
        store = open_store(settings.artifacts_url)
        following_chain = ChainFollowOptions(wait_timeout_s=wait_timeout_s, out=options.out, store=store)
        return await follow_chain(client, run_id, following_chain, output=output)
    following = FollowOptions(
        wait_timeout_s=wait_timeout_s,
        out=options.out,
        artifacts_url=settings.artifacts_url,
        is_streamed=options.is_streamed,
        api=api_to_stream_from(settings, output=output) if options.is_streamed else None,
    )
    return await follow(client, run_id, following, output=output)


async def list_(options: ListOptions, *, output: Output) -> ExitCode:
    """List runs, chains and conversations, those under way first."""
    client = await connect()
    rows = await list_runs(
        client,
        kinds=options.kinds or list(RunKind),
        phases=options.phases,
        agent=options.agent,
        label=options.label,
        limit=options.limit,
    )
    if rows or output.as_json:
        output.runs(rows)
    else:
        output.say("Nothing found.")
    return ExitCode.DONE
