import pytest
from pydantic import TypeAdapter

from runs.messages import DEFAULT_AGENT, AgentRunRequest
from runs.tools import (
    CodeExecutionTool,
    ComputerUseTool,
    FileSearchTool,
    FunctionTool,
    GoogleMapsTool,
    GoogleSearchTool,
    McpServerTool,
    RetrievalTool,
    Tool,
    ToolSearchTool,
    UrlContextTool,
)
from starter.errors import InvalidInput
from starter.requests import check_request
from starter.tool_arguments import KINDS, parse_tools


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("google_search", GoogleSearchTool()),
        ("google_search:image_search", GoogleSearchTool(search_types=("image_search",))),
        ("url_context", UrlContextTool()),
        ("code_execution", CodeExecutionTool()),
        ("file_search:a,b", FileSearchTool(stores=("a", "b"))),
        ("google_maps", GoogleMapsTool()),
        ("google_maps:47.37,-8.54", GoogleMapsTool(latitude=47.37, longitude=-8.54)),
        ("computer_use", ComputerUseTool()),
        ("computer_use:mobile", ComputerUseTool(environment="mobile")),
        ("mcp:docs=https://example.org/mcp", McpServerTool(name="docs", url="https://example.org/mcp")),
        (
            "mcp:docs=https://example.org/mcp?a=1,2,secret=DOCS",
            McpServerTool(name="docs", url="https://example.org/mcp?a=1,2", secret="DOCS"),
        ),
        ("retrieval:rag_store", RetrievalTool(retrieval_types=("rag_store",))),
        ("tool_search", ToolSearchTool()),
        ("function:google_search", FunctionTool(name="google_search")),
        ("weather", FunctionTool(name="weather")),
        (
            '{"type": "file_search", "stores": ["a"], "top_k": 3}',
            FileSearchTool(stores=("a",), top_k=3),
        ),
    ],
)
def test_a_tool_is_a_word_with_details_or_json(text: str, tool: Tool) -> None:
    """Every kind of tool can be typed, and a name that is no kind is a function of the workers'."""
    assert parse_tools([f" {text} "]) == (tool,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no such tool"),
        ("the weather", "there is no such tool"),
        ("google_search:everything", "'web_search', 'image_search'"),
        ("url_context:x", "takes no details"),
        ("code_execution:", "takes no details"),
        ("file_search", "names are to follow"),
        ("file_search:a,", "names are to follow"),
        ("google_maps:Zurich", "in degrees, such as 47.37,8.54"),
        ("google_maps:47.37", "in degrees"),
        ("google_maps:99,0", "latitude: .* 90"),
        ("computer_use:fridge", "'browser', 'mobile' or 'desktop'"),
        ("mcp", "write mcp:NAME=URL"),
        ("mcp:docs", "write mcp:NAME=URL"),
        ("mcp:docs=ftp://example.org", "url: "),
        ("mcp:docs=https://example.org,secret=lower", "secret: "),
        ("function:", "begins with a letter"),
        ("function:1st", "begins with a letter"),
        ("{", "no valid JSON"),
        ('{"type": "oven"}', "'oven'"),
        ('{"type": "file_search", "stores": ["a"], "topk": 3}', "file_search has no 'topk'"),
    ],
)
def test_what_is_no_tool_is_refused_with_those_there_are(text: str, reason: str) -> None:
    """A mistyped tool costs nothing: the message says what is wrong with it, and what could be meant."""
    with pytest.raises(InvalidInput, match=f"^--tool .*{reason}.*; there is: google_search"):
        parse_tools([text])


def test_the_kinds_in_the_message_are_all_kinds() -> None:
    """A tool that the contract learns is one that can be typed."""
    kinds = TypeAdapter(Tool).json_schema()["discriminator"]["mapping"].keys()
    told = {kind.partition(":")[0].partition("[")[0] for kind in KINDS}
    assert {"mcp_server" if kind == "mcp" else kind for kind in told if kind.islower()} >= kinds


@pytest.mark.parametrize(
    ("fields", "tools", "objection"),
    [
        ({"agent": DEFAULT_AGENT}, ["weather"], f"{DEFAULT_AGENT} does not take the tool function"),
        ({"model": "m"}, ["file_search:a", "google_search"], "does not go together with google_search"),
        ({"model": "m"}, ["tool_search"], "there are none"),
        ({"model": "m"}, ["a", "a"], "two tools are called 'a'"),
    ],
)
def test_tools_that_do_not_go_together_are_refused_in_one_line(
    fields: dict[str, object], tools: list[str], objection: str
) -> None:
    """What the service would refuse is refused here, in a sentence without the validator's own words."""
    with pytest.raises(InvalidInput) as caught:
        check_request({**fields, "input": "q", "tools": parse_tools(tools)})
    assert str(caught.value).endswith(objection)
    assert "Value error" not in str(caught.value)
    assert not str(caught.value).startswith(":")


def test_tools_survive_being_checked_again() -> None:
    """A request is checked once more with what was stored for it; its tools stay what they were."""
    tools = parse_tools(["weather", "mcp:docs=https://example.org/mcp"])
    request = check_request({"model": "m", "input": "q", "tools": tools})
    assert check_request(request.model_dump()) == request
    assert isinstance(request, AgentRunRequest)
