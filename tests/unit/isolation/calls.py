"""What tests have carried out in another process: the good, the slow and the greedy."""

import os
import signal
import time

from isolation.stages import begin


def add(one: int, other: int) -> int:
    """Return the sum."""
    return one + other


def echo(content: bytes) -> bytes:
    """Return the same."""
    return content


def pid() -> int:
    """Return who carries this out."""
    return os.getpid()


def environment() -> dict[str, str]:
    """Return all variables."""
    return dict(os.environ)


def spin() -> None:
    """Never end."""
    begin("spinning")
    while True:
        pass


def work(duration_s: float) -> None:
    """Use the processor for a while."""
    until = time.process_time() + duration_s
    while time.process_time() < until:
        pass


def sleep(duration_s: float) -> None:
    """Do nothing for a while."""
    time.sleep(duration_s)


def eat() -> int:
    """Take all memory there is."""
    begin("eating")
    eaten = []
    while True:
        eaten.append(b"x" * 10_000_000)


def crash(*_: object) -> None:
    """End as a broken library does, whatever was to be done."""
    os.kill(os.getpid(), signal.SIGSEGV)


def die() -> None:
    """End as the kernel ends who has too much."""
    os.kill(os.getpid(), signal.SIGKILL)


def boom() -> None:
    """Raise."""
    raise ValueError("boom")


def talk() -> int:
    """Print, where answers go."""
    print("hello")  # noqa: T201 - the point
    os.write(1, b"hello")
    return 1
