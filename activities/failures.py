"""What an API error means for a run: the one place where activities classify."""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.timeouts import SETTLE_AGAIN_AT_MOST
from artifacts.errors import ArtifactsError, StoreUnavailable
from interactions.errors import ConnectFailed, InteractionsError
from interactions.requests import CreateInteraction
from runs.errors import ActivityErrorType, RunErrorCode
from runs.limits import MAX_ERROR_CHARS
from runs.messages import Announcement, EarlierSubmission

_CREDENTIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

_GONE: Final = re.compile(r"not found|not exist|no longer|expired|deleted|unknown", re.IGNORECASE)
"""How a 400 may say that there is no such interaction; that it is still running is said otherwise."""


def is_missing(error: InteractionsError) -> bool:
    """Return whether Google says that there is no such interaction; anybody's 404 would not prove it."""
    return error.status_code == HTTPStatus.NOT_FOUND and error.is_googles


class NotSendable(Exception):
    """A request that cannot be sent as it is, found out before anything was sent.

    Attributes:
        code: Why, for programs.
    """

    def __init__(self, reason: str, *, code: RunErrorCode = RunErrorCode.REJECTED) -> None:
        super().__init__(reason)
        self.code = code


def not_sendable(error: NotSendable) -> ApplicationError:
    """Return the error of a submission that was not sent, and never will be as it stands."""
    return ApplicationError(
        f"nothing was submitted: {error}"[:MAX_ERROR_CHARS],
        error.code.value,
        type=ActivityErrorType.SUBMISSION_REJECTED,
        non_retryable=True,
    )


def submission_failure(error: InteractionsError, create: CreateInteraction) -> ApplicationError:
    """Classify a failed create: may it have run, and if not, is it worth sending again, or otherwise?"""
    if error.may_have_run:
        kind, code = ActivityErrorType.SUBMISSION_UNKNOWN, RunErrorCode.SUBMISSION_UNKNOWN
    elif error.is_transient:
        was_sent = not isinstance(error, ConnectFailed)
        kind = ActivityErrorType.SUBMISSION_REFUSED
        code = RunErrorCode.REJECTED if was_sent else RunErrorCode.NOT_SENT
    else:
        kind, code = ActivityErrorType.SUBMISSION_REJECTED, _why_rejected(error, create)
    message = error.message
    if error.status_code in _CREDENTIALS and not error.may_have_run:
        code = RunErrorCode.BAD_CREDENTIALS
        message = f"{message}. Check the worker's GEMINI_API_KEY, and that it may use this agent"
    # Details hold only what is there: a null would have to be told from a missing one for ever.
    hints = () if error.retry_after_s is None else (error.retry_after_s,)
    is_expected = kind is ActivityErrorType.SUBMISSION_REFUSED
    return ApplicationError(
        message[:MAX_ERROR_CHARS],
        code.value,
        *hints,
        type=kind,
        non_retryable=True,
        # A quota that is used up for a minute is daily business, and no stack trace in the log.
        category=ApplicationErrorCategory.BENIGN if is_expected else ApplicationErrorCategory.UNSPECIFIED,
    )


def _why_rejected(error: InteractionsError, create: CreateInteraction) -> RunErrorCode:
    """Return what about ``create`` was refused, as far as something else can be tried."""
    message = error.message.lower()
    is_invalid = error.status_code == HTTPStatus.BAD_REQUEST
    # The documentation does not say how a model refuses the background; that the word is in the message of a
    # 400 to a request that asked for it is as much as can be known.
    if is_invalid and create.model is not None and create.background and "background" in message:
        return RunErrorCode.NO_BACKGROUND
    if create.previous_interaction_id is not None and (
        (error.status_code == HTTPStatus.NOT_FOUND and not _is_about_another(error, create))
        or (is_invalid and _names_previous(message, create) and _GONE.search(message))
    ):
        return RunErrorCode.PARENT_GONE
    return RunErrorCode.REJECTED


