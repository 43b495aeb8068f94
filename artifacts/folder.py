"""A store in a local folder.

Written here and not left to obstore's ``LocalStore``, which (0.12.1, seen with strace) writes a temporary
file and renames it but never calls fsync, so that a power cut can leave an empty file under the final
name; and which spins for ever where a folder cannot be made, as in ``/proc``.
"""

import asyncio
import errno
import itertools
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from artifacts.errors import ArtifactNotFound, ArtifactTooLarge, StoreUnavailable
from artifacts.private import FOLDER_MODE, UNFINISHED, is_open_to_others, open_private
from regular_files import NotRegular, open_regular

_P = ParamSpec("_P")
_T = TypeVar("_T")

_UNFINISHED: Final = UNFINISHED
"""Where files are written before they get their name. In the store's own folder, so that the rename stays
within one file system; hidden, which no key may be."""

_UNFINISHED_KEPT_S: Final = 24 * 3600
"""After a day nobody writes to an unfinished file any more: its process was killed."""

_FINAL: Final = {
    errno.EACCES: "permission denied",
    errno.EPERM: "the operation is not permitted",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "no space is left",
    errno.EDQUOT: "the disk quota is used up",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EEXIST: "a file is in the way",
    errno.EISDIR: "a folder is in the way",
    errno.ENOENT: "the folder cannot be made",
    errno.ENAMETOOLONG: "the path is too long",
    errno.ELOOP: "the path is a loop of links",
    errno.EOPNOTSUPP: "the file system has no hard links",
}
"""Errors that stay until somebody changes something."""


class Folder:
    """Files below one local folder, which is made when first written to.

    All writes are durable when they return: data, name and new folders have been synced. A process that
    dies in between leaves nothing under the final name. What is made here is its owner's alone.
    """

    def __init__(self, root: Path, *, threads: Executor | None = None) -> None:
        self._root = root
        self._threads = threads
        self.base_uri = root.as_uri().rstrip("/")

    def with_threads(self, threads: Executor) -> "Folder":
        """Return the same folder, read and written by ``threads`` instead of the event loop's own."""
        return Folder(self._root, threads=threads)

    @property
    def is_open_to_others(self) -> bool:
        """Whether other users of this machine may look into the folder, which then was there before us."""
        return is_open_to_others(self._root)

    def path_of(self, key: str) -> Path:
        """Return where ``key`` is kept."""
        return self._root / key

    async def write(self, key: str, content: bytes, *, media_type: str) -> None:
        """Store ``content``, over whatever is there. The name carries the media type."""
        del media_type
        await self._in_thread(self._write, key, content)

    async def create(self, key: str, content: bytes) -> bool:
        """Store ``content`` unless there is something already; return whether it was stored."""
        return await self._in_thread(self._create, key, content)

    async def read(self, key: str, *, max_bytes: int) -> bytes:
        """Return the file's content."""
        return await self._in_thread(self._read, key, max_bytes)

    async def exists(self, key: str) -> bool:
        """Return whether there is such a file."""
        return await self._in_thread(self.path_of(key).is_file)

    async def delete(self, key: str) -> None:
        """Delete the file, if there is one."""
        await self._in_thread(self._delete, key)

    async def list(self, prefix: str) -> tuple[str, ...]:
        """Return the keys of all files below the folder ``prefix``, or of all; sorted."""
        return await self._in_thread(self._list, prefix)

    async def find(self, pattern: re.Pattern[str], *, limit: int) -> tuple[str, ...]:
        """Return keys in which ``pattern`` is found, in no order, and no more than ``limit``."""
        return await self._in_thread(self._find, pattern, limit)

    async def prepare(self) -> None:
        """Make the folder and clear away what killed processes left unfinished."""
        await self._in_thread(self._prepare)

    async def _in_thread(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        with self._errors_named():
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, partial(work, *args, **kwargs)
            )

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = _FINAL.get(error.errno or 0)
            raise StoreUnavailable(
                f"artifact folder {self._root}: {reason or error.strerror or type(error).__name__}",
                is_final=reason is not None,
            ) from None

    def _write(self, key: str, content: bytes) -> None:
        path = self.path_of(key)
        with self._unfinished(content) as unfinished:
            _make_folder(path.parent)
            unfinished.replace(path)
        _sync_folder(path.parent)

    def _create(self, key: str, content: bytes) -> bool:
        path = self.path_of(key)
        with self._unfinished(content) as unfinished:
            _make_folder(path.parent)
            try:
                # Unlike a rename, a link never replaces; unlike O_EXCL, it shows the whole content at once.
                path.hardlink_to(unfinished)
            except FileExistsError:
                return False
        _sync_folder(path.parent)
        return True

    @contextmanager
    def _unfinished(self, content: bytes) -> Iterator[Path]:
        """A synced file without a final name, gone afterwards."""
        folder = self._root / _UNFINISHED
        _make_folder(folder)
        path = folder / secrets.token_hex(16)
        try:
            with open(path, "xb", opener=open_private) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _read(self, key: str, max_bytes: int) -> bytes:
        try:
            with open_regular(self.path_of(key)) as file:
                size_bytes = os.fstat(file.fileno()).st_size
                if size_bytes > max_bytes:
                    raise ArtifactTooLarge(key, size_bytes=size_bytes, max_bytes=max_bytes)
                return file.read()
        except (FileNotFoundError, NotADirectoryError, NotRegular):
            raise ArtifactNotFound(key) from None

    def _delete(self, key: str) -> None:
        path = self.path_of(key)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        _sync_folder(path.parent)

    def _list(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(self._walk(self.path_of(prefix) if prefix else self._root)))

    def _find(self, pattern: re.Pattern[str], limit: int) -> tuple[str, ...]:
        found = (key for key in self._walk(self._root) if pattern.search(key))
        return tuple(itertools.islice(found, limit))

    def _walk(self, top: Path) -> Iterator[str]:
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith(".")]
            relative = Path(folder).relative_to(self._root)
            yield from ((relative / name).as_posix() for name in names if not name.startswith("."))

    def _prepare(self) -> None:
        unfinished = self._root / _UNFINISHED
        _make_folder(unfinished)
        for path in unfinished.iterdir():
            # Another worker may be clearing away the same files.
            try:
                if time.time() - path.stat().st_mtime > _UNFINISHED_KEPT_S:
                    path.unlink()
            except FileNotFoundError:
                continue


def _make_folder(path: Path) -> None:
    """Make ``path`` and its parents, for their owner alone, so that they outlast a power cut."""
    if path.is_dir():
        return
    _make_folder(path.parent)
    path.mkdir(FOLDER_MODE, exist_ok=True)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
