"""Media as the API sends it: base64, with a media type, and at times without a header.

What is kept of it is opened with a click, or served by a bucket under the type it is stored with. So only
what a program shows or plays keeps its name and type; what it might run (pages, drawings with scripts,
programs, anything unheard of) is kept as plain text or as bytes.
"""

import base64
import binascii
import re
import struct
from itertools import pairwise
from typing import Final, NamedTuple

from artifacts.errors import InvalidMedia

INLINE_IMAGE_TYPES: Final = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
"""Images that a page may show: pixels. An SVG is a document, with scripts and addresses in it."""

_SUFFIXES: Final = {
    "application/json": "json",
    # Scripts in it run in no browser but in a sandbox without files and network.
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/zip": "zip",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/ogg": "ogg",
    "audio/ogg_opus": "ogg",
    "audio/opus": "ogg",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/webm": "webm",
    "audio/x-wav": "wav",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/png": "png",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/plain": "txt",
    "video/mp4": "mp4",
    "video/mpeg": "mpg",
    "video/quicktime": "mov",
    "video/webm": "webm",
}
"""All types that keep their name: pixels, sound, films, and documents in formats without macros."""

_TEXT: Final = "text/plain"
_BYTES: Final = "application/octet-stream"

_SNIFFED_BYTES: Final = 4 * 1_445
"""How far a browser looks for the beginning of a page (WHATWG, MIME Sniffing, read 2026-11-28), in UTF-32."""

_MARKUP: Final = re.compile(rb"[\t\n\f\r \0]*<[A-Za-z!?/]")

INLINE_SOUND_TYPES: Final = frozenset(
    {
        "audio/aac",
        "audio/flac",
        "audio/mp3",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "audio/webm",
    }
)
INLINE_FILM_TYPES: Final = frozenset({"video/mp4", "video/webm"})
"""What a page may play: browsers decode them, and nothing in them is a document."""

_OGG_TYPES: Final = frozenset({"audio/ogg_opus", "audio/opus"})
"""The API's words for Opus in Ogg, which no program knows."""


class _Samples(NamedTuple):
    """Samples as they come without a header, in the words of a WAV header.

    Attributes:
        format_code: Of the encoding (RFC 2361).
        sample_bytes: Of one sample.
        rate_hz: Where nothing says so.
    """

    format_code: int
    sample_bytes: int
    rate_hz: int


_SPEECH_RATE_HZ: Final = 24_000
"""What the API speaks with where the type names no rate
(https://ai.google.dev/gemini-api/docs/speech-generation, read 2026-11-22)."""

_TELEPHONE_RATE_HZ: Final = 8_000
"""What A-law and mu-law are made for (RFC 3551)."""

_LINEAR: Final = _Samples(1, 2, _SPEECH_RATE_HZ)

_RAW_SAMPLES: Final = {
    "audio/l16": _LINEAR,
    "audio/pcm": _LINEAR,
    "audio/alaw": _Samples(6, 1, _TELEPHONE_RATE_HZ),
    "audio/mulaw": _Samples(7, 1, _TELEPHONE_RATE_HZ),
}

_RATES_HZ: Final = range(1_000, 384_001)
_CHANNELS: Final = range(1, 33)
"""Outside of these a parameter is a mistake, and a WAV header could not be believed."""

_COMPARED_SAMPLES: Final = 240_000
"""Ten seconds of speech: enough to hear in which order its bytes come."""


def suffix_of(media_type: str) -> str:
    """Return the suffix for files of ``media_type``, such as ``.png``; ``.bin`` if it is not a usual one."""
    return f".{_SUFFIXES.get(essence_of(media_type), 'bin')}"


def inert_type(content: bytes, media_type: str) -> str:
    """Return the type to keep ``content`` as: its own if nothing runs it, else plain text or bytes.

    Its own is believed only as far as the content does not contradict: markup is never an image.
    """
    essence = essence_of(media_type)
    if essence in _SUFFIXES and (essence == _TEXT or not _is_markup(content)):
        return essence
    return _TEXT if _is_text(content) else _BYTES


