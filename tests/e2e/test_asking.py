"""Asking models and approving plans and calls, with the command against a whole stack."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from starter.approvals import status_of
from starter.runs import look_at_run
from tests.e2e.stack import Stack, assert_eventually, running_stack
from tests.e2e.test_cli import Command, command_of

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose worker has two function tools."""
    home = tmp_path_factory.mktemp("stack")
    with running_stack(home, time_scale=240, LONGHAUL_TOOLS="examples.weather") as stack:
        yield stack


@pytest.fixture
def longhaul(stack: Stack) -> Command:
    """The command."""
    return Command(stack)


async def wait_for_phase(stack: Stack, run_id: str, phase: str) -> None:
    """Wait until a run is there."""
    client = await stack.client()

    async def assert_there() -> None:
        assert (await look_at_run(client, run_id)).phase == phase

    await assert_eventually(assert_there)


def files_in(ended_err: str) -> dict[str, Path]:
    """The files that standard error names."""
    named = re.findall(r"^(\S+\.\w+): (/.+)$", ended_err, re.MULTILINE)
    return {name: Path(place) for name, place in named}


def test_an_answer_is_printed_and_nothing_else(longhaul: Command) -> None:
    """Standard output is the answer's text; progress, files and usage go beside it."""
    ended = longhaul("ask", "Why is the sky blue?", "--id", "sky", "--system", "Be brief.")
    assert ended.code == 0, ended
    printed = longhaul("ask", "Why is the sky blue?", "--id", "sky", "--system", "Be brief.", "--json").answer
    assert ended.out.strip() == printed["text"].strip()
    assert printed["result"]["text_uri"].endswith("/answer.md")
    assert ended.err.startswith("Started sky\n")
    assert "report.html" in files_in(ended.err)
    assert re.search(r"^sky: \d+s, [\d,]+ tokens", ended.err, re.MULTILINE)


def test_an_answer_with_a_schema_is_json(longhaul: Command, tmp_path: Path) -> None:
    """What is printed can be piped into a program; the run's result has it, too."""
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    ended = longhaul("ask", "Who?", "--schema", str(tmp_path / "schema.json"), "--id", "who")
    assert (ended.code, ended.answer.keys()) == (0, {"name", "age"})
    assert longhaul("watch", "who", "--json").answer["result"]["data"] == ended.answer


def test_an_image_is_a_file(longhaul: Command, tmp_path: Path) -> None:
    """An answer without text prints nothing; its image is named, and copied if a folder is given."""
    ended = longhaul("ask", "--image", "A cat", "--out", str(tmp_path))
    assert (ended.code, ended.out) == (0, ""), ended
    image = files_in(ended.err)["image-1.png"]
    assert image.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "image-1.png").read_bytes() == image.read_bytes()


def test_speech_comes_beside_the_text(longhaul: Command) -> None:
    """Several forms are asked for at once; each is where it belongs."""
    ended = longhaul("ask", "Ann: Hello. Bob: Hi.", "--speech", "Ann=Kore", "--speech", "Bob=Puck", "--text")
    assert (ended.code, bool(ended.out.strip())) == (0, True), ended
    assert files_in(ended.err)["audio-1.wav"].read_bytes()[8:12] == b"WAVE"


def test_what_is_attached_arrives(longhaul: Command, tmp_path: Path) -> None:
    """A file is sent along and an address is passed on, each as what it is."""
    (tmp_path / "plot.png").write_bytes(PNG)
    ended = longhaul(
        "ask", "What is this?", "--attach", str(tmp_path / "plot.png"), "--attach", "https://youtu.be/abc"
    )
    assert ended.code == 0, ended
    assert f"image (image/png, {len(PNG)} bytes)" in ended.out
    assert "video (video/mp4) at https://youtu.be/abc" in ended.out


