import base64
import io
import struct
import wave
from typing import Any

import httpx2 as httpx
import pytest
from PIL import Image

from emulator.clock import Clock
from tests.unit.emulator.helpers import ask, contents, error_of, fast_clock

_WORDS = "one two three four five"
_SECONDS = 1.0
"""How long they sound."""


@pytest.fixture
def clock() -> Clock:
    """Models answer in the foreground, so here time flies instead of standing still."""
    return fast_clock()


def bytes_of(content: dict[str, Any]) -> bytes:
    """What was delivered inline."""
    return base64.b64decode(content["data"], validate=True)


@pytest.mark.parametrize(
    ("mime_type", "image_format"), [("image/png", "PNG"), ("image/jpeg", "JPEG"), (None, "PNG")]
)
async def test_images_decode(api: httpx.AsyncClient, mime_type: str | None, image_format: str) -> None:
    """An image has the type and the shape that were asked for."""
    wanted = {"type": "image", "aspect_ratio": "16:9", "image_size": "512"}
    wanted |= {"mime_type": mime_type} if mime_type else {}
    (content,) = contents(await ask(api, "A robot", response_format=[wanted]))
    image = Image.open(io.BytesIO(bytes_of(content)))
    assert (image.format, image.size) == (image_format, (512, 288))
    assert content["mime_type"] == (mime_type or "image/png")


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "audio"}},
        {"response_format": {"type": "audio", "sample_rate": 8_000}},
        {"model": "gemini-3.1-flash-tts-preview"},
    ],
)
async def test_audio_decodes(api: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    """Audio is a WAV file as long as its text, at the rate that it says and that was asked for."""
    (content,) = contents(await ask(api, _WORDS, **fields))
    with wave.open(io.BytesIO(bytes_of(content))) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(_SECONDS)
        assert sound.getframerate() == content["sample_rate"]
    assert content["sample_rate"] == fields.get("response_format", {}).get("sample_rate", 24_000)


async def test_bare_samples_are_in_network_order(api: httpx.AsyncClient) -> None:
    """``audio/l16`` is the same sound without a header, most significant byte first."""
    formats = [{"type": "audio"}, {"type": "audio", "mime_type": "audio/l16"}]
    wav, bare = contents(await ask(api, _WORDS, response_format=formats))
    with wave.open(io.BytesIO(bytes_of(wav))) as sound:
        samples = sound.readframes(sound.getnframes())
    swapped = bytes_of(bare)
    assert (swapped[0::2], swapped[1::2]) == (samples[1::2], samples[0::2])


@pytest.mark.parametrize("mime_type", ["audio/alaw", "audio/mulaw"])
async def test_telephone_sound_has_a_byte_a_sample(api: httpx.AsyncClient, mime_type: str) -> None:
    """G.711 halves the length, and keeps the loud parts apart from the quiet ones."""
    wanted = {"type": "audio", "mime_type": mime_type, "sample_rate": 8_000}
    (content,) = contents(await ask(api, _WORDS, response_format=wanted))
    sound = bytes_of(content)
    assert len(sound) == 8_000 * _SECONDS
    assert len(set(sound)) > 50


async def test_mp3_is_whole_frames(api: httpx.AsyncClient) -> None:
    """Header after header, for as long as the text."""
    wanted = {"type": "audio", "mime_type": "audio/mp3"}
    (content,) = contents(await ask(api, _WORDS, response_format=wanted))
    sound = bytes_of(content)
    frames = [sound[at : at + 104] for at in range(0, len(sound), 104)]
    assert {frame[:4] for frame in frames} == {bytes.fromhex("fffb10c4")}
    assert len(frames) * 1_152 / content["sample_rate"] == pytest.approx(_SECONDS, abs=0.03)


def remainder(page: bytes) -> int:
    """Ogg's checksum by its definition: what a long division by the polynomial leaves."""
    left, divisor = int.from_bytes(page, "big") << 32, 0x104C11DB7
    while (shift := left.bit_length() - divisor.bit_length()) >= 0:
        left ^= divisor << shift
    return left


async def test_ogg_opus_is_whole_pages(api: httpx.AsyncClient) -> None:
    """Pages in order with their checksums, first the head; the last has the end and the length."""
    wanted = {"type": "audio", "mime_type": "audio/ogg_opus"}
    (content,) = contents(await ask(api, " ".join(["word"] * 50), response_format=wanted))
    sound, at = bytes_of(content), 0
    pages: list[tuple[int, int, bytes]] = []
    while at < len(sound):
        flags, samples, _, number, checksum, segments = struct.unpack_from("<BqIIIB", sound, at + 5)
        assert (sound[at : at + 4], number) == (b"OggS", len(pages))
        end = at + 27 + segments + sum(sound[at + 27 : at + 27 + segments])
        assert checksum == remainder(sound[at : at + 22] + b"\0\0\0\0" + sound[at + 26 : end])
        pages.append((flags, samples, sound[at + 27 + segments : end]))
        at = end
    assert pages[0][2] == struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 312, 48_000, 0, 0)
    assert pages[1][2].startswith(b"OpusTags")
    assert [page[0] for page in pages] == [2, 0, 0, 4]
    assert pages[-1][1] / content["sample_rate"] == pytest.approx(10, abs=0.03)


