"""The laws of the `Chain` workflow, on a real server and a real store, over runs that a test directs."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, CancelledError

from activities.text_activities import TextActivities
from activities.tool_activities import ToolActivities
from artifacts.store import ArtifactStore
from chains.messages import (
    CHAIN,
    ChainPhase,
    ChainRequest,
    ChainResult,
    ChainStatus,
    DecideStep,
    StepPhase,
    StepView,
)
from chains.spec import ChainSpec
from interactions.redaction import Redactor
from runs.budget import Spent
from runs.errors import RunErrorCode, UpdateErrorType, WorkflowErrorType
from runs.limits import MAX_EXCERPT_BYTES
from runs.messages import RESULT_MEMO, AgentRunRequest, AgentRunResult, Counts
from runs.search_attributes import SEARCH_ATTRIBUTES
from runs.text import excerpt_utf8
from tests.dev_server import running_dev_server
from tests.e2e.stack import assert_eventually
from tests.tool_threads import tool_threads
from tests.workflow.fake_runs import SPENT, FakeRuns, answered, failed, worker_of_runs
from tools import ToolError, tool
from tools.declaring import tool_of
from tools.registry import ToolRegistry
from workflows import search_attributes
from workflows.chain import ChainWorkflow

Handle = WorkflowHandle[ChainWorkflow, ChainResult]

_LONG = "Tannins. " * 1_000
"""More than a chain keeps of a text."""


@tool
def weather(city: str) -> dict[str, object]:
    """Say how the weather is.

    Args:
        city: Where.
    """
    if city == "Atlantis":
        raise ToolError("no such city")
    return {"city": city, "degrees": 4}


def chain(steps: Mapping[str, object], **options: object) -> ChainSpec:
    """A chain of ``steps``, as its file would say it."""
    return ChainSpec.model_validate({"name": "test", "steps": steps, **options}, extra="forbid")


@dataclass
class Kitchen:
    """A worker's world: the runs that a chain starts, and the store.

    Attributes:
        runs: How the runs end, and which there were.
        store: Of artifacts.
        functions: The function tools that there are.
    """

    runs: FakeRuns = field(default_factory=FakeRuns)
    store: ArtifactStore = field(default_factory=lambda: ArtifactStore.open("memory://"))
    functions: tuple[Callable[..., object], ...] = (weather,)

    @property
    def prompts(self) -> list[str]:
        """What was asked, in order."""
        return [request.input for request in self.runs.requests]

    def request_of(self, prompt: str) -> AgentRunRequest:
        """The one run that was asked this."""
        [request] = [request for request in self.runs.requests if request.input == prompt]
        return request

    async def stored(self, uri: str | None) -> str:
        """The text at ``uri``."""
        assert uri is not None
        return (await self.store.get(uri)).decode()

    def worker(
        self, client: Client, *, task_queue: str, max_cached_workflows: int = 100
    ) -> AbstractAsyncContextManager[None]:
        """Serve ``task_queue``."""
        declared = [found for function in self.functions if (found := tool_of(function)) is not None]
        tools = ToolActivities(
            ToolRegistry(declared), self.store, threads=tool_threads(), redactor=Redactor()
        )
        return worker_of_runs(
            client,
            self.runs,
            ChainWorkflow,
            task_queue=task_queue,
            max_cached_workflows=max_cached_workflows,
            activities=[*tools.all(), *TextActivities(self.store, tools).all()],
        )


@pytest.fixture
def kitchen() -> Kitchen:
    """Runs that go well, until a test says otherwise."""
    return Kitchen()


@asynccontextmanager
async def started(
    client: Client,
    kitchen: Kitchen,
    request: ChainRequest | ChainSpec | dict[str, Any],
    *,
    max_cached_workflows: int = 100,
) -> AsyncIterator[Handle]:
    """Start a chain, with a worker of its own."""
    if isinstance(request, ChainSpec):
        request = ChainRequest(spec=request)
    task_queue = f"test-{uuid.uuid4()}"
    async with kitchen.worker(client, task_queue=task_queue, max_cached_workflows=max_cached_workflows):
        handle: Handle = await client.start_workflow(
            CHAIN, request, id=f"chain-{uuid.uuid4()}", task_queue=task_queue, result_type=ChainResult
        )
        yield handle


async def carried_out(client: Client, kitchen: Kitchen, request: ChainRequest | ChainSpec) -> ChainResult:
    """Carry out a chain that comes to its end."""
    async with started(client, kitchen, request) as handle:
        return await handle.result()


async def failure_of(handle: Handle) -> ChainResult:
    """What a chain that fails leaves behind."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError), cause
    assert cause.type == WorkflowErrorType.CHAIN_FAILED
    assert cause.non_retryable
    return ChainResult.model_validate(cause.details[0])


