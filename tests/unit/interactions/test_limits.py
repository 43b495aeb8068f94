"""What a server sends is read only as far as it is allowed to fill memory."""

import gzip
import zlib

import httpx2 as httpx
import pytest

from interactions.errors import ApiStatusError, ResponseTooLarge
from interactions.requests import CreateInteraction
from tests.unit.interactions.support import answering, client_over, failure

MIB = 1024 * 1024


class Counting(httpx.AsyncByteStream):
    """A body that counts how many of its chunks were taken."""

    def __init__(self, chunk: bytes, count: int) -> None:
        self.taken = 0
        self._chunk, self._count = chunk, count

    async def __aiter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - as the library declares it
        for _ in range(self._count):
            self.taken += 1
            yield self._chunk


async def test_an_endless_body_is_read_no_further_than_the_limit() -> None:
    """Reading stops with the first chunk past the limit, and the error is final."""
    body = Counting(b"x" * 1000, 1_000_000)
    async with client_over(lambda _: httpx.Response(200, stream=body), max_body_bytes=10_000) as client:
        error = await failure(client.get("a"))
    assert isinstance(error, ResponseTooLarge)
    assert (error.may_have_run, error.is_transient, error.status_code) == (True, False, 200)
    assert body.taken == 11


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_bomb_is_cut_off(encoding: str, compress: object) -> None:
    """Decoded bytes count, so a small body cannot unfold into a huge one."""
    assert callable(compress)
    body = compress(b" " * (50 * MIB))
    assert len(body) < MIB
    handler = answering(stream=httpx.ByteStream(body), headers={"content-encoding": encoding})
    async with client_over(handler, max_body_bytes=2 * MIB) as client:
        assert isinstance(await failure(client.get("a")), ResponseTooLarge)


async def test_a_body_of_exactly_the_limit_is_fine() -> None:
    """The limit is the largest size that is allowed."""
    body = b'{"id":"a","status":"completed"}'
    async with client_over(answering(content=body), max_body_bytes=len(body)) as client:
        assert (await client.get("a")).id == "a"
    async with client_over(answering(content=body), max_body_bytes=len(body) - 1) as client:
        assert isinstance(await failure(client.get("a")), ResponseTooLarge)


async def test_an_endless_error_page_still_gives_its_status() -> None:
    """Of an error only the beginning is read; the status is what counts."""
    body = Counting(b"x" * 10_000, 1_000_000)
    async with client_over(lambda _: httpx.Response(502, stream=body)) as client:
        error = await failure(client.create(CreateInteraction(model="m", input="x")))
    assert isinstance(error, ApiStatusError)
    assert error.status_code == 502
    assert body.taken < 100


async def test_a_compressed_result_is_read() -> None:
    """Ordinary compression works."""
    body = gzip.compress(b'{"id":"a","status":"completed"}')
    handler = answering(stream=httpx.ByteStream(body), headers={"content-encoding": "gzip"})
    async with client_over(handler) as client:
        assert (await client.get("a")).status == "completed"
