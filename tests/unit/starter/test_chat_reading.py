import io
import stat
import sys
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from runs.limits import MAX_INPUT_BYTES
from starter.commands.chat_reading import HELP, Command, LineReader, TerminalReader, Typed, parse_entry
from starter.errors import InvalidInput


@pytest.mark.parametrize(
    ("entry", "typed"),
    [
        ("hello\n", Typed(text="hello")),
        ("  two\nlines  \n", Typed(text="two\nlines")),
        ("\n", Typed()),
        ("//etc is a folder", Typed(text="/etc is a folder")),
        ("what is /etc?", Typed(text="what is /etc?")),
        ("/close", Typed(command=Command.CLOSE)),
        (" /help \n", Typed(command=Command.HELP)),
        ("/attach  my notes.pdf", Typed(command=Command.ATTACH, argument="my notes.pdf")),
    ],
)
def test_an_entry_is_a_message_or_a_command(entry: str, typed: Typed) -> None:
    """A slash at the beginning makes the difference, and two make none."""
    assert parse_entry(entry) == typed


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("/etc/hosts is wrong", "there is no /etc/hosts; /help says what there is, and //etc/hosts sends it"),
        ("/", "there is no /"),
        ("/attach", "write /attach FILE|URL"),
        ("/close now", "write /close alone"),
    ],
)
def test_a_mistyped_command_is_not_sent_as_a_message(entry: str, reason: str) -> None:
    """It would be paid for."""
    with pytest.raises(InvalidInput) as caught:
        parse_entry(entry)
    assert reason in str(caught.value)


def test_help_names_every_command() -> None:
    """Nothing can be typed that help does not know."""
    assert all(f"/{command.value}" in HELP for command in Command)


def standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let this be what the command reads."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


async def test_each_line_of_a_pipe_is_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one may lack its end; the end of input leaves the conversation open."""
    standard_input(monkeypatch, "Grüße\nlast".encode())
    reader = LineReader()
    assert [await reader.read(prompt="> ") for _ in range(3)] == ["Grüße\n", "last", Command.LEAVE]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\n", "not UTF-8"), (b"x" * (MAX_INPUT_BYTES + 1), "attach longer material")],
)
async def test_a_line_that_cannot_be_a_message_is_refused(
    monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    """Rather than sent in pieces, or garbled."""
    standard_input(monkeypatch, content)
    with pytest.raises(InvalidInput, match=reason):
        await LineReader().read(prompt="> ")


@pytest.mark.parametrize(
    ("keys", "entry"),
    [
        ("hello\r", "hello"),
        ("two\x1b\rlines\r", "two\nlines"),
        ("two\x0alines\r", "two\nlines"),
        ("half\x03", Command.LEAVE),
        ("\x04", Command.CLOSE),
    ],
)
async def test_keys_at_a_terminal(tmp_path: Path, keys: str, entry: str | Command) -> None:
    """Enter sends, Alt-Enter and Ctrl-J break the line, Ctrl-C leaves, Ctrl-D closes."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        assert await TerminalReader(tmp_path / "history", output=DummyOutput()).read(prompt="> ") == entry


async def test_what_was_typed_is_kept_for_the_one_who_typed_it(tmp_path: Path) -> None:
    """As a shell keeps its history; where it cannot be kept, it is forgotten."""
    (tmp_path / "file").touch()
    for file in (tmp_path / "new" / "history", tmp_path / "file" / "history"):
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            pipe.send_text("hello\r")
            assert await TerminalReader(file, output=DummyOutput()).read(prompt="> ") == "hello"
    kept = tmp_path / "new" / "history"
    assert "+hello" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