async def status_when(handle: Handle, holds: Callable[[ChainStatus], bool]) -> ChainStatus:
    """Wait for a status."""

    async def check() -> ChainStatus:
        status = await handle.query(ChainWorkflow.status)
        assert holds(status), status
        return status

    return await assert_eventually(check)


def step_of(chain: ChainStatus | ChainResult, name: str) -> StepView:
    """One step."""
    [step] = [step for step in chain.steps if step.name == name]
    return step


def phases_of(chain: ChainStatus | ChainResult) -> dict[str, str]:
    """Where each step stands."""
    return {step.name: step.phase.value for step in chain.steps}


async def executions_of(client: Client, handle: Handle) -> list[str]:
    """The executions of one chain, the first one first."""
    run_ids = [execution.run_id async for execution in client.list_workflows(f"WorkflowId = '{handle.id}'")]
    return run_ids[::-1]


# What starts when


async def test_a_step_is_asked_with_what_the_one_before_it_said(client: Client, kitchen: Kitchen) -> None:
    """A template is filled in with the text of a child run, whose id says which step of which chain it is."""
    spec = chain({"b": {"ask": "More on: {{ steps.a.text }}"}, "a": {"ask": "Why?"}}, output="b")
    async with started(client, kitchen, spec) as handle:
        result = await handle.result()
    assert kitchen.prompts == ["Why?", "More on: answer to Why?"]
    assert kitchen.runs.run_ids == [f"{handle.id}.a", f"{handle.id}.b"]
    assert (result.phase, result.output) == (ChainPhase.COMPLETED, "answer to More on: answer to Why?")
    assert [step.run_id for step in result.steps] == [f"{handle.id}.b", f"{handle.id}.a"]
    assert result.spent == SPENT.plus(SPENT)


async def test_a_long_text_goes_from_store_to_prompt_past_history(client: Client, kitchen: Kitchen) -> None:
    """What is too long for history is asked for by its address, and the result is the address, too."""
    kitchen.runs.endings = [long_answer()]
    spec = chain({"a": {"ask": "1"}, "b": {"ask": "{{ steps.a.text }}"}}, output="a")
    result = await carried_out(client, kitchen, spec)
    [quote] = kitchen.runs.requests[1].quotes
    assert quote.uri == result.output_uri == "file:///answers/1.md"
    assert kitchen.prompts[1] == quote.placeholder


async def test_steps_that_do_not_need_each_other_run_at_the_same_time(
    client: Client, kitchen: Kitchen
) -> None:
    """All of them have started before one has ended; the step after them waits for all."""
    kitchen.runs.gate = asyncio.Event()
    spec = chain({"a": {"ask": "1"}, "b": {"ask": "2"}, "c": {"ask": "3", "after": ["a", "b"]}})
    async with started(client, kitchen, spec) as handle:
        assert {await kitchen.runs.started.get() for _ in range(2)} == {f"{handle.id}.a", f"{handle.id}.b"}
        status = await handle.query(ChainWorkflow.status)
        assert phases_of(status) == {"a": "running", "b": "running", "c": "waiting"}
        kitchen.runs.gate.set()
        assert (await handle.result()).phase is ChainPhase.COMPLETED
    assert kitchen.prompts[2] == "3"


async def test_no_more_runs_at_once_than_the_chain_allows(client: Client, kitchen: Kitchen) -> None:
    """With ``max_parallel: 1`` the second waits for the end of the first."""
    kitchen.runs.gate = asyncio.Event()
    spec = chain({"a": {"ask": "1"}, "b": {"ask": "2"}}, max_parallel=1)
    async with started(client, kitchen, spec) as handle:
        await kitchen.runs.started.get()
        assert phases_of(await handle.query(ChainWorkflow.status)) == {"a": "running", "b": "waiting"}
        kitchen.runs.gate.set()
        await handle.result()
    assert kitchen.prompts == ["1", "2"]


