"""The timeline of an interaction, as received: what was said, thought, called and found.

Every field is optional: a ``step.start`` event carries a nearly empty step, and the service leaves out
empty fields. An unknown step, or a known one with a field of an unexpected type, becomes an
``UnknownStep`` that keeps the raw value.

Source:
    https://ai.google.dev/api/interactions-api and google-genai 3.4.0, read 2026-11-22.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from interactions.contents import Content, ReviewSnippet
from interactions.wire import Lenient, Many, Unknown, WireModel


class RpcStatus(WireModel):
    """A ``google.rpc.Status``: why a model output failed."""

    code: int | None = None
    message: str | None = None
    details: Many[Any] = ()


class UserInputStep(WireModel):
    """What was asked."""

    type: Literal["user_input"] = "user_input"
    content: Many[Content] = ()


class ModelOutputStep(WireModel):
    """What was answered."""

    type: Literal["model_output"] = "model_output"
    content: Many[Content] = ()
    error: Lenient[RpcStatus] = None


class ThoughtStep(WireModel):
    """What the model thought, in summary; the signature is needed to replay it."""

    type: Literal["thought"] = "thought"
    summary: Many[Content] = ()
    signature: str | None = Field(default=None, repr=False)


class CallStep(WireModel):
    """A call of a tool; its result names ``id`` as ``call_id``."""

    id: str = ""
    signature: str | None = Field(default=None, repr=False)


class ResultStep(WireModel):
    """The result of a tool call."""

    call_id: str = ""
    is_error: bool | None = None
    signature: str | None = Field(default=None, repr=False)


class Queries(WireModel):
    """What was searched for."""

    queries: Many[str] = ()


class FunctionCallStep(CallStep):
    """A call that the caller of the API has to carry out."""

    type: Literal["function_call"] = "function_call"
    name: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)


class FunctionResultStep(ResultStep):
    """What the caller answered: text, an object, or a list of contents."""

    type: Literal["function_result"] = "function_result"
    name: str | None = None
    result: Any = None


class CodeArguments(WireModel):
    """Code and its language."""

    language: str | None = None
    code: str | None = None


class CodeExecutionCallStep(CallStep):
    """Code that the service runs."""

    type: Literal["code_execution_call"] = "code_execution_call"
    arguments: CodeArguments = CodeArguments()


class CodeExecutionResultStep(ResultStep):
    """What the code printed: text, or a list of contents."""

    type: Literal["code_execution_result"] = "code_execution_result"
    result: Any = None


class GoogleSearchCallStep(CallStep):
    """Web searches."""

    type: Literal["google_search_call"] = "google_search_call"
    arguments: Queries = Queries()
    search_type: str | None = None


class GoogleSearchResult(WireModel):
    """Suggestions for further searches, as HTML."""

    search_suggestions: str | None = Field(default=None, repr=False)


class GoogleSearchResultStep(ResultStep):
    """That web searches were answered; what they found is only in the citations."""

    type: Literal["google_search_result"] = "google_search_result"
    result: Many[GoogleSearchResult] = ()


class Urls(WireModel):
    """Pages to read."""

    urls: Many[str] = ()


class UrlContextCallStep(CallStep):
    """Pages that the service reads."""

    type: Literal["url_context_call"] = "url_context_call"
    arguments: Urls = Urls()


class UrlContextResult(WireModel):
    """How reading one page went: success, error, paywall, unsafe, or a newer word."""

    url: str | None = None
    status: str | None = None


class UrlContextResultStep(ResultStep):
    """How reading the pages went."""

    type: Literal["url_context_result"] = "url_context_result"
    result: Many[UrlContextResult] = ()


class GoogleMapsCallStep(CallStep):
    """Searches for places."""

    type: Literal["google_maps_call"] = "google_maps_call"
    arguments: Queries = Queries()


class Place(WireModel):
    """A place that was found."""

    place_id: str | None = None
    name: str | None = None
    url: str | None = None
    review_snippets: Many[ReviewSnippet] = ()


class GoogleMapsResult(WireModel):
    """Places for one search."""

    places: Many[Place] = ()
    widget_context_token: str | None = None


class GoogleMapsResultStep(ResultStep):
    """Places that were found."""

    type: Literal["google_maps_result"] = "google_maps_result"
    result: Many[GoogleMapsResult] = ()


class FileSearchCallStep(CallStep):
    """A search in file search stores."""

    type: Literal["file_search_call"] = "file_search_call"


class FileSearchResultStep(ResultStep):
    """That a file search was answered."""

    type: Literal["file_search_result"] = "file_search_result"
    result: Any = None


class McpServerToolCallStep(CallStep):
    """A call of a remote MCP server's tool, made by the service."""

    type: Literal["mcp_server_tool_call"] = "mcp_server_tool_call"
    name: str = ""
    server_name: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)


class McpServerToolResultStep(ResultStep):
    """What the MCP server answered: text, an object, or a list of contents."""

    type: Literal["mcp_server_tool_result"] = "mcp_server_tool_result"
    name: str | None = None
    server_name: str | None = None
    result: Any = None


class RetrievalCallStep(CallStep):
    """A search in a Vertex retrieval source."""

    type: Literal["retrieval_call"] = "retrieval_call"
    arguments: Queries = Queries()
    retrieval_type: str | None = None


class RetrievalResultStep(ResultStep):
    """That a retrieval was answered."""

    type: Literal["retrieval_result"] = "retrieval_result"


class FunctionNames(WireModel):
    """Functions that a tool search asks for."""

    function_names: Many[str] = ()


class ToolSearchCallStep(CallStep):
    """A search among deferred tools."""

    type: Literal["tool_search_call"] = "tool_search_call"
    arguments: FunctionNames = FunctionNames()


class ToolSearchResultStep(ResultStep):
    """The function declarations that were found."""

    type: Literal["tool_search_result"] = "tool_search_result"
    result: Many[Any] = ()


class ProcessingCallStep(CallStep):
    """Media processing on the service's side."""

    type: Literal["processing_call"] = "processing_call"


class ProcessingResultStep(ResultStep):
    """That media processing ended."""

    type: Literal["processing_result"] = "processing_result"


class UnknownStep(Unknown):
    """A step this client does not know, for example the undeclared ``tool_call`` of remote MCP tools."""


KnownCallOrResult = (
    FunctionCallStep
    | FunctionResultStep
    | CodeExecutionCallStep
    | CodeExecutionResultStep
    | GoogleSearchCallStep
    | GoogleSearchResultStep
    | UrlContextCallStep
    | UrlContextResultStep
    | GoogleMapsCallStep
    | GoogleMapsResultStep
    | FileSearchCallStep
    | FileSearchResultStep
    | McpServerToolCallStep
    | McpServerToolResultStep
    | RetrievalCallStep
    | RetrievalResultStep
    | ToolSearchCallStep
    | ToolSearchResultStep
    | ProcessingCallStep
    | ProcessingResultStep
)

Step = Annotated[
    Annotated[UserInputStep | ModelOutputStep | ThoughtStep | KnownCallOrResult, Field(discriminator="type")]
    | UnknownStep,
    Field(union_mode="left_to_right"),
]
