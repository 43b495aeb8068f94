"""The decorator ``@tool``, and what it makes of a function."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from pydantic import TypeAdapter, ValidationError

from runs.limits import MAX_DEADLINE_S
from runs.tool_calls import ToolDescription
from runs.tools import ToolName
from tools.docstrings import parse_docstring
from tools.errors import InvalidTool
from tools.parameters import Parameters

Function = TypeVar("Function", bound=Callable[..., object])

_ATTRIBUTE: Final = "__longhaul_tool__"

_NAMES: Final[TypeAdapter[str]] = TypeAdapter(ToolName)

DEFAULT_TIMEOUT_S: Final = 60.0
"""A model waits for the result, and most tools are one request to something."""

DEFAULT_MAX_ATTEMPTS: Final = 3
"""What fails mostly fails for a moment; what has failed three times is better told."""

_MIN_HEARTBEAT_TIMEOUT_S: Final = 1.0
"""Shorter ones would take every busy moment of a worker for its end."""

_MAX_DESCRIPTION_BYTES: Final = 32 * 1024
"""One tool's description with its schema. It is in every prompt of a run that has the tool."""


@dataclass(frozen=True)
class Tool:
    """A function as a tool.

    Attributes:
        description: What the model and the workflow are told of it.
        function: What is called, with arguments by name.
        is_async: Whether it is a coroutine function; another one needs a thread.
        parameters: Of the function.
        place: Its file and line, for people.
    """

    description: ToolDescription
    function: Callable[..., Any]
    is_async: bool
    parameters: Parameters
    place: str

    @property
    def name(self) -> str:
        """What the model calls it."""
        return self.description.name


@overload
def tool(function: Function, /) -> Function: ...


@overload
def tool(
    *,
    name: str | None = None,
    needs_approval: bool = False,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    heartbeat_timeout_s: float | None = None,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
) -> Callable[[Function], Function]: ...


def tool(  # noqa: PLR0913 - each is an option of its own, by name
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    needs_approval: bool = False,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    heartbeat_timeout_s: float | None = None,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
) -> Function | Callable[[Function], Function]:
    """Make a function a tool that runs can give their model. The function itself stays as it is.

    It may be ``async`` or not; one that is not runs in a thread. Type hints become the schema of its
    parameters, and the docstring says what it and they are for.

    Args:
        function: With a type hint on every parameter, and a docstring.
        name: What the model calls it, if not by the function's name.
        needs_approval: Whether a person decides about each call.
        timeout_s: One attempt takes no longer, in seconds; 60 by default, a week at the most.
        heartbeat_timeout_s: For tools of minutes: a worker silent for this long counts as gone, and the call
            is made anew elsewhere. The worker beats by itself while the tool runs. None: only ``timeout_s``
            tells.
        max_attempts: How often a call is tried in all, from 1; 3 by default.

    Raises:
        InvalidTool: It cannot be a tool. The message says where it is and what to do.
    """

    def declare(function: Function) -> Function:
        place = _place_of(function)
        try:
            declared = _declared(
                function,
                place,
                name=name,
                needs_approval=needs_approval,
                timeout_s=timeout_s,
                heartbeat_timeout_s=heartbeat_timeout_s,
                max_attempts=max_attempts,
            )
        except InvalidTool as error:
            called = getattr(function, "__qualname__", repr(function))
            raise InvalidTool(f"{place}: {called} cannot be a tool: {error}") from None
        setattr(function, _ATTRIBUTE, declared)
        return function

    return declare if function is None else declare(function)


def tool_of(value: object) -> Tool | None:
    """Return the tool that ``value`` is, or None."""
    declared = getattr(value, _ATTRIBUTE, None) if inspect.isfunction(value) else None
    return declared if isinstance(declared, Tool) else None


def _declared(function: Callable[..., object], place: str, *, name: str | None, **options: Any) -> Tool:
    if not inspect.isfunction(function):
        raise InvalidTool("it is no function; decorate one made with def or async def")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidTool("it yields; return the whole result")
    docstring = parse_docstring(function.__doc__ or "")
    if not docstring.description:
        raise InvalidTool("it has no docstring; say what it does, in words for the model")
    parameters = Parameters(function, docstring.parameters)
    description = _description(
        name=function.__name__ if name is None else name,
        description=docstring.description,
        parameters=parameters.schema,
        **options,
    )
    return Tool(
        description=description,
        function=function,
        is_async=inspect.iscoroutinefunction(function),
        parameters=parameters,
        place=place,
    )


def _description(**fields: Any) -> ToolDescription:
    try:
        _NAMES.validate_python(fields["name"])
    except ValidationError:
        raise InvalidTool(
            f"the service does not take the name {fields['name']!r}; begin with a letter and use letters, "
            "digits, '_', '.' and '-', 64 at the most"
        ) from None
    try:
        description = ToolDescription(**fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InvalidTool(f"{first['loc'][0]}: {first['msg']}") from None
    if description.timeout_s > MAX_DEADLINE_S:
        raise InvalidTool(f"timeout_s: {description.timeout_s:g} is more than {MAX_DEADLINE_S}, a week")
    beat_s = description.heartbeat_timeout_s
    if beat_s is not None and not _MIN_HEARTBEAT_TIMEOUT_S <= beat_s <= description.timeout_s:
        raise InvalidTool(
            f"heartbeat_timeout_s: {beat_s:g} is not between {_MIN_HEARTBEAT_TIMEOUT_S:g} and timeout_s, "
            f"{description.timeout_s:g}"
        )
    size_bytes = len(description.model_dump_json().encode())
    if size_bytes > _MAX_DESCRIPTION_BYTES:
        raise InvalidTool(
            f"its description and schema have {size_bytes:,} bytes; the limit is {_MAX_DESCRIPTION_BYTES:,}"
        )
    return description


def _place_of(function: object) -> str:
    code = getattr(function, "__code__", None)
    return f"{Path(code.co_filename)}:{code.co_firstlineno}" if code else "?"