async def test_what_may_be_tried_again_waits_for_a_free_place(client: Client, kitchen: Kitchen) -> None:
    """A retry that is due while all places are taken begins when one is free, and nothing spins meanwhile."""
    kitchen.runs.endings = [failed(RunErrorCode.INTERACTION_FAILED)]
    gate = kitchen.runs.gates["2"] = asyncio.Event()
    steps = {"a": {"ask": "1", "retry": {"attempts": 2, "wait_s": 0.1}}, "b": {"ask": "2"}}
    async with started(client, kitchen, chain(steps, max_parallel=1)) as handle:

        async def the_retry_is_due() -> None:
            history = await handle.fetch_history()
            assert EventType.EVENT_TYPE_TIMER_FIRED in {event.event_type for event in history.events}

        await assert_eventually(the_retry_is_due)
        assert phases_of(await handle.query(ChainWorkflow.status)) == {"a": "retrying", "b": "running"}
        gate.set()
        await handle.result()
        timers = [
            event
            for event in (await handle.fetch_history()).events
            if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
        ]
    assert kitchen.prompts == ["1", "2", "1"]
    assert len(timers) == 1


async def test_each_item_of_a_list_has_a_run(client: Client, kitchen: Kitchen) -> None:
    """A list from another step's JSON becomes children with numbers, whose texts are one text."""
    kitchen.runs.endings = [data_answer({"topics": ["tea", "coffee"]})]
    steps = {
        "plan": {"ask": {"prompt": "Which?", "schema": {"type": "object", "properties": {"topics": {}}}}},
        "each": {"for_each": {"items": "{{ steps.plan.data.topics }}", "do": {"research": "On {{ item }}"}}},
        "all": {"join": "{{ steps.each.texts }}"},
    }
    async with started(client, kitchen, chain(steps)) as handle:
        result = await handle.result()
    assert sorted(kitchen.runs.run_ids[1:]) == [f"{handle.id}.each.0", f"{handle.id}.each.1"]
    assert kitchen.request_of("On tea").agent is not None
    assert result.output == "answer to On tea\n\nanswer to On coffee"
    assert [item.phase for item in step_of(result, "each").items] == [StepPhase.COMPLETED] * 2


async def test_a_step_continues_the_interaction_of_another(client: Client, kitchen: Kitchen) -> None:
    """The child's request names the interaction that the step before it ended with."""
    spec = chain({"a": {"ask": "1"}, "b": {"ask": "2", "continues": "a"}})
    await carried_out(client, kitchen, spec)
    assert [request.previous_interaction_id for request in kitchen.runs.requests] == [None, "v1_1"]


async def test_labels_and_tenant_are_those_of_the_runs(client: Client, kitchen: Kitchen) -> None:
    """A chain and its children are found by the same words."""
    request = ChainRequest(spec=chain({"a": {"ask": "1"}}), labels=("tea",), tenant="t")
    async with started(client, kitchen, request) as handle:
        await handle.result()
        attributes = (await handle.describe()).typed_search_attributes
        child = await client.get_workflow_handle(f"{handle.id}.a").describe()
    for shown in (attributes, child.typed_search_attributes):
        assert shown.get(search_attributes.LABELS) == ["tea"]
        assert shown.get(search_attributes.TENANT) == "t"
    assert attributes.get(search_attributes.PHASE) == "completed"
    assert attributes.get(search_attributes.TOKENS) == SPENT.tokens
    assert attributes.get(search_attributes.COST_USD) == pytest.approx(SPENT.cost_usd)


# Texts and functions


async def test_texts_are_joined_in_the_store(client: Client, kitchen: Kitchen) -> None:
    """A join of long texts is one file, and so is an output that is a template; each is as it was put."""
    ref = await kitchen.store.put("answers/1.md", _LONG.encode(), "text/markdown")
    kitchen.runs.endings = [long_answer(uri=ref.uri)]
    steps = {"a": {"ask": "1"}, "output": {"join": ["# Tea", "{{ steps.a.text }}"]}}
    result = await carried_out(client, kitchen, chain(steps, output="<{{ steps.output.text }}>"))
    joined = f"# Tea\n\n{_LONG}"
    assert await kitchen.stored(result.output_uri) == f"<{joined}>"
    assert result.output == excerpt_utf8(f"<{joined}>", max_bytes=MAX_EXCERPT_BYTES)
    assert await kitchen.stored(step_of_uri(result, "output")) == joined


async def test_an_output_that_cannot_be_stored_fails_the_chain(client: Client, kitchen: Kitchen) -> None:
    """Everything was done, and the result is still lost: that is said, with all that the steps left."""
    kitchen.runs.endings = [long_answer(uri="file:///not/there.md")]
    async with started(client, kitchen, chain({"a": {"ask": "1"}}, output="<{{ steps.a.text }}>")) as handle:
        result = await failure_of(handle)
    assert result.failure is not None
    assert (result.failure.step, result.failure.error.code) == ("output", RunErrorCode.ARTIFACT_STORE)
    assert phases_of(result) == {"a": "completed"}


