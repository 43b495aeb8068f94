"""Never lost, never paid twice: what a run does when the answer to its submission does not come."""

import asyncio
import json

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from runs.errors import ActivityErrorType, RunErrorCode, UpdateErrorType
from runs.messages import (
    RESULT_MEMO,
    AgentRunResult,
    AgentRunStatus,
    Announcement,
    EarlierSubmission,
    Notification,
    Recovered,
    Resolution,
    ResolveSubmission,
)
from runs.phase import Phase, UnknownPolicy
from runs.stores import StoreRef
from tests.workflow.conftest import REQUEST, SETTLED, FakeApi, Handle, running_worker, start
from workflows.agent_run import AgentRunWorkflow

ADOPT = ResolveSubmission(resolution=Resolution.ADOPT, interaction_id="v1_found")
RESUBMIT = ResolveSubmission(resolution=Resolution.RESUBMIT)
GIVE_UP = ResolveSubmission(resolution=Resolution.GIVE_UP)


def unknown() -> ApplicationError:
    """The answer that leaves the outcome open."""
    return ApplicationError("HTTP 502", type=ActivityErrorType.SUBMISSION_UNKNOWN, non_retryable=True)


def crash() -> ApplicationError:
    """A failure nobody classified, such as a worker that was shut down in the middle."""
    return ApplicationError("Worker shutting down", type="WorkerShutdown", non_retryable=True)


def failed(message: str, *details: object) -> ApplicationError:
    """A failure before anything was accepted."""
    return ApplicationError(message, *details, type=ActivityErrorType.SUBMISSION_REFUSED, non_retryable=True)


def rejected(code: RunErrorCode = RunErrorCode.REJECTED) -> ApplicationError:
    """The API's word that it never will."""
    return ApplicationError(
        "HTTP 400", code.value, type=ActivityErrorType.SUBMISSION_REJECTED, non_retryable=True
    )


async def tell(handle: Handle, api: FakeApi, *, submission: int, interaction_id: str = "v1_found") -> None:
    """Bring news of one submission, counted from 1."""
    await handle.signal(
        AgentRunWorkflow.notified,
        Notification(interaction_id=interaction_id, token=api.sent[submission - 1].token),
    )


async def news_in_flight(handle: Handle, api: FakeApi) -> None:
    """Bring news of the first submission while the second is in flight, and let that be answered."""
    first = api.submit_gate
    assert first is not None
    await api.submit_started.wait()
    api.submit_gate, api.submit_started = asyncio.Event(), asyncio.Event()
    first.set()
    await api.submit_started.wait()
    await tell(handle, api, submission=1)
    api.submit_gate.set()


async def held(handle: Handle, *, submissions: int = 1) -> AgentRunStatus:
    """Wait until the run waits for a person, after that many submissions."""
    async with asyncio.timeout(30):
        while True:
            status = await handle.query(AgentRunWorkflow.status)
            if status.phase is Phase.SUBMISSION_UNKNOWN and status.submissions == submissions:
                return status
            await asyncio.sleep(0.02)


async def test_an_unknown_outcome_is_held_and_never_sent_again(client: Client, api: FakeApi) -> None:
    """What may have been run and paid for waits for news, says what to do, and is found by its phase."""
    api.submissions = [unknown()]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        status = await held(handle)
        details = (await handle.query("__temporal_workflow_metadata")).current_details
        phase = (await handle.describe()).search_attributes["RunPhase"]
        await handle.execute_update(AgentRunWorkflow.resolve_submission, GIVE_UP)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert status.problem == "HTTP 502"
    assert "longhaul resolve" in details
    assert phase == ["submission_unknown"]
    assert api.submitted == 1
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    result = AgentRunResult.model_validate(cause.details[0])
    assert result.error
    assert result.error.code is RunErrorCode.SUBMISSION_UNKNOWN


