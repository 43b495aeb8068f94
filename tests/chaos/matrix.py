"""Every fault of the emulator's creates, looks and lives, and what each contender makes of it."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from runs.phase import Phase
from starter.runs import look_at_run
from tests.chaos.comparing import contenders
from tests.chaos.contenders import Contender, Longhaul
from tests.chaos.ledger import paid_interactions
from tests.chaos.table import Table
from tests.emulator_server import EmulatorServer

_MOMENTS: Final = ("create", "look", "life")

_DIRECTIVES: Final[Mapping[str, str]] = {
    # A look that hangs takes the whole of its time-out; one is enough to see what comes of it.
    "get-hang": "times=1",
    "giant-body": "times=1",
    "endless-stream": "times=1",
    "delay-before": "delay_s=1",
    "delay-after": "delay_s=1",
    "many-steps": "steps=10000",
}
"""What a fault needs beside its name. Other look faults fire twice and then let the look through."""

_NEVER_ENDING: Final = frozenset({"zombie", "unknown-end"})
_SHORT_DEADLINE_S: Final = 20.0
"""For interactions that never end: how long a run of ours waits for them."""

_UNSTOPPABLE: Final = frozenset({"unknown-end"})
"""What cannot be cancelled either is given five minutes to be; nobody waits for that here."""

_WITHIN_S: Final = 200.0
"""A create that never answers takes a minute; a 404 counts as lost after two, and its looks grow apart."""


async def matrix(home: Path, *, faults: list[str] | None = None, rivals: bool = True) -> Table:
    """Ask one question for each fault.

    Args:
        home: For everything.
        faults: Their names; None means all of the create, look and life families.
        rivals: Whether to let the rivals try, too.
    """
    began_s = time.monotonic()
    async with AsyncExitStack() as stack:
        rows = [
            await stack.enter_async_context(contender)
            for contender in contenders(home, label="matrix", rivals=rivals)
        ]
        longhaul = next(each for each in rows if isinstance(each, Longhaul))
        table_of_faults = _faults(longhaul.emulator, faults)
        for name, fault in table_of_faults.items():
            for contender in rows:
                await _ask(contender, name, fault)
        await asyncio.gather(*(_outlast(contender) for contender in rows))
        paid = {
            contender.name: paid_interactions(contender.emulator, map(_question, table_of_faults))
            for contender in rows
        }
        table = Table("Faults of the API: outcome in Longhaul, and interactions paid for by each contender")
        table.head(
            "fault", "exists", "outcome", "after resolving", "events", *(f"paid: {each}" for each in paid)
        )
        for name, fault in table_of_faults.items():
            question = _question(name)
            view = await look_at_run(longhaul.trial.client, question)
            events = len((await longhaul.trial.client.get_workflow_handle(question).fetch_history()).events)
            was_held = question in longhaul.trial.held
            counts = [len(paid[each][question]) for each in paid]
            table.row(
                name,
                {True: "yes", False: "no"}[fault["accepted"]] if fault["moment"] == "create" else "-",
                Phase.SUBMISSION_UNKNOWN.value if was_held else view.phase.value,
                view.phase.value if was_held else "-",
                events,
                *counts,
            )
            table.check(len(paid[longhaul.name][question]) <= 1)
            table.check(view.phase.is_end or name in _UNSTOPPABLE)
    totals = ", ".join(
        f"{each} {sum(max(0, len(ids) - 1) for ids in found.values())}" for each, found in paid.items()
    )
    table.note(f"Duplicates: {totals}. {time.monotonic() - began_s:.0f} s")
    return table


async def _ask(contender: Contender, name: str, fault: Mapping[str, Any]) -> None:
    extra = _DIRECTIVES.get(name, "times=2" if fault["moment"] == "look" else "")
    directive = f"duration_s=120 fault={name} {extra}"
    if isinstance(contender, Longhaul):
        deadline_s = _SHORT_DEADLINE_S if name in _NEVER_ENDING else 900.0
        await contender.trial.start(
            _question(name),
            directive=directive,
            deadline_s=deadline_s,
            is_awaited=name not in _UNSTOPPABLE,
        )
    else:
        await contender.ask(_question(name), directive=directive)


async def _outlast(contender: Contender) -> None:
    await contender.finish(within_s=_WITHIN_S)


def _question(fault: str) -> str:
    return f"fault-{fault}"


def _faults(emulator: EmulatorServer, chosen: list[str] | None) -> dict[str, dict[str, Any]]:
    listed = emulator.admin("GET", "/faults")["faults"]
    return {
        fault["name"]: fault
        for fault in listed
        if fault["moment"] in _MOMENTS and (chosen is None or fault["name"] in chosen)
    }
