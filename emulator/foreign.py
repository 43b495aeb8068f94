"""Answers in any form with any status: Google's own two, and what others on the way say in its place."""

from http import HTTPStatus
from typing import Final, Literal, get_args

from starlette.responses import Response

from emulator.errors import ApiError, GatewayError
from emulator.wire import error_reply, html_reply, json_reply

Form = Literal["service", "frontend", "html", "empty", "json", "array"]

FORMS: Final[tuple[Form, ...]] = get_args(Form)

STATUSES: Final = range(200, 600)
"""Those that end a request: before one below 200 comes another."""

_MESSAGE: Final = "The answer that was asked for."

_FRONT_ENDS_WORDS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_BODILESS: Final = frozenset({204, 205, 304})
"""Statuses whose answers have no body, whatever the form."""


def reply_of(status: int, form: Form, *, retry_after_s: int | None = None) -> Response:
    """The answer with ``status`` in ``form``, with Retry-After when a number of seconds is given."""
    reply = Response(status_code=status) if status in _BODILESS else _reply(status, form)
    if retry_after_s is not None:
        reply.headers["retry-after"] = str(retry_after_s)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        reply.headers["location"] = "/elsewhere"
    return reply


def _reply(status: int, form: Form) -> Response:
    front_end = GatewayError(status, code=_FRONT_ENDS_WORDS.get(status, "UNKNOWN"), message=_MESSAGE)
    match form:
        case "service":
            return error_reply(ApiError(status, code=_snake_case(status), message=_MESSAGE))
        case "frontend":
            return error_reply(front_end)
        case "html":
            return html_reply(status)
        case "empty":
            return Response(b"", status_code=status)
        case "json":
            return json_reply({"message": _MESSAGE, "status": status}, status=status)
        case "array":
            return json_reply([front_end.body()], status=status)


def _snake_case(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        return "unknown"
    return phrase.lower().replace("'", "").replace("-", "_").replace(" ", "_")
