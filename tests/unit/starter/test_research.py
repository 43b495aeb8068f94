import pytest

from runs.phase import UnknownPolicy
from starter.commands import research
from starter.commands.research import ResearchOptions
from starter.errors import TemporalUnreachable
from starter.output import Output

OPTIONS = ResearchOptions(
    question="How do tides work?",
    agent=None,
    is_max=False,
    run_id=None,
    attachments=[],
    deadline=None,
    is_waiting=True,
    wait_timeout=None,
    labels=[],
    tenant=None,
    on_unknown=UnknownPolicy.HOLD,
    out=None,
)


async def test_a_start_whose_answer_is_lost_names_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Temporal may have taken the start: without the id, its report would be paid for and never found."""

    async def connect() -> None:
        return None

    async def start_run(*_: object, **__: object) -> None:
        raise TemporalUnreachable("localhost:7233", reason="it stopped answering")

    monkeypatch.setattr(research, "connect", connect)
    monkeypatch.setattr(research, "start_run", start_run)
    with pytest.raises(TemporalUnreachable):
        await research.research(OPTIONS, output=Output(as_json=False))
    told = capsys.readouterr().err
    assert "may have been started: ask with `longhaul status research-how-do-tides-work-" in told
    assert "start it with `--id research-how-do-tides-work-" in told
