"""From what the HTTP library raises, and from what the service answers, to our errors.

What a status means is in `interactions.outcomes`; here the body is read.

Source:
    https://ai.google.dev/gemini-api/docs/api-errors, read 2026-11-22, for the codes and the body; the other
    two body forms come from gateways in front of the service and are seen in issue reports.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
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
from interactions.outcomes import Form, row_of
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


# Long enough for what a person needs to see, short enough for Temporal's failure and every log line.
MAX_MESSAGE_CHARS: Final = 500
_MAX_CODE_CHARS: Final = 100
# Daily quotas reset at midnight, so no honest hint is longer; a longer one must not park a run for good.
_MAX_RETRY_AFTER_S: Final = 24 * 3600.0

_SERVICES_WORD: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_FRONT_ENDS_WORD: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")

_FOREIGN_FIELDS: Final = frozenset({"type", "param"})
"""What OpenAI's errors have beside ``code`` and ``message``. Many gateways answer in that form, whatever is
behind them; without these it would be the service's own."""

_PROXY_ASKS: Final = f"{HTTPStatus.PROXY_AUTHENTICATION_REQUIRED.value} "
"""How the library's error begins where a proxy refused to open a tunnel."""

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
    if isinstance(error, httpx.ProxyError) and detail.startswith(_PROXY_ASKS):
        # A tunnel is asked for before anything else is said, so it is the proxy's word alone.
        advice = row_of(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, Form.OTHER).advice
        return ConnectFailed(f"{message}; {advice}", is_transient=False)
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
        form: Who speaks, if the answer has the status that the body names.
    """

    code: str | None
    message: str
    status_code: int | None
    form: Form


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
        form=Form.OTHER if is_wrapped else _form_of(problem),
    )


def _form_of(problem: Mapping[str, Any]) -> Form:
    code, status = problem["code"], problem.get("status")
    if isinstance(code, int):
        is_front_end = isinstance(status, str) and _FRONT_ENDS_WORD.fullmatch(status) is not None
        return Form.FRONT_END if is_front_end else Form.OTHER
    is_service = status is None and _SERVICES_WORD.fullmatch(code) is not None
    return Form.SERVICE if is_service and not _FOREIGN_FIELDS & problem.keys() else Form.OTHER


def from_status(
    status_code: int, headers: Mapping[str, str], body: bytes, redactor: Redactor
) -> ApiStatusError:
    """Return our error for an answer other than 2xx. ``body`` may be empty, cut or anything at all."""
    problem = read_problem(body, redactor)
    form = Form.OTHER if problem is None else problem.form
    if problem is not None and form is Form.FRONT_END and problem.status_code != status_code:
        # Somebody in between has passed on a body under a status of its own.
        form = Form.OTHER
    row = row_of(status_code, form)
    parts = [f"HTTP {status_code}"]
    if problem is not None:
        parts += [part for part in (problem.code, problem.message) if part]
    else:
        parts.append("without an API error body" if body else "with an empty body")
    message = tidy(": ".join(parts))
    if row.advice:
        # The answer's own text is cut first: what to do is the more useful half.
        message = f"{tidy(message, MAX_MESSAGE_CHARS - len(row.advice) - 2)}; {row.advice}"
    return ApiStatusError(
        message,
        may_have_run=row.outcome.may_have_run,
        is_transient=row.outcome.is_transient,
        status_code=status_code,
        code=None if problem is None else problem.code,
        retry_after_s=retry_after_s(headers),
        is_googles=form is not Form.OTHER,
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
