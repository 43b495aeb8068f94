"""What an agent does, in one line."""

from typing import Any, Final

import pytest
from pydantic import TypeAdapter

from interactions.activity import MAX_LINE_CHARS, activity_line, is_call
from interactions.steps import Step

STEP: Final[TypeAdapter[Step]] = TypeAdapter(Step)


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ({"type": "google_search_call", "arguments": {"queries": ["a", "b"]}}, "searching: a; b"),
        ({"type": "google_search_call"}, "searching the web"),
        (
            {"type": "url_context_call", "arguments": {"urls": ["https://a.example", "https://b.example"]}},
            "reading https://a.example https://b.example",
        ),
        ({"type": "url_context_call"}, "reading pages"),
        ({"type": "code_execution_call", "arguments": {"language": "python"}}, "running python code"),
        ({"type": "code_execution_call"}, "running some code"),
        ({"type": "google_maps_call", "arguments": {"queries": ["Oslo"]}}, "searching maps: Oslo"),
        ({"type": "file_search_call"}, "searching files"),
        ({"type": "retrieval_call", "arguments": {"queries": ["q"]}}, "searching own sources: q"),
        (
            {"type": "tool_search_call", "arguments": {"function_names": ["f"]}},
            "looking for functions: f",
        ),
        (
            {"type": "function_call", "name": "get_weather", "arguments": {"city": "x"}},
            "calling get_weather(…)",
        ),
        (
            {"type": "mcp_server_tool_call", "name": "find", "server_name": "tracker"},
            "calling find(…) of tracker",
        ),
        ({"type": "processing_call"}, "processing media"),
        ({"type": "tool_call"}, "calling a tool"),
        ({"type": "google_search_call", "arguments": {"queries": ["\x1b[2Ja\nb"]}}, "searching: [2Ja b"),
    ],
)
def test_each_call_has_its_line(step: dict[str, Any], line: str) -> None:
    """Every tool is named, with what it is about as far as that is known, on one clean line."""
    call = STEP.validate_python(step)
    assert is_call(call)
    assert activity_line(call) == line


def test_a_line_has_an_end() -> None:
    """However much is searched for, one line of it is shown."""
    call = STEP.validate_python({"type": "google_search_call", "arguments": {"queries": ["q" * 5_000]}})
    assert len(activity_line(call)) == MAX_LINE_CHARS


@pytest.mark.parametrize("kind", ["thought", "model_output", "google_search_result", "user_input", "sketch"])
def test_nothing_else_is_a_call(kind: str) -> None:
    """Results, words and what nobody knows are no calls."""
    assert not is_call(STEP.validate_python({"type": kind}))
