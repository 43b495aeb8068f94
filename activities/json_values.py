"""JSON of strangers, before it goes into history."""

import json
import math
from typing import Final

MAX_DEPTH: Final = 100
"""How deeply a value may be nested. The parser that reads payloads stops at some 200, and a payload that
cannot be read leaves a workflow stuck."""


def is_readable(value: object) -> bool:
    """Return whether a payload with ``value`` in it can be read back, and holds the same value then."""
    return _is_readable(value, depth=MAX_DEPTH)


def size_bytes(value: object) -> int:
    """Return the length of a readable ``value`` as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def _is_readable(value: object, *, depth: int) -> bool:
    match value:
        case dict():
            return depth > 0 and all(_is_readable(part, depth=depth - 1) for part in value.values())
        case list():
            return depth > 0 and all(_is_readable(part, depth=depth - 1) for part in value)
        case float():
            # NaN and infinity are no JSON, and come back as null.
            return math.isfinite(value)
        case _:
            return True
