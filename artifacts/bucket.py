"""A store in a bucket of S3, Google Cloud Storage or Azure, or in memory, through obstore.

Credentials, region and endpoint come from the environment, as each provider's own tools read them
(``AWS_*``, ``GOOGLE_*``, ``AZURE_*``).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore import exceptions
from obstore.store import MemoryStore, from_url

from artifacts.errors import ArtifactNotFound, ArtifactTooLarge, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore, RetryConfig

_RETRY: Final["RetryConfig"] = {
    # Buckets answer 503 "slow down" in normal operation; anything longer is Temporal's to retry.
    # obstore's own default is ten retries in three minutes, longer than an activity's heartbeat.
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=30),
}

_NO_RETRY: Final["RetryConfig"] = {"max_retries": 0}
"""For "create": a retry after a lost answer would find its own file and report it as someone else's."""

_STATUS: Final = re.compile(r"status(?: code)?:? (\d{3})|responded with (?:error )?(\d{3})", re.IGNORECASE)
_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")

_MISSING_BUCKET: Final = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")

_FINAL_KINDS: Final = (
    (exceptions.UnauthenticatedError, "the credentials are not accepted"),
    (exceptions.PermissionDeniedError, "permission denied"),
    (FileNotFoundError, "there is no such bucket"),
    ((ValueError, exceptions.InvalidPathError), "the address is not understood"),
    (exceptions.UnknownConfigurationKeyError, "a setting in the environment is not understood"),
    ((NotImplementedError, exceptions.NotSupportedError), "the store does not support this operation"),
)

_NO_CREDENTIALS: Final = "there are no credentials in the environment, and this machine provides none"

_TELLING_WORDS: Final = (
    # S3 deletes in bulk, and says 200 for all and this for each.
    ("AccessDenied", "permission denied", True),
    ("Account must be specified", "AZURE_STORAGE_ACCOUNT_NAME is not set", True),
    ("Unable to recognise URL", "the address is not understood", True),
    # Where a client without credentials looks for those of the machine. Not final: on a cloud machine the
    # metadata service can be away for a moment.
    ("169.254.169.254", _NO_CREDENTIALS, False),
    ("169.254.170.2", _NO_CREDENTIALS, False),
    ("metadata.google.internal", _NO_CREDENTIALS, False),
)
"""What obstore puts into a `GenericError`: words, the reason, whether it is final."""


class Bucket:
    """Files below one prefix of a bucket, or in this process's memory.

    Providers make a put visible whole or not at all, so a crash leaves nothing half.
    """

    def __init__(self, url: str) -> None:
        self.base_uri = url.rstrip("/")
        with self._errors_named():
            if url.startswith("memory:"):
                # obstore's spelling of this address has three slashes, and then nothing.
                self.base_uri = "memory://"
                self._store: ObjectStore = MemoryStore()
                self._store_without_retry: ObjectStore = self._store
            else:
                # No client options: the defaults (5 s to connect, 30 s for a request, of at most 5 MB when
                # writing) are right, and giving any makes obstore ignore the environment's.
                self._store = from_url(url, retry_config=_RETRY)
                self._store_without_retry = from_url(url, retry_config=_NO_RETRY)

    async def write(self, key: str, content: bytes, *, media_type: str) -> None:
        """Store ``content``, over whatever is there."""
        with self._errors_named():
            await obstore.put_async(self._store, key, content, attributes={"Content-Type": media_type})

    async def create(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless there is something already; return whether it was stored."""
        with self._errors_named():
            try:
                await obstore.put_async(self._store_without_retry, key, content, mode="create")
            except exceptions.AlreadyExistsError:
                return False
        return True

    async def read(self, key: str, *, max_bytes: int) -> bytes:
        """Return the file's content."""
        with self._errors_named(key):
            found = await obstore.get_async(self._store, key)
            size_bytes = found.meta["size"]
            if size_bytes > max_bytes:
                raise ArtifactTooLarge(key, size_bytes=size_bytes, max_bytes=max_bytes)
            return bytes(await found.bytes_async())

    async def exists(self, key: str) -> bool:
        """Return whether there is such a file."""
        try:
            with self._errors_named(key):
                await obstore.head_async(self._store, key)
        except ArtifactNotFound:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Delete the file, if there is one."""
        try:
            with self._errors_named(key):
                await obstore.delete_async(self._store, key)
        except ArtifactNotFound:
            return

    async def list(self, prefix: str) -> tuple[str, ...]:
        """Return the keys of all files below the folder ``prefix``, or of all; sorted."""
        with self._errors_named():
            listing = obstore.list(self._store, prefix or None)
            return tuple(sorted([meta["path"] async for chunk in listing for meta in chunk]))

    async def find(self, pattern: re.Pattern[str], *, limit: int) -> tuple[str, ...]:
        """Return keys in which ``pattern`` is found, in no order, and no more than ``limit``."""
        found: list[str] = []
        with self._errors_named():
            async for chunk in obstore.list(self._store):
                found += [meta["path"] for meta in chunk if pattern.search(meta["path"])]
                if len(found) >= limit:
                    break
        return tuple(found[:limit])

    async def prepare(self) -> None:
        """Do nothing: a bucket is made by whoever pays for it."""

    @contextmanager
    def _errors_named(self, key: str | None = None) -> Iterator[None]:
        """Turn whatever obstore raises into this package's errors.

        Args:
            key: The file that has to exist; None where "not found" can only mean the bucket.
        """
        try:
            yield
        except (exceptions.BaseError, OSError, ValueError, NotImplementedError) as error:
            # `from None`: obstore's text has request URLs and whole answers in it.
            answer = str(error)
            is_bucket_missing = any(words in answer for words in _MISSING_BUCKET)
            if isinstance(error, FileNotFoundError) and key is not None and not is_bucket_missing:
                raise ArtifactNotFound(key) from None
            reason, is_final = _reason_of(error, answer)
            raise StoreUnavailable(f"artifact store {self.base_uri}: {reason}", is_final=is_final) from None


def _reason_of(error: Exception, answer: str) -> tuple[str, bool]:
    """Return what went wrong in a few words of ours, and whether it stays so."""
    status = next((match[1] or match[2] for match in _STATUS.finditer(answer)), None)
    code = _CODE.search(answer)
    facts = " ".join(filter(None, [f"HTTP {status}" if status else "", code[1] if code else ""]))
    seen = f" ({facts})" if facts else ""
    for kinds, reason in _FINAL_KINDS:
        if isinstance(error, kinds):
            return reason + seen, True
    for words, reason, is_final in _TELLING_WORDS:
        if words in answer:
            return reason + seen, is_final
    if status is not None:
        # Other refusals in the 4xx, such as a wrong region, do not change by asking again; 408 and 429 do.
        return f"the request failed{seen}", status.startswith("4") and status not in {"408", "429"}
    return "the store cannot be reached", False
