import asyncio
from datetime import timedelta

import httpx2 as httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.journal import Owner, SubmissionJournal
from activities.timeouts import RECOVER_RETRY
from artifacts.errors import StoreUnavailable
from artifacts.store import ArtifactStore
from runs.errors import ActivityErrorType
from runs.messages import AgentRunRequest, Recovered, RecoverSubmission, SubmitInteraction
from tests.unit.activities.conftest import Setup, interaction

_SUBMISSION = SubmitInteraction(
    request=AgentRunRequest(agent="a", input="q"), artifacts_prefix="run/1", number=2, token="t-1"
)

_LOST = RecoverSubmission(artifacts_prefix="run/1", number=2)


def _journal(setup: Setup) -> SubmissionJournal:
    return SubmissionJournal(setup.store, prefix="run/1", number=2)


async def _recover(
    setup: Setup, *, after: timedelta = timedelta(0), lost: RecoverSubmission = _LOST
) -> Recovered:
    setup.attempt(1, elapsed=after, last=setup.beats[-1] if setup.beats else None)
    return await setup.environment.run(setup.activities().recover_submission, lost)


async def _pending(
    setup: Setup, *, after: timedelta = timedelta(0), lost: RecoverSubmission = _LOST
) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        await _recover(setup, after=after, lost=lost)
    assert caught.value.type == ActivityErrorType.SUBMISSION_PENDING
    assert not caught.value.non_retryable
    return caught.value


async def test_sending_is_on_record_before_the_bytes_leave(setup: Setup) -> None:
    """When the API sees the request, a crash already finds the record; and then the id."""
    seen: list[tuple[str, ...]] = []

    async def look(_: httpx.Request) -> httpx.Response:
        seen.append(await setup.store.list("run/1"))
        return interaction("in_progress")

    setup.answers(look)  # type: ignore[arg-type]  # MockTransport takes a coroutine function as well
    await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert seen == [
        ("run/1/request.json", "run/1/submission-2.prepared.json", "run/1/submission-2.sending.json")
    ]
    assert await _journal(setup).accepted() == "v1_abc"


async def test_a_submission_is_claimed_once(setup: Setup) -> None:
    """Of any number at once, exactly one may send."""
    journal = _journal(setup)
    claims = await asyncio.gather(*(journal.claim(Owner.SUBMITTER) for _ in range(20)))
    assert claims.count(True) == 1


async def test_a_claimed_submission_is_not_sent(setup: Setup) -> None:
    """A worker that comes second sends nothing, whoever came first; the journal is then asked."""
    await _journal(setup).claim(Owner.SUBMITTER)
    setup.answers(interaction("in_progress"))
    with pytest.raises(ApplicationError) as caught:
        await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert caught.value.type == ActivityErrorType.SUBMISSION_PENDING
    assert setup.requests == []


async def test_nothing_written_means_certainly_not_sent_now_or_ever(setup: Setup) -> None:
    """Recovery takes the record itself, so a worker that only slept can no longer send."""
    assert await _recover(setup) == Recovered(was_sent=False)
    setup.answers(interaction("in_progress"))
    with pytest.raises(ApplicationError):
        await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert setup.requests == []


async def test_recovery_may_be_repeated(setup: Setup) -> None:
    """A recovery that crashed after taking the record comes to the same answer."""
    assert await _recover(setup) == await _recover(setup)


async def test_a_recorded_id_is_adopted(setup: Setup) -> None:
    """The worker died between learning the id and telling Temporal."""
    await _journal(setup).claim(Owner.SUBMITTER)
    await _journal(setup).note_accepted("v1_abc")
    recovered = await _recover(setup)
    assert (recovered.was_sent, recovered.interaction_id) == (True, "v1_abc")
    assert recovered.artifacts_uri.endswith("/run/1")


async def test_sending_alone_is_unknown_once_no_answer_can_come(setup: Setup) -> None:
    """A worker cut off from Temporal may still be waiting for the API, so silence is given time."""
    await _journal(setup).claim(Owner.SUBMITTER)
    # The first recovery may itself come late; the worker may have claimed a moment before it.
    assert (await _pending(setup, after=timedelta(hours=1))).next_retry_delay
    assert (await _pending(setup, after=timedelta(hours=1, seconds=119))).next_retry_delay
    assert await _recover(setup, after=timedelta(hours=1, seconds=120)) == Recovered(
        was_sent=True, artifacts_uri=f"{setup.store.base_uri}/run/1"
    )


