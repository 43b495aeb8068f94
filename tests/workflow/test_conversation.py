"""The laws of the `Conversation` workflow, on a real server, over runs that a test directs."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from runs import limits
from runs.budget import Budget, Spent
from runs.conversation import (
    CONVERSATION,
    ConversationPhase,
    ConversationRequest,
    ConversationResult,
    ConversationState,
    Ending,
    Origin,
    SendMessage,
    Turn,
)
from runs.errors import RunErrorCode, UpdateErrorType, WorkflowErrorType
from runs.messages import RESULT_MEMO, AgentRunResult, RunError
from runs.phase import Phase
from runs.search_attributes import SEARCH_ATTRIBUTES
from starter.conversations import send_message
from tests.dev_server import running_dev_server
from tests.e2e.stack import assert_eventually
from tests.workflow.fake_runs import SPENT, FakeRuns, answered, failed, worker_of_runs
from workflows import inputs
from workflows.conversation import ConversationWorkflow

Handle = WorkflowHandle[ConversationWorkflow, ConversationResult]

REQUEST = ConversationRequest(model="gemini-3.8-flash", labels=("tea",), tenant="t")


class Talk:
    """One conversation as a client has it."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    @property
    def conversation_id(self) -> str:
        """The workflow's id."""
        return self.handle.id

    async def say(self, text: str, *, message_id: str | None = None) -> Turn:
        """Send a message and return the answer."""
        return await self.handle.execute_update(
            ConversationWorkflow.send, SendMessage(message_id=message_id or text, text=text)
        )

    async def begin_to_say(self, text: str, *, message_id: str | None = None) -> WorkflowUpdateHandle[Turn]:
        """Send a message and return once it has been accepted."""
        return await self.handle.start_update(
            ConversationWorkflow.send,
            SendMessage(message_id=message_id or text, text=text),
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        )

    async def events(self) -> int:
        """Return how many events the history of the latest execution has."""
        return len((await self.handle.fetch_history()).events)


async def insist(client: Client, talk: Talk, text: str) -> Turn:
    """Send a message as our own clients do, which know that the workflow continues as new."""
    return await send_message(client, talk.conversation_id, SendMessage(message_id=text, text=text))


def refusal(error: WorkflowUpdateFailedError) -> ApplicationError:
    """Return what an update failed with."""
    assert isinstance(error.cause, ApplicationError)
    return error.cause


Open = Callable[..., AbstractAsyncContextManager[Talk]]


@pytest.fixture
def runs() -> FakeRuns:
    """Runs that are all answered, until a test says otherwise."""
    return FakeRuns()


@pytest.fixture
def talking(client: Client, runs: FakeRuns) -> Open:
    """Return what opens a conversation beside a worker that serves it."""

    @asynccontextmanager
    async def open_one(
        request: object = REQUEST, *, max_cached_workflows: int = 100, conversation_id: str | None = None
    ) -> AsyncIterator[Talk]:
        task_queue = f"test-{uuid.uuid4()}"
        async with worker_of_runs(
            client,
            runs,
            ConversationWorkflow,
            task_queue=task_queue,
            max_cached_workflows=max_cached_workflows,
        ):
            handle: Handle = await client.start_workflow(
                CONVERSATION,
                request,
                id=conversation_id or f"chat-{uuid.uuid4()}",
                task_queue=task_queue,
                result_type=ConversationResult,
            )
            yield Talk(handle)

    return open_one


