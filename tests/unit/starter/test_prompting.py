import asyncio
import os
import pty
import sys
from collections.abc import Iterator

import pytest

from starter.prompting import ask_line


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of the terminal that this process reads from."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield ours
    os.close(ours)


async def typed(keyboard: int, text: bytes) -> str:
    """What is read when ``text`` is typed after the question."""
    asked = asyncio.create_task(ask_line("Well? "))
    await asyncio.sleep(0)
    os.write(keyboard, text)
    async with asyncio.timeout(10):
        return await asked


async def test_a_line_is_read_without_its_end(keyboard: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The question goes to standard error, since standard output is for answers."""
    assert await typed(keyboard, " yes, ünd mehr \n".encode()) == "yes, ünd mehr"
    assert capsys.readouterr() == ("", "Well? ")


async def test_the_end_of_input_is_an_empty_line(keyboard: int) -> None:
    """Ctrl-D decides nothing."""
    assert await typed(keyboard, b"\x04") == ""


async def test_what_was_typed_before_the_question_is_no_answer(keyboard: int) -> None:
    """A second line of something pasted must not approve what comes next."""
    os.write(keyboard, b"y\n")
    assert await typed(keyboard, b"n\n") == "n"


async def test_a_question_can_be_taken_back(keyboard: int) -> None:
    """Nothing reads the terminal any more once nobody waits for an answer."""
    asked = asyncio.create_task(ask_line("Well? "))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    assert await typed(keyboard, b"later\n") == "later"
