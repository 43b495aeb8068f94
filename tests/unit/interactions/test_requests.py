"""Create requests: everything the service takes, nothing it does not, and only what was said."""

import importlib
import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from interactions import inputs, requests, tools
from interactions.inputs import FunctionResult, Image, ReplayedStep, Text, UserInput
from interactions.requests import CreateInteraction

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "default": None}}

EVERYTHING: dict[str, Any] = {
    "system_instruction": "Be brief.",
    "previous_interaction_id": "v1_a",
    "response_format": [
        {"type": "text", "mime_type": "application/json", "schema": {"type": "object", "default": None}},
        {"type": "image", "aspect_ratio": "16:9", "image_size": "2K", "delivery": "uri"},
        {"type": "audio", "mime_type": "audio/wav", "sample_rate": 24000, "bit_rate": 1},
        {"type": "video", "resolution": "720p", "duration": "5s", "gcs_uri": "gs://b/o"},
        {"title": "any other object"},
    ],
    "background": True,
    "store": True,
    "webhook_config": {"uris": ["https://ex.org/hook"], "user_metadata": {"run": "r-17"}},
    "service_tier": "flex",
    "environment": {
        "type": "remote",
        "environment_id": "e",
        "sources": [{"type": "inline", "content": "x", "encoding": "utf-8", "target": "/a"}],
        "network": {"allowlist": [{"domain": "ex.org", "credential": "c", "transform": [{"a": "b"}]}]},
        "env": {"A": "1", "B": {"credential": "c"}},
    },
    "labels": {"team": "x"},
    "safety_settings": [{"type": "harassment", "threshold": "off", "method": "severity"}],
    "continuation_token": "t",
    "tools": [
        FUNCTION,
        {"type": "google_search", "search_types": ["web_search"]},
        {"type": "url_context"},
        {"type": "code_execution"},
        {"type": "file_search", "file_search_store_names": ["s"], "top_k": 3, "metadata_filter": "a=1"},
        {"type": "google_maps", "enable_widget": True, "latitude": 1.5, "longitude": 2.5},
        {
            "type": "mcp_server",
            "name": "m",
            "url": "https://mcp",
            "headers": {"authorization": "x"},
            "allowed_tools": ["a", {"mode": "any", "tools": ["b"]}],
        },
        {"type": "computer_use", "environment": "browser", "disabled_safety_policies": ["account_creation"]},
        {
            "type": "retrieval",
            "retrieval_types": ["rag_store"],
            "rag_store_config": {
                "rag_resources": [{"rag_corpus": "c", "rag_file_ids": ["f"]}],
                "rag_retrieval_config": {"top_k": 2, "filter": {"metadata_filter": "x"}},
            },
            "vertex_ai_search_config": {"engine": "e", "datastores": ["d"]},
            "exa_ai_search_config": {"api_key": "k", "custom_config": {"n": None}},
            "parallel_ai_search_config": {"api_key": "k"},
        },
        {"type": "tool_search", "execution": "client", "name": "n", "parameters": {"type": "object"}},
    ],
}

FOR_A_MODEL: dict[str, Any] = {
    "model": "gemini-3.8-flash",
    "input": "Hello.",
    "generation_config": {
        "max_output_tokens": 5,
        "seed": 0,
        "stop_sequences": ["x"],
        "thinking_level": "low",
        "thinking_summaries": "auto",
        "tool_choice": {"allowed_tools": {"mode": "any", "tools": ["f"]}},
        "speech_config": [{"speaker": "s", "voice": "v", "language": "en"}],
        "transcription_config": {"mode": {"type": "smart", "source_text": "x"}, "language_codes": ["en"]},
        "video_config": {"task": "edit"},
    },
}

