"""The laws of runs that take several turns: function calls, approvals, plans, continuations, budgets."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from runs import limits
from runs.budget import Budget
from runs.errors import ActivityErrorType, RunErrorCode
from runs.messages import (
    AgentRunRequest,
    AgentRunStatus,
    FollowUpKind,
    Outcome,
    Resolution,
    ResolveSubmission,
    Settled,
    Usage,
)
from runs.phase import Phase, UnknownPolicy
from runs.planning import ApprovePlan, PlanMode, Planning, RevisePlan
from runs.tool_calls import DecideToolCall, PendingToolCall, ToolCall, ToolDecision, digest_of
from runs.tools import FunctionTool
from tests.workflow.conftest import SETTLED, FakeApi, Handle, running_worker, start
from tests.workflow.test_agent_run import failed_result, failure
from workflows.agent_run import AgentRunWorkflow

FUNCTIONS = tuple(FunctionTool(name=name) for name in ("weather", "broken", "slow", "pay"))

ASK = AgentRunRequest(model="gemini-3.8-flash", input="How warm is it in Oslo?", tools=FUNCTIONS)

PLANNED = AgentRunRequest(
    agent="deep-research-preview-04-2026", input="Why is tea astringent?", planning=Planning()
)

PLAN = Settled(
    outcome=Outcome.PLAN_READY,
    excerpt="1. Read.",
    text_uri="file:///plan-1.md",
    interaction_uri="file:///turns/1/interaction.json",
    usage=Usage(total_tokens=1_000),
    cost_usd=0.01,
)


def call(name: str, call_id: str = "fc_1", **arguments: Any) -> ToolCall:
    """A call as settling reports it."""
    return ToolCall(call_id=call_id, name=name, arguments=arguments, digest=digest_of(name, arguments))


def asked(*calls: ToolCall) -> Settled:
    """A turn that ends in function calls."""
    return Settled(
        outcome=Outcome.NEEDS_TOOLS,
        calls=calls,
        interaction_uri="file:///turns/1/interaction.json",
        usage=Usage(total_tokens=100),
        cost_usd=0.001,
    )


async def in_phase(handle: Handle, phase: Phase) -> AgentRunStatus:
    """Wait until a run stands in ``phase``."""
    return await eventually(handle, lambda status: status.phase is phase)


async def eventually(handle: Handle, holds: Callable[[AgentRunStatus], bool]) -> AgentRunStatus:
    """Wait until something holds of a run's status."""
    async with asyncio.timeout(20):
        while True:
            status = await handle.query(AgentRunWorkflow.status)
            if holds(status):
                return status
            await asyncio.sleep(0.02)


async def pending_call(handle: Handle) -> PendingToolCall:
    """Wait for a call that needs approval."""
    return (await in_phase(handle, Phase.AWAITING_APPROVAL)).pending_calls[0]


async def refusal(sent: Awaitable[Any]) -> str:
    """Return why an update was refused."""
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await sent
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause.message


# --- function calls


async def test_calls_are_answered_in_one_new_interaction(client: Client, api: FakeApi) -> None:
    """Parallel calls become activities of their own; their results follow the interaction that asked."""
    api.turns = [asked(call("weather", "fc_1", city="Oslo"), call("weather", "fc_2", city="Rome"))]
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue, ASK)).result()
    assert result.phase is Phase.COMPLETED
    assert result.interaction_ids == ("v1_abc", "v1_2")
    follow_up = api.sent[1].follow_up
    assert follow_up is not None
    assert (follow_up.kind, follow_up.previous_interaction_id) == (FollowUpKind.TOOL_RESULTS, "v1_abc")
    assert [answer.call_id for answer in follow_up.answers] == ["fc_1", "fc_2"]
    for number, answer in enumerate(follow_up.answers, start=1):
        assert re.fullmatch(rf"file:///tools/1-{number}-[0-9a-f]{{16}}\.json", answer.uri or "")
    assert api.settlings[1].earlier == ("file:///turns/1/interaction.json",)


