"""Submissions against the emulator, which shares no code with the client: does the service take them?"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError

from activities.transcripts import StoredTurn, write_turn
from interactions.client import InteractionsClient
from interactions.config import ApiConfig, VertexTarget
from interactions.responses import Interaction
from interactions.statuses import Standing
from runs.errors import RunErrorCode
from runs.messages import (
    AgentRunRequest,
    FollowUp,
    FollowUpKind,
    SubmitInteraction,
    Submitted,
    TranscriptTurn,
)
from runs.tool_calls import ToolAnswer, ToolDescription
from runs.tool_secrets import ToolSecret, parse_bindings
from tests.emulator_server import EmulatorServer
from tests.unit.activities.conftest import Setup

_MODEL: dict[str, Any] = {"model": "gemini-3.8-flash"}
_RESEARCH: dict[str, Any] = {"agent": "deep-research-preview-04-2026"}
_SANDBOX: dict[str, Any] = {"agent": "antigravity-preview-09-2026"}

_WEATHER = ToolDescription(
    name="get_weather",
    description="The weather in a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    """An emulator in whose time everything takes a moment."""
    with EmulatorServer(time_scale=100_000) as server:
        yield server


class Run:
    """One run's submissions, and what became of them."""

    def __init__(self, client: InteractionsClient, setup: Setup) -> None:
        self.client = client
        self.store = setup.store
        self._number = 0
        setup.secrets["WIKI"] = ToolSecret(
            "WIKI", SecretStr("Bearer wiki-token-123"), parse_bindings("m.example")
        )
        self._activities = setup.over(client)
        self._environment = setup.environment

    async def submit(self, request: dict[str, Any], **fields: Any) -> Submitted:
        """Send the next submission."""
        self._number += 1
        submission = SubmitInteraction(
            request=AgentRunRequest.model_validate({"input": "Why is the sky blue?", **request}),
            artifacts_prefix="run/1",
            number=self._number,
            functions=(_WEATHER,),
            **fields,
        )
        return await self._environment.run(self._activities.submit_interaction, submission)

    async def answer(self, request: dict[str, Any], **fields: Any) -> Interaction:
        """Send the next submission and return the interaction once it has ended."""
        submitted = await self.submit(request, **fields)
        async with asyncio.timeout(30):
            while True:
                interaction = await self.client.get(submitted.interaction_id)
                if interaction.standing is not Standing.RUNNING:
                    return interaction

    async def keep(self, interaction: Interaction) -> str:
        """Store an interaction as settling does, and return its address."""
        ref = await self.store.put("run/1/interaction.json", interaction.raw_json, "application/json")
        return ref.uri


@pytest.fixture
async def run(emulator: EmulatorServer, setup: Setup) -> AsyncIterator[Run]:
    """A run, over HTTP."""
    config = ApiConfig(api_key=SecretStr("test"), base_url=emulator.base_url)
    async with InteractionsClient(config) as client:
        yield Run(client, setup)


def _echo(interaction: Interaction) -> dict[str, Any]:
    """Return everything the service shows of an interaction."""
    document: dict[str, Any] = json.loads(interaction.raw_json)
    return document


_ALL_TOOLS: list[dict[str, Any]] = [
    {"type": "google_search", "search_types": ["web_search"]},
    {"type": "url_context"},
    {"type": "code_execution"},
    {"type": "google_maps", "latitude": 1.5, "longitude": 2.5},
    {
        "type": "mcp_server",
        "name": "wiki",
        "url": "https://m.example",
        "secret": "WIKI",
        "allowed_tools": ["f"],
    },
]


@pytest.mark.parametrize(
    "request_",
    [
        _MODEL,
        _MODEL | {"system_instruction": "Be brief.", "service_tier": "priority"},
        _MODEL
        | {
            "generation": {
                "thinking_level": "high",
                "max_output_tokens": 5_000,
                "seed": -1,
                "stop_sequences": ["END"],
                "tool_choice": "none",
            }
        },
        _MODEL | {"outputs": {"forms": [{"type": "image", "aspect_ratio": "16:9", "size": "1K"}]}},
        _MODEL
        | {"outputs": {"forms": [{"type": "text"}, {"type": "audio", "speakers": [{"voice": "Kore"}]}]}},
        _MODEL | {"tools": _ALL_TOOLS},
        _MODEL | {"tools": [{"type": "file_search", "stores": ["s"], "top_k": 3}]},
        _RESEARCH | {"tools": [_ALL_TOOLS[0], _ALL_TOOLS[4]], "visualization": False},
        _SANDBOX | {"budget": {"max_tokens": 100_000}, "system_instruction": "Be brief."},
        _SANDBOX | {"is_background": False},
    ],
)
async def test_the_service_takes_every_option(run: Run, request_: dict[str, Any]) -> None:
    """Nothing is sent that it does not know; it answers 400 to what it does not."""
    interaction = await run.answer(request_)
    assert interaction.status == "completed"


async def test_a_screen_is_offered(run: Run) -> None:
    """What is to be done on it comes back as a call."""
    tool = {"type": "computer_use", "environment": "desktop", "excluded": ["drag"]}
    assert (await run.answer(_MODEL | {"tools": [tool]})).status == "requires_action"


