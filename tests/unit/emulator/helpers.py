"""Short ways to say what most of the emulator's tests say."""

from typing import Any

import httpx2 as httpx

from tests.unit.emulator.conftest import RESEARCH

MODEL = {"model": "gemini-3.8-flash"}


async def start(api: httpx.AsyncClient, text: str = "Heat pumps", **fields: Any) -> str:
    """Start one research and return its id."""
    reply = await api.post("/interactions", json={**RESEARCH, "input": text, **fields})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


async def look(api: httpx.AsyncClient, interaction_id: str) -> dict[str, Any]:
    """Look at one interaction."""
    reply = await api.get(f"/interactions/{interaction_id}?stream=false")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def contents(interaction: dict[str, Any]) -> list[dict[str, Any]]:
    """All output contents, in order."""
    return [c for step in interaction["steps"] if step["type"] == "model_output" for c in step["content"]]


def text_of(interaction: dict[str, Any]) -> str:
    """All output text, joined."""
    return "".join(content.get("text", "") for content in contents(interaction))


def error_of(reply: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return reply.status_code, reply.json()["error"]["code"]
