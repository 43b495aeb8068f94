"""The command against a whole stack: what it prints, where, and how it ends."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from runs.messages import AgentRunRequest
from runs.phase import Phase
from starter.runs import list_runs, start_run
from tests.dev_server import DevServer, running_dev_server, temporal_cli
from tests.e2e.stack import Stack, assert_eventually, running_stack

SLOW: Final = "[[emulator duration_s=7200]]"
"""Two minutes at the stack's pace: no test waits for its end."""

QUICK: Final = "[[emulator duration_s=60]]"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The JSON on standard output."""
        return json.loads(self.out)


def command_of(*arguments: str) -> list[str]:
    """The command as a program starts it."""
    return [sys.executable, "-m", "starter.main", *arguments]


def environ_of(server: DevServer, **changes: str) -> dict[str, str]:
    """Variables that find ``server``, and none of this machine's own settings."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **server.environ, **changes}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that no test here breaks."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


class Command:
    """``longhaul``, in the environment of a stack."""

    def __init__(self, stack: Stack) -> None:
        self.environ = environ_of(stack.server, LONGHAUL_HOME=str(stack.home))

    def __call__(self, *arguments: str, stdin: str = "", **changes: str) -> Ended:
        """Run it to its end. Whatever it was asked, it left no traceback and no escape sequence."""
        ran = subprocess.run(
            command_of(*arguments),
            env={**self.environ, **changes},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in ran.stderr
        assert "\x1b" not in ran.stdout + ran.stderr
        return Ended(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def longhaul(stack: Stack) -> Command:
    """The command."""
    return Command(stack)


def test_a_question_becomes_a_report(longhaul: Command, tmp_path: Path) -> None:
    """The answer names the report, progress goes beside it, and the report is where the answer says."""
    (tmp_path / "notes.md").write_text("Tea is bitter.")
    ended = longhaul(
        "research", f"Why is tea bitter? {QUICK}", "--id", "tea", "--attach", str(tmp_path / "notes.md"),
        "--label", "it's", "--tenant", "kitchen", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert ended.code == 0, ended
    rows = dict(line.split(": ", 1) for line in ended.out.splitlines())
    assert (rows["run"], rows["phase"]) == ("tea", "completed")
    assert {"report", "tokens", "cost"} <= rows.keys()
    report = Path(rows["report.md"]).read_text()
    assert (tmp_path / "out" / "report.md").read_text() == report
    assert ended.err.startswith("Started tea\n[0s] requested\n")
    assert "completed\n" in ended.err

    printed = longhaul("result", "tea")
    assert (printed.code, printed.out, printed.err) == (0, report, "")
    finished = longhaul("result", "tea", "--json").answer
    assert (finished["phase"], finished["report"]) == ("completed", report)
    assert finished["result"]["usage"]["total_tokens"] > 0
    assert longhaul("status", "tea").code == 0
    watched = longhaul("watch", "tea", "--json")
    assert (watched.code, watched.answer["result"]) == (0, finished["result"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_command_that_reads_its_input(
    longhaul: Command, number: signal.Signals
) -> None:
    """A chain that is never written to its end: the first signal is enough."""
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *command_of("chain", "check", "-"),
        env=longhaul.environ,
        stdin=reading,
        stderr=asyncio.subprocess.PIPE,
    )
    os.write(writing, b"name: tea\n")

    async def is_read() -> None:
        assert fcntl.ioctl(reading, termios.FIONREAD, bytes(4)) == bytes(4)

    await assert_eventually(is_read)  # and now it waits for more
    process.send_signal(number)
    _, told = await asyncio.wait_for(process.communicate(), timeout=10)
    os.close(reading)
    os.close(writing)
    assert (process.returncode, told) == (130, b"longhaul: interrupted\n")


@pytest.mark.parametrize(
    ("key", "note"),
    [("any", None), ("bad-key", "note: the API refuses the key set here (HTTP 401"), ("", None)],
)
def test_an_answer_is_streamed(longhaul: Command, stack: Stack, key: str, note: str | None) -> None:
    """Standard output is the answer to the last byte, streamed or not; all else goes beside it."""
    run_id = f"streamed-{key}"
    question = "Tides? [[emulator duration_s=180 fault=stream-cut cut_s=0.3]]"
    ended = longhaul(
        "research", question, "--id", run_id, "--stream",
        GEMINI_API_KEY=key, LONGHAUL_API_BASE_URL=stack.emulator.base_url if key else "",
    )  # fmt: skip
    assert ended.code == 0, ended
    interaction = json.loads(Path(artifact_of(longhaul, run_id, "interaction.json")).read_bytes())
    outputs = [step["content"] for step in interaction["steps"] if step["type"] == "model_output"]
    text = "".join(part.get("text", "") for content in outputs for part in content)
    is_streamed = key == "any"
    assert ended.out == text if is_streamed else ended.out.strip() == text.strip()
    notes = [line for line in ended.err.splitlines() if line.startswith("note: ")]
    assert len(notes) == (0 if is_streamed else 1), notes
    assert note is None or notes[0].startswith(note)
    assert is_streamed or note or "GEMINI_API_KEY: not set" in notes[0]
    assert ("\nthought: " in ended.err, "\n- searching: " in ended.err) == (is_streamed, is_streamed)
    assert f"run: {run_id}\nphase: completed\n" in ended.err
    again = longhaul("watch", run_id, "--stream", LONGHAUL_API_BASE_URL=stack.emulator.base_url)
    assert (again.code, again.out) == (0, text)


def artifact_of(longhaul: Command, run_id: str, name: str) -> str:
    """Where a finished run's file is."""
    artifacts = longhaul("result", run_id, "--json").answer["result"]["artifacts"]
    [uri] = [each["uri"] for each in artifacts if each["name"] == name]
    return str(uri).removeprefix("file://")


def test_a_question_from_standard_input_is_started_and_left(longhaul: Command) -> None:
    """Without waiting, standard output holds the id alone; the id says what was asked."""
    started = longhaul("research", "-", "--no-wait", stdin=f"How do tides work?\n{SLOW}\n")
    assert started.code == 0
    run_id = started.out.strip()
    assert run_id.startswith("research-how-do-tides-work")
    status = longhaul("status", run_id, "--json")
    assert status.code == 5
    assert (status.answer["run_id"], status.answer["question"]) == (run_id, "How do tides work?")
    assert longhaul("cancel", run_id).code == 0


def test_the_same_id_attaches_whether_the_run_is_open_or_closed(longhaul: Command) -> None:
    """A second start with an id pays for nothing, and says when it is about something else."""
    first = longhaul("research", f"One? {SLOW}", "--id", "once", "--no-wait", "--json")
    started = {"run_id": "once", "is_new": True, "note": None, "is_ended_from_outside": False}
    assert first.answer == started
    again = longhaul("research", f"One? {SLOW}", "--id", "once", "--no-wait", "--json")
    assert again.answer == {**started, "is_new": False}
    assert longhaul("cancel", "once").code == 0
    closed = longhaul("research", "Two?", "--id", "once", "--agent", "odd")
    assert (closed.code, dict(line.split(": ", 1) for line in closed.out.splitlines())["phase"]) == (
        1,
        "cancelled",
    )
    assert "nothing new was started" in closed.err
    assert "run 'once' differs in its question ('One? " in closed.err
    assert "and agent ('deep-research-preview-04-2026')" in closed.err
    assert "'odd' is no agent this version knows" in closed.err


def test_a_time_out_ends_the_waiting_and_not_the_run(longhaul: Command) -> None:
    """After the time given the command leaves with its own exit code, and says how to come back."""
    left = longhaul("research", f"Long? {SLOW}", "--id", "long", "--wait-timeout", "1s", "--json")
    assert left.code == 5
    assert left.answer["phase"] in {"requested", "running"}
    assert "come back with: longhaul watch long\n" in left.err
    asked = longhaul("result", "long", "--json")
    assert (asked.code, asked.answer["error"]["kind"]) == (5, "still_running")
    cancelled = longhaul("cancel", "long", "--json")
    assert cancelled.code == 0
    assert (cancelled.answer["phase"], cancelled.answer["report"]["was_confirmed"]) == ("cancelled", True)
    assert longhaul("watch", "long").code == 1
    assert "nothing to cancel" in longhaul("cancel", "long").out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_detaches(longhaul: Command, number: signal.Signals) -> None:
    """Whoever stops watching does not stop the run, and is told how to come back."""
    run_id = f"detached-{number.name.lower()}"
    with subprocess.Popen(
        command_of("research", f"Long? {SLOW}", "--id", run_id),
        env=longhaul.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "] running" in line:
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (5, "")
    assert f"Detached. The run goes on; come back with: longhaul watch {run_id}\n" in err
    assert "Traceback" not in err
    assert longhaul("status", run_id).code == 5
    assert longhaul("cancel", run_id).code == 0


def test_a_failed_run_says_why(longhaul: Command) -> None:
    """A failure has an exit code of its own, a reason, and no report to print."""
    failed = longhaul("research", "Fails? [[emulator duration_s=60 fault=failed]]", "--id", "fails")
    assert failed.code == 1
    assert "(interaction_failed)" in failed.out
    printed = longhaul("result", "fails")
    assert (printed.code, printed.out) == (1, "")
    assert "left no report" in printed.err


def test_a_refused_submission_is_told_while_it_is_waited_out(longhaul: Command) -> None:
    """A run that waits for a quota says so, and when it tries again."""
    run_id = "refused"
    longhaul("research", "Later? [[emulator fault=429 retry_after_s=3600]]", "--id", run_id, "--no-wait")
    watched = longhaul("watch", run_id, "--wait-timeout", "2s")
    assert "429" in watched.err
    assert "next try at" in watched.err
    assert longhaul("cancel", run_id).out == f"{run_id} ended as cancelled; nothing was running at the API.\n"


async def test_a_run_ended_from_outside_says_what_that_may_cost(longhaul: Command, stack: Stack) -> None:
    """Terminating a workflow tells the API nothing; whoever looks at the run learns that."""
    longhaul("research", f"Ended? {SLOW}", "--id", "ended", "--no-wait")
    client = await stack.client()
    await client.get_workflow_handle("ended").terminate(reason="why not")
    status = longhaul("status", "ended")
    assert status.code == 1
    assert "terminated in Temporal (why not); " in status.out
    assert "may go on at the API: see `longhaul orphans`" in status.out


def test_a_run_that_another_program_started_is_a_run(longhaul: Command, stack: Stack) -> None:
    """What any Temporal client starts is watched like all others; an input that is no run says so."""
    for run_id, given in {
        "foreign": {"agent": "deep-research-preview-04-2026", "input": f"Foreign? {QUICK}"},
        "invalid": {"agent": "deep-research-preview-04-2026"},
    }.items():
        subprocess.run(
            [
                *(temporal_cli(), "workflow", "start", "--address", stack.server.address),
                *(
                    "--type",
                    "AgentRun",
                    "--task-queue",
                    "longhaul",
                    "-w",
                    run_id,
                    "--input",
                    json.dumps(given),
                ),
            ],
            check=True,
            capture_output=True,
        )
    foreign = longhaul("watch", "foreign")
    assert foreign.code == 0
    assert "question: Foreign?" in foreign.out
    invalid = longhaul("watch", "invalid")
    assert invalid.code == 1
    assert "input: Field required" in invalid.out


async def test_a_list_holds_the_runs_asked_for(longhaul: Command, stack: Stack) -> None:
    """Phase, agent and label narrow a list; an odd label is a label like others."""
    client = await stack.client()
    for run_id, agent, label in (("one", "a1", "x' OR 'y"), ("two", "a2", "x"), ("three", "a1", "x")):
        request = AgentRunRequest(agent=agent, input="?", labels=(label,))
        await start_run(client, request, run_id=run_id, task_queue="unserved")

    async def assert_listed() -> None:
        rows = await list_runs(client, phases=[Phase.REQUESTED], limit=100)
        assert {"one", "two", "three"} <= {row.run_id for row in rows}

    # Temporal's list lags behind a little.
    await assert_eventually(assert_listed)

    def listed(*filters: str) -> set[str]:
        return {row["run_id"] for row in longhaul("list", "--json", *filters).answer["runs"]}

    assert listed("--label", "x' OR 'y") == {"one"}
    assert listed("--agent", "a1", "--label", "x", "--phase", "requested", "--phase", "failed") == {"three"}
    assert listed("--agent", "a1", "--phase", "completed") == set()
    assert len(listed("--limit", "2")) == 2
    table = longhaul("list", "--agent", "a2").out.splitlines()
    assert [line.split("\t")[0] for line in table] == ["RUN", "two"]
    nothing = longhaul("list", "--label", "nobody's")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "Nothing found.\n")


def test_what_is_not_there_is_not_found(longhaul: Command) -> None:
    """Every command about one run tells an id that Temporal does not know from other errors."""
    for command in ("status", "watch", "result", "cancel"):
        ended = longhaul(command, "nobody", "--json")
        assert ended.code == 4, command
        assert ended.answer["error"]["kind"] == "not_found"
        assert ended.err == "longhaul: no run 'nobody' in namespace 'default'; see `longhaul list`\n"


def test_a_wrong_namespace_is_named(longhaul: Command) -> None:
    """A namespace that does not exist is no run that does not exist."""
    ended = longhaul("status", "tea", TEMPORAL_NAMESPACE="elsewhere")
    assert ended.code == 3
    assert "Temporal has no namespace 'elsewhere'" in ended.err


def test_bad_settings_are_named(longhaul: Command) -> None:
    """A setting that cannot be used is told by its variable, before anything is started."""
    ended = longhaul("research", "q", LONGHAUL_POLL_MIN_S="often")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("longhaul: LONGHAUL_POLL_MIN_S: ")
    (Path(longhaul.environ["LONGHAUL_HOME"]) / "no-folder").touch()
    store = str(Path(longhaul.environ["LONGHAUL_HOME"]) / "no-folder")
    ended = longhaul("research", "q", "--attach", __file__, LONGHAUL_ARTIFACTS_URL=store)
    assert (ended.code, ended.out) == (2, "")
    assert "LONGHAUL_ARTIFACTS_URL" in ended.err


def test_the_doctor_finds_a_stack_in_order(longhaul: Command, stack: Stack) -> None:
    """A working stack passes, and each thing that is not in order is named with what to do."""
    checked = longhaul("doctor", "--json", LONGHAUL_API_BASE_URL=stack.emulator.base_url, GEMINI_API_KEY="k")
    assert (checked.code, checked.answer["is_ok"]) == (0, True), checked.out
    ill = longhaul(
        "doctor",
        LONGHAUL_TASK_QUEUE="nobody",
        LONGHAUL_API_BASE_URL="http://127.0.0.1:1",
        TEMPORAL_NAMESPACE="no",
    )
    assert ill.code == 1
    lines = [line.split(":")[0] for line in ill.out.splitlines() if line.startswith("NO")]
    assert lines == ["NO  namespace", "NO  search attributes", "NO  worker", "NO  API key"]


def test_a_reader_that_leaves_is_no_error(longhaul: Command) -> None:
    """``longhaul … | head -0`` ends without a word about it."""
    with subprocess.Popen(
        command_of("doctor"), env=longhaul.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


def test_a_run_without_a_worker_is_started_and_says_so(longhaul: Command) -> None:
    """Nobody serves the queue: the run waits in Temporal, and whoever watches learns what it waits for."""
    queue = {"LONGHAUL_TASK_QUEUE": "deserted"}
    left = longhaul("research", "q", "--id", "deserted", "--wait-timeout", "1s", **queue)
    assert left.code == 5
    assert "no worker is polling task queue 'deserted'; start one with `longhaul worker`" in left.err
    assert "no worker is polling" in longhaul("status", "deserted").out
    asked = longhaul("cancel", "deserted", "--wait-timeout", "0")
    assert (asked.code, "asked to stop" in asked.out) == (5, True)


def test_missing_search_attributes_come_with_the_command_that_registers_them() -> None:
    """A namespace that was not set up refuses a run before it starts, and the remedy can be pasted."""
    with running_dev_server(search_attributes={"RunPhase": "Keyword"}) as server:
        ran = subprocess.run(
            command_of("research", "q", "--no-wait"),
            env=environ_of(server), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (ran.returncode, ran.stdout) == (3, "")
        assert "lacks search attributes (RunAgent, RunInteractionId, RunTenant, " in ran.stderr
        remedy = ran.stderr.strip().rpartition("register them: temporal ")[2].split()
        subprocess.run(
            [temporal_cli(), *remedy, "--address", server.address], check=True, capture_output=True
        )
        ran = subprocess.run(
            command_of("research", "q", "--no-wait"),
            env=environ_of(server), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr


def test_a_server_that_restarts_is_waited_for(tmp_path: Path) -> None:
    """Watching outlives Temporal's own restart, says so meanwhile, and ends with the run."""
    with running_stack(tmp_path) as stack:
        longhaul = Command(stack)
        with subprocess.Popen(
            command_of("research", "Long? [[emulator duration_s=600]]", "--id", "patient", "--json"),
            env=longhaul.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            lines = iter(process.stderr)
            assert any("] running" in line for line in lines)
            stack.server.kill()
            assert any("Temporal is away" in line for line in lines)
            restarting = threading.Thread(target=stack.server.start)
            restarting.start()
            rest = "".join(lines)
            restarting.join()
            assert process.stdout is not None
            answer = json.loads(process.stdout.read())
        assert (process.returncode, answer["phase"]) == (0, "completed"), rest
