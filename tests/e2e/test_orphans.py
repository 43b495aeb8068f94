"""What is left running at the API is found, shown with what the API says of it, and stopped."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from artifacts.store import ArtifactStore
from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from runs.messages import Resolution, ResolveSubmission
from runs.phase import Phase
from starter.orphans import ask_api, find_orphans, stop_orphans
from starter.runs import look_at_run, notify_run, resolve_run, result_of
from starter.views import AtApi, Orphan, OrphanReason
from tests.dev_server import running_dev_server
from tests.e2e.stack import Stack, assert_eventually, request_for, running_stack
from tests.e2e.test_cli import Command
from tests.workflow.test_resets import decisions_of, reset


@pytest.fixture(scope="module")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for this module."""
    with running_stack(tmp_path_factory.mktemp("orphans")) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The stack, all of it running, whatever the test before did to it."""
    shared_stack.mend()
    yield shared_stack
    shared_stack.worker.show_news()


class WithKey(Command):
    """``longhaul`` where the API's key is set."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.environ |= {"LONGHAUL_API_BASE_URL": stack.emulator.base_url, "GEMINI_API_KEY": "any"}


@pytest.fixture
def longhaul(stack: Stack) -> WithKey:
    """The command."""
    return WithKey(stack)


async def running_interaction(stack: Stack, run_id: str, *, client: Client) -> str:
    """Start a long run and return its interaction once it runs."""
    request = request_for(run_id, directive="duration_s=36000", deadline_s=3_600)
    await stack.start(run_id, client=client, request=request)
    await assert_eventually(lambda: stack.assert_running(run_id, client=client))
    [interaction_id] = stack.emulator.submission(run_id)["interaction_ids"]
    return str(interaction_id)


def store_of(stack: Stack) -> ArtifactStore:
    """The worker's."""
    return ArtifactStore.open(str(stack.home / "artifacts"))


def api_of(stack: Stack) -> InteractionsClient:
    """The API."""
    return InteractionsClient(ApiConfig(api_key=SecretStr("any"), base_url=stack.emulator.base_url))


async def found(stack: Stack, client: Client, **options: Any) -> list[Orphan]:
    """All that is found, with what the API says."""
    search = await find_orphans(client, store=store_of(stack), **options)
    async with api_of(stack) as api:
        return await ask_api(api, search.orphans)


async def listed(stack: Stack, client: Client, run_id: str, **options: Any) -> Orphan:
    """What is found of a run, once Temporal's list has it."""

    async def is_listed() -> Orphan:
        orphans = [each for each in await found(stack, client, **options) if each.run_id == run_id]
        assert len(orphans) == 1, orphans
        return orphans[0]

    return await assert_eventually(is_listed)


async def stop_all(stack: Stack, client: Client) -> list[Orphan]:
    """Leave nothing running for the next test."""
    async with api_of(stack) as api:
        return await stop_orphans(api, await found(stack, client))


async def test_what_a_terminated_run_left_running_is_found_and_stopped(
    stack: Stack, longhaul: Command
) -> None:
    """It is listed as running, cancelled on request and seen to have stopped; list and status lead there."""
    client = await stack.client()
    interaction_id = await running_interaction(stack, "ended", client=client)
    other = await running_interaction(stack, "goes-on", client=client)
    await client.get_workflow_handle("ended").terminate(reason="by hand")

    orphan = await listed(stack, client, "ended")
    assert (orphan.interaction_id, orphan.reason) == (interaction_id, OrphanReason.TERMINATED)
    assert (orphan.at_api, orphan.status, orphan.detail) == (
        AtApi.RUNNING,
        "in_progress",
        "terminated (by hand)",
    )
    status = longhaul("status", "ended")
    hint = f"interaction {interaction_id} may go on at the API: see `longhaul orphans`"
    assert hint in status.out
    assert "failed, ended from outside" in longhaul("list").out

    without_key = longhaul("orphans", LONGHAUL_API_BASE_URL="", GEMINI_API_KEY="")
    assert without_key.code == 0
    assert "note: listed without asking the API" in without_key.err
    assert f"{interaction_id}\tnot asked\tended" in without_key.out
    refused = longhaul("orphans", "--cancel", LONGHAUL_API_BASE_URL="", GEMINI_API_KEY="")
    assert (refused.code, refused.out) == (2, "")

    shown = longhaul("orphans")
    assert f"{interaction_id}\trunning\tended" in shown.out
    assert "1 interaction running; longhaul orphans --cancel stops them" in shown.err
    stopped = longhaul("orphans", "--cancel", "--json")
    assert stopped.code == 0, stopped
    [row] = [row for row in stopped.answer["orphans"] if row["run_id"] == "ended"]
    assert (row["was_stopped"], row["at_api"], row["status"]) == (True, "ended", "cancelled")
    assert other not in stopped.out
    assert stack.emulator.submission("goes-on")["cancels"] == 0


