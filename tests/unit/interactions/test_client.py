"""What goes over the wire for each call, and what comes back."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx2 as httpx
import pytest

from interactions.client import InteractionsClient
from interactions.config import ApiConfig, VertexTarget
from interactions.errors import InvalidCall, MalformedResponse
from interactions.requests import CreateInteraction
from tests.unit.interactions.support import (
    KEY,
    answering,
    client_over,
    config,
    failure,
    read_request,
    serving,
)

RUNNING = {"id": "v1_a", "object": "interaction", "status": "in_progress"}
CREATE = CreateInteraction(agent="deep-research-preview-04-2026", input="Research this.", background=True)


class Recorder:
    """A handler that remembers its requests."""

    def __init__(self, response: httpx.Response | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self._response = response

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer like a running interaction, unless told otherwise."""
        self.requests.append(request)
        return self._response or httpx.Response(200, json=RUNNING)


async def test_create_posts_the_request_once_with_the_key_in_a_header() -> None:
    """A create is one POST of what was asked, with nothing added."""
    seen = Recorder()
    async with client_over(seen) as client:
        created = await client.create(CREATE)
    (request,) = seen.requests
    assert (request.method, request.url.raw_path) == ("POST", b"/v1beta/interactions")
    assert request.headers["x-goog-api-key"] == KEY
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {
        "agent": "deep-research-preview-04-2026",
        "input": "Research this.",
        "background": True,
    }
    assert (created.id, created.status) == ("v1_a", "in_progress")


@pytest.mark.parametrize(
    ("call", "method", "target"),
    [
        (lambda c: c.get("v1_a"), "GET", b"/v1beta/interactions/v1_a"),
        (lambda c: c.cancel("v1_a"), "POST", b"/v1beta/interactions/v1_a/cancel"),
        (lambda c: c.delete("v1_a"), "DELETE", b"/v1beta/interactions/v1_a"),
    ],
)
async def test_calls_on_an_interaction_carry_no_body(
    call: Callable[[InteractionsClient], Awaitable[object]], method: str, target: bytes
) -> None:
    """Get, cancel and delete are one bare request each."""
    seen = Recorder()
    async with client_over(seen) as client:
        await call(client)
    (request,) = seen.requests
    assert (request.method, request.url.raw_path, request.content) == (method, target, b"")
    assert "content-type" not in request.headers


@pytest.mark.parametrize("wrong", ["", ".", "..", "a b", "a\nb", "ä", "x" * 1025])
async def test_impossible_ids_are_refused_before_anything_is_sent(wrong: str) -> None:
    """An id that could lead a request elsewhere never becomes one."""
    seen = Recorder()
    async with client_over(seen) as client:
        error = await failure(client.get(wrong))
    assert isinstance(error, InvalidCall)
    assert not error.may_have_run
    assert seen.requests == []


async def test_an_id_stays_inside_its_path_segment() -> None:
    """Characters with a meaning in URLs are quoted."""
    seen = Recorder()
    async with client_over(seen) as client:
        await client.cancel("../a?b=c#d%2f")
    assert seen.requests[0].url.raw_path == b"/v1beta/interactions/..%2Fa%3Fb%3Dc%23d%252f/cancel"


@pytest.mark.parametrize("changes", [{}, {"api_version": "v1"}, {"base_url": "http://host/prefix/"}])
async def test_the_address_is_base_url_version_and_path(changes: dict[str, str]) -> None:
    """Base URL (with any prefix) and version come from the configuration."""
    seen = Recorder()
    async with client_over(seen, **changes) as client:
        await client.cancel("a")
    prefix = "/prefix" if "base_url" in changes else ""
    assert (
        seen.requests[0].url.path == f"{prefix}/{changes.get('api_version', 'v1beta')}/interactions/a/cancel"
    )


async def test_vertex_uses_project_path_bearer_token_and_quota_project() -> None:
    """On Vertex the token takes the place of the key, and the project is in the path."""
    seen = Recorder()
    vertex = VertexTarget.model_validate(
        {"project": "p-1", "location": "europe-west4", "token": "ya29.token", "quota_project": "q-1"}
    )
    async with InteractionsClient(ApiConfig(vertex=vertex), transport=httpx.MockTransport(seen)) as client:
        await client.cancel("a")
    (request,) = seen.requests
    assert str(request.url) == (
        "https://europe-west4-aiplatform.googleapis.com"
        "/v1beta1/projects/p-1/locations/europe-west4/interactions/a/cancel"
    )
    assert request.headers["authorization"] == "Bearer ya29.token"
    assert request.headers["x-goog-user-project"] == "q-1"
    assert "x-goog-api-key" not in request.headers


@pytest.mark.parametrize(
    "body", [b"", b"<html>hello</html>", b"[]", b'"text"', b"null", b'{"id": "v1_a"', b"{}", b'{"error": {}}']
)
async def test_a_success_that_holds_no_interaction_is_malformed(body: bytes) -> None:
    """A 200 with something else than an interaction raises, and may have run."""
    async with client_over(answering(content=body)) as client:
        for call in (client.create(CREATE), client.get("a")):
            error = await failure(call)
            assert isinstance(error, MalformedResponse)
            assert (error.may_have_run, error.is_transient, error.status_code) == (True, True, 200)