async def test_json_is_asked_for_with_its_schema(run: Run) -> None:
    """The answer is JSON of the form that was asked for."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    outputs = {"forms": [{"type": "text", "json_schema": schema}]}
    assert isinstance(json.loads((await run.answer(_MODEL | {"outputs": outputs})).text)["city"], str)


async def test_retrieval_goes_to_vertex(emulator: EmulatorServer, setup: Setup) -> None:
    """The worker that is set up for Vertex offers it; any other says so instead of asking."""
    tool = {"type": "retrieval", "retrieval_types": ["vertex_ai_search"]}
    config = ApiConfig(vertex=VertexTarget(project="p", token=SecretStr("t")), base_url=emulator.base_url)
    async with InteractionsClient(config) as client:
        interaction = await Run(client, setup).answer(_MODEL | {"tools": [tool]})
    assert interaction.status == "completed"


async def test_results_of_functions_lead_to_an_answer(run: Run) -> None:
    """The model asks, is told, and answers; its interaction is a new one."""
    request = _MODEL | {"tools": [{"type": "function", "name": "get_weather"}, {"type": "tool_search"}]}
    asked = await run.answer(request | {"input": "What is the weather in Oslo?"})
    assert asked.status == "requires_action"
    (call,) = (step for step in _echo(asked)["steps"] if step["type"] == "function_call")
    stored = await run.store.put("run/1/tools/c.json", b'{"result": [4, null]}', "application/json")
    answered = await run.answer(
        request | {"input": "…"},
        follow_up=FollowUp(
            kind=FollowUpKind.TOOL_RESULTS,
            previous_interaction_id=asked.id,
            answers=(ToolAnswer(call_id=call["id"], name=call["name"], uri=stored.uri),),
        ),
    )
    assert (answered.status, answered.id != asked.id, bool(answered.text)) == ("completed", True, True)
    (given,) = (step for step in _echo(answered)["steps"] if step["type"] == "function_result")
    assert given["result"] == {"result": [4, None]}


async def test_a_plan_is_revised_and_approved(run: Run) -> None:
    """Each turn is an interaction; only the last one is research."""
    request = _RESEARCH | {"planning": {}}
    plan = await run.answer(request)
    revised = await run.answer(
        request,
        follow_up=FollowUp(
            kind=FollowUpKind.PLAN_REVISED, previous_interaction_id=plan.id, text="Only the evening sky."
        ),
    )
    report = await run.answer(
        request, follow_up=FollowUp(kind=FollowUpKind.PLAN_APPROVED, previous_interaction_id=revised.id)
    )
    searches = [
        sum(step["type"] == "google_search_call" for step in _echo(each)["steps"])
        for each in (plan, revised, report)
    ]
    assert searches[:2] == [0, 0]
    assert searches[2] > 0


async def test_a_stopped_answer_is_continued(run: Run) -> None:
    """Both halves together are the answer."""
    first = await run.answer(_MODEL | {"input": "Tell me. [[emulator fault=requires-continuation]]"})
    assert first.status == "requires_continuation"
    rest = await run.answer(
        _MODEL,
        follow_up=FollowUp(
            kind=FollowUpKind.CONTINUATION,
            previous_interaction_id=first.id,
            interaction_uri=await run.keep(first),
        ),
    )
    assert (rest.status, bool(rest.text)) == ("completed", True)


async def test_what_was_said_is_known_to_the_next_turn(run: Run) -> None:
    """By the previous interaction, without sending it again."""
    first = await run.answer(_MODEL | {"input": "My lucky number is seven."})
    second = await run.answer(
        _MODEL | {"input": "What is my lucky number?", "previous_interaction_id": first.id}
    )
    assert "seven" in second.text


async def test_what_was_forgotten_is_told_anew(run: Run) -> None:
    """The API says that it does not know the interaction; with the turns as steps it answers."""
    place = TranscriptTurn(folder="talk/1", number=2)
    first = await run.answer(_MODEL | {"input": "My lucky number is seven."})
    turn = StoredTurn(question="My lucky number is seven.", answer=first.text)
    await write_turn(run.store, place.model_copy(update={"number": 1}), turn)
    await run.client.delete(first.id)
    request = _MODEL | {"input": "What is my lucky number?", "previous_interaction_id": first.id}
    with pytest.raises(ApplicationError) as caught:
        await run.submit(request | {"transcript": place})
    assert caught.value.details == (RunErrorCode.PARENT_GONE,)
    retold = await run.answer(request | {"transcript": place.model_copy(update={"is_retold": True})})
    assert "seven" in retold.text


async def test_a_parent_that_still_runs_is_not_gone(run: Run) -> None:
    """To tell it anew would be to ask twice."""
    parent = await run.submit(_RESEARCH | {"input": "Heat pumps [[emulator duration_s=1000000000]]"})
    with pytest.raises(ApplicationError) as caught:
        await run.submit(_MODEL | {"previous_interaction_id": parent.interaction_id})
    assert caught.value.details == (RunErrorCode.REJECTED,)


async def test_an_unknown_model_does_not_make_its_parent_unknown(run: Run) -> None:
    """Both are 404; the word in the error tells them apart, and so does the name in its message."""
    first = await run.answer(_MODEL)
    for target in ({"model": "no-such-model"}, {"agent": "no-such-agent"}):
        with pytest.raises(ApplicationError) as caught:
            await run.submit(target | {"previous_interaction_id": first.id})
        assert caught.value.details == (RunErrorCode.REJECTED,)


async def test_the_foreground_answers_with_the_end(run: Run) -> None:
    """A model that refuses the background is asked without; its answer is all there is to wait for."""
    request = _MODEL | {"input": "Why? [[emulator fault=no-background]]"}
    with pytest.raises(ApplicationError) as caught:
        await run.submit(request)
    assert caught.value.details == (RunErrorCode.NO_BACKGROUND,)
    submitted = await run.submit(request, is_foreground=True)
    assert submitted.has_ended
    assert (await run.client.get(submitted.interaction_id)).status == "completed"


async def test_the_background_answers_at_once(run: Run) -> None:
    """Then there is something to watch."""
    submitted = await run.submit(_RESEARCH | {"input": "Heat pumps [[emulator duration_s=1000000000]]"})
    assert not submitted.has_ended
