"""What a failed activity has to say, dug out of the errors Temporal wraps around it.

Workflow code: see docs/changing.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType  # noqa: A004 - Temporal's name

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from runs.errors import RunErrorCode
    from runs.limits import MAX_ERROR_CHARS
    from runs.message import Message
    from runs.messages import Announcement, EarlierSubmission

_M = TypeVar("_M", bound=Message)

_CODES = frozenset(RunErrorCode)


@dataclass(frozen=True)
class Failure:
    """The facts of a failure that a decision needs.

    Attributes:
        kind: The ``ApplicationError.type``, an `ActivityErrorType`; None when the activity never answered.
        message: One line for people, bounded.
        code: What the activity classified it as; None when it did not.
        retry_after_s: How long the API asked to wait; None when it did not.
        announced: Where a lost submission has its journal; None when that was not said.
        earlier: What was sent under a submission's number before; None when nothing was.
    """

    kind: str | None
    message: str
    code: RunErrorCode | None = None
    retry_after_s: float | None = None
    announced: Announcement | None = None
    earlier: EarlierSubmission | None = None


def failure_of(error: ActivityError) -> Failure:
    """Return what ``error`` says. ``str(error)`` itself only says that an activity failed."""
    timed_out: TimeoutType | None = None
    announced: Announcement | None = None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ApplicationError):
            return _of_application_error(cause)
        if isinstance(cause, TimeoutError):
            timed_out = cause.type
            announced = announced or _found(Announcement, cause.last_heartbeat_details)
        cause = cause.__cause__
    if timed_out is None:
        return Failure(kind=None, message=str(error.cause or error)[:MAX_ERROR_CHARS])
    waited_for = timed_out.name.lower().replace("_", "-")
    return Failure(
        kind=None,
        message=f"the worker vanished or did not answer ({waited_for} time-out)",
        announced=announced,
    )


def _of_application_error(error: ApplicationError) -> Failure:
    code: RunErrorCode | None = None
    retry_after_s: float | None = None
    for detail in error.details:
        if isinstance(detail, int | float):
            retry_after_s = float(detail)
        elif isinstance(detail, str) and detail in _CODES:
            code = RunErrorCode(detail)
    return Failure(
        kind=error.type,
        message=error.message[:MAX_ERROR_CHARS],
        code=code,
        retry_after_s=retry_after_s,
        announced=_found(Announcement, error.details),
        earlier=_found(EarlierSubmission, error.details),
    )


def _found(kind: type[_M], details: Sequence[object]) -> _M | None:
    """Return the first of ``details`` that is a message of this kind, as such or as JSON in a text."""
    for detail in details:
        try:
            return (
                kind.model_validate_json(detail) if isinstance(detail, str) else kind.model_validate(detail)
            )
        except ValidationError:
            continue
    return None
