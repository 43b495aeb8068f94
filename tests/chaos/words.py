"""Every status in every form, before and after the API accepted, and what becomes of the run."""

import asyncio
import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emulator.foreign import FORMS
from runs.budget import Budget
from runs.phase import Phase
from starter.runs import look_at_run
from starter.views import RunView
from tests.chaos.contenders import Longhaul
from tests.chaos.ledger import paid_interactions
from tests.chaos.sections import ground
from tests.chaos.table import Table
from tests.chaos.trial import known_to
from tests.chaos.waiting import holds

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_UNREACHED: Final = (521, 523, 525, 526)
_BY_NATURE: Final = (*_REDIRECTS, 405, 406, 407, 411, 413, 414, 415, 417, 421, 426, 431, 451, *_UNREACHED)
_AT_ANY_MOMENT: Final = (408, 425, 499)
_CLIENTS: Final = (400, 401, 402, 403, 404, 409, 410, 416, 418, 422, 428)
_SERVERS: Final = (500, 502, 504, 505, 520, 522, 524, 527, 530, 599)
_STRANGE: Final = (300, 304, 305)
STATUSES: Final = (*_BY_NATURE, *_AT_ANY_MOMENT, *_CLIENTS, 429, 501, 503, *_SERVERS, *_STRANGE)
"""Every status that has a row of its own, and some of those that share one."""

_GOOGLES: Final = ("service", "frontend")

_WITHIN_S: Final = 300.0

_LONG: Final = "duration_s=3600"
"""A minute: an interaction is still running when news of another comes."""


@dataclass(frozen=True)
class Kind:
    """Statuses and forms that mean the same.

    Attributes:
        what: For people.
        outcome: What a submission so answered counts as.
        cannot_be: Why nothing can be said of an interaction that exists all the same; empty if it is shown.
    """

    what: str
    outcome: str
    cannot_be: str = ""


_NATURE: Final = Kind(
    "refuses by its nature (3xx, 405, 413 …), in whatever form",
    "rejected",
    "not shown: a status that says that nothing was passed on would have to lie",
)
_TURNED_DOWN: Final = Kind(
    "any other 4xx, and 501, in Google's own forms",
    "rejected",
    "not shown: Google itself would have to lie",
)
_NOT_NOW: Final = Kind("429 in Google's own forms, 503 in the service's", "refused")
_SOMEBODY_ELSES: Final = Kind("4xx and 501 in HTML, empty, in an array, in another JSON", "unknown")
_AT_ANY: Final = Kind("408, 425, 499, in whatever form", "unknown")
_FAILED: Final = Kind("any other 5xx, and 3xx without a meaning here, in whatever form", "unknown")


def kind_of(status: int, form: str) -> Kind:
    """Return what an answer means: the table of `interactions.outcomes`, said once more."""
    if status in _BY_NATURE:
        return _NATURE
    if status in _AT_ANY_MOMENT:
        return _AT_ANY
    if (status == 429 and form in _GOOGLES) or (status, form) == (503, "service"):
        return _NOT_NOW
    if status == 501 or 400 <= status < 500:
        return _TURNED_DOWN if form in _GOOGLES else _SOMEBODY_ELSES
    return _FAILED


@dataclass(frozen=True)
class Answer:
    """One status in one form at one moment; one run is answered so."""

    status: int
    form: str
    moment: str

    @property
    def name(self) -> str:
        """Of the run, and of the submission."""
        return f"word-{self.status}-{self.form}-{self.moment}"

    @property
    def kind(self) -> Kind:
        """What it means."""
        return kind_of(self.status, self.form)

    @property
    def directive(self) -> str:
        """For the emulator."""
        is_told = self.kind is _NOT_NOW and self.moment == "after"
        duration = _LONG if is_told else "duration_s=60"
        return f"{duration} fault=reply-{self.moment} status={self.status} form={self.form}"


async def statuses(home: Path) -> Table:
    """Answer one run's submission with each."""
    began_s = time.monotonic()
    answers = [
        Answer(status, form, moment)
        for status, form, moment in itertools.product(STATUSES, FORMS, ("before", "after"))
    ]
    async with ground(home, label="statuses") as (longhaul, _):
        for answer in answers:
            await longhaul.trial.start(answer.name, directive=answer.directive)
        budgeted = [
            asyncio.create_task(_html(longhaul)),
            asyncio.create_task(_denied_each_time(longhaul)),
        ]
        told = [each for each in answers if each.kind is _NOT_NOW and each.moment == "after"]
        await _name_the_first_of_two(longhaul, told)
        await longhaul.trial.wait(within_s=_WITHIN_S)
        rows = await _rows(longhaul, answers)
        bounded = [await each for each in budgeted]
    table = Table(f"{len(STATUSES)} statuses in {len(FORMS)} forms before and after acceptance")
    table.head("answers", "moment", "runs", "outcome", "interactions", "duplicates", "out of sight", "shown")
    for row, is_good in (*rows, *bounded):
        table.row(*row)
        table.check(is_good)
    table.note(f"{time.monotonic() - began_s:.0f} s")
    return table


_Row = tuple[tuple[object, ...], bool]