async def test_a_function_is_called_and_its_value_is_data(client: Client, kitchen: Kitchen) -> None:
    """Arguments are templates; what the function returns can be referred to by its keys."""
    steps = {
        "now": {"tool": {"name": "weather", "arguments": {"city": "{{ inputs.city }}"}}},
        "a": {"ask": "It has {{ steps.now.data.degrees }} degrees."},
    }
    request = ChainRequest(spec=chain(steps, inputs={"city": {}}), inputs={"city": "Oslo"})
    await carried_out(client, kitchen, request)
    assert kitchen.prompts == ["It has 4 degrees."]


async def test_a_function_that_says_no_fails_its_step(client: Client, kitchen: Kitchen) -> None:
    """The error is the function's own."""
    spec = chain({"now": {"tool": {"name": "weather", "arguments": {"city": "Atlantis"}}}})
    async with started(client, kitchen, spec) as handle:
        result = await failure_of(handle)
    error = step_of(result, "now").error
    assert error is not None
    assert (error.code, error.message) == ("tool", "no such city")


async def test_a_function_that_is_not_there_is_found_before_anything_is_paid_for(
    client: Client, kitchen: Kitchen
) -> None:
    """Also one that the last of many steps calls."""
    spec = chain({"a": {"ask": "1"}, "b": {"tool": "wether", "after": "a"}})
    async with started(client, kitchen, spec) as handle:
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == WorkflowErrorType.INVALID_REQUEST
    assert "no function tool wether; they have: weather" in caught.value.cause.message
    assert kitchen.prompts == []


@pytest.mark.parametrize(
    "request_",
    [
        {"budget": {"max_tokens": 1}},
        {"spec": {"max_paralel": 1}},
        {"spec": {"steps": {"b": {"ask": "2", "retries": 3}}}},
    ],
)
async def test_a_field_that_a_chain_does_not_have_is_refused(
    client: Client, kitchen: Kitchen, request_: dict[str, Any]
) -> None:
    """Wherever in it, before anything is paid for."""
    spec = {"name": "n", "steps": {"a": {"ask": "1"}}, **request_.pop("spec", {})}
    async with started(client, kitchen, {"spec": spec, **request_}) as handle:
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == WorkflowErrorType.INVALID_REQUEST
    assert caught.value.cause.message.startswith("not a chain: ")
    assert "not a field of " in caught.value.cause.message
    assert kitchen.prompts == []


async def test_a_decision_with_a_field_that_nobody_reads_is_refused(client: Client, kitchen: Kitchen) -> None:
    """The reason would be missing for what follows."""
    async with started(client, kitchen, chain({"ok": {"approve": "?"}})) as handle:
        await awaiting(handle)
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await handle.execute_update("decide_step", {"step": "ok", "is_approved": True, "notes": "well"})
        assert isinstance(caught.value.cause, ApplicationError)
        assert "did you mean note?" in caught.value.cause.message
        await handle.execute_update("decide_step", {"step": "ok", "is_approved": True})
        await handle.result()


# Failures


async def test_a_failed_step_is_tried_again_after_a_durable_wait(client: Client, kitchen: Kitchen) -> None:
    """The second try is a run of its own; between the two there is a timer of the server."""
    kitchen.runs.endings = [failed(RunErrorCode.INTERACTION_FAILED, spent=SPENT)]
    spec = chain({"a": {"ask": "1", "retry": {"attempts": 2, "wait_s": 0.2}}})
    async with started(client, kitchen, spec) as handle:
        result = await handle.result()
        history = await handle.fetch_history()
    assert kitchen.runs.run_ids == [f"{handle.id}.a", f"{handle.id}.a.try2"]
    step = step_of(result, "a")
    assert (step.phase, step.attempts, step.spent) == (StepPhase.COMPLETED, 2, SPENT.plus(SPENT))
    [timer] = [
        event.timer_started_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]
    assert timer.start_to_fire_timeout.ToTimedelta() <= timedelta(seconds=0.2)


