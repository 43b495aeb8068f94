from typing import Any

import pytest

from emulator.errors import ApiError
from emulator.records import Behaviour
from emulator.validation import check_create

_MODEL = {"model": "gemini-3.8-flash", "input": "q"}
_RESEARCH = {"agent": "deep-research-preview-04-2026", "input": "q", "background": True}
_SANDBOX = {"agent": "antigravity-preview-09-2026", "input": "q", "environment": "remote"}
_FUNCTION = {"type": "function", "name": "f"}


def check(body: Any, *, is_vertex: bool = False) -> Behaviour:
    """Check a create on a server with one custom agent."""
    custom = {"mine": {"id": "mine", "base_agent": "deep-research-preview-04-2026"}}
    return check_create(body, custom_agents=custom, is_vertex=is_vertex)


@pytest.mark.parametrize(
    ("body", "behaviour"),
    [
        (_MODEL, Behaviour.MODEL),
        ({**_MODEL, "model": "models/gemini-3.8-flash"}, Behaviour.MODEL),
        (_RESEARCH, Behaviour.RESEARCH),
        ({**_RESEARCH, "agent": "deep-research-max-preview-04-2026"}, Behaviour.RESEARCH),
        ({**_RESEARCH, "agent": "mine"}, Behaviour.RESEARCH),
        (
            {**_RESEARCH, "agent_config": {"type": "deep-research", "collaborative_planning": True}},
            Behaviour.PLAN,
        ),
        (_SANDBOX, Behaviour.SANDBOX),
    ],
)
def test_what_is_asked_decides_how_it_goes(body: dict[str, Any], behaviour: Behaviour) -> None:
    """Model, agent and planning flag choose the behaviour."""
    assert check(body) is behaviour


