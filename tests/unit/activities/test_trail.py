from typing import Any

import pytest

from activities.trail import trail_of
from artifacts.blocks import Activity, Detail
from interactions.responses import Interaction


def _trail(*steps: dict[str, Any]) -> tuple[tuple[Activity, ...], int]:
    return trail_of(Interaction.model_validate({"steps": list(steps)}).steps)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (
            [{"type": "google_search_call", "id": "1", "arguments": {"queries": ["tea", "tannin"]}}],
            Activity("Searched the web", (Detail("tea"), Detail("tannin"))),
        ),
        (
            [
                {"type": "url_context_call", "id": "1", "arguments": {"urls": ["https://a.example"]}},
                {
                    "type": "url_context_result",
                    "call_id": "1",
                    "result": [
                        {"url": "https://a.example", "status": "success"},
                        {"url": "https://b.example", "status": "paywall"},
                    ],
                },
            ],
            Activity(
                "Read pages",
                (
                    Detail("https://a.example", "https://a.example"),
                    Detail("https://b.example", "https://b.example", "paywall"),
                ),
            ),
        ),
        (
            [
                {
                    "type": "code_execution_call",
                    "id": "1",
                    "arguments": {"language": "python", "code": "1 / 0"},
                },
                {
                    "type": "code_execution_result",
                    "call_id": "1",
                    "is_error": True,
                    "result": [{"type": "text", "text": "ZeroDivisionError"}, {"type": "image", "data": "x"}],
                },
            ],
            Activity(
                "Ran python code",
                code="1 / 0",
                language="python",
                output="ZeroDivisionError\n[image]",
                has_failed=True,
            ),
        ),
        (
            [
                {"type": "google_maps_call", "id": "1", "arguments": {"queries": ["tea house"]}},
                {
                    "type": "google_maps_result",
                    "call_id": "1",
                    "result": [{"places": [{"name": "Leaf", "url": "https://maps.example/1"}]}],
                },
            ],
            Activity("Looked for places", (Detail("tea house"), Detail("Leaf", "https://maps.example/1"))),
        ),
        ([{"type": "file_search_call", "id": "1"}], Activity("Searched files")),
        (
            [{"type": "retrieval_call", "id": "1", "arguments": {"queries": ["tea"]}}],
            Activity("Retrieved", (Detail("tea"),)),
        ),
        (
            [{"type": "tool_search_call", "id": "1", "arguments": {"function_names": ["brew"]}}],
            Activity("Looked for tools", (Detail("brew"),)),
        ),
        (
            [
                {"type": "function_call", "id": "1", "name": "brew", "arguments": {"cups": 2}},
                {"type": "function_result", "call_id": "1", "result": {"tea": "hot"}},
            ],
            Activity("Called brew", (Detail('{"cups": 2}'),)),
        ),
        (
            [
                {"type": "function_call", "id": "1", "name": "brew", "arguments": {}},
                {"type": "function_result", "call_id": "1", "is_error": True, "result": {"why": "no water"}},
            ],
            Activity("Called brew", output='{"why": "no water"}', has_failed=True),
        ),
        (
            [
                {
                    "type": "mcp_server_tool_call",
                    "id": "1",
                    "server_name": "wiki",
                    "name": "find",
                    "arguments": {"q": "tea"},
                },
                {"type": "mcp_server_tool_result", "call_id": "1", "result": "found"},
            ],
            Activity("Asked wiki for find", (Detail('{"q": "tea"}'),)),
        ),
        ([{"type": "thought"}, {"type": "tool_call", "id": "1"}, {"type": "processing_call"}], None),
    ],
)
def test_each_call_is_told_with_what_came_of_it(steps: list[dict[str, Any]], told: Activity | None) -> None:
    """What was searched, read, run and called, and whether it worked; not what the steps are for the API."""
    assert _trail(*steps) == ((() if told is None else (told,)), 0)


def test_a_result_belongs_to_the_call_it_names() -> None:
    """Calls run side by side, and without an id no result is anybody's."""
    call = {"type": "code_execution_call", "arguments": {"code": "x"}}
    result = {"type": "code_execution_result"}
    told, _ = _trail(
        {**call, "id": "1"},
        {**call, "id": "2"},
        {**call, "id": ""},
        {**result, "call_id": "2", "result": "two"},
        {**result, "call_id": "1", "result": "one"},
        {**result, "call_id": "", "result": "none"},
    )
    assert [activity.output for activity in told] == ["one", "two", ""]


def test_a_trail_is_bounded() -> None:
    """A hostile one is cut, in each direction; an address that is cut is no link."""
    many = {"urls": ["https://a.example/" + "x" * 5_000] + [f"https://a.example/{n}" for n in range(5_000)]}
    told, more = _trail(
        *({"type": "url_context_call", "id": str(number), "arguments": many} for number in range(400))
    )
    assert (len(told), more) == (300, 100)
    first, *_, last = told[0].details
    assert (len(first.text), first.url) == (301, None)
    assert last == Detail("4,981 more")
    code, _ = _trail(
        {
            "type": "code_execution_call",
            "id": "1",
            "arguments": {"language": "l" * 9_999, "code": "c" * 9_999},
        },
        {"type": "code_execution_result", "call_id": "1", "result": "o" * 9_999},
    )
    assert sum(len(text) for text in (code[0].title, code[0].code, code[0].output)) < 7_000
