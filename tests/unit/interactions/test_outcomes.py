"""Every status in every form of body has a row, which says whether the request may have run."""

import json
from typing import Any, Final

import httpx2 as httpx
import pytest

from interactions.client import InteractionsClient
from interactions.errors import ConnectFailed, InteractionsError
from interactions.faults import from_library, from_status
from interactions.outcomes import REFUSED, REJECTED, TABLE, UNKNOWN, Form, Outcome, row_of
from interactions.redaction import Redactor
from interactions.requests import CreateInteraction
from tests.unit.interactions.support import config, failure, read_request, serving

STATUSES: Final = range(100, 600)

BY_NATURE: Final = frozenset(
    {301, 302, 303, 307, 308, 405, 406, 407, 411, 413, 414, 415, 417, 421, 426, 431, 451, 521, 523, 525, 526}
)
"""What refuses whoever says it."""

ALWAYS_UNKNOWN: Final = frozenset({408, 425, 499})


def service(_: int) -> bytes:
    """The service's own form."""
    return json.dumps({"error": {"code": "some_word", "message": "m"}}).encode()


def front_end(status: int) -> bytes:
    """The form of the front end before it, with the details that it adds now and then."""
    problem = {"code": status, "message": "m", "status": "SOME_WORD", "details": []}
    return json.dumps({"error": problem}).encode()


def of(body: Any) -> Any:
    """A body whatever the status."""
    return lambda _: body if isinstance(body, bytes) else json.dumps(body).encode()


def wrapped(form: Any) -> Any:
    """A body in an array."""
    return lambda status: b"[" + form(status) + b"]"


FOREIGN: Final = {
    "html": of(b"<!DOCTYPE html><html>"),
    "empty": of(b""),
    "text": of(b"upstream connect error or disconnect/reset before headers"),
    "json": of({"message": "API rate limit exceeded"}),
    "problem": of({"type": "about:blank", "title": "Too Many Requests", "status": 429}),
    "openai": of(
        {"error": {"message": "m", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
    ),
    "openai-short": of({"error": {"message": "m", "type": "requests", "code": "rate_limit_exceeded"}}),
    "service in an array": wrapped(service),
    "front end in an array": wrapped(front_end),
    "another status": of({"error": {"code": 418, "message": "m", "status": "SOME_WORD"}}),
    "no word": of({"error": {"code": "Some Word", "message": "m"}}),
    "number as text": of({"error": {"code": "429", "message": "m"}}),
    "no status word": of({"error": {"code": 429, "message": "m"}}),
    "lower-case status": of({"error": {"code": 429, "message": "m", "status": "error"}}),
    "both": of({"error": {"code": "some_word", "message": "m", "status": "SOME_WORD"}}),
    "broken off": lambda status: service(status)[:-3],
}


def expected(status: int, form: Form) -> Outcome:
    """The law, said another way than the table says it."""
    is_googles = form is not Form.OTHER
    if status in BY_NATURE:
        return REJECTED
    if (status == 429 and is_googles) or (status == 503 and form is Form.SERVICE):
        return REFUSED
    is_clients = 400 <= status < 500 and status not in ALWAYS_UNKNOWN
    return REJECTED if is_googles and (is_clients or status == 501) else UNKNOWN


def outcome_of(error: InteractionsError) -> Outcome:
    """What an error says."""
    return Outcome(may_have_run=error.may_have_run, is_transient=error.is_transient)


@pytest.mark.parametrize("form", Form)
def test_every_status_has_a_row_and_every_row_a_reason(form: Form) -> None:
    """No status is left to chance, in whatever form it comes."""
    for status in STATUSES:
        row = row_of(status, form)
        assert row.outcome == expected(status, form), (status, form)
        assert row.reason


def test_no_row_is_hidden_by_those_before_it() -> None:
    """Each row decides about something."""
    used = {id(row_of(status, form)) for status in (*STATUSES, 0, 600, 999) for form in Form}
    assert used == {id(row) for row in TABLE}


@pytest.mark.parametrize(("form", "body"), [(Form.SERVICE, service), (Form.FRONT_END, front_end)])
def test_google_s_own_word_is_believed(form: Form, body: Any) -> None:
    """In its two forms, for every status, and for no status more than the table says."""
    for status in STATUSES:
        error = from_status(status, {}, body(status), Redactor())
        assert outcome_of(error) == expected(status, form), status
        assert error.is_googles


@pytest.mark.parametrize("name", FOREIGN)
def test_nobody_else_s_word_is(name: str) -> None:
    """Whoever is on the way may have passed the request on, unless the status itself says otherwise."""
    for status in STATUSES:
        if status == 418 and name == "another status":
            continue
        error = from_status(status, {}, FOREIGN[name](status), Redactor())
        assert outcome_of(error) == expected(status, Form.OTHER), status
        assert not error.is_googles


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (413, "attach less, or by URL"),
        (308, "LONGHAUL_API_BASE_URL points at something that redirects"),
        (407, "HTTPS_PROXY"),
        (431, "headers are too long"),
        (521, "could not reach what is behind it"),
    ],
)
def test_what_refuses_by_nature_says_what_to_do(status: int, advice: str) -> None:
    """However long the page that came with it."""
    body = json.dumps({"error": {"code": "some_word", "message": "m" * 10_000}}).encode()
    error = from_status(status, {}, body, Redactor())
    assert advice in error.message
    assert len(error.message) <= 500


async def test_a_proxy_that_wants_a_password_is_named() -> None:
    """A tunnel is refused before anything is said to the API, and no time of waiting changes that."""
    refusal = httpx.ProxyError("407 Proxy Authentication Required")
    error = from_library(refusal, Redactor())
    assert isinstance(error, ConnectFailed)
    assert outcome_of(error) == REJECTED
    assert "HTTPS_PROXY" in error.message


async def test_a_proxy_that_wants_a_password_says_so_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a real proxy answers to the request for a tunnel is recognised."""

    async def refuse(reader: Any, writer: Any) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with serving(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with InteractionsClient(config(base_url="https://api.example")) as client:
            error = await failure(client.create(CreateInteraction(model="m", input="Hello.")))
    assert outcome_of(error) == REJECTED
    assert "HTTPS_PROXY" in error.message
