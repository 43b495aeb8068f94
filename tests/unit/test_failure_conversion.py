"""Failures are read whatever numbers a server says."""

from typing import Any, cast

import pytest
from temporalio.api.failure.v1 import (
    ActivityFailureInfo,
    ApplicationFailureInfo,
    ChildWorkflowExecutionFailureInfo,
    Failure,
    TimeoutFailureInfo,
)
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    ChildWorkflowError,
    RetryState,
    TimeoutError,  # noqa: A004 - Temporal's name
    TimeoutType,
)

from workflows.failure_conversion import TolerantFailureConverter
from workflows.failures import failure_of

_NEW: Any = 99
"""A number that no library of today knows."""

STRANGE = Failure(
    message="activity failed",
    activity_failure_info=ActivityFailureInfo(retry_state=_NEW),
    cause=Failure(message="late", timeout_failure_info=TimeoutFailureInfo(timeout_type=_NEW)),
)


def read(failure: Failure) -> BaseException:
    """Read it as our clients and workers do."""
    return TolerantFailureConverter().from_failure(failure, PayloadConverter.default)


def test_what_the_library_does_not_know_is_not_said() -> None:
    """The failure and its causes are what they are; only the unknown number is missing."""
    error = read(STRANGE)
    assert isinstance(error, ActivityError)
    assert error.retry_state is None
    assert isinstance(error.cause, TimeoutError)
    assert error.cause.type is None
    # What a workflow makes of it.
    assert failure_of(error).message == "late"


@pytest.mark.parametrize(
    "failure",
    [
        STRANGE,
        Failure(application_failure_info=ApplicationFailureInfo(type="T", category=_NEW)),
        Failure(child_workflow_execution_failure_info=ChildWorkflowExecutionFailureInfo(retry_state=_NEW)),
    ],
    ids=["activity", "application", "child"],
)
def test_the_library_alone_raises(failure: Failure) -> None:
    """Where it no longer does, ours is not needed any more; what was received is left as it was."""
    received = failure.SerializeToString()
    with pytest.raises(ValueError, match="99 is not a valid"):
        DefaultFailureConverter().from_failure(failure, PayloadConverter.default)
    assert isinstance(read(failure), ActivityError | ApplicationError | ChildWorkflowError)
    assert failure.SerializeToString() == received


def test_what_the_library_knows_is_said() -> None:
    """Everything that it has a name for comes through."""
    failure = Failure(
        activity_failure_info=ActivityFailureInfo(retry_state=cast("Any", int(RetryState.TIMEOUT))),
        cause=Failure(
            timeout_failure_info=TimeoutFailureInfo(timeout_type=cast("Any", int(TimeoutType.HEARTBEAT)))
        ),
    )
    error = read(failure)
    assert isinstance(error, ActivityError)
    assert error.retry_state is RetryState.TIMEOUT
    assert isinstance(error.cause, TimeoutError)
    assert error.cause.type is TimeoutType.HEARTBEAT
    benign = Failure(
        application_failure_info=ApplicationFailureInfo(
            category=cast("Any", int(ApplicationErrorCategory.BENIGN))
        )
    )
    expected = read(benign)
    assert isinstance(expected, ApplicationError)
    assert expected.category is ApplicationErrorCategory.BENIGN
