"""What a failed activity has to say, dug out of the errors Temporal wraps around it."""

from dataclasses import dataclass

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType  # noqa: A004 - Temporal's name

with workflow.unsafe.imports_passed_through():
    from runs.errors import RunErrorCode
    from runs.limits import MAX_ERROR_CHARS

_CODES = frozenset(RunErrorCode)


@dataclass(frozen=True)
class Failure:
    """The facts of a failure that a decision needs.

    Attributes:
        kind: The ``ApplicationError.type``, an `ActivityErrorType`; None when the activity never answered.
        message: One line for people, bounded.
        code: What the activity classified it as; None when it did not.
        retry_after_s: How long the API asked to wait; None when it did not.
    """

    kind: str | None
    message: str
    code: RunErrorCode | None = None
    retry_after_s: float | None = None


def failure_of(error: ActivityError) -> Failure:
    """Return what ``error`` says. ``str(error)`` itself only says that an activity failed."""
    timed_out: TimeoutType | None = None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ApplicationError):
            return _of_application_error(cause)
        if isinstance(cause, TimeoutError):
            timed_out = cause.type
        cause = cause.__cause__
    if timed_out is None:
        return Failure(kind=None, message=str(error.cause or error)[:MAX_ERROR_CHARS])
    waited_for = timed_out.name.lower().replace("_", "-")
    return Failure(kind=None, message=f"the worker vanished or did not answer ({waited_for} time-out)")


def _of_application_error(error: ApplicationError) -> Failure:
    code: RunErrorCode | None = None
    retry_after_s: float | None = None
    for detail in error.details:
        if isinstance(detail, int | float):
            retry_after_s = float(detail)
        elif detail in _CODES:
            code = RunErrorCode(detail)
    return Failure(
        kind=error.type, message=error.message[:MAX_ERROR_CHARS], code=code, retry_after_s=retry_after_s
    )
