"""The laws of the `AgentRun` workflow, on a real server."""

import asyncio
import uuid
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, CancelledError

from runs.errors import ActivityErrorType, RunErrorCode, WorkflowErrorType
from runs.messages import (
    AGENT_RUN,
    RESULT_MEMO,
    AgentRunResult,
    CancelReport,
    Notification,
    Outcome,
    Rights,
    RunError,
    Settled,
    Sighting,
)
from runs.pacing import Pacing
from runs.phase import Phase
from runs.search_attributes import SEARCH_ATTRIBUTES
from tests.workflow.conftest import REPORT, REQUEST, FakeApi, Handle, running_worker, start
from tests.workflow.fake_parent import orchestrate
from workflows.agent_run import AgentRunWorkflow

_NEVER = 1_000_000
"""Looks that no test takes."""


def failure(kind: ActivityErrorType, *details: object) -> ApplicationError:
    """A failure as the activities classify it."""
    return ApplicationError("as the API said", *details, type=kind, non_retryable=True)


async def failed_result(handle: Handle) -> tuple[ApplicationError, AgentRunResult]:
    """Wait for a run that must fail; return the failure and the result it carries."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    return cause, AgentRunResult.model_validate(cause.details[0])


async def events_of(handle: WorkflowHandle[Any, Any]) -> int:
    """Return how many events the run's history has."""
    return len((await handle.fetch_history()).events)


async def test_a_run_is_submitted_watched_and_settled(client: Client, api: FakeApi) -> None:
    """The plain case: one submission, some looks, one result with references and no report in it."""
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        result = await handle.result()
    assert (api.submitted, api.looks) == (1, 3)
    assert result.phase is Phase.COMPLETED
    assert result.interaction_ids == ("v1_abc",)
    assert result.artifacts == (REPORT,)
    assert result.cost_usd == 2.07
    assert result.timings.accepted_at
    assert result.timings.closed_at
    assert result.timings.requested_at <= result.timings.accepted_at <= result.timings.closed_at


async def test_search_attributes_tell_where_a_run_stands(client: Client, api: FakeApi) -> None:
    """Lists and filters work on the end state alone: phase, agent, labels, tenant, tokens, cost."""
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await handle.result()
    attributes = (await handle.describe()).search_attributes
    ours = {name: value for name, value in attributes.items() if name in SEARCH_ATTRIBUTES}
    assert ours == {
        "RunPhase": ["completed"],
        "RunAgent": [REQUEST.agent],
        "RunInteractionId": ["v1_abc"],
        "RunTenant": ["t"],
        "RunLabels": ["tea"],
        "RunTokens": [319_000],
        "RunCostUsd": [2.07],
    }


async def test_a_run_costs_at_most_thirty_events(client: Client, api: FakeApi) -> None:
    """However often an interaction is looked at, history does not grow."""
    api.looks_until_end = 40
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await handle.result()
    assert api.looks == 41
    assert await events_of(handle) <= 30


async def test_details_and_status_say_what_goes_on(client: Client, api: FakeApi) -> None:
    """A person in the Temporal UI sees the phase, the question and where the report will be."""
    api.looks_until_end = _NEVER
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.looked.wait()
        status = await handle.query(AgentRunWorkflow.status)
        details = (await handle.query("__temporal_workflow_metadata")).current_details
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert (status.phase, status.interaction_id) == (Phase.RUNNING, "v1_abc")
    assert "### Running" in details
    assert "Why is tea astringent?" in details
    assert "The report will be in:" in details


def payload(data: bytes, encoding: bytes = b"json/plain") -> RawValue:
    """Return an input as another client may have written it."""
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


@pytest.mark.parametrize(
    "sent",
    [
        None,
        {},
        {"agent": "a", "input": " "},
        [],
        "text",
        {"agent": "a", "input": "q", "deadline_s": -1},
        {"agent": "a", "input": "q", "deadlin_s": 60},
        {"model": "m", "input": "q", "budget": {"max_cost_dollars": 0.01}},
        {"model": "m", "input": "q", "json_schema": {"type": "object"}},
        payload(b"{no json"),
        # What a cut through an emoji makes of a question in JavaScript.
        payload(b'{"agent": "a", "input": "\\ud83d"}'),
        payload(b"?", encoding=b"binary/unheard-of"),
    ],
)
async def test_an_input_that_is_no_run_is_refused_at_once(client: Client, api: FakeApi, sent: object) -> None:
    """Any client may send anything: the run ends with a reason, and is never stuck decoding it."""
    async with running_worker(client, api) as task_queue:
        handle = await client.start_workflow(AGENT_RUN, sent, id=f"bad-{uuid.uuid4()}", task_queue=task_queue)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == WorkflowErrorType.INVALID_REQUEST
    assert cause.message.startswith("not a run:")
    assert api.submitted == 0


