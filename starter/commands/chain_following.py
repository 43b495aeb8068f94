"""Showing a chain to a person: as it stands, or until it ends, a time-out or Ctrl-C."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from artifacts.store import ArtifactStore
from starter import chain_formats, formats
from starter.chain_progress import shown_chain
from starter.chain_results import copy_chain
from starter.chains import look_at_chain, watch_chain
from starter.commands.chain_attending import ChainAttendant
from starter.errors import ExitCode
from starter.output import Output
from starter.views import ChainView


@dataclass(frozen=True, kw_only=True)
class ChainFollowOptions:
    """How to wait, and what to do at the end.

    Attributes:
        wait_timeout_s: How long to wait; None for as long as it takes.
        out: A folder to copy the chain's files into, or None.
        store: Where those are.
        is_sure: Whether everything that the chain asks is approved.
    """

    wait_timeout_s: float | None
    out: Path | None
    store: ArtifactStore
    is_sure: bool = False


async def follow_chain(
    client: Client, chain_id: str, options: ChainFollowOptions, *, output: Output
) -> ExitCode:
    """Show a chain's progress until it ends, then all its steps and where its result is.

    Returns:
        How the chain ended; `ExitCode.STILL_RUNNING` when the waiting ended first.
    """
    view: ChainView | None = None
    come_back = f"The chain goes on; come back with: longhaul watch {chain_id}"
    try:
        with shown_chain(output.beside, is_terminal=output.is_terminal) as progress:
            async with (
                asyncio.timeout(options.wait_timeout_s),
                ChainAttendant(client, output, progress, is_sure=options.is_sure) as attendant,
            ):
                async for view in watch_chain(client, chain_id):
                    attendant.attend(view)
    except TimeoutError:
        standing = chain_formats.words_of(view.phase) if view else "running"
        output.say(f"Still {standing} after {formats.elapsed(options.wait_timeout_s or 0)}. {come_back}")
        return _detached(view, output)
    except asyncio.CancelledError:
        # Ctrl-C ends the watching. The chain is Temporal's, and is ended with `longhaul cancel`.
        output.say(f"Detached. {come_back}")
        return _detached(view, output)
    if view is None:
        raise AssertionError("watching ends with a view or an error")
    if options.out is not None:
        copied = await copy_chain(view, options.store, out=options.out)
        output.say(f"Copied {formats.count(len(copied), 'file')} to {options.out}")
    output.chain(view)
    return view.exit_code


async def show_chain(client: Client, chain_id: str, *, output: Output) -> ExitCode:
    """Show where a chain stands now, and return the exit code that says so."""
    view = await look_at_chain(client, chain_id)
    output.chain(view)
    return view.exit_code


def _detached(view: ChainView | None, output: Output) -> ExitCode:
    if output.as_json and view is not None:
        output.json(view)
    return ExitCode.STILL_RUNNING
