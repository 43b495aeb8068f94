"""The official SDK as a witness: what it can do with the service, it can do with the emulator.

The samples are those of the Interactions API's introduction, in their current form.
"""

import base64
import io
import itertools
import time
import wave
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.genai._gaos.lib import compat_errors
from PIL import Image

from tests.emulator_server import EmulatorServer

_MODEL = "gemini-3.8-flash"
_RESEARCH = "deep-research-preview-04-2026"

_WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Gets the weather for a given location.",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city"}},
        "required": ["location"],
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    """A server on which a research takes 0.7 s."""
    with EmulatorServer(time_scale=1_000) as running:
        yield running


def client_of(server: EmulatorServer, *, version: str | None = None, attempts: int = 1) -> Any:
    """The SDK, pointed at a server.

    Untyped, since each of its calls may return a stream or a resource, and each field may be None; what comes
    back is checked by running it.
    """
    return genai.Client(
        api_key="local",
        vertexai=False,
        http_options=types.HttpOptions(
            base_url=server.base_url,
            api_version=version,
            timeout=30_000,
            retry_options=types.HttpRetryOptions(attempts=attempts),
        ),
    )


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads these, and would go elsewhere."""
    for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def client(server: EmulatorServer) -> Any:
    """The SDK with its own default version and without retries."""
    return client_of(server)


def finish(client: Any, interaction: Any) -> Any:
    """Poll as the guide does, at the emulator's pace."""
    deadline = time.monotonic() + 30
    while interaction.status in ("in_progress", "queued"):
        assert time.monotonic() < deadline
        interaction = client.interactions.get(interaction.id)
    return interaction


def text_of(interaction: Any) -> str:
    """All text of all model output."""
    return "".join(
        content.text
        for step in interaction.steps
        if step.type == "model_output"
        for content in step.content or []
        if content.type == "text"
    )


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_basic(server: EmulatorServer, version: str) -> None:
    """One question, one answer, with usage."""
    client = client_of(server, version=version)
    interaction = client.interactions.create(model=_MODEL, input="Tell me a short joke about programming.")
    assert interaction.status == "completed"
    assert interaction.output_text
    assert interaction.usage is not None
    assert client.interactions.get(interaction.id).output_text == interaction.output_text


def test_streaming(client: Any) -> None:
    """The joined text deltas are the stored answer, and every event is of a known type."""
    text, completed = "", None
    for event in client.interactions.create(model=_MODEL, input="Explain entanglement.", stream=True):
        assert event.event_type != "UNKNOWN"
        if event.event_type == "step.delta" and event.delta.type == "text":
            text += event.delta.text
        if event.event_type == "interaction.completed":
            completed = event.interaction
    assert completed is not None
    assert client.interactions.get(completed.id).output_text == text


async def test_async_streaming(client: Any) -> None:
    """The asynchronous client sees the same events."""
    stream = await client.aio.interactions.create(model=_MODEL, input="Explain entanglement.", stream=True)
    kinds = [event.event_type async for event in stream]
    assert (kinds[0], kinds[-1]) == ("interaction.created", "interaction.completed")
    await client.aio.aclose()


def test_stateful_conversation(client: Any) -> None:
    """A second turn knows what the first one said."""
    first = client.interactions.create(model=_MODEL, input="Hi, my name is Phil.")
    second = client.interactions.create(
        model=_MODEL, input="What is my name?", previous_interaction_id=first.id
    )
    assert "Phil" in text_of(second)


def test_stateless_conversation(client: Any) -> None:
    """A client may send the conversation itself."""
    turns = [
        {"type": "user_input", "content": [{"type": "text", "text": "Hi, my name is Phil."}]},
        {"type": "model_output", "content": [{"type": "text", "text": "Hello Phil."}]},
        {"type": "user_input", "content": [{"type": "text", "text": "What is my name?"}]},
    ]
    answer = client.interactions.create(model=_MODEL, input=turns, store=False)
    assert "Phil" in text_of(answer)