@pytest.mark.parametrize(
    ("failures", "why"),
    [
        ([failed("429", 0.01)], "refused"),
        ([failed("no connection", RunErrorCode.NOT_SENT.value, 0.01)], "not sent"),
        ([crash(), crash()], "worker vanished, nothing sent"),
    ],
)
async def test_the_wait_says_why_a_submission_is_sent_again(
    client: Client, api: FakeApi, failures: list[ApplicationError], why: str
) -> None:
    """In Temporal's UI, too, only what the API refused is called refused."""
    api.submissions = failures
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        async with asyncio.timeout(60):
            await handle.result()
        history = await handle.fetch_history()
    summaries = [
        json.loads(event.user_metadata.summary.data)
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED and event.user_metadata.summary.data
    ]
    [summary] = [each for each in summaries if "submit again" in each]
    assert summary.startswith(f"{why}; submit again in ")


async def test_a_webhook_with_the_token_adopts_the_interaction(client: Client, api: FakeApi) -> None:
    """Whoever knows the submission's token may say what became of it; the run then goes on."""
    api.submissions = [unknown()]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        await handle.signal(
            AgentRunWorkflow.notified, Notification(interaction_id="v1_found", token=api.sent[0].token)
        )
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert result.interaction_ids == ("v1_found",)
    assert api.submitted == 1


async def test_a_wrong_token_adopts_nothing(client: Client, api: FakeApi) -> None:
    """A signal that guesses changes nothing."""
    api.submissions = [unknown()]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        await handle.signal(
            AgentRunWorkflow.notified,
            Notification(interaction_id="v1_found", token=f"not-{api.sent[0].token}"),
        )
        assert (await handle.query(AgentRunWorkflow.status)).phase is Phase.SUBMISSION_UNKNOWN
        await handle.terminate()


async def test_news_that_comes_before_the_answer_is_kept(client: Client, api: FakeApi) -> None:
    """A webhook may be faster than the answer that is then lost."""
    api.submissions = [unknown()]
    api.submit_gate = asyncio.Event()
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.submit_started.wait()
        await handle.signal(
            AgentRunWorkflow.notified, Notification(interaction_id="v1_found", token=api.sent[0].token)
        )
        api.submit_gate.set()
        result = await handle.result()
    assert (result.interaction_ids, api.submitted) == (("v1_found",), 1)


async def test_a_person_adopts_what_the_api_knows(client: Client, api: FakeApi) -> None:
    """An id given by hand is looked up in the API before the run takes it."""
    api.submissions = [unknown()]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        status = await handle.execute_update(AgentRunWorkflow.resolve_submission, ADOPT)
        result = await handle.result()
    assert (status.phase, status.interaction_id) == (Phase.RUNNING, "v1_found")
    assert api.checked == ["v1_found"]
    assert result.interaction_ids == ("v1_found",)


async def test_an_id_the_api_does_not_know_is_not_adopted(client: Client, api: FakeApi) -> None:
    """A slip of the keyboard is answered, and the run goes on waiting."""
    api.submissions = [unknown()]
    api.check_error = ApplicationError(
        "the API does not know it", type=ActivityErrorType.INTERACTION_LOST, non_retryable=True
    )
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await handle.execute_update(AgentRunWorkflow.resolve_submission, ADOPT)
        assert (await handle.query(AgentRunWorkflow.status)).phase is Phase.SUBMISSION_UNKNOWN
        await handle.terminate()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.message == "not adopted: the API does not know it"


async def test_a_person_may_risk_a_second_bill(client: Client, api: FakeApi) -> None:
    """Resubmitting sends once more, under a number and token of its own; a late orphan is then named."""
    api.submissions = [unknown()]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        api.looks_until_end = 3
        await handle.execute_update(AgentRunWorkflow.resolve_submission, RESUBMIT)
        await handle.signal(
            AgentRunWorkflow.notified, Notification(interaction_id="v1_orphan", token=api.sent[0].token)
        )
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert [sent.number for sent in api.sent] == [1, 2]
    assert api.sent[0].token != api.sent[1].token
    assert result.orphan_interaction_ids == ("v1_orphan",)


