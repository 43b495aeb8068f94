"""What a person types into a chat: messages, and commands that begin with a slash."""

import asyncio
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output as TerminalOutput
from prompt_toolkit.output import create_output

from artifacts.private import FOLDER_MODE, open_private
from regular_files import check_regular
from runs.limits import MAX_INPUT_BYTES
from starter.errors import InvalidInput

HELP: Final = """\
/attach FILE|URL  send something to read, look at or listen to with the next message
/turns            what was said
/cost             what the conversation has used
/leave            leave; the conversation stays open (also Ctrl-C)
/close            close the conversation (also Ctrl-D)
/help             this
//text            a message that begins with a slash"""

_TOOLBAR: Final = HTML(
    "<b>Enter</b> sends · <b>Alt-Enter</b> new line · <b>Ctrl-C</b> leaves · <b>Ctrl-D</b> closes · /help"
)


class Command(StrEnum):
    """What can be asked of a chat."""

    ATTACH = "attach"
    TURNS = "turns"
    COST = "cost"
    LEAVE = "leave"
    CLOSE = "close"
    HELP = "help"


@dataclass(frozen=True)
class Typed:
    """One entry.

    Attributes:
        text: The message; empty beside a command.
        command: What was asked for instead.
        argument: Of the command.
    """

    text: str = ""
    command: Command | None = None
    argument: str = ""


def parse_entry(entry: str) -> Typed:
    """Return what an entry means.

    Raises:
        InvalidInput: It is a command that there is not, or lacks what the command needs.
    """
    text = entry.strip()
    if text.startswith("//"):
        return Typed(text=text[1:])
    if not text.startswith("/"):
        return Typed(text=text)
    word, _, argument = text[1:].partition(" ")
    argument = argument.strip()
    if word not in set(Command):
        raise InvalidInput(
            f"there is no /{word[:40]}; /help says what there is, and //{word[:40]} sends it as a message"
        )
    command = Command(word)
    if (command is Command.ATTACH) != bool(argument):
        raise InvalidInput("write /attach FILE|URL" if command is Command.ATTACH else f"write /{word} alone")
    return Typed(command=command, argument=argument)


class Reader(Protocol):
    """Where entries come from."""

    async def read(self, *, prompt: str) -> str | Command:
        """Return the next entry, or what its end stands for.

        Raises:
            InvalidInput: It is no text, or too long.
        """


class LineReader:
    """Reads one entry a line from standard input, for pipes. Their end leaves the conversation open."""

    async def read(self, *, prompt: str) -> str | Command:  # noqa: ARG002 - nobody would see it
        """Return the next line."""
        # A thread that is left behind waiting ends with the process.
        raw: bytes = await asyncio.to_thread(sys.stdin.buffer.readline, MAX_INPUT_BYTES + 1)
        if not raw:
            return Command.LEAVE
        if len(raw) > MAX_INPUT_BYTES:
            raise InvalidInput(
                f"a line has more than {MAX_INPUT_BYTES:,} bytes; attach longer material as a file"
            )
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise InvalidInput("a line is not UTF-8 text") from None


class TerminalReader:
    """Lets a person at a terminal type entries of several lines, with history.

    Args:
        history_file: Where entries are kept for the arrow keys; where it cannot be, they are forgotten.
        output: The terminal; None for standard error, since answers may be redirected.
    """

    def __init__(self, history_file: Path, *, output: TerminalOutput | None = None) -> None:
        self._session: PromptSession[str] = PromptSession(
            multiline=True,
            key_bindings=_keys(),
            history=_history(history_file),
            completer=WordCompleter([f"/{command}" for command in Command], sentence=True),
            complete_while_typing=False,
            bottom_toolbar=_TOOLBAR,
            output=output or create_output(stdout=sys.stderr),
        )

    async def read(self, *, prompt: str) -> str | Command:
        """Return the next entry; Ctrl-C leaves the conversation, and Ctrl-D closes it."""
        try:
            return await self._session.prompt_async(prompt)
        except KeyboardInterrupt:
            return Command.LEAVE
        except EOFError:
            return Command.CLOSE


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    @keys.add("c-j")
    def break_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _history(file: Path) -> History:
    try:
        file.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        # What people ask is theirs, as in a shell's history.
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NONBLOCK
        os.close(open_private(file, flags))
        check_regular(file)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))
