import base64
import io
import json
import wave
from typing import Any

import httpx2 as httpx
import pytest
from PIL import Image

from emulator.clock import Clock
from tests.unit.emulator.helpers import MODEL, contents, error_of, text_of

_WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "kelvin"]}},
    },
}
_TIME = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
def clock() -> Clock:
    """Models answer in the foreground, so here time flies instead of standing still."""
    return Clock(1_000_000)


async def ask(api: httpx.AsyncClient, text: Any, **fields: Any) -> dict[str, Any]:
    """Ask a model and return its answer."""
    reply = await api.post("/interactions", json={**MODEL, "input": text, **fields})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def results(**by_call: Any) -> list[dict[str, Any]]:
    """An input of function results."""
    return [{"type": "function_result", "call_id": c, "result": r} for c, r in by_call.items()]


async def test_the_reply_has_no_user_input(api: httpx.AsyncClient) -> None:
    """POST shows the produced steps only; GET shows the whole timeline."""
    answer = await ask(api, "Tell me a joke")
    assert [step["type"] for step in answer["steps"]] == ["thought", "model_output"]
    found = (await api.get(f"/interactions/{answer['id']}")).json()
    assert [step["type"] for step in found["steps"]] == ["user_input", "thought", "model_output"]


async def test_a_follow_up_knows_what_was_said(api: httpx.AsyncClient) -> None:
    """What was told in one turn is known in the next, and in the one after that."""
    first = await ask(api, "Hi, my name is Phil.")
    second = await ask(api, "Thank you.", previous_interaction_id=first["id"])
    third = await ask(api, "What is my name?", previous_interaction_id=second["id"])
    assert "Your name is Phil." in text_of(third)
    assert "turn 3" in text_of(third)


async def test_without_history_nothing_is_known(api: httpx.AsyncClient) -> None:
    """Interactions that are not chained share nothing."""
    await ask(api, "Hi, my name is Phil.")
    assert "Phil" not in text_of(await ask(api, "What is my name?"))


async def test_what_is_not_stored_cannot_be_continued(api: httpx.AsyncClient) -> None:
    """``store: false`` leaves no id behind."""
    assert "id" not in await ask(api, "q", store=False)


async def test_functions_are_asked_for_and_their_results_used(api: httpx.AsyncClient) -> None:
    """A call with arguments from the question; the answer quotes the result."""
    asked = await ask(api, "What is the weather in Paris?", tools=[_WEATHER, _TIME])
    call = asked["steps"][-1]
    assert asked["status"] == "requires_action"
    assert (call["type"], call["name"]) == ("function_call", "get_weather")
    assert call["arguments"] == {"city": "Paris", "unit": "celsius"}
    answer = await ask(
        api, results(**{call["id"]: {"degrees": 4}}), tools=[_WEATHER], previous_interaction_id=asked["id"]
    )
    assert answer["status"] == "completed"
    assert 'The function get_weather returned {"degrees": 4}.' in text_of(answer)


async def test_several_functions_in_one_turn(api: httpx.AsyncClient) -> None:
    """Parallel calls are steps of their own, and all of them must be answered in one request."""
    tools = [_WEATHER, _TIME]
    asked = await ask(api, "What are weather and time in Oslo?", tools=tools)
    one, two = (step["id"] for step in asked["steps"] if step["type"] == "function_call")
    follow_up = {**MODEL, "tools": tools, "previous_interaction_id": asked["id"]}
    missing = await api.post("/interactions", json={**follow_up, "input": results(**{one: "4"})})
    assert error_of(missing) == (400, "invalid_request")
    unknown = await api.post(
        "/interactions", json={**follow_up, "input": results(**{one: "4", two: "5", "x": "6"})}
    )
    assert error_of(unknown) == (400, "invalid_request")
    answer = await ask(
        api, results(**{two: "12:00", one: "4"}), tools=tools, previous_interaction_id=asked["id"]
    )
    assert answer["status"] == "completed"


async def test_several_rounds_of_functions(api: httpx.AsyncClient) -> None:
    """``tool_rounds`` lets the model ask again before it answers."""
    answer = await ask(api, "What is the weather in Paris? [[emulator tool_rounds=3]]", tools=[_WEATHER])
    statuses = [answer["status"]]
    for _ in range(3):
        call_id = answer["steps"][-1]["id"]
        answer = await ask(
            api, results(**{call_id: "4"}), tools=[_WEATHER], previous_interaction_id=answer["id"]
        )
        statuses.append(answer["status"])
    assert statuses == ["requires_action"] * 3 + ["completed"]


@pytest.mark.parametrize(
    ("choice", "called"),
    [("none", []), ({"allowed_tools": {"mode": "any", "tools": ["get_time"]}}, ["get_time"])],
)
async def test_tool_choice_is_heeded(api: httpx.AsyncClient, choice: Any, called: list[str]) -> None:
    """``none`` calls nothing; ``allowed_tools`` calls nothing else."""
    config = {"tool_choice": choice}
    answer = await ask(api, "The weather?", tools=[_WEATHER, _TIME], generation_config=config)
    assert [step["name"] for step in answer["steps"] if step["type"] == "function_call"] == called


async def test_structured_output_fits_its_schema(api: httpx.AsyncClient) -> None:
    """The text is JSON with the schema's fields and types."""
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "pages": {"type": "integer", "minimum": 10},
            "kind": {"enum": ["novel", "essay"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "lent": {"type": ["boolean", "null"]},
        },
    }
    wanted = {"type": "text", "mime_type": "application/json", "schema": schema}
    value = json.loads(text_of(await ask(api, "An essay about Paris in 3 parts", response_format=wanted)))
    assert value == {"title": "Paris", "pages": 10, "kind": "essay", "tags": ["Paris", "Paris"], "lent": True}


