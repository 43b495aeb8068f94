import pytest

from starter.commands import starting
from starter.commands.research import ResearchOptions, research
from starter.errors import TemporalUnreachable
from starter.output import Output

OPTIONS = ResearchOptions(question="How do tides work?")


async def test_a_start_whose_answer_is_lost_names_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Temporal may have taken the start: without the id, its report would be paid for and never found."""

    async def connect() -> None:
        return None

    async def start_run(*_: object, **__: object) -> None:
        raise TemporalUnreachable("localhost:7233", reason="it stopped answering")

    monkeypatch.setattr(starting, "connect", connect)
    monkeypatch.setattr(starting, "start_run", start_run)
    with pytest.raises(TemporalUnreachable):
        await research(OPTIONS, output=Output(as_json=False))
    told = capsys.readouterr().err
    assert "may have been started: ask with `longhaul status research-how-do-tides-work-" in told
    assert "start it with `--id research-how-do-tides-work-" in told
