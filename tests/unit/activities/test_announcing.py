"""The server knows which store has the journal before a submission can be claimed."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest
from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatResponse
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.journal import Owner, SubmissionJournal
from artifacts.store import ArtifactStore
from runs.errors import ActivityErrorType
from runs.messages import (
    AgentRunRequest,
    Announcement,
    EarlierSubmission,
    FollowUp,
    FollowUpKind,
    SubmitInteraction,
    Submitted,
)
from runs.tool_calls import ToolAnswer
from tests.unit.activities.conftest import Setup, interaction

_SUBMISSION = SubmitInteraction(
    request=AgentRunRequest(agent="a", input="q"), artifacts_prefix="run/1", number=2, token="mine"
)

_PREPARED = ("run/1/request.json", "run/1/submission-2.prepared.json")


def _journal(setup: Setup) -> SubmissionJournal:
    return SubmissionJournal(setup.store, prefix="run/1", number=2)


async def _fails(setup: Setup) -> ApplicationError:
    setup.answers(interaction("in_progress"))
    with pytest.raises(ApplicationError) as caught:
        await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert setup.requests == []
    return caught.value


async def test_the_server_knows_before_anything_is_claimed(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the record is made, it has been told which store that is in, and what is sent."""
    told: list[Announcement] = []
    claim = SubmissionJournal.claim

    async def noting(self: SubmissionJournal, owner: Owner, *, token: str = "", digest: str = "") -> bool:
        told.extend(setup.server.told)
        return await claim(self, owner, token=token, digest=digest)

    monkeypatch.setattr(SubmissionJournal, "claim", noting)
    setup.answers(interaction("in_progress"))
    submitted = await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    record = await _journal(setup).sending()
    assert record is not None
    assert told == [Announcement(store=await setup.store.identity(), digest=record.digest)]
    assert record.digest.startswith("1:")
    assert submitted.store == told[0].store
    assert await _journal(setup).is_prepared("mine")


async def test_every_beat_says_the_same(setup: Setup) -> None:
    """The last to arrive is what the server keeps, so not even one that was sent before may be silent."""
    setup.environment.info = dataclasses.replace(
        setup.environment.info, heartbeat_timeout=timedelta(milliseconds=30)
    )
    has_beaten = asyncio.Event()

    def beat(announcement: Announcement) -> None:
        setup.beats.append(announcement)
        if announcement.digest:
            has_beaten.set()

    async def answer(_: object) -> object:
        await has_beaten.wait()
        return interaction("in_progress")

    setup.environment.on_heartbeat = beat

    setup.answers(answer)  # type: ignore[arg-type]  # MockTransport takes a coroutine function as well
    await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert {beat.store for beat in setup.beats} == {await setup.store.identity()}
    assert setup.beats[-1] == setup.server.told[-1]


async def test_no_older_beat_comes_after_what_the_server_was_told(setup: Setup) -> None:
    """One without the digest may wait in the SDK; a newer one takes its place before the call is made."""
    setup.environment.on_heartbeat = setup.beats.append
    setup.answers(interaction("in_progress"))
    await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert setup.beats[-1] == setup.server.told[-1]


