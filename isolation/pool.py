"""Processes that carry out one call each at a time, and are replaced when one had to be stopped.

Written here after a look at the libraries (pebble 5.2, anyio 4.16 and the standard library, read 2026-11-28):
their processes import the parent's main module, which for a worker is two seconds and a hundred megabytes;
pebble's share pipes and locks with one that is killed; and none has the kernel keep the limits, so that a
parent which stands still would keep none.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from typing import Final, ParamSpec, TypeVar

import structlog

from isolation.frames import Frame, Kind, TimedPipe
from isolation.limits import Limits

_P = ParamSpec("_P")
_T = TypeVar("_T")

_START_WITHIN_S: Final = 60.0
"""A process imports for half a second before it takes its first call; the rest is for a busy machine."""

_MARGIN_S: Final = 10.0
"""After its time a process has been ended by the kernel. Unless somebody stopped it: then it is killed."""

_KEPT_VARIABLES: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT")
"""Of the environment. Keys and secrets are not among them: nobody who reads a stranger's files needs one."""

log = structlog.get_logger()


class Cause(StrEnum):
    """Why a call did not come to an end."""

    TIME = "time"
    MEMORY = "memory"
    CRASH = "crash"
    ERROR = "error"
    """The function raised."""


class CutShort(Exception):
    """A call that did not come to an end. The message says why, for people.

    Attributes:
        cause: Why, for programs.
        stage: What it was about to do, as it last said; empty if it never did.
        has_begun: Whether the function was called. Where it was not, no process could be had, and that says
            nothing about what it was called with.
    """

    def __init__(self, message: str, *, cause: Cause, stage: str = "", has_begun: bool = True) -> None:
        super().__init__(message)
        self.cause = cause
        self.stage = stage
        self.has_begun = has_begun


class Pool:
    """A few processes, started when they are first needed; calls wait for their turn in order.

    Args:
        name: For threads and log lines.
        processes: How many at once.
    """

    def __init__(self, name: str, *, processes: int) -> None:
        self._name = name
        self._processes = processes
        # Each thread has a process of its own, and lives as long as the pool: a process ends with the thread
        # that made it.
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix=f"isolation-{name}")
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._children: set[_Child] = set()
        self._is_closed = False

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes there are."""
        with self._lock:
            return tuple(child.pid for child in self._children)

    async def run(
        self, limits: Limits, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Call ``function`` in one of the processes and return what it returns.

        A caller that is cancelled leaves the call to its limits.

        Args:
            limits: What the call may take.
            function: Of a module. It, its arguments and what it returns are pickled.
            args: Its arguments.
            kwargs: None: a call is positional.

        Raises:
            CutShort: It took more than that, crashed or raised.
        """
        assert not kwargs
        loop = asyncio.get_running_loop()
        try:
            call = loop.run_in_executor(self._threads, partial(self._call, limits, function, args))
        except RuntimeError:
            # The threads take nothing any more.
            raise _about_to_end() from None
        return await call

    def warm_up(self) -> None:
        """Begin to start the processes, for calls that would have to wait for them."""
        for _ in range(self._processes):
            self._threads.submit(self._child)

    async def aclose(self) -> None:
        """End the processes, and with them the calls under way."""
        with self._lock:
            self._is_closed = True
            for child in self._children:
                child.kill()
        # Those that still wait for their turn find it closed.
        await asyncio.to_thread(self._threads.shutdown)
        for child in self._children:
            child.end()

    def _call(self, limits: Limits, function: Callable[..., _T], args: tuple[object, ...]) -> _T:
        child = self._child()
        began = time.monotonic()
        try:
            answer = child.call(limits, function, args)
        except (EOFError, BrokenPipeError, TimeoutError) as error:
            cause, reason = _why_ended(limits, self._retire(child), is_late=isinstance(error, TimeoutError))
            log.warning(
                "isolation.cut_short",
                pool=self._name,
                reason=reason,
                stage=child.stage,
                after_s=round(time.monotonic() - began, 1),
            )
            raise CutShort(reason, cause=cause, stage=child.stage, has_begun=child.has_begun) from None
        except BaseException:
            # What was sent or received is not whole.
            self._retire(child)
            raise
        match answer.kind:
            case Kind.RETURNED:
                value: _T = answer.value
                return value
            case Kind.OUT_OF_MEMORY:
                self._retire(child)
                raise CutShort(_too_much_memory(limits), cause=Cause.MEMORY, stage=child.stage)
            case _:
                raise CutShort(answer.value, cause=Cause.ERROR, stage=child.stage)

    def _child(self) -> "_Child":
        child: _Child | None = getattr(self._mine, "child", None)
        if child is not None and child.is_alive:
            return child
        if child is not None:
            self._retire(child)
        with self._lock:
            if self._is_closed:
                raise _about_to_end()
            child = _Child()
            self._children.add(child)
        self._mine.child = child
        return child

    def _retire(self, child: "_Child") -> int:
        """End ``child``, and return its exit code."""
        self._mine.child = None
        with self._lock:
            self._children.discard(child)
        return child.end()


