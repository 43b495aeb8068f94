"""Record histories of conversations: ``python -m tests.replay.record_conversations NAME…``.

As `tests.replay.record`, which keeps them beside those of runs: never overwritten.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.contrib.pydantic import pydantic_data_converter

from runs.budget import Budget, Spent
from runs.conversation import (
    CONVERSATION,
    ConversationRequest,
    ConversationResult,
    ConversationState,
    Origin,
    SendMessage,
)
from runs.errors import RunErrorCode
from runs.messages import AGENT_RUN, TranscriptTurn
from runs.places import artifacts_prefix
from tests.dev_server import running_dev_server
from tests.replay.record import keep
from tests.workflow.fake_runs import FakeRuns, failed, worker_of_runs
from tests.workflow.test_conversation import Handle, Talk
from workflows.conversation import ConversationWorkflow

Scenario = Callable[[Talk, FakeRuns], Awaitable[None]]

REQUEST: Final = ConversationRequest(model="gemini-3.8-flash", labels=("tea",))


async def _say_two(talk: Talk, _runs: FakeRuns) -> None:
    for text in ("one", "two"):
        await talk.say(text)


async def _close(talk: Talk, runs: FakeRuns) -> None:
    await _say_two(talk, runs)
    await talk.handle.signal(ConversationWorkflow.close)


async def _send_together(talk: Talk, runs: FakeRuns) -> None:
    runs.gate = asyncio.Event()
    sent = [
        await talk.handle.start_update(
            ConversationWorkflow.send,
            SendMessage(message_id=text[:3], text=text),
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        )
        for text in ("one", "two", "one", "three")
    ]
    await talk.handle.signal(ConversationWorkflow.close)
    runs.gate.set()
    for update in sent:
        await update.result()


async def _cancel(talk: Talk, runs: FakeRuns) -> None:
    runs.gate = asyncio.Event()
    for text in ("one", "two"):
        await talk.begin_to_say(text)
    await runs.started.get()
    await talk.handle.cancel()


async def _await_closing(talk: Talk, _runs: FakeRuns) -> None:
    await talk.handle.signal(ConversationWorkflow.close)


async def _cancel_in_silence(talk: Talk, _runs: FakeRuns) -> None:
    await talk.say("one")
    await talk.handle.cancel()


async def _leave_one_without_a_run(talk: Talk, runs: FakeRuns) -> None:
    runs.gate = asyncio.Event()
    sent = [await talk.begin_to_say(text) for text in ("one", "two")]
    await talk.handle.signal(ConversationWorkflow.close)
    runs.gate.set()
    for update in sent:
        await update.result()


async def _never_pause(talk: Talk, runs: FakeRuns) -> None:
    """Send each message before the one before it is answered, until the conversation has moved."""
    texts = [f"message {number}" for number in range(99)]
    runs.gates = {text: asyncio.Event() for text in texts}
    before = await talk.begin_to_say(texts[0])
    with suppress(WorkflowUpdateFailedError):
        for answered, text in pairwise(texts):
            after = await talk.begin_to_say(text)
            runs.gates[answered].set()
            await before.result()
            before = after


async def _say_again(talk: Talk, runs: FakeRuns) -> None:
    """Begin with the run of the first turn being there already, as after a reset."""
    client, request = talk.handle._client, REQUEST
    asked = request.turn(
        SendMessage(message_id="one", text="one"),
        transcript=TranscriptTurn(
            folder=artifacts_prefix(
                workflow_id=talk.handle.id, run_id=talk.handle.first_execution_run_id or ""
            ),
            number=1,
        ),
        previous_interaction_id=None,
        budget=None,
    )
    await client.execute_workflow(AGENT_RUN, asked, id=f"{talk.handle.id}-turn-1", task_queue=talk.handle.id)
    await _close(talk, runs)


async def _let_it_end(_talk: Talk, _runs: FakeRuns) -> None:
    """Do nothing: it is refused."""


_WITH_STATE: Final = REQUEST.model_copy(
    update={
        "state": ConversationState(
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
            active_at=datetime(2026, 1, 1, tzinfo=UTC),
            turns=7,
            spent=Spent(interactions=7, tokens=700),
            last_interaction_id="v1_7",
            waiting=tuple(SendMessage(message_id=text, text=text) for text in ("one", "two")),
        )
    }
)

CONVERSATIONS: Final[dict[str, tuple[Any, Callable[[], FakeRuns], Scenario]]] = {
    # All the rest is for the workflow's defaults to say.
    "conversation_with_a_model_alone": ({"model": "gemini-3.8-flash"}, FakeRuns, _close),
    "conversation_cancelled_in_silence": (REQUEST, FakeRuns, _cancel_in_silence),
    "conversation_budget_used_up": (
        REQUEST.model_copy(update={"budget": Budget(max_interactions=1)}),
        FakeRuns,
        _leave_one_without_a_run,
    ),
    "conversation_moved_while_busy": (
        REQUEST.model_copy(update={"messages_per_execution": 1}),
        FakeRuns,
        _never_pause,
    ),
    # Recorded before such requests were refused.
    "conversation_unknown_field_ignored": (
        {**REQUEST.model_dump(mode="json"), "budgt": {"max_tokens": 1}},
        FakeRuns,
        _close,
    ),
    "conversation_closed": (REQUEST, FakeRuns, _close),
    "conversation_attached": (REQUEST, FakeRuns, _say_again),
    "conversation_idle": (REQUEST.model_copy(update={"idle_timeout_s": 2.0}), FakeRuns, _say_two),
    "conversation_sent_together": (
        REQUEST.model_copy(update={"budget": Budget(max_interactions=2)}),
        lambda: FakeRuns(endings=[failed(RunErrorCode.REJECTED)]),
        _send_together,
    ),
    "conversation_retold": (
        REQUEST.model_copy(
            update={"origin": Origin(run_id="r", interaction_id="v1_0", text_uri="file:///r")}
        ),
        lambda: FakeRuns(endings=[failed(RunErrorCode.PARENT_GONE)]),
        _close,
    ),
    "conversation_cancelled": (REQUEST, FakeRuns, _cancel),
    "conversation_continued": (
        REQUEST.model_copy(update={"messages_per_execution": 2}),
        FakeRuns,
        _say_two,
    ),
    # Recorded before a state that somebody gives was refused, and since.
    "conversation_carried": (_WITH_STATE, FakeRuns, _await_closing),
    "conversation_state_refused": (_WITH_STATE, FakeRuns, _let_it_end),
}
"""By name: what is talked about, how its runs end, and what happens."""


async def record(client: Client, name: str) -> None:
    """Hold one conversation, whose id is its name, and write the history of its first execution."""
    request, make_runs, steer = CONVERSATIONS[name]
    runs = make_runs()
    async with worker_of_runs(client, runs, ConversationWorkflow, task_queue=name):
        handle: Handle = await client.start_workflow(
            CONVERSATION, request, id=name, task_queue=name, result_type=ConversationResult
        )
        first: Handle = client.get_workflow_handle(
            handle.id,
            run_id=handle.first_execution_run_id,
            first_execution_run_id=handle.first_execution_run_id,
        )
        await steer(Talk(handle), runs)
        try:
            await first.result(follow_runs=False)
        except WorkflowFailureError as ended:
            print(f"{name}: ended with {ended.cause!r}")  # noqa: T201 - a script talks to who runs it
        except Exception as ended:  # noqa: BLE001 - as the SDK tells that it continues as new
            print(f"{name}: {ended!r}")  # noqa: T201 - a script talks to who runs it
        await keep(first, name)


async def _main(names: list[str]) -> None:
    with running_dev_server() as server:
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        for name in names or list(CONVERSATIONS):
            await record(client, name)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