@pytest.mark.parametrize(
    ("resolution", "reason"),
    [
        (ResolveSubmission(resolution=Resolution.ADOPT), "an interaction id goes with adopt"),
        (
            ResolveSubmission(resolution=Resolution.GIVE_UP, interaction_id="v1_x"),
            "an interaction id goes with adopt",
        ),
    ],
)
async def test_nonsense_is_refused_before_it_is_history(
    client: Client, api: FakeApi, resolution: ResolveSubmission, reason: str
) -> None:
    """The validator says what is wrong, and the run notices nothing."""
    api.submissions = [unknown()]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await handle.execute_update(AgentRunWorkflow.resolve_submission, resolution)
        await handle.terminate()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == UpdateErrorType.NOT_POSSIBLE
    assert reason in caught.value.cause.message


async def test_there_is_nothing_to_resolve_in_a_run_that_is_fine(client: Client, api: FakeApi) -> None:
    """A resolution for a run that watches its interaction is refused."""
    api.looks_until_end = 1_000_000
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.looked.wait()
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await handle.execute_update(AgentRunWorkflow.resolve_submission, RESUBMIT)
        await handle.terminate()
    assert isinstance(caught.value.cause, ApplicationError)
    assert "there is nothing to resolve: the run is running" in caught.value.cause.message


async def test_the_policy_resubmit_is_bounded(client: Client, api: FakeApi) -> None:
    """It sends again by itself, a few times; then it is a matter for a person after all."""
    api.submissions = [unknown() for _ in range(9)]
    request = REQUEST.model_copy(update={"on_unknown_submission": UnknownPolicy.RESUBMIT})
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, request)
        await held(handle, submissions=4)
        await handle.terminate()
    assert api.submitted == 4


async def test_the_policy_fail_ends_the_run(client: Client, api: FakeApi) -> None:
    """Where nobody would look, the run ends at once and says so."""
    api.submissions = [unknown()]
    request = REQUEST.model_copy(update={"on_unknown_submission": UnknownPolicy.FAIL})
    async with running_worker(client, api) as task_queue:
        with pytest.raises(WorkflowFailureError) as caught:
            await (await start(client, task_queue, request)).result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert "nobody can say whether the API took the submission" in caught.value.cause.message


@pytest.mark.parametrize(
    ("recovered", "submitted", "interaction_id"),
    [
        (Recovered(was_sent=False), 2, "v1_abc"),
        (Recovered(was_sent=True, interaction_id="v1_journal", artifacts_uri="file:///r"), 1, "v1_journal"),
    ],
)
async def test_the_journal_settles_what_a_vanished_worker_left_open(
    client: Client, api: FakeApi, recovered: Recovered, submitted: int, interaction_id: str
) -> None:
    """Certainly not sent: sent now. Accepted: adopted. Either way the run goes on by itself."""
    api.submissions = [crash()]
    api.recovered = recovered
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue)).result()
    assert (api.submitted, result.interaction_ids) == (submitted, (interaction_id,))


async def test_a_journal_that_does_not_know_either_leads_to_holding(client: Client, api: FakeApi) -> None:
    """Sending was noted, an answer was not: that is unknown, and nothing is sent."""
    api.submissions = [crash()]
    api.recovered = Recovered(was_sent=True)
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        await handle.terminate()
    assert api.submitted == 1


async def test_a_held_run_can_be_cancelled_and_says_what_that_leaves(client: Client, api: FakeApi) -> None:
    """The cancel ends the run; it cannot confirm that nothing runs, and says so."""
    api.submissions = [unknown()]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    result = await (await handle.describe()).memo_value(RESULT_MEMO, type_hint=AgentRunResult)
    assert result.cancel
    assert not result.cancel.was_confirmed
    assert "may be running, and bill" in result.cancel.detail
    assert api.cancelled == []


