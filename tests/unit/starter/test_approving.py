from collections.abc import Callable
from typing import Any

import pytest

from runs.messages import AgentRunStatus
from runs.phase import Phase
from starter.commands import approving
from starter.commands.approving import ApproveOptions, DenyOptions, ReviseOptions, approve, deny, revise
from starter.errors import ExitCode, InvalidInput
from starter.output import Output
from tests.unit.starter.sample import REQUESTED_AT, call, plan, view

Decided = list[tuple[object, ...]]


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> Decided:
    """What was decided, in order, without a server."""
    all_: Decided = []

    async def connect() -> None:
        return None

    async def look_at_run(*_: object) -> object:
        return view()

    async def is_chain(*_: object) -> bool:
        return False

    def noting(name: str) -> Callable[..., Any]:
        async def note(_client: None, run_id: str, *arguments: Any, **options: Any) -> None:
            all_.append((name, run_id, *arguments, *options.values()))

        return note

    for name in ("approve_plan", "revise_plan", "decide_tool_call"):
        monkeypatch.setattr(approving, name, noting(name))
    monkeypatch.setattr(approving, "connect", connect)
    monkeypatch.setattr(approving, "look_at_run", look_at_run)
    monkeypatch.setattr(approving, "is_chain", is_chain)
    return all_


def waiting(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let a run wait with what is given."""
    status = AgentRunStatus(
        phase=Phase.AWAITING_APPROVAL if changes else Phase.RUNNING,
        agent="a",
        requested_at=REQUESTED_AT,
        deadline_at=REQUESTED_AT,
        **changes,
    )

    async def status_of(*_: object) -> AgentRunStatus:
        return status

    monkeypatch.setattr(approving, "status_of", status_of)


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Let somebody at a terminal give these answers."""
    left = list(answers)

    async def ask_line(_: str) -> str:
        return left.pop(0)

    monkeypatch.setattr(Output, "is_interactive", property(lambda _: True))
    monkeypatch.setattr(approving, "ask_line", ask_line)


OUTPUT = Output(as_json=False)


def approval(**changes: Any) -> ApproveOptions:
    """``longhaul approve r`` with what is given."""
    return ApproveOptions(**{"run_id": "r", "call_id": None, "note": "", "is_sure": False, **changes})


async def test_a_plan_is_approved_after_it_was_shown(
    monkeypatch: pytest.MonkeyPatch, decided: Decided, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal the command is the decision; it names what it decided about."""
    waiting(monkeypatch, plan=plan())
    assert await approve(approval(note="Go"), output=OUTPUT) is ExitCode.DONE
    assert decided == [("approve_plan", "r", "Go")]
    assert "Plan (revision 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "code"), [("y", ExitCode.DONE), ("", ExitCode.STILL_RUNNING), ("no", ExitCode.STILL_RUNNING)]
)
async def test_on_a_terminal_only_a_yes_approves(
    monkeypatch: pytest.MonkeyPatch, decided: Decided, answer: str, code: ExitCode
) -> None:
    """Enter alone decides nothing; the exit code says that the run waits on."""
    waiting(monkeypatch, plan=plan())
    answering(monkeypatch, answer)
    assert await approve(approval(), output=OUTPUT) is code
    assert bool(decided) is (code is ExitCode.DONE)


async def test_who_is_sure_is_not_asked(monkeypatch: pytest.MonkeyPatch, decided: Decided) -> None:
    """``--yes`` answers the question before it is put."""
    waiting(monkeypatch, plan=plan())
    answering(monkeypatch)
    assert await approve(approval(is_sure=True), output=OUTPUT) is ExitCode.DONE
    assert decided


async def test_several_calls_are_asked_about_in_turn(
    monkeypatch: pytest.MonkeyPatch, decided: Decided
) -> None:
    """Each call is shown and decided by itself."""
    calls = (call("c1", "d1"), call("c2", "d2"), call("c3", "d3"))
    waiting(monkeypatch, pending_calls=calls)
    answering(monkeypatch, "y", "", "y")
    assert await approve(approval(), output=OUTPUT) is ExitCode.DONE
    assert [item for _, _, item, _ in decided] == [calls[0], calls[2]]


async def test_a_call_is_chosen_by_its_id(monkeypatch: pytest.MonkeyPatch, decided: Decided) -> None:
    """Where several calls wait, an approval and a denial are for the one that is named."""
    calls = (call("c1", "d1"), call("c2", "d2"))
    waiting(monkeypatch, pending_calls=calls)
    await approve(approval(call_id="c2"), output=OUTPUT)
    await deny(DenyOptions(run_id="r", call_id="c1", reason="Too dear"), output=OUTPUT)
    assert decided == [
        ("decide_tool_call", "r", calls[1], "approve"),
        ("decide_tool_call", "r", calls[0], "deny", "Too dear"),
    ]


@pytest.mark.parametrize(
    ("waits", "options", "reason"),
    [
        ({}, {}, "waits for no decision; it is running"),
        ({"plan": plan()}, {"call_id": "c1"}, "leave --call out"),
        ({"pending_calls": (call("c1", "d1"),)}, {"call_id": "c2"}, r"there is: c1 \(send_mail\)"),
        ({"pending_calls": (call("c1", "d1"),)}, {"note": "n"}, "--note goes with a plan"),
        (
            {"pending_calls": (call("c1", "d1"), call("c2", "d2"))},
            {"is_sure": True},
            r"choose with --call: c1 \(send_mail\), c2 \(send_mail\)",
        ),
    ],
)
async def test_an_approval_of_what_does_not_wait_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    decided: Decided,
    waits: dict[str, Any],
    options: dict[str, Any],
    reason: str,
) -> None:
    """Nothing is approved that was not meant; the message says what does wait."""
    waiting(monkeypatch, **waits)
    with pytest.raises(InvalidInput, match=reason):
        await approve(approval(**options), output=OUTPUT)
    assert not decided


async def test_a_plan_is_revised_and_never_denied(monkeypatch: pytest.MonkeyPatch, decided: Decided) -> None:
    """A plan has two ways out beside approval: another plan, or the end of the run."""
    waiting(monkeypatch, plan=plan())
    with pytest.raises(InvalidInput, match="`longhaul revise r FEEDBACK`, or end the run"):
        await deny(DenyOptions(run_id="r", call_id=None, reason="x"), output=OUTPUT)
    await revise(ReviseOptions(run_id="r", feedback="Less theory"), output=OUTPUT)
    assert decided == [("revise_plan", "r", "Less theory")]


async def test_only_a_plan_is_revised(monkeypatch: pytest.MonkeyPatch, decided: Decided) -> None:
    """A call is approved or denied as it is."""
    waiting(monkeypatch, pending_calls=(call("c1", "d1"),))
    with pytest.raises(InvalidInput, match="waits with no plan; it is awaiting approval"):
        await revise(ReviseOptions(run_id="r", feedback="Less theory"), output=OUTPUT)
    assert not decided
