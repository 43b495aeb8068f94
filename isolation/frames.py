"""Values over pipes between a pool and its processes, which are of one program and one user."""

import os
import pickle
import select
import struct
import time
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol

_HEAD: Final = struct.Struct("!BQ")
"""What follows, and how many bytes of it."""

_CHUNK_BYTES: Final = 1024 * 1024


class Kind(IntEnum):
    """What a frame holds."""

    CALL = 1
    """A function, its arguments and its limits."""
    STAGE = 2
    """What is about to be done."""
    RETURNED = 3
    FAILED = 4
    """Why the function did not return, as text."""
    OUT_OF_MEMORY = 5


class Frame(NamedTuple):
    """One of them, received."""

    kind: Kind
    value: Any


class _Writer(Protocol):
    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> None: ...


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


def encode(kind: Kind, value: object) -> tuple[bytes, bytes]:
    """Return ``value`` as a frame's head and body."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return _HEAD.pack(kind, len(body)), body


def write(stream: _Writer, kind: Kind, value: object) -> None:
    """Send a frame over a blocking stream."""
    for part in encode(kind, value):
        stream.write(part)
    stream.flush()


def read(stream: _Reader) -> Frame:
    """Receive a frame from a blocking stream.

    Raises:
        EOFError: The other side has closed it.
    """
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    kind, size = _HEAD.unpack(head)
    return Frame(Kind(kind), pickle.loads(stream.read(size)))  # noqa: S301 - written by this program


class TimedPipe:
    """One end of a pipe that is waited for only until a moment."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    def send(self, kind: Kind, value: object, *, until: float) -> None:
        """Send a frame.

        Raises:
            TimeoutError: Not all was taken by ``until``, on the monotonic clock.
            BrokenPipeError: The other side has closed it.
        """
        for part in encode(kind, value):
            rest = memoryview(part)
            while rest:
                self._wait(select.POLLOUT, until)
                rest = rest[os.write(self._descriptor, rest[:_CHUNK_BYTES]) :]

    def receive(self, *, until: float) -> Frame:
        """Receive a frame.

        Raises:
            TimeoutError: It was not there by ``until``, on the monotonic clock.
            EOFError: The other side has closed it.
        """
        kind, size = _HEAD.unpack(self._exactly(_HEAD.size, until))
        return Frame(Kind(kind), pickle.loads(self._exactly(size, until)))  # noqa: S301 - written by this program

    def _exactly(self, size: int, until: float) -> bytes:
        received = bytearray()
        while len(received) < size:
            self._wait(select.POLLIN, until)
            part = os.read(self._descriptor, min(size - len(received), _CHUNK_BYTES))
            if not part:
                raise EOFError
            received += part
        return bytes(received)

    def _wait(self, event: int, until: float) -> None:
        poll = select.poll()  # unlike `select.select`, for any number of open files
        poll.register(self._descriptor, event)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            raise TimeoutError