def test_multimodal_input(client: Any) -> None:
    """A list of contents is one user input."""
    image = base64.b64encode(b"not really").decode()
    contents = [
        {"type": "text", "text": "Describe the image."},
        {"type": "image", "data": image, "mime_type": "image/png"},
    ]
    interaction = client.interactions.create(model=_MODEL, input=contents)
    assert client.interactions.get(interaction.id).steps[0].type == "user_input"


def test_image(client: Any) -> None:
    """The image decodes and has the shape that was asked for."""
    interaction = client.interactions.create(
        model="gemini-3.1-flash-image",
        input="A robot cooking in a futuristic kitchen.",
        response_format={"type": "image", "aspect_ratio": "16:9", "image_size": "512"},
    )
    image = Image.open(io.BytesIO(base64.b64decode(interaction.output_image.data)))
    assert (image.format, image.size) == ("PNG", (512, 288))


def test_audio(client: Any) -> None:
    """The audio decodes as WAV."""
    interaction = client.interactions.create(
        model="gemini-3.1-flash-tts-preview",
        input="Say cheerfully: have a wonderful day!",
        response_format={"type": "audio"},
        generation_config={"speech_config": [{"voice": "kore", "language": "en-us"}]},
    )
    with wave.open(io.BytesIO(base64.b64decode(interaction.output_audio.data))) as sound:
        assert sound.getnframes() > sound.getframerate()


def test_video(client: Any) -> None:
    """The video is an MP4 file."""
    interaction = client.interactions.create(
        model="veo-4-preview", input="A robot", response_format={"type": "video", "resolution": "360p"}
    )
    assert base64.b64decode(interaction.output_video.data)[4:8] == b"ftyp"


@pytest.mark.parametrize("form", ["image", "audio", "video"])
def test_media_behind_an_address(client: Any, form: str) -> None:
    """What is not inline has an address, in answers and in streams."""
    request = {
        "model": _MODEL,
        "input": "A robot",
        "response_format": [{"type": "text"}, {"type": form, "delivery": "uri"}],
    }
    content = client.interactions.create(**request).steps[-1].content[1]
    assert (content.type, content.data) == (form, None)
    events = client.interactions.create(**request, stream=True)
    deltas = [event.delta for event in events if event.event_type == "step.delta"]
    (delta,) = (each for each in deltas if each.type == form)
    assert delta.uri.endswith(":download?alt=media")


def test_thought_summaries(client: Any) -> None:
    """A model that is asked to says what it thinks, in steps and in streams."""
    request = {"model": _MODEL, "input": "q", "generation_config": {"thinking_summaries": "auto"}}
    assert client.interactions.create(**request).steps[0].summary[0].text
    events = list(client.interactions.create(**request, stream=True))
    assert "thought_summary" in {e.delta.type for e in events if e.event_type == "step.delta"}


def test_structured_output(client: Any) -> None:
    """The text is JSON of the schema."""
    schema = {"type": "object", "properties": {"rating": {"type": "integer"}}, "required": ["rating"]}
    interaction = client.interactions.create(
        model=_MODEL,
        input="Rate 4 of 5",
        response_format={"type": "text", "mime_type": "application/json", "schema": schema},
    )
    assert interaction.output_text == '{"rating": 4}'


def test_google_search(client: Any) -> None:
    """Search steps come in pairs, and the text cites its sources by byte offsets."""
    interaction = client.interactions.create(
        model=_MODEL, input="Who won the last Euro?", tools=[{"type": "google_search"}]
    )
    kinds = [step.type for step in interaction.steps]
    assert kinds == ["thought", "google_search_call", "google_search_result", "model_output"]
    content = interaction.steps[-1].content[0]
    for citation in content.annotations:
        cited = content.text.encode()[citation.start_index : citation.end_index].decode()
        assert (citation.type, cited[-1]) == ("url_citation", ".")


_TOOLS: list[dict[str, Any]] = [
    {"type": "google_search", "search_types": ["web_search", "image_search"]},
    {"type": "url_context"},
    {"type": "code_execution"},
    {"type": "file_search", "file_search_store_names": ["fileSearchStores/a"]},
    {"type": "google_maps", "enable_widget": True},
    {"type": "mcp_server", "name": "notes", "url": "https://mcp.example.com/mcp"},
    {"type": "tool_search"},
    {"type": "computer_use", "environment": "browser"},
    {**_WEATHER, "defer_loading": True},
]


