"""Every way a call can fail ends in one of our errors, and that error answers what a submission asks."""

import asyncio
import json
import ssl

import httpx2 as httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interactions.client import InteractionsClient
from interactions.errors import (
    CallTimedOut,
    ConnectFailed,
    ExchangeBroken,
    InteractionsError,
    InvalidCall,
    MalformedResponse,
)
from interactions.faults import from_library, retry_after_s, tidy
from interactions.redaction import Redactor
from interactions.requests import CreateInteraction
from tests.unit.interactions.support import (
    KEY,
    SSE_HEADERS,
    answering,
    client_over,
    config,
    failure,
    read_request,
    saying,
    serving,
)

CREATE = CreateInteraction(model="gemini-3.8-flash", input="Hello.")
NEW_FORM = {"error": {"code": "service_unavailable", "message": "Try later."}}
RPC_FORM = {"error": {"code": 503, "message": "Try later.", "status": "SERVICE_UNAVAILABLE"}}


# --- who speaks


@pytest.mark.parametrize("body", [RPC_FORM, [NEW_FORM], [RPC_FORM]])
async def test_a_503_of_a_gateway_may_have_run(body: object) -> None:
    """The older form is a gateway's, which may give up on a service that has accepted; it is still read."""
    async with client_over(answering(503, json=body)) as client:
        error = await failure(client.create(CREATE))
    assert (error.may_have_run, error.is_transient, error.code) == (True, True, "service_unavailable")
    assert "Try later." in error.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>503 Service Unavailable</html>",
        b"{}",
        b"[]",
        b"null",
        b'{"error": "unavailable"}',
        b'{"error": {"code": null, "message": "x"}}',
        b'{"error": {"code": true, "message": "x"}}',
        b'{"error": {"code": "unavailable"}}',
        b'{"error": {"code": "unavailable", "mess',
    ],
)
async def test_a_503_of_anything_else_may_have_run(body: bytes) -> None:
    """A gateway may say 503 after the service has accepted."""
    async with client_over(answering(503, content=body)) as client:
        error = await failure(client.create(CREATE))
    assert (error.status_code, error.may_have_run, error.is_transient) == (503, True, True)


# --- nothing of the library escapes


def every_library_error() -> list[Exception]:
    """One instance of each exception class that the HTTP library defines."""
    request = httpx.Request("GET", "http://x", headers={"x-goog-api-key": KEY})

    def subclasses(kind: type[Exception]) -> set[type[Exception]]:
        below = {each for each in kind.__subclasses__() if each.__module__.startswith("httpx2")}
        return below.union(*(subclasses(each) for each in below)) if below else below

    errors: list[Exception] = []
    for kind in sorted(subclasses(Exception) | subclasses(RuntimeError), key=lambda kind: kind.__name__):
        if issubclass(kind, Warning) or "websockets" in kind.__module__:
            continue
        if kind is httpx.HTTPStatusError:
            errors.append(httpx.HTTPStatusError("x", request=request, response=httpx.Response(500)))
        elif issubclass(kind, httpx.StreamError) and kind is not httpx.StreamError:
            errors.append(kind())  # type: ignore[call-arg] # the leaves know their message
        elif issubclass(kind, httpx.RequestError):
            errors.append(kind(f"it said {KEY}", request=request))
        else:
            errors.append(kind(f"it said {KEY}"))
    return errors


LIBRARY_ERRORS = every_library_error()


def test_the_walk_finds_the_exported_errors() -> None:
    """The walk over the library's classes misses none that it exports."""
    exported = {
        value
        for name in httpx.__all__
        if isinstance(value := getattr(httpx, name), type) and issubclass(value, Exception)
    }
    assert exported <= {type(error) for error in LIBRARY_ERRORS}
    assert len(exported) > 20


