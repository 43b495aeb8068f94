"""Standard input, read whole, in a way that a signal can end."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def read_stdin(max_bytes: int) -> bytes:
    """Return what is on standard input; of more than ``max_bytes`` one byte more, which shows that there is.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came first.
    """
    with _interruptible():
        return sys.stdin.buffer.read(max_bytes + 1)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let signals end what the block waits for.

    The event loop, to which commands leave them, hears of none while it waits here itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt
