"""What the emulator refuses, and in which form.

Tree:

    EmulatorError
    └── ApiError          an answer in the API's own error form
        └── GatewayError  an answer in the older form of Google's front ends
"""

from typing import Any, Final

UNAVAILABLE: Final[dict[str, tuple[str, str]]] = {
    "500": ("api_error", "An internal error has occurred. Please retry."),
    "503": ("service_unavailable", "The service is currently unavailable."),
    "504": ("deadline_exceeded", "Deadline expired before operation could complete."),
}
"""Server failures: HTTP status → API code and message."""


class EmulatorError(Exception):
    """Base of everything the emulator raises on purpose."""


class ApiError(EmulatorError):
    """A refusal in the form ``{"error": {"code": "snake_case", "message": "…"}}``.

    Attributes:
        status: HTTP status.
        code: The API's word for it.
        message: For people.
        headers: Extra response headers.
    """

    def __init__(
        self, status: int, *, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": {"code": self.code, "message": self.message}}


class GatewayError(ApiError):
    """A refusal in the form ``{"error": {"code": 404, "message": "…", "status": "NOT_FOUND"}}``."""

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": {"code": self.status, "message": self.message, "status": self.code}}


def invalid(message: str) -> ApiError:
    """A 400 ``invalid_request``."""
    return ApiError(400, code="invalid_request", message=message)


def failed_precondition(message: str) -> ApiError:
    """A 400 ``failed_precondition``."""
    return ApiError(400, code="failed_precondition", message=message)


def not_found(message: str) -> ApiError:
    """A 404 ``not_found``."""
    return ApiError(404, code="not_found", message=message)


def method_not_found() -> GatewayError:
    """The front end's answer to a path or verb that no service has."""
    return GatewayError(404, code="NOT_FOUND", message="Method not found.")


def unavailable(status: str) -> ApiError:
    """A server failure with one of the statuses of ``UNAVAILABLE``."""
    code, message = UNAVAILABLE[status]
    return ApiError(int(status), code=code, message=message)


def too_many(retry_after_s: int | None) -> ApiError:
    """A 429, with Retry-After when a number of seconds is given."""
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return ApiError(429, code="rate_limit_exceeded", message="Resource has been exhausted.", headers=headers)


def permission_denied() -> ApiError:
    """A 403 ``permission_denied``."""
    return ApiError(403, code="permission_denied", message="The caller does not have permission.")


def several_credentials() -> ApiError:
    """The 400 for a request with more than one credential."""
    return invalid("Multiple authentication credentials received. Please pass only one.")