async def test_an_error_inside_a_success_is_told() -> None:
    """An error body under status 200 is no interaction, and its word is kept."""
    body = {"error": {"code": "not_found", "message": "No such thing."}}
    async with client_over(answering(json=body)) as client:
        error = await failure(client.get("a"))
    assert isinstance(error, MalformedResponse)
    assert error.code == "not_found"
    assert "No such thing." in error.message


@pytest.mark.parametrize("body", [b"", b"{}", b'{"status": "cancelled"}', b" \n"])
async def test_cancel_and_delete_accept_next_to_nothing(body: bytes) -> None:
    """Whatever a cancel or delete says with 200, the truth is in a later GET."""
    async with client_over(answering(content=body)) as client:
        await client.cancel("a")
        await client.delete("a")


async def test_a_web_page_is_no_confirmation_of_a_delete() -> None:
    """A login page with status 200 comes from something in between."""
    async with client_over(answering(content=b"<html>Log in</html>")) as client:
        assert isinstance(await failure(client.delete("a")), MalformedResponse)
        assert isinstance(await failure(client.cancel("a")), MalformedResponse)


@pytest.mark.parametrize("status_code", [301, 302, 307, 308])
async def test_redirects_are_not_followed(status_code: int) -> None:
    """A redirect would carry the key elsewhere; it is an error instead."""
    seen = Recorder(httpx.Response(status_code, headers={"location": "http://elsewhere/"}))
    async with client_over(seen) as client:
        error = await failure(client.get("a"))
    assert error.status_code == status_code
    assert len(seen.requests) == 1


@pytest.mark.parametrize("status_code", [408, 409, 429, 500, 502, 503, 504])
async def test_one_call_is_one_request(status_code: int) -> None:
    """No error, however passing, makes the client send again by itself."""
    seen = Recorder(httpx.Response(status_code))
    async with client_over(seen) as client:
        await failure(client.create(CREATE))
        await failure(client.get("a"))
    assert [request.method for request in seen.requests] == ["POST", "GET"]


async def test_the_received_document_is_kept_as_it_was() -> None:
    """``raw_json`` is what the service sent, byte for byte."""
    body = b'{ "id":"a",  "status":"completed", "total": 1.50, "steps":[{"type":"new"}]}'
    async with client_over(answering(content=body)) as client:
        assert (await client.get("a")).raw_json == body


async def test_creates_never_reuse_a_connection_and_looks_do() -> None:
    """A create on a connection that is just being closed would have an unknown outcome."""
    connections: list[list[str]] = []

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods: list[str] = []
        connections.append(methods)
        while True:
            head = await read_request(reader)
            methods.append(head.split(b" ")[0].decode())
            body = b'{"id":"a","status":"queued"}'
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    async with serving(dialogue) as address, InteractionsClient(config(base_url=address)) as client:
        for _ in range(2):
            await client.get("a")
            await client.create(CREATE)
    assert connections == [["GET", "GET"], ["POST"], ["POST"]]
    assert client._connections._shared[0].in_flight == 0


async def test_hundreds_of_looks_run_at_once() -> None:
    """More looks than one pool holds spread over the others instead of waiting in line."""
    arrived = 0
    all_here = asyncio.Event()

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        head = await read_request(reader)
        arrived += 1
        if arrived == 100:
            all_here.set()
        await all_here.wait()
        body = b'{"id":"%s","status":"ok"}' % head.split()[1].rpartition(b"/")[2]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    async with serving(dialogue) as address, InteractionsClient(config(base_url=address)) as client:
        looks = await asyncio.gather(*(client.get(f"i{n}") for n in range(100)))
    assert {look.status for look in looks} == {"ok"}


async def test_cookies_of_one_answer_go_nowhere() -> None:
    """What a front end sets with one run's answer is sent with no other request, and does not add up."""
    seen: list[bytes] = []
    set_cookies = b"".join(b"set-cookie: c%d=%s; Path=/\r\n" % (n, b"x" * 4000) for n in range(5))

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        body = b'{"id":"v1_a","status":"in_progress"}'
        writer.write(b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (set_cookies, len(body), body))

    async with serving(dialogue) as address, InteractionsClient(config(base_url=address)) as client:
        for _ in range(2):
            await client.create(CREATE)
            await client.get("v1_a")
            await client.cancel("v1_a")
    assert len(seen) == 6
    assert not [head for head in seen if b"\r\ncookie:" in head.lower()]


@pytest.mark.parametrize("body", [{"id": "v1_b", "status": "completed"}, {"status": "completed"}])
async def test_a_look_is_answered_with_what_was_asked_for(body: dict[str, str]) -> None:
    """A cache that mixes up its entries is noticed; so is a body that shows no id at all."""
    async with client_over(answering(200, json=body)) as client:
        error = await failure(client.get("v1_a"))
    assert "another interaction" in error.message
    assert body.get("id", "without an id") in error.message
    assert error.is_transient
