import base64
from typing import Any

import httpx2 as httpx
import jsonschema
import pytest

from emulator.clock import Clock
from emulator.functions import UNDECLARED
from tests.unit.emulator.helpers import MODEL, ask, calls_in, error_of, fast_clock, results, text_of

_WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "kelvin"]}},
        "required": ["city"],
    },
}
_TIME = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}
_SCREEN = {"type": "computer_use", "environment": "browser"}


@pytest.fixture
def clock() -> Clock:
    """Models answer in the foreground, so here time flies instead of standing still."""
    return fast_clock()


async def test_functions_are_asked_for_and_their_results_used(api: httpx.AsyncClient) -> None:
    """A call with arguments from the question; the answer quotes the result."""
    asked = await ask(api, "What is the weather in Paris?", tools=[_WEATHER, _TIME])
    (call,) = calls_in(asked)
    assert (asked["status"], call["name"]) == ("requires_action", "get_weather")
    assert call["arguments"] == {"city": "Paris", "unit": "celsius"}
    assert asked["usage"]["total_tokens"] > 0
    answer = await ask(
        api, results(**{call["id"]: {"degrees": 4}}), tools=[_WEATHER], previous_interaction_id=asked["id"]
    )
    assert answer["status"] == "completed"
    assert 'The function get_weather returned {"degrees": 4}.' in text_of(answer)


async def test_several_functions_in_one_turn(api: httpx.AsyncClient) -> None:
    """Parallel calls are steps of their own, and all of them must be answered in one request."""
    tools = [_WEATHER, _TIME]
    asked = await ask(api, "What are weather and time in Oslo?", tools=tools)
    one, two = (call["id"] for call in calls_in(asked))
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
        (call,) = calls_in(answer)
        answer = await ask(
            api, results(**{call["id"]: "4"}), tools=[_WEATHER], previous_interaction_id=answer["id"]
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
    assert [call["name"] for call in calls_in(answer)] == called


async def test_a_model_may_make_a_function_up(api: httpx.AsyncClient) -> None:
    """On request it calls what was not declared; told that this failed, it answers."""
    asked = await ask(api, "The weather? [[emulator fault=unknown-function]]", tools=[_WEATHER])
    (call,) = calls_in(asked)
    assert call["name"] == UNDECLARED
    failed = [
        {"type": "function_result", "call_id": call["id"], "result": "no such function", "is_error": True}
    ]
    answer = await ask(api, failed, tools=[_WEATHER], previous_interaction_id=asked["id"])
    assert f'The function {UNDECLARED} failed with "no such function".' in text_of(answer)


async def test_a_model_may_give_bad_arguments(api: httpx.AsyncClient) -> None:
    """On request they do not fit the declared parameters."""
    (call,) = calls_in(await ask(api, "The weather? [[emulator fault=bad-arguments]]", tools=[_WEATHER]))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(call["arguments"], _WEATHER["parameters"])


async def test_a_stateless_client_sends_the_calls_back(api: httpx.AsyncClient) -> None:
    """Nothing is stored: question, thoughts, calls with their signatures and all results go back together."""
    question = {"type": "user_input", "content": [{"type": "text", "text": "The weather in Paris?"}]}
    asked = await ask(api, [question], tools=[_WEATHER], store=False)
    (call,) = calls_in(asked)
    told = [question, *asked["steps"], *results(**{call["id"]: "4"})]
    answer = await ask(api, told, tools=[_WEATHER], store=False)
    assert 'returned "4"' in text_of(answer)
    for body, code in [
        ([question, *asked["steps"]], "invalid_request"),
        ([question, *results(**{call["id"]: "4"})], "invalid_request"),
        (
            [question, {k: v for k, v in call.items() if k != "signature"}, told[-1]],
            "missing_thought_signature",
        ),
    ]:
        refused = await api.post("/interactions", json={**MODEL, "input": body, "store": False})
        assert error_of(refused) == (400, code)


async def test_a_screen_is_controlled_by_calls(api: httpx.AsyncClient) -> None:
    """One action a round comes back as a function call; the screenshot goes back as its result."""
    asked = await ask(api, "Order a cake [[emulator tool_rounds=2]]", tools=[_SCREEN])
    (click,) = calls_in(asked)
    assert (asked["status"], click["name"]) == ("requires_action", "click_at")
    assert set(click["arguments"]) == {"x", "y"}
    screenshot = {"type": "image", "mime_type": "image/png", "data": base64.b64encode(b"png").decode()}
    answer = asked
    for _ in range(2):
        (call,) = calls_in(answer)
        given = results(**{call["id"]: [{"type": "text", "text": "https://a.example"}, screenshot]})
        answer = await ask(api, given, tools=[_SCREEN], previous_interaction_id=answer["id"])
    assert call["name"] == "type_text_at"
    assert 'returned "https://a.example", image (image/png, 3 bytes).' in text_of(answer)


async def test_an_excluded_action_is_not_taken(api: httpx.AsyncClient) -> None:
    """What the client excludes is not asked for."""
    tool = {**_SCREEN, "excluded_predefined_functions": ["click_at"]}
    (call,) = calls_in(await ask(api, "q", tools=[tool]))
    assert call["name"] == "type_text_at"


async def test_deferred_functions_are_found_first(api: httpx.AsyncClient) -> None:
    """With tool_search, a pair of steps names the functions that are then called."""
    tools = [{"type": "tool_search"}, {**_WEATHER, "defer_loading": True}]
    asked = await ask(api, "The weather in Paris?", tools=tools)
    kinds = [step["type"] for step in asked["steps"]]
    assert kinds == ["thought", "tool_search_call", "tool_search_result", "function_call"]
    assert asked["steps"][1]["arguments"] == {"function_names": ["get_weather"]}
    assert asked["steps"][2]["result"][0]["name"] == "get_weather"


async def test_the_client_may_search_for_tools_itself(api: httpx.AsyncClient) -> None:
    """Then the search is a function call like any other."""
    tool = {"type": "tool_search", "execution": "client", "name": "find_tools"}
    (call,) = calls_in(await ask(api, "find tools", tools=[tool]))
    assert call["name"] == "find_tools"