async def test_a_cancel_that_is_not_confirmed_is_said(stack: Stack, longhaul: Command) -> None:
    """The API takes the cancel and goes on: the command says so, and ends with 1."""
    client = await stack.client()
    interaction_id = await running_interaction(stack, "stubborn", client=client)
    await client.get_workflow_handle("stubborn").terminate()
    await listed(stack, client, "stubborn")
    stack.emulator.set_faults("cancel-404")
    stopped = longhaul("orphans", "--cancel")
    stack.emulator.set_faults()
    assert stopped.code == 1, stopped
    assert f"{interaction_id}\tNOT confirmed as stopped\tstubborn" in stopped.out
    assert [each.was_stopped for each in await stop_all(stack, client) if each.run_id == "stubborn"] == [True]


async def test_a_run_that_was_ended_from_outside_is_not_attached_to(stack: Stack, longhaul: Command) -> None:
    """The same id says so, with the interaction that may still run; --again starts another, and says that."""
    client = await stack.client()
    interaction_id = await running_interaction(stack, "tea", client=client)
    question = "Why? [[emulator submission=tea duration_s=30]]"
    goes_on = longhaul("research", question, "--id", "tea", "--again", "--no-wait")
    assert "Attached to tea" in goes_on.err
    await client.get_workflow_handle("tea").terminate(reason="by hand")

    ended = longhaul("research", question, "--id", "tea")
    assert (ended.code, ended.out) == (1, "")
    assert f"interaction {interaction_id} may go on at the API" in ended.err
    assert "--again" in ended.err
    as_json = longhaul("ask", question, "--id", "tea", "--no-wait", "--json")
    assert (as_json.code, as_json.answer["error"]["kind"]) == (1, "ended_from_outside")
    assert longhaul("ask", question, "--again").code == 2

    again = longhaul("research", question, "--id", "tea", "--again")
    assert again.code == 0, again
    assert "Started tea again, which is paid for anew" in again.err
    assert f"interaction {interaction_id} may go on at the API" in again.err
    assert stack.emulator.submission("tea")["creates"] == 2
    # It completed: no --again pays for it a third time.
    assert "Attached to tea" in longhaul("research", question, "--id", "tea", "--again").err
    orphan = await listed(stack, client, "tea")
    assert (orphan.interaction_id, orphan.at_api) == (interaction_id, AtApi.RUNNING)
    await stop_all(stack, client)


async def test_what_a_reset_run_watches_is_no_orphan(stack: Stack) -> None:
    """The execution before the reset was terminated, and the next one has taken its interaction over."""
    client = await stack.client()
    interaction_id = await running_interaction(stack, "was-reset", client=client)
    await reset(client, "was-reset", (await decisions_of(client, "was-reset"))[0])

    async def is_taken_over() -> None:
        view = await look_at_run(client, "was-reset")
        assert (view.phase, view.interaction_id) == (Phase.RUNNING, interaction_id)

    await assert_eventually(is_taken_over)

    async def is_terminated() -> None:
        query = "WorkflowId = 'was-reset' AND ExecutionStatus = 'Terminated'"
        assert [each async for each in client.list_workflows(query)]

    await assert_eventually(is_terminated)
    assert [each for each in await found(stack, client) if each.run_id == "was-reset"] == []