_UNDECLARED = {("Interaction", "object"), ("FunctionCallStep", "signature")}
"""Fields that the live service sends and the SDK does not declare."""


def unknown_in(value: Any) -> list[Any]:
    """Everything in a model of the SDK that it did not know: types, and fields."""
    if getattr(value, "is_unknown", False):
        return [value]
    if isinstance(value, list):
        return [each for part in value for each in unknown_in(part)]
    if not hasattr(value, "model_fields_set"):
        return []
    extras = {(type(value).__name__, name) for name in value.model_extra or {}}
    return sorted(extras - _UNDECLARED) + [
        each for field in vars(value).values() for each in unknown_in(field)
    ]


@pytest.mark.parametrize("tool", _TOOLS, ids=lambda tool: tool["type"])
def test_the_sdk_knows_every_tool(client: Any, tool: dict[str, Any]) -> None:
    """Steps, annotations and deltas of each tool are of types and fields that the SDK has."""
    # Functions that nobody has to call, but for the search that finds one.
    tools = [tool, {**_WEATHER, "defer_loading": True}] if tool["type"] == "tool_search" else [tool]
    request = {"model": _MODEL, "input": "Cafés in Zürich", "tools": tools}
    interaction = client.interactions.create(**request)
    kinds = [step.type for step in interaction.steps]
    assert any(kind.endswith("_call") for kind in kinds)
    assert unknown_in(interaction) == []
    streamed = []
    for event in client.interactions.create(**request, stream=True):
        assert event.event_type != "UNKNOWN"
        assert unknown_in(event) == []
        if event.event_type == "step.start":
            streamed.append(event.step.type)
    assert streamed == kinds


def test_retrieval(client: Any) -> None:
    """The Vertex tool is for Vertex paths; here it is a bad request."""
    tools = [{"type": "retrieval", "retrieval_types": ["vertex_ai_search"]}]
    with pytest.raises(compat_errors.BadRequestError):
        client.interactions.create(model=_MODEL, input="q", tools=tools)


def test_citations_of_every_kind(client: Any) -> None:
    """Files, places and pages are cited by annotations of their own."""
    found = set()
    for kind in ("file_search", "google_maps", "url_context"):
        interaction = client.interactions.create(model=_MODEL, input="Cafés", tools=[{"type": kind}])
        found |= {each.type for each in interaction.steps[-1].content[0].annotations}
    assert found == {"file_citation", "place_citation", "url_citation"}


def test_computer_use(client: Any) -> None:
    """An action is a function call; its result holds a screenshot."""
    tools = [{"type": "computer_use", "environment": "browser"}]
    asked = client.interactions.create(model=_MODEL, input="Order a cake", tools=tools)
    call = asked.steps[-1]
    assert (asked.status, call.name, set(call.arguments)) == ("requires_action", "click_at", {"x", "y"})
    screenshot = {"type": "image", "mime_type": "image/png", "data": base64.b64encode(b"png").decode()}
    answer = client.interactions.create(
        model=_MODEL,
        previous_interaction_id=asked.id,
        tools=tools,
        input=[{"type": "function_result", "name": call.name, "call_id": call.id, "result": [screenshot]}],
    )
    assert "image (image/png, 3 bytes)" in answer.output_text


def test_remote_mcp(client: Any) -> None:
    """A remote MCP server's tool is called by the service."""
    server = {"type": "mcp_server", "name": "weather", "url": "https://mcp.example.com/mcp"}
    interaction = client.interactions.create(model=_MODEL, input="The weather in New York?", tools=[server])
    call, result = (step for step in interaction.steps if step.type.startswith("mcp_server_tool"))
    assert (call.server_name, result.call_id) == ("weather", call.id)


def test_function_calling(client: Any) -> None:
    """The model asks, the client answers in a new interaction, the model uses the answer."""
    interaction = client.interactions.create(
        model=_MODEL, input="What is the weather in Paris?", tools=[_WEATHER]
    )
    assert interaction.status == "requires_action"
    (call,) = (step for step in interaction.steps if step.type == "function_call")
    assert (call.name, call.arguments) == ("get_weather", {"location": "Paris"})
    answer = client.interactions.create(
        model=_MODEL,
        previous_interaction_id=interaction.id,
        tools=[_WEATHER],
        input=[
            {"type": "function_result", "name": call.name, "call_id": call.id, "result": "Sunny, 24 degrees"}
        ],
    )
    assert "Sunny, 24 degrees" in answer.output_text


