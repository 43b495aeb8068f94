"""Where requests go, and which configurations are refused."""

from typing import Any

import httpx2 as httpx
import pytest
from pydantic import SecretStr, ValidationError

from interactions.client import InteractionsClient
from interactions.config import ApiConfig, VertexTarget
from tests.unit.interactions.support import KEY, config


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "https://aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_each_vertex_location_has_its_host(location: str, host: str) -> None:
    """Global, multi-region and region have three forms of address."""
    vertex = VertexTarget(project="p", location=location, token=SecretStr(KEY))
    assert ApiConfig(vertex=vertex).root_url == f"{host}/v1beta1/projects/p/locations/{location}"


def test_the_default_is_googles_own_service() -> None:
    """Without an address, a key goes to the Gemini API and nowhere else."""
    assert ApiConfig(api_key=SecretStr(KEY)).root_url == "https://generativelanguage.googleapis.com/v1beta"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"api_key": KEY, "vertex": {"project": "p", "token": KEY}},
        {"api_key": KEY, "base_url": "ftp://host"},
        {"api_key": KEY, "base_url": "host:80"},
        {"api_key": KEY, "base_url": "http://"},
        {"api_key": KEY, "base_url": "http://user:pass@host"},
        {"api_key": KEY, "base_url": "http://host?key=x"},
        {"api_key": KEY, "base_url": "http://host#x"},
        {"api_key": KEY, "api_version": "../v1"},
        {"api_key": KEY, "api_version": ""},
        {"api_key": KEY, "call_timeout_s": 0},
        {"api_key": KEY, "surprise": 1},
        {"vertex": {"project": "p/../q", "token": KEY}},
        {"vertex": {"project": "p", "location": "evil.com/", "token": KEY}},
        {"vertex": {"project": "p", "token": KEY, "quota_project": "a\nb"}},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(fields: dict[str, Any]) -> None:
    """Two credentials, none, or an address that is none, fail at the start and not at the first run."""
    with pytest.raises(ValidationError):
        ApiConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("base_url", "is_loopback"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost/prefix", True),
        ("http://[::1]:1", True),
        ("http://127.8.9.1:1", True),
        ("http://127.0.0.1.example.org", False),
        ("https://generativelanguage.googleapis.com", False),
    ],
)
async def test_proxies_are_used_unless_the_service_is_on_this_machine(
    base_url: str, *, is_loopback: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the environment is the only way out of some networks, and no way to loopback."""
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    async with InteractionsClient(config(base_url=base_url, max_connections=1)) as client:
        http = client._connections.fresh
        direct = http._transport_for_url(httpx.URL(base_url)) is http._transport
    assert config(base_url=base_url).is_loopback == is_loopback
    assert direct == is_loopback
