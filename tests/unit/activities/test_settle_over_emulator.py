"""Settling what the emulator answers: whole interactions, in the form in which the API shows them."""

import io
import json
import wave
from typing import Any

import httpx2 as httpx
import pytest
from PIL import Image
from pydantic import SecretStr

from emulator.app import build_app
from emulator.clock import Clock
from emulator.service import Emulator
from emulator.state import StateFile
from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from runs.messages import Outcome, Settled, SettleInteraction
from tests.unit.activities.conftest import ACCEPTED_AT, Setup

_WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

_SCHEMA = {
    "type": "object",
    "properties": {"topic": {"type": "string"}, "cups": {"type": "integer"}},
    "required": ["topic", "cups"],
}


class _Clock(Clock):
    """A clock that moves only when a test moves it."""

    wall = 1_795_000_000.0

    def wall_s(self) -> float:
        return self.wall


class _Api:
    """An emulator in this process, and the activities over it."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._emulator = Emulator(StateFile(), time_scale=1.0)
        self._clock = self._emulator.clock = _Clock(1.0)
        self._transport = httpx.ASGITransport(app=build_app(self._emulator))

    async def ended(self, **create: Any) -> str:
        """Create an interaction of a model and let it end; return its id."""
        async with httpx.AsyncClient(
            transport=self._transport, base_url="http://127.0.0.1/v1beta", headers={"x-goog-api-key": "any"}
        ) as client:
            model = {"model": "gemini-3.8-flash", "background": True}
            reply = await client.post("/interactions", json={**model, **create})
        assert reply.status_code == 200, reply.text
        self._clock.wall += 3_600
        return str(reply.json()["id"])

    async def settle(self, interaction_id: str, **changes: Any) -> Settled:
        """Settle an interaction of the run."""
        config = ApiConfig(api_key=SecretStr("k"), base_url="http://127.0.0.1")
        activities = self._setup.over(InteractionsClient(config, transport=self._transport))
        settling = SettleInteraction.model_validate(
            {
                "interaction_id": interaction_id,
                "agent": "gemini-3.8-flash",
                "question": "What is the weather in Oslo?",
                "workflow_id": "run",
                "artifacts_prefix": "run/1",
                "requested_at": ACCEPTED_AT,
                **changes,
            }
        )
        return await self._setup.environment.run(activities.settle_interaction, settling)

    async def read(self, name: str) -> bytes:
        """Return a file of the run."""
        return await self._setup.store.get(f"run/1/{name}")


@pytest.fixture
def api(setup: Setup) -> _Api:
    """An emulator whose time a test moves."""
    return _Api(setup)


async def test_rounds_of_calls_become_one_report(api: _Api) -> None:
    """The model asks, is answered, and answers; the report tells what was called."""
    question = "What is the weather in Oslo?"
    interaction_id = await api.ended(input=question, tools=[_WEATHER])
    asked = await api.settle(interaction_id)
    assert asked.outcome is Outcome.NEEDS_TOOLS
    (call,) = asked.calls
    assert (call.name, call.problem) == ("get_weather", None)
    result = {"type": "function_result", "call_id": call.call_id, "name": call.name, "result": "4 degrees"}
    answered = await api.ended(input=[result], previous_interaction_id=interaction_id, tools=[_WEATHER])
    settled = await api.settle(answered, turn=2, earlier=[asked.interaction_uri])
    assert (settled.outcome, settled.counts.tool_calls) == (Outcome.COMPLETED, 1)
    assert b"4 degrees" in await api.read("answer.md")
    report = (await api.read("report.md")).decode()
    assert "## How it was found" in report
    assert "**Called get_weather**" in report


async def test_a_continued_answer_joins_without_a_seam(api: _Api) -> None:
    """Two halves of a word are one again, and the answer is what it would have been in one go."""
    question = "Tell me of tea [[emulator fault=requires-continuation]]"
    interaction_id = await api.ended(input=question)
    stopped = await api.settle(interaction_id)
    assert stopped.outcome is Outcome.CONTINUES
    token = json.loads(await api.read("turns/1/interaction.json"))["continuation_token"]
    first = stopped.excerpt
    rest = await api.ended(previous_interaction_id=interaction_id, continuation_token=token)
    settled = await api.settle(rest, turn=2, earlier=[stopped.interaction_uri])
    text = (await api.read("answer.md")).decode()
    raw = json.loads(await api.read("interaction.json"))
    second = "".join(
        part["text"] for step in raw["steps"] if step["type"] == "model_output" for part in step["content"]
    )
    assert settled.outcome is Outcome.COMPLETED
    assert text.endswith(second)
    assert text.removesuffix(second).startswith(first)
    assert "\n\n" not in text[len(first) - 2 : len(first) + 2]


async def test_a_picture_and_speech_are_files(api: _Api) -> None:
    """Both can be opened, whatever form the API sends them in."""
    formats = [
        {"type": "text"},
        {"type": "image", "mime_type": "image/jpeg"},
        {"type": "audio", "mime_type": "audio/l16"},
    ]
    settled = await api.settle(await api.ended(input="Sing of tea", response_format=formats))
    assert [ref.name for ref in settled.artifacts] == [
        "report.md",
        "report.html",
        "answer.md",
        "image-1.jpg",
        "audio-1.wav",
        "interaction.json",
    ]
    assert Image.open(io.BytesIO(await api.read("image-1.jpg"))).format == "JPEG"
    raw = json.loads(await api.read("interaction.json"))
    (said,) = (part for part in raw["steps"][-1]["content"] if part["type"] == "audio")
    with wave.open(io.BytesIO(await api.read("audio-1.wav"))) as sound:
        assert sound.getframerate() == said["sample_rate"]
        samples = memoryview(sound.readframes(2_000)).cast("h")
    # A tone fades in; in the wrong order of bytes its first samples jump.
    assert max(abs(sample) for sample in samples[:10]) < 1_000
    assert b"<audio controls" in await api.read("report.html")


async def test_json_follows_its_schema(api: _Api) -> None:
    """What was asked for as JSON is a file of it, and a value in the result."""
    wanted = {"type": "text", "mime_type": "application/json", "schema": _SCHEMA}
    interaction_id = await api.ended(input="How many cups of Assam?", response_format=wanted)
    settled = await api.settle(interaction_id, json_schema=_SCHEMA)
    assert settled.outcome is Outcome.COMPLETED
    assert settled.data == json.loads(await api.read("answer.json"))
    assert isinstance(settled.data, dict)
    assert set(settled.data) == {"topic", "cups"}


async def test_tools_of_the_service_are_told(api: _Api) -> None:
    """Searches, pages, code and places are counted and told in order."""
    tools = [{"type": "google_search"}, {"type": "url_context"}, {"type": "code_execution"}]
    settled = await api.settle(await api.ended(input="Tea houses", tools=tools))
    assert settled.counts.searches
    assert settled.counts.pages
    assert settled.counts.code_runs == 1
    report = (await api.read("report.md")).decode()
    told = [report.index(f"**{title}**") for title in ("Searched the web", "Read pages", "Ran python code")]
    assert told == sorted(told)
    assert "  ```python\n  print(" in report
