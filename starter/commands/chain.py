"""``longhaul chain check``, ``run`` and ``show``."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from chains.errors import InvalidChain, InvalidInputs
from chains.inputs import read_inputs
from chains.messages import ChainRequest
from runs.budget import Budget, narrower
from starter import formats
from starter.arguments import parse_run_id, parse_wait_timeout_s
from starter.chain_files import ChainFile, read_chain_file, store_attached
from starter.chain_reach import lines_of, reach_of
from starter.chains import look_at_chain, new_chain_id, start_chain
from starter.commands.chain_following import ChainFollowOptions, follow_chain, show_chain
from starter.commands.setup import load_settings
from starter.commands.starting import check_again, told_if_lost
from starter.errors import ExitCode, InvalidInput, RunEndedFromOutside
from starter.files import check_out_dir, open_store
from starter.output import Output
from starter.prompting import ask_line
from starter.requests import objection
from starter.temporal import connect
from starter.views import ChainReach, CheckedChain, Problem, ProblemReport, StartedChain

_MAX_REACH_CHARS: Final = 2_000
"""A line that says what is read and sent; `--json` has all of it."""


@dataclass(frozen=True, kw_only=True)
class ChainRunOptions:
    """The arguments of ``longhaul chain run``, as they were typed."""

    file: str
    inputs: tuple[str, ...] = ()
    allowed_folders: tuple[Path, ...] = ()
    chain_id: str | None = None
    is_again: bool = False
    labels: tuple[str, ...] = ()
    tenant: str | None = None
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    max_interactions: int | None = None
    is_sure: bool = False
    is_waiting: bool = True
    wait_timeout: str | None = None
    out: Path | None = None


async def check(file: str, *, allowed_folders: tuple[Path, ...] = (), output: Output) -> ExitCode:
    """Say what a chain that can be started reads and sends, or all that is wrong with the file."""
    return await _telling(lambda: _check(file, allowed_folders, output=output), output=output)


async def run(options: ChainRunOptions, *, output: Output) -> ExitCode:
    """Start a chain, or attach to the one with this id; show it to its end unless told not to wait."""
    return await _telling(lambda: _run(options, output=output), output=output)


async def show(chain_id: str, *, output: Output) -> ExitCode:
    """Show where a chain and each of its steps stand."""
    parse_run_id(chain_id)
    await show_chain(await connect(), chain_id, output=output)
    return ExitCode.DONE


async def _telling(command: Callable[[], Coroutine[Any, Any, ExitCode]], *, output: Output) -> ExitCode:
    """Carry out ``command``; of a chain or of inputs that are wrong, tell all that is."""
    try:
        return await command()
    except (InvalidChain, InvalidInputs) as error:
        lines = [formats.one_line(problem, max_chars=1_000) for problem in error.problems]
    for line in lines:
        output.say(line)
    if output.as_json:
        code = int(ExitCode.USAGE)
        problem = Problem(kind=InvalidInput.kind, message="\n".join(lines), exit_code=code)
        output.json(ProblemReport(error=problem))
    return ExitCode.USAGE


async def _check(file: str, allowed_folders: tuple[Path, ...], *, output: Output) -> ExitCode:
    chain = read_chain_file(file, allowed_folders=allowed_folders)
    reach = reach_of(chain, load_settings())
    required = tuple(name for name, declared in chain.spec.inputs.items() if declared.default is None)
    if output.as_json:
        output.json(
            CheckedChain(
                name=chain.spec.name,
                steps=len(chain.spec.steps),
                inputs=required,
                attachments=tuple(chain.attached),
                reach=reach,
            )
        )
        return ExitCode.DONE
    parts = [formats.count(len(chain.spec.steps), "step")]
    if required:
        parts.append(f"needs {', '.join(f'--set {name}=…' for name in required)}")
    if chain.attached:
        parts.append(f"attaches {formats.count(len(chain.attached), 'file')}")
    output.line(f"ok: {chain.spec.name}, {', '.join(parts)}")
    for line in lines_of(reach):
        output.line(f"  {_shown(line)}")
    return ExitCode.DONE


async def _run(options: ChainRunOptions, *, output: Output) -> ExitCode:
    # Everything that can be wrong on this side is found before anything is started.
    file = read_chain_file(options.file, allowed_folders=options.allowed_folders)
    request = _request_of(file, options)
    chain_id = new_chain_id(file.spec) if options.chain_id is None else parse_run_id(options.chain_id)
    wait_timeout_s = parse_wait_timeout_s(options.wait_timeout)
    check_again(is_again=options.is_again, given_id=options.chain_id)
    settings = load_settings()
    store = open_store(settings.artifacts_url)
    if options.out is not None:
        check_out_dir(options.out)
    if not await _may_send(reach_of(file, settings), options, output=output):
        output.say("Nothing was started")
        return ExitCode.INTERRUPTED
    client = await connect()
    if file.attached:
        spec = await store_attached(ChainFile(request.spec, file.attached), store)
        request = request.model_copy(update={"spec": spec})
    with told_if_lost(output, what="chain", ask_with=f"longhaul chain show {chain_id}", run_id=chain_id):
        started = await start_chain(
            client, request, chain_id=chain_id, task_queue=settings.task_queue, is_again=options.is_again
        )
    if started.is_ended_from_outside:
        before = await look_at_chain(client, chain_id)
        raise RunEndedFromOutside(
            f"chain {chain_id} is not there to attach to: {before.problem}; its runs were cancelled with it; "
            "to start it again, with what its steps have found already, say --again"
        )
    _tell(started, output)
    if not options.is_waiting:
        if output.as_json:
            output.json(started)
        else:
            output.line(started.chain_id)
        return ExitCode.DONE
    following = ChainFollowOptions(
        wait_timeout_s=wait_timeout_s, out=options.out, store=store, is_sure=options.is_sure
    )
    return await follow_chain(client, started.chain_id, following, output=output)


async def _may_send(reach: ChainReach, options: ChainRunOptions, *, output: Output) -> bool:
    """Tell what the chain reads and sends, and return whether that is meant; asked where somebody can be."""
    for line in lines_of(reach):
        output.say(f"It {_shown(line)}")
    is_told = bool(reach.files) or any(server.secret for server in reach.mcp_servers)
    if not is_told or options.is_sure or not output.is_interactive:
        return True
    return (await ask_line("Start it? [y]es, [n]o: ")).lower() in {"y", "yes"}


def _shown(line: str) -> str:
    return formats.one_line(line, max_chars=_MAX_REACH_CHARS)


def _request_of(file: ChainFile, options: ChainRunOptions) -> ChainRequest:
    inputs = read_inputs(file.spec, options.inputs)
    try:
        budget = Budget(
            max_cost_usd=options.max_cost_usd,
            max_tokens=options.max_tokens,
            max_interactions=options.max_interactions,
        )
        is_bound = budget != Budget()
        spec = file.spec.model_copy(
            update={"budget": narrower(file.spec.budget, budget if is_bound else None)}
        )
        return ChainRequest(spec=spec, inputs=inputs, labels=options.labels, tenant=options.tenant)
    except ValidationError as error:
        raise InvalidInput(objection(error)) from error


def _tell(started: StartedChain, output: Output) -> None:
    if started.is_new:
        output.say(f"Started {started.chain_id}")
        return
    output.say(f"Attached to {started.chain_id}, which was there already; nothing new was started")
    if started.note:
        output.say(f"note: {formats.one_line(started.note)}")
