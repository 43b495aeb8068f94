"""Files that are opened to be read: regular ones, and where it matters only below certain folders.

To open a FIFO is to wait for whoever writes to it, a device may never end, and neither lets a signal through.
So nothing here is opened before it is known what it is, and what was opened is looked at once more, since a
name may come to mean something else in between.
"""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Not blocking, for a FIFO that has taken the file's place since it was looked at."""

_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW


class NotRegular(OSError):
    """It is there, but is a FIFO, a device, a socket or a folder. ``strerror`` says which."""


class OutsideFolders(OSError):
    """It is in none of the folders that files may be in, once links are followed.

    Attributes:
        real: Where it is.
    """

    def __init__(self, path: Path, *, real: Path) -> None:
        super().__init__(errno.EPERM, "outside of the folders that files may be read from", str(path))
        self.real = real


def check_regular(path: Path) -> None:
    """Return if ``path`` is a regular file. For what somebody else opens, who would wait for ever.

    Raises:
        NotRegular: It is something else.
        OSError: It is not there, or cannot be looked at.
    """
    _check_mode(path.stat().st_mode, path)


def open_regular(path: Path) -> BinaryIO:
    """Return ``path`` opened for reading.

    Raises:
        NotRegular: It is not a regular file.
        OSError: It cannot be opened.
    """
    check_regular(path)
    return _checked(os.open(path, _FLAGS), path)


def open_below(folders: Iterable[Path], path: Path) -> BinaryIO:
    """Return ``path`` opened for reading if it is in one of ``folders``, or anywhere below.

    Links are followed once, of the folders and of the file. Then the file is opened from its folder down with
    none followed any more, so that what is read is what was looked at.

    Raises:
        OutsideFolders: It is in none of them.
        NotRegular: It is not a regular file.
        OSError: It cannot be opened.
    """
    real = path.resolve(strict=True)
    tops = (folder.resolve(strict=True) for folder in folders)
    top = next((top for top in tops if real.is_relative_to(top)), None)
    if top is None:
        raise OutsideFolders(path, real=real)
    check_regular(real)
    *parents, name = real.relative_to(top).parts or (".",)
    folder = os.open(top, _FOLDER_FLAGS)
    try:
        for parent in parents:
            below = os.open(parent, _FOLDER_FLAGS, dir_fd=folder)
            os.close(folder)
            folder = below
        descriptor = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)
    return _checked(descriptor, path)


def _checked(descriptor: int, path: Path) -> BinaryIO:
    try:
        _check_mode(os.fstat(descriptor).st_mode, path)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _check_mode(mode: int, path: Path) -> None:
    if stat.S_ISREG(mode):
        return
    number, what = next(
        (kind for is_kind, *kind in _KINDS if is_kind(mode)), (errno.EINVAL, "something else")
    )
    raise NotRegular(number, f"it is {what}, not a regular file", str(path))


_KINDS: Final = (
    (stat.S_ISDIR, errno.EISDIR, "a folder"),
    (stat.S_ISFIFO, errno.EINVAL, "a FIFO"),
    (stat.S_ISSOCK, errno.EINVAL, "a socket"),
    (stat.S_ISCHR, errno.EINVAL, "a device"),
    (stat.S_ISBLK, errno.EINVAL, "a device"),
)
