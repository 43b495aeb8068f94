"""Tools that the service runs by itself: pairs of steps, and what the answer says and cites because of them.

All of it is made up: the emulator opens no connection for a tool. It reads the words of the question, so that
a test can ask for a page that cannot be read, or for a sum.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from emulator.prose import topic_of
from emulator.records import Record
from emulator.report import sources_for
from emulator.timeline import Step

Annotation = dict[str, Any]
"""A citation without the offsets of what cites it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One use of one tool.

    Attributes:
        steps: The call and its result.
        cites: What sentences of the answer rest on.
        says: Sentences that only an answer that had the result can contain.
    """

    steps: list[Step]
    cites: list[Annotation] = field(default_factory=list)
    says: list[str] = field(default_factory=list)


def uses_of(record: Record) -> list[ToolUse]:
    """The tools that this interaction offers and the service runs, each used once."""
    return [
        _TOOLS[tool["type"]](record, tool, f"{tool['type']}_{number}")
        for number, tool in enumerate(record.body.get("tools") or [], start=1)
        if tool["type"] in _TOOLS
    ]


def searches_of_tools(record: Record) -> list[Step]:
    """The search among functions that are described only once they are found, before they are called."""
    tools = record.body.get("tools") or []
    found = [tool for tool in tools if tool["type"] == "function" and tool.get("defer_loading")]
    searches = [tool for tool in tools if tool["type"] == "tool_search" and tool.get("execution") != "client"]
    if not searches or not found:
        return []
    names = [tool["name"] for tool in found]
    return _pair("tool_search", "tool_search_1", arguments={"function_names": names}, result=found)


def counts_of(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """What grounding was used how often, as a bill has it."""
    counts: Counter[str] = Counter()
    for step in steps:
        kind = str(step["type"]).removesuffix("_call")
        if kind in {"google_search", "google_maps", "retrieval"} and "arguments" in step:
            counts[kind] += len(step["arguments"]["queries"])
    return [{"type": kind, "count": count} for kind, count in counts.items()]


def tokens_of(steps: Iterable[Step]) -> int:
    """What the results of tools cost to read, at four characters a token."""
    return sum(len(json.dumps(step)) // 4 for step in steps if str(step["type"]).endswith("_result"))


def signature_of(seed: str, number: int) -> str:
    """Something opaque in base64."""
    return base64.b64encode(f"{number}:{seed}".encode()).decode()


def search_steps(call_id: str, queries: list[str], *, search_type: str | None = None) -> list[Step]:
    """A search and its result."""
    chips = "".join(f"<a href='https://www.example.com/search'>{query}</a>" for query in queries)
    call, result = _pair(
        "google_search",
        call_id,
        arguments={"queries": queries},
        result=[{"search_suggestions": f"<div>{chips}</div>"}],
    )
    return [call if search_type is None else {**call, "search_type": search_type}, result]


def reading_steps(call_id: str, urls: list[str], statuses: list[str]) -> list[Step]:
    """Pages that were read, and how that went."""
    pages = [{"url": url, "status": status} for url, status in zip(urls, statuses, strict=False)]
    return _pair("url_context", call_id, arguments={"urls": urls}, result=pages)


def mcp_steps(call_id: str, server: dict[str, Any], *, about: str, is_hidden: bool) -> list[Step]:
    """A call of a remote MCP server.

    Args:
        call_id: The id of the call.
        server: The tool as it was offered.
        about: What the server is asked.
        is_hidden: Whether it is shown as live models have been seen to show it: neither tool nor answer.
    """
    if is_hidden:
        return [{"type": "tool_call", "id": call_id, "signature": "QUJD"}]
    name, tool = str(server.get("name", "server")), _first_tool(server.get("allowed_tools"))
    return [
        {
            "type": "mcp_server_tool_call",
            "id": call_id,
            "name": tool,
            "server_name": name,
            "arguments": {"query": about},
        },
        {
            "type": "mcp_server_tool_result",
            "call_id": call_id,
            "name": tool,
            "server_name": name,
            "result": [{"type": "text", "text": f"{name} has three entries on {about}."}],
        },
    ]


def file_steps(call_id: str) -> list[Step]:
    """A search in file search stores, of which the steps say nothing."""
    return [
        {"type": "file_search_call", "id": call_id, "signature": "QUJD"},
        {"type": "file_search_result", "call_id": call_id, "signature": "QUJD"},
    ]


def file_citations(tool: dict[str, Any], topic: str) -> list[Annotation]:
    """What a search in the tool's stores comes upon: two pages of one document in each."""
    stores = tool.get("file_search_store_names") or ["fileSearchStores/default"]
    return [
        {
            "type": "file_citation",
            "document_uri": f"{store}/documents/handbook",
            "file_name": "handbook.pdf",
            "source": f"{topic}: what the handbook says",
            "page_number": page,
            "custom_metadata": {"store": store},
        }
        for store in stores
        for page in (3, 14)
    ]


