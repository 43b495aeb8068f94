"""Who may call: anyone with exactly one credential that does not look rejected."""

from starlette.requests import Request

from emulator.errors import ApiError, several_credentials


def check_credentials(request: Request) -> None:
    """Check the API key or bearer token.

    Any value will do, but ``rejected`` and whatever starts with ``bad-`` stand for revoked keys.

    Raises:
        ApiError: 400, more than one credential; 401, a rejected one; 403, none.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = [
        credential
        for credential in (
            request.headers.get("x-goog-api-key"),
            request.query_params.get("key"),
            token.strip() if scheme.lower() == "bearer" else None,
        )
        if credential
    ]
    if not given:
        message = "Method doesn't allow unregistered callers. Please use an API key."
        raise ApiError(403, code="permission_denied", message=message)
    if len(given) > 1:
        raise several_credentials()
    if given[0] == "rejected" or given[0].startswith("bad-"):
        message = "API key not valid. Please pass a valid API key."
        raise ApiError(401, code="authentication", message=message)