@pytest.mark.parametrize("max_cached_workflows", [100, 0])
async def test_each_turn_follows_the_one_before(
    talking: Open, runs: FakeRuns, max_cached_workflows: int
) -> None:
    """A turn is a run of its own, with its place in the conversation; also where every task is a replay."""
    async with talking(max_cached_workflows=max_cached_workflows) as talk:
        turns = [await talk.say("one"), await talk.say("two")]
    assert [turn.text for turn in turns] == ["answer to one", "answer to two"]
    assert [turn.number for turn in turns] == [1, 2]
    assert [turn.run_id for turn in turns] == [f"{talk.conversation_id}-turn-{n}" for n in (1, 2)]
    assert [turn.interaction_id for turn in turns] == ["v1_1", "v1_2"]
    assert turns[0].text_uri == "file:///answers/1.md"
    assert runs.run_ids == [turn.run_id for turn in turns]
    assert [request.previous_interaction_id for request in runs.requests] == [None, "v1_1"]
    places = [request.transcript for request in runs.requests]
    assert [place and (place.number, place.is_retold) for place in places] == [(1, False), (2, False)]
    assert len({place and place.folder for place in places}) == 1


async def test_a_turn_asks_what_the_conversation_is_about(talking: Open, runs: FakeRuns) -> None:
    """What the conversation was started with goes for each of its turns."""
    async with talking(
        REQUEST.model_copy(update={"system_instruction": "Be brief.", "deadline_s": 99})
    ) as talk:
        await talk.say("hello")
    [request] = runs.requests
    assert (request.model, request.input, request.system_instruction) == (REQUEST.model, "hello", "Be brief.")
    assert (request.labels, request.tenant, request.deadline_s) == (("tea",), "t", 99)


async def test_messages_are_answered_in_the_order_in_which_they_were_sent(
    talking: Open, runs: FakeRuns
) -> None:
    """However many are sent before the first is answered, one is answered after the other."""
    runs.gate = asyncio.Event()
    texts = [f"message {number}" for number in range(8)]
    async with talking() as talk:
        sent = [await talk.begin_to_say(text) for text in texts]
        await runs.started.get()
        assert len(runs.requests) == 1
        runs.gate.set()
        turns = [await update.result() for update in sent]
    assert [turn.number for turn in turns] == list(range(1, 9))
    assert [request.input for request in runs.requests] == texts
    assert [request.previous_interaction_id for request in runs.requests][1:] == [
        f"v1_{number}" for number in range(1, 8)
    ]


async def test_a_failed_turn_does_not_end_the_conversation(talking: Open, runs: FakeRuns) -> None:
    """The next turn follows the last one that was answered."""
    runs.endings = [None, failed(RunErrorCode.REJECTED), None]
    async with talking() as talk:
        turns = [await talk.say(text) for text in ("one", "two", "three")]
    assert turns[1].error == RunError(code=RunErrorCode.REJECTED, message="as the API said")
    assert (turns[1].text, turns[1].interaction_id) == ("", None)
    assert turns[2].error is None
    assert [request.previous_interaction_id for request in runs.requests] == [None, "v1_1", "v1_1"]


@pytest.mark.parametrize(
    ("error", "follows"),
    [(None, "v1_2"), (RunError(code=RunErrorCode.NEEDS_ACTION, message="a function"), "v1_1")],
)
async def test_only_what_takes_a_question_is_followed(
    talking: Open, runs: FakeRuns, error: RunError | None, follows: str
) -> None:
    """An answer cut short is followed, but not an interaction that waits for function results."""
    async with talking() as talk:
        await talk.say("one")
        cut = answered(runs.requests[0], 2).model_copy(update={"phase": Phase.INCOMPLETE, "error": error})
        runs.endings = [cut]
        turn = await talk.say("two")
        await talk.say("three")
    assert (turn.text, turn.error) == ("answer to one", error)
    assert runs.requests[-1].previous_interaction_id == follows


async def test_a_conversation_that_the_api_forgot_is_told_anew(talking: Open, runs: FakeRuns) -> None:
    """The message is asked once more, with all that was said before it, and the next one follows that."""
    runs.endings = [None, failed(RunErrorCode.PARENT_GONE)]
    async with talking() as talk:
        await talk.say("one")
        turn = await talk.say("two")
        await talk.say("three")
    assert (turn.text, turn.number, turn.is_retold) == ("answer to two", 2, True)
    assert turn.run_id == f"{talk.conversation_id}-turn-2-retold"
    asked = [
        (request.input, request.previous_interaction_id, request.transcript and request.transcript.is_retold)
        for request in runs.requests
    ]
    assert asked == [
        ("one", None, False),
        ("two", "v1_1", False),
        ("two", None, True),
        ("three", "v1_3", False),
    ]


