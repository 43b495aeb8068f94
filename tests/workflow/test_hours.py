"""Runs that take hours, on a real server that skips time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from chains.messages import StepPhase
from runs.errors import ActivityErrorType, RunErrorCode, WorkflowErrorType
from runs.messages import AgentRunResult, CancelReport, Counts, Notification, Outcome, Settled, Sighting
from runs.pacing import Pacing
from runs.phase import Phase
from tests.dev_server import temporal_cli
from tests.workflow.conftest import REPORT, REQUEST, FakeApi, running_worker, start
from tests.workflow.fake_runs import FakeRuns, failed
from tests.workflow.test_chain import Kitchen, chain, started
from tests.workflow.test_turns import ASK, PLAN, PLANNED, asked, call
from workflows import search_attributes
from workflows.agent_run import AgentRunWorkflow

_KEYS = [
    search_attributes.PHASE,
    search_attributes.AGENT,
    search_attributes.INTERACTION_ID,
    search_attributes.TENANT,
    search_attributes.LABELS,
    search_attributes.TOKENS,
    search_attributes.COST_USD,
]


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A server whose clock, for each run by itself, jumps to whatever it waits for next."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_cli(),
        data_converter=pydantic_data_converter,
        search_attributes=_KEYS,
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
            "--dynamic-config-value",
            'history.timerProcessorMaxTimeShift="20ms"',
        ],
    ) as environment:
        yield environment


async def test_twenty_minutes_at_default_pacing(skipping: WorkflowEnvironment, api: FakeApi) -> None:
    """A 20-minute research is looked at some hundred times and leaves at most 30 events of its own."""
    api.pacing = Pacing()
    api.looks_until_end = 128
    async with running_worker(skipping.client, api) as task_queue:
        handle = await start(skipping.client, task_queue)
        result = await handle.result()
    timings = result.timings
    assert timings.ended_at
    assert timings.accepted_at
    # The server skips to each look and no further, but what a busy machine takes in between counts, too.
    assert 19 * 60 < (timings.ended_at - timings.accepted_at).total_seconds() < 25 * 60
    history = await handle.fetch_history()
    own = [
        event
        for event in history.events
        if not event.HasField("workflow_execution_time_skipping_transitioned_event_attributes")
    ]
    assert len(own) <= 30


async def test_a_zombie_is_stopped_at_the_deadline(skipping: WorkflowEnvironment, api: FakeApi) -> None:
    """An interaction that never ends is cancelled at the deadline and reported with what is known."""
    api.pacing = Pacing(poll_min_s=300, poll_max_s=300)
    api.looks_until_end = 1_000_000
    api.cancel_report = CancelReport(was_confirmed=True, sighting=Sighting(status="cancelled"))
    api.settled = Settled(outcome=Outcome.INCOMPLETE, counts=Counts(searches=7))
    async with running_worker(skipping.client, api) as task_queue:
        handle = await start(skipping.client, task_queue)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == WorkflowErrorType.RUN_TIMED_OUT
    result = AgentRunResult.model_validate(cause.details[0])
    assert (result.phase, result.counts.searches) == (Phase.TIMED_OUT, 7)
    assert result.error
    assert result.error.code is RunErrorCode.DEADLINE
    assert api.cancelled == ["v1_abc"]
    closed_at = result.timings.closed_at
    assert closed_at
    assert (closed_at - result.timings.requested_at).total_seconds() == pytest.approx(
        REQUEST.deadline_s, abs=5
    )


async def test_a_submission_refused_for_hours_ends_at_the_deadline(
    skipping: WorkflowEnvironment, api: FakeApi
) -> None:
    """Refusals are waited out as long as the run may take, and are told then."""
    code = RunErrorCode.NOT_SENT.value
    api.submissions = [
        # The first never left, and so was not refused.
        ApplicationError(
            "429",
            *([code] if each == 0 else []),
            type=ActivityErrorType.SUBMISSION_REFUSED,
            non_retryable=True,
        )
        for each in range(1000)
    ]
    async with running_worker(skipping.client, api) as task_queue:
        handle = await start(skipping.client, task_queue)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert f"the API refused: {api.submitted - 1}, and 1 were not sent" in cause.message
    assert api.cancelled == []
    # Backing off to a quarter of an hour: ten tries or so in 75 minutes.
    assert 8 <= api.submitted <= 13


async def test_what_is_adopted_after_the_deadline_gets_its_time(
    skipping: WorkflowEnvironment, api: FakeApi
) -> None:
    """A run held past its deadline is not stopped at once when its interaction is found at last."""
    api.submissions = [ApplicationError("502", type=ActivityErrorType.SUBMISSION_UNKNOWN, non_retryable=True)]
    api.pacing = Pacing(poll_min_s=60, poll_max_s=60)
    async with running_worker(skipping.client, api) as task_queue:
        handle = await start(skipping.client, task_queue)
        deadline = timedelta(seconds=REQUEST.deadline_s)

        async def is_past_deadline() -> bool:
            began = (await handle.describe()).start_time
            return await skipping.get_current_time(handle) - began >= deadline

        async with asyncio.timeout(30):
            # The clock jumps to the deadline, the only thing that is waited for in time.
            while not await is_past_deadline():  # noqa: ASYNC110 - the server's clock has no event
                await asyncio.sleep(0.05)
        await handle.signal(
            AgentRunWorkflow.notified, Notification(interaction_id="v1_found", token=api.sent[0].token)
        )
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert api.cancelled == []


async def test_a_plan_that_nobody_approves_expires(skipping: WorkflowEnvironment, api: FakeApi) -> None:
    """After a day the run ends as timed out, its deadline of minutes unmoved; the plan stays a file of it."""
    api.turns = [PLAN.model_copy(update={"artifacts": (REPORT,)})]
    async with running_worker(skipping.client, api) as task_queue:
        handle = await start(skipping.client, task_queue, PLANNED)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    result = AgentRunResult.model_validate(caught.value.cause.details[0])
    assert result.phase is Phase.TIMED_OUT
    assert result.error is not None
    assert result.error.code is RunErrorCode.NOT_APPROVED
    assert result.artifacts == (REPORT,)
    assert result.timings.closed_at is not None
    waited = result.timings.closed_at - result.timings.requested_at
    assert timedelta(hours=24) <= waited < timedelta(hours=25)


async def test_a_call_that_nobody_approves_counts_as_denied(
    skipping: WorkflowEnvironment, api: FakeApi
) -> None:
    """The model is told, and the run goes on to its end."""
    api.turns = [asked(call("pay"))]
    async with running_worker(skipping.client, api) as task_queue:
        result = await (await start(skipping.client, task_queue, ASK)).result()
    assert result.phase is Phase.COMPLETED
    follow_up = api.sent[1].follow_up
    assert follow_up is not None
    assert follow_up.answers[0].is_error
    assert follow_up.answers[0].text == "nobody approved this call in time"
    assert api.called == []


async def test_a_chain_waits_for_a_day_and_for_hours(skipping: WorkflowEnvironment) -> None:
    """Nobody's decision takes its time, and so does another try; none of it takes events."""
    kitchen = Kitchen(runs=FakeRuns(endings=[failed(RunErrorCode.INTERACTION_FAILED)]))
    spec = chain(
        {
            "ok": {"approve": {"message": "Well?", "on_expiry": "approve"}},
            "a": {"ask": "1", "after": "ok", "retry": {"attempts": 2, "wait_s": 3 * 3600}},
        }
    )
    async with started(skipping.client, kitchen, spec) as handle:
        result = await handle.result()
        history = await handle.fetch_history()
    waited = result.ended_at - result.started_at
    assert timedelta(hours=27) <= waited < timedelta(hours=27, minutes=5)
    assert [step.phase for step in result.steps] == [StepPhase.COMPLETED] * 2
    assert len(history.events) < 60