async def test_a_step_whose_run_there_has_been_is_not_tried_again(client: Client, kitchen: Kitchen) -> None:
    """One that asked for something else is not the step's, and another try would pay under another id."""
    chain_id, task_queue = f"chain-{uuid.uuid4()}", f"test-{uuid.uuid4()}"
    spec = chain({"a": {"ask": "1", "retry": {"attempts": 3, "wait_s": 0}}})
    async with kitchen.worker(client, task_queue=task_queue):
        asked = {"model": "gemini-3.8-flash", "input": "something else"}
        await client.execute_workflow("AgentRun", asked, id=f"{chain_id}.a", task_queue=task_queue)
        handle: Handle = await client.start_workflow(
            CHAIN, ChainRequest(spec=spec), id=chain_id, task_queue=task_queue, result_type=ChainResult
        )
        result = await failure_of(handle)
    assert kitchen.prompts == ["something else"]
    assert result.failure is not None
    assert "it is not paid for twice" in result.failure.error.message


async def test_what_cannot_get_better_is_not_tried_again(client: Client, kitchen: Kitchen) -> None:
    """A request that the API rejects would only be rejected again."""
    kitchen.runs.endings = [failed(RunErrorCode.REJECTED)]
    spec = chain({"a": {"ask": "1", "retry": {"attempts": 3, "wait_s": 0}}})
    async with started(client, kitchen, spec) as handle:
        result = await failure_of(handle)
    assert kitchen.prompts == ["1"]
    assert result.failure is not None
    assert (result.failure.step, result.failure.error.message) == ("a", "as the API said")


@pytest.mark.parametrize(
    ("on_error", "phase", "phases"),
    [
        ("fail", ChainPhase.FAILED, {"a": "failed", "b": "skipped", "c": "completed"}),
        ("continue", ChainPhase.INCOMPLETE, {"a": "failed", "b": "completed", "c": "completed"}),
        ("skip_dependents", ChainPhase.INCOMPLETE, {"a": "failed", "b": "skipped", "c": "completed"}),
    ],
)
async def test_a_failure_is_heeded_as_its_step_says(
    client: Client, kitchen: Kitchen, on_error: str, phase: ChainPhase, phases: dict[str, str]
) -> None:
    """What runs beside it is let finish in any case; only ``fail`` fails the workflow."""
    kitchen.runs.endings_of = {"1": failed(RunErrorCode.REJECTED)}
    steps = {
        "a": {"ask": "1", "on_error": on_error},
        "b": {"ask": "after <{{ steps.a.text }}>"},
        "c": {"ask": "3"},
    }
    async with started(client, kitchen, chain(steps)) as handle:
        result = await (failure_of(handle) if phase is ChainPhase.FAILED else handle.result())
    assert (result.phase, phases_of(result)) == (phase, phases)
    assert ("after <>" in kitchen.prompts) == (phases["b"] == "completed")


async def test_a_run_that_was_ended_from_outside_fails_its_step(client: Client, kitchen: Kitchen) -> None:
    """Nobody tells what it used, so it counts as having used something unknown."""
    kitchen.runs.gate = asyncio.Event()
    async with started(client, kitchen, chain({"a": {"ask": "1"}})) as handle:
        await client.get_workflow_handle(await kitchen.runs.started.get()).terminate()
        result = await failure_of(handle)
        kitchen.runs.gate.set()
    assert step_of(result, "a").phase is StepPhase.CANCELLED
    assert result.spent == Spent(interactions=1, unknown_tokens=1, unknown_costs=1)


async def test_a_used_up_budget_ends_the_chain(client: Client, kitchen: Kitchen) -> None:
    """What has run is kept; what could not be paid for is not begun."""
    spec = chain(
        {"a": {"ask": "1"}, "b": {"ask": "2", "after": "a"}, "c": {"ask": "3", "after": "b"}},
        budget={"max_interactions": 2},
    )
    async with started(client, kitchen, spec) as handle:
        result = await failure_of(handle)
    assert kitchen.prompts == ["1", "2"]
    assert phases_of(result) == {"a": "completed", "b": "completed", "c": "skipped"}
    assert result.failure is not None
    assert result.failure.error.code == "budget"
    # Each child may use what is left, and no more.
    bounds = [request.budget.max_interactions for request in kitchen.runs.requests if request.budget]
    assert bounds == [2, 1]


# People


APPROVED = chain({"a": {"ask": "1"}, "ok": {"approve": "Go on with {{ steps.a.text }}?"},
                  "b": {"ask": "noted: {{ steps.ok.text }}"}})  # fmt: skip


async def awaiting(handle: Handle) -> ChainStatus:
    """Wait until a person is needed."""
    return await status_when(handle, lambda status: status.phase is ChainPhase.AWAITING_APPROVAL)


