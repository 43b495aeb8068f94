"""Waiting for a run in front of a person, which ends with the run, a time-out or Ctrl-C."""

import asyncio
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from temporalio.client import Client

from interactions.config import ApiConfig
from starter import formats
from starter.commands.answers import print_answer, print_text
from starter.commands.attending import Attendant
from starter.errors import ExitCode
from starter.files import copy_artifacts, open_store
from starter.live import StreamedProgress, live_progress
from starter.output import Output
from starter.runs import watch_run
from starter.views import RunView


class Ending(Enum):
    """What is printed once a run has ended."""

    SUMMARY = "summary"
    """How it went, and where the report is."""
    ANSWER = "answer"
    """The answer itself."""


@dataclass(frozen=True, kw_only=True)
class FollowOptions:
    """How to wait, and what to do at the end.

    Attributes:
        wait_timeout_s: How long to wait; None for as long as it takes.
        out: A folder to copy the run's files into, or None.
        artifacts_url: Where those are.
        ending: What to print.
        is_streamed: Whether standard output is for the answer's text alone, as it is written.
        api: Where to read it as it is written; None where that cannot be read, or was not asked for.
    """

    wait_timeout_s: float | None
    out: Path | None
    artifacts_url: str
    ending: Ending = Ending.SUMMARY
    is_streamed: bool = False
    api: ApiConfig | None = None


async def follow(client: Client, run_id: str, options: FollowOptions, *, output: Output) -> ExitCode:
    """Show a run's progress until it ends, then what it left behind.

    What waits for a person meanwhile is shown, and asked about where one is there.

    Args:
        client: Of the run's namespace.
        run_id: Of the run.
        options: How to wait.
        output: Where everything goes.

    Returns:
        How the run ended; `ExitCode.STILL_RUNNING` when the waiting ended first.
    """
    view: RunView | None = None
    come_back = f"The run goes on; come back with: longhaul watch {run_id}"
    try:
        async with (
            live_progress(options.api, output=output) as progress,
            asyncio.timeout(options.wait_timeout_s),
            Attendant(client, output, progress) as attendant,
        ):
            async for view in watch_run(client, run_id):
                attendant.attend(view)
    except TimeoutError:
        output.say(
            f"Still {_phase_in(view)} after {formats.elapsed(options.wait_timeout_s or 0)}. {come_back}"
        )
        return _detached(view, output)
    except asyncio.CancelledError:
        # Ctrl-C ends the watching. The run is Temporal's, and is ended with `longhaul cancel`.
        output.say(f"Detached. {come_back}")
        return _detached(view, output)
    if view is None:
        raise AssertionError("watching ends with a view or an error")
    if options.out is not None:
        copied = await copy_artifacts(view.result, open_store(options.artifacts_url), out=options.out)
        if copied:
            output.say(f"Copied {formats.count(len(copied), 'file')} to {options.out}")
    was_streamed = isinstance(progress, StreamedProgress) and progress.has_shown_text
    if options.is_streamed and not was_streamed:
        # Whoever redirects the answer to a file shall find it there, also when no stream could be read.
        await print_text(view, open_store(options.artifacts_url), output)
    match options.ending:
        case Ending.SUMMARY:
            output.run(view, is_beside=options.is_streamed)
        case Ending.ANSWER:
            store = open_store(options.artifacts_url)
            await print_answer(view, store, output, is_told=options.is_streamed)
    return view.exit_code


def _detached(view: RunView | None, output: Output) -> ExitCode:
    if output.as_json and view is not None:
        output.json(view)
    return ExitCode.STILL_RUNNING


def _phase_in(view: RunView | None) -> str:
    return view.phase.value.replace("_", " ") if view else "running"
