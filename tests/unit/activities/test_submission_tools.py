from typing import Any

import pytest
from pydantic import SecretStr

from activities.failures import NotSendable
from activities.submission_tools import tools_of
from runs.errors import RunErrorCode
from runs.messages import AgentRunRequest, SubmitInteraction
from runs.tool_calls import ToolDescription
from runs.tool_secrets import ToolSecret, parse_bindings

_FUNCTION = {"type": "function", "name": "get_weather"}
_PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
_DESCRIBED = ToolDescription(
    name="get_weather", description="The weather.\n\nAnywhere.", parameters=_PARAMETERS, timeout_s=5
)


def _offered(*tools: dict[str, Any], is_vertex: bool = False) -> list[dict[str, Any]] | None:
    """Return the wire's JSON for ``tools``."""
    request = AgentRunRequest.model_validate({"model": "gemini-3.8-flash", "input": "q", "tools": tools})
    submission = SubmitInteraction(request=request, artifacts_prefix="run/1", functions=(_DESCRIBED,))
    secrets = {
        "DOCS": ToolSecret("DOCS", SecretStr("Bearer abc"), parse_bindings("m.example")),
        "LOOSE": ToolSecret("LOOSE", SecretStr("Bearer abc")),
    }
    made = tools_of(submission, secrets, is_vertex=is_vertex)
    return None if made is None else [tool.model_dump(exclude_none=True, mode="json") for tool in made]


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (
            _FUNCTION,
            {
                "type": "function",
                "name": "get_weather",
                "description": "The weather.\n\nAnywhere.",
                "parameters": _PARAMETERS,
            },
        ),
        ({"type": "google_search"}, {"type": "google_search"}),
        (
            {"type": "google_search", "search_types": ["web_search", "image_search"]},
            {"type": "google_search", "search_types": ["web_search", "image_search"]},
        ),
        ({"type": "url_context"}, {"type": "url_context"}),
        ({"type": "code_execution"}, {"type": "code_execution"}),
        (
            {"type": "file_search", "stores": ["s"], "top_k": 3, "metadata_filter": "a = 1"},
            {"type": "file_search", "file_search_store_names": ["s"], "top_k": 3, "metadata_filter": "a = 1"},
        ),
        ({"type": "google_maps"}, {"type": "google_maps"}),
        (
            {"type": "google_maps", "latitude": 0.0, "longitude": 10.5},
            {"type": "google_maps", "latitude": 0.0, "longitude": 10.5},
        ),
        (
            {"type": "computer_use", "environment": "mobile", "excluded": ["drag"]},
            {"type": "computer_use", "environment": "mobile", "excluded_predefined_functions": ["drag"]},
        ),
        (
            {"type": "mcp_server", "name": "docs", "url": "https://m.example/mcp"},
            {"type": "mcp_server", "name": "docs", "url": "https://m.example/mcp"},
        ),
        (
            {
                "type": "mcp_server",
                "name": "docs",
                "url": "https://m.example/mcp",
                "secret": "DOCS",
                "allowed_tools": ["find"],
            },
            {
                "type": "mcp_server",
                "name": "docs",
                "url": "https://m.example/mcp",
                "headers": {"Authorization": "Bearer abc"},
                "allowed_tools": ["find"],
            },
        ),
    ],
)
def test_each_tool_is_offered_as_the_api_takes_it(tool: dict[str, Any], expected: dict[str, Any]) -> None:
    """Nothing is sent that the request does not say."""
    assert _offered(tool) == [expected]


def test_no_tools_are_no_field() -> None:
    """An empty list may mean something else than none."""
    assert _offered() is None


def test_functions_that_are_searched_for_are_described_later() -> None:
    """The model reads a line of each, and the whole of those that the search finds."""
    assert _offered(_FUNCTION, {"type": "tool_search"}) == [
        {
            "type": "function",
            "name": "get_weather",
            "description": "The weather.\n\nAnywhere.",
            "parameters": _PARAMETERS,
            "defer_loading": True,
            "short_description": "The weather.",
        },
        {"type": "tool_search", "execution": "server"},
    ]


def test_retrieval_goes_to_vertex_as_the_service_names_it() -> None:
    """Its options pass through, checked."""
    config = {"vertex_ai_search_config": {"engine": "e"}}
    tool = {"type": "retrieval", "retrieval_types": ["vertex_ai_search"], "options": config}
    assert _offered(tool, is_vertex=True) == [
        {"type": "retrieval", "retrieval_types": ["vertex_ai_search"], **config}
    ]


@pytest.mark.parametrize(
    ("tool", "is_vertex", "reason"),
    [
        (
            {"type": "mcp_server", "name": "wiki", "url": "https://m.example", "secret": "WIKI"},
            False,
            "set LONGHAUL_SECRET_WIKI on the worker",
        ),
        (
            {"type": "mcp_server", "name": "wiki", "url": "https://evil.example/mcp", "secret": "DOCS"},
            False,
            (
                "is bound to m.example, so it is not sent to evil.example; if evil.example is to have it, "
                "set LONGHAUL_SECRET_DOCS_HOST=m.example,evil.example on the worker"
            ),
        ),
        (
            {"type": "mcp_server", "name": "wiki", "url": "https://m.example", "secret": "LOOSE"},
            False,
            "is bound to no host, .* set LONGHAUL_SECRET_LOOSE_HOST=m.example on the worker",
        ),
        ({"type": "retrieval", "retrieval_types": ["rag_store"]}, False, "exists on Vertex AI only"),
        (
            {"type": "retrieval", "retrieval_types": ["rag_store"], "options": {"rag": {}}},
            True,
            "retrieval: rag: Extra inputs are not permitted",
        ),
    ],
)
def test_a_tool_that_cannot_be_offered_is_not(tool: dict[str, Any], reason: str, *, is_vertex: bool) -> None:
    """Nothing is sent without a tool that was asked for."""
    with pytest.raises(NotSendable, match=reason) as caught:
        _offered(tool, is_vertex=is_vertex)
    assert caught.value.code is RunErrorCode.REJECTED


def test_a_function_that_no_worker_has_is_not_offered() -> None:
    """The model would call it in vain."""
    with pytest.raises(NotSendable, match="no worker has the function 'gone'") as caught:
        _offered({"type": "function", "name": "gone"})
    assert caught.value.code is RunErrorCode.UNKNOWN_TOOL
