"""Media as the API sends it: base64, with a media type, and at times without a header."""

import base64
import binascii
import io
import re
import wave
from typing import Final

from artifacts.errors import InvalidMedia

INLINE_IMAGE_TYPES: Final = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
"""Images that a page may show: pixels. An SVG is a document, with scripts and addresses in it."""

_SUFFIXES: Final = {
    "application/json": "json",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
    "video/mp4": "mp4",
    "video/webm": "webm",
}

_PCM_TYPES: Final = frozenset({"audio/l16", "audio/pcm"})

_PCM_RATE_HZ: Final = 24_000
"""What the API speaks with where the type names no rate
(https://ai.google.dev/gemini-api/docs/speech-generation, read 2026-11-22)."""

_RATES_HZ: Final = range(1_000, 384_001)
_CHANNELS: Final = range(1, 33)
"""Outside of these a parameter is a mistake, and a WAV header could not be believed."""

_PCM_SAMPLE_BYTES: Final = 2


def suffix_of(media_type: str) -> str:
    """Return the suffix for files of ``media_type``, such as ``.png``; ``.bin`` if it is not a usual one."""
    return f".{_SUFFIXES.get(essence_of(media_type), 'bin')}"


def decode_base64(encoded: str, *, max_bytes: int) -> bytes:
    """Return what ``encoded`` holds, in the usual or the URL alphabet, padded or not.

    Raises:
        InvalidMedia: It is not base64, or longer than ``max_bytes``; nothing that long is decoded.
    """
    # Four characters are three bytes; line breaks may come on top, but never double the length.
    if len(encoded) > 2 * (max_bytes + 3) * 4 // 3:
        raise InvalidMedia(f"media is longer than {max_bytes} bytes")
    compact = "".join(encoded.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        # ValueError: characters outside of ASCII.
        raise InvalidMedia("media is not base64") from None
    if len(decoded) > max_bytes:
        raise InvalidMedia(f"media is longer than {max_bytes} bytes")
    return decoded


def playable(content: bytes, media_type: str) -> tuple[bytes, str]:
    """Return audio that programs can open, and its media type; anything else as it is.

    The API speaks in raw samples (``audio/l16;rate=24000``), which have no header to say so.
    """
    if essence_of(media_type) not in _PCM_TYPES:
        return content, media_type
    with io.BytesIO() as file:
        with wave.open(file, "wb") as wav:
            wav.setnchannels(_parameter(media_type, "channels", _CHANNELS, default=1))
            wav.setsampwidth(_PCM_SAMPLE_BYTES)
            wav.setframerate(_parameter(media_type, "rate", _RATES_HZ, default=_PCM_RATE_HZ))
            # RFC 2586 has L16 in network order, but the API sends it as WAV does, little end first.
            wav.writeframes(content)
        return file.getvalue(), "audio/wav"


def essence_of(media_type: str) -> str:
    """Return ``media_type`` without parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()


def _parameter(media_type: str, name: str, allowed: range, *, default: int) -> int:
    found = re.search(rf";\s*{name}\s*=\s*\"?(\d{{1,9}})", media_type, re.IGNORECASE)
    number = int(found[1]) if found else default
    return number if number in allowed else default