async def test_what_could_not_be_told_anew_is_told_with_the_next_message(
    talking: Open, runs: FakeRuns
) -> None:
    """What the API has forgotten is not asked for again."""
    runs.endings = [None, failed(RunErrorCode.PARENT_GONE), failed(RunErrorCode.REJECTED), None]
    async with talking() as talk:
        await talk.say("one")
        turn = await talk.say("two")
        assert turn.error is not None
        assert turn.error.code is RunErrorCode.REJECTED
        await talk.say("three")
    last = runs.requests[-1]
    assert last.transcript is not None
    assert (last.input, last.previous_interaction_id, last.transcript.is_retold) == ("three", None, True)
    assert len(runs.requests) == 4


async def test_what_was_paid_for_is_not_asked_anew(talking: Open, runs: FakeRuns) -> None:
    """A run may lose an interaction of its own, between two rounds of function calls."""
    runs.endings = [None, failed(RunErrorCode.PARENT_GONE, spent=SPENT)]
    async with talking() as talk:
        await talk.say("one")
        turn = await talk.say("two")
    assert turn.error is not None
    assert turn.error.code is RunErrorCode.PARENT_GONE
    assert len(runs.requests) == 2


async def test_a_message_sent_twice_is_answered_once(talking: Open, runs: FakeRuns) -> None:
    """At the same time or later, by whatever update: the same id is the same message."""
    runs.gate = asyncio.Event()
    async with talking() as talk:
        first = await talk.begin_to_say("hello", message_id="m")
        second = await talk.begin_to_say("hello", message_id="m")
        await runs.started.get()
        runs.gate.set()
        turns = [await first.result(), await second.result()]
        later = await talk.say("hello", message_id="m")
        other = await talk.say("hello", message_id="n")
    assert turns[0] == turns[1]
    assert (later.number, later.text, later.run_id) == (1, "answer to hello", turns[0].run_id)
    assert other.number == 2
    assert len(runs.requests) == 2


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"message_id": "m", "text": "  "}, "the question is empty"),
        ({"message_id": "m", "text": "x" * (limits.MAX_INPUT_BYTES + 1)}, "attach longer material as a file"),
        ({"message_id": "m", "text": "\x00" * (limits.MAX_MESSAGE_BYTES // 6)}, "attach longer material"),
        ({"message_id": "", "text": "hello"}, "decoding"),
        ({"text": "hello"}, "decoding"),
        # What was to be attached would be missing from an answer that is paid for.
        ({"message_id": "1", "text": "hello", "attachment": ["x"]}, "did you mean attachments?"),
        ("hello", "decoding"),
    ],
)
async def test_a_message_that_cannot_be_sent_is_refused(
    talking: Open, runs: FakeRuns, message: object, reason: str
) -> None:
    """Whatever a client sends, the conversation goes on, and nothing of it is left in the history."""
    async with talking() as talk:
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await talk.handle.execute_update("send", message)
        assert reason in str(caught.value.cause)
        assert (await talk.say("hello")).number == 1
    assert len(runs.requests) == 1


async def test_one_budget_is_for_all_turns(talking: Open, runs: FakeRuns) -> None:
    """Each turn may use what the earlier ones left; once all is used, no message is taken."""
    runs.endings = [None, failed(RunErrorCode.INTERACTION_FAILED, spent=SPENT)]
    async with talking(REQUEST.model_copy(update={"budget": Budget(max_tokens=250)})) as talk:
        for text in ("one", "two", "three"):
            await talk.say(text)
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await talk.say("four")
        status = await talk.handle.query(ConversationWorkflow.status)
        await talk.handle.signal(ConversationWorkflow.close)
        result = await talk.handle.result()
    assert refusal(caught.value).type == UpdateErrorType.NOT_POSSIBLE
    assert "the budget of 250 tokens is used up" in refusal(caught.value).message
    assert [request.budget and request.budget.max_tokens for request in runs.requests] == [250, 150, 50]
    assert status.why_no_more == refusal(caught.value).message
    assert result.spent == Spent(interactions=3, tokens=300, cost_usd=0.03)


async def test_a_message_that_waited_while_the_budget_was_used_up_is_told(
    talking: Open, runs: FakeRuns
) -> None:
    """It was accepted, so it is answered: with the reason, and without a run."""
    runs.gate = asyncio.Event()
    async with talking(REQUEST.model_copy(update={"budget": Budget(max_interactions=1)})) as talk:
        sent = [await talk.begin_to_say("one"), await talk.begin_to_say("two")]
        runs.gate.set()
        first, second = [await update.result() for update in sent]
    assert first.text == "answer to one"
    assert second.error is not None
    assert (second.error.code, second.run_id, second.number) == (RunErrorCode.BUDGET, None, 2)
    assert len(runs.requests) == 1


async def test_a_run_that_says_nothing_of_its_cost_cannot_be_budgeted(
    talking: Open, runs: FakeRuns, client: Client
) -> None:
    """A cancelled run may have used anything: a bound that cannot be checked is no bound."""
    runs.gate = asyncio.Event()
    async with talking(REQUEST.model_copy(update={"budget": Budget(max_cost_usd=5)})) as talk:
        sent = await talk.begin_to_say("one")
        await client.get_workflow_handle(await runs.started.get()).cancel()
        turn = await sent.result()
        with pytest.raises(WorkflowUpdateFailedError, match="Workflow update failed") as caught:
            await talk.say("two")
    assert turn.error is not None
    assert turn.error.code is RunErrorCode.CANCELLED
    assert "max_cost_usd cannot be kept" in refusal(caught.value).message


async def test_silence_closes_a_conversation(talking: Open, runs: FakeRuns) -> None:
    """It ends by itself, however long its turns take, and says how."""
    runs.gate = asyncio.Event()
    async with talking(REQUEST.model_copy(update={"idle_timeout_s": 1})) as talk:
        await talk.handle.query(ConversationWorkflow.status)  # so it has begun to wait
        sent = await talk.begin_to_say("one")
        # The turn takes longer than the conversation would wait for a message.
        await assert_eventually(lambda: assert_timers(talk, fired=1))
        runs.gate.set()
        await sent.result()
        result = await talk.handle.result()
        await assert_timers(talk, fired=2)
    assert (result.ending, result.turns, result.last_interaction_id) == (Ending.IDLE, 1, "v1_1")


async def assert_timers(talk: Talk, *, fired: int) -> None:
    """Check how many timers of the conversation have fired."""
    events = (await talk.handle.fetch_history()).events
    assert sum(event.event_type == EventType.EVENT_TYPE_TIMER_FIRED for event in events) == fired


async def test_a_closed_conversation_answers_what_waits_and_takes_no_more(
    talking: Open, runs: FakeRuns
) -> None:
    """Closing loses no message that was accepted."""
    runs.gate = asyncio.Event()
    async with talking() as talk:
        sent = [await talk.begin_to_say("one"), await talk.begin_to_say("two")]
        await talk.handle.signal(ConversationWorkflow.close)
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await talk.say("three")
        runs.gate.set()
        turns = [await update.result() for update in sent]
        result = await talk.handle.result()
    assert refusal(caught.value).type == UpdateErrorType.CLOSED
    assert "start a new one with `longhaul chat`" in refusal(caught.value).message
    assert [turn.text for turn in turns] == ["answer to one", "answer to two"]
    assert (result.ending, result.turns) == (Ending.ASKED, 2)


async def test_cancelling_a_conversation_cancels_the_run_under_way(
    talking: Open, runs: FakeRuns, client: Client
) -> None:
    """The run stops, nothing more is asked, whoever waits is told, and the result is in the memo."""
    runs.gate = asyncio.Event()
    async with talking() as talk:
        sent = [await talk.begin_to_say("one"), await talk.begin_to_say("two")]
        run_id = await runs.started.get()
        await talk.handle.cancel()
        turn = await sent[0].result()
        with pytest.raises(WorkflowUpdateFailedError) as told:
            await sent[1].result()
        with pytest.raises(WorkflowFailureError) as ended:
            await talk.handle.result()
        run = await client.get_workflow_handle(run_id).describe()
        description = await talk.handle.describe()
    assert turn.error is not None
    assert turn.error.code is RunErrorCode.CANCELLED
    assert refusal(told.value).type == UpdateErrorType.CLOSED
    assert isinstance(ended.value.cause, CancelledError)
    assert run.status is WorkflowExecutionStatus.CANCELED
    result = await description.memo_value(RESULT_MEMO, type_hint=ConversationResult)
    assert (result.ending, result.turns) == (Ending.CANCELLED, 1)
    assert len(runs.requests) == 1


async def test_a_cancel_that_comes_with_a_runs_end_loses_nothing(client: Client, runs: FakeRuns) -> None:
    """Both are found in one workflow task, by a worker that was away; whoever waits is told."""
    task_queue = f"test-{uuid.uuid4()}"
    handle: Handle = await client.start_workflow(
        CONVERSATION,
        REQUEST,
        id=f"chat-{uuid.uuid4()}",
        task_queue=task_queue,
        result_type=ConversationResult,
    )
    run = client.get_workflow_handle(f"{handle.id}-turn-1")
    # It starts the run, which then waits for a worker of its own.
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[ConversationWorkflow],
        workflow_runner=SandboxedWorkflowRunner(),
    ):
        sent = await Talk(handle).begin_to_say("one")

        async def has_started() -> None:
            started = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
            assert started in [event.event_type for event in (await handle.fetch_history()).events]

        await assert_eventually(has_started)
    await run.terminate()
    await handle.cancel()
    async with worker_of_runs(client, runs, ConversationWorkflow, task_queue=task_queue):
        turn = await sent.result()
        with pytest.raises(WorkflowFailureError) as ended:
            await handle.result()
    assert turn.error is not None
    assert isinstance(ended.value.cause, CancelledError)
    result = await (await handle.describe()).memo_value(RESULT_MEMO, type_hint=ConversationResult)
    assert (result.ending, result.turns) == (Ending.CANCELLED, 1)


