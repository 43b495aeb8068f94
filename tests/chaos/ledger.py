"""What was asked, what was paid for, and who knows of it: the books that every section closes with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.emulator_server import EmulatorServer


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The books of one contender after one trial.

    Attributes:
        questions: Submissions asked for.
        answered: Questions whose report somebody has.
        paid: Interactions that the emulator created.
        duplicates: Those beyond the first of each question.
        out_of_sight: Paid interactions that nobody knows of and nothing waits for.
    """

    questions: int
    answered: int
    paid: int
    duplicates: int
    out_of_sight: int


def paid_interactions(emulator: EmulatorServer, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the ids of the interactions that each of these submissions led to, oldest first."""
    submissions: Mapping[str, Any] = emulator.admin("GET", "/stats")["submissions"]
    return {name: submissions[name]["interaction_ids"] if name in submissions else [] for name in names}


def close(
    paid: Mapping[str, list[str]],
    *,
    known: Mapping[str, set[str]],
    answered: int,
    waiting: Iterable[str] = (),
) -> Ledger:
    """Close the books.

    Args:
        paid: From `paid_interactions`.
        known: For each question, the interactions that its contender knows of.
        answered: Questions whose report somebody has.
        waiting: Questions that say of themselves that an interaction of theirs is unknown.
    """
    in_doubt = set(waiting)
    return Ledger(
        questions=len(paid),
        answered=answered,
        paid=sum(len(ids) for ids in paid.values()),
        duplicates=sum(max(0, len(ids) - 1) for ids in paid.values()),
        out_of_sight=sum(
            # A question in doubt waits for one interaction; any beyond that is out of sight all the same.
            max(0, len(set(ids) - known.get(name, set())) - (name in in_doubt))
            for name, ids in paid.items()
        ),
    )