AGENT_CONFIGS: list[dict[str, Any]] = [
    {
        "type": "deep-research",
        "thinking_summaries": "auto",
        "visualization": "off",
        "collaborative_planning": False,
        "enable_bigquery_tool": True,
    },
    {"type": "antigravity", "max_total_tokens": "9007199254740993", "model": "m"},
    {
        "type": "code-mender",
        "session_id": "s",
        "session_config": {"max_rounds": 3},
        "find_request": {"mode": "scan", "source_files": [{"path": "a.c", "content": "x"}]},
        "fix_request": {"finding_id": "f"},
    },
    {"type": "dynamic", "whatever": {"it": ["takes"]}},
]


def sent(**fields: Any) -> Any:
    """The body that a create of ``fields`` sends."""
    return json.loads(CreateInteraction(**fields).to_body(stream=False))


def test_everything_asked_of_a_model_is_sent_as_it_was_asked() -> None:
    """A request with every field goes out unchanged."""
    body = EVERYTHING | FOR_A_MODEL
    assert sent(**body) == body


@pytest.mark.parametrize("agent_config", AGENT_CONFIGS, ids=lambda agent_config: str(agent_config["type"]))
def test_everything_asked_of_an_agent_is_sent_as_it_was_asked(agent_config: dict[str, Any]) -> None:
    """Each agent's configuration goes out unchanged, 64-bit integers as strings."""
    body = EVERYTHING | {"agent": "a", "input": "Hello.", "agent_config": agent_config}
    assert sent(**body) == body


def test_what_was_not_said_is_not_sent() -> None:
    """The service refuses null where it knows a field and null where it does not."""
    assert sent(agent="a", input="x", store=False, tools=[tools.GoogleSearch()]) == {
        "agent": "a",
        "input": "x",
        "store": False,
        "tools": [{"type": "google_search"}],
    }


def test_null_inside_free_form_objects_is_a_value() -> None:
    """A schema's default or an argument may be null and must stay."""
    result = FunctionResult(call_id="c", result={"temp": None})
    assert sent(model="m", input=[result], tools=[FUNCTION]) == {
        "model": "m",
        "input": [{"type": "function_result", "call_id": "c", "result": {"temp": None}}],
        "tools": [FUNCTION],
    }


