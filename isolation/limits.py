"""How much a call may take, and having the kernel keep it to that."""

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

    cpu_s: float
    wall_s: float
    memory_bytes: int


def impose(limits: Limits) -> None:
    """Have the kernel end this process once it takes more than that, until `lift`."""
    if _MEMORY_IS_LIMITED:
        _limit_memory(limits.memory_bytes)
    # Nobody handles the signals of these, so they end the process, whatever it is doing.
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_s)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s)


def lift() -> None:
    """Take this process's limits away."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_PROF, 0)
    if _MEMORY_IS_LIMITED:
        _limit_memory(resource.RLIM_INFINITY)


def _limit_memory(soft: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    is_above = hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard)
    resource.setrlimit(resource.RLIMIT_AS, (hard if is_above else soft, hard))
