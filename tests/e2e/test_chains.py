"""Chains on a whole stack, through the command: the examples that we ship, decisions, and what goes wrong."""

import json
import subprocess
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import pytest

from chains.messages import ChainPhase
from runs.messages import AgentRunRequest
from starter.chains import look_at_chain
from starter.describing import input_of
from starter.runs import look_at_run
from tests.dev_server import temporal_cli
from tests.e2e.stack import Stack, running_stack
from tests.e2e.test_cli import Command, Ended

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "chains"

QUICK: Final = "[[emulator duration_s=30]]"
SLOW: Final = "[[emulator duration_s=7200]]"

_PNG: Final = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that no test here breaks."""
    with running_stack(tmp_path_factory.mktemp("chains")) as stack:
        yield stack
        stack.worker.show_news()


@pytest.fixture
def longhaul(stack: Stack) -> Command:
    """The command."""
    return Command(stack)


def example(name: str) -> str:
    """The file of an example."""
    return str(EXAMPLES / name)


def written(folder: Path, steps: dict[str, Any], **options: Any) -> str:
    """A chain's file, as JSON."""
    file = folder / "chain.json"
    file.write_text(json.dumps({"name": "test", "steps": steps, **options}))
    return str(file)


def path_of(uri: str) -> Path:
    """The file of a local address."""
    return Path(unquote(urlsplit(uri).path))


def until_waiting(longhaul: Command, chain_id: str) -> None:
    """Wait until a chain needs a person."""
    give_up_at = time.monotonic() + 30
    while longhaul("status", chain_id, "--json").answer["phase"] != "awaiting_approval":
        assert time.monotonic() < give_up_at
        time.sleep(0.2)


def steps_of(ended: Ended) -> dict[str, str]:
    """Where each step stands, as `chain show` says it in a pipe."""
    lines = ended.out.partition("steps:\n")[2].splitlines()
    named = (line.strip().partition(": ") for line in lines if ": " in line)
    return {name: text for name, _, text in named}


# The examples


def test_the_podcast_can_be_heard(longhaul: Command, tmp_path: Path) -> None:
    """From research over a script and a yes to a WAV file that plays."""
    out = tmp_path / "out"
    ended = longhaul(
        "chain", "run", example("podcast.yaml"), "--set", f"topic=tea {QUICK}", "--id", "podcast", "--yes",
        "--label", "audio", "--out", str(out),
    )  # fmt: skip
    assert ended.code == 0, ended
    assert "Started podcast\n" in ended.err
    assert "approval asks, until" in ended.err
    assert {name: text.split(", ")[1] for name, text in steps_of(ended).items()} == {
        "report": "completed",
        "script": "completed",
        "approval": "completed",
        "audio": "completed",
    }
    with wave.open(str(out / "audio" / "audio-1.wav")) as audio:
        assert audio.getnframes() / audio.getframerate() > 1
    listed = longhaul("list", "--kind", "chain", "--label", "audio", "--json").answer["runs"]
    assert [(row["run_id"], row["kind"], row["phase"]) for row in listed] == [
        ("podcast", "chain", "completed")
    ]


def test_five_topics_become_an_illustrated_report(longhaul: Command, tmp_path: Path) -> None:
    """Five researches at once; a person, elsewhere, says yes; the report shows its picture."""
    field = f"field=battery recycling {QUICK}"
    ended = longhaul("chain", "run", example("five-topics.yaml"), "--set", field, "--id", "five", "--no-wait")
    assert (ended.code, ended.out) == (0, "five\n")
    until_waiting(longhaul, "five")
    waiting = longhaul("list", "--needs-attention", "--json").answer["runs"]
    assert [row["run_id"] for row in waiting] == ["five"]
    shown = longhaul("chain", "show", "five")
    assert "decide: longhaul approve five\n" in shown.out
    assert "Illustrate and publish it?" in shown.out
    assert "5 of 5 items" in steps_of(shown)["reports"]
    assert "five.reports.4" in steps_of(shown)["reports[4]"]

    approved = longhaul("approve", "five", "--note", "gladly")
    assert approved.code == 0, approved
    assert steps_of(approved)["approval"].endswith(": gladly")
    watched = longhaul("watch", "five", "--out", str(tmp_path))
    assert watched.code == 0, watched
    report = longhaul("result", "five")
    link = report.out.partition("![](")[2].partition(")")[0]
    assert path_of(link).read_bytes().startswith(_PNG)
    copy = (tmp_path / "output.md").read_text()
    assert copy == report.out.replace(link, "picture/image-1.png")
    assert (tmp_path / "picture" / "image-1.png").read_bytes().startswith(_PNG)
    # What five agents wrote, each a file of its own, all stand in it.
    assert copy.count("# The reports behind it") == 1
    assert len(copy) > 5 * 4_096


