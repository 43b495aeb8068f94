"""Files and folders that are their owner's alone: what people ask, and what they are told.

New ones get their mode as they are made, not from the process's umask, which belongs to all of its threads.
"""

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

FOLDER_MODE: Final = stat.S_IRWXU
FILE_MODE: Final = stat.S_IRUSR | stat.S_IWUSR

UNFINISHED: Final = ".unfinished"
"""The folder in a store's folder where files are written before they get their name."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

_OWN_NAME: Final = ".longhaul"
"""A folder of this name is all ours, whatever is in it."""

_OWN_FILES: Final = ("dev.lock", "chat-history", "temporal.db*", "emulator.db*")
"""What Longhaul puts into its home, beside the artifacts. A folder that somebody set as its home has other
things in it, too."""


def open_private(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file, for its owner alone if it is made by that. An ``opener`` for `open`."""
    return os.open(path, flags, FILE_MODE)


def is_open_to_others(path: Path) -> bool:
    """Return whether other users of this machine may read or enter ``path``; False if it is not there."""
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False


def close_home(home: Path) -> list[Path]:
    """Take Longhaul's own files in ``home`` from other users; return what could not be closed.

    For files from before, and those of programs that heed only the umask. Owners keep what they may do. What
    is not ours is left as it is, and so is whatever belongs to another user.

    May be repeated: once all is closed it looks only at the folder itself and at what lies directly in it.
    """
    try:
        entries = sorted(home.iterdir())
    except OSError:
        return []
    own = [entry for entry in entries if _is_own(entry)]
    is_all_own = home.name == _OWN_NAME or len(own) == len(entries)
    # First, as what is below is out of reach with that.
    left = [home] if is_all_own and _is_open(home) and not _close(home) else []
    for entry in entries if is_all_own else own:
        # An entry is closed last of what is in it: one that is closed needs no look inside.
        if _is_open(entry):
            left += [path for path in _below(entry) if _is_open(path) and not _close(path)]
    return left


def _is_own(entry: Path) -> bool:
    if entry.name == "artifacts":
        # Others have folders of that name as well; this one is in none of theirs.
        return (entry / UNFINISHED).is_dir()
    return any(fnmatchcase(entry.name, pattern) for pattern in _OWN_FILES)


def _below(top: Path) -> Iterator[Path]:
    """Yield all that is in ``top``, the deepest first, and ``top`` itself last."""
    if top.is_dir() and not top.is_symlink():
        for folder, folders, names in os.walk(top, topdown=False):
            yield from (Path(folder, name) for name in (*names, *folders))
    yield top


def _is_open(path: Path) -> bool:
    try:
        info = path.lstat()
    except OSError:
        return False  # gone meanwhile
    is_ours = info.st_uid == os.geteuid()
    return is_ours and not stat.S_ISLNK(info.st_mode) and bool(info.st_mode & _OTHERS)


def _close(path: Path) -> bool:
    """Take ``path`` from others; return whether that worked."""
    try:
        # Never through a link that has taken its place since: what it leads to may be anybody's.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return not path.exists()
    try:
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~_OTHERS)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
