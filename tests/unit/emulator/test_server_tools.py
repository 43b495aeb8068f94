from typing import Any

import httpx2 as httpx
import pytest

from emulator.clock import Clock
from tests.unit.emulator.conftest import RESEARCH
from tests.unit.emulator.helpers import MODEL, answered, ask, contents, error_of, fast_clock, text_of

_VERTEX = "http://emulator/v1beta1/projects/p/locations/global"
_MCP = {"type": "mcp_server", "name": "notes", "url": "https://mcp.example.com/mcp"}


@pytest.fixture
def clock() -> Clock:
    """Models answer in the foreground, so here time flies instead of standing still."""
    return fast_clock()


def kinds_of(interaction: dict[str, Any]) -> list[str]:
    """The kinds of steps between the thought and the answer."""
    return [step["type"] for step in interaction["steps"] if step["type"] not in {"thought", "model_output"}]


def cited(interaction: dict[str, Any]) -> list[tuple[str, str]]:
    """What kind of citation covers which text."""
    return [
        (each["type"], content["text"].encode()[each["start_index"] : each["end_index"]].decode())
        for content in contents(interaction)
        for each in content.get("annotations", [])
    ]


async def test_several_tools_leave_pairs_of_steps(api: httpx.AsyncClient) -> None:
    """Each tool shows a call and its result, in the order in which they were offered."""
    kinds = ("google_search", "url_context", "code_execution", "google_maps")
    answer = await ask(api, "Cafés in Zürich", tools=[*({"type": kind} for kind in kinds), _MCP])
    expected = [*kinds, "mcp_server_tool"]
    assert kinds_of(answer) == [f"{kind}_{end}" for kind in expected for end in ("call", "result")]
    calls = [step["id"] for step in answer["steps"] if step["type"].endswith("_call")]
    assert [step["call_id"] for step in answer["steps"] if step["type"].endswith("_result")] == calls
    assert len(set(calls)) == len(expected)


@pytest.mark.parametrize(
    ("tool", "citation"),
    [
        ({"type": "google_search"}, "url_citation"),
        ({"type": "url_context"}, "url_citation"),
        ({"type": "google_maps"}, "place_citation"),
        ({"type": "file_search", "file_search_store_names": ["fileSearchStores/a"]}, "file_citation"),
    ],
)
async def test_what_is_found_is_cited(api: httpx.AsyncClient, tool: dict[str, Any], citation: str) -> None:
    """Whole sentences, by byte offsets, with the citation of the tool's kind."""
    found = cited(await ask(api, "Cafés in Zürich", tools=[tool]))
    assert found
    assert {kind for kind, _ in found} == {citation}
    assert all(sentence[0].isupper() and sentence.endswith(".") for _, sentence in found)


async def test_pages_that_cannot_be_read_say_so(api: httpx.AsyncClient) -> None:
    """A word in its address decides how a page goes; only what was read is cited."""
    urls = [f"https://a.example/{word}" for word in ("fine", "paywall", "broken", "unsafe")]
    answer = await ask(api, f"Compare {' and '.join(urls)}.", tools=[{"type": "url_context"}])
    call, result = answer["steps"][1:3]
    assert call["arguments"] == {"urls": urls}
    assert [page["status"] for page in result["result"]] == ["success", "paywall", "error", "unsafe"]
    assert [each["url"] for each in contents(answer)[0]["annotations"]] == urls[:1]


async def test_code_prints_what_it_should(api: httpx.AsyncClient) -> None:
    """The program adds the numbers of the question, and the answer knows the sum."""
    answer = await ask(api, "Add 2.5 and 4", tools=[{"type": "code_execution"}])
    call, result = answer["steps"][1:3]
    assert call["arguments"] == {"language": "python", "code": "print(sum([2.5, 4.0]))"}
    assert (result["result"], result["is_error"]) == ("6.5\n", False)
    assert "printed 6.5." in text_of(answer)


async def test_a_search_may_have_several_types(api: httpx.AsyncClient) -> None:
    """One search a type, and the bill counts every query."""
    tool = {"type": "google_search", "search_types": ["web_search", "image_search"]}
    answer = await ask(api, "Zürich", tools=[tool])
    calls = [step for step in answer["steps"] if step["type"] == "google_search_call"]
    assert [call["search_type"] for call in calls] == tool["search_types"]
    queries = sum(len(call["arguments"]["queries"]) for call in calls)
    assert answer["usage"]["grounding_tool_count"] == [{"type": "google_search", "count": queries}]


async def test_the_bill_of_tools_adds_up(api: httpx.AsyncClient) -> None:
    """Reading what tools found is a part of the total."""
    usage = (await ask(api, "Zürich", tools=[{"type": "google_maps", "enable_widget": True}]))["usage"]
    parts = [usage[f"total_{part}_tokens"] for part in ("input", "output", "thought", "tool_use")]
    assert parts[3] > 0
    assert usage["total_tokens"] == sum(parts)
    assert usage["grounding_tool_count"] == [{"type": "google_maps", "count": 1}]


async def test_mcp_may_hide_what_it_does(api: httpx.AsyncClient) -> None:
    """Live models have been seen to show an undeclared step in place of the pair."""
    assert kinds_of(await ask(api, "q", tools=[_MCP])) == ["mcp_server_tool_call", "mcp_server_tool_result"]
    assert kinds_of(await ask(api, "q [[emulator fault=mcp-tool-call]]", tools=[_MCP])) == ["tool_call"]


async def test_retrieval_is_for_vertex(api: httpx.AsyncClient) -> None:
    """Elsewhere it is refused; there each source is a pair, counted as grounding."""
    types = ["vertex_ai_search", "rag_store"]
    body = {**MODEL, "input": "q", "tools": [{"type": "retrieval", "retrieval_types": types}]}
    assert error_of(await api.post("/interactions", json=body)) == (400, "invalid_request")
    answer = (await api.post(f"{_VERTEX}/interactions", json=body)).json()
    calls = [step for step in answer["steps"] if step["type"] == "retrieval_call"]
    assert [call["retrieval_type"] for call in calls] == types
    assert answer["usage"]["grounding_tool_count"] == [{"type": "retrieval", "count": 2}]


async def test_an_agent_uses_its_tools(api: httpx.AsyncClient) -> None:
    """Deep Research asks servers and searches files, too, and cites the files."""
    tools = [_MCP, {"type": "file_search", "file_search_store_names": ["fileSearchStores/a"]}]
    found = await answered(api, {**RESEARCH, "input": "Heat pumps", "tools": tools})
    assert {"mcp_server_tool_call", "file_search_call", "google_search_call"} <= set(kinds_of(found))
    assert "file_citation" in {kind for kind, _ in cited(found)}


async def test_a_sandbox_uses_its_tools(api: httpx.AsyncClient) -> None:
    """Antigravity runs code in any case, and searches when it may."""
    body = {"agent": "antigravity-preview-09-2026", "environment": "remote", "input": "q"}
    found = await answered(api, {**body, "tools": [{"type": "google_search"}]})
    assert {"code_execution_call", "google_search_call"} <= set(kinds_of(found))
