import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from startup import QuietFailureConverter


@pytest.mark.parametrize(
    ("category", "is_traced"),
    [(ApplicationErrorCategory.BENIGN, False), (ApplicationErrorCategory.UNSPECIFIED, True)],
)
def test_only_unexpected_failures_carry_a_stack_trace(
    category: ApplicationErrorCategory, *, is_traced: bool
) -> None:
    """What happens at every look is stored without one; what is a surprise, with."""
    failure = Failure()
    try:
        raise ApplicationError("in_progress", type="StillRunning", category=category)
    except ApplicationError as error:
        QuietFailureConverter().to_failure(error, PayloadConverter.default, failure)
    assert bool(failure.stack_trace) is is_traced
    assert failure.message == "in_progress"
    assert failure.application_failure_info.type == "StillRunning"