async def test_cancelling_a_conversation_that_waits_ends_it(talking: Open) -> None:
    """There is nothing to stop."""
    async with talking() as talk:
        await talk.say("one")
        await talk.handle.cancel()
        with pytest.raises(WorkflowFailureError) as ended:
            await talk.handle.result()
    assert isinstance(ended.value.cause, CancelledError)


async def test_terminating_a_conversation_cancels_the_run_under_way(
    talking: Open, runs: FakeRuns, client: Client
) -> None:
    """A terminated parent says nothing, but its run can still stop the interaction."""
    runs.gate = asyncio.Event()
    async with talking() as talk:
        await talk.begin_to_say("one")
        run_id = await runs.started.get()
        await talk.handle.terminate()
        with pytest.raises(WorkflowFailureError) as ended:
            await client.get_workflow_handle(run_id, result_type=AgentRunResult).result()
    assert isinstance(ended.value.cause, CancelledError)


async def test_a_long_conversation_continues_as_new_unnoticed(talking: Open, runs: FakeRuns) -> None:
    """Numbers, what is followed, the folder, what is spent and what was answered go along."""
    async with talking(REQUEST.model_copy(update={"messages_per_execution": 2})) as talk:
        turns = [await talk.say(f"message {number}") for number in range(5)]
        again = await talk.say("message 1")
        status = await talk.handle.query(ConversationWorkflow.status)
        events = await talk.events()
        await talk.handle.signal(ConversationWorkflow.close)
        result = await talk.handle.result()
    assert [turn.number for turn in turns] == [1, 2, 3, 4, 5]
    assert (again.number, again.text) == (2, "answer to message 1")
    previous = [request.previous_interaction_id for request in runs.requests]
    assert previous == [None, "v1_1", "v1_2", "v1_3", "v1_4"]
    assert len({request.transcript and request.transcript.folder for request in runs.requests}) == 1
    assert [turn.number for turn in status.recent] == [1, 2, 3, 4, 5]
    assert status.spent == result.spent == Spent(interactions=5, tokens=500, cost_usd=0.05)
    assert result.turns == 5
    assert events < 30