async def test_what_was_used_is_added_up(client: Client, api: FakeApi) -> None:
    """Tokens, cost and interactions of a run are those of all its turns."""
    api.turns = [asked(call("weather")), asked(call("weather"))]
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue, ASK)).result()
    assert result.usage.total_tokens == 319_200
    assert result.cost_usd == 2.072
    assert result.spent.interactions == 3
    assert result.spent.unknown_tokens == 0


async def test_a_calls_failure_is_told_to_the_model(client: Client, api: FakeApi) -> None:
    """Unknown functions, impossible calls and tools that fail become answers, and the run goes on."""
    api.tool_error = ApplicationError("no route to Oslo")
    impossible = ToolCall(call_id="fc_3", name="weather", problem="its arguments are 70 KB long")
    api.turns = [asked(call("broken", "fc_1"), call("nowhere", "fc_2"), impossible)]
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue, ASK)).result()
    assert result.phase is Phase.COMPLETED
    follow_up = api.sent[1].follow_up
    assert follow_up is not None
    assert all(answer.is_error for answer in follow_up.answers)
    texts = [answer.text for answer in follow_up.answers]
    assert texts == [
        "failed after 2 attempts: no route to Oslo",
        "there is no function 'nowhere'; there are: broken, pay, slow, weather",
        "its arguments are 70 KB long",
    ]
    assert len(api.called) == 2


async def test_a_tool_that_no_worker_has_costs_nothing(client: Client, api: FakeApi) -> None:
    """The run fails before anything is submitted, and says what there is and where it comes from."""
    request = ASK.model_copy(update={"tools": (FunctionTool(name="teleport"),)})
    async with running_worker(client, api) as task_queue:
        _, result = await failed_result(await start(client, task_queue, request))
    assert api.submitted == 0
    assert result.error is not None
    assert result.error.code is RunErrorCode.UNKNOWN_TOOL
    assert "teleport" in result.error.message
    assert "LONGHAUL_TOOLS" in result.error.message


async def test_rounds_are_bounded(client: Client, api: FakeApi) -> None:
    """A model that never stops asking is stopped, and what there is is kept as incomplete."""
    api.turns = [asked(call("weather")) for _ in range(3)]
    request = ASK.model_copy(update={"max_tool_rounds": 2})
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue, request)).result()
    assert result.phase is Phase.INCOMPLETE
    assert result.error is not None
    assert result.error.code is RunErrorCode.NEEDS_ACTION
    assert (api.submitted, len(api.called)) == (3, 2)


async def test_a_cancel_ends_calls_under_way(client: Client, api: FakeApi) -> None:
    """Nothing runs at the API then, and nothing is cancelled there; the run ends at once."""
    api.turns = [asked(call("slow"))]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, ASK)
        await eventually(handle, lambda status: status.running_calls == 1)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        api.tool_gate.set()
    assert api.cancelled == []


# --- approval


async def test_a_held_call_waits_for_a_person_and_the_others_do_not(client: Client, api: FakeApi) -> None:
    """Only the call that needs approval waits; approved, it is carried out, and all go back together."""
    api.turns = [asked(call("pay", "fc_1", amount=5), call("weather", "fc_2"))]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, ASK)
        held = await pending_call(handle)
        assert (held.call_id, held.name, held.arguments) == ("fc_1", "pay", '{"amount": 5}')
        await eventually(handle, lambda status: status.running_calls == 0)
        assert [calling.call.name for calling in api.called] == ["weather"]
        await handle.execute_update(
            AgentRunWorkflow.decide_tool_call,
            DecideToolCall(call_id="fc_1", digest=held.digest, decision=ToolDecision.APPROVE),
        )
        await handle.result()
    assert [calling.call.name for calling in api.called] == ["weather", "pay"]
    follow_up = api.sent[1].follow_up
    assert follow_up is not None
    assert [answer.call_id for answer in follow_up.answers] == ["fc_1", "fc_2"]


