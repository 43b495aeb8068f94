"""Long decodes: an answer that stops halfway with a token, and goes on in the next interaction.

The token carries the rest of the answer, so that it works for interactions that are not stored, too.
"""

import base64
import binascii
import json
import zlib
from typing import Any

from emulator.errors import invalid
from emulator.wire import base64url


def split(content: dict[str, Any], *, stops_left: int) -> tuple[dict[str, Any], str]:
    """The first half of a text content, and the token for the rest.

    Args:
        content: With the whole text.
        stops_left: How often the answer stops, this time included.
    """
    text = content["text"]
    at = len(text) // 2
    # In the middle of a word, where whoever puts a blank or a line between the halves is found out.
    while at < len(text) - 1 and not text[at - 1 : at + 1].isalpha():
        at += 1
    rest = json.dumps([text[at:], stops_left - 1])
    return cut(content, at), base64url(zlib.compress(rest.encode()))


def cut(content: dict[str, Any], length: int) -> dict[str, Any]:
    """The first ``length`` characters of a text content; citations past them go with their text."""
    text = content["text"][:length]
    end = len(text.encode())
    kept = [each for each in content.get("annotations", []) if each["end_index"] <= end]
    return {"type": "text", "text": text} | ({"annotations": kept} if kept else {})


def rest_of(token: str) -> tuple[str, int]:
    """The text that a token stands for, and how often it stops again.

    Raises:
        ApiError: 400; it is no token of this emulator.
    """
    try:
        text, stops_left = json.loads(
            zlib.decompress(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        )
    except (binascii.Error, zlib.error, ValueError):
        raise invalid("Invalid continuation_token.") from None
    return str(text), int(stops_left)
