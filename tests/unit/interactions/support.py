"""What the tests of the client share: a key to look for, a client over a handler, a server of bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2 as httpx

from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from interactions.errors import InteractionsError

KEY = "AIzaMARKERmarkerMARKERmarker-0123456789_"

Handler = Callable[[httpx.Request], httpx.Response]
Dialogue = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def config(**changes: object) -> ApiConfig:
    """A configuration with the marker key."""
    return ApiConfig.model_validate({"api_key": KEY, "base_url": "http://127.0.0.1:9", **changes})


def client_over(handler: Handler, **changes: object) -> InteractionsClient:
    """A client whose requests are answered by ``handler``."""
    return InteractionsClient(config(**changes), transport=httpx.MockTransport(handler))


def answering(status_code: int = 200, **response: object) -> Handler:
    """A handler that gives the same answer every time."""
    return lambda _: httpx.Response(status_code, **response)  # type: ignore[arg-type] # httpx checks them


async def failure(call: Awaitable[object]) -> InteractionsError:
    """Return the error of ``call``, which must be one of ours."""
    try:
        await call
    except InteractionsError as error:
        return error
    raise AssertionError("nothing was raised")


@contextlib.asynccontextmanager
async def serving(dialogue: Dialogue) -> AsyncIterator[str]:
    """Serve raw TCP on loopback and yield the address; each connection is left to ``dialogue``."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await dialogue(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request, head and body, and return it."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ),
        0,
    )
    return head + await reader.readexactly(length)


def saying(*parts: bytes, then_stall: bool = False) -> Dialogue:
    """A dialogue that reads one request, sends ``parts``, and closes or falls silent."""

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then_stall:
            await asyncio.Event().wait()

    return dialogue


def sse_body(*events: str) -> bytes:
    """A stream of events from their JSON."""
    return "".join(f"data: {event}\n\n" for event in events).encode()


SSE_HEADERS = {"content-type": "text/event-stream"}