@pytest.mark.parametrize(
    ("mime_type", "image_format"), [("image/png", "PNG"), ("image/jpeg", "JPEG"), (None, "PNG")]
)
async def test_images_decode(api: httpx.AsyncClient, mime_type: str | None, image_format: str) -> None:
    """An image has the type and the shape that were asked for."""
    wanted = {"type": "image", "aspect_ratio": "16:9", "image_size": "512"}
    wanted |= {"mime_type": mime_type} if mime_type else {}
    (content,) = contents(await ask(api, "A robot", response_format=[wanted]))
    image = Image.open(io.BytesIO(base64.b64decode(content["data"])))
    assert (image.format, image.size) == (image_format, (512, 288))
    assert content["mime_type"] == (mime_type or "image/png")


@pytest.mark.parametrize(
    "fields", [{"response_format": {"type": "audio"}}, {"model": "gemini-3.1-flash-tts-preview"}]
)
async def test_audio_decodes(api: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    """Audio is a WAV file as long as its text."""
    (content,) = contents(await ask(api, "one two three four five", **fields))
    with wave.open(io.BytesIO(base64.b64decode(content["data"]))) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(1.0)
        assert sound.getframerate() == content["sample_rate"]


async def test_bare_samples_are_in_network_order(api: httpx.AsyncClient) -> None:
    """``audio/l16`` is the same sound without a header, most significant byte first."""
    formats = [{"type": "audio"}, {"type": "audio", "mime_type": "audio/l16"}]
    wav, bare = contents(await ask(api, "one two", response_format=formats))
    with wave.open(io.BytesIO(base64.b64decode(wav["data"]))) as sound:
        samples = sound.readframes(sound.getnframes())
    swapped = base64.b64decode(bare["data"])
    assert (swapped[0::2], swapped[1::2]) == (samples[1::2], samples[0::2])


async def test_server_side_tools_leave_pairs_of_steps(api: httpx.AsyncClient) -> None:
    """Each built-in tool shows a call and its result, and a search leads to citations."""
    kinds = ("google_search", "url_context", "code_execution", "google_maps")
    tools = [{"type": kind} for kind in kinds]
    tools.append({"type": "mcp_server", "name": "notes", "url": "https://mcp.example.com/mcp"})
    answer = await ask(api, "Cafés in Zürich", tools=tools)
    steps = answer["steps"]
    calls = [step["id"] for step in steps if step["type"].endswith("_call")]
    assert [step["call_id"] for step in steps if step["type"].endswith("_result")] == calls
    assert len(calls) == len(tools)
    assert contents(answer)[0]["annotations"]


async def test_a_short_limit_cuts_the_answer(api: httpx.AsyncClient) -> None:
    """``max_output_tokens`` ends the turn as incomplete."""
    answer = await ask(api, "q", generation_config={"max_output_tokens": 10})
    assert (answer["status"], len(text_of(answer))) == ("incomplete", 40)


async def test_a_long_answer_goes_on_elsewhere(api: httpx.AsyncClient) -> None:
    """Half the answer and a token; the token alone, in an interaction of its own, brings the rest."""
    head = await ask(api, "Heat pumps [[emulator fault=requires-continuation]]")
    assert head["status"] == "requires_continuation"
    follow_up = {
        **MODEL,
        "continuation_token": head["continuation_token"],
        "previous_interaction_id": head["id"],
    }
    rest = (await api.post("/interactions", json=follow_up)).json()
    assert (rest["status"], "continuation_token" in rest) == ("completed", False)
    assert abs(len(text_of(head)) - len(text_of(rest))) <= 1
    refused = await api.post("/interactions", json={**MODEL, "continuation_token": "forged"})
    assert error_of(refused) == (400, "invalid_request")


async def test_a_sandbox_agent_heeds_its_budget(api: httpx.AsyncClient) -> None:
    """``max_total_tokens``, a number in a string, ends the run as incomplete."""
    config = {"type": "antigravity", "max_total_tokens": "10"}
    body = {"agent": "antigravity-preview-09-2026", "environment": "remote", "agent_config": config}
    assert (await api.post("/interactions", json={**body, "input": "q"})).json()["status"] == "incomplete"


async def test_a_sandbox_agent_names_its_environment(api: httpx.AsyncClient) -> None:
    """The id of the sandbox can be used again."""
    agent = {"agent": "antigravity-preview-09-2026", "input": "Count"}
    first = (await api.post("/interactions", json={**agent, "environment": "remote"})).json()
    second = (await api.post("/interactions", json={**agent, "environment": first["environment_id"]})).json()
    assert second["environment_id"] == first["environment_id"]
    assert "code_execution_call" in {step["type"] for step in first["steps"]}


async def test_a_model_may_refuse_the_background(api: httpx.AsyncClient) -> None:
    """The refusal names ``background``; the same create in the foreground is answered when it is done."""
    body = {**MODEL, "input": "q [[emulator submission=fg fault=no-background]]"}
    refused = await api.post("/interactions", json={**body, "background": True})
    assert error_of(refused) == (400, "invalid_request")
    assert "'background'" in refused.json()["error"]["message"]
    answer = (await api.post("/interactions", json=body)).json()
    assert (answer["status"], "usage" in answer) == ("completed", True)
    second = await ask(api, "and?", previous_interaction_id=answer["id"])
    follow_up = {**MODEL, "input": "and?", "previous_interaction_id": second["id"], "background": True}
    assert error_of(await api.post("/interactions", json=follow_up)) == (400, "invalid_request")