class _Child:
    """One process.

    Attributes:
        stage: What the last call was about to do, as far as it said.
        has_begun: Whether its function was called.
    """

    def __init__(self) -> None:
        environment = {name: value for name in _KEPT_VARIABLES if (value := os.environ.get(name))}
        # Wherever the parent found its modules.
        environment["PYTHONPATH"] = os.pathsep.join(path or str(os.curdir) for path in sys.path)
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "isolation.child", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Reasons come as answers; what a library says of a crash may quote what it crashed on.
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._calls = TimedPipe(self._process.stdin.fileno())
        self._answers = TimedPipe(self._process.stdout.fileno())
        self._is_new = True
        self.stage = ""
        self.has_begun = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def call(self, limits: Limits, function: Callable[..., object], args: tuple[object, ...]) -> Frame:
        """Have a call carried out.

        Raises:
            EOFError: The process ended.
            BrokenPipeError: Likewise.
            TimeoutError: It should have ended, and has not.
        """
        self.stage, self.has_begun = "", False
        until = time.monotonic() + limits.wall_s + _MARGIN_S + (_START_WITHIN_S if self._is_new else 0)
        self._calls.send(Kind.CALL, (function, args, limits), until=until)
        while (frame := self._answers.receive(until=until)).kind is Kind.STAGE:
            self.stage, self.has_begun = frame.value, True
        self._is_new = False
        return frame

    def kill(self) -> None:
        """Begin to end it. From any thread."""
        self._process.kill()

    def end(self) -> int:
        """End it, wait for that, and return its exit code: what ended it, if something else had."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            # Where the pipe is closed already it is about to end, and the code says why.
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        return code


def _about_to_end() -> CutShort:
    return CutShort("the worker is about to end", cause=Cause.CRASH, has_begun=False)


def _why_ended(limits: Limits, code: int, *, is_late: bool) -> tuple[Cause, str]:
    if is_late or code == -signal.SIGALRM:
        return Cause.TIME, f"it took more than {limits.wall_s:g} s"
    match -code:
        case signal.SIGPROF:
            return Cause.TIME, f"it took more than {limits.cpu_s:g} s of processor time"
        case signal.SIGKILL:
            # The kernel does so when the machine has none left, however little this process had.
            return Cause.MEMORY, "it was killed, probably for want of memory"
        case signal.SIGABRT:
            # A library that was given none.
            return Cause.MEMORY, _too_much_memory(limits)
        case number if number in signal.valid_signals():
            return Cause.CRASH, f"it crashed with {signal.Signals(number).name}"
        case _:
            return Cause.CRASH, f"its process ended with {code}"


def _too_much_memory(limits: Limits) -> str:
    return f"it needed more than {limits.memory_bytes // 1024**2:,} MB of memory"
