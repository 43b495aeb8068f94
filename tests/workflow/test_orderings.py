"""Things that reach a run together, early, late or in the wrong form."""

import asyncio
import uuid

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError, CancelledError

from runs.errors import ActivityErrorType, WorkflowErrorType
from runs.messages import AGENT_RUN, RESULT_MEMO, AgentRunResult, Notification
from runs.phase import Phase, UnknownPolicy
from tests.workflow.conftest import REQUEST, FakeApi, Handle, running_worker, start
from tests.workflow.test_submissions import ADOPT, RESUBMIT, crash, held, unknown
from workflows.agent_run import AgentRunWorkflow


def refused(after_s: float) -> ApplicationError:
    """An answer that certainly started nothing."""
    return ApplicationError("429", after_s, type=ActivityErrorType.SUBMISSION_REFUSED, non_retryable=True)


async def refused_once(handle: Handle) -> None:
    """Wait until the run waits out a refusal."""
    async with asyncio.timeout(30):
        while (await handle.query(AgentRunWorkflow.status)).refusals == 0:  # noqa: ASYNC110 - a query has no event
            await asyncio.sleep(0.02)


async def test_a_cancel_before_the_first_task_submits_nothing(client: Client, api: FakeApi) -> None:
    """Started and cancelled while no worker was up: start and cancel arrive as one, and nothing is paid."""
    task_queue = f"test-{uuid.uuid4()}"
    handle = await start(client, task_queue)
    await handle.cancel()
    async with running_worker(client, api, task_queue=task_queue):
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert api.submitted == 0
    result = await (await handle.describe()).memo_value(RESULT_MEMO, type_hint=AgentRunResult)
    assert result.phase is Phase.CANCELLED


async def test_a_hint_that_comes_with_an_invalid_start_stalls_nothing(client: Client, api: FakeApi) -> None:
    """Signal-with-start runs the signal before the run has looked at its input."""
    async with running_worker(client, api) as task_queue:
        handle = await client.start_workflow(
            AGENT_RUN, {}, id=f"bad-{uuid.uuid4()}", task_queue=task_queue, start_signal="notified"
        )
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        with pytest.raises(WorkflowQueryFailedError, match="not a run"):
            await handle.query("status")
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == WorkflowErrorType.INVALID_REQUEST


async def test_late_news_spares_the_next_submission(client: Client, api: FakeApi) -> None:
    """While a second submission waits out a refusal, news of the first makes it needless."""
    api.submissions = [unknown(), refused(3600.0)]
    request = REQUEST.model_copy(update={"on_unknown_submission": UnknownPolicy.RESUBMIT})
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, request)
        await refused_once(handle)
        await handle.signal(
            AgentRunWorkflow.notified, Notification(interaction_id="v1_found", token=api.sent[0].token)
        )
        result = await handle.result()
    assert (api.submitted, result.interaction_ids, result.notes) == (2, ("v1_found",), ())


async def test_a_submission_nobody_knows_about_is_never_forgotten(client: Client, api: FakeApi) -> None:
    """Resubmitted, refused, cancelled: the first submission may run all the same, and the result says so."""
    api.submissions = [unknown(), refused(3600.0)]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        await handle.execute_update(AgentRunWorkflow.resolve_submission, RESUBMIT)
        await refused_once(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    result = await (await handle.describe()).memo_value(RESULT_MEMO, type_hint=AgentRunResult)
    assert result.cancel
    assert "may be running, and bill" in result.cancel.detail
    assert any("never learned" in note for note in result.notes)


async def test_what_was_adopted_by_hand_leaves_nothing_open(client: Client, api: FakeApi) -> None:
    """A person said what became of the submission, so no other interaction is suspected."""
    api.submissions = [unknown()]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        await handle.execute_update(AgentRunWorkflow.resolve_submission, ADOPT)
        assert (await handle.result()).notes == ()


async def test_of_two_decisions_at_once_one_is_told_that_it_came_late(client: Client, api: FakeApi) -> None:
    """Two people decide within one workflow task: the first is heeded, the second not told otherwise."""
    api.submissions = [unknown()]
    api.looks_until_end = 1_000_000
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await held(handle)
        first, second = await asyncio.gather(
            handle.execute_update(AgentRunWorkflow.resolve_submission, RESUBMIT),
            handle.execute_update(AgentRunWorkflow.resolve_submission, RESUBMIT),
            return_exceptions=True,
        )
        await handle.terminate()
    assert sorted(isinstance(each, WorkflowUpdateFailedError) for each in (first, second)) == [False, True]


async def test_a_worker_killer_is_not_tried_at_once_for_ever(client: Client, api: FakeApi) -> None:
    """A submission that is never sent waits longer each time, so that it cannot fill the history."""
    api.submissions = [crash() for _ in range(100)]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        async with asyncio.timeout(30):
            while (await handle.query(AgentRunWorkflow.status)).next_submission_at is None:  # noqa: ASYNC110 - a query has no event
                await asyncio.sleep(0.02)
        await handle.terminate()
    assert api.submitted == 2


async def test_a_reset_run_finds_its_journal(client: Client, api: FakeApi) -> None:
    """A run that an operator resets to its start looks for what it had sent where it had put it."""
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await handle.result()
        assert handle.result_run_id
        reset = await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.result_run_id),
                workflow_task_finish_event_id=4,
                request_id=str(uuid.uuid4()),
            )
        )
        await client.get_workflow_handle(handle.id, run_id=reset.run_id).result()
    first, again = api.sent
    assert (first.artifacts_prefix, first.number) == (again.artifacts_prefix, again.number)
