"""Where runs leave their files: a local folder, or a bucket."""

import asyncio
import copy
import hashlib
import os
import re
import secrets
from concurrent.futures import Executor
from pathlib import Path
from typing import Final, Protocol, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from artifacts.bucket import Bucket
from artifacts.errors import ArtifactNotFound, ArtifactTooLarge, InvalidKey, StoreUnavailable
from artifacts.folder import Folder
from artifacts.keys import check_key, key_of, to_uri
from runs.limits import MAX_URI_CHARS
from runs.messages import ArtifactRef
from runs.stores import StoreRef

MAX_READ_BYTES: Final = 100 * 1024 * 1024
"""The longest file `ArtifactStore.get` returns unless told otherwise; the API takes no longer request."""

_IDENTITY_KEY: Final = "store.json"
_MAX_IDENTITY_BYTES: Final = 16 * 1024
"""It has about a hundred; anything larger was not written here."""

_BUCKET_SCHEMES: Final = frozenset({"s3", "gs", "az"})


class _Backend(Protocol):
    base_uri: str

    async def write(self, key: str, content: bytes, *, media_type: str) -> None: ...
    async def create(self, key: str, content: bytes) -> bool: ...
    async def read(self, key: str, *, max_bytes: int) -> bytes: ...
    async def exists(self, key: str) -> bool: ...
    async def delete(self, key: str) -> None: ...
    async def list(self, prefix: str) -> tuple[str, ...]: ...
    async def find(self, pattern: re.Pattern[str], *, limit: int) -> tuple[str, ...]: ...
    async def prepare(self) -> None: ...


class _Identity(BaseModel):
    """The file that says which store this is."""

    model_config = ConfigDict(frozen=True)

    store_id: str = Field(pattern=r"^[0-9a-f]{32}$")


