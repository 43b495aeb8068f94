"""The functions by which programs start and watch runs, with workers that are absent, odd or broken."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from runs.details import escape_markdown
from runs.limits import MAX_INPUT_BYTES
from runs.messages import AGENT_RUN, DEFAULT_AGENT, RESULT_MEMO, AgentRunRequest, Attachment
from runs.phase import Phase
from runs.planning import Planning
from runs.tools import GoogleSearchTool
from starter.errors import InvalidInput, RunNotFound, RunStillRunning
from starter.runs import cancel_run, look_at_run, notify_run, result_of, start_run, watch_run
from tests.dev_server import DevServer
from tests.e2e.stack import assert_eventually

REQUEST = AgentRunRequest(
    agent=DEFAULT_AGENT,
    input="# What is <b>up</b>?\nAnd down? " + "🌊" * 500,
    labels=("sea", "moon"),
    tenant="school",
    attachments=(Attachment(uri="https://example.org/a.pdf", media_type="application/pdf", name="a.pdf"),),
)


@pytest.fixture
async def client(temporal_server: DevServer) -> Client:
    """A client of the shared server."""
    return await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)


@workflow.defn(name=AGENT_RUN)
class NewerRun:
    """A run of a version that leaves behind what this one cannot read."""

    @workflow.run
    async def run(self, request: Any) -> Any:
        """End as the input's first word says."""
        if request["input"] == "cancelled":
            workflow.upsert_memo({RESULT_MEMO: {"phase": "evaporated"}})
            await workflow.wait_condition(lambda: False)
        if request["input"] == "failed":
            raise ApplicationError("because", {"phase": "evaporated"}, type="AgentRunFailed")
        if request["input"] == "waiting":
            await workflow.sleep(timedelta(days=1))
        return {"phase": "evaporated"}

    @workflow.query(name="status")
    def status(self) -> Any:
        """Answer with a phase of the future."""
        return {"phase": "evaporating"}


@workflow.defn(name=AGENT_RUN)
class BrokenRun:
    """A run of a version with a bug."""

    @workflow.run
    async def run(self, _request: Any) -> None:
        """Stall."""
        raise ValueError("a bug")