async def test_a_submission_that_nobody_has_named_is_found(stack: Stack, longhaul: Command) -> None:
    """Terminated while it waits for news of one: the journal names it, if anything does."""
    client = await stack.client()
    request = request_for("unnamed", directive="duration_s=36000 fault=accepted-then-dropped")
    await stack.start("unnamed", client=client, request=request)

    async def is_held() -> None:
        assert (await look_at_run(client, "unnamed")).phase is Phase.SUBMISSION_UNKNOWN

    await assert_eventually(is_held)
    await client.get_workflow_handle("unnamed").terminate()
    orphan = await listed(stack, client, "unnamed")
    assert (orphan.interaction_id, orphan.at_api) == (None, None)
    assert orphan.place is not None
    sending = stack.home / "artifacts" / orphan.place
    assert json.loads(sending.read_text())["token"] == orphan.token
    assert "\tnobody knows\tunnamed\t" in longhaul("orphans").out

    [interaction_id] = stack.emulator.submission("unnamed")["interaction_ids"]
    accepted = sending.with_name(sending.name.replace(".sending.", ".accepted."))
    accepted.write_text(json.dumps({"interaction_id": interaction_id, "of_tomorrow": 1}))
    orphan = await listed(stack, client, "unnamed")
    assert (orphan.interaction_id, orphan.at_api) == (interaction_id, AtApi.RUNNING)
    await stop_all(stack, client)


async def test_second_interactions_are_found(stack: Stack) -> None:
    """Of a run that goes on, which is asked, and of one that has ended, whose result names them."""
    client = await stack.client()
    request = request_for("twice", directive="duration_s=120 fault=accepted-then-dropped times=1")
    await stack.start("twice", client=client, request=request)

    async def is_held() -> None:
        assert (await look_at_run(client, "twice")).phase is Phase.SUBMISSION_UNKNOWN

    await assert_eventually(is_held)
    [first] = stack.emulator.submission("twice")["interaction_ids"]
    token = json.loads(await record_of(stack, "twice"))["token"]
    await resolve_run(client, "twice", ResolveSubmission(resolution=Resolution.RESUBMIT))
    await notify_run(client, "twice", source="test", interaction_id=first, token=token)
    orphan = await listed(stack, client, "twice")
    assert (orphan.interaction_id, orphan.reason) == (first, OrphanReason.SECOND)
    await result_of(client, "twice")
    orphan = await listed(stack, client, "twice")
    assert (orphan.interaction_id, orphan.reason) == (first, OrphanReason.SECOND)
    assert orphan.at_api is AtApi.ENDED


async def record_of(stack: Stack, run_id: str) -> str:
    """The record of a run's first submission."""
    [path] = await asyncio.to_thread(
        lambda: list((stack.home / "artifacts" / run_id).glob("*/submission-1.sending.json"))
    )
    return await asyncio.to_thread(path.read_text)


async def test_the_store_knows_runs_that_the_namespace_does_not(stack: Stack) -> None:
    """On a server that has none of the runs, the journal still names what they had running."""
    client = await stack.client()
    interaction_id = await running_interaction(stack, "of-old", client=client)
    with running_dev_server() as server:
        elsewhere = await Client.connect(server.address, data_converter=pydantic_data_converter)
        assert await found(stack, elsewhere) == []
        orphan = await listed(stack, elsewhere, "of-old", is_store_searched=True)
    assert (orphan.interaction_id, orphan.reason) == (interaction_id, OrphanReason.IN_STORE)
    assert orphan.at_api is AtApi.RUNNING
    assert orphan.place is not None
    assert orphan.place.endswith("/submission-1.accepted.json")
    here = await found(stack, client, is_store_searched=True)
    assert "of-old" not in {each.run_id for each in here}


async def test_a_list_that_was_cut_says_so(stack: Stack, longhaul: Command) -> None:
    """With as many runs as are looked at, it says how to go on, and going on finds the others."""
    client = await stack.client()
    for number in range(2):
        run_id = f"cut-{number}"
        await running_interaction(stack, run_id, client=client)
        await client.get_workflow_handle(run_id).terminate()
    await listed(stack, client, "cut-1")
    first = longhaul("orphans", "--json", "--limit", "1")
    [note] = [note for note in first.answer["notes"] if "ended from outside" in note]
    since = note.rpartition(" ")[2]
    assert [row["run_id"] for row in first.answer["orphans"] if row["reason"] == "terminated"] == ["cut-1"]
    rest = longhaul("orphans", "--json", "--closed-before", since)
    run_ids = {row["run_id"] for row in rest.answer["orphans"]}
    assert ("cut-0" in run_ids, "cut-1" in run_ids) == (True, False)
    assert longhaul("orphans", "--closed-before", "yesterday").code == 2
    await stop_all(stack, client)
