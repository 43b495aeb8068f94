"""The tools a run may give its model or agent, in our words, and which of them go together.

Workflow code: see docs/changing.md.

Source of what the service combines:
    https://ai.google.dev/gemini-api/docs/deep-research, …/antigravity-agent, …/interactions-overview, and
    reports of its 400s, read 2026-11-22.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue

from runs import limits
from runs.message import Message

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
"""A function's name, as the service takes it (64 characters)."""


class FunctionTool(Message):
    """A Python function that the workers have, by its name."""

    type: Literal["function"] = "function"
    name: ToolName


class GoogleSearchTool(Message):
    """Web search by the service. ``search_types`` empty: web pages."""

    type: Literal["google_search"] = "google_search"
    search_types: tuple[Literal["web_search", "image_search", "enterprise_web_search"], ...] = ()


class UrlContextTool(Message):
    """Reading of web pages by the service."""

    type: Literal["url_context"] = "url_context"


class CodeExecutionTool(Message):
    """Code run by the service."""

    type: Literal["code_execution"] = "code_execution"


class FileSearchTool(Message):
    """Search in file search stores of the project."""

    type: Literal["file_search"] = "file_search"
    stores: tuple[str, ...] = Field(min_length=1, max_length=20)
    top_k: int | None = Field(default=None, ge=1, le=1_000)
    metadata_filter: str | None = Field(default=None, max_length=2_000)


class GoogleMapsTool(Message):
    """Search for places, near a point in degrees if one is given."""

    type: Literal["google_maps"] = "google_maps"
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)


class ComputerUseTool(Message):
    """Control of a screen. Actions come back as calls of functions, which the workers must have."""

    type: Literal["computer_use"] = "computer_use"
    environment: Literal["browser", "mobile", "desktop"] = "browser"
    excluded: tuple[str, ...] = Field(default=(), max_length=limits.MAX_TOOLS)


class McpServerTool(Message):
    """A remote MCP server, which the service calls by itself.

    Attributes:
        secret: Name of the worker's variable ``LONGHAUL_SECRET_<secret>`` whose value goes into the
            ``Authorization`` header; None for a server that asks for none. The value never enters history.
        allowed_tools: The only tools of the server that may be used; empty for all.
    """

    type: Literal["mcp_server"] = "mcp_server"
    name: str = Field(min_length=1, max_length=64)
    url: str = Field(pattern=r"^https?://", max_length=limits.MAX_URI_CHARS)
    secret: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]{0,63}$")
    allowed_tools: tuple[str, ...] = Field(default=(), max_length=limits.MAX_TOOLS)


class RetrievalTool(Message):
    """A Vertex retrieval source; ``options`` as the service names them. Vertex only."""

    type: Literal["retrieval"] = "retrieval"
    retrieval_types: tuple[
        Literal["vertex_ai_search", "rag_store", "exa_ai_search", "parallel_ai_search"], ...
    ] = Field(min_length=1)
    options: dict[str, JsonValue] = Field(default_factory=dict)


class ToolSearchTool(Message):
    """Search among the run's function tools, which then are only described once they are found."""

    type: Literal["tool_search"] = "tool_search"


Tool = Annotated[
    FunctionTool
    | GoogleSearchTool
    | UrlContextTool
    | CodeExecutionTool
    | FileSearchTool
    | GoogleMapsTool
    | ComputerUseTool
    | McpServerTool
    | RetrievalTool
    | ToolSearchTool,
    Field(discriminator="type"),
]

COMPUTER_USE_FUNCTIONS: Final = (
    "click_at",
    "drag_and_drop",
    "go_back",
    "go_forward",
    "hover_at",
    "key_combination",
    "navigate",
    "open_web_browser",
    "scroll_at",
    "scroll_document",
    "search",
    "type_text_at",
    "wait_5_seconds",
)
"""What a model with ``computer_use`` calls without having been told of it
(https://ai.google.dev/gemini-api/docs/computer-use, read 2026-11-22)."""

_REFUSED_BY_RESEARCH = frozenset({"function", "computer_use", "google_maps", "tool_search"})
_REFUSED_BY_ANTIGRAVITY = frozenset({"file_search", "computer_use", "google_maps"})


def why_not(tools: Iterable[Tool], *, agent: str | None) -> str | None:
    """Return why the service would refuse ``tools``; None when nothing is known to be wrong.

    Args:
        tools: Of one request.
        agent: Whom it is for; None for a model.
    """
    tools = tuple(tools)
    return next(chain(_alone(tools), _together(tools), _for_agent(tools, agent)), None)


def _alone(tools: tuple[Tool, ...]) -> Iterator[str]:
    for tool in tools:
        if isinstance(tool, GoogleMapsTool) and (tool.latitude is None) != (tool.longitude is None):
            yield "google_maps takes latitude and longitude together, or neither"


def _together(tools: tuple[Tool, ...]) -> Iterator[str]:
    kinds = {tool.type for tool in tools}
    names = [tool.name for tool in tools if isinstance(tool, FunctionTool | McpServerTool)]
    for name, times in Counter(names).items():
        if times > 1:
            yield f"two tools are called {name!r}"
    if "file_search" in kinds:
        for other in sorted(kinds & {"google_search", "url_context"}):
            yield f"file_search does not go together with {other}"
    if "tool_search" in kinds and "function" not in kinds:
        yield "tool_search searches among function tools, and there are none"


def _for_agent(tools: tuple[Tool, ...], agent: str | None) -> Iterator[str]:
    agent = agent or ""
    is_antigravity = agent.startswith("antigravity-")
    refused: frozenset[str] = frozenset()
    if agent.startswith("deep-research-"):
        refused = _REFUSED_BY_RESEARCH
    elif is_antigravity:
        refused = _REFUSED_BY_ANTIGRAVITY
    for tool in tools:
        if tool.type in refused:
            yield f"{agent} does not take the tool {tool.type}"
        if is_antigravity and isinstance(tool, McpServerTool) and tool.name != tool.name.lower():
            yield f"{agent} takes MCP servers with lower-case names only, not {tool.name!r}"


def function_names(tools: Iterable[Tool]) -> tuple[str, ...]:
    """Return the function tools that the workers must have."""
    return tuple(tool.name for tool in tools if isinstance(tool, FunctionTool))


def callable_names(tools: Iterable[Tool]) -> tuple[str, ...]:
    """Return the functions that a model may call without having been told of them."""
    excluded = [tool.excluded for tool in tools if isinstance(tool, ComputerUseTool)]
    return tuple(name for name in COMPUTER_USE_FUNCTIONS for without in excluded if name not in without)