def test_a_question_follows_up_an_answer(longhaul: Command) -> None:
    """The API is told which interaction comes before; a run that is not there, or goes on, has none."""
    assert longhaul("ask", "What is tea?", "--id", "first").code == 0
    ended = longhaul("ask", "And why?", "--continues", "first")
    assert "turn 2 of a conversation that began with “What is tea?”" in ended.out
    missing = longhaul("ask", "And why?", "--continues", "nobody")
    assert (missing.code, missing.out) == (4, "")
    longhaul("research", "Long? [[emulator duration_s=72000]]", "--id", "long", "--no-wait")
    early = longhaul("ask", "And why?", "--continues", "long")
    assert early.code == 2
    assert "--continues: run long is still " in early.err
    assert longhaul("cancel", "long").code == 0
    ended_early = longhaul("ask", "And why?", "--continues", "long")
    assert "ended as cancelled; there is no answer to continue" in ended_early.err


def test_a_budget_is_kept(longhaul: Command) -> None:
    """What there is when a bound is reached is kept, and why it is not more is told."""
    ended = longhaul("ask", "rain_today in Bergen?", "--tool", "rain_today", "--max-interactions", "1")
    assert ended.code == 0
    assert ": incomplete: the budget of 1 interaction" in ended.err


def test_a_function_that_no_worker_has_is_named(longhaul: Command) -> None:
    """Nothing is paid for; the message says which functions there are."""
    ended = longhaul("ask", "q", "--tool", "no_such_tool")
    assert (ended.code, ended.out) == (1, "")
    assert "no function tool no_such_tool; they have: order_umbrellas, rain_today" in ended.err


async def test_a_call_waits_for_approval(longhaul: Command, stack: Stack) -> None:
    """A call that costs something is shown with its arguments, and carried out once it was approved."""
    question = "rain_today and order_umbrellas for Bergen"
    tools = ("--tool", "rain_today", "--tool", "order_umbrellas")
    longhaul("ask", question, *tools, "--id", "umbrellas", "--no-wait")
    await wait_for_phase(stack, "umbrellas", "awaiting_approval")
    [call] = (await status_of(await stack.client(), "umbrellas")).pending_calls
    shown = longhaul("status", "umbrellas")
    assert shown.code == 5
    assert f"Call of order_umbrellas (digest {call.digest}, " in shown.out
    assert f"decide: longhaul approve umbrellas --call {call.call_id}\n" in shown.out
    left = longhaul("watch", "umbrellas", "--wait-timeout", "2s")
    assert left.code == 5
    assert left.err.count("Call of order_umbrellas") == 1
    assert f"  longhaul deny umbrellas --call {call.call_id} " in left.err

    def waiting() -> set[str]:
        return {row["run_id"] for row in longhaul("list", "--needs-attention", "--json").answer["runs"]}

    async def assert_listed() -> None:
        assert "umbrellas" in waiting()

    await assert_eventually(assert_listed)
    assert longhaul("approve", "umbrellas", "--call", "other").code == 2
    assert longhaul("approve", "umbrellas", "--call", call.call_id).code == 0
    ended = longhaul("watch", "umbrellas")
    assert ended.code == 0
    assert "work: 0 searches, 0 pages read, 2 tool calls\n" in ended.out
    assert "interactions: 2\n" in ended.out
    late = longhaul("approve", "umbrellas")
    assert (late.code, "has ended (completed)" in late.err) == (2, True)


async def test_the_model_is_told_of_a_denial(longhaul: Command, stack: Stack) -> None:
    """A denied call does not end the run: the model goes on, with the reason."""
    longhaul("ask", "order_umbrellas, please", "--tool", "order_umbrellas", "--id", "denied", "--no-wait")
    await wait_for_phase(stack, "denied", "awaiting_approval")
    assert longhaul("deny", "denied", "--reason", "Too dear.").code == 0
    ended = longhaul("ask", "order_umbrellas, please", "--tool", "order_umbrellas", "--id", "denied")
    assert ended.code == 0
    assert "Too dear." in ended.out


