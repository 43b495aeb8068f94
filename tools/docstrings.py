"""Google-style docstrings: what a function is for, and what its parameters mean."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_SECTION: Final = re.compile(
    r"(Args|Arguments|Attributes|Example|Examples|Note|Notes|Raises|Return|Returns|Todo|Warning|Yields):"
)
"""A heading at the margin, alone on its line."""

_PARAMETERS: Final = frozenset({"Args", "Arguments"})

_ENTRY: Final = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)")
"""``name: text`` or ``name (type): text``."""


@dataclass(frozen=True)
class Docstring:
    """What a docstring says.

    Attributes:
        description: Everything before the first section.
        parameters: Texts of the ``Args`` section, by parameter, each in one line.
    """

    description: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_docstring(docstring: str) -> Docstring:
    """Return what ``docstring`` says. What is written in another style is all description."""
    description: list[str] = []
    parameters: list[str] = []
    section = ""
    for line in inspect.cleandoc(docstring).splitlines():
        heading = _SECTION.fullmatch(line.rstrip())
        if heading:
            section = heading[1]
        elif not section:
            description.append(line)
        elif section in _PARAMETERS and line.strip():
            parameters.append(line)
    return Docstring("\n".join(description).strip(), _entries(parameters))


def _entries(lines: list[str]) -> dict[str, str]:
    """Return the texts in ``lines`` by name; lines that are indented further go on with what is above."""
    entries: dict[str, str] = {}
    margin = min((_indent(line) for line in lines), default=0)
    current = ""
    for line in lines:
        entry = _ENTRY.fullmatch(line.strip()) if _indent(line) == margin else None
        if entry:
            current = entry[1]
            entries[current] = entry[2]
        elif current:
            entries[current] = f"{entries[current]} {line.strip()}".strip()
    return entries


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
