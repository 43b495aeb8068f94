"""The tools of a request as the API takes them."""

from collections.abc import Mapping
from typing import Final, assert_never

from pydantic import ValidationError

from activities.failures import NotSendable
from interactions import tools as wire
from runs.errors import RunErrorCode
from runs.messages import SubmitInteraction
from runs.tool_calls import ToolDescription
from runs.tool_secrets import ToolSecret
from runs.tools import (
    CodeExecutionTool,
    ComputerUseTool,
    FileSearchTool,
    FunctionTool,
    GoogleMapsTool,
    GoogleSearchTool,
    McpServerTool,
    RetrievalTool,
    ToolSearchTool,
    UrlContextTool,
)

_MAX_SHORT_CHARS: Final = 200
"""What a search among tools reads of each: a line. The whole description comes once a tool is found."""


def tools_of(
    submission: SubmitInteraction, secrets: Mapping[str, ToolSecret], *, is_vertex: bool
) -> tuple[wire.Tool, ...] | None:
    """Return the tools that ``submission`` offers; None for none.

    Args:
        submission: Has the tools of the request, and descriptions of the functions among them.
        secrets: What remote tools authorize themselves with, and where they may, by name.
        is_vertex: Whether they are for Vertex AI.

    Raises:
        NotSendable: The worker lacks a secret or a function, a secret is not for the tool's host, or the API
            does not take a tool.
    """
    tools = submission.request.tools
    is_searched = any(isinstance(tool, ToolSearchTool) for tool in tools)
    functions = {function.name: function for function in submission.functions}
    offered: list[wire.Tool] = []
    for tool in tools:
        match tool:
            case FunctionTool():
                offered.append(_function(tool, functions, is_searched=is_searched))
            case McpServerTool():
                offered.append(_mcp_server(tool, secrets))
            case RetrievalTool():
                offered.append(_retrieval(tool, is_vertex=is_vertex))
            case _:
                offered.append(_built_in(tool))
    return tuple(offered) or None


def _function(
    tool: FunctionTool, functions: Mapping[str, ToolDescription], *, is_searched: bool
) -> wire.Function:
    described = functions.get(tool.name)
    if described is None:
        raise NotSendable(f"no worker has the function {tool.name!r}", code=RunErrorCode.UNKNOWN_TOOL)
    first_line, _, _ = described.description.strip().partition("\n")
    return wire.Function(
        name=described.name,
        description=described.description or None,
        parameters=described.parameters or None,
        defer_loading=True if is_searched else None,
        short_description=(first_line[:_MAX_SHORT_CHARS] or described.name) if is_searched else None,
    )


def _mcp_server(tool: McpServerTool, secrets: Mapping[str, ToolSecret]) -> wire.McpServer:
    headers = None
    if tool.secret is not None:
        secret = secrets.get(tool.secret)
        if secret is None:
            raise NotSendable(
                f"MCP server {tool.name!r} asks for a secret: set LONGHAUL_SECRET_{tool.secret} on the worker"
            )
        if why_not := secret.why_not(tool.url):
            raise NotSendable(f"MCP server {tool.name!r}: {why_not}")
        headers = {"Authorization": secret.value.get_secret_value()}
    return wire.McpServer(
        name=tool.name, url=tool.url, headers=headers, allowed_tools=tool.allowed_tools or None
    )


def _retrieval(tool: RetrievalTool, *, is_vertex: bool) -> wire.Retrieval:
    if not is_vertex:
        raise NotSendable(
            "the tool retrieval exists on Vertex AI only; set LONGHAUL_VERTEX_PROJECT on the worker"
        )
    try:
        return wire.Retrieval.model_validate({**tool.options, "retrieval_types": tool.retrieval_types})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise NotSendable(f"the tool retrieval: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


_BuiltIn = (
    GoogleSearchTool
    | UrlContextTool
    | CodeExecutionTool
    | FileSearchTool
    | GoogleMapsTool
    | ComputerUseTool
    | ToolSearchTool
)


def _built_in(tool: _BuiltIn) -> wire.Tool:  # noqa: PLR0911 - one for each kind
    match tool:
        case GoogleSearchTool():
            return wire.GoogleSearch(search_types=tool.search_types or None)
        case UrlContextTool():
            return wire.UrlContext()
        case CodeExecutionTool():
            return wire.CodeExecution()
        case FileSearchTool():
            return wire.FileSearch(
                file_search_store_names=tool.stores, top_k=tool.top_k, metadata_filter=tool.metadata_filter
            )
        case GoogleMapsTool():
            return wire.GoogleMaps(latitude=tool.latitude, longitude=tool.longitude)
        case ComputerUseTool():
            return wire.ComputerUse(
                environment=tool.environment, excluded_predefined_functions=tool.excluded or None
            )
        case ToolSearchTool():
            # By the service itself: what it finds among the functions is called like any of them.
            return wire.ToolSearch(execution="server")
        case _:
            assert_never(tool)