class ArtifactStore:
    """Files by key, such as ``my-run/0190f3/report.md``.

    Every write is whole and durable when it returns, and nothing half is ever seen under a key. All
    methods raise only `ArtifactsError`, and all but `put_if_absent` may be repeated.
    """

    def __init__(self, backend: _Backend) -> None:
        self._backend = backend
        self._identity: StoreRef | None = None
        self._threads: Executor | None = None

    @classmethod
    def open(cls, url: str) -> Self:
        """Return the store at ``url``, without touching it; see `check`.

        Args:
            url: A folder (a path, or ``file:///…``), ``s3://bucket/prefix``, ``gs://…``,
                ``az://container/prefix``, or ``memory://`` for a new store that ends with the process.
                Credentials come from the environment, never from the address.

        Raises:
            StoreUnavailable: The address cannot be one of a store. Final.
        """
        scheme, separator, rest = url.partition("://")
        if not separator:
            return cls(Folder(_absolute(url)))
        scheme = scheme.lower()
        if scheme == "file":
            return cls(Folder(_absolute(_path_in(rest))))
        if scheme == "memory":
            if rest.strip("/"):
                raise StoreUnavailable("artifact store memory://: the address has no path", is_final=True)
            return cls(Bucket("memory://"))
        if scheme not in _BUCKET_SCHEMES:
            raise StoreUnavailable(
                "the artifact store's address is neither a folder nor file://, s3://, gs://, az:// or memory://",
                is_final=True,
            )
        parts = urlsplit(url)
        if "@" in parts.netloc or parts.query or parts.fragment or not parts.netloc:
            # The address is shown in results, errors and the Temporal UI.
            raise StoreUnavailable(
                f"the artifact store's address has to be {scheme}://bucket/prefix and nothing more; "
                "credentials belong in the environment",
                is_final=True,
            )
        return cls(Bucket(f"{scheme}://{parts.netloc}{parts.path}"))

    def with_threads(self, threads: Executor) -> Self:
        """Return this very store, whose files are read and written by ``threads``.

        What others wait for in the event loop's own threads then does not delay it.
        """
        store = copy.copy(self)
        store._threads = threads  # noqa: SLF001 - one of this class
        if isinstance(self._backend, Folder):  # a bucket's library has threads of its own
            store._backend = self._backend.with_threads(threads)  # noqa: SLF001 - likewise
        return store

    @property
    def base_uri(self) -> str:
        """The store's own address, without a slash at the end. Holds no secret."""
        return self._backend.base_uri

    @property
    def is_shared(self) -> bool:
        """Whether another process can have this store, and this one after its end."""
        return not self.base_uri.startswith("memory:")

    @property
    def is_open_to_others(self) -> bool:
        """Whether other users of this machine may look into it; a bucket has its own rules."""
        return isinstance(self._backend, Folder) and self._backend.is_open_to_others

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_uri!r})"

    async def identity(self) -> StoreRef:
        """Return which store this is: made by whoever asks first, and the same for everybody after.

        Read once; later calls cost nothing.

        Raises:
            StoreUnavailable: It cannot be read or made.
        """
        if self._identity is None:
            self._identity = await self._read_identity()
        if self._identity is None:
            made = _Identity(store_id=secrets.token_hex(16)).model_dump_json().encode()
            await self._backend.create(_IDENTITY_KEY, made)
            # Not what was made: another process may have been quicker.
            self._identity = await self._read_identity()
        if self._identity is None:
            raise StoreUnavailable(
                f"artifact store {self.base_uri}: does not return what was written", is_final=True
            )
        return self._identity

    async def check_identity(self) -> None:
        """Make sure that the store is still the one it was when this process first asked.

        A disk that is not mounted any more leaves an empty folder in its place, which takes files gladly.

        Raises:
            StoreUnavailable: It is another one, or cannot be read.
        """
        before = await self.identity()
        if await self._read_identity() != before:
            raise StoreUnavailable(
                f"artifact store {self.base_uri}: is not the store it was when this process started "
                f"({before.short_id}); is it still mounted?",
                is_final=False,
            )

    async def _read_identity(self) -> StoreRef | None:
        try:
            raw = await self._backend.read(_IDENTITY_KEY, max_bytes=_MAX_IDENTITY_BYTES)
            identity = _Identity.model_validate_json(raw)
        except ArtifactNotFound:
            return None
        except (ArtifactTooLarge, ValidationError):
            raise StoreUnavailable(
                f"artifact store {self.base_uri}: {_IDENTITY_KEY} does not say which store this is; "
                "restore it, or remove it if no run is under way",
                is_final=True,
            ) from None
        return StoreRef(store_id=identity.store_id, address=self.base_uri)

    async def put(self, key: str, content: bytes, media_type: str) -> ArtifactRef:
        """Store ``content`` under ``key``, over whatever is there, and return a reference to it.

        Raises:
            InvalidKey: ``key`` is not safe.
            StoreUnavailable: It was not stored, as far as is known.
        """
        uri = to_uri(self.base_uri, check_key(key))
        if len(uri) > MAX_URI_CHARS:
            raise InvalidKey(f"the address of an artifact would have {len(uri)} characters")
        await self._backend.write(key, content, media_type=media_type)
        return ArtifactRef(
            name=key.rpartition("/")[2],
            uri=uri,
            media_type=media_type,
            size_bytes=len(content),
            sha256=await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: hashlib.sha256(content).hexdigest()
            ),
        )

    async def put_if_absent(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless the key is taken; return whether it was stored.

        Of several callers at once, exactly one is told True. There is no update of an existing file on
        condition: a folder could not do that across machines.

        Raises:
            InvalidKey: ``key`` is not safe.
            StoreUnavailable: Not known whether it was stored.
        """
        return await self._backend.create(check_key(key), content)

    async def get(self, key_or_uri: str, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """Return the content of one file of this store.

        Raises:
            InvalidKey: Neither a key nor an address in this store.
            ArtifactNotFound: There is no such file.
            ArtifactTooLarge: The file is longer than ``max_bytes``; nothing was read.
            StoreUnavailable: The store could not be read.
        """
        return await self._backend.read(key_of(self.base_uri, key_or_uri), max_bytes=max_bytes)

    async def exists(self, key_or_uri: str) -> bool:
        """Return whether this store has the file."""
        return await self._backend.exists(key_of(self.base_uri, key_or_uri))

    async def delete(self, key_or_uri: str) -> None:
        """Delete one file. One that is not there is as good as deleted."""
        await self._backend.delete(key_of(self.base_uri, key_or_uri))

    async def list(self, prefix: str = "") -> tuple[str, ...]:
        """Return the keys of all files in the folder ``prefix`` and below, sorted; of all without one."""
        return await self._backend.list(check_key(prefix.rstrip("/")) if prefix else "")

    async def find(self, pattern: re.Pattern[str], *, limit: int) -> tuple[str, ...]:
        """Return keys in which ``pattern`` is found, in no order, and no more than ``limit``.

        For a look at all there is: of a large store it takes as long as that has files, but little memory.
        """
        return await self._backend.find(pattern, limit=limit)

    def path_of(self, ref: ArtifactRef) -> Path | None:
        """Return where ``ref`` is on this machine's disk, or None if this store keeps it elsewhere."""
        if not isinstance(self._backend, Folder):
            return None
        try:
            return self._backend.path_of(key_of(self.base_uri, ref.uri))
        except InvalidKey:
            return None

    async def probe(self) -> None:
        """Make sure that the store is there, at little cost: to be asked again and again.

        A folder is written to, since a disk fills up. A bucket is read from: one that keeps versions would
        keep one of each write for ever.

        Raises:
            StoreUnavailable: It is away, or full.
        """
        if not isinstance(self._backend, Folder):
            await self._backend.exists(_IDENTITY_KEY)
            return
        key = f"probe-{secrets.token_hex(8)}"
        await self._backend.write(key, b"", media_type="application/octet-stream")
        await self._backend.delete(key)

    async def check(self) -> None:
        """Prove that the store can be written, read and deleted from, and that "create" never replaces.

        Raises:
            StoreUnavailable: It cannot, and why.
        """
        key = f"check-{secrets.token_hex(8)}"
        first, second = secrets.token_bytes(16), secrets.token_bytes(16)
        await self._backend.prepare()
        try:
            is_created = await self._backend.create(key, first)
            is_created_again = await self._backend.create(key, second)
            kept = await self._backend.read(key, max_bytes=len(first))
            await self._backend.write(key, second, media_type="application/octet-stream")
            read = await self._backend.read(key, max_bytes=len(second))
        except (ArtifactNotFound, ArtifactTooLarge):
            is_created, is_created_again, kept, read = False, False, b"", b""
        finally:
            await self._backend.delete(key)
        if is_created_again or kept == second:
            # Some look-alikes of S3 ignore the condition, and so do file systems whose links replace.
            raise StoreUnavailable(
                f"artifact store {self.base_uri}: cannot create a file only if it is not there yet (a second "
                "create was not refused), and without that two workers may pay for the same submission; "
                "use a store that can, such as S3, Google Cloud Storage, Azure or a local disk",
                is_final=True,
            )
        if not is_created or kept != first or read != second:
            raise StoreUnavailable(
                f"artifact store {self.base_uri}: does not return what was written", is_final=True
            )


def _absolute(path: str) -> Path:
    if not path or "\0" in path:
        raise StoreUnavailable("the artifact store's address is empty or has a NUL in it", is_final=True)
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:
        # There is no such user.
        raise StoreUnavailable("the artifact store's address names an unknown user", is_final=True) from None
    # Not resolve(): links are followed when used, and the address stays as it was given.
    return Path(os.path.normpath(expanded.absolute()))


def _path_in(rest: str) -> str:
    """Return the path in a file URL's ``rest``, which begins after the two slashes."""
    path = rest.removeprefix("localhost")
    if not path.startswith("/"):
        raise StoreUnavailable(
            "the artifact store's address has to be file:///an/absolute/path", is_final=True
        )
    return unquote(path)
