from datetime import UTC, datetime
from pathlib import Path

import pytest

from artifacts.store import ArtifactStore
from runs.budget import Spent
from runs.conversation import ConversationPhase, ConversationStatus, Turn
from runs.errors import RunErrorCode
from runs.messages import ArtifactRef, RunError, Usage
from starter.commands.chat_showing import Display, used
from starter.output import Output

TURN = Turn(
    number=3,
    message_id="m",
    question="Why?",
    run_id="chat-1-turn-3",
    text="Tannins.",
    usage=Usage(total_tokens=1_234),
    cost_usd=0.5,
)


@pytest.fixture
def display(tmp_path: Path) -> Display:
    """What a chat on a pipe shows with."""
    return Display(Output(as_json=False), ArtifactStore.open((tmp_path / "artifacts").as_uri()))


def file(name: str) -> ArtifactRef:
    """A file that a run left behind."""
    return ArtifactRef(name=name, uri=f"file:///a/{name}", media_type="x/y", size_bytes=1, sha256="0")


async def test_the_answer_alone_is_the_output(display: Display, capfd: pytest.CaptureFixture[str]) -> None:
    """What it used, and files that hold something else, are told beside it."""
    await display.turn(TURN.model_copy(update={"artifacts": (file("report.md"), file("image-1.png"))}))
    shown = capfd.readouterr()
    assert shown.out == "Tannins.\n"
    assert shown.err.splitlines() == [
        "image-1.png: /a/image-1.png",
        "[3] chat-1-turn-3: 1,234 tokens, about $0.50",
    ]


async def test_a_long_answer_is_read_whole_from_the_store(
    display: Display, capfd: pytest.CaptureFixture[str]
) -> None:
    """A turn has its beginning; where the rest cannot be read, that is what there is."""
    ref = await display.store.put("whole.md", b"Tannins, and more.", "text/markdown")
    await display.turn(TURN.model_copy(update={"is_excerpt": True, "text_uri": ref.uri}))
    assert capfd.readouterr().out == "Tannins, and more.\n"
    await display.turn(TURN.model_copy(update={"is_excerpt": True, "text_uri": f"{ref.uri}.gone"}))
    shown = capfd.readouterr()
    assert shown.out == "Tannins.\n"
    assert "only the beginning of the answer" in shown.err


async def test_what_went_wrong_is_told(display: Display, capfd: pytest.CaptureFixture[str]) -> None:
    """A failed turn, a forgotten conversation, a turn without a run."""
    error = RunError(code=RunErrorCode.BUDGET, message="the budget is used up\nentirely")
    failed = TURN.model_copy(update={"text": "", "error": error, "is_retold": True, "cost_usd": None})
    await display.turn(failed)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "the API had forgotten the conversation" in shown.err
    assert "longhaul: the budget is used up (budget)" in shown.err
    assert "1,234 tokens, cost unknown" in shown.err
    await display.turn(failed.model_copy(update={"run_id": None}))
    assert "[3]" not in capfd.readouterr().err


def test_turns_are_shown_as_lines(display: Display, capfd: pytest.CaptureFixture[str]) -> None:
    """With how many there were before them, and nothing that acts on a terminal."""
    error = RunError(code=RunErrorCode.REJECTED, message="no such model")
    status = ConversationStatus(
        phase=ConversationPhase.OPEN,
        target="m",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        idle_at=datetime(2026, 1, 2, tzinfo=UTC),
        turns=4,
        recent=(
            TURN.model_copy(update={"text": "\x1b[31mred\x1b[0m\nsecond line"}),
            TURN.model_copy(update={"number": 4, "text": "", "error": error}),
        ),
    )
    display.turns(status)
    assert capfd.readouterr().err.splitlines() == [
        "(2 earlier turns)",
        "[3] Why?",
        "    red",
        "[4] Why?",
        "    failed: no such model",
    ]


@pytest.mark.parametrize(
    ("spent", "text"),
    [
        (Spent(), "0 tokens"),
        (Spent(interactions=2, tokens=1_234, cost_usd=1.5), "1,234 tokens, about $1.50"),
        (Spent(interactions=2, tokens=5, unknown_costs=2), "5 tokens, cost unknown"),
        (
            Spent(interactions=2, tokens=5, cost_usd=1.5, unknown_costs=1),
            "5 tokens, about $1.50 and 1 interaction of unknown cost",
        ),
    ],
)
def test_costs_are_told_as_far_as_they_are_known(spent: Spent, text: str) -> None:
    """Nobody is told that something cost nothing because nobody knows what it cost."""
    assert used(spent).startswith(text)