async def test_a_parent_of_somebody_elses_switches_off_no_check(client: Client, api: FakeApi) -> None:
    """Whatever it calls its runs: a misspelt budget is refused, and a file is one that anybody may send."""
    file = {"uri": "file:///reports/a/1/report.md", "media_type": "text/plain", "name": "it"}
    plain: dict[str, object] = {"model": "m", "input": "?", "attachments": [file]}
    async with running_worker(client, api) as task_queue:
        with pytest.raises(WorkflowFailureError):
            await orchestrate(
                client,
                plain | {"budgt": {"max_tokens": 1}},
                parent_id=f"bad-{uuid.uuid4()}",
                task_queue=task_queue,
            )
        assert api.submitted == 0
        await orchestrate(client, plain, parent_id=f"mine-{uuid.uuid4()}", task_queue=task_queue)
    assert [each.rights for each in api.sent] == [Rights()]


async def test_no_input_at_all_is_refused_at_once(client: Client, api: FakeApi) -> None:
    """`temporal workflow start` without an input is answered, too."""
    async with running_worker(client, api) as task_queue:
        handle = await client.start_workflow(AGENT_RUN, id=f"bad-{uuid.uuid4()}", task_queue=task_queue)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == WorkflowErrorType.INVALID_REQUEST


async def test_a_refused_submission_is_sent_again(client: Client, api: FakeApi) -> None:
    """What the API certainly did not run is submitted again after a durable timer."""
    api.submissions = [failure(ActivityErrorType.SUBMISSION_REFUSED, 0.01) for _ in range(2)]
    async with running_worker(client, api) as task_queue:
        result = await (await start(client, task_queue)).result()
    assert api.submitted == 3
    assert result.phase is Phase.COMPLETED


async def test_a_rejected_submission_ends_the_run(client: Client, api: FakeApi) -> None:
    """What the API will never run fails at once, with the API's reason and nothing sent twice."""
    api.submissions = [failure(ActivityErrorType.SUBMISSION_REJECTED, RunErrorCode.BAD_CREDENTIALS.value)]
    async with running_worker(client, api) as task_queue:
        error, result = await failed_result(await start(client, task_queue))
    assert error.type == WorkflowErrorType.RUN_FAILED
    assert result.error == RunError(code=RunErrorCode.BAD_CREDENTIALS, message="as the API said")
    assert api.submitted == 1


async def test_a_lost_interaction_fails_with_its_id(client: Client, api: FakeApi) -> None:
    """When the API no longer knows an interaction, the run says which one."""
    api.look_error = failure(ActivityErrorType.INTERACTION_LOST, RunErrorCode.LOST.value)
    async with running_worker(client, api) as task_queue:
        _, result = await failed_result(await start(client, task_queue))
    assert result.error
    assert result.error.code is RunErrorCode.LOST
    assert "v1_abc" in result.error.message


async def test_notified_brings_the_next_look_forward(client: Client, api: FakeApi) -> None:
    """A hint wakes a run that would not have looked for an hour; the look is what counts."""
    api.looks_until_end = 1
    api.pacing = Pacing(poll_min_s=3600, poll_max_s=3600)
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.looked.wait()
        await handle.signal(AgentRunWorkflow.notified, Notification(interaction_id="v1_abc", source="test"))
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert api.looks == 2


async def test_notified_for_another_interaction_wakes_nobody(client: Client, api: FakeApi) -> None:
    """A late hint for something else costs no look."""
    api.looks_until_end = 1
    api.pacing = Pacing(poll_min_s=3600, poll_max_s=3600)
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.looked.wait()
        await handle.signal(AgentRunWorkflow.notified, Notification(interaction_id="v1_other"))
        await handle.query(AgentRunWorkflow.status)
        assert api.looks == 1
        await handle.signal("notified")
        await handle.result()
    assert api.looks == 2


async def test_cancelling_the_workflow_cancels_the_interaction(client: Client, api: FakeApi) -> None:
    """A cancel reaches the API, and the result says that it was confirmed."""
    api.looks_until_end = _NEVER
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.looked.wait()
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert isinstance(caught.value.cause, CancelledError)
    assert api.cancelled == ["v1_abc"]
    described = await handle.describe()
    assert described.status is WorkflowExecutionStatus.CANCELED
    result = await described.memo_value(RESULT_MEMO, type_hint=AgentRunResult)
    assert result.phase is Phase.CANCELLED
    assert result.cancel == CancelReport(was_confirmed=True, detail="confirmed")
    assert described.search_attributes["RunPhase"] == ["cancelled"]


