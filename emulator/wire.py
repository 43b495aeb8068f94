"""How answers get onto the wire, including the ways in which they do not.

Hazard: ASGI has no way to drop a connection before the first byte; an application that sends nothing makes
uvicorn answer 500. ``Droppable`` therefore takes uvicorn's transport from the ``send`` it was given, which is
a method of uvicorn's request cycle, and leaves it in the scope. It must be the outermost application.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import pydantic_core
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.errors import ApiError, invalid

JSON: Final = "application/json; charset=utf-8"

HTML_PAGE: Final = (
    b"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Error 502 (Server Error)!!1</title>"
    b"<p><b>502.</b> <ins>That\xe2\x80\x99s an error.</ins><p>The server encountered a temporary error and "
    b"could not complete your request.<p>Please try again in 30 seconds."
)

_TRANSPORT: Final = "emulator.transport"


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    encoded: bytes = pydantic_core.to_json(value)
    return encoded


def rfc3339(wall_s: float) -> str:
    """A time stamp as the API writes it."""
    return datetime.fromtimestamp(int(wall_s), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest_of(body: bytes) -> str:
    """The key of a create that names no submission."""
    return hashlib.sha256(body).hexdigest()[:16]


def base64url(raw: bytes) -> str:
    """Base64 for addresses and tokens, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def json_object(request: Request) -> dict[str, Any]:
    """The body of a request that must be a JSON object; an empty body counts as an empty object.

    Raises:
        ApiError: 400; it is not.
    """
    return decode_object(await request.body() or b"{}")


def decode_object(raw: bytes) -> dict[str, Any]:
    """Decode what must be a JSON object.

    Raises:
        ApiError: 400; it is not.
    """
    try:
        value = json.loads(raw)
    except ValueError:
        raise invalid("Invalid JSON payload received.") from None
    if not isinstance(value, dict):
        raise invalid("Request body must be a JSON object.")
    return value


def json_reply(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(encode(value), status_code=status, media_type=JSON, headers=headers)


def raw_reply(body: bytes) -> Response:
    """A JSON answer that is encoded already."""
    return Response(body, media_type=JSON)


def html_reply(status: int) -> Response:
    """A front end's error page."""
    return Response(HTML_PAGE, status_code=status, media_type="text/html; charset=UTF-8")


def error_reply(error: ApiError) -> Response:
    """A refusal."""
    return json_reply(error.body(), status=error.status, headers=error.headers)


MAX_HEADER_BYTES: Final = 16 * 1024
"""What front ends take of headers; common ones have 8 to 64 KiB."""


class HeaderLimit:
    """Refuse requests whose headers are too long, as a front end does: with a page of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 431."""
        size = sum(len(name) + len(value) for name, value in scope.get("headers", ()))
        app = html_reply(431) if size > MAX_HEADER_BYTES else self._app
        await app(scope, receive, send)


class Droppable:
    """Give the application the means to drop its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        scope[_TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)
        await self._app(scope, receive, send)


class DropReply(Response):
    """No answer: the connection is dropped.

    Args:
        head: Bytes of a body to send first; a content-length that promises more goes before them.
    """

    def __init__(self, head: bytes | None = None) -> None:
        super().__init__()
        self._head = head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, if any, and drop the connection."""
        if self._head is not None:
            promised = str(2 * len(self._head) + 1).encode()
            headers = [(b"content-type", JSON.encode()), (b"content-length", promised)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self._head, "more_body": True})
        hang_up(scope)
        # uvicorn answers 500 for an application that returns before the connection is seen to be gone.
        await gone(receive)


def hang_up(scope: Scope) -> None:
    """Close the connection of ``scope`` as a broken network would."""
    transport = scope.get(_TRANSPORT)
    if transport is None:
        raise RuntimeError("Connections can only be dropped under uvicorn.")
    # close() lets bytes already written leave; abort() would lose the head of a cut body.
    transport.close()


async def gone(receive: Receive) -> None:
    """Return once the connection is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


class HangReply(Response):
    """No answer: the connection stays open until the client gives up, or the server stops.

    Args:
        stopping: Set when the server stops.
    """

    def __init__(self, stopping: asyncio.Event) -> None:
        super().__init__()
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's shape
        """Wait for the client to go away."""
        leaving = asyncio.create_task(gone(receive))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({leaving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        hang_up(scope)
        await leaving


class DelayedReply(Response):
    """A JSON answer that comes late, whether or not the client still waits for it.

    Args:
        body: The answer, encoded.
        delay_s: How late, in wall seconds.
    """

    def __init__(self, body: bytes, *, delay_s: float) -> None:
        super().__init__(body, media_type=JSON)
        self._delay_s = delay_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, then answer."""
        await leaves_within(receive, delay_s=self._delay_s)
        await super().__call__(scope, receive, send)


async def leaves_within(receive: Receive, *, delay_s: float) -> bool:
    """Whether the client goes away within ``delay_s`` wall seconds; returns when it has, or they are over."""
    try:
        await asyncio.wait_for(gone(receive), delay_s)
    except TimeoutError:
        return False
    return True


async def filler(total_bytes: int, *, head: bytes, tail: bytes) -> AsyncIterator[bytes]:
    """A body of about ``total_bytes`` that never exists in memory as a whole."""
    chunk = b"Lorem ipsum dolor sit amet. " * 2_340  # close to 64 KiB, asyncio's high-water mark
    yield head
    for _ in range(max(0, total_bytes - len(head) - len(tail)) // len(chunk)):
        yield chunk
    yield tail