async def test_a_submission_in_the_foreground_is_given_longer(setup: Setup) -> None:
    """Its answer comes with the finished interaction; and it is asked for less often, to last as long."""
    lost = _LOST.model_copy(update={"is_foreground": True})
    await _journal(setup).claim(Owner.SUBMITTER)
    assert (await _pending(setup, lost=lost)).next_retry_delay == timedelta(seconds=10)
    await _pending(setup, lost=lost, after=timedelta(seconds=659))
    assert (await _recover(setup, lost=lost, after=timedelta(seconds=660))).was_sent
    # Half of the attempts are left for a store that is away meanwhile.
    assert RECOVER_RETRY.maximum_attempts > 2 * timedelta(seconds=660) / timedelta(seconds=10)


async def test_a_store_that_was_away_for_a_moment_starts_no_new_wait(setup: Setup) -> None:
    """What a recovery has seen stays seen while the store cannot be read."""
    await _journal(setup).claim(Owner.SUBMITTER)
    await _pending(setup)
    store, setup.store = setup.store, ArtifactStore.open("file:///proc/nowhere")
    await _pending(setup, after=timedelta(seconds=60))
    setup.store = store
    assert len(setup.beats) == 2  # each attempt hands on what it was handed
    assert (await _recover(setup, after=timedelta(seconds=120))).was_sent


async def test_an_answer_that_comes_late_is_still_adopted(setup: Setup) -> None:
    """The id written while recovery waits is found."""
    await _journal(setup).claim(Owner.SUBMITTER)
    await _pending(setup, after=timedelta(seconds=5))
    await _journal(setup).note_accepted("v1_late")
    assert (await _recover(setup, after=timedelta(seconds=7))).interaction_id == "v1_late"


async def test_a_journal_that_cannot_be_read_decides_nothing(setup: Setup) -> None:
    """A store that is away is waited for; it is no proof that nothing was sent."""
    setup.store = ArtifactStore.open("file:///proc/nowhere")
    assert "the journal cannot be read" in (await _pending(setup, after=timedelta(hours=1))).message


async def test_an_id_that_cannot_be_recorded_is_still_returned(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paid interaction is not thrown away because its second record failed: Temporal gets the id."""
    put = setup.store.put

    async def full(key: str, content: bytes, media_type: str) -> object:
        if "accepted" in key:
            raise StoreUnavailable("no space is left", is_final=True)
        return await put(key, content, media_type)

    monkeypatch.setattr(setup.store, "put", full)
    setup.answers(interaction("in_progress"))
    submitted = await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert submitted.interaction_id == "v1_abc"


def _let_hang(setup: Setup, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    put, put_if_absent = setup.store.put, setup.store.put_if_absent

    async def hanging_put(key: str, content: bytes, media_type: str) -> object:
        return await (asyncio.Event().wait() if part in key else put(key, content, media_type))

    async def hanging_put_if_absent(key: str, content: bytes) -> object:
        return await (asyncio.Event().wait() if part in key else put_if_absent(key, content))

    monkeypatch.setattr(setup.store, "put", hanging_put)
    monkeypatch.setattr(setup.store, "put_if_absent", hanging_put_if_absent)


@pytest.mark.parametrize("part", ["request.json", "sending.json"])
async def test_a_store_that_hangs_before_sending_costs_nothing(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """What was not sent in time is not sent at all, so that an answer never comes after the time-out."""
    _let_hang(setup, monkeypatch, part)
    monkeypatch.setattr("activities.submitting.PREPARE_TIMEOUT", timedelta(milliseconds=10))
    with pytest.raises(ApplicationError) as caught:
        await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert caught.value.type == ActivityErrorType.SUBMISSION_REFUSED
    assert setup.requests == []


async def test_a_store_that_hangs_after_sending_keeps_no_id(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id of a paid interaction reaches Temporal even when its second record cannot be written."""
    _let_hang(setup, monkeypatch, "accepted.json")
    monkeypatch.setattr("activities.submitting.NOTE_TIMEOUT", timedelta(milliseconds=10))
    setup.answers(interaction("in_progress"))
    submitted = await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert submitted.interaction_id == "v1_abc"


async def test_a_worker_that_stood_still_does_not_send(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen between claiming and sending, it wakes up in a world that has moved on."""
    claim = SubmissionJournal.claim

    async def slow(self: SubmissionJournal, owner: Owner, *, token: str = "", digest: str = "") -> bool:
        clock = asyncio.get_running_loop().time
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock() + 20)
        return await claim(self, owner, token=token, digest=digest)

    monkeypatch.setattr(SubmissionJournal, "claim", slow)
    with pytest.raises(ApplicationError) as caught:
        await setup.environment.run(setup.activities().submit_interaction, _SUBMISSION)
    assert caught.value.type == ActivityErrorType.SUBMISSION_REFUSED
    assert setup.requests == []