async def test_no_message_is_lost_or_answered_twice_while_it_continues_as_new(
    talking: Open, runs: FakeRuns, client: Client
) -> None:
    """Six send without a pause to a conversation that would continue as new after every message."""
    async with talking(REQUEST.model_copy(update={"messages_per_execution": 1})) as talk:

        async def chatter(name: int) -> list[Turn]:
            return [await insist(client, talk, f"{name}.{number}") for number in range(5)]

        turns = [turn for some in await asyncio.gather(*map(chatter, range(6))) for turn in some]
        executions = len(await started_with(talk))
    assert sorted(turn.number for turn in turns) == list(range(1, 31))
    assert all(turn.error is None for turn in turns)
    assert sorted(request.input for request in runs.requests) == sorted(turn.question for turn in turns)
    assert len(runs.requests) == 30
    assert executions > 1


async def test_waiting_messages_are_carried_along(talking: Open, runs: FakeRuns, client: Client) -> None:
    """Where no moment comes in which nothing waits, they wait on in the next execution."""
    async with talking(REQUEST.model_copy(update={"messages_per_execution": 1})) as talk:
        moved: list[str] = []

        async def say(text: str) -> None:
            try:
                await talk.say(text)
            except WorkflowUpdateFailedError as error:
                if refusal(error).type != UpdateErrorType.MOVED:
                    raise
                moved.append(text)

        # Always some that wait, until one is told to come again.
        sending: set[asyncio.Task[None]] = set()
        number = 0
        while not moved:
            while len(sending) < 6:
                number += 1
                sending.add(asyncio.create_task(say(f"message {number}")))
            done, sending = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        await asyncio.gather(*sending)
        carried = [
            message.text
            for request in await started_with(talk)
            for message in (request.state.waiting if request.state else ())
        ]

        async def answered_without_being_sent_again() -> None:
            assert set(carried) <= {request.input for request in runs.requests}

        await assert_eventually(answered_without_being_sent_again)
        turns = [await insist(client, talk, text) for text in moved]
    assert carried
    assert set(carried) <= set(moved)
    asked = [request.input for request in runs.requests]
    assert sorted(asked) == sorted(f"message {n}" for n in range(1, number + 1))
    assert [asked[turn.number - 1] for turn in turns] == moved


