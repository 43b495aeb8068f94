"""What recovery says where the journal is another store's, is not whole, or is of a run before its reset."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from activities.journal import Owner, SubmissionJournal
from artifacts.store import ArtifactStore
from runs.errors import ActivityErrorType
from runs.messages import Announcement, EarlierSubmission, Recovered, RecoverSubmission
from tests.unit.activities.conftest import Setup

_TOKEN = "mine"  # noqa: S105 - no secret here
_NOW = timedelta(0)
_OVER = timedelta(minutes=2)


def _journal(store: ArtifactStore) -> SubmissionJournal:
    return SubmissionJournal(store, prefix="run/1", number=2)


async def _announced(store: ArtifactStore, digest: str = "1:mine") -> Announcement:
    return Announcement(store=await store.identity(), digest=digest)


def _lost(announced: Announcement | None, *, token: str = _TOKEN) -> RecoverSubmission:
    return RecoverSubmission(artifacts_prefix="run/1", number=2, token=token, announced=announced)


async def _recover(setup: Setup, lost: RecoverSubmission, *, after: timedelta = _NOW) -> Recovered:
    setup.attempt(1, elapsed=after, last=setup.beats[-1] if setup.beats else None)
    return await setup.environment.run(setup.activities().recover_submission, lost)


async def _pending(setup: Setup, lost: RecoverSubmission, *, after: timedelta = _NOW) -> str:
    with pytest.raises(ApplicationError) as caught:
        await _recover(setup, lost, after=after)
    assert caught.value.type == ActivityErrorType.SUBMISSION_PENDING
    assert caught.value.next_retry_delay == timedelta(seconds=2)
    return caught.value.message


async def test_another_store_is_not_an_empty_one(setup: Setup) -> None:
    """Its silence proves nothing: a worker that has the right one is waited for; then, nobody knows."""
    other = ArtifactStore.open("memory://")
    there, here = await other.identity(), await setup.store.identity()
    lost = _lost(await _announced(other))
    assert await _pending(setup, lost) == (
        f"its journal is in {there.named}, and {here.named} cannot say what became of it"
    )
    await _pending(setup, lost, after=_OVER - timedelta(seconds=1))
    recovered = await _recover(setup, lost, after=_OVER)
    assert (recovered.was_sent, recovered.interaction_id, recovered.store) == (True, None, there)
    assert there.named in recovered.problem
    assert here.named in recovered.problem
    # A record here would only mislead: the number may be in use there.
    assert await setup.store.list("run/1") == ()


async def test_a_worker_with_the_right_store_has_the_last_word(setup: Setup) -> None:
    """It may take any attempt, and its two minutes begin when it has seen the record."""
    right, setup.store = setup.store, ArtifactStore.open("memory://")
    lost = _lost(await _announced(right))
    await _journal(right).prepare("mine")
    await _journal(right).claim(Owner.SUBMITTER, token="mine", digest="1:mine")
    await _pending(setup, lost)
    setup.store = right
    await _pending(setup, lost, after=_OVER)
    setup.store = ArtifactStore.open("memory://")
    await _pending(setup, lost, after=2 * _OVER - timedelta(seconds=1))
    await _journal(right).note_accepted("v1_late")
    setup.store = right
    assert (await _recover(setup, lost, after=2 * _OVER)).interaction_id == "v1_late"


async def test_the_right_store_says_not_sent_at_once(setup: Setup) -> None:
    """The worker had told where it would write, and has not: nothing was sent, and nothing will be."""
    await _journal(setup.store).prepare("mine")
    lost = _lost(await _announced(setup.store))
    assert await _recover(setup, lost) == Recovered(was_sent=False)
    assert not await _journal(setup.store).claim(Owner.SUBMITTER)


async def test_nothing_announced_is_nothing_claimed(setup: Setup) -> None:
    """Any store will do to say so."""
    assert await _recover(setup, _lost(None)) == Recovered(was_sent=False)


async def test_a_store_that_has_lost_files_proves_nothing(setup: Setup) -> None:
    """Restored from a backup it has the same identity, but not what was there before the announcement."""
    lost = _lost(await _announced(setup.store))
    assert "was it restored from a backup?" in await _pending(setup, lost)
    recovered = await _recover(setup, lost, after=_OVER)
    assert recovered.was_sent
    assert "was it restored from a backup?" in recovered.problem
    assert await setup.store.list("run/1") == ()


async def test_what_a_worker_lost_while_preparing_had_not_announced(setup: Setup) -> None:
    """Its store is known, what it would say is not: it had not come to the claim."""
    lost = _lost(await _announced(setup.store, digest=""))
    assert await _recover(setup, lost) == Recovered(was_sent=False)


async def test_a_store_that_changed_under_the_worker_is_not_read(setup: Setup, tmp_path: Path) -> None:
    """An empty folder where a disk was mounted is no journal."""
    kept = tmp_path / "kept"
    setup.store = ArtifactStore.open(str(kept))
    lost = _lost(await _announced(setup.store))
    kept.rename(tmp_path / "unmounted")
    with pytest.raises(ApplicationError, match="is it still mounted") as caught:
        await _recover(setup, lost)
    assert caught.value.type == ActivityErrorType.SUBMISSION_PENDING


@pytest.mark.parametrize("interaction_id", ["v1_earlier", None])
async def test_a_record_of_something_else_is_not_adopted(setup: Setup, interaction_id: str | None) -> None:
    """Before it was reset, the run has said something else under this number: that is named."""
    journal = _journal(setup.store)
    await journal.claim(Owner.SUBMITTER, token="before", digest="1:other")
    if interaction_id is not None:
        await journal.note_accepted(interaction_id)
    await journal.prepare("mine")
    assert await _recover(setup, _lost(await _announced(setup.store))) == Recovered(
        was_sent=False, earlier=EarlierSubmission(token="before", interaction_id=interaction_id)
    )


async def test_a_record_of_the_same_is_adopted_across_a_reset(setup: Setup) -> None:
    """What was asked is the same; that it was asked under another token, news of it will say."""
    journal = _journal(setup.store)
    await journal.claim(Owner.SUBMITTER, token="before", digest="1:mine")
    await journal.prepare("mine")
    lost = _lost(await _announced(setup.store))
    await _pending(setup, lost)
    recovered = await _recover(setup, lost, after=_OVER)
    assert (recovered.was_sent, recovered.interaction_id, recovered.token) == (True, None, "before")
    await journal.note_accepted("v1_before")
    assert (await _recover(setup, lost)).interaction_id == "v1_before"


async def test_a_record_without_digest_is_believed(setup: Setup) -> None:
    """It is of a version that made none."""
    journal = _journal(setup.store)
    await journal.claim(Owner.SUBMITTER, token="before")
    await journal.note_accepted("v1_before")
    await journal.prepare("mine")
    for announced in (None, await _announced(setup.store)):
        assert (await _recover(setup, _lost(announced))).interaction_id == "v1_before"


async def test_a_worker_lost_before_it_knew_what_to_say_names_what_is_there(setup: Setup) -> None:
    """The record is not its own, and might be of something else."""
    journal = _journal(setup.store)
    await journal.claim(Owner.SUBMITTER, token="before", digest="1:other")
    await journal.note_accepted("v1_before")
    recovered = await _recover(setup, _lost(None))
    assert (recovered.was_sent, recovered.earlier) == (
        False,
        EarlierSubmission(token="before", interaction_id="v1_before"),
    )
    # By its own token, or by none, which an older version gives, it is the submission's.
    for token in ("before", ""):
        assert (await _recover(setup, _lost(None, token=token))).interaction_id == "v1_before"


async def test_a_store_that_lets_itself_be_lied_to_loses_no_claim(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that began to replace files after it was tried: what is there is read before all else."""
    journal = _journal(setup.store)
    await journal.claim(Owner.SUBMITTER, token="mine", digest="1:mine")
    await journal.prepare("mine")

    async def replace(key: str, content: bytes) -> bool:
        await setup.store.put(key, content, "application/json")
        return True

    monkeypatch.setattr(setup.store, "put_if_absent", replace)
    await _pending(setup, _lost(await _announced(setup.store)))
    record = await journal.sending()
    assert record is not None
    assert record.owner is Owner.SUBMITTER


