"""What is given with ``--tool``: a word, a word with details, or JSON."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from runs.text import first_line
from runs.tools import Tool
from starter.errors import InvalidInput

KINDS: Final = (
    "google_search[:image_search]",
    "url_context",
    "code_execution",
    "file_search:STORE[,STORE]",
    "google_maps[:LATITUDE,LONGITUDE]",
    "computer_use[:browser|mobile|desktop]",
    "mcp:NAME=URL[,secret=NAME]",
    "retrieval:TYPE[,TYPE]",
    "tool_search",
    "function:NAME (or just the name of a function that the workers have)",
    'JSON such as {"type": "file_search", "stores": ["S"], "top_k": 5}',
)
"""What can be given, for messages and documents."""

_Fields = dict[str, JsonValue]

_TOOL: Final[TypeAdapter[Tool]] = TypeAdapter(Tool)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_SHORT: Final = {"mcp": "mcp_server"}
"""Kinds with a shorter name here than in our requests."""

_ENOUGH_BY_THEMSELVES: Final = frozenset(
    {"google_search", "url_context", "code_execution", "google_maps", "computer_use", "tool_search"}
)
"""Kinds that need no details."""

_MAX_SHOWN_CHARS: Final = 120


def parse_tools(given: Iterable[str]) -> tuple[Tool, ...]:
    """Return the tools that were given with ``--tool``, in their order.

    Raises:
        InvalidInput: One is no tool; the message says which, why, and what there is.
    """
    return tuple(_parse(text.strip()) for text in given)


def _parse(text: str) -> Tool:
    fields = _fields_in(text)
    try:
        tool = _TOOL.validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        # The first part is the kind of tool, which the text has already.
        where = ".".join(str(part) for part in first["loc"][1:])
        reason = first["msg"].removeprefix("Value error, ")
        raise _refused(text, f"{where}: {reason}" if where else reason) from error
    if unknown := sorted(fields.keys() - type(tool).model_fields.keys()):
        # A message ignores what it does not know; a person may have mistyped it.
        raise _refused(text, f"{fields['type']} has no {' or '.join(map(repr, unknown))}")
    return tool


def _fields_in(text: str) -> _Fields:
    if text.startswith("{"):
        return _from_json(text)
    kind, _, details = text.partition(":")
    if kind in _READERS:
        is_enough = text == kind and kind in _ENOUGH_BY_THEMSELVES
        fields: _Fields = {} if is_enough else _READERS[kind](details, text)
        return {"type": _SHORT.get(kind, kind), **fields}
    if _NAME.fullmatch(text):
        return {"type": "function", "name": text}
    raise _refused(text, "there is no such tool")


def _from_json(text: str) -> _Fields:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(text, f"no valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise _refused(text, "no JSON object")
    return fields


def _plain(details: str, text: str) -> _Fields:
    raise _refused(text, f"it takes no details, such as {details!r}")


def _name(details: str, text: str) -> _Fields:
    if not _NAME.fullmatch(details):
        raise _refused(
            text, "a function's name begins with a letter and has at most 64 letters, digits, _, - and ."
        )
    return {"name": details}


def _list_of(field: str) -> Callable[[str, str], _Fields]:
    def read(details: str, text: str) -> _Fields:
        parts: list[JsonValue] = [part.strip() for part in details.split(",")]
        if not all(parts):
            raise _refused(text, "names are to follow the colon, with commas between them")
        return {field: parts}

    return read


def _place(details: str, text: str) -> _Fields:
    latitude, comma, longitude = details.partition(",")
    try:
        return {"latitude": float(latitude), "longitude": float(longitude if comma else "")}
    except ValueError:
        raise _refused(text, "write latitude and longitude in degrees, such as 47.37,8.54") from None


def _server(details: str, text: str) -> _Fields:
    name, _, rest = details.partition("=")
    # A URL may hold commas, so the secret is what follows the last one.
    url, separator, secret = rest.rpartition(",secret=")
    if not separator:
        url = rest
    if not name or not url:
        raise _refused(text, "write mcp:NAME=URL, or mcp:NAME=URL,secret=NAME")
    return {"name": name, "url": url, "secret": secret if separator else None}


_READERS: Final[dict[str, Callable[[str, str], _Fields]]] = {
    "google_search": _list_of("search_types"),
    "url_context": _plain,
    "code_execution": _plain,
    "file_search": _list_of("stores"),
    "google_maps": _place,
    "computer_use": lambda details, _: {"environment": details},
    "mcp": _server,
    "mcp_server": _server,
    "retrieval": _list_of("retrieval_types"),
    "tool_search": _plain,
    "function": _name,
}


def _refused(text: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"--tool {first_line(text, _MAX_SHOWN_CHARS)!r}: {reason}; there is: {', '.join(KINDS)}"
    )
