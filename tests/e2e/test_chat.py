"""``longhaul chat`` against a whole stack: on a pipe, at a terminal, through forgetting and crashes."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Final, Self

import pytest

from runs.conversation import ConversationPhase, ConversationRequest, Ending
from runs.phase import Phase
from starter.conversations import (
    close_conversation,
    list_conversations,
    look_at_conversation,
    new_message,
    send_message,
    start_conversation,
)
from starter.errors import ConversationClosed, InvalidInput
from starter.runs import look_at_run
from tests.e2e.stack import Stack, assert_eventually, running_stack
from tests.e2e.test_cli import Command, Ended, command_of

WITHIN_S: Final = 40.0
"""An answer takes about a second on two idle cores; the rest is for a machine that runs other tests."""

HELLO: Final = "Tell me about tea"
BEGAN: Final = "This is turn 2 of a conversation that began with “Tell me about tea”."
"""How the emulator shows that it knows what was said."""

REQUEST: Final = ConversationRequest(model="gemini-3.8-flash")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose worker has function tools; what a test breaks of it, it mends."""
    with running_stack(tmp_path_factory.mktemp("stack"), LONGHAUL_TOOLS="examples.weather") as stack:
        yield stack


@pytest.fixture
def longhaul(stack: Stack) -> Command:
    """The command, set up to find the stack."""
    return Command(stack)


def id_in(ended: Ended) -> str:
    """Return the conversation that a chat says it is."""
    found = re.search(r"^Conversation (chat-[0-9a-f]{8}) with ", ended.err, re.MULTILINE)
    assert found is not None, ended.err
    return found[1]


def test_a_line_on_a_pipe_is_a_message_and_its_answer_is_the_output(longhaul: Command) -> None:
    """What a program reads is the answer alone; how to come back is beside it."""
    ended = longhaul("chat", stdin=f"{HELLO}\n")
    assert ended.code == 0
    assert ended.out.startswith("Here is what there is to say about tea.")
    assert ended.out.count("\n") == 1
    assert f"Left open; come back with: longhaul chat {id_in(ended)}" in ended.err


def test_a_conversation_is_taken_up_where_it_was(longhaul: Command) -> None:
    """By another process, later: what was said is shown, and known."""
    first = longhaul("chat", stdin=f"{HELLO}\n")
    second = longhaul("chat", id_in(first), stdin="And coffee?\n/cost\n/turns\n/close\n")
    assert second.out.startswith(BEGAN)
    assert f"[1] {HELLO}" in second.err
    assert "[2] And coffee?" in second.err
    assert "2 turns: " in second.err
    assert f"Closed {id_in(first)} after 2 turns" in second.err
    third = longhaul("chat", id_in(first), stdin="More\n")
    assert (third.code, third.out) == (2, "")
    assert f"go on from it with: longhaul chat --from {id_in(first)}-turn-2" in third.err
    assert longhaul("chat", "--from", f"{id_in(first)}-turn-2", stdin="More\n").out.startswith(
        "This is turn 3"
    )
    listed = longhaul("chat", "--list").out
    assert re.search(rf"^{id_in(first)}\tclosed\t.*\t{HELLO}$", listed, re.MULTILINE)


def test_a_conversation_follows_up_on_a_finished_run(longhaul: Command) -> None:
    """The research is what the talk is about."""
    question = "Why is tea astringent? [[emulator duration_s=30]]"
    assert longhaul("research", question, "--id", "astringent").code == 0
    ended = longhaul("chat", "--from", "astringent", stdin="Summarize it\n")
    assert "following up on astringent" in ended.err
    assert "a conversation that began with “Why is tea astringent?”" in ended.out
    assert "The report on “Why is tea astringent?” has the sections" in ended.out


def test_what_the_api_forgot_it_is_told_again(longhaul: Command, stack: Stack) -> None:
    """Interactions expire after a day where one does not pay; a conversation does not."""
    first = longhaul("chat", stdin="My tea is oolong. [[emulator fault=expired expire_after_s=3600]]\n")
    stack.let_pass(7_200)
    second = longhaul("chat", id_in(first), stdin="What is my tea?\n")
    assert second.code == 0
    assert second.out.startswith("Your tea is oolong.")
    assert "the API had forgotten the conversation" in second.err
    assert f"{id_in(first)}-turn-2-retold" in second.err
    third = longhaul("chat", id_in(first), stdin="Once more, what is my tea?\n")
    assert third.out.startswith("Your tea is oolong.")
    assert "forgotten" not in third.err


def test_a_research_that_the_api_forgot_can_still_be_followed_up(longhaul: Command, stack: Stack) -> None:
    """From the report that was stored, by the run's own tenant."""
    directive = "[[emulator duration_s=30 fault=expired expire_after_s=3600]]"
    question = f"My tea is oolong. Why is it bitter? {directive}"
    assert longhaul("research", question, "--id", "bitter", "--tenant", "kitchen").code == 0
    stack.let_pass(7_200)
    refused = longhaul("chat", "--from", "bitter", "--tenant", "cellar", stdin="What is my tea?\n")
    assert refused.code == 2
    assert "run bitter is not of tenant 'cellar'" in refused.err
    ended = longhaul("chat", "--from", "bitter", stdin="What is my tea?\n")
    assert ended.out.startswith("Your tea is oolong.")
    assert "the API had forgotten" in ended.err