@pytest.mark.parametrize("store", [True, False])
def test_long_answers_are_continued(client: Any, *, store: bool) -> None:
    """The SDK follows the continuation token by itself and joins the hops."""
    interaction = client.interactions.create(
        model="gemini-4-argon", input="Heat pumps [[emulator fault=requires-continuation]]", store=store
    )
    assert interaction.status == "completed"
    assert text_of(interaction).endswith(".")
    assert len(text_of(interaction)) > 200


def test_a_model_may_refuse_the_background(client: Any) -> None:
    """The same create without ``background`` is answered with the finished interaction."""
    request = {"model": _MODEL, "input": "q [[emulator fault=no-background]]"}
    with pytest.raises(compat_errors.BadRequestError, match="'background'"):
        client.interactions.create(**request, background=True)
    assert client.interactions.create(**request).status == "completed"


def test_a_vanished_parent_is_not_found(client: Any) -> None:
    """A conversation cannot go on from what was deleted."""
    first = client.interactions.create(model=_MODEL, input="q")
    client.interactions.delete(first.id)
    with pytest.raises(compat_errors.NotFoundError):
        client.interactions.create(model=_MODEL, input="q", previous_interaction_id=first.id)


@pytest.mark.filterwarnings("ignore:Interaction stopped before completion")
def test_long_answers_may_be_left_half(client: Any) -> None:
    """Without automatic continuation the caller sees the status itself."""
    stopped = client.interactions.create(
        model="gemini-4-argon",
        input="Heat pumps [[emulator fault=requires-continuation]]",
        automatic_continuation=False,
    )
    assert stopped.status == "requires_continuation"


def test_deep_research(client: Any) -> None:
    """A background run is polled to its end; the SDK knows every step, content and annotation in it."""
    interaction = client.interactions.create(
        agent=_RESEARCH,
        input="Research the history of the Google TPUs.",
        background=True,
        agent_config={"type": "deep-research", "thinking_summaries": "auto"},
    )
    assert interaction.status == "in_progress"
    done = finish(client, interaction)
    assert done.status == "completed"
    assert done.output_image.mime_type == "image/png"
    assert done.usage.grounding_tool_count[0].count == 80
    assert not any(getattr(step, "is_unknown", False) for step in done.steps)
    # The SDK's own reading loses what is before the chart; that is the trap this result sets.
    assert done.output_text
    assert not done.output_text.startswith("# ")
    follow_up = client.interactions.create(
        model=_MODEL, input="What was the first finding?", previous_interaction_id=done.id
    )
    first_finding = text_of(done).split("\n- ")[1].split("\n")[0]
    assert first_finding in text_of(follow_up)


def test_deep_research_needs_the_background(client: Any) -> None:
    """The refusal is the SDK's BadRequestError."""
    with pytest.raises(compat_errors.BadRequestError, match="background=true"):
        client.interactions.create(agent=_RESEARCH, input="q")


def test_planning(client: Any) -> None:
    """Plan, refine, approve: three interactions, the last of which researches."""
    config = {"type": "deep-research", "collaborative_planning": True}
    plan = finish(
        client,
        client.interactions.create(agent=_RESEARCH, input="Heat pumps", background=True, agent_config=config),
    )
    assert "Research plan" in plan.output_text
    refined = finish(
        client,
        client.interactions.create(
            agent=_RESEARCH,
            input="Add costs in €",
            background=True,
            agent_config=config,
            previous_interaction_id=plan.id,
        ),
    )
    report = finish(
        client,
        client.interactions.create(
            agent=_RESEARCH,
            input="go",
            background=True,
            agent_config={"type": "deep-research", "collaborative_planning": False},
            previous_interaction_id=refined.id,
        ),
    )
    assert "Add costs in €" in text_of(report)