@pytest.mark.parametrize(
    "given",
    [
        "Research this.",
        {"type": "text", "text": "x"},
        {"type": "image", "uri": "https://ex.org/a.png", "mime_type": "image/png", "resolution": "high"},
        [{"type": "text", "text": "x"}, {"type": "document", "data": "QUJD", "mime_type": "application/pdf"}],
        [
            {
                "type": "user_input",
                "content": [
                    {"type": "text", "text": "x"},
                    {"type": "video", "uri": "u", "processing": {"type": "static", "fps": 1.5}},
                    {"type": "audio", "uri": "u", "processing": "agentic"},
                    {
                        "type": "document",
                        "uri": "u",
                        "processing": {"type": "static", "page_options": {"start_page": 1}},
                    },
                ],
            },
            {"type": "thought", "signature": "QUJD", "summary": None},
            {"type": "tool_call", "id": "1", "signature": "x"},
            {"type": "model_output", "content": [{"type": "text", "text": "y"}]},
            {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": None}, "signature": "QUJD"},
            {"type": "function_result", "call_id": "c", "result": [{"type": "text", "text": "z"}]},
            {"type": "function_result", "call_id": "d", "result": "z", "is_error": True},
        ],
    ],
)
def test_all_forms_of_input_are_sent_as_given(given: Any) -> None:
    """Text, one content, contents and steps, in JSON or as models, go out as they are."""
    assert sent(model="m", input=given)["input"] == given


def test_input_can_be_written_with_models() -> None:
    """The models and their JSON mean the same."""
    assert sent(model="m", input=Text(text="x"))["input"] == {"type": "text", "text": "x"}
    assert sent(model="m", input=[Text(text="x"), Image(uri="u")])["input"] == [
        {"type": "text", "text": "x"},
        {"uri": "u", "type": "image"},
    ]
    steps = [UserInput(content=(Text(text="x"),)), ReplayedStep(raw={"type": "thought", "new": None})]
    assert sent(model="m", input=steps)["input"] == [
        {"type": "user_input", "content": [{"type": "text", "text": "x"}]},
        {"type": "thought", "new": None},
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "x"},
        {"model": "m", "agent": "a", "input": "x"},
        {"model": "", "input": "x"},
        {"model": "m"},
        {"model": "m", "input": ""},
        {"model": "m", "input": []},
        {"model": "m", "input": [{"role": "user", "content": "old form"}]},
        {"model": "m", "input": [{"type": "text", "text": "x", "surprise": 1}]},
        {"model": "m", "input": [{"type": "user_input", "content": [], "surprise": 1}]},
        {"model": "m", "input": {"type": "image", "data": "QUJD", "uri": "u"}},
        {"model": "m", "input": {"type": "image"}},
        {"model": "m", "input": "x", "surprise": 1},
        {"model": "m", "input": "x", "stream": True},
        {"model": "m", "input": "x", "agent_config": {"type": "dynamic"}},
        {"agent": "a", "input": "x", "generation_config": {"seed": 1}},
        {"agent": "a", "input": "x", "agent_config": {"type": "deep-research", "surprise": 1}},
        {"agent": "a", "input": "x", "agent_config": {"type": "unheard-of"}},
        {"model": "m", "input": "x", "tools": [{"type": "google_search", "surprise": 1}]},
        {"model": "m", "input": "x", "tools": [{"type": "unheard-of"}]},
        {"model": "m", "input": "x", "response_format": {"type": "text", "surprise": 1}},
        {"model": "m", "input": "x", "generation_config": {"top_k": 1}},
        {"model": "m", "input": "x", "service_tier": "golden"},
    ],
)
def test_what_can_only_be_a_mistake_is_refused(fields: dict[str, Any]) -> None:
    """A mistake costs no request."""
    with pytest.raises(ValidationError):
        CreateInteraction(**fields)


def test_a_refused_request_does_not_quote_itself() -> None:
    """Prompts and tokens stay out of validation errors and representations."""
    tool = {"type": "mcp_server", "headers": {"authorization": "marker"}}
    with pytest.raises(ValidationError) as caught:
        CreateInteraction(model="m", input="marker", tools=[tool], surprise="marker")  # type: ignore[call-arg] # the mistake
    assert "marker" not in str(caught.value)
    assert "marker" not in repr(CreateInteraction(model="m", input="marker", tools=[tool]))


def test_input_may_be_left_out_to_continue() -> None:
    """A stopped long answer is continued by its token alone."""
    assert sent(model="m", previous_interaction_id="v1_a", continuation_token="t") == {
        "model": "m",
        "previous_interaction_id": "v1_a",
        "continuation_token": "t",
    }


def test_requests_do_not_change() -> None:
    """A request that was checked stays as it was checked."""
    request = CreateInteraction(model="m", input="x")
    with pytest.raises(ValidationError):
        request.model = "n"  # type: ignore[misc] # the mistake


# --- the official SDK as a witness that our field names are the API's

