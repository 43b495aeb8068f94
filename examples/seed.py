"""The functions of the announcement's samples: ``LONGHAUL_TOOLS=examples.seed longhaul worker``."""

import base64
from typing import Annotated

from pydantic import Field

from tools import Image, tool

_SCREEN = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
"""One red pixel, where a real tool would take a picture of its browser."""

Thousandths = Annotated[int, Field(ge=0, le=1_000)]
"""A place on the screen, whatever its size."""


@tool
def get_weather(location: str) -> str:
    """Return what the weather is like.

    Args:
        location: The city, such as San Francisco.
    """
    return f"The weather in {location} is sunny."


@tool
def schedule_meeting(attendees: list[str], date: str, time: str, topic: str) -> str:
    """Put a meeting into everybody's calendar.

    Args:
        attendees: Who comes.
        date: Such as 2026-11-22.
        time: Such as 15:00.
        topic: What it is about.
    """
    return f"{topic} on {date} at {time}: {len(attendees)} invited."


@tool
def click_at(x: Thousandths, y: Thousandths) -> list[str | Image]:
    """Click somewhere on the screen, and return what it shows then.

    Args:
        x: From the left.
        y: From the top.
    """
    return [f"clicked at {x}, {y}", Image(_SCREEN)]