@asynccontextmanager
async def working(client: Client, run: type, *, task_queue: str) -> AsyncIterator[None]:
    """Serve ``task_queue`` with ``run`` while the block lasts."""
    async with Worker(
        client, task_queue=task_queue, workflows=[run], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        yield


async def test_a_started_run_can_be_found_before_any_worker_has_seen_it(client: Client) -> None:
    """Search attributes, memo, summary and details are set by the start itself, within Temporal's bounds."""
    started = await start_run(client, REQUEST, task_queue="nobody")
    description = await client.get_workflow_handle(started.run_id).describe()
    attributes = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert attributes == {
        "RunPhase": "requested",
        "RunAgent": DEFAULT_AGENT,
        "RunTenant": "school",
        "RunLabels": ["sea", "moon"],
    }
    # Escaped: the UI reads both as Markdown, and a question must neither format nor link.
    assert await description.static_summary() == escape_markdown("# What is <b>up</b>?")
    details = await description.static_details() or ""
    assert escape_markdown("And down? 🌊") in details
    assert escape_markdown("a.pdf") in details
    view = await look_at_run(client, started.run_id)
    assert (view.phase, view.agent, view.question) == (
        Phase.REQUESTED,
        DEFAULT_AGENT,
        "# What is <b>up</b>?",
    )


@pytest.mark.parametrize("character", ["🌊", "&", "<", "*", '"', "\x07", "\\"])
async def test_the_longest_question_starts_a_run(client: Client, character: str) -> None:
    """What a request may hold, Temporal takes: the summary and the details are cut to its bounds."""
    longest = MAX_INPUT_BYTES // len(character.encode()) - 1
    request = AgentRunRequest(agent=DEFAULT_AGENT, input="q" + character * longest)
    assert (await start_run(client, request, task_queue="nobody")).is_new


async def test_an_id_that_is_taken_by_something_else_is_refused(client: Client) -> None:
    """A workflow of another type is neither attached to nor shown as a run."""
    await client.start_workflow("Other", id="other", task_queue="nobody")
    with pytest.raises(InvalidInput, match="taken by a workflow of type 'Other'"):
        await start_run(client, REQUEST, run_id="other", task_queue="nobody")
    with pytest.raises(RunNotFound, match="of type 'Other', not a run"):
        await look_at_run(client, "other")


async def test_a_difference_is_told_in_every_respect(client: Client) -> None:
    """Attaching with other attachments is as much a surprise as with another question."""
    await start_run(client, REQUEST, run_id="same", task_queue="nobody")
    again = await start_run(client, REQUEST, run_id="same", task_queue="nobody")
    assert (again.is_new, again.note) == (False, None)
    other = REQUEST.model_copy(update={"attachments": ()})
    note = (await start_run(client, other, run_id="same", task_queue="nobody")).note
    assert note is not None
    assert note.startswith("run 'same' differs in its attachments;")
    changes = {"tools": (GoogleSearchTool(),), "planning": Planning(), "previous_interaction_id": "i"}
    other = REQUEST.model_copy(update=changes)
    note = (await start_run(client, other, run_id="same", task_queue="nobody")).note
    assert note is not None
    assert note.startswith("run 'same' differs in its tools and planning and earlier interaction;")
    other = REQUEST.model_copy(update={"agent": None, "model": "m"})
    note = (await start_run(client, other, run_id="same", task_queue="nobody")).note
    assert note is not None
    assert note.startswith(f"run 'same' differs in its agent ({DEFAULT_AGENT!r});")


async def test_waiting_for_a_result_has_a_bound(client: Client) -> None:
    """A look alone, and a wait that is too short, both say that the run goes on."""
    await start_run(client, REQUEST, run_id="bounded", task_queue="nobody")
    for wait_timeout_s in (0, 0.5):
        with pytest.raises(RunStillRunning, match="run 'bounded' is still requested"):
            await result_of(client, "bounded", wait_timeout_s=wait_timeout_s)


async def test_a_run_that_nobody_serves_can_be_asked_to_stop(client: Client) -> None:
    """Without a worker a cancel is kept by Temporal, and its outcome says that nothing is known yet."""
    await start_run(client, REQUEST, run_id="unserved", task_queue="nobody")
    outcome = await cancel_run(client, "unserved", wait_timeout_s=0)
    assert (outcome.phase, outcome.had_ended, outcome.report) == (Phase.REQUESTED, False, None)


async def test_a_hint_needs_an_open_run(client: Client) -> None:
    """A hint is taken by an open run, worker or not; a run that has ended is not found."""
    await start_run(client, REQUEST, run_id="hinted", task_queue="nobody")
    await notify_run(client, "hinted", source="a test")
    await client.get_workflow_handle("hinted").terminate()
    with pytest.raises(RunNotFound):
        await notify_run(client, "hinted", source="a test")


@pytest.mark.parametrize(
    ("ending", "phase"),
    [("completed", Phase.COMPLETED), ("failed", Phase.FAILED), ("cancelled", Phase.CANCELLED)],
)
async def test_a_result_of_the_future_is_no_error(client: Client, ending: str, phase: Phase) -> None:
    """Where a newer worker left behind what cannot be read here, the end is told without it."""
    run_id = f"future-{ending}"
    await start_run(
        client, AgentRunRequest(agent=DEFAULT_AGENT, input=ending), run_id=run_id, task_queue="future"
    )
    async with working(client, NewerRun, task_queue="future"):
        if ending == "cancelled":
            assert (await cancel_run(client, run_id)).phase is phase
        view = await result_of(client, run_id, wait_timeout_s=30)
    assert (view.phase, view.result) == (phase, None)
    assert view.problem is not None
    assert ("cannot be read by this version" in view.problem) is (ending != "failed")


async def test_a_status_of_the_future_is_no_error(client: Client) -> None:
    """A run that waits and cannot say in our words for what is shown without it."""
    request = AgentRunRequest(agent=DEFAULT_AGENT, input="waiting")
    await start_run(client, request, run_id="vague", task_queue="vague")
    async with working(client, NewerRun, task_queue="vague"):

        async def assert_begun() -> None:
            description = await client.get_workflow_handle("vague").describe()
            assert not description.raw_description.HasField("pending_workflow_task")

        await assert_eventually(assert_begun)
        view = await look_at_run(client, "vague")
    assert (view.phase, view.problem) == (Phase.REQUESTED, None)


async def test_a_run_that_a_worker_keeps_failing_says_so(client: Client) -> None:
    """A bug in a worker stalls a run without an end; whoever watches learns where to look."""
    await start_run(client, REQUEST, run_id="broken", task_queue="broken")
    async with working(client, BrokenRun, task_queue="broken"):
        async for view in watch_run(client, "broken"):
            if view.problem:
                assert "the worker has failed" in view.problem
                return
    pytest.fail("the watching ended")
