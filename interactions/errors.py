"""What can go wrong with one call, as one tree.

* InteractionsError
  x InvalidCall          the call itself is wrong; nothing was sent
  x ConnectFailed        no connection; nothing was sent
  x ExchangeBroken       the connection broke after something was sent
    + CallTimedOut       no whole answer within the time allowed
    + StreamBroken       a stream broke after it had begun
  x ApiStatusError       the service answered with an error status
  x MalformedResponse    the service answered 2xx with something else than promised
    + ResponseTooLarge   it answered with more than we are willing to hold
    + WrongInteraction   it answered with another interaction than the one asked for

Whoever submits asks two questions, in this order: may the request have run (``may_have_run``; then it
must not be sent again), and may the same request succeed later (``is_transient``)? Reads ask only the
second.

No error refers to an exception, request or response of the HTTP library, neither as an attribute nor
as cause or context: those hold the headers, and with them the credential.
"""


class InteractionsError(Exception):
    """A call that did not succeed.

    Attributes:
        message: What happened, for people; short, on one line, without secrets.
        may_have_run: Whether the service may have acted on the request.
        is_transient: Whether the same request may succeed later.
        status_code: The HTTP status, if one arrived.
        code: The API's snake_case word, for example ``not_found``, if one arrived.
        retry_after_s: How long the service asks to wait, if it said so.
        is_googles: Whether an error status came in one of Google's own forms of body; False for whatever
            else may have answered, and for what is no answer.
    """

    def __init__(  # noqa: PLR0913 - keyword-only facts, each named where it is given
        self,
        message: str,
        *,
        may_have_run: bool,
        is_transient: bool,
        status_code: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        is_googles: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.may_have_run = may_have_run
        self.is_transient = is_transient
        self.status_code = status_code
        self.code = code
        self.retry_after_s = retry_after_s
        self.is_googles = is_googles


class InvalidCall(InteractionsError):
    """The call cannot be sent as it is, for example because of an impossible interaction id."""

    def __init__(self, message: str) -> None:
        super().__init__(message, may_have_run=False, is_transient=False)


class ConnectFailed(InteractionsError):
    """No connection could be made, so the service knows nothing of the request."""

    def __init__(self, message: str, *, is_transient: bool = True) -> None:
        super().__init__(message, may_have_run=False, is_transient=is_transient)


class ExchangeBroken(InteractionsError):
    """The connection broke after the request had, or may have, been sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, may_have_run=True, is_transient=True)


class CallTimedOut(ExchangeBroken):
    """No whole answer came within the time allowed."""


class StreamBroken(ExchangeBroken):
    """A stream ended otherwise than it should. The run is not affected: GET the interaction, or resume.

    ``status_code`` and ``code`` are those of the error that the service put in place of the stream's end,
    if it did.
    """

    def __init__(self, message: str, *, status_code: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code


class ApiStatusError(InteractionsError):
    """The service answered with a status other than 2xx; ``status_code`` is always set."""

    status_code: int


class MalformedResponse(InteractionsError):
    """The service, or something in between, answered 2xx with something else than promised."""

    def __init__(self, message: str, *, status_code: int, code: str | None = None) -> None:
        super().__init__(message, may_have_run=True, is_transient=True, status_code=status_code, code=code)


class ResponseTooLarge(MalformedResponse):
    """The body is larger than ``ApiConfig.max_body_bytes``. It will not shrink, so this is final."""

    def __init__(self, message: str, *, status_code: int) -> None:
        super().__init__(message, status_code=status_code)
        self.is_transient = False


class WrongInteraction(MalformedResponse):
    """The answer shows another interaction than the one asked for, or one without an id; as a cache may."""