async def test_a_yes_lets_the_chain_go_on(client: Client, kitchen: Kitchen) -> None:
    """The person is shown the message; what they say goes into what follows; nothing runs meanwhile."""
    async with started(client, kitchen, APPROVED) as handle:
        status = await awaiting(handle)
        assert step_of(status, "ok").message == "Go on with answer to 1?"
        shown = (await handle.describe()).typed_search_attributes
        assert shown.get(search_attributes.PHASE) == "awaiting_approval"
        decided = await handle.execute_update(
            ChainWorkflow.decide_step, DecideStep(step="ok", is_approved=True, note="shorter")
        )
        assert step_of(decided, "ok").phase is StepPhase.COMPLETED
        result = await handle.result()
    assert kitchen.prompts == ["1", "noted: shorter"]
    assert step_of(result, "ok").why == "shorter"


async def test_a_no_rejects_the_chain(client: Client, kitchen: Kitchen) -> None:
    """It has failed as a workflow, with the person's words as the reason."""
    async with started(client, kitchen, APPROVED) as handle:
        await awaiting(handle)
        await handle.execute_update(
            ChainWorkflow.decide_step, DecideStep(step="ok", is_approved=False, note="too dear")
        )
        result = await failure_of(handle)
    assert (result.phase, kitchen.prompts) == (ChainPhase.REJECTED, ["1"])
    assert result.failure is not None
    assert (result.failure.is_rejection, result.failure.error.message) == (True, "too dear")


@pytest.mark.parametrize(
    ("on_expiry", "phase", "prompts"),
    [("reject", ChainPhase.REJECTED, ["1"]), ("approve", ChainPhase.COMPLETED, ["1", "2"])],
)
async def test_nobody_in_time_is_an_answer_too(
    client: Client, kitchen: Kitchen, on_expiry: str, phase: ChainPhase, prompts: list[str]
) -> None:
    """After ``expires`` a timer of the server decides, as the step says."""
    steps = {
        "a": {"ask": "1"},
        "ok": {"approve": {"message": "Well?", "expires": "1s", "on_expiry": on_expiry}, "after": "a"},
        "b": {"ask": "2", "after": "ok"},
    }
    async with started(client, kitchen, chain(steps)) as handle:
        result = await (failure_of(handle) if phase is ChainPhase.REJECTED else handle.result())
    assert (result.phase, kitchen.prompts) == (phase, prompts)
    assert step_of(result, "ok").why == "nobody decided in 1s"


async def test_who_needs_a_person_is_listed_also_while_others_run(client: Client, kitchen: Kitchen) -> None:
    """The search attribute says so, though the chain as a whole is running."""
    kitchen.runs.gate = asyncio.Event()
    async with started(client, kitchen, chain({"ok": {"approve": "Well?"}, "a": {"ask": "1"}})) as handle:
        await kitchen.runs.started.get()
        assert (await handle.query(ChainWorkflow.status)).phase is ChainPhase.RUNNING
        shown = (await handle.describe()).typed_search_attributes
        assert shown.get(search_attributes.PHASE) == "awaiting_approval"
        kitchen.runs.gate.set()


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("a", "nobody has to approve"),
        ("o", "there is no step 'o'; did you mean 'ok'?"),
        ("ok", "no decision"),
    ],
)
async def test_a_decision_that_nothing_waits_for_is_refused(
    client: Client, kitchen: Kitchen, step: str, reason: str
) -> None:
    """Whoever decides learns why, and nothing is written to history."""
    kitchen.runs.gate = asyncio.Event()
    async with started(client, kitchen, APPROVED) as handle:
        await kitchen.runs.started.get()
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await handle.execute_update(ChainWorkflow.decide_step, DecideStep(step=step, is_approved=True))
        history = await handle.fetch_history()
        kitchen.runs.gate.set()
        await awaiting(handle)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == UpdateErrorType.NOT_POSSIBLE
    assert reason in caught.value.cause.message
    assert not any(event.HasField("workflow_execution_update_accepted_event_attributes")
                   for event in history.events)  # fmt: skip


# Stopping


async def test_a_cancel_stops_what_runs_and_starts_nothing_more(client: Client, kitchen: Kitchen) -> None:
    """All children are cancelled; the result is in the memo, where `describe` shows it."""
    kitchen.runs.gate = asyncio.Event()
    spec = chain({"a": {"ask": "1"}, "b": {"ask": "2"}, "c": {"ask": "3", "after": "b"}})
    async with started(client, kitchen, spec) as handle:
        children = [await kitchen.runs.started.get() for _ in range(2)]
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        description = await handle.describe()
        ends = [(await client.get_workflow_handle(child).describe()).status for child in children]
        kitchen.runs.gate.set()
    assert isinstance(caught.value.cause, CancelledError)
    assert ends == [WorkflowExecutionStatus.CANCELED] * 2
    result = await description.memo_value(RESULT_MEMO, type_hint=ChainResult)
    assert result.phase is ChainPhase.CANCELLED
    assert phases_of(result) == {"a": "cancelled", "b": "cancelled", "c": "cancelled"}


