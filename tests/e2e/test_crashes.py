"""Processes die in the middle of runs; no run is lost, and none is paid for twice."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
import pytest_asyncio
from temporalio.client import Client

from runs.pacing import Pacing
from runs.phase import Phase
from starter.executions import describe
from starter.runs import look_at_run, notify_run
from starter.views import RunView
from tests.e2e.stack import Stack, assert_eventually, request_for, running_stack

IN_FLIGHT = 20

RECOVERED_WITHIN_S = 100.0
"""All is well again after about ten seconds: five for the dead worker's own queue or for a look that it
took to the grave, the rest for the next look, and for a busy machine."""

UNHURRIED = Pacing(poll_min_s=8, poll_max_s=8)
"""Long enough to find all runs between two looks, on a busy machine too."""

LONG_S = 36_000
"""Emulated seconds: a run that ends when the test lets it."""


@pytest.fixture(scope="module")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for this module, whose tests leave it running."""
    with running_stack(tmp_path_factory.mktemp("crashes")) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The stack, all of it running, whatever the test before did to it."""
    shared_stack.mend()
    yield shared_stack
    shared_stack.worker.show_news()


@pytest_asyncio.fixture
async def client(stack: Stack) -> Client:
    """A client of the stack's server."""
    return await stack.client()


async def start_many(stack: Stack, name: str, *, client: Client) -> list[str]:
    """Start runs and return their ids once all have been looked at and none is being looked at."""
    run_ids = [f"{name}-{number}" for number in range(IN_FLIGHT)]
    for run_id in run_ids:
        request = request_for(run_id, directive=f"duration_s={LONG_S}", pacing=UNHURRIED)
        await stack.start(run_id, client=client, request=request)

    async def all_wait() -> None:
        for run_id in run_ids:
            await stack.assert_between_looks(run_id, client=client)

    await assert_eventually(all_wait, within_s=60)
    return run_ids


async def assert_all_completed(stack: Stack, run_ids: list[str], *, client: Client) -> None:
    """Wait for the ends of all runs: each completed, with one interaction of its own, submitted once."""

    async def all_ended() -> list[RunView]:
        return [await stack.assert_ended(run_id, client=client) for run_id in run_ids]

    views = await assert_eventually(all_ended, within_s=RECOVERED_WITHIN_S)
    assert [(view.phase, view.problem) for view in views] == [(Phase.COMPLETED, None)] * len(run_ids)
    for view in views:
        assert view.result is not None
        counted = stack.emulator.submission(view.run_id)
        assert (counted["creates"], counted["interactions"]) == (1, 1), view.run_id
        assert view.result.interaction_ids == tuple(counted["interaction_ids"])


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Hold a process still for as long as the block runs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_killed_worker_loses_no_run(stack: Stack, client: Client) -> None:
    """After `kill -9` and a new start every run goes on where it was, with the interaction it had."""
    run_ids = await start_many(stack, "worker-killed", client=client)
    stack.worker.kill()
    stack.let_pass(LONG_S)
    stack.worker.start()
    await assert_all_completed(stack, run_ids, client=client)


async def test_a_killed_server_loses_no_run(stack: Stack, client: Client) -> None:
    """When Temporal's server comes back on its database, worker and runs go on by themselves."""
    run_ids = await start_many(stack, "server-killed", client=client)
    pid = stack.worker.pid
    stack.server.restart()
    stack.let_pass(LONG_S)
    await assert_all_completed(stack, run_ids, client=client)
    assert (stack.worker.pid, stack.worker.is_running) == (pid, True)


async def test_a_look_that_died_with_its_worker_is_taken_again(stack: Stack, client: Client) -> None:
    """In seconds, with no news and no event more; what the look before it saw is shown meanwhile."""
    run_id = "look-lost"
    request = request_for(run_id, directive="duration_s=120", pacing=Pacing(poll_min_s=0.2, poll_max_s=0.2))
    await stack.start(run_id, client=client, request=request)

    async def is_seen() -> int:
        view = await look_at_run(client, run_id)
        assert view.sighting is not None
        return view.sighting.looks

    await assert_eventually(is_seen)
    stack.emulator.set_faults("get-hang")
    looks = stack.emulator.submission(run_id)["looks"]

    async def hangs() -> None:
        assert stack.emulator.submission(run_id)["looks"] > looks

    async def is_given_up() -> None:
        description = await describe(client, run_id)
        (pending,) = description.raw_description.pending_activities
        assert pending.last_failure.HasField("timeout_failure_info")

    await assert_eventually(hangs)
    seen = await is_seen()
    stack.worker.kill()
    stack.emulator.set_faults()
    await assert_eventually(is_given_up, within_s=10)
    assert await is_seen() == seen
    stack.worker.start()
    await assert_all_completed(stack, [run_id], client=client)
    history = await client.get_workflow_handle(run_id).fetch_history()
    assert len(history.events) <= 30


async def test_a_notified_run_does_not_wait_for_a_dead_worker(stack: Stack, client: Client) -> None:
    """A look that its worker took to the grave is taken again at once when the run is told of news."""
    run_id = "look-killed"
    request = request_for(run_id, directive="duration_s=60 fault=get-hang times=1")
    await stack.start(run_id, client=client, request=request)

    async def hangs() -> None:
        assert stack.emulator.submission(run_id)["looks"] == 1

    await assert_eventually(lambda: stack.assert_running(run_id, client=client))
    await assert_eventually(hangs)
    stack.worker.kill()
    stack.worker.start()
    await notify_run(client, run_id, source="test")
    await assert_all_completed(stack, [run_id], client=client)


async def test_an_answer_that_temporal_never_learned_of_is_found(stack: Stack, client: Client) -> None:
    """The worker dies with an interaction's id that only its journal has; the run adopts it from there."""
    run_id = "answer-lost"
    with frozen(stack.emulator.pid):
        await stack.start(run_id, client=client)
        await assert_eventually(lambda: assert_recorded(stack, run_id, "sending"))
        stack.server.kill()
    await assert_eventually(lambda: assert_recorded(stack, run_id, "accepted"))
    stack.worker.kill()
    stack.server.start()
    stack.worker.start()
    await assert_all_completed(stack, [run_id], client=client)
    assert "recover_submission" in await activities_of(run_id, client=client)


async def assert_recorded(stack: Stack, run_id: str, what: str) -> None:
    """Check that the journal of a run's first submission has a record."""
    folder = stack.home / "artifacts" / run_id
    files = await asyncio.to_thread(lambda: [path.name for path in folder.glob("*/*")])
    assert f"submission-1.{what}.json" in files, files


async def test_a_worker_told_to_stop_waits_for_the_answer(stack: Stack, client: Client) -> None:
    """SIGTERM in the middle of a submission: the worker stays until it knows the id, then ends with 0."""
    run_id = "terminated"
    with frozen(stack.emulator.pid):
        await stack.start(run_id, client=client)
        await assert_eventually(lambda: assert_recorded(stack, run_id, "sending"))
        stack.worker.terminate()

        async def drains() -> None:
            assert stack.worker.health()["draining"] is True

        await assert_eventually(drains)
    assert await asyncio.to_thread(stack.worker.wait, 30) == 0
    stack.worker.start()
    await assert_all_completed(stack, [run_id], client=client)
    expected = ["submit_interaction", "watch_interaction", "settle_interaction"]
    assert await activities_of(run_id, client=client) == expected


async def activities_of(run_id: str, *, client: Client) -> list[str]:
    """Return the activities that a run has asked for, in order."""
    history = await client.get_workflow_handle(run_id).fetch_history()
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
