"""How much a call may take, and having the kernel keep it to that."""

import math
import resource
import signal
import sys
from typing import Final, NamedTuple

_MEMORY_IS_LIMITED: Final = sys.platform == "linux"
"""Elsewhere the limit can be set, and nothing heeds it, or too much counts towards it."""


class Limits(NamedTuple):
    """What one call may take.

    Attributes:
        cpu_s: Seconds of processor time, which a busy machine does not use up.
        wall_s: Seconds by the clock.
        memory_bytes: Of address space, with what the process had before.
    """

    cpu_s: int
    wall_s: float
    memory_bytes: int


def impose(limits: Limits) -> None:
    """Have the kernel end this process once it takes more than that, until `lift`."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _set(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + limits.cpu_s)
    if _MEMORY_IS_LIMITED:
        _set(resource.RLIMIT_AS, limits.memory_bytes)
    # Nobody handles the signals of either, so they end the process, whatever it is doing.
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s)


def lift() -> None:
    """Take this process's limits away."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    _set(resource.RLIMIT_CPU, resource.RLIM_INFINITY)
    if _MEMORY_IS_LIMITED:
        _set(resource.RLIMIT_AS, resource.RLIM_INFINITY)


def _set(kind: int, soft: int) -> None:
    _, hard = resource.getrlimit(kind)
    is_above = hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard)
    resource.setrlimit(kind, (hard if is_above else soft, hard))