def test_a_file_goes_with_the_next_message(longhaul: Command, tmp_path: Path) -> None:
    """With ``--attach`` or ``/attach``."""
    (tmp_path / "notes.md").write_text("My tea is oolong.")
    (tmp_path / "more.md").write_text("My cup is chipped.")
    ended = longhaul(
        "chat",
        "--attach",
        str(tmp_path / "notes.md"),
        stdin=f"/attach {tmp_path / 'more.md'}\nWhat is my tea? What is my cup?\nWell.\n",
    )
    assert ended.code == 0
    assert ended.out.startswith("Your tea is oolong. Your cup is chipped.")
    missing = longhaul("chat", "--attach", str(tmp_path / "none.md"), stdin=f"{HELLO}\n")
    assert missing.code == 2
    assert "none.md" in missing.err


def test_a_turn_that_fails_is_told_and_followed(longhaul: Command) -> None:
    """The conversation goes on; the command ends as its last turn did."""
    ended = longhaul("chat", stdin=f"{HELLO}\nBreak [[emulator fault=failed]]\n")
    assert ended.code == 1
    assert "(interaction_failed)" in ended.err
    again = longhaul("chat", id_in(ended), stdin="And coffee?\n")
    assert again.code == 0
    assert again.out.startswith(BEGAN)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "reason"),
    [
        (["chat-00000000"], "x\n", 4, "no conversation 'chat-00000000'"),
        (["no id"], "x\n", 2, "is no run id"),
        (["chat-1", "--model", "m"], "x\n", 2, "--model goes with a new conversation"),
        (["--model", "m", "--agent", "a"], "x\n", 2, "give exactly one of agent and model"),
        (
            ["--agent", "deep-research-preview-04-2026", "--system", "Be brief."],
            "x\n",
            2,
            "no system instruct",
        ),
        (["--idle", "0s"], "x\n", 2, "idle_timeout_s"),
        (["--from", "nothing"], "x\n", 4, "no run 'nothing'"),
        ([], "/nonsense\n", 2, "there is no /nonsense"),
        ([], "x" * 300_000 + "\n", 2, "a line has more than"),
        ([], "", 0, "Nothing was said, so nothing was started."),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_started(
    longhaul: Command, arguments: list[str], stdin: str, code: int, reason: str
) -> None:
    """In one line, with what to do."""
    ended = longhaul("chat", *arguments, stdin=stdin)
    assert (ended.code, ended.out) == (code, "")
    assert reason in ended.err
    assert "[1]" not in ended.err


def test_only_lists_are_json(longhaul: Command) -> None:
    """A program that reads a pipe gets answers; one that wants JSON uses the functions."""
    ended = longhaul("chat", "--json", stdin="x\n")
    assert (ended.code, ended.answer["error"]["kind"]) == (2, "invalid_input")
    assert "--json goes with --list" in ended.err
    assert isinstance(longhaul("chat", "--list", "--json").answer["conversations"], list)


@pytest.mark.parametrize("part", ["server", "worker"])
async def test_a_message_is_answered_once_whatever_dies(longhaul: Command, stack: Stack, part: str) -> None:
    """Temporal or the worker is killed while a turn runs, and comes back."""
    name = f"killed-{part}"
    client = await stack.client()
    await start_conversation(client, REQUEST, conversation_id=name)
    with subprocess.Popen(  # noqa: ASYNC220 - it takes no time, and is read while it runs
        command_of("chat", name), env=longhaul.environ, stdin=PIPE, stdout=PIPE, stderr=PIPE
    ) as chat:
        assert chat.stdin is not None
        chat.stdin.write(f"{HELLO} [[emulator submission={name} duration_s=300]]\n".encode())
        chat.stdin.close()
        chat.stdin = None

        async def between_looks() -> None:
            assert (await look_at_conversation(client, name, is_status_wanted=False)).running_run_id
            await stack.assert_between_looks(f"{name}-turn-1", client=client)

        try:
            # A look that the worker takes with it is missed only after its time-out.
            await assert_eventually(between_looks)
            getattr(stack, part).kill()
            stack.mend()
            out, err = chat.communicate(timeout=WITHIN_S)
        finally:
            chat.kill()
    assert (chat.returncode, out.count(b"Here is what there is to say")) == (0, 1), err.decode()
    assert stack.emulator.submission(name)["creates"] == 1


async def test_programs_hold_conversations_with_the_same_functions(stack: Stack) -> None:
    """Start, write, look, list and close; a message sent twice is answered once."""
    client = await stack.client()
    started = await start_conversation(client, REQUEST, subject="Tea")
    conversation_id = started.conversation_id
    again = await start_conversation(client, REQUEST, conversation_id=conversation_id)
    assert (started.is_new, again.is_new) == (True, False)
    message = new_message(HELLO)
    turn = await send_message(client, conversation_id, message)
    assert (await send_message(client, conversation_id, message)).number == turn.number == 1
    assert turn.text.startswith("Here is what there is to say about tea.")
    assert not turn.is_excerpt
    assert turn.run_id is not None
    assert (await look_at_run(client, turn.run_id)).phase is Phase.COMPLETED
    view = await look_at_conversation(client, conversation_id)
    assert view.phase is ConversationPhase.OPEN
    assert view.status is not None
    assert view.status.turns == 1
    with pytest.raises(InvalidInput, match="the question is empty"):
        await send_message(client, conversation_id, new_message(" "))
    closed = await close_conversation(client, conversation_id)
    assert closed.result is not None
    assert (closed.phase, closed.result.ending) == (ConversationPhase.CLOSED, Ending.ASKED)
    assert await close_conversation(client, conversation_id) == closed
    with pytest.raises(ConversationClosed, match="start a new one with `longhaul chat`"):
        await send_message(client, conversation_id, new_message("More"))

    async def listed() -> None:
        rows = {row.conversation_id: row for row in await list_conversations(client)}
        assert rows[conversation_id].phase is ConversationPhase.CLOSED
        assert rows[conversation_id].subject == "Tea"

    await assert_eventually(listed)


class Terminal:
    """A chat as a person has it.

    Args:
        command: Whose environment it runs in.
        arguments: Of ``longhaul``.
    """

    def __init__(self, command: Command, *arguments: str) -> None:
        # No terminal is there to answer where its cursor is.
        self._environ = {**command.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self._arguments = arguments
        self._screen = bytearray()

    def __enter__(self) -> Self:
        """Start it."""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
        self._process = subprocess.Popen(
            command_of(*self._arguments),
            env=self._environ,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # Ctrl-C is for whoever's terminal it is.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads in the child
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._master)

    @property
    def text(self) -> str:
        """All that was shown, without colours and cursor movements."""
        return re.sub(
            r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()=>].?|[\r\x07]", "", self._screen.decode(errors="replace")
        )

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def wait_for(self, shown: str, *, after: str = "") -> None:
        """Wait until something has been shown, after something else was."""
        give_up_at = time.monotonic() + WITHIN_S
        while after not in self.text or shown not in self._after(after):
            assert time.monotonic() < give_up_at, self.text[-3_000:]
            time.sleep(0.02)

    def _after(self, marker: str) -> str:
        return self.text.rpartition(marker)[2] if marker else self.text

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        code = self._process.wait(WITHIN_S)
        self._reader.join()
        return code

    def _read(self) -> None:
        while True:
            try:
                shown = os.read(self._master, 4_096)
            except OSError:
                return  # as a terminal ends whose other side is closed
            self._screen += shown


def test_a_person_talks_at_a_terminal(longhaul: Command, stack: Stack) -> None:
    """Messages of several lines, progress, answers, commands, and an end with Ctrl-D."""
    with Terminal(longhaul, "chat") as terminal:
        terminal.wait_for(">")
        terminal.type("Tell me\x1b\rabout tea\r")
        terminal.wait_for("[1] chat-")
        terminal.wait_for(">", after="[1] chat-")
        terminal.type("/nonsense\r")
        terminal.wait_for(">", after="there is no /nonsense")
        terminal.type("/cost\r")
        terminal.wait_for(">", after="1 turn: ")
        terminal.type("\x04")
        assert terminal.ended() == 0
        assert "Here is what there is to say about tea." in terminal.text
        assert re.search(r"Closed chat-\w+ after 1 turn", terminal.text)
    history = (stack.home / "chat-history").read_text()
    assert "+Tell me\n+about tea\n" in history


def test_a_call_that_needs_approval_is_asked_about_where_one_talks(longhaul: Command) -> None:
    """And the conversation goes on after it."""
    with Terminal(longhaul, "chat", "--tool", "order_umbrellas") as terminal:
        terminal.wait_for(">")
        terminal.type("order_umbrellas for Bergen\r")
        terminal.wait_for("Approve this call? [y]es, [d]eny, [l]eave it: ")
        terminal.type("y\r")
        terminal.wait_for(">", after="[1] chat-")
        assert "The function order_umbrellas returned" in terminal.text
        terminal.type("\x04")
        assert terminal.ended() == 0


def test_ctrl_c_leaves_a_conversation_and_whoever_comes_back_has_the_answer(longhaul: Command) -> None:
    """While a message is answered, and at the prompt."""
    with Terminal(longhaul, "chat") as terminal:
        terminal.wait_for(">")
        # Long enough to be still under way when a second terminal is there, also on a busy machine.
        terminal.type(f"{HELLO} [[emulator duration_s=1200]]\r")
        terminal.wait_for("running")
        terminal.type("\x03")
        assert terminal.ended() == 0
        found = re.search(r"Left open; come back with: longhaul chat (chat-\w+)", terminal.text)
        assert found is not None
    with Terminal(longhaul, "chat", found[1]) as terminal:
        terminal.wait_for("Still being answered")
        terminal.wait_for(">", after="[1] chat-")
        assert "Here is what there is to say about tea." in terminal.text
        terminal.type("\x03")
        assert terminal.ended() == 0
        assert "Left open" in terminal.text