@pytest.mark.parametrize(
    "value",
    [
        "text",
        {"type": "text", "text": "t"},
        [{"type": "text", "text": "t"}, {"type": "document", "uri": "https://a.example/x.pdf"}],
        [
            {"type": "user_input", "content": [{"type": "video", "uri": "u", "processing": {}}]},
            {"type": "model_output", "content": [{"type": "text", "text": "t"}]},
            {"type": "thought", "signature": "QUJD"},
            {"type": "function_call", "id": "1", "name": "f", "arguments": {}},
            {"type": "function_result", "call_id": "1", "result": {"any": "thing"}},
        ],
    ],
)
def test_input_has_four_forms(value: Any) -> None:
    """A string, a content, a list of contents and a list of steps are all inputs."""
    assert check({**_MODEL, "input": value}) is Behaviour.MODEL


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "Request body must be a JSON object."),
        ({"input": "q"}, "Exactly one of 'model' or 'agent'"),
        ({**_MODEL, **_RESEARCH}, "Exactly one of 'model' or 'agent'"),
        ({**_MODEL, "client_request_id": "1"}, "Unknown parameter 'client_request_id'."),
        ({**_MODEL, "metadata": {}}, "Unknown parameter 'metadata'."),
        ({**_MODEL, "cached_content": "c"}, "Unknown parameter 'cached_content'."),
        ({**_MODEL, "response_mime_type": "text/plain"}, "Unknown parameter 'response_mime_type'."),
        ({**_MODEL, "labels": {"a": "b"}}, "Unknown parameter 'labels'."),
        ({**_MODEL, "safety_settings": []}, "Unknown parameter 'safety_settings'."),
        ({"model": "gemini-3.8-flash"}, "Missing input."),
        ({**_MODEL, "input": ""}, "Request has empty input."),
        ({**_MODEL, "input": []}, "Request has empty input."),
        ({**_MODEL, "input": [{"type": "user_input", "content": []}]}, "Request has empty input."),
        ({**_MODEL, "input": 7}, "'input'"),
        ({**_MODEL, "input": [{"role": "user", "content": "q"}]}, "Unknown parameter 'role' at 'input[0]'"),
        (
            {**_MODEL, "input": [{"type": "text", "text": "t"}, {"type": "text", "text": "t", "x": 1}]},
            "'input[1]'",
        ),
        ({**_MODEL, "input": [{"type": "hologram"}]}, "Unknown type 'hologram' at 'input[0]'"),
        (
            {**_MODEL, "input": [{"type": "video", "uri": "u", "processing": {}}]},
            "'processing' at 'input[0]'",
        ),
        (
            {**_MODEL, "input": [{"type": "function_result", "call_id": "1", "result": [1]}]},
            "'input[0].result[0]'",
        ),
        ({**_MODEL, "input": [{"type": "function_result", "result": "r"}]}, "Missing parameter 'call_id'"),
        ({**_RESEARCH, "background": False}, "Agents are required to use background=true"),
        ({**_MODEL, "background": "yes"}, "'background'"),
        ({**_MODEL, "store": False, "background": True}, "'store' must be true"),
        ({**_MODEL, "store": False, "previous_interaction_id": "v1_a"}, "'store' must be true"),
        ({**_MODEL, "service_tier": "gold"}, "'service_tier'"),
        ({**_RESEARCH, "generation_config": {}}, "'generation_config' cannot be used with 'agent'"),
        ({**_MODEL, "generation_config": {"top_k": 3}}, "Unknown parameter 'top_k' at 'generation_config'"),
        ({**_MODEL, "generation_config": {"thinking_level": "huge"}}, "'generation_config.thinking_level'"),
        ({**_MODEL, "generation_config": {"tool_choice": "maybe"}}, "'generation_config.tool_choice'"),
        ({**_MODEL, "agent_config": {"type": "deep-research"}}, "'agent_config' cannot be used with 'model'"),
        ({**_RESEARCH, "agent_config": {"type": "antigravity"}}, "does not fit agent"),
        ({**_RESEARCH, "agent_config": {"type": "deep-research", "depth": 3}}, "Unknown parameter 'depth'"),
        ({**_RESEARCH, "agent_config": {"type": "deep-research", "visualization": "on"}}, "visualization"),
        (
            {**_RESEARCH, "agent_config": {"type": "deep-research", "enable_bigquery_tool": True}},
            "enable_bigquery_tool",
        ),
        ({**_RESEARCH, "system_instruction": "s"}, "'system_instruction' is not supported"),
        ({**_RESEARCH, "tools": [_FUNCTION]}, "Tool type 'function' is not supported"),
        ({**_RESEARCH, "tools": [{"type": "computer_use"}]}, "Tool type 'computer_use' is not supported"),
        ({**_RESEARCH, "tools": [{"type": "google_maps"}]}, "Tool type 'google_maps' is not supported"),
        ({**_RESEARCH, "response_format": {"type": "text"}}, "'response_format' is not supported"),
        ({**_RESEARCH, "environment": "remote"}, "'environment' is not supported"),
        ({**_SANDBOX, "environment": None}, "'environment' is required"),
        ({**_SANDBOX, "tools": [{"type": "file_search"}]}, "Tool type 'file_search' is not supported"),
        ({**_SANDBOX, "tools": [{"type": "mcp_server", "name": "Big", "url": "https://m"}]}, "lower case"),
        ({**_SANDBOX, "tools": [_FUNCTION], "store": False}, "'store' must be true"),
        ({**_MODEL, "tools": [{"type": "file_search"}, {"type": "google_search"}]}, "cannot be combined"),
        ({**_MODEL, "tools": [{"type": "retrieval"}]}, "Tool type 'retrieval' is not supported"),
        ({**_MODEL, "tools": [{"type": "teleport"}]}, "Unknown type 'teleport' at 'tools[0]'"),
        ({**_MODEL, "tools": [{"type": "function"}]}, "Missing parameter 'name' at 'tools[0]'"),
        ({**_MODEL, "response_format": {"type": "image", "aspect_ratio": "7:5"}}, "aspect_ratio"),
        ({**_MODEL, "response_format": {"type": "video", "gcs_uri": "gs://b/"}}, "'gcs_uri'"),
        ({**_MODEL, "response_modalities": ["IMAGE"]}, "'response_modalities'"),
        ({**_MODEL, "webhook_config": {"uris": ["https://h"]}}, "'webhook_config' requires background=true"),
        ({**_RESEARCH, "webhook_config": {"uris": []}}, "'webhook_config.uris'"),
        ({**_RESEARCH, "webhook_config": {"uris": ["ftp://h"]}}, "'webhook_config.uris'"),
        ({**_RESEARCH, "webhook_config": {"uris": ["https://h"], "key": "k"}}, "Unknown parameter 'key'"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(body: Any, message: str) -> None:
    """Each rule of the API answers 400 invalid_request and names what is wrong."""
    with pytest.raises(ApiError) as caught:
        check(body)
    assert (caught.value.status, caught.value.code) == (400, "invalid_request")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**_MODEL, "model": "gpt-5"}, 404, "model_not_found"),
        ({**_RESEARCH, "agent": "nobody"}, 404, "not_found"),
    ],
)
def test_what_does_not_exist_is_no_bad_request(body: Any, status: int, code: str) -> None:
    """Unknown models and agents are 404."""
    with pytest.raises(ApiError) as caught:
        check(body)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_vertex_takes_more() -> None:
    """Labels and safety settings are for Vertex AI paths only."""
    assert (
        check({**_MODEL, "labels": {"team": "a-1"}, "safety_settings": []}, is_vertex=True) is Behaviour.MODEL
    )
