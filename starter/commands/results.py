"""``longhaul result`` and ``cancel``, of runs and of chains."""

import asyncio
import tempfile
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from artifacts.store import ArtifactStore
from starter import chain_formats, formats
from starter.arguments import parse_duration_s, parse_run_id, parse_wait_timeout_s
from starter.chain_formats import OUTPUT
from starter.chain_results import copy_chain, output_of
from starter.chains import cancel_chain, is_chain, result_of_chain
from starter.commands.answers import tell_of_shortcomings
from starter.commands.setup import load_settings
from starter.errors import ExitCode, InvalidInput
from starter.files import (
    PAGE,
    REPORT,
    artifact_named,
    check_out_dir,
    copy_artifacts,
    open_store,
    read_artifact,
)
from starter.output import Output
from starter.runs import cancel_run, result_of
from starter.temporal import connect
from starter.views import ChainView, FinishedChain, FinishedRun, RunView


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """The arguments of ``longhaul result``."""

    run_id: str
    is_opened: bool
    out: Path | None
    wait_timeout: str | None


async def result(options: ResultOptions, *, output: Output) -> ExitCode:
    """Print a run's report or a chain's output; or open it, or copy all files."""
    run_id = parse_run_id(options.run_id)
    wait_timeout_s = parse_wait_timeout_s(options.wait_timeout) or 0
    settings = load_settings()
    store = open_store(settings.artifacts_url)
    if options.out is not None:
        check_out_dir(options.out)
    client = await connect()
    if await is_chain(client, run_id):
        return await _chain_result(client, run_id, options, store, output)
    view = await result_of(client, run_id, wait_timeout_s=wait_timeout_s)
    tell_of_shortcomings(view, output)
    copied: list[Path] = []
    if options.out is not None:
        copied = await copy_artifacts(view.result, store, out=options.out)
    if options.is_opened:
        await _open_page(view, store, output)
    if output.as_json:
        await _print_json(view, store, copied, output)
    elif options.out is not None:
        for path in copied:
            output.line(str(path))
    elif not options.is_opened:
        await _print_report(view, store, output)
    return view.exit_code


async def cancel(run_id: str, *, wait_timeout: str, output: Output) -> ExitCode:
    """Ask a run or a chain to stop and say what came of it."""
    parse_run_id(run_id)
    wait_timeout_s = parse_duration_s(wait_timeout, what="--wait-timeout")
    client = await connect()
    if await is_chain(client, run_id):
        return await _cancel_chain(client, run_id, wait_timeout_s=wait_timeout_s, output=output)
    outcome = await cancel_run(client, run_id, wait_timeout_s=wait_timeout_s)
    if output.as_json:
        output.json(outcome)
    else:
        output.line(formats.cancel_line(outcome))
    return ExitCode.DONE if outcome.phase.is_end else ExitCode.STILL_RUNNING


async def _cancel_chain(client: Client, chain_id: str, *, wait_timeout_s: float, output: Output) -> ExitCode:
    outcome = await cancel_chain(client, chain_id, wait_timeout_s=wait_timeout_s)
    if output.as_json:
        output.json(outcome)
    else:
        output.line(chain_formats.cancel_line(outcome))
    return ExitCode.DONE if outcome.phase.is_end else ExitCode.STILL_RUNNING


async def _chain_result(
    client: Client, chain_id: str, options: ResultOptions, store: ArtifactStore, output: Output
) -> ExitCode:
    if options.is_opened:
        raise InvalidInput(
            f"a chain has no page of its own; `longhaul chain show {chain_id}` names the runs that have"
        )
    wait_timeout_s = parse_wait_timeout_s(options.wait_timeout) or 0
    view = await result_of_chain(client, chain_id, wait_timeout_s=wait_timeout_s)
    rows = dict(chain_formats.summary(view))
    if reason := rows.get("because of") or rows.get("problem"):
        output.say(f"longhaul: chain {chain_id}: {rows['phase']}: {reason}")
    copied = [] if options.out is None else await copy_chain(view, store, out=options.out)
    if output.as_json:
        text = await output_of(view, store)
        saved = tuple(str(path) for path in copied)
        output.json(FinishedChain(**dict(view), output=text, saved=saved))
    elif options.out is not None:
        for path in copied:
            output.line(str(path))
    else:
        await _print_output(view, store, output)
    return view.exit_code


async def _print_output(view: ChainView, store: ArtifactStore, output: Output) -> None:
    text = await output_of(view, store)
    if text is not None:
        output.document(text)
    places = chain_formats.places(view)
    for name, place in places:
        if name != OUTPUT:
            output.say(f"{formats.one_line(name)}: {place}")
    if text is None and not places:
        output.say("longhaul: it left no output")


async def _print_report(view: RunView, store: ArtifactStore, output: Output) -> None:
    ref = artifact_named(view.result, REPORT)
    if ref is None:
        output.say("longhaul: it left no report")
        return
    content = await read_artifact(ref, store)
    output.document(content.decode(errors="replace"))


async def _print_json(view: RunView, store: ArtifactStore, copied: list[Path], output: Output) -> None:
    ref = artifact_named(view.result, REPORT)
    report = None if ref is None else (await read_artifact(ref, store)).decode(errors="replace")
    output.json(FinishedRun(**dict(view), report=report, saved=tuple(str(path) for path in copied)))


async def _open_page(view: RunView, store: ArtifactStore, output: Output) -> None:
    ref = artifact_named(view.result, PAGE)
    if ref is None:
        output.say("longhaul: it left no report to open")
        return
    path = store.path_of(ref)
    if path is None:
        # Left behind on purpose: the browser reads it after this process has ended.
        path = Path(tempfile.mkdtemp(prefix="longhaul-")) / PAGE
        path.write_bytes(await read_artifact(ref, store))
    if await asyncio.to_thread(webbrowser.open, path.as_uri()):
        output.say(f"Opened {path}")
    else:
        output.say(f"No browser could be started; the report is {path}")
