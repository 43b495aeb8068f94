"""The key travels in one header and is found nowhere else, however a call goes wrong."""

import logging
import re
import traceback
from collections.abc import Callable

import httpx2 as httpx
import pytest
from pydantic import SecretStr, ValidationError

from interactions.client import InteractionsClient
from interactions.config import ApiConfig, VertexTarget
from interactions.errors import InteractionsError
from interactions.requests import CreateInteraction
from tests.unit.interactions.support import KEY, answering, client_over, config, saying, serving

CREATE = CreateInteraction(model="gemini-3.8-flash", input="Hello.")


async def everything_told(client: InteractionsClient) -> str:
    """Make every call and return all that its errors would show anyone, local variables included."""
    told = repr(client)

    async def follow() -> None:
        async with client.stream("a") as events:
            async for _ in events:
                pass

    async def follow_create() -> None:
        async with client.stream_create(CREATE) as events:
            async for _ in events:
                pass

    for call in (
        client.create(CREATE),
        client.get("a"),
        client.cancel("a"),
        client.delete("a"),
        follow(),
        follow_create(),
    ):
        try:
            result = await call
        except InteractionsError as error:
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            told += "".join(shown.format()) + repr(error) + repr(vars(error)) + error.message
        else:
            told += repr(result)
    return told


def echoing(status_code: int, template: str) -> httpx.MockTransport:
    """A server that puts the key it was sent into its answer."""

    def handler(request: httpx.Request) -> httpx.Response:
        body = template % request.headers["x-goog-api-key"]
        return httpx.Response(status_code, content=body.encode())

    return httpx.MockTransport(handler)


@pytest.mark.parametrize("status_code", [200, 302, 400, 403, 500, 503])
@pytest.mark.parametrize(
    "template",
    [
        '{"error": {"code": "authentication", "message": "Bad key %s."}}',
        '{"error": {"code": "%s", "message": "x"}}',
        '[{"error": {"code": 401, "message": "%s", "status": "UNAUTHENTICATED"}}]',
        '{"id": "a", "status": "failed", "errors": [{"code": "x", "message": "%s"}]}',
        "<html>%s</html>",
    ],
)
async def test_an_echoed_key_is_blotted_out(status_code: int, template: str) -> None:
    """A server that repeats the key in its answer does not put it into errors or results."""
    async with InteractionsClient(config(), transport=echoing(status_code, template)) as client:
        assert KEY not in await everything_told(client)


async def test_an_echoed_key_in_a_result_is_blotted_out_of_the_raw_document() -> None:
    """The kept bytes end up in artifacts, so they must not hold the key either."""
    async with InteractionsClient(config(), transport=echoing(200, '{"id": "a", "note": "%s"}')) as client:
        assert (await client.get("a")).raw_json == b'{"id": "a", "note": "[redacted]"}'


async def test_an_escaped_echo_is_blotted_out() -> None:
    """JSON may spell a token's characters as escapes; messages are blotted after they are read."""
    token = KEY + "=="
    escaped = token.replace("=", r"\u003d")
    body = f'{{"error": {{"code": "{escaped}", "message": "Bad {escaped}"}}}}'.encode()
    transport = httpx.MockTransport(answering(400, content=body))
    vertex = VertexTarget(project="p", token=SecretStr(token))

    async with InteractionsClient(ApiConfig(vertex=vertex), transport=transport) as client:
        text = await everything_told(client)
    assert token not in text
    assert "[redacted]: Bad [redacted]" in text


@pytest.mark.parametrize(
    "raised",
    [
        httpx.ConnectError,
        httpx.ReadError,
        httpx.LocalProtocolError,
        httpx.DecodingError,
        httpx.TooManyRedirects,
    ],
)
async def test_a_library_error_that_quotes_the_key_is_cleaned(raised: type[httpx.RequestError]) -> None:
    """Even the message of the library is not trusted."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise raised(f"while sending {request.headers['x-goog-api-key']}", request=request)

    async with client_over(handler) as client:
        assert KEY not in await everything_told(client)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 500 X\r\n\r\n<html>", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"]
)
async def test_nothing_logged_at_any_level_holds_the_key(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even the HTTP library's debug log sees it, on a real connection."""
    caplog.set_level(logging.DEBUG)
    async with serving(saying(said)) as address, InteractionsClient(config(base_url=address)) as client:
        told = await everything_told(client)
    assert caplog.records
    assert KEY not in caplog.text + told


async def test_the_key_is_in_no_url() -> None:
    """Addresses are logged everywhere; the key is not in them."""
    urls: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        assert KEY.encode() not in request.content
        assert [name for name, value in request.headers.items() if KEY in value] == ["x-goog-api-key"]
        return httpx.Response(404)

    async with client_over(handler) as client:
        await everything_told(client)
    assert len(urls) == 6
    assert KEY not in "".join(urls)


def test_a_configuration_does_not_show_its_secret() -> None:
    """Neither representation nor dump nor JSON of a configuration shows the key or token."""
    vertex = ApiConfig(vertex=VertexTarget(project="p", token=SecretStr(KEY)))
    for shown in (config(), vertex):
        assert KEY not in f"{shown!r} {shown} {shown.model_dump()} {shown.model_dump_json()}"


@pytest.mark.parametrize("wrong", [KEY + "\nx: y", KEY + "ä", KEY + " x", "", " \n"])
def test_a_key_that_fits_no_header_is_refused_without_quoting_it(wrong: str) -> None:
    """The refusal names the field, not the value."""
    builds: tuple[Callable[[], object], ...] = (
        lambda: ApiConfig(api_key=SecretStr(wrong)),
        lambda: ApiConfig(vertex=VertexTarget(project="p", token=SecretStr(wrong))),
        lambda: ApiConfig.model_validate({"api_key": wrong}),
    )
    for build in builds:
        with pytest.raises(ValidationError) as caught:
            build()
        assert "AIza" not in str(caught.value)
        assert re.search("api_key|token", str(caught.value))


def test_a_key_from_a_file_may_end_with_a_newline() -> None:
    """Surrounding white space is no part of a key."""
    assert config(api_key=f" {KEY}\n").credential.get_secret_value() == KEY


async def test_what_requests_carry_for_tools_is_blotted_out() -> None:
    """The service echoes a request's tools, and with them the headers for their servers."""
    echo = {
        "id": "v1_a",
        "status": "completed",
        "tools": [{"headers": {"Authorization": 'Bearer to"ken-12345'}}],
    }
    secrets = (SecretStr('Bearer to"ken-12345'),)
    async with InteractionsClient(
        config(), secrets=secrets, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=echo))
    ) as client:
        assert b"12345" not in (await client.get("v1_a")).raw_json