async def test_a_denied_call_is_told_to_the_model(client: Client, api: FakeApi) -> None:
    """The reason reaches the model; the function is never called."""
    api.turns = [asked(call("pay"))]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, ASK)
        held = await pending_call(handle)
        await handle.execute_update(
            AgentRunWorkflow.decide_tool_call,
            DecideToolCall(
                call_id=held.call_id, digest=held.digest, decision=ToolDecision.DENY, reason="too dear"
            ),
        )
        await handle.result()
    follow_up = api.sent[1].follow_up
    assert follow_up is not None
    assert follow_up.answers[0].text == "a person denied this call: too dear"
    assert api.called == []


async def test_an_approval_is_for_one_call(client: Client, api: FakeApi) -> None:
    """One for another call, or for other arguments, is refused, and nothing happens."""
    api.turns = [asked(call("pay"))]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, ASK)
        held = await pending_call(handle)
        approve = ToolDecision.APPROVE
        for wrong, reason in [
            (DecideToolCall(call_id="fc_9", digest=held.digest, decision=approve), "no call 'fc_9' waits"),
            (DecideToolCall(call_id=held.call_id, digest="0" * 16, decision=approve), "is not the one"),
        ]:
            assert reason in await refusal(handle.execute_update(AgentRunWorkflow.decide_tool_call, wrong))
        assert (await handle.query(AgentRunWorkflow.status)).phase is Phase.AWAITING_APPROVAL
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert api.called == []


# --- plans


async def test_a_plan_is_revised_and_approved(client: Client, api: FakeApi) -> None:
    """Each decision is an interaction of its own that follows the one before; the report comes last."""
    api.turns = [PLAN, PLAN]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, PLANNED)
        status = await in_phase(handle, Phase.AWAITING_APPROVAL)
        assert status.plan is not None
        assert (status.plan.revision, status.plan.text) == (1, "1. Read.")
        await handle.execute_update(AgentRunWorkflow.revise_plan, RevisePlan(feedback="shorter"))
        await eventually(handle, lambda status: status.plan is not None and status.plan.revision == 2)
        await handle.execute_update(AgentRunWorkflow.approve_plan, ApprovePlan())
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    said = [(sent.follow_up.kind, sent.follow_up.text) for sent in api.sent if sent.follow_up]
    assert said == [(FollowUpKind.PLAN_REVISED, "shorter"), (FollowUpKind.PLAN_APPROVED, "")]
    assert [settling.is_plan for settling in api.settlings] == [True, True, False]
    assert api.settlings[2].earlier == ()


async def test_a_plan_approves_itself_after_its_grace(client: Client, api: FakeApi) -> None:
    """With ``auto`` nobody has to be there."""
    api.turns = [PLAN]
    planning = Planning(mode=PlanMode.AUTO, grace_s=0.05)
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, PLANNED.model_copy(update={"planning": planning}))
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert api.submitted == 2


async def test_what_is_no_plan_cannot_be_approved(client: Client, api: FakeApi) -> None:
    """An approval without a plan is refused, and costs no history."""
    api.looks_until_end = 1_000_000
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, PLANNED)
        await api.looked.wait()
        reason = await refusal(handle.execute_update(AgentRunWorkflow.approve_plan, ApprovePlan()))
        await handle.terminate()
    assert "no plan waits for approval" in reason


# --- continuations, budgets, models


async def test_a_stopped_answer_is_continued(client: Client, api: FakeApi) -> None:
    """The continuation names the stored interaction, and belongs to the same answer."""
    stopped = Settled(outcome=Outcome.CONTINUES, interaction_uri="file:///turns/1/interaction.json")
    api.turns = [stopped]
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue, ASK)).result()
    assert result.phase is Phase.COMPLETED
    follow_up = api.sent[1].follow_up
    assert follow_up is not None
    assert follow_up.kind is FollowUpKind.CONTINUATION
    assert follow_up.interaction_uri == "file:///turns/1/interaction.json"
    assert api.settlings[1].earlier == ("file:///turns/1/interaction.json",)


