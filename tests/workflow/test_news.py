"""A word of the API may be wrong: what a run makes of news that contradicts what it was told."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from runs import limits
from runs.budget import Budget
from runs.errors import ActivityErrorType, RunErrorCode
from runs.messages import AgentRunResult, AgentRunStatus, Outcome, Settled, Usage
from runs.phase import Phase
from tests.workflow.conftest import NOT_SENT, REPORT, REQUEST, FakeApi, Handle, running_worker, start
from tests.workflow.test_orderings import refused
from tests.workflow.test_submissions import crash, news_in_flight, rejected, tell
from workflows.agent_run import AgentRunWorkflow

LATE = REQUEST.model_copy(update={"deadline_s": limits.MIN_DEADLINE_S})

RUNS_AGAIN = ApplicationError(
    "it had ended, and is 'in_progress' again", type=ActivityErrorType.RUNS_AGAIN, non_retryable=True
)


async def refused_times(handle: Handle, count: int) -> AgentRunStatus:
    """Wait until the API has refused what there is to say so often, and the run waits to try again."""
    async with asyncio.timeout(30):
        while True:
            status = await handle.query(AgentRunWorkflow.status)
            if status.refusals == count and status.next_submission_at is not None:
                return status
            await asyncio.sleep(0.02)


async def details_of(handle: Handle) -> str:
    """What the Temporal UI shows."""
    details: str = (await handle.query("__temporal_workflow_metadata")).current_details
    return details


def result_in(error: WorkflowFailureError) -> AgentRunResult:
    """The result that a failed run carries."""
    assert isinstance(error.cause, ApplicationError)
    return AgentRunResult.model_validate(error.cause.details[0])


async def test_news_of_a_refused_submission_is_adopted_instead_of_paying_again(
    client: Client, api: FakeApi
) -> None:
    """What the API refused, and took all the same, is the run's interaction; within a budget of one, too."""
    api.submissions = [refused(3600)]
    request = REQUEST.model_copy(update={"budget": Budget(max_interactions=1)})
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, request)
        await refused_times(handle, 1)
        await tell(handle, api, submission=1)
        result = await handle.result()
    assert (result.phase, result.interaction_ids) == (Phase.COMPLETED, ("v1_found",))
    assert (api.submitted, result.spent.interactions) == (1, 1)


async def test_news_of_a_refused_submission_is_an_orphan_once_another_was_taken(
    client: Client, api: FakeApi
) -> None:
    """It is shown at once, in status and details, counted as spent, and part of the result."""
    api.submissions = [refused(0.01)]
    api.looks_until_end = 1_000_000
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.looked.wait()
        await tell(handle, api, submission=1)
        status = await handle.query(AgentRunWorkflow.status)
        details = await details_of(handle)
        api.looks_until_end = 0
        result = await handle.result()
    assert status.orphan_interaction_ids == result.orphan_interaction_ids == ("v1_found",)
    assert "Also paid for:** interaction v1\\_found" in details
    assert (status.spent.interactions, result.spent.interactions) == (2, 2)
    assert result.interaction_ids == ("v1_abc",)


async def test_a_rejection_does_not_lose_what_an_earlier_submission_became(
    client: Client, api: FakeApi
) -> None:
    """A run that knows of its interaction does not fail for what became of another attempt."""
    api.submissions = [refused(0.01), rejected()]
    api.submit_gate = asyncio.Event()
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await news_in_flight(handle, api)
        result = await handle.result()
    assert (result.phase, result.interaction_ids) == (Phase.COMPLETED, ("v1_found",))


async def test_news_of_what_was_thought_not_sent_is_adopted(client: Client, api: FakeApi) -> None:
    """The journal may be wrong, too."""
    api.submissions = [crash(), crash(), crash()]
    api.recovered = NOT_SENT
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await refused_times(handle, 0)
        await tell(handle, api, submission=1)
        result = await handle.result()
    assert (result.interaction_ids, result.orphan_interaction_ids) == (("v1_found",), ())


