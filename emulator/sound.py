"""A tone as long as its text, in the forms in which speech is delivered.

Compressing it would take an encoder: MP3 and Opus are silence of that length, which every player plays.
"""

import io
import math
import struct
import wave
from collections.abc import Callable
from typing import Final

SAMPLE_RATE_HZ: Final = 24_000
"""What the live service's speech has."""

_NOTE_S: Final = 0.2
_MAX_WORDS: Final = 50

_PEAK: Final = 9_000
"""About a quarter of full scale."""


def duration_of(text: str) -> float:
    """How long a text sounds, in seconds: a fifth a word, at most ten."""
    return _NOTE_S * max(1, min(len(text.split()), _MAX_WORDS))


def encode_sound(text: str, mime_type: str, *, sample_rate_hz: int) -> bytes:
    """The tone for a text as a file.

    Args:
        text: What is said.
        mime_type: One of ``SOUND_FORMATS``.
        sample_rate_hz: Samples a second; MP3 and Opus have their own.
    """
    return SOUND_FORMATS[mime_type](text, sample_rate_hz)


def rate_of(mime_type: str, wanted_hz: int) -> int:
    """The sample rate that a file of this type will have."""
    return {"audio/mp3": _MP3_RATE_HZ, "audio/ogg_opus": _OPUS_RATE_HZ}.get(mime_type, wanted_hz)


def _tone(text: str, sample_rate_hz: int) -> list[int]:
    """Signed 16-bit mono samples: one note a word, higher for longer words."""
    samples: list[int] = []
    note_length = int(sample_rate_hz * _NOTE_S)
    for word in (text.split() or ["-"])[:_MAX_WORDS]:
        frequency_hz = 220 * 2 ** (len(word) % 12 / 12)
        for index in range(note_length):
            # Fading in and out keeps the notes from clicking.
            loudness = _PEAK * math.sin(math.pi * index / note_length)
            samples.append(int(loudness * math.sin(2 * math.pi * frequency_hz * index / sample_rate_hz)))
    return samples


def _wav(text: str, sample_rate_hz: int) -> bytes:
    samples = _tone(text, sample_rate_hz)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate_hz)
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return buffer.getvalue()


def _l16(text: str, sample_rate_hz: int) -> bytes:
    # RFC 2586: samples in network byte order, without a header.
    samples = _tone(text, sample_rate_hz)
    return struct.pack(f">{len(samples)}h", *samples)


def _mulaw(text: str, sample_rate_hz: int) -> bytes:
    return bytes(_mulaw_of(sample) for sample in _tone(text, sample_rate_hz))


def _mulaw_of(sample: int) -> int:
    """ITU-T G.711: sign, three bits of exponent, four of mantissa, all inverted."""
    sign, magnitude = (0x80 if sample < 0 else 0), min(abs(sample >> 2) << 2, 32_635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF


def _alaw(text: str, sample_rate_hz: int) -> bytes:
    return bytes(_alaw_of(sample) for sample in _tone(text, sample_rate_hz))


def _alaw_of(sample: int) -> int:
    """ITU-T G.711: the same with another lowest segment, and every other bit inverted."""
    sign, magnitude = (0, ~sample) if sample < 0 else (0x80, sample)
    exponent = max(0, magnitude.bit_length() - 8)
    mantissa = magnitude >> (exponent + 3 if exponent else 4)
    return (sign | exponent << 4 | mantissa & 0x0F) ^ 0x55


_MP3_RATE_HZ: Final = 44_100
_MP3_FRAME_SAMPLES: Final = 1_152
_MP3_FRAME: Final = bytes.fromhex("fffb10c4").ljust(104, b"\0")
"""MPEG-1 Layer III, 32 kbit/s, mono: a header, and side information that says that nothing sounds."""


def _mp3(text: str, _: int) -> bytes:
    return _MP3_FRAME * math.ceil(duration_of(text) * _MP3_RATE_HZ / _MP3_FRAME_SAMPLES)


_OPUS_RATE_HZ: Final = 48_000
_OPUS_SILENCE: Final = bytes.fromhex("f8fffe")
"""20 ms of silence: CELT, full band, mono."""

_OPUS_PACKET_SAMPLES: Final = 960
_OPUS_PRE_SKIP: Final = 312
_OGG_SERIAL: Final = 0x4C48
_MAX_PACKETS_A_PAGE: Final = 255


def _ogg_opus(text: str, _: int) -> bytes:
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, _OPUS_PRE_SKIP, _OPUS_RATE_HZ, 0, 0)
    vendor = b"emulator"
    tags = struct.pack("<8sI", b"OpusTags", len(vendor)) + vendor + struct.pack("<I", 0)
    count = math.ceil((duration_of(text) * _OPUS_RATE_HZ + _OPUS_PRE_SKIP) / _OPUS_PACKET_SAMPLES)
    pages = [_ogg_page([head], number=0, samples=0, flags=2), _ogg_page([tags], number=1, samples=0, flags=0)]
    for first in range(0, count, _MAX_PACKETS_A_PAGE):
        last = min(first + _MAX_PACKETS_A_PAGE, count)
        packets = [_OPUS_SILENCE] * (last - first)
        flags = 4 if last == count else 0
        pages.append(_ogg_page(packets, number=len(pages), samples=last * _OPUS_PACKET_SAMPLES, flags=flags))
    return b"".join(pages)


def _ogg_page(packets: list[bytes], *, number: int, samples: int, flags: int) -> bytes:
    """RFC 3533; packets are shorter than 255 bytes, so each is one segment."""
    sizes = bytes(len(packet) for packet in packets)
    fields = ("<4sBBqIII", b"OggS", 0, flags, samples, _OGG_SERIAL, number)
    tail = bytes([len(sizes)]) + sizes + b"".join(packets)
    # The checksum is of the page with nothing in its own place.
    checksum = _ogg_checksum(struct.pack(*fields, 0) + tail)
    return struct.pack(*fields, checksum) + tail


def _ogg_checksum(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)
    return crc & 0xFFFFFFFF


SOUND_FORMATS: Final[dict[str, Callable[[str, int], bytes]]] = {
    "audio/wav": _wav,
    "audio/l16": _l16,
    "audio/mulaw": _mulaw,
    "audio/alaw": _alaw,
    "audio/mp3": _mp3,
    "audio/ogg_opus": _ogg_opus,
}
"""All forms that can be asked for."""
