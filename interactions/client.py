"""The client of the Interactions API: one call is one request.

Nothing is retried here and no redirect is followed. A create has no idempotency key, so to repeat one may
be to pay twice; when to try again is for whoever knows what the call was for.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import httpx2 as httpx
from pydantic import SecretStr

from interactions.config import ApiConfig
from interactions.documents import parse_interaction, parse_object
from interactions.errors import (
    CallTimedOut,
    InteractionsError,
    InvalidCall,
    MalformedResponse,
    ResponseTooLarge,
    WrongInteraction,
)
from interactions.faults import LIBRARY_ERRORS, from_library, from_status, read_problem, tidy
from interactions.pool import Connections
from interactions.redaction import Redactor
from interactions.requests import CreateInteraction
from interactions.responses import Interaction
from interactions.stream import EventStream, JsonReply, Reply, SseReply

_MAX_ID_CHARS: Final = 1024
# An error body says one sentence; more is a page of HTML that nobody will read.
_MAX_ERROR_BYTES: Final = 256 * 1024

# Enough to know one by, whatever stands in its place.
_SHOWN_ID_CHARS: Final = 150

_JSON: Final = "application/json"
_SSE: Final = "text/event-stream"


class InteractionsClient:
    """A pool of connections to the Interactions API. Make one per process and close it.

    Safe to use from any number of tasks of one event loop.

    Args:
        config: Where the API is, who we are, and the bounds.
        secrets: What requests may carry besides the credential, such as tokens of tools. The service echoes
            requests, so these are blotted out of whatever comes back.
        transport: What carries requests instead of the network, for tests.
    """

    def __init__(
        self,
        config: ApiConfig,
        *,
        secrets: Iterable[SecretStr] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._config = config
        self._root = f"{config.root_url}/interactions"
        self._redactor = Redactor(*(secret.get_secret_value() for secret in (config.credential, *secrets)))
        self._connections = Connections(config, transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._root!r})"

    @property
    def is_vertex(self) -> bool:
        """Whether the API is Vertex AI's, which takes more than the Gemini Developer API."""
        return self._config.vertex is not None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    async def create(self, request: CreateInteraction, *, timeout_s: float | None = None) -> Interaction:
        """Start an interaction. Must not be repeated unless the error says that it cannot have run.

        Args:
            request: What to do.
            timeout_s: For the whole call, in seconds; None for the configuration's.

        Returns:
            The interaction as the service accepted it; without ``background``, as it ended. ``id`` is empty
            if the service gave none.

        Raises:
            InteractionsError: See ``interactions.errors``; first ask ``may_have_run``.

        Source:
            https://ai.google.dev/api/interactions-api, read 2026-11-22.
        """
        status_code, body = await self._call(
            "POST",
            self._root,
            content=request.to_body(stream=False),
            is_create=True,
            timeout_s=timeout_s,
        )
        return self._interaction(status_code, body)

    async def get(self, interaction_id: str) -> Interaction:
        """Fetch an interaction as it stands now. Safe to repeat.

        Raises:
            ApiStatusError: The service answered with an error: 404 once it is deleted or expired, but
                also, with 403, for moments after the create.
            WrongInteraction: The answer is not about this interaction.
            InteractionsError: See ``interactions.errors``.
        """
        status_code, body = await self._call("GET", self._url(interaction_id))
        return self._this_interaction(interaction_id, status_code, body)

    async def cancel(self, interaction_id: str) -> Interaction:
        """Ask the service to stop an interaction. Safe to repeat; the truth is in a later :meth:`get`.

        Returns:
            The service's answer, which may be as good as empty and lag behind.

        Raises:
            InteractionsError: See ``interactions.errors``. Even 404 does not prove that nothing runs.
        """
        status_code, body = await self._call("POST", f"{self._url(interaction_id)}/cancel")
        return self._interaction(status_code, body.strip() or b"{}", may_be_empty=True)

    async def delete(self, interaction_id: str) -> None:
        """Delete the record of an interaction. Does not stop it: cancel first. Safe to repeat.

        Raises:
            InteractionsError: See ``interactions.errors``; 404 when it is already gone.
        """
        status_code, body = await self._call("DELETE", self._url(interaction_id))
        # ``{}`` is promised. A web page with status 200 comes from something in between.
        self._interaction(status_code, body.strip() or b"{}", may_be_empty=True)

    @contextlib.asynccontextmanager
    async def stream_create(self, request: CreateInteraction) -> AsyncIterator[EventStream]:
        """Start an interaction and follow it; the first event carries its id.

        With ``background`` the run goes on when the stream is left. Must not be repeated, like
        :meth:`create`.

        Raises:
            InteractionsError: On entering, as for :meth:`create`; while iterating, ``StreamBroken``.
        """
        content = request.to_body(stream=True)
        async with self._open_stream("POST", self._root, content=content) as events:
            yield events

    @contextlib.asynccontextmanager
    async def stream(
        self, interaction_id: str, *, last_event_id: str | None = None
    ) -> AsyncIterator[EventStream]:
        """Follow an interaction: from its start, or from after the event ``last_event_id``.

        Raises:
            InteractionsError: On entering, as for :meth:`get`; while iterating, ``StreamBroken``.
        """
        url = f"{self._url(interaction_id)}?stream=true"
        if last_event_id is not None:
            url += f"&last_event_id={_quoted(last_event_id, 'last_event_id')}"
        async with self._open_stream("GET", url, interaction_id=interaction_id) as events:
            yield events

    def _url(self, interaction_id: str) -> str:
        return f"{self._root}/{_quoted(interaction_id, 'interaction_id')}"

    async def _call(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        is_create: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[int, bytes]:
        """Send one request and return the status and body of a 2xx answer."""
        response: httpx.Response | None = None
        body = b""
        fault: InteractionsError | None = None
        if timeout_s is None:
            timeout_s = self._config.create_timeout_s if is_create else self._config.call_timeout_s
        lent = contextlib.nullcontext(self._connections.fresh) if is_create else self._connections.shared()
        try:
            async with asyncio.timeout(timeout_s):
                with lent as http:
                    response = await self._send(http, method, url, content=content)
                    try:
                        body = await self._read(response)
                    finally:
                        await response.aclose()
        except LIBRARY_ERRORS as error:
            fault = self._fault(error, timeout_s)
        return self._judge(response, body, fault).status_code, body

    @contextlib.asynccontextmanager
    async def _open_stream(
        self, method: str, url: str, *, content: bytes | None = None, interaction_id: str | None = None
    ) -> AsyncIterator[EventStream]:
        response: httpx.Response | None = None
        body = b""
        fault: InteractionsError | None = None
        is_create = content is not None
        timeout_s = self._config.create_timeout_s if is_create else self._config.call_timeout_s
        try:
            try:
                # The answer must begin in time like any other; after that each read has a time-out.
                async with asyncio.timeout(timeout_s):
                    response = await self._send(
                        self._connections.fresh,
                        method,
                        url,
                        content=content,
                        accept=_SSE,
                        read_timeout_s=self._config.stream_idle_timeout_s,
                    )
                    if not _is_event_stream(response):
                        body = await self._read(response)
            except LIBRARY_ERRORS as error:
                fault = self._fault(error, timeout_s)
            response = self._judge(response, body, fault)
            reply: Reply
            if _is_event_stream(response):
                reply = SseReply(response, self._config.max_event_bytes, self._redactor)
            else:
                # A server that ignores ``stream`` still accepted the create, and this has its id.
                reply = JsonReply(
                    self._interaction(response.status_code, body)
                    if interaction_id is None
                    else self._this_interaction(interaction_id, response.status_code, body)
                )
            async with contextlib.aclosing(EventStream(reply)) as events:
                yield events
        finally:
            if response is not None:
                # Leaving early drops the connection; whatever goes wrong with that concerns nobody.
                with contextlib.suppress(*LIBRARY_ERRORS):
                    await response.aclose()

    async def _send(  # noqa: PLR0913 - one request, said in full
        self,
        http: httpx.AsyncClient,
        method: str,
        url: str,
        *,
        content: bytes | None,
        accept: str = _JSON,
        read_timeout_s: float | None = None,
    ) -> httpx.Response:
        # What the library bounds is what happens before anything is sent, so that such a time-out is
        # known to have sent nothing, and each read of a stream. The callers bound the whole.
        before_sending_s = self._config.connect_timeout_s
        timeout = httpx.Timeout(None, connect=before_sending_s, pool=before_sending_s, read=read_timeout_s)
        headers = {"accept": accept} | ({} if content is None else {"content-type": _JSON})
        request = http.build_request(method, url, content=content, headers=headers, timeout=timeout)
        return await http.send(request, stream=True)

    async def _read(self, response: httpx.Response) -> bytes:
        """Return the decoded body, reading no more of it than is allowed."""
        limit = self._config.max_body_bytes if response.is_success else _MAX_ERROR_BYTES
        parts: list[bytes] = []
        size = 0
        # Counted after decompression, so that a small body cannot unfold into a huge one.
        async with contextlib.aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                parts.append(chunk)
                size += len(chunk)
                if size <= limit:
                    continue
                if response.is_success:
                    raise ResponseTooLarge(
                        f"the body is larger than {limit} bytes", status_code=response.status_code
                    )
                break
        return self._redactor.body(b"".join(parts))

    def _fault(self, error: Exception, timeout_s: float) -> InteractionsError:
        if isinstance(error, TimeoutError):
            return CallTimedOut(f"no whole answer within {timeout_s:g} s")
        return from_library(error, self._redactor)

    def _judge(
        self, response: httpx.Response | None, body: bytes, fault: InteractionsError | None
    ) -> httpx.Response:
        """Return ``response`` if it is a whole 2xx answer.

        Called outside the handler that caught the library's error, so that ours does not drag it along.
        """
        if response is not None and not response.is_success:
            # The status decides most, so it counts even when the body broke off; then ``body`` is empty.
            raise from_status(response.status_code, response.headers, body, self._redactor)
        if fault is not None:
            raise fault
        assert response is not None  # neither fault nor answer cannot be
        return response

    def _interaction(self, status_code: int, body: bytes, *, may_be_empty: bool = False) -> Interaction:
        try:
            document = parse_object(body)
        except ValueError:
            document = None
        if document is None:
            what = "a body that is no JSON object" if body else "an empty body"
            raise MalformedResponse(f"HTTP {status_code} with {what}", status_code=status_code)
        if not may_be_empty and "id" not in document and "status" not in document:
            problem = read_problem(body, self._redactor)
            what = "an error" if problem is None else f"an error: {problem.message}"
            raise MalformedResponse(
                f"HTTP {status_code} with {what} instead of an interaction",
                status_code=status_code,
                code=None if problem is None else problem.code,
            )
        return parse_interaction(document, body)

    def _this_interaction(self, interaction_id: str, status_code: int, body: bytes) -> Interaction:
        interaction = self._interaction(status_code, body)
        # Whatever can be asked for is stored, and then the reference promises the id ("Required. Output
        # only."): a body without one comes from somewhere else, like one with another's.
        if interaction.id != interaction_id:
            other = tidy(interaction.id, _SHOWN_ID_CHARS) or "without an id"
            raise WrongInteraction(
                f"a look was answered with another interaction, {other}", status_code=status_code
            )
        return interaction


def _is_event_stream(response: httpx.Response) -> bool:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.is_success and media_type == _SSE


def can_be_asked_for(interaction_id: str) -> bool:
    """Return whether the client can name an interaction: an id that it cannot is none that helps anybody."""
    return _why_no_segment(interaction_id) is None


def _quoted(value: str, what: str) -> str:
    """Return ``value`` fit for one segment of a URL.

    Raises:
        InvalidCall: It can be no id of the service, or would change where the request goes.
    """
    if why_not := _why_no_segment(value):
        raise InvalidCall(f"{what} {why_not}")
    return quote(value, safe="")


def _why_no_segment(value: str) -> str | None:
    if not 0 < len(value) <= _MAX_ID_CHARS or not value.isascii() or not value.isprintable() or " " in value:
        return f"must be 1 to {_MAX_ID_CHARS} printable ASCII characters without spaces"
    # As a segment they would be another path.
    return f"must not be {value!r}" if value in (".", "..") else None