async def test_an_answer_in_the_moment_of_a_cancel_counts(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker given up just as the answer came knows what became of the submission, and says so."""
    is_sending, may_end = asyncio.Event(), asyncio.Event()
    submitted = Submitted(interaction_id="v1_abc", artifacts_uri="file:///run/1")

    async def submit(*_: object) -> Submitted:
        is_sending.set()
        await may_end.wait()
        return submitted

    monkeypatch.setattr("activities.interaction_activities.submit", submit)
    running = asyncio.create_task(setup.environment.run(setup.activities().submit_interaction, _SUBMISSION))
    await is_sending.wait()
    may_end.set()
    running.cancel()
    assert await running == submitted


@pytest.mark.parametrize(
    "answer",
    [
        RPCError("activity not found", RPCStatusCode.NOT_FOUND, b""),
        RPCError("no server", RPCStatusCode.UNAVAILABLE, b""),
        RecordActivityTaskHeartbeatResponse(cancel_requested=True),
    ],
    ids=["given up", "away", "cancelled"],
)
async def test_what_the_server_does_not_know_of_is_not_claimed(
    setup: Setup, answer: RecordActivityTaskHeartbeatResponse | Exception
) -> None:
    """A worker that was cut off and comes back finds out, and sends nothing."""
    setup.server.answer = answer
    failure = await _fails(setup)
    assert failure.type == ActivityErrorType.SUBMISSION_REFUSED
    assert failure.message.startswith("nothing was submitted: Temporal ")
    assert await setup.store.list("run/1") == _PREPARED


async def test_a_server_that_hangs_is_not_waited_for(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time after which the worker would be given up."""

    async def hang(*_: object, **__: object) -> RecordActivityTaskHeartbeatResponse:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(setup.server, "record_activity_task_heartbeat", hang)
    monkeypatch.setattr("activities.announcing._TELL_TIMEOUT", timedelta(milliseconds=10))
    assert (
        await _fails(setup)
    ).message == "nothing was submitted: Temporal could not be told of it: no answer"
    assert await setup.store.list("run/1") == _PREPARED


async def test_a_crash_leaves_word_of_the_store(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have come at any point, and the recovery has to know whose journal to read."""

    async def broken(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("interactions.client.InteractionsClient.create", broken)
    failure = await _fails(setup)
    assert (failure.type, failure.non_retryable) == ("KeyError", True)
    assert Announcement.model_validate_json(failure.details[0]) == setup.server.told[-1]


@pytest.mark.parametrize("interaction_id", ["v1_before", None])
async def test_a_number_that_has_been_another_s_is_not_used(setup: Setup, interaction_id: str | None) -> None:
    """After a reset: what was sent under it before is something else, and is named."""
    await _journal(setup).claim(Owner.SUBMITTER, token="before", digest="1:other")
    if interaction_id is not None:
        await _journal(setup).note_accepted(interaction_id)
    failure = await _fails(setup)
    assert failure.type == ActivityErrorType.SUBMISSION_NUMBER_TAKEN
    assert EarlierSubmission.model_validate_json(failure.details[0]) == EarlierSubmission(
        token="before", interaction_id=interaction_id
    )


async def test_the_same_again_is_for_the_journal_to_say(setup: Setup) -> None:
    """After a reset to before a submission that was answered: it is neither sent again nor refused."""
    setup.answers(interaction("in_progress"))
    await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    setup.requests.clear()
    failure = await _fails(setup)
    assert failure.type == ActivityErrorType.SUBMISSION_PENDING
    announced = Announcement.model_validate_json(failure.details[0])
    record = await _journal(setup).sending()
    assert record is not None
    assert announced.digest == record.digest


async def test_a_damaged_record_is_for_the_recovery_to_tell_of(setup: Setup) -> None:
    """Whoever finds the number taken does not send, whatever the record says."""
    await _journal(setup).claim(Owner.SUBMITTER, token="earlier", digest="1:other")
    await setup.store.put("run/1/submission-2.sending.json", b"{", "application/json")
    assert (await _fails(setup)).type == ActivityErrorType.SUBMISSION_PENDING


async def test_what_another_store_has_is_not_missing_for_good(setup: Setup) -> None:
    """A worker with the other store may take the next submission: it is refused, and not the run failed."""
    answer = ToolAnswer(call_id="c", name="f", uri=f"{setup.store.base_uri}/run/1/tools/1-1.json")
    elsewhere = await ArtifactStore.open("memory://").identity()
    for store, kind in (
        (None, ActivityErrorType.SUBMISSION_REJECTED),
        (await setup.store.identity(), ActivityErrorType.SUBMISSION_REJECTED),
        (elsewhere, ActivityErrorType.SUBMISSION_REFUSED),
    ):
        follow_up = FollowUp(
            kind=FollowUpKind.TOOL_RESULTS,
            previous_interaction_id="v1_calls",
            answers=(answer.model_copy(update={"store": store}),),
        )
        submission = _SUBMISSION.model_copy(update={"follow_up": follow_up})
        with pytest.raises(ApplicationError) as caught:
            await setup.environment.run(setup.activities().submit_interaction, submission)
        assert caught.value.type == kind
        assert (elsewhere.named in caught.value.message) is (store == elsewhere)
