"""The tools that a worker has."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Final

from runs.text import first_line
from tools.declaring import Tool, tool_of
from tools.errors import InvalidTool

_MAX_REASON_CHARS: Final = 300


class ToolRegistry:
    """Tools by name.

    Raises:
        InvalidTool: Two have the same name.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            known = self._tools.setdefault(tool.name, tool)
            if known is not tool:
                raise InvalidTool(
                    f"{tool.place}: a tool named {tool.name!r} is in {known.place} already; "
                    "give one of them another name, @tool(name=…)"
                )

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._tools))

    def get(self, name: str) -> Tool | None:
        """Return the tool that is called ``name``; None if there is none."""
        return self._tools.get(name)


def load_tools(modules: str, *, redact: Callable[[str], str] = str) -> ToolRegistry:
    """Import modules and return their tools: every decorated function that has a name in one of them.

    The current folder is searched last, so that no file in it takes the place of an installed module.

    Args:
        modules: Names such as ``my_company.agent_tools``, separated by commas; empty for no tools.
        redact: Returns a text without secrets; what a module raises while it is imported may have some.

    Raises:
        InvalidTool: A module cannot be imported or has no tools, or a function cannot be one.
    """
    found: list[Tool] = []
    for name in filter(None, map(str.strip, modules.split(","))):
        module = _imported(name, redact)
        tools = [tool for value in vars(module).values() if (tool := tool_of(value)) is not None]
        if not tools:
            raise InvalidTool(_why_empty(module))
        found += tools
    return ToolRegistry(found)


def _imported(name: str, redact: Callable[[str], str]) -> ModuleType:
    here = str(Path.cwd())
    if not {here, ""} & set(sys.path):
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except InvalidTool:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise InvalidTool(
                f"there is no module {name!r}, neither installed nor in the current folder, {here}; "
                "start the worker beside it, or set PYTHONPATH"
            ) from None
        raise InvalidTool(f"importing {name!r} failed: {_reason(error, redact)}") from error
    except (Exception, SystemExit) as error:
        # Somebody's module may do anything while it is imported, and none of it must look like our crash.
        raise InvalidTool(f"importing {name!r} failed: {_reason(error, redact)}") from error


def _why_empty(module: ModuleType) -> str:
    found = f"the module {module.__name__!r} ({module.__file__ or 'no file'}) has no tools"
    beside = Path.cwd().joinpath(*module.__name__.split(".")).with_suffix(".py")
    if beside.exists() and str(beside) != module.__file__:
        return f"{found}, and comes before {beside}; rename that file"
    return f"{found}; decorate its functions with @tool, or name the module that has them"


def _reason(error: BaseException, redact: Callable[[str], str]) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if os.sep in frame.filename]
    at = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return first_line(redact(f"{type(error).__name__}: {error}"), _MAX_REASON_CHARS) + at
