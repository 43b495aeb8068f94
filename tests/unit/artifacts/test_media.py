import base64
import io
import math
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.errors import InvalidMedia
from artifacts.media import decode_base64, inert_type, may_be_linked, playable, suffix_of


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [
        ("image/png", ".png"),
        ("IMAGE/JPEG; quality=high", ".jpg"),
        ("audio/mpeg", ".mp3"),
        ("audio/mp3", ".mp3"),
        ("audio/ogg", ".ogg"),
        ("audio/ogg_opus", ".ogg"),
        ("audio/wav", ".wav"),
        ("video/mp4", ".mp4"),
        ("video/webm", ".webm"),
        ("application/pdf", ".pdf"),
        ("application/x-unheard-of", ".bin"),
        ("../../etc/passwd", ".bin"),
        ("", ".bin"),
    ],
)
def test_suffix_follows_the_media_type(media_type: str, suffix: str) -> None:
    """Usual types have their usual suffix; anything else cannot choose its own."""
    assert suffix_of(media_type) == suffix


_PAGE = b"<!doctype html><script>alert(1)</script>"
_DRAWING = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


@pytest.mark.parametrize(
    ("media_type", "content", "kept_as"),
    [
        ("image/png", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("IMAGE/JPEG; quality=high", b"\xff\xd8\xff", "image/jpeg"),
        ("audio/mpeg", b"ID3", "audio/mpeg"),
        ("application/pdf", b"%PDF-1.7", "application/pdf"),
        ("text/plain; charset=utf-7", b"+ADw-script", "text/plain"),
        ("text/csv", b"a,b\n1,2", "text/csv"),
        ("application/json", b"{}", "application/json"),
        # What is run where it is opened
        ("text/html", _PAGE, "text/plain"),
        ("TEXT/HTML; charset=utf-8", _PAGE, "text/plain"),
        ("image/svg+xml", _DRAWING, "text/plain"),
        ("image/svg+xml", b"\x1f\x8b\x08\0", "application/octet-stream"),
        ("application/xhtml+xml", _PAGE, "text/plain"),
        ("text/xml", _DRAWING, "text/plain"),
        ("text/javascript", b"alert(1)", "text/plain"),
        ("application/x-msdownload", b"MZ\0\0", "application/octet-stream"),
        ("application/x-mpegurl", b"#EXTM3U\nhttps://tracker.example/1", "text/plain"),
        ("application/vnd.ms-word.document.macroenabled.12", b"PK\3\4\0", "application/octet-stream"),
        ("text/markdown", b"![](https://tracker.example/1)", "text/plain"),
        ("application/x-unheard-of", b"\0", "application/octet-stream"),
        ("", b"\xff", "application/octet-stream"),
        ("image/png\r\nX-Evil: 1", b"x", "text/plain"),
        # What is not what it is said to be
        ("image/png", _PAGE, "text/plain"),
        ("image/png", b"\xef\xbb\xbf \r\n\t<SCRIPT>alert(1)</SCRIPT>", "text/plain"),
        ("image/jpeg", _DRAWING, "text/plain"),
        ("image/gif", b"<!-- GIF89a -->" + _PAGE, "text/plain"),
        ("image/webp", _DRAWING.decode().encode("utf-16"), "application/octet-stream"),
        ("image/webp", _DRAWING.decode().encode("utf-32-be"), "application/octet-stream"),
        ("audio/wav", b"\0\0" + _PAGE, "application/octet-stream"),
        ("application/pdf", _PAGE + b"%PDF-1.7", "text/plain"),
        ("application/json", _PAGE, "text/plain"),
        ("text/csv", _PAGE, "text/plain"),
        ("text/plain", _PAGE, "text/plain"),
    ],
)
def test_only_what_nothing_runs_keeps_its_type(media_type: str, content: bytes, kept_as: str) -> None:
    """Pages, drawings and programs are kept as text or as bytes, by whatever name they come."""
    assert inert_type(content, media_type) == kept_as


@given(st.text(max_size=30), st.binary(max_size=30) | st.sampled_from([_PAGE, _DRAWING]))
def test_a_file_is_never_kept_as_more_than_it_may_be(media_type: str, content: bytes) -> None:
    """Whatever it is said to be, its name and type are ones that a browser shows, or saves."""
    kept_as = inert_type(content, media_type)
    assert suffix_of(kept_as) not in {".html", ".svg", ".xml", ".js"}
    assert kept_as.isascii()
    assert kept_as.isprintable()
    assert content not in {_PAGE, _DRAWING} or kept_as == "text/plain"


@pytest.mark.parametrize(
    ("name", "media_type", "is_linked"),
    [
        ("image-1.png", "image/png", True),
        ("image-1.txt", "text/plain", True),
        ("image-1.PDF", "application/pdf", True),
        ("image-1.html", "image/png", False),
        ("image-1.html", "text/html", False),
        ("image-1.svg", "image/svg+xml", False),
        ("image-1.bin", "application/octet-stream", False),
    ],
)
def test_a_page_leads_only_to_what_nothing_runs(name: str, media_type: str, is_linked: bool) -> None:
    """A file on a disk is opened by its name, one in a bucket by its type."""
    assert may_be_linked(name, media_type) is is_linked


@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_base64_is_read_in_both_alphabets(content: bytes, is_url_safe: bool, is_padded: bool) -> None:
    """Either alphabet, padded or not, in lines or in one, is the same content."""
    encoded = (base64.urlsafe_b64encode if is_url_safe else base64.b64encode)(content).decode()
    if not is_padded:
        encoded = encoded.rstrip("=")
    lines = "\r\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
    assert decode_base64(lines, max_bytes=200) == content


@pytest.mark.parametrize("encoded", ["AAAAA", "no*base64", "ünïcode", "=A==="])
def test_what_is_not_base64_is_refused(encoded: str) -> None:
    """Nothing is guessed from broken media."""
    with pytest.raises(InvalidMedia, match="not base64"):
        decode_base64(encoded, max_bytes=100)


def test_media_is_bounded() -> None:
    """The bound is exact, and holds however far beyond it the media goes."""
    assert decode_base64(base64.b64encode(b"x" * 10).decode(), max_bytes=10) == b"x" * 10
    for length in (11, 10_000):
        with pytest.raises(InvalidMedia, match="longer than 10 bytes"):
            decode_base64(base64.b64encode(b"x" * length).decode(), max_bytes=10)


@pytest.mark.parametrize(
    ("media_type", "rate_hz", "channels"),
    [
        ("audio/l16;rate=16000;channels=2", 16_000, 2),
        ("audio/L16; codec=pcm; rate=24000", 24_000, 1),
        ("audio/pcm", 24_000, 1),
        ("audio/l16;rate=0;channels=99", 24_000, 1),
    ],
)
def test_raw_samples_become_a_wav(media_type: str, rate_hz: int, channels: int) -> None:
    """Samples get the header that players need, with what the type says of them."""
    samples = b"\x01\x02\x03\x04" * 8
    content, playable_type = playable(samples, media_type)
    assert playable_type == "audio/wav"
    with wave.open(io.BytesIO(content)) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (rate_hz, channels, 2)
        assert wav.readframes(100) == samples


@pytest.mark.parametrize(
    ("told", "media_type", "rate_hz", "channels"),
    [
        ((16_000, 2), "audio/l16", 16_000, 2),
        ((16_000, None), "audio/l16;rate=48000;channels=2", 16_000, 2),
        ((0, 99), "audio/l16;rate=48000", 48_000, 1),
    ],
)
def test_what_is_said_beside_the_type_counts_first(
    told: tuple[int | None, int | None], media_type: str, rate_hz: int, channels: int
) -> None:
    """The API has rate and channels as fields of their own; impossible ones are not believed."""
    content, _ = playable(b"\0" * 32, media_type, rate_hz=told[0], channels=told[1])
    with wave.open(io.BytesIO(content)) as wav:
        assert (wav.getframerate(), wav.getnchannels()) == (rate_hz, channels)


def _tone(layout: str) -> bytes:
    return b"".join(struct.pack(layout, int(9_000 * math.sin(index / 8))) for index in range(1_000))


@pytest.mark.parametrize("layout", ["<h", ">h"], ids=["little end first", "network order"])
@pytest.mark.parametrize("odd", [b"", b"\x01"], ids=["whole", "half a sample over"])
def test_samples_are_heard_in_either_order(layout: str, odd: bytes) -> None:
    """RFC 2586 has one order and the API was seen to use the other; noise in place of speech helps nobody."""
    content, _ = playable(_tone(layout) + odd, "audio/l16")
    with wave.open(io.BytesIO(content)) as wav:
        assert wav.readframes(1_000) == _tone("<h")


@pytest.mark.parametrize(
    ("media_type", "format_code"), [("audio/alaw", 6), ("audio/mulaw", 7), ("audio/MULAW; rate=8000", 7)]
)
def test_telephone_sound_becomes_a_wav(media_type: str, format_code: int) -> None:
    """Its header names the encoding, since the samples are no linear ones, and every chunk is whole."""
    samples = bytes(range(101))
    content, playable_type = playable(samples, media_type)
    assert playable_type == "audio/wav"
    chunks = _chunks(content)
    assert struct.unpack("<HHIIHHH", chunks[b"fmt "]) == (format_code, 1, 8_000, 8_000, 1, 8, 0)
    assert struct.unpack("<I", chunks[b"fact"]) == (101,)
    assert chunks[b"data"] == samples


def _chunks(content: bytes) -> dict[bytes, bytes]:
    """The chunks of a RIFF file, as any reader finds them."""
    name, length, form = struct.unpack("<4sI4s", content[:12])
    assert (name, length, form) == (b"RIFF", len(content) - 8, b"WAVE")
    chunks: dict[bytes, bytes] = {}
    start = 12
    while start < len(content):
        name, length = struct.unpack("<4sI", content[start : start + 8])
        chunks[name] = content[start + 8 : start + 8 + length]
        start += 8 + length + length % 2
    assert start == len(content)
    return chunks


def test_samples_with_a_header_keep_it() -> None:
    """A WAV file in the name of raw samples would get a click for a header."""
    content, _ = playable(b"\0" * 8, "audio/wav")
    assert playable(b"RIFF" + content, "audio/l16") == (b"RIFF" + content, "audio/wav")


def test_opus_has_the_name_that_programs_know() -> None:
    """The API calls Opus in Ogg by a word of its own."""
    assert playable(b"OggS", "audio/ogg_opus") == (b"OggS", "audio/ogg")


def test_other_media_is_left_alone() -> None:
    """What has a header of its own stays as it is."""
    assert playable(b"ID3", "audio/mpeg") == (b"ID3", "audio/mpeg")
