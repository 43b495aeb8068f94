import base64
import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.errors import InvalidMedia
from artifacts.media import decode_base64, playable, suffix_of


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [
        ("image/png", ".png"),
        ("IMAGE/JPEG; quality=high", ".jpg"),
        ("audio/mpeg", ".mp3"),
        ("application/x-unheard-of", ".bin"),
        ("../../etc/passwd", ".bin"),
        ("", ".bin"),
    ],
)
def test_suffix_follows_the_media_type(media_type: str, suffix: str) -> None:
    """Usual types have their usual suffix; anything else cannot choose its own."""
    assert suffix_of(media_type) == suffix


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


def test_other_media_is_left_alone() -> None:
    """What has a header of its own stays as it is."""
    assert playable(b"ID3", "audio/mpeg") == (b"ID3", "audio/mpeg")