def test_stream_resume(client: Any) -> None:
    """A stream that is left and resumed tells the same as one that was never left."""
    created = client.interactions.create(
        agent=_RESEARCH,
        input="Heat pumps",
        background=True,
        stream=True,
        agent_config={"type": "deep-research", "thinking_summaries": "auto"},
    )
    first = []
    for event in created:
        first.append(event)
        if len(first) > 20 and getattr(event, "event_id", None):
            break
    interaction_id = first[0].interaction.id
    finish(client, client.interactions.get(interaction_id))
    rest = list(client.interactions.get(interaction_id, stream=True, last_event_id=first[-1].event_id))
    whole = list(client.interactions.get(interaction_id, stream=True))
    assert [each.model_dump() for each in rest] == [each.model_dump() for each in whole[len(first) :]]
    deltas = [each.event_id for each in itertools.chain(first, rest) if each.event_type == "step.delta"]
    assert deltas == [each.event_id for each in whole if each.event_type == "step.delta"]


def test_cancel_and_delete(client: Any) -> None:
    """A cancelled run is cancelled, a deleted one is gone."""
    interaction = client.interactions.create(
        agent=_RESEARCH, input="Heat pumps [[emulator duration_s=100000]]", background=True
    )
    assert client.interactions.cancel(interaction.id).status == "cancelled"
    assert finish(client, client.interactions.get(interaction.id)).status == "cancelled"
    client.interactions.delete(interaction.id)
    with pytest.raises(compat_errors.NotFoundError):
        client.interactions.get(interaction.id)


def test_webhooks(client: Any) -> None:
    """The webhook resource, from creation to deletion."""
    hook = client.webhooks.create(
        uri="http://127.0.0.1:9/", subscribed_events=["interaction.completed"], name="n"
    )
    assert hook.new_signing_secret.startswith("whsec_")
    assert client.webhooks.get(id=hook.id).state == "enabled"
    assert client.webhooks.update(id=hook.id, name="m").name == "m"
    assert hook.id in [each.id for each in client.webhooks.list().webhooks]
    client.webhooks.ping(id=hook.id)
    rotated = client.webhooks.rotate_signing_secret(id=hook.id)
    assert rotated.secret != hook.new_signing_secret
    assert len(client.webhooks.get(id=hook.id).signing_secrets) == 2
    client.webhooks.delete(id=hook.id)
    with pytest.raises(compat_errors.NotFoundError):
        client.webhooks.get(id=hook.id)


@pytest.mark.filterwarnings("ignore:Agents usage is experimental")
def test_custom_agent(client: Any) -> None:
    """An agent of one's own runs under its own id."""
    client.agents.create(id="mine", base_agent=_RESEARCH)
    run = client.interactions.create(agent="mine", input="Heat pumps", background=True)
    assert run.agent == "mine"
    client.agents.delete(id="mine")


@pytest.mark.parametrize("fault", ["500-after", "503-after", "504-after"])
def test_the_sdks_retries_pay_twice(server: EmulatorServer, fault: str) -> None:
    """Left to itself, the SDK repeats a create that was accepted: the reason for this project."""
    client = client_of(server, attempts=2)
    token = f"sdk-{fault}"
    client.interactions.create(
        agent=_RESEARCH, input=f"q [[emulator submission={token} fault={fault}]]", background=True
    )
    assert server.submission(token)["interactions"] == 2


def test_a_dropped_reply_is_a_connection_error(client: Any, server: EmulatorServer) -> None:
    """The SDK cannot know that the run exists."""
    text = "q [[emulator submission=sdk-dropped fault=accepted-then-dropped]]"
    with pytest.raises(compat_errors.APIConnectionError):
        client.interactions.create(agent=_RESEARCH, input=text, background=True)
    assert server.submission("sdk-dropped")["interactions"] == 1


def test_an_unknown_step_is_kept(client: Any) -> None:
    """The SDK keeps what it does not know, and so must every client."""
    interaction = client.interactions.create(
        agent=_RESEARCH, input="q [[emulator fault=unknown-step]]", background=True
    )
    unknown = [step for step in finish(client, interaction).steps if getattr(step, "is_unknown", False)]
    assert {step.raw["type"] for step in unknown} == {"tool_call", "holographic_note"}
