"""What Linux can do for processes that belong together; elsewhere these do nothing."""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""From ``linux/prctl.h``."""

_FIRST_TO_GO: Final = "1000"
"""The highest ``oom_score_adj``."""

# Looked up once: between a fork and whatever follows, as little as possible is to happen.
_PRCTL: Final = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def die_with_parent(parent: int) -> None:
    """End this process once the thread that made it has ended, and so with its process.

    Args:
        parent: Whose child this was made; if it is not any more, that process has ended already.
    """
    if _PRCTL is None:
        return
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def be_first_to_go() -> None:
    """When the machine runs out of memory, let this process be what the kernel ends, and not its parent."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, "ascii")


def resident_bytes() -> int:
    """Return how much memory this process holds; 0 where nobody says so."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def kill_children() -> None:
    """End the processes that this one has started, and those that they have."""
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            children = [int(child) for child in task.read_text("ascii").split()]
            found += children
            for child in children:
                found += _descendants(child)
    return found


def end_forks_with_this() -> None:
    """Have what is forked from this process end with the thread that forked it, and so with the process."""
    parents = [0]
    os.register_at_fork(
        before=lambda: parents.__setitem__(0, os.getpid()),
        after_in_child=lambda: die_with_parent(parents[0]),
    )