WITNESSED: dict[type[BaseModel], str] = {
    tools.Function: "Function",
    tools.GoogleSearch: "GoogleSearch",
    tools.UrlContext: "URLContext",
    tools.CodeExecution: "CodeExecution",
    tools.FileSearch: "FileSearch",
    tools.GoogleMaps: "GoogleMaps",
    tools.McpServer: "MCPServer",
    tools.AllowedTools: "AllowedTools",
    tools.ComputerUse: "ComputerUse",
    tools.Retrieval: "Retrieval",
    tools.VertexAiSearchConfig: "VertexAISearchConfig",
    tools.RagStoreConfig: "RagStoreConfig",
    tools.RagResource: "RagResource",
    tools.RagRetrievalConfig: "RagRetrievalConfig",
    tools.RagFilter: "Filter",
    tools.HybridSearch: "HybridSearch",
    tools.Ranking: "Ranking",
    tools.RankService: "RankService",
    tools.ExaAiSearchConfig: "ExaAISearchConfig",
    tools.ParallelAiSearchConfig: "ParallelAISearchConfig",
    tools.ToolSearch: "ToolSearch",
    inputs.Text: "TextContent",
    inputs.Image: "ImageContent",
    inputs.Audio: "AudioContent",
    inputs.Video: "VideoContent",
    inputs.Document: "DocumentContent",
    inputs.AudioProcessing: "AudioStaticMediaProcessing",
    inputs.VideoProcessing: "StaticMediaProcessing",
    inputs.DocumentProcessing: "DocumentStaticMediaProcessing",
    inputs.PageOptions: "PageProcessingOptions",
    inputs.SpreadsheetOptions: "SpreadsheetProcessingOptions",
    inputs.UserInput: "UserInputStep",
    inputs.FunctionResult: "FunctionResultStep",
    requests.GenerationConfig: "GenerationConfig",
    requests.ToolChoice: "ToolChoiceConfig",
    requests.Speaker: "SpeechConfig",
    requests.Speakers: "SpeakerConfig",
    requests.TranscriptionConfig: "TranscriptionConfig",
    requests.VerbatimTranscription: "VerbatimTranscriptionMode",
    requests.SmartTranscription: "SmartTranscriptionMode",
    requests.VideoConfig: "VideoConfig",
    requests.ImageConfig: "ImageConfig",
    requests.DeepResearchConfig: "DeepResearchAgentConfig",
    requests.AntigravityConfig: "AntigravityAgentConfig",
    requests.CodeMenderConfig: "CodeMenderAgentConfig",
    requests.SourceFile: "FileContent",
    requests.FindRequest: "FindRequest",
    requests.FixRequest: "FixRequest",
    requests.SessionConfig: "SessionConfig",
    requests.DynamicConfig: "DynamicAgentConfig",
    requests.TextFormat: "TextResponseFormat",
    requests.ImageFormat: "ImageResponseFormat",
    requests.AudioFormat: "AudioResponseFormat",
    requests.VideoFormat: "VideoResponseFormat",
    requests.Environment: "Environment",
    requests.EnvironmentSource: "Source",
    requests.Egress: "EnvironmentNetworkEgressAllowlist",
    requests.AllowedDomain: "AllowlistEntry",
    requests.EnvironmentVariable: "EnvVar",
    requests.WebhookConfig: "WebhookConfig",
    requests.SafetySetting: "SafetySetting",
}

# What the API documents less than the SDK declares, with the reason why we leave it out.
LEFT_OUT = {
    "TextContent": {"annotations"},  # the service's own, never sent
}


def sdk_fields(name: str) -> set[str]:
    """The names that the official SDK sends for its model ``name``."""
    module = importlib.import_module(
        f"google.genai._gaos.types.interactions.{name.lower()}".replace("filter", "filter_")
    )
    return {field.alias or key for key, field in getattr(module, name).model_fields.items()}


@pytest.mark.parametrize(
    ("ours", "theirs"), WITNESSED.items(), ids=lambda each: getattr(each, "__name__", each)
)
def test_the_official_sdk_knows_the_same_fields(ours: type[BaseModel], theirs: str) -> None:
    """Field names come from the API, not from memory."""
    names = {field.alias or key for key, field in ours.model_fields.items()}
    assert names == sdk_fields(theirs) - LEFT_OUT.get(theirs, set())


def test_the_official_sdk_creates_with_the_same_fields() -> None:
    """A create has every field of the SDK's, but those that only the client sets or the service retired."""
    theirs = sdk_fields("CreateModelInteraction") | sdk_fields("CreateAgentInteraction")
    retired = {"cached_content", "response_mime_type", "response_modalities"}
    assert set(CreateInteraction.model_fields) == theirs - retired - {"stream"}