async def test_a_chain_that_is_cancelled_at_once_starts_nothing(client: Client, kitchen: Kitchen) -> None:
    """Not even in the workflow task in which it learns of its cancel."""
    task_queue = f"test-{uuid.uuid4()}"
    handle: Handle = await client.start_workflow(
        CHAIN, ChainRequest(spec=chain({"a": {"ask": "1"}})), id=task_queue, task_queue=task_queue
    )
    await handle.cancel()
    async with kitchen.worker(client, task_queue=task_queue):
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert kitchen.prompts == []


async def test_a_cancel_withdraws_an_approval(client: Client, kitchen: Kitchen) -> None:
    """A chain that only waits for a person is cancelled, too."""
    async with started(client, kitchen, APPROVED) as handle:
        await awaiting(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, CancelledError)


# What is no chain


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        (None, "not a chain: sent in a form"),
        ({}, "spec: Field required; give at least a spec"),
        ({"spec": {"name": "x", "steps": {"a": {}}}}, "a step has exactly one of"),
        ({"spec": {"name": "x", "steps": {"a": {"ask": "{{ steps.b.text }}"}}}}, "there is no step 'b'"),
        ({"spec": {"name": "x", "steps": {"a": {"ask": {"prompt": "1", "attach": ["x.pdf"]}}}}}, "address"),
        ({"spec": {"name": "x", "inputs": {"t": {}}, "steps": {"a": {"ask": "1"}}}}, "'t' is missing"),
    ],
)
async def test_what_is_no_chain_fails_before_anything_is_started(
    client: Client, kitchen: Kitchen, argument: Any, reason: str
) -> None:
    """Whatever a client sends, it learns in one line what is wrong, and no workflow task is stuck."""
    task_queue = f"test-{uuid.uuid4()}"
    async with kitchen.worker(client, task_queue=task_queue):
        handle = await client.start_workflow(CHAIN, argument, id=task_queue, task_queue=task_queue)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == WorkflowErrorType.INVALID_REQUEST
    assert reason in cause.message
    assert kitchen.prompts == []


# Replay, and long histories


async def test_a_chain_is_carried_on_by_a_worker_that_remembers_nothing(
    client: Client, kitchen: Kitchen
) -> None:
    """Without a cache every workflow task replays the whole history; the chain takes the same way."""
    steps = {
        "each": {
            "for_each": {"items": ["x", "y"], "do": {"ask": "On {{ item }}"}},
            "retry": {"attempts": 2, "wait_s": 0.1},
        },
        "ok": {"approve": "Well?", "after": "each"},
        "now": {"tool": {"name": "weather", "arguments": {"city": "Oslo"}}, "after": "ok"},
        "b": {"ask": "{{ steps.each.texts }} {{ steps.now.text }}"},
    }
    kitchen.runs.endings = [failed(RunErrorCode.INTERACTION_FAILED)]
    async with started(client, kitchen, chain(steps), max_cached_workflows=0) as handle:
        await awaiting(handle)
        await handle.execute_update(ChainWorkflow.decide_step, DecideStep(step="ok", is_approved=True))
        result = await handle.result()
    assert result.phase is ChainPhase.COMPLETED
    assert step_of(result, "each").attempts == 1
    assert sorted(item.attempts for item in step_of(result, "each").items) == [1, 2]


@pytest.fixture(scope="module")
def short_history() -> Iterator[str]:
    """A server that wants workflows continued as new after a few events."""
    with running_dev_server(
        search_attributes=SEARCH_ATTRIBUTES, dynamic_config={"limit.historyCount.suggestContinueAsNew": "40"}
    ) as server:
        yield server.address


