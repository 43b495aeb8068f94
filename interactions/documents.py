"""From bytes to typed documents: tolerant of everything but a body that is no JSON object."""

import re
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from interactions.events import KNOWN_EVENT, StreamEvent, UnknownEvent
from interactions.responses import Interaction

# An escape from \uD800 to \uDFFF that is not one half of a pair: no character, and strict parsers refuse it.
_LONE_SURROGATE: Final = re.compile(
    r"(?<!\\)((?:\\\\)*)(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)


def parse_json(body: bytes) -> Any:
    """Return the JSON value in ``body``.

    Text that is no valid Unicode (a broken byte, half a surrogate pair) is replaced by U+FFFD rather
    than refused: one bad character in a report must not cost the report.

    Raises:
        ValueError: The body is no JSON.
    """
    try:
        return from_json(body)
    except ValueError:
        repaired = _LONE_SURROGATE.sub(r"\1\\ufffd", body.decode("utf-8", "replace"))
        return from_json(repaired)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``.

    Raises:
        ValueError: The body is no JSON object.
    """
    document = parse_json(body)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for all that is no object
    return document


def parse_interaction(document: dict[str, Any], body: bytes) -> Interaction:
    """Return the interaction in ``document``, whatever its fields hold; ``body`` is what it came as."""
    return Interaction.model_validate(document).keep_raw(body)


def parse_event(event_name: str, data: bytes) -> StreamEvent:
    """Return the event in ``data``; what cannot be understood becomes an ``UnknownEvent``."""
    try:
        document = parse_object(data)
    except ValueError:
        text = data.decode("utf-8", "replace")
        return UnknownEvent(event_type=event_name, raw=text).keep_raw(data)
    # The name is repeated in the JSON; should that ever stop, the event line says it.
    kind = document.setdefault("event_type", event_name)
    try:
        return KNOWN_EVENT.validate_python(document).keep_raw(data)
    except ValidationError:
        mark = document.get("event_id")
        return UnknownEvent(
            event_type=kind if isinstance(kind, str) else event_name,
            event_id=mark if isinstance(mark, str) else None,
            raw=document,
        ).keep_raw(data)