@pytest.mark.parametrize(
    ("budget", "submissions"),
    [
        (Budget(max_interactions=2), 2),
        (Budget(max_tokens=150), 2),
        (Budget(max_cost_usd=0.0005), 1),
        (Budget(max_interactions=9, max_tokens=10**6, max_cost_usd=9), 4),
    ],
)
async def test_no_submission_beyond_the_budget(
    client: Client, api: FakeApi, budget: Budget, submissions: int
) -> None:
    """The budget is looked at before each submission; a run that used it up ends with what there is."""
    api.turns = [asked(call("weather")) for _ in range(3)]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, ASK.model_copy(update={"budget": budget}))
        result = await handle.result()
    assert api.submitted == submissions
    is_within = submissions == 4
    assert result.phase is (Phase.COMPLETED if is_within else Phase.INCOMPLETE)
    assert (result.error is None) is is_within
    assert len(api.called) == submissions - 1


async def test_a_model_without_background_is_asked_in_the_foreground(client: Client, api: FakeApi) -> None:
    """The refusal costs nothing; the answer to the second submission is the end of the turn."""
    api.submissions = [failure(ActivityErrorType.SUBMISSION_REJECTED, RunErrorCode.NO_BACKGROUND.value)]
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue, ASK)).result()
    assert result.phase is Phase.COMPLETED
    assert [sent.is_foreground for sent in api.sent] == [False, True]
    assert api.looks == 0


async def test_a_model_is_asked_again_where_an_agent_would_be_held(client: Client, api: FakeApi) -> None:
    """A second answer of a model costs cents; unless the request says otherwise, it is sent again."""
    api.submissions = [failure(ActivityErrorType.SUBMISSION_UNKNOWN)]
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue, ASK)).result()
    assert (result.phase, api.submitted) == (Phase.COMPLETED, 2)
    held = ASK.model_copy(update={"on_unknown_submission": UnknownPolicy.HOLD})
    assert held.unknown_policy is UnknownPolicy.HOLD


@pytest.mark.parametrize(
    "budget", [Budget(max_interactions=1), Budget(max_cost_usd=1), Budget(max_tokens=99)]
)
async def test_what_may_have_been_paid_for_counts(client: Client, api: FakeApi, budget: Budget) -> None:
    """Where the budget has no room for a second bill, nobody sends again, neither the run nor a person."""
    api.submissions = [failure(ActivityErrorType.SUBMISSION_UNKNOWN)]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, ASK.model_copy(update={"budget": budget}))
        held = await in_phase(handle, Phase.SUBMISSION_UNKNOWN)
        again = ResolveSubmission(resolution=Resolution.RESUBMIT)
        why_not = await refusal(handle.execute_update(AgentRunWorkflow.resolve_submission, again))
        await handle.execute_update(
            AgentRunWorkflow.resolve_submission, ResolveSubmission(resolution=Resolution.GIVE_UP)
        )
        _, result = await failed_result(handle)
    assert (api.submitted, held.spent.interactions) == (1, 1)
    assert "adopt an interaction, or give the run up" in why_not
    assert result.spent.unknown_costs == 1


@pytest.mark.parametrize("bound", ["MAX_RUN_EVENTS", "MAX_RUN_HISTORY_BYTES"])
async def test_a_run_ends_before_its_history_is_full(
    client: Client, api: FakeApi, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Temporal would end it there, and what was paid for would be lost."""
    monkeypatch.setattr(limits, bound, 10)
    api.turns = [asked(call("weather"))]
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue, ASK)).result()
    assert api.called == []
    assert result.error is not None
    assert "no room" in result.error.message


async def test_the_clock_stands_still_for_a_person(client: Client, api: FakeApi) -> None:
    """What a run waits for approval is not taken from the time of its work."""
    api.turns = [PLAN]
    api.settled = SETTLED
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, PLANNED)
        before = await in_phase(handle, Phase.AWAITING_APPROVAL)
        after = await handle.execute_update(AgentRunWorkflow.approve_plan, ApprovePlan())
        await handle.result()
    assert after.deadline_at > before.deadline_at