async def test_a_long_chain_is_continued_as_new_and_forgets_nothing(
    short_history: str, kitchen: Kitchen
) -> None:
    """Texts, interactions, tries and what was spent are there in the last execution as in the first."""
    client = await Client.connect(short_history, data_converter=pydantic_data_converter)
    kitchen.runs.endings = [None, failed(RunErrorCode.INTERACTION_FAILED, spent=SPENT)]
    steps: dict[str, object] = {
        "first": {"ask": "Why?"},
        "second": {"ask": "2", "after": "first", "retry": {"attempts": 2, "wait_s": 0.1}},
        "each": {
            "for_each": {"items": list("abcdefghij"), "do": {"ask": "On {{ item }}"}},
            "after": "second",
        },
        "now": {"tool": {"name": "weather", "arguments": {"city": "Oslo"}}, "after": "each"},
        "last": {"ask": "{{ steps.first.text }} {{ steps.now.data.degrees }}", "continues": "first"},
    }
    async with started(client, kitchen, chain(steps, max_parallel=2)) as handle:
        result = await handle.result()
        executions = await executions_of(client, handle)
    assert len(executions) > 2
    assert result.phase is ChainPhase.COMPLETED
    assert kitchen.prompts[-1] == "answer to Why? 4"
    assert kitchen.runs.requests[-1].previous_interaction_id == "v1_1"
    assert len(kitchen.runs.run_ids) == len(set(kitchen.runs.run_ids)) == 14
    assert (step_of(result, "second").attempts, result.spent.interactions) == (2, 14)


async def test_a_decision_is_not_lost_while_the_chain_moves(short_history: str, kitchen: Kitchen) -> None:
    """It is taken while what runs is waited for, starts nothing yet, and is heeded by the next execution."""
    client = await Client.connect(short_history, data_converter=pydantic_data_converter)
    steps = {
        "ok": {"approve": "Well?"},
        "each": {"for_each": {"items": list("abcdef"), "do": {"ask": "On {{ item }}"}, "max_parallel": 1}},
        "then": {"ask": "noted: {{ steps.ok.text }}"},
    }
    kitchen.runs.gate = asyncio.Event()
    async with started(client, kitchen, chain(steps)) as handle:
        await until_moving(handle, kitchen)
        decision = DecideStep(step="ok", is_approved=True, note="do")
        await handle.execute_update(ChainWorkflow.decide_step, decision)
        phases = phases_of(await handle.query(ChainWorkflow.status))
        assert phases == {"ok": "completed", "each": "running", "then": "waiting"}
        assert len(await executions_of(client, handle)) == 1
        open_gate(kitchen)
        result = await handle.result()
        assert len(await executions_of(client, handle)) > 1
    assert result.phase is ChainPhase.COMPLETED
    assert "noted: do" in kitchen.prompts
    assert step_of(result, "ok").why == "do"


async def test_a_chain_that_moves_can_be_cancelled(short_history: str, kitchen: Kitchen) -> None:
    """What it waits for is cancelled instead, and no further execution begins."""
    client = await Client.connect(short_history, data_converter=pydantic_data_converter)
    each = {"for_each": {"items": list("abcdef"), "do": {"ask": "On {{ item }}"}, "max_parallel": 1}}
    kitchen.runs.gate = asyncio.Event()
    async with started(client, kitchen, chain({"each": each})) as handle:
        await until_moving(handle, kitchen)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert len(await executions_of(client, handle)) == 1
        open_gate(kitchen)
    assert isinstance(caught.value.cause, CancelledError)


async def until_moving(handle: Handle, kitchen: Kitchen) -> None:
    """Let one run after the other end until the chain knows that its history is long; one still runs."""
    while True:
        await kitchen.runs.started.get()
        history = await handle.fetch_history()
        if any(
            event.workflow_task_started_event_attributes.suggest_continue_as_new for event in history.events
        ):
            return
        open_gate(kitchen)
        kitchen.runs.gate = asyncio.Event()


def open_gate(kitchen: Kitchen) -> None:
    """Let runs go on, those that wait and those to come."""
    assert kitchen.runs.gate is not None
    kitchen.runs.gate.set()
    kitchen.runs.gate = None


def long_answer(uri: str = "file:///answers/1.md") -> AgentRunResult:
    """A run whose text is too long for history."""
    run = answered(AgentRunRequest(model="m", input="1"), 1)
    return run.model_copy(
        update={"excerpt": _LONG[:100], "text_uri": uri, "counts": Counts(text_bytes=len(_LONG))}
    )


def data_answer(data: Any) -> AgentRunResult:
    """A run that left JSON."""
    return answered(AgentRunRequest(model="m", input="1"), 1).model_copy(update={"data": data})


def step_of_uri(result: ChainResult, name: str) -> str | None:
    """Where the text of a step of this result is stored: beside the result itself."""
    assert result.output_uri is not None
    return result.output_uri.replace("/output.md", f"/steps/{name}.md")
