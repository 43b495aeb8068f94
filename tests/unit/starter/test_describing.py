import pytest

from runs.phase import Phase
from starter.describing import phase_of
from starter.executions import ExecutionStatus as Status


@pytest.mark.parametrize(
    ("status", "published", "phase"),
    [
        (Status.RUNNING, None, Phase.REQUESTED),
        (Status.RUNNING, "running", Phase.RUNNING),
        (Status.RUNNING, "cancelling", Phase.CANCELLING),
        (Status.COMPLETED, "completed", Phase.COMPLETED),
        (Status.COMPLETED, "incomplete", Phase.INCOMPLETE),
        (Status.FAILED, "failed", Phase.FAILED),
        (Status.FAILED, "timed_out", Phase.TIMED_OUT),
        (Status.FAILED, None, Phase.FAILED),
        (Status.CANCELED, "cancelled", Phase.CANCELLED),
    ],
)
def test_a_run_stands_where_it_says(status: Status, published: str | None, phase: Phase) -> None:
    """The published phase is where a run stands, as far as Temporal agrees."""
    assert phase_of(status, published=published) is phase


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        (Status.TERMINATED, Phase.FAILED),
        (Status.TIMED_OUT, Phase.TIMED_OUT),
        (Status.CANCELED, Phase.CANCELLED),
        (Status.COMPLETED, Phase.COMPLETED),
        (Status.FAILED, Phase.FAILED),
    ],
)
def test_temporal_wins_over_what_a_run_last_said(status: Status, phase: Phase) -> None:
    """A run that was ended from outside says "running" for ever; it is not believed."""
    assert phase_of(status, published="running") is phase


def test_an_unknown_phase_is_no_error() -> None:
    """A newer worker may publish a word that this version does not know."""
    assert phase_of(Status.RUNNING, published="a_later_phase") is Phase.REQUESTED
