"""Finding out from the journal what became of a submission whose worker was lost sight of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import failures
from activities.digests import is_another
from activities.journal import DamagedRecord, Owner, SendingRecord, SubmissionJournal
from activities.timeouts import CALL_TIMEOUT, FOREGROUND_TIMEOUT
from artifacts.errors import ArtifactsError
from artifacts.keys import to_uri
from artifacts.store import ArtifactStore
from runs.errors import ActivityErrorType
from runs.limits import MAX_ERROR_CHARS
from runs.messages import EarlierSubmission, Recovered, RecoverSubmission
from runs.stores import StoreRef

log = structlog.get_logger()

_ANSWER_WITHIN: Final = 2 * CALL_TIMEOUT
"""How long after its record was first seen a submission may still be answered and recorded: the call, as
much again for a worker that stands still. Before that, silence in the journal means nothing. Not counted from
when the worker was lost sight of: one cut off from Temporal may claim and send long after that."""

_FOREGROUND_ANSWER_WITHIN: Final = FOREGROUND_TIMEOUT + CALL_TIMEOUT
"""The same for a call that is answered with the finished interaction."""

ASK_AGAIN_S: Final = 2.0
"""Between two looks at the journal: soon enough for a person who waits, cheap for any store."""

_FOREGROUND_ASK_AGAIN_S: Final = 10.0
"""Where eleven minutes may have to be waited for: often enough, and few of ``RECOVER_RETRY``'s attempts."""

_STORE_AGAIN_S: Final = 15.0
"""After a look that failed, since a store that is away is seldom back within seconds."""


class Waiting(BaseModel):
    """Kept in the heartbeat of a recovery.

    Attributes:
        since: When the submission was first known to have been claimed.
        is_elsewhere: Whether nobody with the store that has the journal has looked yet, and ``since`` is when
            somebody without it first did.
    """

    model_config = ConfigDict(frozen=True)

    since: datetime
    is_elsewhere: bool = False


async def recover(
    lost: RecoverSubmission, *, store: ArtifactStore, now: datetime, kept: Sequence[Any]
) -> Recovered:
    """Find out from the journal what became of a submission whose worker was lost sight of.

    Once this has returned ``was_sent=False`` the submission is never sent. Where the journal is in another
    store, or is not whole, this takes nothing for certain: it gives way to a worker that has it, and says in
    the end that nobody knows.

    Args:
        lost: Which submission.
        store: Where this worker's journals are.
        now: By the clock of every attempt.
        kept: What the attempt before left in its heartbeat.

    Raises:
        ApplicationError: type ``SubmissionPending``: the worker may yet write, the store cannot be read, or
            is another one.
    """
    journal = SubmissionJournal(store, prefix=lost.artifacts_prefix, number=lost.number)
    try:
        await store.check_identity()
        doubt = await _why_not_here(lost, journal, here=await store.identity())
        found = None if doubt else await _read(lost, journal, store=store)
    except DamagedRecord as error:
        doubt, found = f"{error}, so nobody can say what became of it", None
    except ArtifactsError as error:
        activity.heartbeat(*kept)
        raise _pending(f"the journal cannot be read: {error}", after_s=_STORE_AGAIN_S) from error
    if found is not None:
        return found
    waiting = _waiting_in(kept)
    if waiting is None or (waiting.is_elsewhere and not doubt):
        # Who cannot see the record does not know when it was claimed.
        waiting = Waiting(since=now, is_elsewhere=bool(doubt))
    answer_within = _FOREGROUND_ANSWER_WITHIN if lost.is_foreground else _ANSWER_WITHIN
    if now - waiting.since < answer_within:
        activity.heartbeat(waiting)
        raise _pending(
            doubt or "being sent when its worker was lost sight of; no answer recorded yet",
            after_s=_FOREGROUND_ASK_AGAIN_S if lost.is_foreground else ASK_AGAIN_S,
        )
    if doubt:
        log.warning("store.differs", doubt=doubt)
    where = lost.announced.store.address if lost.announced and doubt else store.base_uri
    return Recovered(
        was_sent=True,
        artifacts_uri=to_uri(where, lost.artifacts_prefix),
        problem=doubt[:MAX_ERROR_CHARS],
        store=lost.announced.store if lost.announced else None,
        token=None if doubt else await _other_token(lost, journal),
    )


def _waiting_in(kept: Sequence[Any]) -> Waiting | None:
    try:
        return Waiting.model_validate(kept[0]) if kept else None
    except ValidationError:
        # Of another version, in the middle of a rollout: to wait anew is safe, and to fail each time is not.
        return None


async def _why_not_here(lost: RecoverSubmission, journal: SubmissionJournal, *, here: StoreRef) -> str:
    """Return why this store's journal proves nothing about a submission; empty if it does.

    Raises:
        ArtifactsError: The store could not be read.
    """
    if lost.announced is None:
        # Nothing was claimed: whoever claims has told the server before.
        return ""
    there = lost.announced.store
    if there.store_id != here.store_id:
        return f"its journal is in {there.named}, and {here.named} cannot say what became of it"
    if lost.announced.digest and not await journal.is_prepared(lost.token):
        return (
            f"{here.named} lacks what was written to it before the submission, and cannot say what became of "
            "it; was it restored from a backup?"
        )
    return ""


async def _read(
    lost: RecoverSubmission, journal: SubmissionJournal, *, store: ArtifactStore
) -> Recovered | None:
    """Return what the journal says, once nobody can claim the submission any more; None: nothing yet.

    Raises:
        ArtifactsError: The store could not be read.
    """
    record = await journal.sending()
    if record is None and not await journal.claim(Owner.RECOVERY):
        record = await journal.sending()
        if record is None:
            return None  # and yet it is taken: let the store make up its mind
    # Read first: a store that lets a second create replace the first must not lose what was claimed.
    if record is None or record.owner is Owner.RECOVERY:
        return Recovered(was_sent=False)
    interaction_id = await journal.accepted()
    if _is_of_another(lost, record):
        # The lost worker has not claimed this number, and now cannot.
        return Recovered(
            was_sent=False, earlier=EarlierSubmission(token=record.token, interaction_id=interaction_id)
        )
    if interaction_id is None:
        return None
    return Recovered(
        was_sent=True,
        interaction_id=interaction_id,
        artifacts_uri=to_uri(store.base_uri, lost.artifacts_prefix),
        store=await store.identity(),
    )


def _is_of_another(lost: RecoverSubmission, record: SendingRecord) -> bool:
    """Return whether a record is of something else that the run has sent before it was reset."""
    if lost.announced is not None and lost.announced.digest:
        return is_another(record.digest, lost.announced.digest)
    # Lost before anybody knew what it would say. By its token the record is not this submission's; whether it
    # says the same is not known, and to name it is safer than to take its answer for this one's.
    return bool(record.digest) and lost.token not in ("", record.token)


async def _other_token(lost: RecoverSubmission, journal: SubmissionJournal) -> str | None:
    try:
        record = await journal.sending()
    except ArtifactsError:
        return None
    return None if record is None or lost.token in ("", record.token) else record.token


def _pending(reason: str, *, after_s: float) -> ApplicationError:
    return failures.expected_retry(reason, kind=ActivityErrorType.SUBMISSION_PENDING, after_s=after_s)
