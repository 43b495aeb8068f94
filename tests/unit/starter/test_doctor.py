from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest

from artifacts.store import ArtifactStore
from settings import Settings
from starter.commands import doctor

SETTINGS = Settings.from_env({"LONGHAUL_API_BASE_URL": "https://api.test", "GEMINI_API_KEY": "the-secret"})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Callable[[httpx.Response | Exception], list[httpx.Request]]:
    """Make the API answer what a test says; the requests it got are in the list returned."""

    def answering(answer: httpx.Response | Exception) -> list[httpx.Request]:
        requests: list[httpx.Request] = []

        def answer_to(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            if isinstance(answer, Exception):
                raise answer
            return answer

        client = httpx.AsyncClient
        monkeypatch.setattr(
            httpx, "AsyncClient", lambda **given: client(**given, transport=httpx.MockTransport(answer_to))
        )
        return requests

    return answering


@pytest.mark.parametrize(
    ("answer", "is_ok"),
    [
        (httpx.Response(404, json={"error": {"code": "not_found"}}), True),
        (httpx.Response(400, json={"error": {"code": "invalid_request", "message": "no such id"}}), True),
        (httpx.Response(200, json={}), True),
        (httpx.Response(401), False),
        (httpx.Response(403), False),
        (httpx.Response(400, json={"error": {"message": "API key not valid. Please pass one."}}), False),
        (httpx.Response(503, text="<html>busy</html>"), None),
        (httpx.ConnectError("connection refused"), False),
    ],
)
async def test_a_key_is_judged_by_a_look_at_nothing(
    api: Callable[[httpx.Response | Exception], list[httpx.Request]],
    answer: httpx.Response | Exception,
    is_ok: bool | None,
) -> None:
    """A key that is taken sees that there is nothing; one that is not, and a sick API, are told apart."""
    requests = api(answer)
    check = await doctor._api_check(SETTINGS, is_served=False)
    assert check.is_ok is is_ok
    assert (check.remedy is not None) is (is_ok is False)
    [request] = requests
    assert (request.method, request.headers["x-goog-api-key"]) == ("GET", "the-secret")
    assert "the-secret" not in str(request.url) + check.model_dump_json()


async def test_a_missing_key_matters_where_no_worker_has_one() -> None:
    """The worker is the one who needs a key; where one runs, it has had to show it at its start."""
    settings = Settings.from_env({})
    assert (await doctor._api_check(settings, is_served=False)).is_ok is False
    assert (await doctor._api_check(settings, is_served=True)).is_ok is True


@pytest.mark.parametrize(
    ("environ", "proxy", "reason"),
    [
        (
            {"LONGHAUL_API_BASE_URL": "http://api.test"},
            "",
            "LONGHAUL_API_BASE_URL: the key would be sent in clear",
        ),
        ({}, "socks5://host", "HTTPS_PROXY: SOCKS proxies are not supported"),
        ({}, "://", "HTTPS_PROXY: not a proxy that can be used"),
    ],
)
async def test_what_would_keep_the_api_from_being_asked_is_told(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], proxy: str, reason: str
) -> None:
    """As the worker would tell it, and nothing is sent."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    settings = Settings.from_env({**environ, "GEMINI_API_KEY": "the-secret"})
    check = await doctor._api_check(settings, is_served=True)
    assert check.is_ok is False
    assert check.detail.startswith(reason)


async def test_vertex_goes_by_a_token() -> None:
    """With a Vertex project a token takes the key's place."""
    environ = {"LONGHAUL_VERTEX_PROJECT": "p"}
    assert (await doctor._api_check(Settings.from_env(environ), is_served=False)).is_ok is False
    settings = Settings.from_env({**environ, "LONGHAUL_VERTEX_TOKEN": "the-secret"})
    check = await doctor._api_check(settings, is_served=False)
    assert check.is_ok is True
    assert "the-secret" not in check.model_dump_json()


async def test_a_store_that_cannot_be_written_is_named() -> None:
    """The place, the reason and the variable stand in one check."""
    check = await doctor._store_check(Settings.from_env({"LONGHAUL_ARTIFACTS_URL": "/dev/null/x"}))
    assert check.is_ok is False
    assert "/dev/null/x" in check.detail
    assert "LONGHAUL_ARTIFACTS_URL" in (check.remedy or "")


async def test_a_store_is_shown_with_its_identity(tmp_path: Path) -> None:
    """Whoever has two machines sees whether they have one store."""
    check = await doctor._store_check(Settings.from_env({"LONGHAUL_ARTIFACTS_URL": str(tmp_path)}))
    identity = await ArtifactStore.open(str(tmp_path)).identity()
    assert (check.is_ok, check.detail) == (
        True,
        f"{tmp_path} can be written; it is store {identity.short_id}",
    )


async def test_a_store_in_memory_is_not_for_money() -> None:
    """The worker would refuse it."""
    memory = {"LONGHAUL_ARTIFACTS_URL": "memory://"}
    assert (await doctor._store_check(Settings.from_env(memory))).is_ok is False
    check = await doctor._store_check(Settings.from_env({**memory, "LONGHAUL_API_BASE_URL": "http://a.test"}))
    assert check.is_ok is True


@pytest.mark.parametrize(
    ("stores", "is_ok", "detail"),
    [
        ((), True, "polls task queue 'q'"),
        (("1f3a9c2b",), True, "polls task queue 'q'; its artifact store is 1f3a9c2b"),
        (
            ("9c2b1f3a", "1f3a9c2b"),
            False,
            "polls task queue 'q'; workers with different artifact stores do: 1f3a9c2b, 9c2b1f3a",
        ),
    ],
)
def test_workers_with_different_stores_are_named(stores: tuple[str, ...], is_ok: bool, detail: str) -> None:
    """What one of them began, another cannot clear up."""
    check = doctor._verdict_on_workers(stores, queue="q")
    assert (check.is_ok, check.detail) == (is_ok, detail)
    assert ("LONGHAUL_ARTIFACTS_URL" in (check.remedy or "")) is not is_ok


def test_secrets_are_shown_with_who_may_have_them() -> None:
    """By name alone; nothing where there is none."""
    environ = {"LONGHAUL_SECRET_CRM": "abc", "LONGHAUL_SECRET_CRM_HOST": "a.b", "LONGHAUL_SECRET_PIN": "xyz"}
    [check] = doctor._secret_checks(Settings.from_env(environ))
    assert (check.is_ok, check.detail) == (True, "CRM for a.b; PIN for no MCP server")
    assert doctor._secret_checks(Settings.from_env({})) == []


def test_prices_are_read() -> None:
    """The built-in table has a price for both agents; a file that is none is named."""
    assert doctor._price_check(Settings.from_env({})).is_ok is True
    broken = doctor._price_check(Settings.from_env({"LONGHAUL_PRICES_FILE": "/dev/null/x"}))
    assert (broken.is_ok, "LONGHAUL_PRICES_FILE" in broken.detail) == (False, True)