async def test_a_conversation_continues_a_report(stack: Stack, longhaul: Command) -> None:
    """Each question follows the interaction before it, those of the readers the report's own."""
    ended = longhaul(
        "chain", "run", example("follow-up.yaml"), "--set", f"question=Is tea healthy? {QUICK}",
        "--id", "follow", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended
    assert ended.answer["result"]["phase"] == "completed"
    client = await stack.client()
    last: dict[str, str] = {}
    previous: dict[str, str | None] = {}
    for name in ("report", "doubts", "evidence", "advice.0", "advice.1"):
        result = (await look_at_run(client, f"follow.{name}")).result
        request = await input_of(client, f"follow.{name}", AgentRunRequest)
        assert result
        assert request
        last[name], previous[name] = result.interaction_ids[-1], request.previous_interaction_id
    assert previous == {
        "report": None,
        "doubts": last["report"],
        "evidence": last["doubts"],
        "advice.0": last["report"],
        "advice.1": last["report"],
    }
    briefing = longhaul("result", "follow").out
    assert "# What would settle it" in briefing
    assert "# What it means" in briefing


# Before anything is started


def test_a_file_is_checked_as_a_whole(longhaul: Command, tmp_path: Path) -> None:
    """Every mistake at once, each with its place, on standard error; nothing was started."""
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "name: wrong\nsteps:\n  a:\n    aks: Why?\n  b:\n    ask: More on {{ inputs.c }}\n    after: c\n"
    )
    for arguments in (["check", str(file)], ["run", str(file), "--id", "wrong"]):
        ended = longhaul("chain", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert [line.split(": ")[0] for line in ended.err.splitlines()] == [
            f"{file}:{place}" for place in ("4:5", "6:18", "7:12")
        ]
    problem = longhaul("chain", "check", str(file), "--json").answer["error"]
    assert (problem["exit_code"], len(problem["message"].splitlines())) == (2, 3)
    assert longhaul("status", "wrong").code == 4


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir()))
def test_the_examples_are_chains(longhaul: Command, name: str) -> None:
    """What we ship passes the check, also as a program reads its answer, and from standard input."""
    assert longhaul("chain", "check", example(name)).out.startswith(f"ok: {Path(name).stem}, ")
    assert longhaul("chain", "check", example(name), "--json").answer["name"] == Path(name).stem
    assert longhaul("chain", "check", "-", stdin=Path(example(name)).read_text()).code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "the input 'topic' (What the episode is about) is missing; give it with --set topic=VALUE"),
        (["--set", "topic=x", "--set", "topc=y"], "there is no input 'topc'; did you mean 'topic'?"),
        (["--set", "topic=x", "--max-cost-usd", "-1"], "--max-cost-usd: "),
        (["--set", "topic=x", "--label", ""], "--label: "),
        (["--set", "topic=x", "--id", "no id"], "'no id' is no run id"),
    ],
)
def test_what_is_typed_wrongly_starts_nothing(longhaul: Command, arguments: list[str], reason: str) -> None:
    """One line says what to do instead."""
    ended = longhaul("chain", "run", example("podcast.yaml"), *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert reason in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_files_are_attached_from_beside_the_chain(
    stack: Stack, longhaul: Command, tmp_path: Path
) -> None:
    """They are stored before the start; one that is not there is found before that."""
    steps = {"a": {"ask": {"prompt": "What does it say?", "attach": ["notes.md"]}}}
    file = written(tmp_path, steps)
    ended = longhaul("chain", "run", file, "--id", "attached")
    assert ended.code == 2
    assert "notes.md': No such file" in ended.err
    (tmp_path / "notes.md").write_text("Tea is bitter.")
    first, reads = longhaul("chain", "check", file).out.splitlines()
    assert first == "ok: test, 1 step, attaches 1 file"
    assert reads.startswith("  reads and sends to generativelanguage.googleapis.com, ")
    assert reads.endswith(": notes.md (14 B)")
    started = longhaul("chain", "run", file, "--id", "attached")
    assert started.code == 0
    assert f"It {reads.strip()}\n" in started.err
    request = await input_of(await stack.client(), "attached.a", AgentRunRequest)
    assert request
    [attachment] = request.attachments
    assert path_of(attachment.uri).read_bytes() == b"Tea is bitter."


def test_a_file_outside_of_the_chains_folder_is_attached_if_that_is_said(
    longhaul: Command, tmp_path: Path
) -> None:
    """By `check` and `run` alike; nothing is started without."""
    (tmp_path / "key.txt").write_text("the key")
    (tmp_path / "own").mkdir()
    file = written(tmp_path / "own", {"a": {"ask": {"prompt": "?", "attach": ["../key.txt"]}}})
    for command in ("check", "run"):
        refused = longhaul("chain", command, file)
        assert refused.code == 2
        assert refused.err.endswith(f"if it is meant, add --allow-path {tmp_path}\n")
    assert longhaul("chain", "check", file, "--allow-path", str(tmp_path)).code == 0
    checked = longhaul("chain", "check", file, "--allow-path", str(tmp_path), "--json").answer
    assert checked["reach"]["files"] == [{"name": "../key.txt", "size_bytes": 7}]


def test_the_same_id_attaches(longhaul: Command, tmp_path: Path) -> None:
    """Nothing is started twice, and what is different this time is said."""
    file = written(tmp_path, {"a": {"ask": "{{ inputs.q }}"}}, inputs={"q": "Why?"})
    assert longhaul("chain", "run", file, "--id", "twice").code == 0
    again = longhaul("chain", "run", file, "--id", "twice", "--set", "q=How?", "--json")
    assert (again.code, again.answer["phase"]) == (0, "completed")
    assert "Attached to twice, which was there already" in again.err
    assert "differs in its inputs; it is left as it is" in again.err
    assert longhaul("research", "Why?", "--id", "twice").code == 2


# Decisions


def test_a_chain_is_rejected(longhaul: Command, tmp_path: Path) -> None:
    """The reason is in the result, and every step that was left out says why."""
    steps = {"ok": {"approve": "Well?"}, "other": {"approve": "And this?"}, "b": {"ask": "2", "after": "ok"}}
    file = written(tmp_path, steps)
    assert longhaul("chain", "run", file, "--id", "no", "--no-wait").code == 0
    until_waiting(longhaul, "no")
    several = longhaul("approve", "no")
    assert (several.code, several.out) == (2, "")
    assert "choose with --step: ok, other" in several.err
    assert "no step 'b'; there is: ok, other" in longhaul("approve", "no", "--step", "b").err
    assert "--call goes with a run" in longhaul("approve", "no", "--call", "x").err
    assert longhaul("approve", "no", "--step", "other").code == 0
    assert longhaul("deny", "no", "--reason", "too dear").code == 0
    ended = longhaul("watch", "no")
    assert ended.code == 1
    assert "because of: ok: too dear\n" in ended.out
    assert steps_of(ended)["b"] == "ask, skipped: the chain stopped: ok was rejected"
    result = longhaul("result", "no")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("longhaul: chain no: rejected: ok: too dear\n")
    assert "waits for no decision; it is rejected" in longhaul("approve", "no").err


def test_a_chain_is_cancelled_with_its_runs(longhaul: Command, tmp_path: Path) -> None:
    """Both ends are told; what had not begun never does."""
    file = written(tmp_path, {"a": {"research": f"Why? {SLOW}"}, "b": {"ask": "{{ steps.a.text }}"}})
    stopped = longhaul("chain", "run", file, "--id", "stop", "--wait-timeout", "3s")
    assert stopped.code == 5
    assert "come back with: longhaul watch stop" in stopped.err
    assert longhaul("result", "stop").code == 5
    ended = longhaul("cancel", "stop")
    assert (ended.code, ended.out.split(";")[0]) == (0, "stop ended as cancelled")
    assert longhaul("status", "stop.a", "--json").answer["phase"] == "cancelled"
    assert {text.split(", ")[1] for text in steps_of(longhaul("chain", "show", "stop")).values()} == {
        "cancelled"
    }
    assert longhaul("cancel", "stop", "--json").answer == {
        "chain_id": "stop",
        "phase": "cancelled",
        "had_ended": True,
    }


def test_a_chain_whose_run_needs_a_person_says_so(longhaul: Command, tmp_path: Path) -> None:
    """The answer to a submission was lost: nobody who looks at the chain has to search for its run."""
    file = written(tmp_path, {"a": {"research": "Why? [[emulator fault=500-after]]"}})
    assert longhaul("chain", "run", file, "--id", "lost", "--no-wait").code == 0
    give_up_at = time.monotonic() + 60
    while (
        "problem: 1 run of it needs a person: lost.a\n"
        not in (shown := longhaul("chain", "show", "lost")).out
    ):
        assert time.monotonic() < give_up_at, shown
        time.sleep(0.5)
    assert "decide: longhaul status lost.a  # submission unknown\n" in shown.out
    assert longhaul("resolve", "lost.a", "--give-up").code == 0
    assert longhaul("watch", "lost").code == 1


# Without a worker


def test_a_chain_without_a_worker_says_so(longhaul: Command, tmp_path: Path) -> None:
    """It is there, it is not lost, and whoever asks learns what it waits for."""
    file = written(tmp_path, {"a": {"ask": "1"}})
    started = longhaul(
        "chain", "run", file, "--id", "nobody", "--wait-timeout", "1s", LONGHAUL_TASK_QUEUE="nobody"
    )
    assert started.code == 5
    assert "no worker is polling task queue 'nobody'; start one with `longhaul worker`" in started.err
    shown = longhaul("chain", "show", "nobody")
    assert (shown.code, longhaul("status", "nobody").code) == (0, 5)
    assert "phase: running\n" in shown.out
    assert "problem: no worker is polling" in shown.out
    undecided = longhaul("approve", "nobody")
    assert undecided.code == 5
    assert "no worker has answered for nobody" in undecided.err


def test_a_chain_that_is_reset_pays_for_nothing_again(
    stack: Stack, longhaul: Command, tmp_path: Path
) -> None:
    """After step 2 of 3 it goes back to its beginning, and comes to its end with the runs that there were."""
    names = [f"reset-{number}" for number in range(3)]
    prompts = [f"Why? [[emulator submission={name} duration_s=30]]" for name in names]
    file = written(
        tmp_path,
        {
            "a": {"ask": prompts[0]},
            "b": {"ask": f"{{{{ steps.a.text }}}} {prompts[1]}"},
            "ok": {"approve": "{{ steps.b.text }}?"},
            "c": {"ask": prompts[2], "after": "ok"},
        },
        output="c",
    )
    assert longhaul("chain", "run", file, "--id", "reset", "--no-wait").code == 0
    until_waiting(longhaul, "reset")
    where = ["--workflow-id", "reset", "--address", stack.server.address]
    back = [temporal_cli(), "workflow", "reset", *where, "--type", "FirstWorkflowTask", "--reason", "test"]
    subprocess.run(back, check=True, capture_output=True)
    until_waiting(longhaul, "reset")
    assert longhaul("approve", "reset", "--yes").code == 0
    ended = longhaul("watch", "reset", "--json")
    assert (ended.code, ended.answer["phase"]) == (0, "completed"), ended
    assert [stack.emulator.submission(name)["creates"] for name in names] == [1, 1, 1]
    assert ended.answer["result"]["spent"]["interactions"] == len(names)


async def test_what_was_ended_from_outside_says_so(stack: Stack, longhaul: Command, tmp_path: Path) -> None:
    """A chain that was terminated has no result; the reason is Temporal's."""
    file = written(tmp_path, {"a": {"research": f"Why? {SLOW}"}})
    assert longhaul("chain", "run", file, "--id", "terminated", "--no-wait").code == 0
    client = await stack.client()
    await client.get_workflow_handle("terminated").terminate("by hand")
    view = await look_at_chain(client, "terminated")
    assert (view.phase, view.result) == (ChainPhase.FAILED, None)
    assert view.problem
    assert "ended from outside" in view.problem
    assert longhaul("result", "terminated").code == 1
    refused = longhaul("chain", "run", file, "--id", "terminated")
    assert (refused.code, "--again" in refused.err) == (1, True), refused


def test_a_run_is_no_chain(longhaul: Command) -> None:
    """And whatever is neither is not found."""
    assert longhaul("ask", f"Why? {QUICK}", "--id", "a-run").code == 0
    shown = longhaul("chain", "show", "a-run")
    assert shown.code == 4
    assert "is a workflow of type 'AgentRun', not a chain" in shown.err
    assert longhaul("chain", "show", "nothing").code == 4