@pytest.mark.parametrize("record", ["prepared", "sending", "accepted"])
async def test_a_damaged_record_says_nothing(setup: Setup, record: str) -> None:
    """Not that nothing was sent, nor what came of it: after a while nobody knows, and the file is named."""
    journal = _journal(setup.store)
    await journal.prepare(_TOKEN)
    await journal.claim(Owner.SUBMITTER, token=_TOKEN, digest="1:mine")
    await journal.note_accepted("v1_x")
    await setup.store.put(f"run/1/submission-2.{record}.json", b"{", "application/json")
    lost = _lost(await _announced(setup.store))
    assert f"submission-2.{record}.json is damaged" in await _pending(setup, lost)
    recovered = await _recover(setup, lost, after=_OVER)
    assert (recovered.was_sent, recovered.interaction_id) == (True, None)
    assert f"submission-2.{record}.json is damaged" in recovered.problem


async def test_a_beat_of_another_version_is_as_good_as_none(setup: Setup) -> None:
    """In the middle of a rollout, the waiting begins anew instead of failing each time."""
    journal = _journal(setup.store)
    await journal.prepare(_TOKEN)
    await journal.claim(Owner.SUBMITTER, token=_TOKEN, digest="1:mine")
    setup.beats.append({"seen": 1})
    await _pending(setup, _lost(await _announced(setup.store)))
