"""Buckets, over a server of our own that answers as S3 does."""

import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import obstore
import pytest
from obstore import exceptions

from artifacts.errors import ArtifactNotFound, ArtifactsError, StoreUnavailable
from artifacts.store import ArtifactStore

_SECRET = "very-secret-key"  # noqa: S105 - to look for where it must not be


def _error(status: int, code: str) -> tuple[int, str]:
    return status, f"<Error><Code>{code}</Code><Message>{_SECRET}</Message></Error>"


class _S3:
    """A server that keeps what is put, or answers everything with ``answer``."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, str]] = {}
        self.answer: tuple[int, str] | None = None
        self.is_delete_denied = False
        self.requests = 0


class _Handler(BaseHTTPRequestHandler):
    """One request to an `_S3`."""

    s3: _S3

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        self.s3.requests += 1
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, body = self._answer(content)
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", '"1"')
        self.send_header("last-modified", "Sun, 22 Nov 2026 12:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer(self, content: bytes) -> tuple[int, bytes]:
        kept = self.s3.kept
        if self.s3.answer is not None:
            status, text = self.s3.answer
            return status, text.encode()
        match self.command:
            case "PUT" if self.headers.get("if-none-match") == "*" and self.path in kept:
                return 412, b""
            case "PUT":
                kept[self.path] = content, self.headers.get("content-type") or ""
            case "POST":
                return 200, self._delete(content)
            case _ if self.path in kept:
                return 200, kept[self.path][0]
            case _:
                return 404, _error(404, "NoSuchKey")[1].encode()
        return 200, b""

    def _delete(self, content: bytes) -> bytes:
        """S3 deletes many at once (and obstore one like many); it answers for each."""
        (key,) = re.findall(r"<Key>(.*?)</Key>", content.decode())
        if self.s3.is_delete_denied:
            result = f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>{_SECRET}</Message></Error>"
        else:
            self.s3.kept.pop(f"/bucket/{quote(key)}", None)
            result = f"<Deleted><Key>{key}</Key></Deleted>"
        return f"<DeleteResult>{result}</DeleteResult>".encode()

    do_GET = do_PUT = do_POST = do_HEAD = _handle  # noqa: N815 - http.server's names


@contextmanager
def _running(s3: _S3) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"s3": s3})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[_S3]:
    """A bucket server, named in the environment as people name theirs."""
    server = _S3()
    with _running(server) as endpoint:
        _set_environment(monkeypatch, endpoint)
        yield server


def _set_environment(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)


@pytest.fixture
def store(s3: _S3) -> ArtifactStore:
    """A store under a prefix of that bucket."""
    del s3
    return ArtifactStore.open("s3://bucket/pre/fix")


async def test_a_bucket_keeps_files_under_its_prefix(store: ArtifactStore, s3: _S3) -> None:
    """A file goes where its address says, with its media type, and comes back."""
    ref = await store.put("run/a b.md", b"text", "text/markdown")
    assert ref.uri == "s3://bucket/pre/fix/run/a%20b.md"
    assert s3.kept == {"/bucket/pre/fix/run/a%20b.md": (b"text", "text/markdown")}
    assert await store.get(ref.uri) == b"text"
    assert await store.exists("run/a b.md")
    await store.delete("run/a b.md")
    assert not await store.exists("run/a b.md")
    with pytest.raises(ArtifactNotFound):
        await store.get("run/a b.md")


async def test_a_bucket_decides_who_was_first(store: ArtifactStore) -> None:
    """The condition is the bucket's to check, not ours."""
    assert await store.put_if_absent("run/sending", b"1")
    assert not await store.put_if_absent("run/sending", b"2")
    assert await store.get("run/sending") == b"1"


@pytest.mark.parametrize(
    ("answer", "words", "is_final"),
    [
        (_error(403, "AccessDenied"), "permission denied", True),
        (_error(403, "InvalidAccessKeyId"), "permission denied", True),
        (_error(401, "Unauthorized"), "credentials are not accepted", True),
        (_error(404, "NoSuchBucket"), "no such bucket", True),
        (_error(400, "AuthorizationHeaderMalformed"), "HTTP 400", True),
        (_error(503, "SlowDown"), "HTTP 503", False),
        (_error(500, "InternalError"), "HTTP 500", False),
        (_error(429, "TooManyRequests"), "HTTP 429", False),
    ],
)
async def test_a_refusal_says_whether_it_lasts(
    store: ArtifactStore, s3: _S3, answer: tuple[int, str], words: str, is_final: bool
) -> None:
    """One short line names the store and the reason, holds no secret, and says if trying again helps."""
    s3.answer = answer
    for call in (store.check(), store.put("run/x", b"", "text/plain"), store.get("run/x")):
        with pytest.raises(StoreUnavailable) as caught:
            await call
        message = str(caught.value)
        assert message.startswith("artifact store s3://bucket/pre/fix: ")
        assert words in message
        assert caught.value.is_final is is_final
        assert _SECRET not in message
        assert "\n" not in message
        assert caught.value.__cause__ is None


async def test_a_store_that_does_not_let_files_be_deleted_fails_its_check(
    store: ArtifactStore, s3: _S3
) -> None:
    """All that Longhaul will need is proved, not only writing."""
    s3.is_delete_denied = True
    with pytest.raises(StoreUnavailable, match="permission denied") as caught:
        await store.check()
    assert caught.value.is_final
    assert _SECRET not in str(caught.value)


async def test_put_if_absent_is_one_request(store: ArtifactStore, s3: _S3) -> None:
    """Asked twice, a bucket would say that the file is there, and nobody would know that it is ours."""
    s3.answer = _error(503, "SlowDown")
    with pytest.raises(StoreUnavailable):
        await store.put_if_absent("run/sending", b"1")
    assert s3.requests == 1


async def test_a_bucket_that_cannot_be_reached_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network comes back."""
    with _running(_S3()) as endpoint:
        pass
    _set_environment(monkeypatch, endpoint)
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        await ArtifactStore.open("s3://bucket").put_if_absent("x", b"")
    assert not caught.value.is_final


_OBSTORE_ERRORS = [
    error
    for error in vars(exceptions).values()
    if isinstance(error, type) and issubclass(error, exceptions.BaseError)
]

_CALLS: dict[str, Callable[[ArtifactStore], object]] = {
    "put_async": lambda store: store.put("x", b"", "text/plain"),
    "get_async": lambda store: store.get("x"),
    "head_async": lambda store: store.exists("x"),
    "delete_async": lambda store: store.delete("x"),
    "list": lambda store: store.list("x"),
}


@pytest.mark.parametrize("function", _CALLS)
@pytest.mark.parametrize(
    "error", [*_OBSTORE_ERRORS, FileNotFoundError, PermissionError, OSError, ValueError, NotImplementedError]
)
async def test_no_error_of_obstore_leaves_the_package(
    monkeypatch: pytest.MonkeyPatch, function: str, error: type[Exception]
) -> None:
    """Whatever obstore can raise, callers see this package's errors or an answer."""
    store = ArtifactStore.open("memory://")

    async def failing() -> AsyncIterator[list[object]]:
        raise error("Debug source: https://host/?sig=" + _SECRET)
        yield []

    def fail(*_: object, **__: object) -> object:
        return failing() if function == "list" else anext(failing())

    monkeypatch.setattr(obstore, function, fail)
    try:
        await _CALLS[function](store)  # type: ignore[misc]  # each is a coroutine of its own kind
    except ArtifactsError as raised:
        assert _SECRET not in str(raised)  # noqa: PT017 - deleting nothing is no error
