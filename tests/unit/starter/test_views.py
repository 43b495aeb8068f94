import pytest

from runs.phase import Phase
from starter.errors import ExitCode
from tests.unit.starter.sample import view


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        (Phase.REQUESTED, ExitCode.STILL_RUNNING),
        (Phase.RUNNING, ExitCode.STILL_RUNNING),
        (Phase.SETTLING, ExitCode.STILL_RUNNING),
        (Phase.CANCELLING, ExitCode.STILL_RUNNING),
        (Phase.COMPLETED, ExitCode.DONE),
        (Phase.INCOMPLETE, ExitCode.DONE),
        (Phase.FAILED, ExitCode.RUN_FAILED),
        (Phase.CANCELLED, ExitCode.RUN_FAILED),
        (Phase.TIMED_OUT, ExitCode.RUN_FAILED),
    ],
)
def test_the_exit_code_says_how_a_run_stands(phase: Phase, code: ExitCode) -> None:
    """Scripts tell an answer, a failure and a run that goes on apart by the exit code."""
    assert view(phase).exit_code is code


def test_exit_codes_are_a_contract() -> None:
    """The numbers are those that are documented, whatever the names become."""
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 130]
