import asyncio
import io
from typing import Final, cast

import pytest
from temporalio.client import Client

from chains.messages import ChainPhase
from starter.chain_progress import ChainLines
from starter.commands import chain_attending
from starter.commands.chain_attending import ChainAttendant
from starter.output import Output
from starter.views import ChainView
from tests.unit.starter.chain_sample import asking, chain_view, step
from tests.unit.starter.test_attending import Person, Terminal

NO_CLIENT: Final = cast("Client", None)

Decided = list[tuple[str, str, bool, str]]

WAITING: Final = chain_view(asking(), phase=ChainPhase.AWAITING_APPROVAL)


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> Decided:
    """What was decided, in order."""
    all_: Decided = []

    async def decide_step(
        _client: Client, chain_id: str, name: str, *, is_approved: bool, note: str = ""
    ) -> None:
        all_.append((chain_id, name, is_approved, note))

    monkeypatch.setattr(chain_attending, "decide_step", decide_step)
    return all_


async def attended(*views: ChainView, person: Person, output: Output, is_sure: bool = False) -> None:
    """Show the views, each of them until nothing happens any more."""
    async with ChainAttendant(
        NO_CLIENT, output, ChainLines(io.StringIO()), is_sure=is_sure, ask=person
    ) as attendant:
        for view in views:
            attendant.attend(view)
            for _ in range(10):
                await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("answers", "decision"),
    [
        (["y"], ("tea-abc", "ok", True, "")),
        (["what?", "YES"], ("tea-abc", "ok", True, "")),
        (["n", "too dear"], ("tea-abc", "ok", False, "too dear")),
        (["no", ""], ("tea-abc", "ok", False, "")),
    ],
)
async def test_whoever_is_there_is_asked(
    decided: Decided, answers: list[str], decision: tuple[str, str, bool, str]
) -> None:
    """Yes, or no with a reason if there is one; what is neither is asked again."""
    await attended(WAITING, person=Person(*answers), output=Terminal(as_json=False))
    assert decided == [decision]


@pytest.mark.parametrize("answer", ["", "l", "leave"])
async def test_a_step_can_be_left_as_it_is(
    decided: Decided, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    """The command to decide later is told."""
    await attended(WAITING, person=Person(answer), output=Terminal(as_json=False))
    assert decided == []
    assert "Left as it is; decide with: longhaul approve tea-abc\n" in capsys.readouterr().err


async def test_in_a_pipe_the_commands_are_told(decided: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    """Once, however often the step is seen to wait; nobody is asked."""
    person = Person("y")
    await attended(WAITING, WAITING, person=person, output=Output(as_json=False))
    told = capsys.readouterr().err
    assert (decided, person.asked) == ([], [])
    assert told.count("Publish it?") == 1
    assert told.count('  longhaul deny tea-abc --reason "WHY"\n') == 1


async def test_whoever_is_sure_is_not_asked(decided: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is approved, one after the other, and shown; in a pipe, too."""
    person = Person()
    both = chain_view(asking("x"), asking("y"), phase=ChainPhase.AWAITING_APPROVAL)
    views = (both, both, chain_view(step("x"), step("y")))
    await attended(*views, person=person, output=Output(as_json=False), is_sure=True)
    assert [name for _, name, is_approved, _ in decided if is_approved] == ["x", "y"]
    assert person.asked == []
    assert "longhaul approve" not in capsys.readouterr().err
