"""Short ways to say what most of the emulator's tests say."""

from typing import Any

import httpx2 as httpx

from emulator.clock import Clock
from tests.unit.emulator.conftest import RESEARCH

MODEL = {"model": "gemini-3.8-flash"}


async def start(api: httpx.AsyncClient, text: str = "Heat pumps", **fields: Any) -> str:
    """Start one research and return its id."""
    reply = await api.post("/interactions", json={**RESEARCH, "input": text, **fields})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


def fast_clock() -> Clock:
    """A clock that flies, for what is answered in the foreground."""
    return Clock(1_000_000)


async def ask(api: httpx.AsyncClient, question: Any, **fields: Any) -> dict[str, Any]:
    """Ask a model and return its answer."""
    return await answered(api, {**MODEL, "input": question, **fields})


async def answered(api: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """Create an interaction under a clock that flies, and return it as it ended."""
    reply = await api.post("/interactions", json=body)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    while answer["status"] in {"queued", "in_progress"}:
        answer = await look(api, answer["id"])
    return answer


def results(**by_call: Any) -> list[dict[str, Any]]:
    """An input of function results."""
    return [{"type": "function_result", "call_id": c, "result": r} for c, r in by_call.items()]


def calls_in(interaction: dict[str, Any]) -> list[dict[str, Any]]:
    """The functions that a model asks for."""
    return [step for step in interaction["steps"] if step["type"] == "function_call"]


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
