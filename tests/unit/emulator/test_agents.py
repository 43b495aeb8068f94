from typing import Any

import httpx2 as httpx
import pytest

from tests.unit.emulator.conftest import RESEARCH
from tests.unit.emulator.helpers import error_of


async def test_an_agent_of_ones_own_works(api: httpx.AsyncClient) -> None:
    """Once created, its id is an agent like any other, until it is deleted."""
    agent = {"id": "mine", "base_agent": RESEARCH["agent"], "tools": [{"type": "google_search"}]}
    run = {**RESEARCH, "agent": "mine", "input": "q"}
    assert error_of(await api.post("/interactions", json=run)) == (404, "not_found")
    assert (await api.post("/agents", json=agent)).json() == agent
    assert (await api.get("/agents/mine")).json() == agent
    assert (await api.get("/agents")).json() == {"agents": [agent]}
    assert (await api.post("/interactions", json=run)).json()["agent"] == "mine"
    assert (await api.delete("/agents/mine")).json() == {}
    assert error_of(await api.post("/interactions", json=run)) == (404, "not_found")
    assert error_of(await api.get("/agents/mine")) == (404, "not_found")


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ({"id": "a", "base_agent": "nobody"}, (404, "not_found")),
        ({"id": "a", "colour": "red"}, (400, "invalid_request")),
        ({"id": "a", "tools": [{"type": "file_search"}]}, (400, "invalid_request")),
        ({"id": RESEARCH["agent"]}, (409, "already_exists")),
    ],
)
async def test_a_bad_agent_is_refused(
    api: httpx.AsyncClient, agent: dict[str, Any], expected: tuple[int, str]
) -> None:
    """Base, fields, tools and id are checked."""
    assert error_of(await api.post("/agents", json=agent)) == expected
