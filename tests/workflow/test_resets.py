"""What becomes of the runs of a chain or a conversation that somebody resets, on a real server.

A run that was started after the point of the reset is there already when it is started again. It is paid for,
so it is attached to, and its result taken.
"""

import asyncio
import uuid
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from chains.messages import CHAIN, ChainPhase, ChainRequest, ChainResult
from runs.budget import Budget
from runs.conversation import (
    CONVERSATION,
    ConversationRequest,
    ConversationResult,
    ConversationStatus,
    SendMessage,
    Turn,
)
from runs.errors import RunErrorCode
from runs.messages import AgentRunRequest
from starter.chains import start_chain
from tests.e2e.stack import assert_eventually
from tests.workflow.fake_runs import SPENT, FakeRuns, failed, worker_of_runs
from tests.workflow.test_chain import Handle, Kitchen, chain, long_answer, phases_of, started, status_when
from workflows.conversation import ConversationWorkflow

_THREE = chain(
    {"a": {"ask": "1"}, "b": {"ask": "2 {{ steps.a.text }}"}, "c": {"ask": "3 {{ steps.b.text }}"}},
    output="c",
)


@pytest.fixture
def kitchen() -> Kitchen:
    """Runs that go well, until a test says otherwise."""
    return Kitchen()


async def decisions_of(client: Client, workflow_id: str) -> list[int]:
    """Return the points to which a workflow can be reset."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    return [
        event.event_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]


async def reset(
    client: Client, workflow_id: str, event_id: int, *, run_id: str | None = None
) -> WorkflowHandle[Any, Any]:
    """Have a workflow begin anew from a point of its latest execution, or of ``run_id``; return the new."""
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id or ""),
            workflow_task_finish_event_id=event_id,
            request_id=str(uuid.uuid4()),
            reason="test",
        )
    )
    return client.get_workflow_handle(workflow_id, run_id=answer.run_id)


async def result_after_reset(
    client: Client, chain_id: str, event_id: int, *, run_id: str | None = None
) -> ChainResult:
    """Reset a chain and return how it then ends."""
    handle = await reset(client, chain_id, event_id, run_id=run_id)
    described: WorkflowHandle[Any, ChainResult] = client.get_workflow_handle(
        chain_id, run_id=handle.run_id, result_type=ChainResult
    )
    return await described.result()


async def test_a_chain_keeps_what_it_paid_for_wherever_it_is_reset(client: Client, kitchen: Kitchen) -> None:
    """Reset at each of its points in turn, it ends as it did; nothing is asked again, and all is counted."""
    async with started(client, kitchen, _THREE) as handle:
        first = await handle.result()
        paid = list(kitchen.runs.run_ids)
        for point in await decisions_of(client, handle.id):
            again = await result_after_reset(client, handle.id, point, run_id=handle.first_execution_run_id)
            assert (again.phase, again.output, again.spent) == (first.phase, first.output, first.spent), point
            assert [step.run_id for step in again.steps] == [step.run_id for step in first.steps]
            assert kitchen.runs.run_ids == paid, point


async def test_a_long_text_is_still_where_it_was(client: Client, kitchen: Kitchen) -> None:
    """The address of a stored text is part of what the next step asks; a reset does not change it."""
    ref = await kitchen.store.put("answers/1.md", b"Tannins. " * 1_000, "text/markdown")
    kitchen.runs.endings = [long_answer(uri=ref.uri)]
    spec = chain(
        {
            "a": {"ask": "1"},
            "ab": {"join": ["{{ steps.a.text }}", "{{ steps.a.text }}"]},
            "b": {"ask": "{{ steps.ab.text }}"},
        }
    )
    async with started(client, kitchen, spec) as handle:
        await handle.result()
        paid = list(kitchen.runs.run_ids)
        again = await result_after_reset(client, handle.id, (await decisions_of(client, handle.id))[0])
    assert (again.phase, kitchen.runs.run_ids) == (ChainPhase.COMPLETED, paid)


async def test_a_run_that_goes_on_is_waited_for(client: Client, kitchen: Kitchen) -> None:
    """Reset while its steps run, a chain waits for the same runs, and they are not stopped by it."""
    gate = kitchen.runs.gate = asyncio.Event()
    spec = chain({"a": {"ask": "1"}, "b": {"ask": "2"}, "c": {"ask": "3", "after": ["a", "b"]}})
    async with started(client, kitchen, spec) as handle:
        for _ in range(2):
            await kitchen.runs.started.get()
        again = await reset(client, handle.id, (await decisions_of(client, handle.id))[0])
        await attached_to(client, again, count=2)
        gate.set()
        result: ChainResult = await client.get_workflow_handle(
            handle.id, run_id=again.run_id, result_type=ChainResult
        ).result()
    assert result.phase is ChainPhase.COMPLETED
    assert sorted(kitchen.prompts) == ["1", "2", "3"]


async def test_a_run_that_was_started_before_the_point_is_still_its_own(
    client: Client, kitchen: Kitchen
) -> None:
    """A child that goes on at the point of the reset is the new execution's, by the server's own doing."""
    gate = kitchen.runs.gates["2"] = asyncio.Event()
    spec = chain(
        {
            "a": {"ask": "1"},
            "b": {"ask": "2"},
            "c": {"ask": "3", "after": "a"},
            "d": {"ask": "4", "after": ["b", "c"]},
        }
    )
    async with started(client, kitchen, spec) as handle:
        for _ in range(3):
            await kitchen.runs.started.get()
        await status_when(handle, lambda status: phases_of(status)["c"] == "completed")
        again = await reset(client, handle.id, (await decisions_of(client, handle.id))[-1])
        gate.set()
        result: ChainResult = await client.get_workflow_handle(
            handle.id, run_id=again.run_id, result_type=ChainResult
        ).result()
    assert result.phase is ChainPhase.COMPLETED
    assert sorted(kitchen.prompts) == ["1", "2", "3", "4"]


async def test_cancelling_the_parent_cancels_what_it_attached_to(client: Client, kitchen: Kitchen) -> None:
    """The run is no child of the new execution, and is cancelled with it all the same."""
    kitchen.runs.gate = asyncio.Event()
    async with started(client, kitchen, chain({"a": {"ask": "1"}})) as handle:
        await kitchen.runs.started.get()
        again = await reset(client, handle.id, (await decisions_of(client, handle.id))[0])
        await attached_to(client, again)
        await again.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await again.result()
        assert isinstance(caught.value.cause, CancelledError)
        run = await client.get_workflow_handle(f"{handle.id}.a").describe()
    assert run.status is WorkflowExecutionStatus.CANCELED
    assert kitchen.prompts == ["1"]


async def attached_to(client: Client, handle: WorkflowHandle[Any, Any], *, count: int = 1) -> None:
    """Wait until an execution waits for runs that were there."""

    async def waits() -> None:
        description = await client.get_workflow_handle(handle.id, run_id=handle.run_id).describe()
        pending = description.raw_description.pending_activities
        assert [each.activity_type.name for each in pending] == ["attach_run"] * count

    await assert_eventually(waits)


@pytest.mark.parametrize(
    ("ending", "on_error"),
    [(failed(RunErrorCode.INTERACTION_FAILED, spent=SPENT), "continue"), (None, "fail")],
    ids=["failed", "completed"],
)
async def test_a_run_that_was_there_ends_the_step_as_it_ended(
    client: Client, kitchen: Kitchen, ending: Any, on_error: str
) -> None:
    """Also one that failed: as its step says, the chain goes on, and what it spent is counted."""
    kitchen.runs.endings = [ending]
    spec = chain({"a": {"ask": "1", "on_error": on_error}, "b": {"ask": "2", "after": "a"}})
    async with started(client, kitchen, spec) as handle:
        first = await handle.result()
        again = await result_after_reset(client, handle.id, (await decisions_of(client, handle.id))[0])
    assert again.spent == first.spent == SPENT.plus(SPENT)
    assert [step.phase for step in again.steps] == [step.phase for step in first.steps]
    assert [step.error for step in again.steps] == [step.error for step in first.steps]
    assert len(kitchen.runs.run_ids) == 2


async def test_a_run_that_was_ended_from_outside_is_not_run_again(client: Client, kitchen: Kitchen) -> None:
    """Nobody knows what it used; its step fails, as it does with a child."""
    kitchen.runs.gate = asyncio.Event()
    async with started(client, kitchen, chain({"a": {"ask": "1", "on_error": "continue"}})) as handle:
        await kitchen.runs.started.get()
        again = await reset(client, handle.id, (await decisions_of(client, handle.id))[0])
        await attached_to(client, again)
        await client.get_workflow_handle(f"{handle.id}.a").terminate("test")
        result: ChainResult = await client.get_workflow_handle(
            handle.id, run_id=again.run_id, result_type=ChainResult
        ).result()
    [step] = result.steps
    assert step.error is not None
    assert "was ended from outside" in step.error.message
    assert result.spent.unknown_costs == 1
    assert kitchen.prompts == ["1"]


@pytest.mark.parametrize("is_same", [True, False])
async def test_only_the_same_request_is_attached_to(
    client: Client, kitchen: Kitchen, *, is_same: bool
) -> None:
    """Another one under this id stays what it is; how much it may use makes no other question."""
    chain_id, task_queue = f"chain-{uuid.uuid4()}", f"test-{uuid.uuid4()}"
    asked = AgentRunRequest(
        model="gemini-3.8-flash",
        input="1" if is_same else "0",
        budget=Budget(max_interactions=7),
        labels=("x",),
    )
    async with kitchen.worker(client, task_queue=task_queue):
        await client.execute_workflow("AgentRun", asked, id=f"{chain_id}.a", task_queue=task_queue)
        handle: Handle = await client.start_workflow(
            CHAIN,
            ChainRequest(spec=chain({"a": {"ask": "1", "on_error": "continue"}})),
            id=chain_id,
            task_queue=task_queue,
            result_type=ChainResult,
        )
        [step] = (await handle.result()).steps
    assert len(kitchen.prompts) == 1
    if is_same:
        assert step.error is None
    else:
        assert step.error is not None
        assert step.error.message == (
            f"there has been a run '{chain_id}.a' already, which asked for something else; "
            "it is not paid for twice"
        )


async def test_attaching_costs_six_events_more(client: Client, kitchen: Kitchen) -> None:
    """A start that is refused, an activity and its workflow tasks; a marker the first time."""
    async with started(client, kitchen, _THREE) as handle:
        await handle.result()
        before = len((await handle.fetch_history()).events)
        again = await reset(client, handle.id, (await decisions_of(client, handle.id))[0])
        await again.result()
        events = (await again.fetch_history()).events
    refused = EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED
    assert sum(event.event_type == refused for event in events) == len(_THREE.steps)
    assert len(events) <= before + 6 * len(_THREE.steps)


async def test_a_conversation_keeps_what_it_paid_for_wherever_it_is_reset(client: Client) -> None:
    """Between two turns or at its beginning: the answers are the same, and nothing is asked again."""
    runs = FakeRuns()
    task_queue = conversation_id = f"chat-{uuid.uuid4()}"
    async with worker_of_runs(client, runs, ConversationWorkflow, task_queue=task_queue):
        handle = await open_conversation(client, conversation_id)
        first = [await say(handle, text) for text in ("one", "two")]
        for point in await decisions_of(client, conversation_id):
            again = await reset(client, conversation_id, point, run_id=handle.first_execution_run_id)

            async def is_answered(again: WorkflowHandle[Any, Any] = again) -> ConversationStatus:
                status: ConversationStatus = await again.query(ConversationWorkflow.status)
                assert not status.pending
                assert len(status.recent) == len(first)
                return status

            status = await assert_eventually(is_answered)
            assert list(status.recent) == first, point
            assert status.spent == SPENT.plus(SPENT)
            assert len(runs.requests) == len(first), point
        third = await say(client.get_workflow_handle(conversation_id), "three")
    assert third.error is None
    assert runs.requests[-1].previous_interaction_id == "v1_2"


async def test_a_turn_that_runs_is_waited_for(client: Client) -> None:
    """Reset in the middle of it, the conversation answers the message with what the same run comes to."""
    runs = FakeRuns(gate=asyncio.Event())
    task_queue = conversation_id = f"chat-{uuid.uuid4()}"
    async with worker_of_runs(client, runs, ConversationWorkflow, task_queue=task_queue):
        handle = await open_conversation(client, conversation_id)
        asking = asyncio.create_task(say(handle, "one"))
        await runs.started.get()
        again = await reset(client, conversation_id, (await decisions_of(client, conversation_id))[0])
        await attached_to(client, again)
        assert runs.gate is not None
        runs.gate.set()
        turn = await say(again, "one")
        await asyncio.gather(asking, return_exceptions=True)
    assert (turn.text, turn.error) == ("answer to one", None)
    assert len(runs.requests) == 1


async def test_a_chain_that_was_terminated_is_carried_on_again(client: Client, kitchen: Kitchen) -> None:
    """Started again under its id, it takes over what its steps have found, and runs what was cancelled."""
    gate = kitchen.runs.gates["2 answer to 1"] = asyncio.Event()
    async with started(client, kitchen, _THREE) as handle:
        task_queue = (await handle.describe()).task_queue
        for _ in range(2):
            await kitchen.runs.started.get()
        await handle.terminate("test")
        started_again = await start_chain(
            client, ChainRequest(spec=_THREE), chain_id=handle.id, task_queue=task_queue
        )
        assert (started_again.is_new, started_again.is_ended_from_outside) == (False, True)
        gate.set()
        started_again = await start_chain(
            client, ChainRequest(spec=_THREE), chain_id=handle.id, task_queue=task_queue, is_again=True
        )
        assert started_again.is_new
        result: ChainResult = await client.get_workflow_handle(handle.id, result_type=ChainResult).result()
        assert result.phase is ChainPhase.COMPLETED
        assert kitchen.prompts == ["1", "2 answer to 1", "2 answer to 1", "3 answer to 2 answer to 1"]
        # What the cancelled one may have used is counted, too.
        assert (result.spent.interactions, result.spent.unknown_costs) == (4, 1)
        # One that has completed is not started a third time.
        third = await start_chain(
            client, ChainRequest(spec=_THREE), chain_id=handle.id, task_queue=task_queue, is_again=True
        )
        assert not third.is_new


async def open_conversation(
    client: Client, conversation_id: str
) -> WorkflowHandle[ConversationWorkflow, ConversationResult]:
    """Begin a conversation on the task queue of its name."""
    return await client.start_workflow(
        CONVERSATION,
        ConversationRequest(model="gemini-3.8-flash"),
        id=conversation_id,
        task_queue=conversation_id,
        result_type=ConversationResult,
    )


async def say(handle: WorkflowHandle[Any, Any], text: str) -> Turn:
    """Send a message and return the answer."""
    turn: Turn = await handle.execute_update(
        ConversationWorkflow.send, SendMessage(message_id=text, text=text), id=text
    )
    return turn