async def _rows(longhaul: Longhaul, answers: list[Answer]) -> list[_Row]:
    rows = []
    for kind, moment in itertools.product(
        (_NATURE, _TURNED_DOWN, _NOT_NOW, _SOMEBODY_ELSES, _AT_ANY, _FAILED), ("before", "after")
    ):
        chosen = [each for each in answers if each.kind is kind and each.moment == moment]
        rows.append(await _row(longhaul, kind, moment, chosen))
    return rows


async def _row(longhaul: Longhaul, kind: Kind, moment: str, answers: list[Answer]) -> _Row:
    paid = paid_interactions(longhaul.emulator, [each.name for each in answers])
    views = {each.name: await look_at_run(longhaul.trial.client, each.name) for each in answers}
    is_as_expected = all(_outcome_of(views[each.name]) == kind.outcome for each in answers)
    duplicates = sum(max(0, len(ids) - 1) for ids in paid.values())
    out_of_sight = sum(_out_of_sight(views[name], ids) for name, ids in paid.items())
    is_lie = moment == "after" and bool(kind.cannot_be)
    shown = kind.cannot_be if is_lie else ""
    if kind is _NOT_NOW and moment == "after":
        shown = "each named as *also paid for*, and counted against the budget"
    if kind.outcome == "unknown" and moment == "after":
        shown = "`longhaul list --needs-attention`"
    is_good = (
        is_as_expected
        and out_of_sight == (len(answers) if is_lie else 0)
        and duplicates == (len(answers) if kind is _NOT_NOW and moment == "after" else 0)
    )
    interactions = sum(map(len, paid.values()))
    return (
        (kind.what, moment, len(answers), kind.outcome, interactions, duplicates, out_of_sight, shown or "-"),
        is_good,
    )


def _outcome_of(view: RunView) -> str:
    """Return what a run took the answer for."""
    if view.phase is Phase.SUBMISSION_UNKNOWN:
        return "unknown"
    return {Phase.FAILED: "rejected", Phase.COMPLETED: "refused"}.get(view.phase, view.phase.value)


def _out_of_sight(view: RunView, paid: Iterable[str]) -> int:
    """Return how many interactions nobody hears of; a run that is held waits for one."""
    return max(0, len(set(paid) - known_to(view)) - (view.phase is Phase.SUBMISSION_UNKNOWN))


async def _name_the_first_of_two(longhaul: Longhaul, answers: list[Answer]) -> None:
    """Bring news of the submission that was refused and accepted, once the one after it was accepted, too."""
    for answer in answers:
        paid = await _paid(longhaul, answer.name, at_least=2)
        await longhaul.trial.tell(answer.name, paid[0], number=1)


async def _paid(longhaul: Longhaul, name: str, *, at_least: int) -> list[str]:
    def ids() -> list[str]:
        return paid_interactions(longhaul.emulator, [name])[name]

    await holds(lambda: len(ids()) >= at_least, within_s=60.0)
    return ids()


async def _html(longhaul: Longhaul) -> _Row:
    """A 429 in HTML after acceptance, a hundred times, with a budget of one interaction."""
    name = "budget-html"
    await longhaul.trial.start(
        name,
        directive="duration_s=60 fault=reply-after status=429 form=html times=100",
        budget=Budget(max_interactions=1),
        is_awaited=False,
    )
    await asyncio.sleep(60.0)
    paid = paid_interactions(longhaul.emulator, [name])[name]
    view = await look_at_run(longhaul.trial.client, name)
    row = (
        "429 in HTML each time, `max_interactions` 1, for 60 s",
        "after",
        1,
        _outcome_of(view),
        len(paid),
        len(paid) - 1,
        _out_of_sight(view, paid),
        "`longhaul list --needs-attention`",
    )
    return row, (len(paid), _outcome_of(view)) == (1, "unknown")


async def _denied_each_time(longhaul: Longhaul) -> _Row:
    """A 429 in the service's own form after acceptance, a hundred times; then news of each."""
    name = "budget-service"
    await longhaul.trial.start(
        name,
        directive=f"{_LONG} fault=reply-after status=429 form=service times=100 retry_after_s=1",
        is_awaited=False,
    )
    await asyncio.sleep(60.0)
    paid = paid_interactions(longhaul.emulator, [name])[name]
    for number, interaction_id in enumerate(paid, start=1):
        await longhaul.trial.tell(name, interaction_id, number=number)

    async def has_ended() -> bool:
        return (await look_at_run(longhaul.trial.client, name)).phase.is_end

    await holds(has_ended, within_s=180.0)
    paid = paid_interactions(longhaul.emulator, [name])[name]
    view = await look_at_run(longhaul.trial.client, name)
    row = (
        "429 in the service's own form each time, for 60 s, then news of each",
        "after",
        1,
        "refused, then adopted",
        len(paid),
        len(paid) - 1,
        _out_of_sight(view, paid),
        "adopted one, the others named as *also paid for*",
    )
    # Four attempts within the first minute, where the fifth waits.
    return row, view.phase is Phase.COMPLETED and len(paid) <= 5 and not _out_of_sight(view, paid)