async def test_a_cancel_during_submission_waits_for_the_id(client: Client, api: FakeApi) -> None:
    """A submission in flight is waited for: its answer is the only place to learn what to cancel."""
    api.submit_gate = asyncio.Event()
    api.looks_until_end = _NEVER
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.submit_started.wait()
        await handle.cancel()
        await handle.query(AgentRunWorkflow.status)
        assert api.cancelled == []
        api.submit_gate.set()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert api.cancelled == ["v1_abc"]
    assert api.looks == 0


async def test_a_cancel_while_refused_ends_without_submitting(client: Client, api: FakeApi) -> None:
    """A run that waits out a refusal is cancelled at once; nothing was submitted, nothing is to cancel."""
    api.submissions = [failure(ActivityErrorType.SUBMISSION_REFUSED, 3600.0)]
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        async with asyncio.timeout(30):
            while (await handle.query(AgentRunWorkflow.status)).refusals == 0:  # noqa: ASYNC110 - a query has no event
                await asyncio.sleep(0.02)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert isinstance(caught.value.cause, CancelledError)
    assert (api.submitted, api.cancelled) == (1, [])


async def test_a_cancel_that_comes_too_late_keeps_the_report(client: Client, api: FakeApi) -> None:
    """An interaction that had finished before the cancel reached it is settled: the report is paid for."""
    api.looks_until_end = _NEVER
    api.cancel_report = CancelReport(
        was_confirmed=False, had_ended=True, sighting=Sighting(has_ended=True, status="completed", searches=9)
    )
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.looked.wait()
        await handle.cancel()
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert result.artifacts == (REPORT,)


async def test_a_cancel_the_api_will_not_confirm_says_so(client: Client, api: FakeApi) -> None:
    """A person who cancels is told when the API may go on, and bill."""
    api.looks_until_end = _NEVER
    api.cancel_error = failure(ActivityErrorType.NOT_CANCELLED)
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue)
        await api.looked.wait()
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    result = await (await handle.describe()).memo_value(RESULT_MEMO, type_hint=AgentRunResult)
    assert result.cancel == CancelReport(was_confirmed=False, detail="as the API said")


@pytest.mark.parametrize(
    ("outcome", "phase"), [(Outcome.INCOMPLETE, Phase.INCOMPLETE), (Outcome.COMPLETED, Phase.COMPLETED)]
)
async def test_what_can_be_used_is_returned(
    client: Client, api: FakeApi, outcome: Outcome, phase: Phase
) -> None:
    """A complete and an incomplete report are both results."""
    api.settled = Settled(outcome=outcome)
    async with running_worker(client, api) as task_queue:
        assert (await (await start(client, task_queue)).result()).phase is phase


@pytest.mark.parametrize(
    ("settled", "phase"),
    [
        (
            Settled(outcome=Outcome.FAILED, error=RunError(code=RunErrorCode.EMPTY_RESULT, message="m")),
            Phase.FAILED,
        ),
        (Settled(outcome=Outcome.CANCELLED), Phase.CANCELLED),
    ],
)
async def test_what_cannot_be_used_fails_with_the_result(
    client: Client, api: FakeApi, settled: Settled, phase: Phase
) -> None:
    """A failed interaction, and one somebody else cancelled, fail the workflow and lose no facts."""
    api.settled = settled
    async with running_worker(client, api) as task_queue:
        error, result = await failed_result(await start(client, task_queue))
    assert error.type == WorkflowErrorType.RUN_FAILED
    assert (result.phase, result.error) == (phase, settled.error)


async def test_a_store_that_takes_nothing_fails_with_the_interaction(client: Client, api: FakeApi) -> None:
    """A report that cannot be stored is named, so that it can be fetched from the API after all."""
    api.settle_error = failure(ActivityErrorType.NOT_SETTLED, RunErrorCode.ARTIFACT_STORE.value)
    async with running_worker(client, api) as task_queue:
        _, result = await failed_result(await start(client, task_queue))
    assert result.error
    assert result.error.code is RunErrorCode.ARTIFACT_STORE
    assert "v1_abc" in result.error.message


async def test_a_run_survives_workers_that_remember_nothing(client: Client, api: FakeApi) -> None:
    """With no workflow cache every task replays the history, and the run still ends as it should."""
    api.looks_until_end = 5
    async with running_worker(client, api, max_cached_workflows=0) as task_queue:
        handle = await start(client, task_queue)
        await api.looked.wait()
        await handle.signal("notified")
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert api.submitted == 1
