import asyncio
import io
from collections.abc import Callable
from typing import Any, Final, cast

import pytest
from temporalio.client import Client

from runs.phase import Phase
from runs.tool_calls import ToolDecision
from starter.commands import attending
from starter.commands.attending import Attendant
from starter.errors import InvalidInput
from starter.output import Output
from starter.progress import LineProgress
from starter.views import RunView
from tests.unit.starter.sample import call, plan, view

NO_CLIENT: Final = cast("Client", None)

Decided = list[tuple[object, ...]]


class Terminal(Output):
    """Somebody is there."""

    @property
    def is_interactive(self) -> bool:
        """Yes."""
        return True


class Person:
    """Gives one answer after the other; then types nothing."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, question: str) -> str:
        """Answer."""
        self.asked.append(question)
        if not self.answers:
            await asyncio.Event().wait()
        return self.answers.pop(0)


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> Decided:
    """What was decided, in order."""
    all_: Decided = []

    async def approve_plan(_client: Client, run_id: str) -> None:
        all_.append(("approve plan", run_id))

    async def revise_plan(_client: Client, run_id: str, feedback: str) -> None:
        all_.append(("revise plan", run_id, feedback))

    async def decide_tool_call(
        _client: Client, run_id: str, item: Any, *, decision: ToolDecision, reason: str = ""
    ) -> None:
        all_.append((decision.value, run_id, item.call_id, item.digest, reason))

    for function in (approve_plan, revise_plan, decide_tool_call):
        monkeypatch.setattr(attending, function.__name__, function)
    return all_


def awaiting(**changes: Any) -> RunView:
    """A run that waits for a person."""
    return view(Phase.AWAITING_APPROVAL, **changes)


async def watched(person: Person, *views: RunView, output: Callable[..., Output] = Terminal) -> str:
    """Show the views, each of them until nothing happens any more, and return the progress that was shown."""
    shown = io.StringIO()
    async with Attendant(NO_CLIENT, output(as_json=False), LineProgress(shown), ask=person) as attendant:
        for each in views:
            attendant.attend(each)
            for _ in range(10):
                await asyncio.sleep(0)
    return shown.getvalue()


@pytest.mark.parametrize(
    ("answers", "decisions"),
    [
        (("y",), [("approve plan", "research-tides-abc")]),
        (("YES",), [("approve plan", "research-tides-abc")]),
        (("r", "Less theory"), [("revise plan", "research-tides-abc", "Less theory")]),
        (("perhaps", "y"), [("approve plan", "research-tides-abc")]),
        (("r", "", "y"), [("approve plan", "research-tides-abc")]),
        (("l",), []),
        (("",), []),
    ],
)
async def test_a_plan_is_approved_revised_or_left(
    decided: Decided, answers: tuple[str, ...], decisions: Decided
) -> None:
    """Only a clear word decides; anything else is asked again, and silence leaves the plan as it is."""
    person = Person(*answers)
    await watched(person, awaiting(plan=plan()))
    assert decided == decisions
    assert len(person.asked) == len(answers)


@pytest.mark.parametrize(
    ("answers", "decisions"),
    [
        (("y",), [("approve", "research-tides-abc", "c1", "d1", "")]),
        (("d", "Too dear"), [("deny", "research-tides-abc", "c1", "d1", "Too dear")]),
        (("d", "", "l"), []),
        (("l",), []),
    ],
)
async def test_a_call_is_approved_denied_or_left(
    decided: Decided, answers: tuple[str, ...], decisions: Decided
) -> None:
    """A denial has a reason, since the model is told it; the digest says which call was meant."""
    person = Person(*answers)
    await watched(person, awaiting(pending_calls=(call("c1", "d1"),)))
    assert decided == decisions
    assert len(person.asked) == len(answers)


async def test_calls_are_asked_about_one_after_the_other(decided: Decided) -> None:
    """Several calls wait: each is decided by itself, and none is asked about twice."""
    person = Person("y", "d", "No")
    both = awaiting(pending_calls=(call("c1", "d1"), call("c2", "d2")))
    await watched(person, both, both, both, view())
    assert [(decision, call_id) for decision, _, call_id, *_ in decided] == [
        ("approve", "c1"),
        ("deny", "c2"),
    ]


async def test_a_further_revision_is_asked_about_anew(decided: Decided) -> None:
    """Each plan is a question of its own."""
    person = Person("r", "Shorter", "y")
    await watched(person, awaiting(plan=plan()), view(), awaiting(plan=plan(revision=2)), view())
    assert [decision for decision, *_ in decided] == ["revise plan", "approve plan"]


async def test_what_is_decided_elsewhere_is_not_asked_about_any_longer(
    decided: Decided, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever hesitates at the prompt is told when it is too late, and sees the run go on."""
    shown = await watched(Person(), awaiting(plan=plan()), awaiting(plan=plan()), view())
    assert "\nDecided meanwhile.\n" in capsys.readouterr().err
    assert shown.splitlines()[-1].endswith("running")
    assert not decided


async def test_nothing_is_redrawn_while_somebody_types(decided: Decided) -> None:
    """Progress stands still at the prompt, and goes on after it."""
    waits = awaiting(plan=plan())
    shown = await watched(Person(), waits, waits.model_copy(update={"problem": "new"}))
    assert len(shown.splitlines()) == 1
    assert not decided


async def test_a_decision_that_comes_too_late_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run may refuse what was decided; the watching goes on."""

    async def approve_plan(*_: object) -> None:
        raise InvalidInput("run x: no plan waits")

    monkeypatch.setattr(attending, "approve_plan", approve_plan)
    shown = await watched(Person("y"), awaiting(plan=plan()), view())
    assert "longhaul: run x: no plan waits" in capsys.readouterr().err
    assert shown.splitlines()[-1].endswith("running")


async def test_where_nobody_can_be_asked_the_commands_are_told_once(
    decided: Decided, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log names what waits and how to decide about it, and the watching goes on."""
    waits = awaiting(plan=plan(), pending_calls=(call("c1", "d1"),))
    person = Person("y")
    await watched(person, waits, waits, view(), output=Output)
    told = capsys.readouterr().err
    assert told.count("Plan (revision 1, expires at ") == 1
    assert told.count("  longhaul approve research-tides-abc\n") == 1
    assert told.count("  longhaul approve research-tides-abc --call c1\n") == 1
    assert told.count('  longhaul deny research-tides-abc --call c1 --reason "WHY"\n') == 1
    assert not person.asked
    assert not decided