async def test_a_plan_is_revised_and_approved(longhaul: Command, stack: Stack) -> None:
    """Research with a plan begins only once somebody has agreed with it."""
    assert longhaul("research", "Tea?", "--plan", "--id", "planned", "--no-wait").out == "planned\n"
    await wait_for_phase(stack, "planned", "awaiting_approval")
    left = longhaul("watch", "planned", "--wait-timeout", "1s")
    assert left.code == 5
    assert "Plan (revision 1, expires at " in left.err
    assert "  longhaul approve planned\n" in left.err
    assert longhaul("deny", "planned", "--reason", "No").code == 2
    assert longhaul("revise", "planned", "-", stdin="Less theory\n").code == 0
    await wait_for_phase(stack, "planned", "awaiting_approval")
    assert "Less theory" in longhaul("status", "planned").out
    assert longhaul("approve", "planned", "--note", "Go").code == 0
    ended = longhaul("watch", "planned", "--json")
    assert (ended.code, ended.answer["turn"]) == (0, 3)
    names = {each["name"] for each in ended.answer["result"]["artifacts"]}
    assert {"plan-1.md", "plan-2.md", "report.md"} <= names


def test_a_plan_that_nobody_objects_to_goes_on(longhaul: Command) -> None:
    """With ``auto`` a person may step in, and need not."""
    ended = longhaul("research", "Tea?", "--plan", "auto", "--plan-grace", "1s", "--json")
    assert (ended.code, ended.answer["phase"]) == (0, "completed")
    assert "goes on by itself at" in ended.err


class Keyboard:
    """The command at a terminal, with somebody typing.

    Args:
        longhaul: Whose environment it gets.
        arguments: Of the command.
    """

    def __init__(self, longhaul: Command, *arguments: str) -> None:
        # Not pty.fork(): this process has threads.
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command_of(*arguments),
            env={**longhaul.environ, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._unread = b""

    def wait_for(self, text: str) -> str:
        """Wait until the terminal shows ``text``, and return all it showed until then."""
        give_up_at = time.monotonic() + 60
        while text.encode() not in self._unread:
            assert time.monotonic() < give_up_at, self._unread
            if select.select([self._terminal], [], [], 0.1)[0]:
                self._unread += self._read()
        before, _, self._unread = self._unread.partition(text.encode())
        return _shown(before) + text

    def type(self, text: str) -> None:
        """Type."""
        os.write(self._terminal, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait for the command's end; return its exit code and the rest of what it showed."""
        while more := self._read():
            self._unread += more
        os.close(self._terminal)
        return self._process.wait(), _shown(self._unread)

    def _read(self) -> bytes:
        try:
            return os.read(self._terminal, 65_536)
        except OSError:  # how Linux says that nobody has the other end any more
            return b""


def _shown(raw: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw.decode(errors="replace")).replace("\r", "")


def test_at_a_terminal_everything_is_asked_where_it_is_watched(longhaul: Command) -> None:
    """Whoever watches revises, approves and denies right there, and sees the run go on."""
    planned = Keyboard(longhaul, "research", "Tea?", "--plan")
    planned.wait_for("Plan (revision 1")
    planned.wait_for("eave it: ")
    planned.type("r\n")
    planned.wait_for("What is to be different? ")
    planned.type("Less theory\n")
    assert "Less theory" in planned.wait_for("eave it: ")
    planned.type("y\n")
    code, shown = planned.end()
    assert (code, "interactions  3" in shown) == (0, True), shown

    asking = Keyboard(longhaul, "ask", "order_umbrellas, please", "--tool", "order_umbrellas")
    asking.wait_for("Call of order_umbrellas")
    asking.wait_for("eave it: ")
    asking.type("d\n")
    asking.wait_for("Why not? The model is told: ")
    asking.type("Too dear.\n")
    code, shown = asking.end()
    assert (code, "Too dear." in shown) == (0, True), shown


def test_ctrl_c_at_a_prompt_detaches(longhaul: Command) -> None:
    """Leaving a question unanswered leaves the run waiting."""
    asking = Keyboard(longhaul, "ask", "order_umbrellas", "--tool", "order_umbrellas", "--id", "left")
    asking.wait_for("eave it: ")
    asking.interrupt()
    code, shown = asking.end()
    assert (code, "Detached. The run goes on" in shown) == (5, True), shown
    deciding = Keyboard(longhaul, "approve", "left")
    deciding.wait_for("Approve? [y/N] ")
    deciding.type("\n")
    code, shown = deciding.end()
    assert (code, "left waits on" in shown) == (5, True), shown
    assert longhaul("approve", "left", "--yes").code == 0
    assert longhaul("watch", "left").code == 0