STORE = StoreRef(store_id="1f" * 16, address="file:///data")


def said(kind: ActivityErrorType, detail: EarlierSubmission | Announcement) -> ApplicationError:
    """A failure of a submission that says something more."""
    return ApplicationError("so it was", detail.model_dump_json(), type=kind, non_retryable=True)


async def test_what_was_announced_reaches_the_recovery(client: Client, api: FakeApi) -> None:
    """It needs to know where the journal is, and whose record it looks for."""
    announced = Announcement(store=STORE, digest="1:mine")
    api.submissions = [said(ActivityErrorType.SUBMISSION_PENDING, announced)]
    async with running_worker(client, api) as task_queue:
        await (await start(client, task_queue)).result()
    (lost,) = api.lost
    assert (lost.announced, lost.token) == (announced, api.sent[0].token)


async def test_why_nobody_knows_is_shown(client: Client, api: FakeApi) -> None:
    """An operator with two stores reads which of them has the journal."""
    api.submissions = [crash()]
    api.recovered = Recovered(was_sent=True, problem=f"its journal is in {STORE.named}")
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        status = await held(handle)
        await handle.terminate()
    assert status.problem == "Worker shutting down; its journal is in store 1f1f1f1f (file:///data)"


@pytest.mark.parametrize("is_recovered", [False, True])
async def test_a_number_used_before_a_reset_is_named_and_passed_over(
    client: Client, api: FakeApi, *, is_recovered: bool
) -> None:
    """What was paid for under it is an orphan, and what is to be said now goes under the next number."""
    earlier = EarlierSubmission(token="before", interaction_id="v1_before")
    if is_recovered:
        api.submissions = [crash()]
        api.recovered = Recovered(was_sent=False, earlier=earlier)
    else:
        api.submissions = [said(ActivityErrorType.SUBMISSION_NUMBER_TAKEN, earlier)]
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue)).result()
    assert [submission.number for submission in api.sent] == [1, 2]
    assert (result.interaction_ids, result.orphan_interaction_ids) == (("v1_abc",), ("v1_before",))
    assert result.spent.interactions == 2


async def test_an_earlier_submission_without_an_answer_is_named_by_its_news(
    client: Client, api: FakeApi
) -> None:
    """Until then it counts as an interaction that nobody has named; it is never adopted."""
    earlier = EarlierSubmission(token="before")
    api.submissions = [said(ActivityErrorType.SUBMISSION_NUMBER_TAKEN, earlier), unknown()]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        status = await held(handle, submissions=2)
        assert status.spent.interactions == 2
        await handle.signal(
            AgentRunWorkflow.notified, Notification(interaction_id="v1_before", token="before")
        )
        status = await handle.query(AgentRunWorkflow.status)
        assert status.phase is Phase.SUBMISSION_UNKNOWN
        assert status.orphan_interaction_ids == ("v1_before",)
        await handle.terminate()


async def test_news_of_the_same_under_its_earlier_token_is_news(client: Client, api: FakeApi) -> None:
    """A webhook knows a submission by the token that it was sent with, before the run was reset."""
    api.submissions = [crash()]
    api.recovered = Recovered(was_sent=True, token="before")
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        await handle.signal(
            AgentRunWorkflow.notified, Notification(interaction_id="v1_found", token="before")
        )
        result = await handle.result()
    assert (result.interaction_ids, api.submitted) == (("v1_found",), 1)


async def test_what_the_journal_has_beyond_the_run_is_named(client: Client, api: FakeApi) -> None:
    """A run that was reset and then went another way still says what it has paid for."""
    own = SETTLED.model_copy(update={"earlier_interaction_ids": ("v1_abc", "v1_later"), "store": STORE})
    api.settled = own
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue)).result()
    assert api.settlings[0].submissions == 1
    assert result.orphan_interaction_ids == ("v1_later",)
