import io
from typing import Any

import pytest
from rich.console import Console

from chains.messages import ChainFailure, ChainPhase, StepPhase, step_error
from chains.spec import StepKind
from runs.budget import Spent
from runs.phase import Phase
from starter import chain_formats
from starter.views import CancelledChain, ChainView, RunRow
from tests.unit.starter.chain_sample import asking, chain_view, step
from tests.unit.starter.sample import REQUESTED_AT, artifact


def drawn(view: ChainView, **options: Any) -> str:
    """The tree as a terminal shows it, without its styles."""
    console = Console(file=io.StringIO(), width=200)
    console.print(chain_formats.tree_of(view, **options))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_summary_says_what_there_is_to_say() -> None:
    """Where it stands, what it is about, how long it took and what was used."""
    assert chain_formats.summary(chain_view(step())) == [
        ("chain", "tea-abc"),
        ("phase", "running"),
        ("subject", "tea: topic=bitter"),
        ("elapsed", "4m 07s"),
        ("spent", "2 interactions, 1,234 tokens, about $2.07"),
    ]


def test_unknown_costs_are_told() -> None:
    """A sum that lacks something says so."""
    used = chain_formats.spent(Spent(interactions=2, tokens=5, cost_usd=1, unknown_costs=1))
    assert used.endswith("about $1.00, and what 1 interaction cost that nobody knows")


def test_a_summary_of_a_chain_that_waits_has_the_commands() -> None:
    """With several steps that wait, each command names its own."""
    rows = chain_formats.summary(chain_view(asking(), phase=ChainPhase.AWAITING_APPROVAL))
    assert [value for name, value in rows if name == "decide"] == [
        "longhaul approve tea-abc",
        'longhaul deny tea-abc --reason "WHY"',
    ]
    rows = chain_formats.summary(chain_view(asking("x"), asking("y")))
    assert ("decide", "longhaul approve tea-abc --step y") in rows


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"has_worker": False}, "no worker is polling task queue 'longhaul'"),
        ({"is_temporal_away": True}, "Temporal is away"),
        ({"problem": "the worker has failed 3 times"}, "the worker has failed 3 times"),
    ],
)
def test_a_summary_says_what_keeps_a_chain(changes: dict[str, Any], problem: str) -> None:
    """And what to do about it."""
    rows = dict(chain_formats.summary(chain_view(step(), **changes)))
    assert rows["problem"].startswith(problem)


def test_a_run_of_a_chain_that_waits_for_a_person_is_told() -> None:
    """The chain waits for it, perhaps for ever; here is where to begin."""
    run = RunRow(run_id="tea-abc.a", phase=Phase.SUBMISSION_UNKNOWN, requested_at=REQUESTED_AT)
    rows = chain_formats.summary(chain_view(step(), waiting_runs=(run,)))
    assert ("problem", "1 run of it needs a person: tea-abc.a") in rows
    assert ("decide", "longhaul status tea-abc.a  # submission unknown") in rows


def test_without_an_answer_the_runs_under_way_are_named() -> None:
    """They are known without a worker, when the steps are not."""
    view = chain_view(status=None, running_run_ids=("tea-abc.a",))
    assert ("running", "tea-abc.a") in chain_formats.summary(view)
    assert "tea-abc.a" in drawn(view)


def test_a_result_says_why_and_where() -> None:
    """The step that ended it with its reason; the output, or the place of a long one."""
    view = chain_view(step(), phase=ChainPhase.FAILED)
    assert view.result is not None
    failure = ChainFailure(step="a", error=step_error("tool", "no such\tcity"))
    view = view.model_copy(update={"result": view.result.model_copy(update={"failure": failure})})
    assert ("because of", "a: no such city") in chain_formats.summary(view)
    short = view.result.model_copy(update={"output": "Tannins.", "artifacts": (artifact("a.wav"),)})  # type: ignore[union-attr]  # it is there
    assert ("output", "Tannins.") in chain_formats.summary(view.model_copy(update={"result": short}))
    long = short.model_copy(update={"output_uri": "file:///my%20files/output.md"})
    view = view.model_copy(update={"result": long})
    assert "output" not in dict(chain_formats.summary(view))
    assert chain_formats.places(view) == [
        ("output", "/my files/output.md"),
        ("a.wav", "/my files/a.wav"),
    ]


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (step(run_id="t.a", spent=Spent(cost_usd=2.07)), "ask, completed, 4m 00s, about $2.07, t.a"),
        (step(phase=StepPhase.WAITING), "ask, waiting"),
        (step(phase=StepPhase.SKIPPED, why="b failed"), "ask, skipped: b failed"),
        (step(phase=StepPhase.FAILED, attempts=2, error=step_error("x", "no\x1b[2J")), "4m 00s, try 2: no"),
        (step(kind=StepKind.FOR_EACH, items=(step(), step("b", StepPhase.WAITING))), "1 of 2 items, 4m 00s"),
    ],
)
def test_a_step_is_told_in_one_line(view: Any, text: str) -> None:
    """What it is, where it stands, what it took, its run, and why; nothing in it acts on a terminal."""
    assert chain_formats.step_text(view).endswith(text)


def test_a_try_to_come_has_its_time() -> None:
    """Of a step that is tried again, by this machine's clock."""
    text = chain_formats.step_text(step(phase=StepPhase.RETRYING, retry_at=REQUESTED_AT))
    assert f"again at {REQUESTED_AT.astimezone():%H:%M:%S}" in text


def test_items_stand_below_their_step() -> None:
    """In a pipe, with names by which they can be found."""
    lines = list(chain_formats.lines_of([step("each", items=(step("[0]"), step("[1]")))]))
    assert [line.split(": ")[0] for line in lines] == ["each", "  each[0]", "  each[1]"]


def test_a_tree_has_a_sign_for_every_phase() -> None:
    """Nobody depends on its colours."""
    view = chain_view(*(step(phase.value, phase) for phase in StepPhase))
    for line, phase in zip(drawn(view).splitlines()[1:], StepPhase, strict=True):
        assert line.split()[1] in set("○●?↻✓✗-"), line
        assert phase.value.replace("_", " ") in line


def test_a_tree_that_is_redrawn_shows_the_items_that_matter() -> None:
    """Those under way and those that failed come first, in their own order; the rest is counted."""
    items = [step(f"[{number}]", StepPhase.COMPLETED) for number in range(20)]
    items[7], items[15] = step("[7]", StepPhase.FAILED), step("[15]", StepPhase.RUNNING)
    view = chain_view(step("each", StepPhase.RUNNING, items=tuple(items)))
    few = drawn(view, max_items=3)
    assert few.index("[7]") < few.index("[15]")
    assert "… and 17 more" in few
    assert "[19]" in drawn(view)


def test_a_message_is_shown_with_its_lines() -> None:
    """And until when it waits."""
    lines = chain_formats.waiting_lines(asking())
    assert lines[0].startswith("ok asks, until 20")
    assert lines[1:] == ["", "  Publish it?", "  Really?", ""]


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (CancelledChain(chain_id="t", phase=ChainPhase.FAILED, had_ended=True), "had already ended (failed)"),
        (
            CancelledChain(chain_id="t", phase=ChainPhase.STOPPING),
            "is still stopping; see `longhaul watch t`",
        ),
        (CancelledChain(chain_id="t", phase=ChainPhase.CANCELLED), "ended as cancelled"),
    ],
)
def test_a_cancel_is_told_in_one_sentence(outcome: CancelledChain, said: str) -> None:
    """What came of it."""
    assert said in chain_formats.cancel_line(outcome)