@pytest.mark.parametrize("raised", LIBRARY_ERRORS, ids=lambda error: type(error).__name__)
async def test_no_error_of_the_library_escapes(raised: Exception) -> None:
    """Whatever the library raises, on sending or on reading, becomes ours and drags nothing along."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise raised

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - as the library declares it
            yield b'{"id": '
            raise raised

    async def follow(client: InteractionsClient) -> None:
        async with client.stream("a") as events:
            async for _ in events:
                pass

    for handler in (
        fail,
        lambda _: httpx.Response(200, stream=Body()),
        lambda _: httpx.Response(200, stream=Body(), headers=SSE_HEADERS),
        lambda _: httpx.Response(500, stream=Body()),
    ):
        async with client_over(handler) as client:
            for call in (client.create(CREATE), client.get("a"), client.cancel("a"), follow(client)):
                error = await failure(call)
                assert error.__cause__ is None
                assert error.__context__ is None
                assert KEY not in str(error)


@pytest.mark.parametrize(
    ("raised", "kind", "may_have_run", "is_transient"),
    [
        (httpx.ConnectError("x"), ConnectFailed, False, True),
        (httpx.ConnectTimeout("x"), ConnectFailed, False, True),
        (httpx.PoolTimeout("x"), ConnectFailed, False, True),
        (httpx.ProxyError("x"), ConnectFailed, False, True),
        (httpx.UnsupportedProtocol("x"), InvalidCall, False, False),
        (httpx.LocalProtocolError("x"), InvalidCall, False, False),
        (httpx.InvalidURL("x"), InvalidCall, False, False),
        (httpx.ReadTimeout("x"), CallTimedOut, True, True),
        (httpx.WriteTimeout("x"), CallTimedOut, True, True),
        (httpx.WriteError("x"), ExchangeBroken, True, True),
        (httpx.ReadError("x"), ExchangeBroken, True, True),
        (httpx.RemoteProtocolError("x"), ExchangeBroken, True, True),
        (httpx.DecodingError("x"), ExchangeBroken, True, True),
        (ssl.SSLError("x"), ExchangeBroken, True, True),
    ],
)
def test_only_what_fails_before_sending_has_not_run(
    raised: Exception, kind: type[InteractionsError], *, may_have_run: bool, is_transient: bool
) -> None:
    """From the first byte on, a broken exchange may have run."""
    error = from_library(raised, Redactor(KEY))
    assert type(error) is kind
    assert (error.may_have_run, error.is_transient) == (may_have_run, is_transient)


# --- on a real socket


async def test_a_refused_connection_has_not_run() -> None:
    """Nobody listens: the request was never sent."""
    async with serving(saying()) as address:
        pass
    async with InteractionsClient(config(base_url=address)) as client:
        assert isinstance(await failure(client.create(CREATE)), ConnectFailed)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"id": "a"',
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"id"',
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd",
        b"\x16\x03\x01\x02\x00",
    ],
)
async def test_a_connection_cut_anywhere_may_have_run(said: bytes) -> None:
    """A reply that breaks off says nothing about the request."""
    async with serving(saying(said)) as address, InteractionsClient(config(base_url=address)) as client:
        for call in (client.create(CREATE), client.get("a")):
            error = await failure(call)
            assert type(error) is ExchangeBroken
            assert error.may_have_run


async def test_a_body_that_ends_early_without_a_length_is_malformed() -> None:
    """Where only the end of the connection ends a body, half a document looks like a whole body."""
    said = b'HTTP/1.1 200 OK\r\n\r\n{"id": "a", "sta'
    async with serving(saying(said)) as address, InteractionsClient(config(base_url=address)) as client:
        error = await failure(client.create(CREATE))
    assert isinstance(error, MalformedResponse)
    assert error.may_have_run


@pytest.mark.parametrize(
    ("status_code", "may_have_run"), [(413, False), (400, True), (429, True), (503, True)]
)
async def test_a_status_counts_even_when_its_body_breaks_off(status_code: int, *, may_have_run: bool) -> None:
    """The status line has been read, so it decides; but half a body proves no refusal."""
    said = b"HTTP/1.1 %d X\r\ncontent-length: 999\r\nretry-after: 3\r\n\r\n" % status_code
    said += json.dumps(NEW_FORM).encode()
    async with serving(saying(said)) as address, InteractionsClient(config(base_url=address)) as client:
        error = await failure(client.create(CREATE))
    assert (error.status_code, error.may_have_run, error.retry_after_s) == (status_code, may_have_run, 3.0)


async def test_a_server_that_never_answers_is_given_up() -> None:
    """Silence ends in a time-out of the whole call."""
    limits = {"call_timeout_s": 0.1, "create_timeout_s": 0.1}
    async with (
        serving(saying(then_stall=True)) as address,
        InteractionsClient(config(base_url=address, **limits)) as client,
    ):
        for call in (client.create(CREATE), client.get("a")):
            error = await failure(call)
            assert isinstance(error, CallTimedOut)
            assert error.may_have_run


async def test_one_create_may_have_a_time_of_its_own() -> None:
    """A create that is answered at its end is waited for as long as its caller says."""
    async with (
        serving(saying(then_stall=True)) as address,
        InteractionsClient(config(base_url=address, create_timeout_s=60)) as client,
    ):
        error = await failure(client.create(CREATE, timeout_s=0.1))
    assert (type(error), error.message) == (CallTimedOut, "no whole answer within 0.1 s")


async def test_a_server_that_drips_is_given_up() -> None:
    """Bytes that keep coming do not keep a call alive past its time."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with (
        serving(drip) as address,
        InteractionsClient(config(base_url=address, call_timeout_s=0.15)) as client,
    ):
        assert isinstance(await failure(client.get("a")), CallTimedOut)


