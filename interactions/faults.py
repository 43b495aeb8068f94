"""From what the HTTP library raises, and from what the service answers, to our errors.

Source:
    https://ai.google.dev/gemini-api/docs/api-errors, read 2026-11-22, for the codes and the body; the other
    two body forms come from gateways in front of the service and are seen in issue reports.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

import httpx2 as httpx
from pydantic_core import from_json

from interactions.errors import (
    ApiStatusError,
    CallTimedOut,
    ConnectFailed,
    ExchangeBroken,
    InteractionsError,
    InvalidCall,
)
from interactions.redaction import Redactor

LIBRARY_ERRORS: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
    # Sockets and TLS, should the library let one through unwrapped.
    OSError,
)
"""Everything that may come out of the HTTP library. ``TimeoutError`` is among them, as an ``OSError``."""

# Raised before the first byte of the request leaves.
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
# The request is impossible, so the library refused to send it.
_NOT_SENDABLE: Final = (
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.RequestNotRead,
)


class Outcome(NamedTuple):
    """What an error status says about the request."""

    may_have_run: bool
    is_transient: bool


_REFUSED: Final = Outcome(may_have_run=False, is_transient=True)
"""Certainly not run, and worth sending again."""
_REJECTED: Final = Outcome(may_have_run=False, is_transient=False)
"""Looked at and turned down; sending it again changes nothing."""
_UNKNOWN: Final = Outcome(may_have_run=True, is_transient=True)
"""From the service or from something in front of it, before or after it began."""

OUTCOMES: Final[dict[int, Outcome]] = {
    400: _REJECTED,
    401: _REJECTED,
    402: _REJECTED,
    403: _REJECTED,
    404: _REJECTED,
    408: _UNKNOWN,
    409: _REJECTED,
    416: _REJECTED,
    422: _REJECTED,
    425: _UNKNOWN,
    429: _REFUSED,
    499: _UNKNOWN,
    500: _UNKNOWN,
    501: _REJECTED,
    502: _UNKNOWN,
    503: _UNKNOWN,
    504: _UNKNOWN,
}
"""What each status means. It decides whether a submission may be sent again, so each row has a test."""

OUTCOMES_BY_SERVICE: Final[dict[int, Outcome]] = {503: _REFUSED}
"""Where it matters that the service itself speaks. One that says it is overloaded has not begun; a gateway's
503, in the older form, in HTML or empty, may come after the service has accepted."""

_FIRST_SERVER_ERROR: Final = 500

# Long enough for what a person needs to see, short enough for Temporal's failure and every log line.
MAX_MESSAGE_CHARS: Final = 500
_MAX_CODE_CHARS: Final = 100
# Daily quotas reset at midnight, so no honest hint is longer; a longer one must not park a run for good.
_MAX_RETRY_AFTER_S: Final = 24 * 3600.0

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]+")


def tidy(text: str, limit: int = MAX_MESSAGE_CHARS) -> str:
    """Return ``text`` on one line, without control characters, in at most ``limit`` characters."""
    # Cut before cleaning as well: a body of megabytes needs no cleaning past what is shown.
    line = " ".join(_UNPRINTABLE.sub(" ", text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def from_library(error: Exception, redactor: Redactor) -> InteractionsError:
    """Return our error for what the HTTP library raised."""
    detail = tidy(redactor.text(str(error)))
    message = f"{type(error).__name__}: {detail}" if detail else type(error).__name__
    if isinstance(error, _NOT_SENT):
        return ConnectFailed(message)
    if isinstance(error, _NOT_SENDABLE):
        return InvalidCall(message)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return CallTimedOut(message)
    return ExchangeBroken(message)


class ApiProblemBody(NamedTuple):
    """What an error body says.

    Attributes:
        code: The API's word, if there is one.
        message: For people.
        status_code: The HTTP status of the older form.
        is_by_service: Whether it has the form that only the service itself writes; a gateway in front of it
            keeps to the older one (https://ai.google.dev/gemini-api/docs/api-errors, read 2026-11-22).
    """

    code: str | None
    message: str
    status_code: int | None
    is_by_service: bool


def read_problem(body: bytes, redactor: Redactor) -> ApiProblemBody | None:
    """Return what an error body says, or None when it is none of the API's three forms.

    The forms: ``{"error": {"code": "not_found", "message": …}}``, the older ``{"error": {"code": 404,
    "message": …, "status": "NOT_FOUND"}}``, and either of them as the only item of an array.
    """
    try:
        document: Any = from_json(body)
    except ValueError:
        return None
    is_wrapped = isinstance(document, list) and len(document) == 1
    if is_wrapped:
        document = document[0]
    problem = document.get("error") if isinstance(document, dict) else None
    if not isinstance(problem, dict):
        return None
    code, message, status = problem.get("code"), problem.get("message"), problem.get("status")
    if not isinstance(code, int | str) or isinstance(code, bool) or not isinstance(message, str):
        return None
    word = status.lower() if isinstance(status, str) else code if isinstance(code, str) else None
    return ApiProblemBody(
        code=None if word is None else tidy(redactor.text(word), _MAX_CODE_CHARS),
        message=tidy(redactor.text(message)),
        status_code=code if isinstance(code, int) else None,
        is_by_service=isinstance(code, str) and status is None and not is_wrapped,
    )


def from_status(
    status_code: int, headers: Mapping[str, str], body: bytes, redactor: Redactor
) -> ApiStatusError:
    """Return our error for an answer other than 2xx. ``body`` may be empty, cut or anything at all."""
    problem = read_problem(body, redactor)
    outcome = OUTCOMES.get(status_code)
    if outcome is None:
        # Nobody knows what a status without a row means; redirects and other 4xx at least do not change.
        outcome = Outcome(may_have_run=True, is_transient=status_code >= _FIRST_SERVER_ERROR)
    if problem is not None and problem.is_by_service:
        outcome = OUTCOMES_BY_SERVICE.get(status_code, outcome)
    parts = [f"HTTP {status_code}"]
    if problem is not None:
        parts += [part for part in (problem.code, problem.message) if part]
    else:
        parts.append("without an API error body" if body else "with an empty body")
    return ApiStatusError(
        tidy(": ".join(parts)),
        may_have_run=outcome.may_have_run,
        is_transient=outcome.is_transient,
        status_code=status_code,
        code=None if problem is None else problem.code,
        retry_after_s=retry_after_s(headers),
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the service asks to wait: 0 to one day, or None when it does not say."""
    wait_s = _number(headers.get("retry-after-ms"))
    if wait_s is not None:
        wait_s /= 1000
    else:
        hint = headers.get("retry-after")
        wait_s = _number(hint)
        if wait_s is None and hint is not None:
            wait_s = _seconds_until(hint, headers.get("date"))
    return None if wait_s is None else min(max(wait_s, 0.0), _MAX_RETRY_AFTER_S)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds_until(date: str, now: str | None) -> float | None:
    # Counted on the service's own clock where it tells the time, because ours may be wrong.
    until = _date(date)
    if until is None:
        return None
    return (until - ((_date(now) if now else None) or datetime.now(UTC))).total_seconds()


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
