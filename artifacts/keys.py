"""Keys: where in a store a file is, as ``folder/…/name``.

Callers build keys from ids of runs, which strangers may choose, so every key is checked before it
reaches a disk or a bucket.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, unquote

from artifacts.errors import InvalidKey

MAX_KEY_BYTES: Final = 512
"""S3 takes 1,024. Percent-encoded, a key has to leave room in ``runs.limits.MAX_URI_CHARS``."""

_MAX_SEGMENT_BYTES: Final = 255
"""What common file systems take as one name."""

_SHOWN_CHARS: Final = 80
"""How much of a bad key an error repeats."""


def check_key(key: str) -> str:
    """Return ``key`` if it is safe on a disk and in any bucket.

    Raises:
        InvalidKey: The key is empty, absolute or too long, has an empty or hidden segment, ``..``, a
            backslash, or a character nobody can see.
    """
    problem = next(filter(None, (*_problems_with(key), *map(_problem_with_segment, key.split("/")))), None)
    if problem is not None:
        raise InvalidKey(f"not a key ({problem}): {key[:_SHOWN_CHARS]!a}")
    return key


def _problems_with(key: str) -> Iterator[str]:
    # Categories C*: controls, format characters such as bidi overrides, lone surrogates, unassigned.
    if any(unicodedata.category(character)[0] == "C" for character in key):
        yield "a character that cannot be seen"
    elif len(key.encode()) > MAX_KEY_BYTES:
        yield f"longer than {MAX_KEY_BYTES} bytes"
    if "\\" in key:
        yield "a backslash"


def _problem_with_segment(segment: str) -> str | None:
    if not segment:
        return "an empty segment"
    # Also keeps out "." and "..", and leaves hidden names to the store itself.
    if segment.startswith("."):
        return "a segment that begins with a dot"
    if len(segment.encode("utf-8", "replace")) > _MAX_SEGMENT_BYTES:
        return f"a segment longer than {_MAX_SEGMENT_BYTES} bytes"
    return None


def to_uri(base_uri: str, key: str) -> str:
    """Return the address of ``key`` in the store at ``base_uri``."""
    return f"{base_uri}/{quote(key)}"


def key_of(base_uri: str, key_or_uri: str) -> str:
    """Return the key that ``key_or_uri`` means in the store at ``base_uri``.

    Raises:
        InvalidKey: Not a key, or an address outside of this store. Requests carry addresses, and
            ``file:///etc/passwd`` must not become an attachment.
    """
    if "://" not in key_or_uri:
        return check_key(key_or_uri)
    inside = key_or_uri.removeprefix(f"{base_uri}/")
    if inside == key_or_uri:
        raise InvalidKey(f"not in this artifact store: {key_or_uri[:_SHOWN_CHARS]!a}")
    return check_key(unquote(inside))
