import io

import pytest
from rich.console import Console

from runs.phase import Phase
from starter.tables import ORPHAN_COLUMNS, cells_of, columns_that_fit, orphan_cells, table_of
from starter.views import AtApi, Orphan, OrphanReason, RunRow
from tests.unit.starter.sample import REQUESTED_AT

ROW = RunRow(
    run_id="research-how-do-tides-form-abcdef",
    phase=Phase.COMPLETED,
    agent="deep-research-preview-04-2026",
    question="How do tides form in the Bay of Fundy, and why are they so high there?",
    requested_at=REQUESTED_AT,
    ended_at=REQUESTED_AT,
    tokens=345_265,
    cost_usd=2.31,
)


def drawn(columns: int) -> str:
    """The table as a terminal of this width shows it."""
    console = Console(file=io.StringIO(), width=columns)
    console.print(table_of([ROW, ROW], columns=columns))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("columns", [44, 60, 80, 120, 200])
def test_a_run_is_found_on_any_terminal(columns: int) -> None:
    """The id, which every other command takes, and the phase are whole, whatever else has to go."""
    lines = drawn(columns).splitlines()
    assert all(len(line) <= columns for line in lines)
    rows = [[cell for cell in line.split() if cell not in {"KIND", "run"}][:2] for line in lines]
    assert rows == [["RUN", "PHASE"]] + 2 * [[ROW.run_id, "completed"]]


def test_on_a_very_narrow_terminal_ids_are_folded() -> None:
    """Even where an id does not fit, no character of it is lost."""
    folded = "".join(line.split()[0] for line in drawn(24).splitlines())
    assert folded.count("research-how") == 2


def test_the_least_important_columns_go_first() -> None:
    """A wide terminal shows everything; a narrower one gives up the agent before the question."""
    cells = [("r" * 20, "run", "running", "a" * 20, "2026-11-22 10:00", "12s", "345,265", "$2.31", "q" * 70)]
    everything = ["RUN", "KIND", "PHASE", "AGENT", "STARTED", "TOOK", "TOKENS", "COST", "QUESTION"]
    assert list(columns_that_fit(cells, columns=160)) == everything
    assert list(columns_that_fit(cells, columns=80)) == ["RUN", "PHASE", "STARTED", "TOOK", "QUESTION"]
    assert list(columns_that_fit(cells, columns=10)) == ["RUN", "PHASE"]


@pytest.mark.parametrize(
    ("orphan", "now", "why"),
    [
        (
            Orphan(reason=OrphanReason.TERMINATED, run_id="r", interaction_id="v1_a"),
            "not asked",
            "terminated",
        ),
        (
            Orphan(
                reason=OrphanReason.SECOND,
                run_id="r",
                interaction_id="v1_a",
                at_api=AtApi.ENDED,
                status="completed",
            ),
            "ended (completed)",
            "paid for another",
        ),
        (
            Orphan(
                reason=OrphanReason.TIMED_OUT,
                run_id="r",
                interaction_id="v1_a",
                at_api=AtApi.RUNNING,
                was_stopped=False,
            ),
            "NOT confirmed as stopped",
            "time-out of Temporal's",
        ),
        (
            Orphan(reason=OrphanReason.IN_STORE, run_id="r", place="r/1/s.json"),
            "nobody knows",
            "see r/1/s.json",
        ),
        (
            Orphan(reason=OrphanReason.LOST, run_id="r", interaction_id="v1_a", at_api=AtApi.GONE),
            "not there",
            "did not know it",
        ),
    ],
)
def test_what_was_left_running_is_told_in_words(orphan: Orphan, now: str, why: str) -> None:
    """How it stands at the API now, and why nobody watches it."""
    cells = dict(zip(ORPHAN_COLUMNS, orphan_cells(orphan), strict=True))
    assert cells["NOW"] == now
    assert why in cells["WHY"]


def test_every_reason_has_words() -> None:
    """One that is added says what it means."""
    for reason in OrphanReason:
        assert orphan_cells(Orphan(reason=reason, run_id="r"))


def test_what_temporal_says_of_a_run_stands_beside_its_phase() -> None:
    """Paused, or ended from outside."""
    assert "running, paused" in cells_of(ROW.model_copy(update={"phase": Phase.RUNNING, "is_paused": True}))
    ended = ROW.model_copy(update={"phase": Phase.FAILED, "is_ended_from_outside": True})
    assert "failed, ended from outside" in cells_of(ended)