async def test_cancelling_a_call_is_not_an_error_of_the_api() -> None:
    """A cancelled task stays cancelled, and its connection is given back."""
    arrived = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await asyncio.Event().wait()

    async with serving(stall) as address, InteractionsClient(config(base_url=address)) as client:
        task = asyncio.create_task(client.get("a"))
        await arrived.wait()
        assert client._connections._shared[0].in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client._connections._shared[0].in_flight == 0


HEADS = [
    b"",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 503 X\r\nretry-after: \xff\r\n\r\n",
    b"HTTP/1.1 ",
    b'HTTP/1.1 200 OK\r\n\r\n{"id":"a","status":',
]


@settings(max_examples=60, deadline=None)
@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=200))
async def test_no_bytes_of_a_server_make_anything_but_our_errors(head: bytes, rest: bytes) -> None:
    """Whatever a server says, a call returns or raises one of ours."""
    async with (
        serving(saying(head + rest)) as address,
        InteractionsClient(config(base_url=address)) as client,
    ):
        try:
            await client.get("a")
            async with client.stream("a") as events:
                async for _ in events:
                    pass
        except InteractionsError:
            pass


# --- what an error says


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "999999999"}, 86_400.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        (
            {"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"},
            30.0,
        ),
        (
            {"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"},
            0.0,
        ),
        ({"retry-after": "Sun, 22 Nov 2099 10:00:00 GMT", "date": "whenever"}, 86_400.0),
        ({"retry-after": "Sun, 99 Nov 2026 10:00:00 GMT"}, None),
    ],
)
def test_retry_hints_are_understood_and_bounded(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, milliseconds and dates count; what makes no sense does not."""
    assert retry_after_s(headers) == expected


@settings(max_examples=300)
@given(st.text())
def test_no_retry_hint_is_too_strange(hint: str) -> None:
    """Any header value gives a bounded number or None."""
    wait_s = retry_after_s({"retry-after": hint})
    assert wait_s is None or 0 <= wait_s <= 86_400


@given(st.text(max_size=3000), st.integers(min_value=1, max_value=600))
def test_messages_are_short_and_on_one_line(text: str, limit: int) -> None:
    """No server decides how much of a log line or a history is filled."""
    line = tidy(text, limit)
    assert len(line) <= limit
    assert line.isprintable() or not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in line)
    line.encode()


async def test_a_long_hostile_message_is_bounded_and_cleaned() -> None:
    """Control characters and megabytes do not get through."""
    body = {"error": {"code": "invalid_request", "message": "\x1b[31mred\n\u202e" + "x" * 100_000}}
    async with client_over(answering(400, json=body)) as client:
        error = await failure(client.get("a"))
    assert len(error.message) <= 500
    assert error.message.startswith("HTTP 400: invalid_request: [31mred xxx")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"code": "model_not_found", "message": "m"}}, "model_not_found"),
        ({"error": {"code": 404, "message": "m", "status": "NOT_FOUND"}}, "not_found"),
        ({"error": {"code": 404, "message": "m"}}, None),
        ([{"error": {"code": 404, "message": "m", "status": "NOT_FOUND"}}], "not_found"),
    ],
)
async def test_the_code_is_one_word_whatever_the_form(body: object, code: str | None) -> None:
    """Both generations of error bodies give the same snake_case word."""
    async with client_over(answering(404, json=body)) as client:
        assert (await failure(client.get("a"))).code == code