def _is_about_another(error: InteractionsError, create: CreateInteraction) -> bool:
    """Return whether a 404 misses something else than the previous interaction."""
    target = create.model or create.agent or ""
    # The last is a gateway's answer to a path that it does not know.
    return (
        error.code == "model_not_found"
        or target in error.message
        or "method not found" in error.message.lower()
    )


def _names_previous(message: str, create: CreateInteraction) -> bool:
    words = ("previous_interaction", "previous interaction", (create.previous_interaction_id or "").lower())
    return any(word in message for word in words)


def submission_unknown(reason: str) -> ApplicationError:
    """Return the error of a submission that perhaps ran, and was paid for."""
    return ApplicationError(
        reason,
        RunErrorCode.SUBMISSION_UNKNOWN.value,
        type=ActivityErrorType.SUBMISSION_UNKNOWN,
        non_retryable=True,
    )


def not_sent(reason: str) -> ApplicationError:
    """Return the error of a submission that certainly was not sent, and may be."""
    return ApplicationError(
        reason,
        RunErrorCode.NOT_SENT.value,
        type=ActivityErrorType.SUBMISSION_REFUSED,
        non_retryable=True,
    )


def store_failure_before_submission(error: ArtifactsError) -> ApplicationError:
    """Classify an artifact store that fails before anything was sent.

    Only a store that is away is waited for: one that is full or closed to us, or an attachment that is not
    there, stays so until a person acts, and says so better by failing than by trying.
    """
    may_pass = isinstance(error, StoreUnavailable) and not error.is_final
    kind = ActivityErrorType.SUBMISSION_REFUSED if may_pass else ActivityErrorType.SUBMISSION_REJECTED
    return ApplicationError(
        f"nothing was submitted: {error}"[:MAX_ERROR_CHARS],
        RunErrorCode.ARTIFACT_STORE.value,
        type=kind,
        non_retryable=True,
    )


def number_taken(earlier: EarlierSubmission) -> ApplicationError:
    """Return the error of a submission that was not sent, because its number has been another's."""
    return ApplicationError(
        "before the run was reset, it sent something else under this number",
        # As a text: versions that do not know of this look for their own words, and pass over other texts.
        earlier.model_dump_json(),
        type=ActivityErrorType.SUBMISSION_NUMBER_TAKEN,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )


def crashed(error: Exception, announcement: Announcement) -> ApplicationError:
    """Return the error of a submission that nobody expected, with what has to be known to clear it up."""
    return ApplicationError(
        (str(error) or "no reason given")[:MAX_ERROR_CHARS],
        announcement.model_dump_json(),
        type=type(error).__name__,
        non_retryable=True,
    )


def not_settled(reason: str, *, code: RunErrorCode, retry_after_s: float | None = None) -> ApplicationError:
    """Return the error that makes Temporal settle again."""
    return ApplicationError(
        reason[:MAX_ERROR_CHARS],
        code.value,
        type=ActivityErrorType.NOT_SETTLED,
        next_retry_delay=None
        if retry_after_s is None
        else min(timedelta(seconds=retry_after_s), SETTLE_AGAIN_AT_MOST),
    )


def runs_again(interaction_id: str, status: str) -> ApplicationError:
    """Return the error that sends a run back from settling to watching."""
    return ApplicationError(
        f"interaction {interaction_id} had ended, and is {status!r} again"[:MAX_ERROR_CHARS],
        type=ActivityErrorType.RUNS_AGAIN,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )


def lost(interaction_id: str) -> ApplicationError:
    """Return the error that ends a run whose interaction the API no longer knows."""
    return ApplicationError(
        f"the API does not know interaction {interaction_id} (any more)",
        RunErrorCode.LOST.value,
        type=ActivityErrorType.INTERACTION_LOST,
        non_retryable=True,
    )


def expected_retry(reason: str, *details: str, kind: ActivityErrorType, after_s: float) -> ApplicationError:
    """Return the error that makes Temporal's retry the clock; expected, so it alarms nobody."""
    return ApplicationError(
        reason[:MAX_ERROR_CHARS],
        *details,
        type=kind,
        next_retry_delay=timedelta(seconds=after_s),
        category=ApplicationErrorCategory.BENIGN,
    )
