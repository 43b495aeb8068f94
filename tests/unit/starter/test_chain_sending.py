from typing import Any

import pytest

from starter.commands import chain
from starter.commands.chain import ChainRunOptions
from starter.output import Output
from starter.views import ChainReach, ReachedServer, SentFile

FILES = ChainReach(api_host="api.test", files=(SentFile(name="notes.md", size_bytes=3),))
SECRET = ChainReach(
    api_host="api.test", mcp_servers=(ReachedServer(name="crm", host="crm.test", secret="CRM"),)
)
OPEN = ChainReach(api_host="api.test", mcp_servers=(ReachedServer(name="crm", host="crm.test"),))


async def may_send(
    monkeypatch: pytest.MonkeyPatch, reach: ChainReach, *, answer: str | None, **options: Any
) -> bool:
    """Whether the chain may be started, where a person gives ``answer``; None: where nobody is there."""

    async def ask(question: str) -> str:
        assert answer is not None
        assert question == "Start it? [y]es, [n]o: "
        return answer

    monkeypatch.setattr(chain, "ask_line", ask)
    monkeypatch.setattr(Output, "is_interactive", property(lambda _: answer is not None))
    return await chain._may_send(reach, ChainRunOptions(file="x", **options), output=Output(as_json=False))


@pytest.mark.parametrize("reach", [FILES, SECRET])
@pytest.mark.parametrize(("answer", "is_meant"), [("y", True), ("YES", True), ("n", False), ("", False)])
async def test_a_person_is_asked_before_files_or_secrets_are_sent(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reach: ChainReach,
    answer: str,
    is_meant: bool,
) -> None:
    """What is sent, and to whom, is told first; anything but a yes is a no."""
    assert await may_send(monkeypatch, reach, answer=answer) is is_meant
    told = capsys.readouterr().err
    assert "notes.md" in told or "call MCP server crm at crm.test with LONGHAUL_SECRET_CRM" in told


async def test_nobody_is_asked_where_there_is_nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without files and secrets, with ``--yes``, and where nobody sits."""
    assert await may_send(monkeypatch, OPEN, answer="n")
    assert await may_send(monkeypatch, FILES, answer="n", is_sure=True)
    assert await may_send(monkeypatch, FILES, answer=None)
