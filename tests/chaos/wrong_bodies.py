"""Whole answers that are not what was asked for, and what becomes of the run."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runs.phase import Phase
from starter.runs import look_at_run
from starter.views import RunView
from tests.chaos.contenders import Longhaul
from tests.chaos.ledger import paid_interactions
from tests.chaos.sections import ground
from tests.chaos.table import Table
from tests.chaos.trial import known_to

_SHORT: Final = "duration_s=120"
"""Two seconds."""

_LONG: Final = "duration_s=1800"
"""Half a minute: longer than settling waits for an interaction that runs again."""

_WITHIN_S: Final = 300.0

_DEADLINE_S: Final = 40.0
"""The report is written from the 37th of 43 seconds on."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One wrong answer.

    Attributes:
        name: Of the run.
        what: For people.
        directive: For the emulator.
        phase: In which the run is in the end.
        told: A part of what its notes say, or its problem.
        deadline_s: Of the run.
        has_report: Whether it has to have a report.
    """

    name: str
    what: str
    directive: str
    phase: Phase = Phase.COMPLETED
    told: str = ""
    deadline_s: float = 900.0
    has_report: bool = True


def _unknown(name: str, what: str, *, told: str = "named no interaction") -> Case:
    return Case(
        name=name,
        what=what,
        directive=f"{_SHORT} fault={name}",
        phase=Phase.SUBMISSION_UNKNOWN,
        told=told,
        has_report=False,
    )


CASES: Final = (
    Case(
        name="another",
        what="looks that show another interaction, which has ended",
        directive=f"{_SHORT} fault=get-another times=3",
        told="a look was answered with another interaction, v1_",
    ),
    Case(
        name="no-id",
        what="looks without an id",
        directive=f"{_SHORT} fault=get-no-id times=3",
        told="another interaction, without an id",
    ),
    Case(
        name="html-404",
        what="looks answered with a 404 in HTML",
        directive=f"{_SHORT} fault=get-reply status=404 form=html times=9",
    ),
    Case(
        name="ended-early",
        what="completed, and running again",
        directive=f"{_LONG} fault=get-ended-early times=1",
        told="had ended, and is 'in_progress' again",
    ),
    Case(name="idle", what="idle in place of completed", directive=f"{_SHORT} fault=idle"),
    Case(
        name="cookies",
        what="five cookies of 4,000 bytes with each answer",
        directive=f"{_SHORT} fault=big-cookies",
    ),
    _unknown("id-taken", "a create answered with another run's interaction", told="of run body-"),
    Case(
        name="deadline",
        what="still running at the deadline",
        directive="duration_s=2580",
        phase=Phase.TIMED_OUT,
        told="partial: stopped at the deadline",
        deadline_s=_DEADLINE_S,
    ),
    _unknown("id-dots", "a create answered with the id `..`"),
    _unknown("id-spaces", "a create answered with an id with spaces"),
    _unknown("id-long", "a create answered with an id of 5,000 characters"),
    _unknown("id-empty", "a create answered without an id"),
)


async def wrong_bodies(home: Path) -> Table:
    """Give each answer to one run."""
    began_s = time.monotonic()
    async with ground(home, label="wrong-bodies") as (longhaul, _):
        for case in CASES:
            await longhaul.trial.start(
                f"body-{case.name}", directive=case.directive, deadline_s=case.deadline_s
            )
            # The id that is taken has to be one that has been given out.
            await asyncio.sleep(0.5)
        await longhaul.trial.wait(within_s=_WITHIN_S)
        table = Table("Whole answers that are not what was asked for")
        table.head("answer", "run", "says", "report", "interactions", "duplicates", "out of sight", "events")
        for case in CASES:
            await _row(table, longhaul, case)
    table.note(f"{time.monotonic() - began_s:.0f} s")
    return table


async def _row(table: Table, longhaul: Longhaul, case: Case) -> None:
    name = f"body-{case.name}"
    view = await look_at_run(longhaul.trial.client, name)
    paid = paid_interactions(longhaul.emulator, [name])[name]
    is_held = view.phase is Phase.SUBMISSION_UNKNOWN
    out_of_sight = max(0, len(set(paid) - known_to(view)) - is_held)
    has_report = view.result is not None and "report.md" in {ref.name for ref in view.result.artifacts}
    said = _said(view)
    events = len((await longhaul.trial.client.get_workflow_handle(name).fetch_history()).events)
    table.row(
        case.what,
        view.phase.value,
        next((each for each in said if case.told and case.told in each), "-")[:100],
        "yes" if has_report else "no",
        len(paid),
        max(0, len(paid) - 1),
        out_of_sight,
        events,
    )
    table.check(view.phase is case.phase and has_report is case.has_report)
    table.check(len(paid) == 1 and out_of_sight == 0)
    table.check(not case.told or any(case.told in each for each in said))


def _said(view: RunView) -> list[str]:
    """Return what a run says of oddities."""
    notes = [] if view.result is None else list(view.result.notes)
    return notes + ([view.problem] if view.problem else [])
