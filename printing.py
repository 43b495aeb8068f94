"""What is printed in a worker, as lines of its log.

A tool prints, and so does whatever it imports. Its worker's standard output is one stream of JSON lines, and
what stands in it is to be without secrets; so ``sys.stdout`` and ``sys.stderr`` are replaced, and each
printed line becomes one of the log, with the ids of the call in which it was printed.

What does not go by these two (a child process that inherits the worker's descriptors, C code) is not read: a
pipe that only this process empties would stop it once C code filled the pipe while it holds the interpreter's
lock. It goes to standard error as it is, so that it is never between the log's lines.
"""

import io
import os
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TextIO

import structlog

_MAX_HELD_BYTES: Final = 64 * 1024
"""Of one line; what comes after that is dropped, as nobody would see it."""

_MAX_SHOWN_CHARS: Final = 4_000
"""Of one line; more is data, and belongs into the tool's result."""

_STDERR: Final = 2

log = structlog.get_logger()


class CapturedPrints:
    """Takes over standard output and standard error of this process, once, for as long as it lives.

    Args:
        redact: Returns a text without the secrets in it.
        longest_chars: Length of the longest text that ``redact`` looks for.

    Attributes:
        log_stream: Where standard output was, for the log alone.
    """

    def __init__(self, *, redact: Callable[[str], str], longest_chars: int) -> None:
        stderr = sys.stderr
        sys.stdout.flush()
        self.log_stream: Final[TextIO] = os.fdopen(
            os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding, errors="backslashreplace"
        )
        os.dup2(_STDERR, sys.stdout.fileno())
        self._prints = [
            _Prints(name, redact=redact, longest_chars=longest_chars, before=stderr)
            for name in ("stdout", "stderr")
        ]
        sys.stdout, sys.stderr = (
            # Written through: nothing of one call may wait in a buffer for the next one to push it out.
            io.TextIOWrapper(  # type: ignore[type-var]  # over raw bytes: nothing else buffers
                prints, encoding="utf-8", errors="backslashreplace", newline="", write_through=True
            )
            for prints in self._prints
        )

    def end_lines(self) -> None:
        """Show what was printed in this context and does not end with a line end."""
        for prints in self._prints:
            prints.end_line()


class _Prints(io.RawIOBase):
    """One of the two, as bytes.

    What has been written of a line is kept in the context, so that calls that run side by side do not write
    into each other's lines.
    """

    def __init__(
        self, name: str, *, redact: Callable[[str], str], longest_chars: int, before: TextIO
    ) -> None:
        super().__init__()
        self._name: Final = name
        self._redact: Final = redact
        self._longest_chars: Final = longest_chars
        self._before: Final = before
        self._held: Final[ContextVar[bytes]] = ContextVar(f"longhaul_printed_{name}", default=b"")
        self._here: Final = threading.local()

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor for those who want one: standard error's."""
        return _STDERR

    def write(self, written: bytes, /) -> int:  # type: ignore[override]  # any buffer; TextIOWrapper gives bytes
        """Take ``written``, and log each line that it ends."""
        *ended, rest = (self._held.get() + bytes(written)).split(b"\n")
        for line in ended:
            self._show(line)
        # One byte more, to tell a line that was cut.
        self._held.set(rest[: _MAX_HELD_BYTES + 1])
        return len(written)

    def end_line(self) -> None:
        """Log what is held."""
        held = self._held.get()
        if held:
            self._held.set(b"")
            self._show(held)

    def _show(self, line: bytes) -> None:
        is_cut = len(line) > _MAX_HELD_BYTES
        # A progress bar writes over what it wrote, which in a file would be one line of thousands.
        text = line[:_MAX_HELD_BYTES].decode(errors="replace").rstrip("\r").rpartition("\r")[2]
        # Before it is cut here: a part of a secret would not be found. Where it was cut already, one may end.
        text = self._redact(text)[: -self._longest_chars if is_cut and self._longest_chars else None]
        if not text.strip():
            return
        if len(text) > _MAX_SHOWN_CHARS:
            text = f"{text[:_MAX_SHOWN_CHARS]}…"
        if getattr(self._here, "is_showing", False):
            # The log itself cannot be written, and `logging` says so on standard error: not in a circle.
            self._before.write(f"{text}\n")
            return
        self._here.is_showing = True
        try:
            in_tool = "tool" in structlog.contextvars.get_contextvars()
            write = log.info if self._name == "stdout" else log.warning
            write("tool.printed" if in_tool else "worker.printed", text=text, stream=self._name)
        finally:
            self._here.is_showing = False
