"""Asking whoever sits at the terminal, while everything else goes on."""

import asyncio
import os
import sys
import termios
from collections.abc import Awaitable, Callable
from typing import Final

_MAX_LINE_BYTES: Final = 4_096
"""What a terminal passes on as one line."""

Ask = Callable[[str], Awaitable[str]]
"""Puts a question and returns the line that was typed; an empty one at the end of input."""


async def ask_line(question: str) -> str:
    """Write ``question`` to standard error, and return the line that is typed, without its end.

    May be cancelled, which leaves what was typed so far to the terminal.
    """
    loop = asyncio.get_running_loop()
    file = sys.stdin.fileno()
    # What was typed before the question was there cannot be an answer to it.
    termios.tcflush(file, termios.TCIFLUSH)
    sys.stderr.write(question)
    sys.stderr.flush()
    typed: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        if not typed.done():
            typed.set_result(os.read(file, _MAX_LINE_BYTES))

    # Not input() in a thread: nothing ends that but a line, and the command has to end without one.
    loop.add_reader(file, read)
    try:
        line = await typed
    finally:
        loop.remove_reader(file)
    if not line:
        sys.stderr.write("\n")
    return line.decode(errors="replace").strip()
