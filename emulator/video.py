"""A video that every player plays, written bit by bit: a plain colour for each second.

A frame is an H.264 picture of which only the top left block is stored, uncompressed; every other block is
predicted from its neighbours and comes out the same. So a minute of 4k takes a few hundred kilobytes.

Source:
    ITU-T H.264 (7.3, 9.1) for the bits, ISO/IEC 14496-12 and -15 for the file.
"""

import random
import struct
from typing import Final

_BLOCK: Final = 16
"""Pixels across a macroblock."""

_MAX_DURATION_S: Final = 60

_HEIGHTS: Final = {"360p": 360, "720p": 720, "1080p": 1080, "4k": 2160}

_LEVEL: Final = 51
"""5.1, the first level that takes 4k."""

_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""Neither turned nor scaled."""


def draw_video(prompt: str, *, aspect_ratio: str, resolution: str, duration_s: int) -> bytes:
    """An MP4 file with a picture a second, whose colours differ with the prompt.

    Args:
        prompt: What was asked for.
        aspect_ratio: ``16:9`` or ``9:16``.
        resolution: ``360p`` to ``4k``: the length of the shorter side.
        duration_s: Seconds, at most a minute.
    """
    short = _HEIGHTS[resolution]
    long = short * 16 // 9
    width, height = (long, short) if aspect_ratio == "16:9" else (short, long)
    chance = random.Random(prompt)  # noqa: S311 - the same prompt shall give the same video
    frames = [
        _sample(_picture(width, height, colour=bytes(chance.randrange(64, 192) for _ in range(3)), number=n))
        for n in range(max(1, min(duration_s, _MAX_DURATION_S)))
    ]
    return _file(frames, width=width, height=height)


class _Bits:
    def __init__(self) -> None:
        self._bits: list[str] = []

    def put(self, value: int, width: int) -> None:
        self._bits.append(f"{value:0{width}b}")

    def golomb(self, *values: int) -> None:
        """Unsigned Exp-Golomb codes; a signed zero has the same."""
        for value in values:
            digits = f"{value + 1:b}"
            self._bits.append("0" * (len(digits) - 1) + digits)

    def repeat(self, bits: str, times: int) -> None:
        self._bits.append(bits * times)

    def align(self) -> None:
        self._bits.append("0" * (-self._length % 8))

    def raw(self, data: bytes) -> None:
        self._bits.append("".join(f"{byte:08b}" for byte in data))

    @property
    def _length(self) -> int:
        return sum(len(each) for each in self._bits)

    def unit(self, header: int) -> bytes:
        """The bits as a unit of the stream: closed with a one, and without anything like a start code."""
        self.put(1, 1)
        self.align()
        bits = "".join(self._bits)
        escaped, zeros = bytearray([header]), 0
        for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
            if zeros >= 2 and byte <= 3:  # noqa: PLR2004 - the standard's numbers: 00 00 0x becomes 00 00 03 0x
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = 0 if byte else zeros + 1
        return bytes(escaped)


def _blocks(pixels: int) -> int:
    return -(-pixels // _BLOCK)


def _sequence_parameters(width: int, height: int) -> bytes:
    bits = _Bits()
    # Constrained baseline.
    bits.put(66, 8)
    bits.put(0xC0, 8)
    bits.put(_LEVEL, 8)
    # Id 0; frame numbers of four bits; pictures shown in the order in which they come; no references.
    bits.golomb(0, 0, 2, 0)
    bits.put(0, 1)
    bits.golomb(_blocks(width) - 1, _blocks(height) - 1)
    # Whole frames, 8x8 inference, cropped to the right and at the bottom in units of two pixels.
    bits.put(0b111, 3)
    bits.golomb(0, (_blocks(width) * _BLOCK - width) // 2, 0, (_blocks(height) * _BLOCK - height) // 2)
    bits.put(0, 1)
    return bits.unit(0x67)


def _picture_parameters() -> bytes:
    bits = _Bits()
    bits.golomb(0, 0)
    bits.put(0, 2)
    bits.golomb(0, 0, 0)
    bits.put(0, 3)
    # All quantisers as they are; slices say how they are deblocked.
    bits.golomb(0, 0, 0)
    bits.put(0b100, 3)
    return bits.unit(0x68)


def _picture(width: int, height: int, *, colour: bytes, number: int) -> bytes:
    across, down = _blocks(width), _blocks(height)
    bits = _Bits()
    # First block 0, an I slice, parameters 0, frame number 0.
    bits.golomb(0, 7, 0)
    bits.put(0, 4)
    # Two instant refreshes in a row must have different ids.
    bits.golomb(number % 2)
    bits.put(0, 2)
    # No change of the quantiser, no deblocking.
    bits.golomb(0, 1)
    # The stored block: 256 bytes of brightness, twice 64 of colour.
    bits.golomb(25)
    bits.align()
    luma, blue, red = colour
    bits.raw(bytes([luma]) * 256 + bytes([blue]) * 64 + bytes([red]) * 64)
    # Predicted from the mean of the neighbours, and nothing to add. That nothing is written with six bits
    # beside the stored block, which counts as full of coefficients, and with one elsewhere.
    predicted = "00100" + "1" + "1"
    alone, beside = predicted + "1", predicted + "000011"
    bits.repeat(beside, 1)
    bits.repeat(alone, across - 2)
    bits.repeat(beside, 1)
    bits.repeat(alone, across * (down - 1) - 1)
    return bits.unit(0x65)


def _sample(unit: bytes) -> bytes:
    return struct.pack(">I", len(unit)) + unit


def _box(kind: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind.encode()) + body


def _full_box(kind: str, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _file(frames: list[bytes], *, width: int, height: int) -> bytes:
    kind = _box("ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2avc1mp41")
    # How long the index is does not depend on where it says that the frames begin.
    index = _index(frames, width=width, height=height, starts_at=0)
    starts_at = len(kind) + len(index) + 8
    return kind + _index(frames, width=width, height=height, starts_at=starts_at) + _box("mdat", *frames)


def _index(frames: list[bytes], *, width: int, height: int, starts_at: int) -> bytes:
    """One track with one time unit a second, and one frame a unit."""
    count = len(frames)
    movie = _full_box(
        "mvhd",
        struct.pack(">IIII", 0, 0, 1, count),
        struct.pack(">IH10x", 0x10000, 0x100),
        _MATRIX,
        struct.pack(">24xI", 2),
    )
    track = _full_box(
        "tkhd",
        struct.pack(">IIIII", 0, 0, 1, 0, count),
        struct.pack(">8xHHHH", 0, 0, 0, 0),
        _MATRIX,
        struct.pack(">II", width << 16, height << 16),
        flags=3,
    )
    undetermined = 0x55C4  # "und", in the packed form of ISO 639-2
    media = _full_box("mdhd", struct.pack(">IIIIHH", 0, 0, 1, count, undetermined, 0))
    handler = _full_box("hdlr", struct.pack(">I4s12x", 0, b"vide"), b"emulator\0")
    sources = _box("dinf", _full_box("dref", struct.pack(">I", 1), _full_box("url ", flags=1)))
    table = _box(
        "stbl",
        _full_box("stsd", struct.pack(">I", 1), _description(width, height)),
        _full_box("stts", struct.pack(">III", 1, count, 1)),
        _full_box("stsc", struct.pack(">IIII", 1, 1, count, 1)),
        _full_box("stsz", struct.pack(">II", 0, count), struct.pack(f">{count}I", *map(len, frames))),
        _full_box("stco", struct.pack(">II", 1, starts_at)),
    )
    information = _box("minf", _full_box("vmhd", struct.pack(">8x"), flags=1), sources, table)
    return _box("moov", movie, _box("trak", track, _box("mdia", media, handler, information)))


def _description(width: int, height: int) -> bytes:
    sequence, picture = _sequence_parameters(width, height), _picture_parameters()
    configuration = (
        b"\x01"
        + sequence[1:4]
        # Lengths of four bytes before the units; one set of each kind of parameters.
        + b"\xff\xe1"
        + struct.pack(">H", len(sequence))
        + sequence
        + b"\x01"
        + struct.pack(">H", len(picture))
        + picture
    )
    seventy_two_dpi = 72 << 16
    return _box(
        "avc1",
        struct.pack(">6xH16xHH", 1, width, height),
        struct.pack(">III", seventy_two_dpi, seventy_two_dpi, 0),
        struct.pack(">H32xHh", 1, 0x18, -1),
        _box("avcC", configuration),
    )