@pytest.mark.parametrize(
    ("wanted", "size", "seconds"),
    [
        ({}, (1280, 720), 8),
        ({"aspect_ratio": "9:16", "resolution": "360p", "duration": "3s"}, (360, 640), 3),
        ({"resolution": "1080p", "duration": "3600s"}, (1920, 1080), 60),
    ],
)
async def test_video_is_an_mp4_of_its_size(
    api: httpx.AsyncClient, wanted: dict[str, Any], size: tuple[int, int], seconds: int
) -> None:
    """The boxes nest, and tell size, length, and where each frame lies."""
    (content,) = contents(await ask(api, "A robot", response_format={"type": "video", **wanted}))
    video = bytes_of(content)
    top = boxes(video)
    assert list(top) == [b"ftyp", b"moov", b"mdat"]
    table = within(top[b"moov"], b"trak", b"mdia", b"minf", b"stbl")
    entry = table[b"stsd"][8:]
    assert struct.unpack_from(">HH", entry, 32) == size
    count = struct.unpack_from(">I", table[b"stsz"], 8)[0]
    lengths = struct.unpack_from(f">{count}I", table[b"stsz"], 12)
    (at,) = struct.unpack_from(">I", table[b"stco"], 8)
    assert count == seconds
    for length in lengths:
        # An instant refresh, behind its length.
        assert struct.unpack_from(">IB", video, at) == (length - 4, 0x65)
        at += length
    assert at == len(video)
    assert content["mime_type"] == "video/mp4"


def boxes(data: bytes) -> dict[bytes, bytes]:
    """The boxes of one level, by type."""
    found, at = {}, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found[kind] = data[at + 8 : at + size]
        at += size
    return found


def within(data: bytes, *path: bytes) -> dict[bytes, bytes]:
    """The boxes at the end of a path."""
    found = boxes(data)
    for kind in path:
        found = boxes(found[kind])
    return found


async def test_several_forms_come_in_order(api: httpx.AsyncClient) -> None:
    """As they were asked for; text and image come interleaved, as live models draw."""
    forms = ["audio", "text", "image", "video"]
    answer = await ask(api, "q", response_format=[{"type": form} for form in forms])
    assert [content["type"] for content in contents(answer)] == forms
    answer = await ask(api, "q", response_format=[{"type": "text"}, {"type": "image"}])
    first, _, last = contents(answer)
    assert [content["type"] for content in contents(answer)] == ["text", "image", "text"]
    assert first["text"] != last["text"]


@pytest.mark.parametrize(
    ("model", "form"),
    [("gemini-3-pro-image-preview", "image"), ("lyria-4", "audio"), ("veo-4-preview", "video")],
)
async def test_a_model_has_its_own_form(api: httpx.AsyncClient, model: str, form: str) -> None:
    """What draws, sounds or films does so unasked; the bill says how much of it."""
    answer = await ask(api, "q", model=model)
    assert [content["type"] for content in contents(answer)] == [form]
    bill = {each["modality"]: each["tokens"] for each in answer["usage"]["output_tokens_by_modality"]}
    assert bill[form] > 0
    assert sum(bill.values()) == answer["usage"]["total_output_tokens"]


@pytest.mark.parametrize("form", ["image", "audio", "video"])
async def test_media_may_lie_behind_an_address(api: httpx.AsyncClient, form: str) -> None:
    """``delivery: uri``: the same bytes, fetched with the key, for as long as the interaction is there."""
    wanted = {"type": form, "delivery": "uri"}
    answer = await ask(api, "A robot", response_format=[{"type": "text"}, wanted])
    content = contents(answer)[1]
    assert "data" not in content
    fetched = await api.get(content["uri"])
    assert fetched.headers["content-type"] == content["mime_type"]
    inline = contents(await ask(api, "A robot", response_format=[{"type": form}]))[0]
    assert fetched.content == bytes_of(inline)
    del api.headers["x-goog-api-key"]
    assert error_of(await api.get(content["uri"])) == (403, "permission_denied")
    api.headers["x-goog-api-key"] = "any"
    await api.delete(f"/interactions/{answer['id']}")
    assert error_of(await api.get(content["uri"])) == (404, "not_found")


@pytest.mark.parametrize("file_id", ["v1_none.0", "{id}.0", "{id}.9", "{id}", "{id}.x"])
async def test_an_address_that_leads_nowhere(api: httpx.AsyncClient, file_id: str) -> None:
    """Neither texts nor what is not there can be fetched."""
    answer = await ask(api, "q")
    reply = await api.get(f"/files/{file_id.format(id=answer['id'])}:download?alt=media")
    assert error_of(reply) == (404, "not_found")


async def test_what_is_not_stored_comes_inline(api: httpx.AsyncClient) -> None:
    """An address would lead nowhere."""
    wanted = {"type": "image", "delivery": "uri"}
    (content,) = contents(await ask(api, "q", store=False, response_format=wanted))
    assert "uri" not in content


async def test_vertex_leaves_a_video_in_a_bucket(api: httpx.AsyncClient) -> None:
    """With ``gcs_uri`` the address is the caller's own."""
    wanted = {"type": "video", "delivery": "uri", "gcs_uri": "gs://mine/v.mp4"}
    url = "http://emulator/v1beta1/projects/p/locations/global/interactions"
    reply = await api.post(url, json={"model": "veo-4", "input": "q", "response_format": wanted})
    assert contents(reply.json())[0]["uri"] == "gs://mine/v.mp4"
