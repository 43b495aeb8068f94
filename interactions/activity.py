"""What an agent does between its words, in one line for whoever watches it."""

from collections.abc import Iterable
from typing import Final

from interactions.faults import tidy
from interactions.steps import (
    CallStep,
    CodeExecutionCallStep,
    FileSearchCallStep,
    FunctionCallStep,
    GoogleMapsCallStep,
    GoogleSearchCallStep,
    KnownCallOrResult,
    McpServerToolCallStep,
    ProcessingCallStep,
    RetrievalCallStep,
    Step,
    ToolSearchCallStep,
    UrlContextCallStep,
)

MAX_LINE_CHARS: Final = 300
"""Four queries of a Deep Research round and a little more."""


def is_call(step: Step | KnownCallOrResult) -> bool:
    """Whether a tool is called with ``step``, known to this client or not."""
    return isinstance(step, CallStep) or step.type.endswith("_call")


def activity_line(call: Step | KnownCallOrResult) -> str:
    """Return what ``call`` does, on one line without control characters.

    Arguments are left out where they may be long or private. A call that has just begun may lack what it
    is about; then the line is as general as that.
    """
    return tidy(_said(call), MAX_LINE_CHARS)


def _said(call: Step | KnownCallOrResult) -> str:  # noqa: C901, PLR0911 - one sentence for each tool
    match call:
        case GoogleSearchCallStep():
            return _about("searching", call.arguments.queries, without="searching the web")
        case UrlContextCallStep():
            return " ".join(("reading", *call.arguments.urls)) if call.arguments.urls else "reading pages"
        case CodeExecutionCallStep():
            return f"running {call.arguments.language or 'some'} code"
        case GoogleMapsCallStep():
            return _about("searching maps", call.arguments.queries)
        case FileSearchCallStep():
            return "searching files"
        case RetrievalCallStep():
            return _about("searching own sources", call.arguments.queries)
        case ToolSearchCallStep():
            return _about("looking for functions", call.arguments.function_names)
        case FunctionCallStep():
            return f"calling {call.name or 'a function'}(…)"
        case McpServerToolCallStep():
            return f"calling {call.name or 'a tool'}(…) of {call.server_name or 'an MCP server'}"
        case ProcessingCallStep():
            return "processing media"
        case _:
            return "calling a tool"


def _about(what: str, subjects: Iterable[str], *, without: str | None = None) -> str:
    named = "; ".join(subjects)
    return f"{what}: {named}" if named else without or what