async def test_a_conversation_that_is_closed_ends_in_whichever_execution_answers_the_last(
    talking: Open, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it takes no more is carried along with what waits."""
    monkeypatch.setattr(inputs, "was_continued", lambda: True)
    texts = [f"message {number}" for number in range(23)]
    now = datetime.now(UTC)
    waiting = tuple(SendMessage(message_id=text, text=text) for text in texts)
    state = ConversationState(started_at=now, active_at=now, waiting=waiting)
    async with talking(REQUEST.model_copy(update={"messages_per_execution": 1, "state": state})) as talk:
        await talk.handle.signal(ConversationWorkflow.close)
        result = await talk.handle.result()
        assert len(await started_with(talk)) == 2
    assert (result.ending, result.turns) == (Ending.ASKED, 23)
    assert [request.input for request in runs.requests] == texts


async def test_a_history_that_grows_long_is_left_behind(runs: FakeRuns) -> None:
    """The workflow continues as new where Temporal suggests it, too."""
    with running_dev_server(dynamic_config={"limit.historyCount.suggestContinueAsNew": "40"}) as server:
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        async with worker_of_runs(client, runs, ConversationWorkflow, task_queue="test"):
            talk = Talk(
                await client.start_workflow(
                    CONVERSATION, REQUEST, id="chat", task_queue="test", result_type=ConversationResult
                )
            )
            turns = [await talk.say(f"message {number}") for number in range(6)]
            assert len(await started_with(talk)) > 1
    assert [turn.number for turn in turns] == [1, 2, 3, 4, 5, 6]


async def started_with(talk: Talk) -> list[ConversationRequest]:
    """Return what each execution of the conversation's workflow was started with, the latest first."""
    client, run_id = talk.handle._client, None
    requests: list[ConversationRequest] = []
    while run_id != "":
        execution = client.get_workflow_handle(talk.conversation_id, run_id=run_id)
        started = (await execution.fetch_history()).events[0].workflow_execution_started_event_attributes
        requests += await client.data_converter.decode(started.input.payloads, [ConversationRequest])
        run_id = started.continued_execution_run_id
    return requests


async def test_a_conversation_can_follow_up_on_a_run(talking: Open, runs: FakeRuns) -> None:
    """The first turn follows the run's interaction; where the run's answer is stored goes with every turn."""
    origin = Origin(
        run_id="research-tea", interaction_id="v1_research", question="Why?", text_uri="file:///tea/report.md"
    )
    async with talking(REQUEST.model_copy(update={"origin": origin})) as talk:
        await talk.say("one")
        await talk.say("two")
    assert [request.previous_interaction_id for request in runs.requests] == ["v1_research", "v1_1"]
    for request in runs.requests:
        assert request.transcript is not None
        assert request.transcript.origin_uri == "file:///tea/report.md"
        assert request.transcript.origin_question == "Why?"


async def test_a_run_whose_interaction_is_gone_is_told(talking: Open, runs: FakeRuns) -> None:
    """A report can be followed up on as long as it is stored."""
    origin = Origin(run_id="research-tea", text_uri="file:///tea/report.md")
    async with talking(REQUEST.model_copy(update={"origin": origin})) as talk:
        turn = await talk.say("one")
    [request] = runs.requests
    assert request.transcript is not None
    assert (request.previous_interaction_id, request.transcript.is_retold) == (None, True)
    assert turn.is_retold


@pytest.mark.parametrize(
    "sent",
    [
        None,
        {},
        [],
        {"model": "m", "agent": "a"},
        {"model": "m", "idle_timeout_s": 0},
        {"model": "m", "idle_timeout": 60},
        {"model": "m", "system_instruction": "x" * (limits.MAX_SYSTEM_INSTRUCTION_BYTES + 1)},
        {"model": "m", "generation": {"stop_sequences": ["x" * limits.MAX_CONVERSATION_BYTES]}},
        {"agent": "deep-research-preview-04-2026", "tools": [{"type": "function", "name": "f"}]},
        {"model": "m", "origin": {"run_id": "r"}},
        {"model": "m", "state": {"started_at": "2026-01-01T00:00Z", "active_at": "2026-01-01T00:00Z"}},
    ],
)
async def test_an_input_that_is_no_conversation_is_refused_at_once(talking: Open, sent: object) -> None:
    """It ends with a reason, and is never stuck decoding its input."""
    async with talking(sent) as talk:
        with pytest.raises(WorkflowFailureError) as caught:
            await talk.handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == WorkflowErrorType.INVALID_REQUEST
    assert cause.message.startswith("not a conversation:")
    assert "\n" not in cause.message


async def test_an_id_that_leaves_no_room_for_its_runs_is_refused(talking: Open) -> None:
    """A run that cannot be started would leave the conversation stuck after the first message."""
    async with talking(conversation_id=f"{uuid.uuid4()}" + "x" * limits.MAX_ID_CHARS) as talk:
        with pytest.raises(WorkflowFailureError) as caught:
            await talk.handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert "workflow id is longer" in caught.value.cause.message


async def test_a_turn_costs_at_most_fifteen_events(talking: Open) -> None:
    """So a conversation of hundreds of turns fits one execution."""
    async with talking() as talk:
        await talk.say("one")
        before = await talk.events()
        for number in range(4):
            await talk.say(f"message {number}")
        per_turn = (await talk.events() - before) / 4
    assert per_turn <= 15


async def test_search_attributes_tell_of_a_conversation_and_its_turns(talking: Open, client: Client) -> None:
    """Lists and filters work without asking a worker."""
    async with talking() as talk:
        turn = await talk.say("one")
        assert turn.run_id is not None
        description = await talk.handle.describe()
        run = await client.get_workflow_handle(turn.run_id).describe()
    attributes = description.search_attributes
    assert {name: value for name, value in attributes.items() if name in SEARCH_ATTRIBUTES} == {
        "RunPhase": ["open"],
        "RunAgent": ["gemini-3.8-flash"],
        "RunInteractionId": ["v1_1"],
        "RunTenant": ["t"],
        "RunLabels": ["tea"],
        "RunTokens": [100],
        "RunCostUsd": [0.01],
    }
    assert run.search_attributes["RunTenant"] == ["t"]
    assert run.search_attributes["RunLabels"] == ["tea"]
    assert await run.static_summary() == "one"
    assert await run.memo_value("question") == "one"


async def test_status_and_details_say_what_goes_on(talking: Open, runs: FakeRuns) -> None:
    """A person, and a chat that comes back, sees what is being answered, what waits and what was said."""
    async with talking() as talk:
        await talk.say("one\nand more")
        runs.gate = asyncio.Event()
        sent = [await talk.begin_to_say("two"), await talk.begin_to_say("three")]
        run_id = [await runs.started.get(), await runs.started.get()][1]
        busy = await talk.handle.query(ConversationWorkflow.status)
        details = (await talk.handle.query("__temporal_workflow_metadata")).current_details
        runs.gate.set()
        for update in sent:
            await update.result()
        idle = await talk.handle.query(ConversationWorkflow.status)
    assert busy.phase is ConversationPhase.BUSY
    assert [(message.question, message.run_id) for message in busy.pending] == [
        ("two", run_id),
        ("three", None),
    ]
    assert [(turn.question, turn.text) for turn in busy.recent] == [("one", "answer to one\nand more")]
    for shown in ("### Busy", "**1. one**", "**Being answered:** two", "**Turns:** 2"):
        assert shown in details
    assert (idle.phase, idle.pending, idle.turns) == (ConversationPhase.OPEN, (), 3)
    assert idle.last_interaction_id == "v1_3"


async def test_a_turn_that_was_run_before_is_not_paid_for_again(
    talking: Open, runs: FakeRuns, client: Client
) -> None:
    """A run that is there under a turn's id, and asked for something else, is not the turn's."""
    async with talking() as talk:
        run_id = f"{talk.conversation_id}-turn-1"
        earlier: WorkflowHandle[Any, AgentRunResult] = await client.start_workflow(
            "AgentRun",
            answered_request(),
            id=run_id,
            task_queue=(await talk.handle.describe()).task_queue,
            result_type=AgentRunResult,
        )
        await earlier.result()
        turn = await talk.say("one")
    assert turn.error is not None
    assert "it is not paid for twice" in turn.error.message
    assert len(runs.requests) == 1


def answered_request() -> object:
    """Return a run's request as JSON."""
    return {"model": "gemini-3.8-flash", "input": "one"}


async def test_waiting_for_an_answer_needs_no_open_connection(talking: Open, runs: FakeRuns) -> None:
    """Whoever went away asks with the same update id, and has the answer."""
    runs.gate = asyncio.Event()
    async with talking() as talk:
        message = SendMessage(message_id="m", text="hello")
        await talk.handle.start_update(
            ConversationWorkflow.send, message, id="m", wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        runs.gate.set()
        turn = await talk.handle.execute_update(ConversationWorkflow.send, message, id="m")
    assert turn.text == "answer to hello"
    assert len(runs.requests) == 1
