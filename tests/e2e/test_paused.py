"""A workflow that an operator has paused in Temporal is shown as that, and hides nothing else."""

import json
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest

from tests.dev_server import temporal_cli
from tests.e2e.stack import Stack, assert_eventually, running_stack
from tests.e2e.test_cli import SLOW, Command

_PAUSABLE: Final = {"frontend.WorkflowPauseEnabled": "true"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose server lets workflows be paused."""
    with running_stack(tmp_path_factory.mktemp("paused"), dynamic_config=_PAUSABLE) as stack:
        yield stack


@pytest.fixture
def longhaul(stack: Stack) -> Command:
    """The command."""
    return Command(stack)


def temporal(stack: Stack, command: str, workflow_id: str) -> None:
    """Do something to a workflow as an operator would."""
    where = ["--workflow-id", workflow_id, "--address", stack.server.address]
    subprocess.run([temporal_cli(), "workflow", command, *where], check=True, capture_output=True)


async def test_a_paused_run_is_shown_as_paused(longhaul: Command, stack: Stack) -> None:
    """List, status, watch and result say so, in words and in JSON; other runs are listed as ever."""
    for run_id in ("paused", "other"):
        assert longhaul("research", f"Why? {SLOW}", "--id", run_id, "--no-wait").code == 0
    temporal(stack, "pause", "paused")

    async def is_listed() -> None:
        rows = {row["run_id"]: row for row in longhaul("list", "--json").answer["runs"]}
        assert [rows[run_id]["is_paused"] for run_id in ("paused", "other")] == [True, False]
        found = longhaul("list", "--json", "--phase", "running").answer["runs"]
        assert {row["run_id"] for row in found} == {"paused", "other"}

    await assert_eventually(is_listed)
    assert "running, paused" in longhaul("list").out

    status = longhaul("status", "paused")
    assert status.code == 5
    assert "problem: paused in Temporal" in status.out
    assert "temporal workflow unpause --workflow-id paused" in status.out
    assert longhaul("status", "paused", "--json").answer["is_paused"] is True
    watched = longhaul("watch", "paused", "--wait-timeout", "1s", "--json")
    assert (watched.code, watched.answer["is_paused"]) == (5, True)
    result = longhaul("result", "paused", "--json")
    assert (result.code, result.answer["error"]["kind"]) == (5, "still_running")
    assert "paused in Temporal" in result.answer["error"]["message"]
    for refused in (("approve", "paused"), ("resolve", "paused", "--give-up")):
        ended = longhaul(*refused)
        assert ended.code == 2, ended
        assert "paused in Temporal" in ended.err

    temporal(stack, "unpause", "paused")
    stack.let_pass(8_000)
    ended = longhaul("watch", "paused", "--json")
    assert (ended.code, ended.answer["phase"], ended.answer["is_paused"]) == (0, "completed", False)


async def test_a_paused_chain_and_a_paused_chat_are_shown_as_paused(longhaul: Command, stack: Stack) -> None:
    """They are asked nothing, since the server refuses, and say what to do."""
    chain = stack.home / "slow.json"
    chain.write_text(json.dumps({"name": "slow", "steps": {"a": {"ask": f"Why? {SLOW}"}}}))
    assert longhaul("chain", "run", str(chain), "--id", "chained", "--no-wait").code == 0
    assert longhaul("chat", stdin="Hello.\n").code == 0
    [chat] = [row["run_id"] for row in longhaul("list", "--json", "--kind", "chat").answer["runs"]]
    for workflow_id in ("chained", chat):
        temporal(stack, "pause", workflow_id)

    shown = longhaul("chain", "show", "chained")
    assert "paused in Temporal" in shown.out, shown
    assert longhaul("chain", "show", "chained", "--json").answer["is_paused"] is True
    assert longhaul("result", "chained").code == 5

    async def is_listed() -> None:
        rows = longhaul("chat", "--list", "--json").answer["conversations"]
        assert [(row["phase"], row["is_paused"]) for row in rows] == [("open", True)]

    await assert_eventually(is_listed)
    said = longhaul("chat", chat, stdin="More?\n")
    assert (said.code, "paused in Temporal" in said.err) == (2, True), said
    for workflow_id in ("chained", chat):
        temporal(stack, "unpause", workflow_id)