def may_be_linked(name: str, media_type: str) -> bool:
    """Return whether a page may lead to the file ``name``: its type keeps its name, and it has that name."""
    essence = essence_of(media_type)
    return essence in _SUFFIXES and name.lower().endswith(suffix_of(essence))


def _is_markup(content: bytes) -> bool:
    """Return whether a program that guesses might take ``content`` for a page or a drawing."""
    # In UTF-16 and UTF-32 every other byte is zero, behind a mark of their order.
    head = content[:_SNIFFED_BYTES].removeprefix(b"\xef\xbb\xbf")
    return _MARKUP.match(head.lstrip(b"\xff\xfe\0").replace(b"\0", b"")) is not None


def _is_text(content: bytes) -> bool:
    if b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


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


def playable(
    content: bytes, media_type: str, *, rate_hz: int | None = None, channels: int | None = None
) -> tuple[bytes, str]:
    """Return audio that programs can open, and its media type; anything else as it is.

    The API also speaks in samples without a header to say so, such as ``audio/l16;rate=24000``.

    Args:
        content: The file.
        media_type: What it is said to be; its parameters ``rate`` and ``channels`` are heeded.
        rate_hz: Samples a second, where that is said elsewhere; believed more than the parameter.
        channels: Likewise.
    """
    essence = essence_of(media_type)
    if essence in _OGG_TYPES:
        return content, "audio/ogg"
    samples = _RAW_SAMPLES.get(essence)
    if samples is None:
        return content, media_type
    if content.startswith(b"RIFF"):
        return content, "audio/wav"
    header = _wav_header(
        samples,
        len(content),
        rate_hz=_believable(rate_hz, media_type, "rate", _RATES_HZ, default=samples.rate_hz),
        channels=_believable(channels, media_type, "channels", _CHANNELS, default=1),
    )
    in_order = _little_end_first(content) if samples is _LINEAR else content
    # Chunks have an even length.
    return header + in_order + b"\0" * (len(content) % 2), "audio/wav"


def _wav_header(samples: _Samples, length_bytes: int, *, rate_hz: int, channels: int) -> bytes:
    frame_bytes = channels * samples.sample_bytes
    sound = struct.pack(
        "<HHIIHHH",
        samples.format_code,
        channels,
        rate_hz,
        rate_hz * frame_bytes,
        frame_bytes,
        8 * samples.sample_bytes,
        0,  # bytes of extra parameters, which every format but the linear one has to give
    )
    chunks = b"WAVE" + _chunk_head(b"fmt ", len(sound)) + sound
    if samples is not _LINEAR:
        chunks += _chunk_head(b"fact", 4) + struct.pack("<I", length_bytes // frame_bytes)
    chunks += _chunk_head(b"data", length_bytes)
    return _chunk_head(b"RIFF", len(chunks) + length_bytes + length_bytes % 2) + chunks


def _chunk_head(name: bytes, length_bytes: int) -> bytes:
    return name + struct.pack("<I", length_bytes)


def _little_end_first(content: bytes) -> bytes:
    """Return samples of two bytes as WAV has them.

    RFC 2586 has L16 in network order, and the API's speech has been seen in the other. Sound moves in small
    steps, and in the wrong order it is noise; so of the two the smoother one is right.
    """
    whole = content[: len(content) // 2 * 2]
    count = min(len(whole) // 2, _COMPARED_SAMPLES)
    compared = whole[: 2 * count]
    if _roughness(f"<{count}h", compared) <= _roughness(f">{count}h", compared):
        return content
    swapped = bytearray(content)
    swapped[0 : len(whole) : 2], swapped[1 : len(whole) : 2] = whole[1::2], whole[0::2]
    return bytes(swapped)


def _roughness(layout: str, content: bytes) -> int:
    return sum(abs(one - next_one) for one, next_one in pairwise(struct.unpack(layout, content)))


def essence_of(media_type: str) -> str:
    """Return ``media_type`` without parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()


def _believable(told: int | None, media_type: str, name: str, allowed: range, *, default: int) -> int:
    found = re.search(rf";\s*{name}\s*=\s*\"?(\d{{1,9}})", media_type, re.IGNORECASE)
    candidates = (told, int(found[1]) if found else None)
    return next((number for number in candidates if number is not None and number in allowed), default)
