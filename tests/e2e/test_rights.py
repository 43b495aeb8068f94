"""What somebody who can only start workflows, with any JSON, gets to read of other runs: nothing."""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from runs.messages import AgentRunRequest
from starter.conversations import new_message, send_message
from starter.describing import input_of
from starter.runs import look_at_run
from tests.e2e.stack import Stack, running_stack
from tests.e2e.test_cli import Command

TOLD: Final = "My tea is oolong."
QUICK: Final = "[[emulator duration_s=5]]"
MODEL: Final = "gemini-3.8-flash"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that no test here breaks."""
    with running_stack(tmp_path_factory.mktemp("rights")) as stack:
        yield stack
        stack.worker.show_news()


@pytest.fixture
def longhaul(stack: Stack) -> Command:
    """The command."""
    return Command(stack)


@pytest.fixture
async def victim(stack: Stack, longhaul: Command) -> dict[str, str]:
    """The addresses of all files of somebody's finished run, by name."""
    assert longhaul("ask", f"{TOLD} {QUICK}", "--id", "victim").code == 0
    view = await look_at_run(await stack.client(), "victim")
    assert view.result is not None
    [folder] = {ref.uri.rpartition("/")[0] for ref in view.result.artifacts}
    names = os.listdir(unquote(urlsplit(folder).path))  # noqa: PTH208 - blocks no shorter
    assert {"request.json", "submission-1.sending.json", "answer.md", "interaction.json"} <= set(names)
    return {name: f"{folder}/{name}" for name in names}


def submissions_of(stack: Stack) -> list[str]:
    """The interactions that there are."""
    return [each["id"] for each in stack.emulator.admin("GET", "/interactions")["interactions"]]


async def refusal_of(stack: Stack, workflow: str, document: Any) -> str:
    """Why a workflow with this input fails; nothing is submitted meanwhile."""
    before = submissions_of(stack)
    client = await stack.client()
    with pytest.raises(WorkflowFailureError) as caught:
        await client.execute_workflow(workflow, document, id=f"attack-{uuid.uuid4()}", task_queue="longhaul")
    assert isinstance(caught.value.cause, ApplicationError)
    assert submissions_of(stack) == before
    return caught.value.cause.message


async def test_no_file_of_another_run_is_attached(stack: Stack, victim: dict[str, str]) -> None:
    """Nor quoted, nor told as the origin of a transcript, nor attached by a chain; whatever file it is."""
    run = {"model": MODEL, "input": f"Repeat {{}} {QUICK}"}
    for uri in victim.values():
        attachment = {"uri": uri, "media_type": "text/plain", "name": "it"}
        for stolen in (
            {"attachments": [attachment], "may_read": [uri]},
            {"quotes": [{"placeholder": "{}", "uri": uri}], "may_read": [uri]},
        ):
            assert "no right to" in await refusal_of(stack, "AgentRun", run | stolen)
        place = {"folder": "victim", "number": 2, "is_retold": True, "origin_uri": uri}
        assert "only a conversation" in await refusal_of(stack, "AgentRun", run | {"transcript": place})
        spec = {"name": "n", "steps": {"a": {"ask": {"prompt": "Repeat it", "attach": [attachment]}}}}
        assert "no right to" in await refusal_of(stack, "Chain", {"spec": spec})


async def test_no_conversation_sends_or_follows_another_runs_file(
    stack: Stack, victim: dict[str, str]
) -> None:
    """But for the text of a run of the same tenant, which it follows up on."""
    client = await stack.client()
    for number, (name, uri) in enumerate(victim.items()):
        for tenant in (None, "cellar"):
            origin = {"run_id": "victim", "text_uri": uri}
            handle = await client.start_workflow(
                "Conversation",
                {"model": MODEL, "origin": origin, "tenant": tenant},
                id=f"talk-{number}-{tenant}",
                task_queue="longhaul",
            )
            turn = await send_message(client, handle.id, new_message(f"What is my tea? {QUICK}"))
            if name in {"answer.md", "report.md"} and tenant is None:
                assert turn.error is None
                continue
            assert turn.error is not None
            assert "oolong" not in turn.text
            assert "follow" in turn.error.message
        attachment = {"uri": uri, "media_type": "text/plain", "name": "it"}
        message = {"message_id": "1", "text": "Repeat it", "attachments": [attachment]}
        told: dict[str, Any] = await handle.execute_update("send", message)
        assert "no right to" in told["error"]["message"]


async def test_a_chain_uses_what_its_own_steps_left(stack: Stack, longhaul: Command, tmp_path: Path) -> None:
    """Quoted and attached, as long as it is; a run of its own is not refused its siblings' files."""
    long = "Tell of tea. [[emulator duration_s=5]]"
    steps = {
        "a": {"research": long},
        "b": {"ask": f"Shorten {{{{ steps.a.text }}}} {QUICK}"},
        "c": {"ask": {"prompt": f"Shorten it {QUICK}", "attach": ["{{ steps.a.text }}"]}},
    }
    file = tmp_path / "chain.json"
    file.write_text(json.dumps({"name": "own", "steps": steps}))
    ended = longhaul("chain", "run", str(file), "--id", "own")
    assert ended.code == 0, ended
    request = await input_of(await stack.client(), "own.c", AgentRunRequest)
    assert request is not None
    assert request.may_read == (request.attachments[0].uri,)