async def test_news_of_a_rejected_submission_is_shown(client: Client, api: FakeApi) -> None:
    """A model that refused the background and worked on it all the same is paid for twice, and says so."""
    api.submissions = [rejected(RunErrorCode.NO_BACKGROUND)]
    api.submit_gate = asyncio.Event()
    request = REQUEST.model_copy(update={"agent": None, "model": "gemini-3.8-flash"})
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, request)
        await news_in_flight(handle, api)
        result = await handle.result()
    assert (result.interaction_ids, result.orphan_interaction_ids) == (("v1_abc",), ("v1_found",))


async def test_refusals_are_counted_and_the_fourth_is_waited_out(client: Client, api: FakeApi) -> None:
    """After a few refusals the next attempt comes a minute later, however soon the API wants to be asked."""
    api.submissions = [refused(0.01) for _ in range(4)]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        status = await refused_times(handle, 4)
        details = await details_of(handle)
        await tell(handle, api, submission=2)
        result = await handle.result()
    assert status.next_submission_at is not None
    assert status.next_submission_at - datetime.now(UTC) > timedelta(seconds=45)
    assert "Refused by the API:** 4 times" in details
    assert (result.interaction_ids, result.submissions) == (("v1_found",), 4)


async def test_what_never_left_is_no_refusal(client: Client, api: FakeApi) -> None:
    """A connection that cannot be made costs nothing, and is tried again soon."""
    unreached = ApplicationError(
        "no route",
        RunErrorCode.NOT_SENT.value,
        type=ActivityErrorType.SUBMISSION_REFUSED,
        non_retryable=True,
    )
    api.submissions = [unreached]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        status = await refused_times(handle, 0)
        result = await handle.result()
    assert (status.refusals, status.problem) == (0, "no route")
    assert (result.phase, api.submitted) == (Phase.COMPLETED, 2)


async def test_a_run_goes_back_to_an_interaction_that_runs_again(client: Client, api: FakeApi) -> None:
    """It is watched until it really ends, and the result says what was seen."""
    api.settle_failures = [RUNS_AGAIN]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert result.notes == (RUNS_AGAIN.message,)
    assert api.settlings[0].may_go_back


async def test_an_interaction_that_runs_again_can_be_cancelled(client: Client, api: FakeApi) -> None:
    """Settling cannot be interrupted, so a run does not stay there while the API works on."""
    api.settle_failures = [RUNS_AGAIN]
    is_settling = asyncio.Event()

    def begin_anew() -> None:
        api.looks_until_end = 1_000_000
        is_settling.set()

    api.on_settle = begin_anew
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await is_settling.wait()
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert (api.cancelled, api.settlings) == (["v1_abc"], [])


async def test_a_run_keeps_at_its_deadline_what_there_is(client: Client, api: FakeApi) -> None:
    """The text of an interaction that did not end in time is an artifact of a run that timed out."""
    api.looks_until_end = 1_000_000
    api.settled = Settled(
        outcome=Outcome.INCOMPLETE,
        excerpt="Tannins bind",
        artifacts=(REPORT,),
        usage=Usage(total_tokens=1_000),
        notes=("partial",),
    )
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, LATE)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    result = result_in(caught.value)
    [partial] = api.settlings
    assert (partial.is_partial, partial.json_schema, partial.transcript) == (True, None, None)
    assert (result.phase, result.excerpt, result.artifacts) == (Phase.TIMED_OUT, "Tannins bind", (REPORT,))
    assert (result.usage.total_tokens, result.notes) == (1_000, ("partial",))
    assert result.error is not None
    assert result.error.code is RunErrorCode.DEADLINE
    assert result.spent.interactions == 1


async def test_a_dead_api_does_not_hold_a_run_at_its_deadline(client: Client, api: FakeApi) -> None:
    """Where nothing can be fetched, the run ends without it, and says so."""
    api.looks_until_end = 1_000_000
    api.settle_error = ApplicationError(
        "no answer", type=ActivityErrorType.NOT_SETTLED, next_retry_delay=timedelta(milliseconds=10)
    )
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, LATE)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    result = result_in(caught.value)
    assert (result.phase, result.artifacts) == (Phase.TIMED_OUT, ())
    assert result.notes == ("what there was at the deadline could not be kept: no answer",)