def code_steps(call_id: str, question: str) -> tuple[list[Step], str]:
    """A program for the numbers in a question, and what it printed; about its length, if there are none."""
    numbers = [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?", question)]
    if numbers:
        code, printed = f"print(sum({numbers!r}))", str(sum(numbers))
    else:
        topic = topic_of(question)
        code, printed = f"print(len({topic!r}))", str(len(topic))
    call = {
        "type": "code_execution_call",
        "id": call_id,
        "arguments": {"language": "python", "code": code},
        "signature": "QUJD",
    }
    result = {
        "type": "code_execution_result",
        "call_id": call_id,
        "result": f"{printed}\n",
        "is_error": False,
        "signature": "QUJD",
    }
    return [call, result], printed


def _pair(kind: str, call_id: str, *, arguments: dict[str, Any], result: Any) -> list[Step]:
    return [
        {"type": f"{kind}_call", "id": call_id, "arguments": arguments, "signature": "QUJD"},
        {"type": f"{kind}_result", "call_id": call_id, "result": result, "signature": "QUJD"},
    ]


def _google_search(record: Record, tool: dict[str, Any], call_id: str) -> ToolUse:
    topic = topic_of(record.question)
    queries = [topic, f"{topic} 2026"]
    # Without the field the service searches the web, and its steps do not say so.
    kinds = tool.get("search_types") or [None]
    steps = [
        step
        for number, kind in enumerate(kinds)
        for step in search_steps(f"{call_id}_{number}" if number else call_id, queries, search_type=kind)
    ]
    sources = sources_for(topic, seed=record.interaction_id, count=3)
    cites = [{"type": "url_citation", "url": each.url, "title": each.title} for each in sources]
    return ToolUse(steps=steps, cites=cites)


_UNREADABLE: Final = (("paywall", "paywall"), ("broken", "error"), ("unsafe", "unsafe"))
"""Words in an address and the status of a page that has one."""


def _url_context(record: Record, _: dict[str, Any], call_id: str) -> ToolUse:
    named = [each.rstrip(".,;:)") for each in re.findall(r"https?://[^\s\"'<>]+", record.question)]
    if named:
        statuses = [next((status for word, status in _UNREADABLE if word in url), "success") for url in named]
    else:
        topic = topic_of(record.question)
        named = [source.url for source in sources_for(topic, seed=record.interaction_id, count=3)]
        statuses = ["success", "error", "paywall"]
    read = [url for url, status in zip(named, statuses, strict=True) if status == "success"]
    return ToolUse(
        steps=reading_steps(call_id, named, statuses),
        cites=[{"type": "url_citation", "url": url, "title": url.partition("://")[2]} for url in read],
        says=[f"Of {len(named)} pages, {len(read)} could be read."],
    )


def _code_execution(record: Record, _: dict[str, Any], call_id: str) -> ToolUse:
    steps, printed = code_steps(call_id, record.question)
    return ToolUse(steps=steps, says=[f"The program printed {printed}."])


def _file_search(record: Record, tool: dict[str, Any], call_id: str) -> ToolUse:
    return ToolUse(steps=file_steps(call_id), cites=file_citations(tool, topic_of(record.question)))


def _google_maps(record: Record, tool: dict[str, Any], call_id: str) -> ToolUse:
    topic = topic_of(record.question)
    places = [
        {
            "place_id": f"places/{signature_of(name, 0)[:20]}",
            "name": f"{name} ({topic})",
            "url": f"https://maps.example.com/?q={number}",
            "review_snippets": [
                {
                    "review_id": f"review_{number}",
                    "title": "Small, local and good",
                    "url": f"https://maps.example.com/?review={number}",
                }
            ],
        }
        for number, name in enumerate(("Zum Löwen", "Café 日本"), start=1)
    ]
    found: dict[str, Any] = {"places": places}
    if tool.get("enable_widget"):
        found["widget_context_token"] = f"widgetcontent/{signature_of(topic, 1)}"
    return ToolUse(
        steps=_pair("google_maps", call_id, arguments={"queries": [topic]}, result=[found]),
        cites=[{"type": "place_citation", **place} for place in places],
    )


def _mcp_server(record: Record, tool: dict[str, Any], call_id: str) -> ToolUse:
    topic = topic_of(record.question)
    steps = mcp_steps(call_id, tool, about=topic, is_hidden="mcp-tool-call" in record.life)
    return ToolUse(steps=steps, says=[f"The server has three entries on {topic}."])


def _retrieval(record: Record, tool: dict[str, Any], call_id: str) -> ToolUse:
    topic = topic_of(record.question)
    steps: list[Step] = []
    cites: list[Annotation] = []
    for number, kind in enumerate(tool.get("retrieval_types") or ["vertex_ai_search"]):
        each_id = f"{call_id}_{number}" if number else call_id
        steps += [
            {
                "type": "retrieval_call",
                "id": each_id,
                "arguments": {"queries": [topic]},
                "retrieval_type": kind,
                "signature": "QUJD",
            },
            {"type": "retrieval_result", "call_id": each_id, "is_error": False, "signature": "QUJD"},
        ]
        cites.append(
            {
                "type": "file_citation",
                "document_uri": f"gs://corpus.example/{kind}/1",
                "file_name": f"{kind}.txt",
                "source": topic,
            }
        )
    return ToolUse(steps=steps, cites=cites)


_TOOLS: Final[dict[str, Callable[[Record, dict[str, Any], str], ToolUse]]] = {
    "google_search": _google_search,
    "url_context": _url_context,
    "code_execution": _code_execution,
    "file_search": _file_search,
    "google_maps": _google_maps,
    "mcp_server": _mcp_server,
    "retrieval": _retrieval,
}
"""By type. The others, function, computer_use and tool_search, are the client's work: see ``functions``."""


def _first_tool(allowed: Any) -> str:
    match allowed:
        case [str(tool), *_] | [{"tools": [str(tool), *_]}, *_]:
            return tool
        case _:
            return "search"
