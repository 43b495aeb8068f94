import io

import pytest
from rich.console import Console

from runs.phase import Phase
from starter.tables import columns_that_fit, table_of
from starter.views import RunRow
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
