"""Long decodes: an answer that stops halfway with a token, and goes on in the next interaction.

The token carries the rest of the answer, so that it works for interactions that are not stored, too.
"""

import base64
import binascii
import zlib

from emulator.errors import invalid
from emulator.wire import base64url


def halve(text: str) -> tuple[str, str]:
    """The first half of a text, and the token for the rest."""
    middle = len(text) // 2
    return text[:middle], base64url(zlib.compress(text[middle:].encode()))


def rest_of(token: str) -> str:
    """The text that a token stands for.

    Raises:
        ApiError: 400; it is no token of this emulator.
    """
    try:
        return zlib.decompress(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))).decode()
    except (binascii.Error, zlib.error, ValueError):
        raise invalid("Invalid continuation_token.") from None
