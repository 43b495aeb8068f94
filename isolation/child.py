"""One process of a pool: ``python -m isolation.child PARENT``. Carries out one call after another.

Calls come on standard input, answers go to standard output. It ends with its parent.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from isolation import frames, limits, linux, stages
from isolation.frames import Kind
from isolation.limits import Limits

_SPENT_BYTES: Final = 256 * 1024 * 1024
"""A process that holds this much after a call seldom gives it back; the next is there in half a second."""

_MAX_REASON_CHARS: Final = 300


def main() -> None:
    """Carry out calls until there are no more."""
    linux.die_with_parent(int(sys.argv[1]))
    linux.be_first_to_go()
    # Ctrl-C and a supervisor mean the parent, which still wants its answers while it drains.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what was stopped is no crash to look into
    calls, answers = _pipes()
    stages.report_to(lambda stage: frames.write(answers, Kind.STAGE, stage))
    while True:
        try:
            _, (function, arguments, limit) = frames.read(calls)
        except EOFError:
            return
        frames.write(answers, Kind.STAGE, "")  # it begins: from here on, what goes wrong is the call's doing
        frames.write(answers, *_carry_out(function, arguments, limit))
        if linux.resident_bytes() > _SPENT_BYTES:
            return


def _carry_out(
    function: Callable[..., object], arguments: tuple[Any, ...], limit: Limits
) -> tuple[Kind, object]:
    limits.impose(limit)
    try:
        return Kind.RETURNED, function(*arguments)
    except MemoryError:
        return Kind.OUT_OF_MEMORY, None
    except BaseException as error:  # noqa: BLE001 - also what a library in Rust raises when it panics
        return Kind.FAILED, f"{type(error).__name__}: {error}"[:_MAX_REASON_CHARS]
    finally:
        limits.lift()


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return where calls come from and answers go to; what a library prints goes nowhere."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return calls, answers


if __name__ == "__main__":
    main()
