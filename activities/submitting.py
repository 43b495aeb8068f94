"""Sending a submission at most once."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import failures
from activities.announcing import Announcing, NotAnnounced
from activities.claims import claim_interaction
from activities.digests import digest_of, is_another
from activities.failures import NotSendable
from activities.journal import Owner, SubmissionJournal
from activities.recovering import ASK_AGAIN_S
from activities.submission import build_submission
from activities.timeouts import (
    CLAIM_TIMEOUT,
    FOREGROUND_TIMEOUT,
    NOTE_TIMEOUT,
    PREPARE_TIMEOUT,
    SUBMIT_HEARTBEAT_TIMEOUT,
)
from artifacts.errors import ArtifactNotFound, ArtifactsError, InvalidKey
from artifacts.json_schema import objection_to
from artifacts.keys import to_uri
from artifacts.store import ArtifactStore
from interactions.client import InteractionsClient, can_be_asked_for
from interactions.errors import InteractionsError
from interactions.faults import tidy
from interactions.requests import CreateInteraction
from interactions.statuses import Standing
from isolation.lanes import QUICK
from isolation.pool import CutShort, Pool
from runs.errors import ActivityErrorType, RunErrorCode
from runs.messages import (
    AgentRunRequest,
    Announcement,
    EarlierSubmission,
    SubmitInteraction,
    Submitted,
)
from runs.pricing import PriceTable
from runs.stores import StoreRef
from runs.tool_secrets import ToolSecret

log = structlog.get_logger()

_SHOWN_ID_CHARS: Final = 150
"""Of an id that no request can name: enough for a person to look for it."""


@dataclass(frozen=True, kw_only=True)
class SubmitsWith:
    """What a worker submits with: its own, so that nothing else it does can use it up.

    Attributes:
        client: Sends.
        store: Has what submissions refer to, and keeps their journals.
        checks: Where schemas are checked; not where answers are, which may take their time.
        secrets: What tools authorize themselves with, by the names that requests use. They go into requests
            to the API and nowhere else.
        prices: What a bound on the cost is kept by.
    """

    client: InteractionsClient
    store: ArtifactStore
    checks: Pool
    secrets: Mapping[str, ToolSecret]
    prices: PriceTable


async def submit(submission: SubmitInteraction, means: SubmitsWith, announcing: Announcing) -> Submitted:
    """Send one submission, at most once whoever else tries, and return the interaction's id.

    Args:
        submission: What to send.
        means: What to send it with.
        announcing: Tells the server where the journal is, before the submission is claimed.

    Raises:
        ApplicationError: type ``SubmissionRefused``, ``SubmissionRejected`` or ``SubmissionUnknown``, or
            ``SubmissionPending`` or ``SubmissionNumberTaken`` if it was somebody else's to send.
    """
    client, store = means.client, means.store
    prefix = submission.artifacts_prefix
    journal = SubmissionJournal(store, prefix=prefix, number=submission.number)
    create = await _claimed(submission, journal, means, announcing)
    try:
        created = await client.create(
            create, timeout_s=FOREGROUND_TIMEOUT.total_seconds() if submission.holds_connection else None
        )
    except InteractionsError as error:
        raise failures.submission_failure(error, create) from error
    if not can_be_asked_for(created.id):
        raise failures.submission_unknown(
            "the API accepted the submission but named no interaction that could be asked for: "
            f"{tidy(created.id, _SHOWN_ID_CHARS)!r}"
        )
    await _take(created.id, submission, store)
    try:
        async with asyncio.timeout(NOTE_TIMEOUT.total_seconds()):
            await journal.note_accepted(created.id)
    except (ArtifactsError, TimeoutError) as error:
        # Temporal is about to have the id as well; only a crash in this very moment would miss the record.
        log.warning("journal.not_written", interaction_id=created.id, error=str(error))
    log.info("interaction.submitted", interaction_id=created.id, target=submission.request.target)
    return Submitted(
        interaction_id=created.id,
        artifacts_uri=to_uri(store.base_uri, prefix),
        store=announcing.announcement.store,
        has_ended=created.standing is not Standing.RUNNING,
    )


async def _take(interaction_id: str, submission: SubmitInteraction, store: ArtifactStore) -> None:
    """Make sure that the interaction is this submission's, as far as the store can tell.

    Raises:
        ApplicationError: type ``SubmissionUnknown``: another submission was answered with it before.
    """
    try:
        async with asyncio.timeout(CLAIM_TIMEOUT.total_seconds()):
            other = await claim_interaction(
                store,
                interaction_id,
                workflow_id=activity.info().workflow_id or "",
                artifacts_prefix=submission.artifacts_prefix,
                number=submission.number,
            )
    except (ArtifactsError, TimeoutError) as error:
        # Next to certainly it is ours; to hold a run for what is so seldom would help nobody.
        log.warning("interaction.not_claimed", interaction_id=interaction_id, error=str(error))
        return
    if other is not None:
        raise failures.submission_unknown(
            f"the API accepted the submission, but answered with interaction {interaction_id}, which it had "
            f"given to submission {other.number} of run {other.workflow_id} before: what became of this one "
            "is not known"
        )


async def _claimed(
    submission: SubmitInteraction, journal: SubmissionJournal, means: SubmitsWith, announcing: Announcing
) -> CreateInteraction:
    """Return what to send, once nobody else can send it.

    Raises:
        ApplicationError: It may not be sent: as `submit`, but for ``SubmissionUnknown``.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PREPARE_TIMEOUT.total_seconds()):
            create = await _prepared(submission, means)
            digest = await asyncio.to_thread(digest_of, create)
            await means.store.check_identity()
            await journal.prepare(submission.token)
            began_s = loop.time()
            await announcing.tell(digest)
            is_ours = await journal.claim(Owner.SUBMITTER, token=submission.token, digest=digest)
    except TimeoutError as error:
        raise failures.not_sent("the artifact store is too slow to send what was asked for") from error
    except NotAnnounced as error:
        raise failures.not_sent(f"nothing was submitted: {error}") from error
    except NotSendable as error:
        raise failures.not_sendable(error) from error
    except ArtifactsError as error:
        raise _store_failure(error, submission, here=announcing.announcement.store) from error
    if not is_ours:
        raise await _why_taken(journal, announcing.announcement)
    if loop.time() - began_s > SUBMIT_HEARTBEAT_TIMEOUT.total_seconds():
        # A process that was frozen this long has been given up meanwhile, and somebody may have decided
        # to send again. Where it has not, this costs one more submission of a request never sent.
        raise failures.not_sent("the worker stood still before it could send")
    return create


async def _prepared(submission: SubmitInteraction, means: SubmitsWith) -> CreateInteraction:
    """Return what to send.

    Raises:
        ArtifactsError: Something cannot be read from the store, or the request cannot be kept there.
        NotSendable: It cannot be sent as it is.
    """
    request = submission.request
    if submission.follow_up is None:
        # A further turn's request lacks what only the first one sends.
        content = request.model_dump_json(indent=2).encode()
        await means.store.put(f"{submission.artifacts_prefix}/request.json", content, "application/json")
    await _check(request, means)
    return await build_submission(submission, means.store, means.secrets, is_vertex=means.client.is_vertex)


def _store_failure(
    error: ArtifactsError, submission: SubmitInteraction, *, here: StoreRef
) -> ApplicationError:
    answers = submission.follow_up.answers if submission.follow_up is not None else ()
    stores = (submission.store, *(answer.store for answer in answers))
    others = {store.named for store in stores if store is not None and store.store_id != here.store_id}
    if others and isinstance(error, ArtifactNotFound | InvalidKey):
        # Of an earlier turn. Sent again some time, it may come to a worker that has it.
        return failures.not_sent(
            f"nothing was submitted: {error}; it may be in {', '.join(sorted(others))}, not in {here.named}"
        )
    return failures.store_failure_before_submission(error)


async def _check(request: AgentRunRequest, means: SubmitsWith) -> None:
    """Make sure that what the request asks for can be kept, before it is paid for.

    Raises:
        NotSendable: It cannot.
    """
    target = request.target
    has_price = target in means.prices.usd_per_million
    if request.budget and request.budget.max_cost_usd is not None and not has_price:
        raise NotSendable(
            f"no price for {target}, so max_cost_usd cannot be kept; "
            "add one to LONGHAUL_PRICES_FILE or use max_tokens",
            code=RunErrorCode.BUDGET,
        )
    schema = request.outputs.json_schema
    if schema is not None and (objection := await _objection_to(schema, means.checks)) is not None:
        raise NotSendable(objection)


async def _objection_to(schema: dict[str, JsonValue], checks: Pool) -> str | None:
    """Return why an answer could not be held to ``schema``; None if it can be.

    Raises:
        ApplicationError: type ``SubmissionRefused``: this worker could not find out.
    """
    try:
        try:
            return await checks.run(QUICK, objection_to, schema)
        except CutShort as error:
            log.info("schema.checked_again", reason=str(error))
            # Once more: a machine may have been out of memory for a moment.
            return await checks.run(QUICK, objection_to, schema)
    except CutShort as error:
        if not error.has_begun:
            raise failures.not_sent(
                f"nothing was submitted: the schema could not be checked here: {error}"
            ) from None
        return f"no usable JSON Schema: it could not be checked: {error}; make it simpler"


async def _why_taken(journal: SubmissionJournal, announcement: Announcement) -> ApplicationError:
    """Return why the submission, which somebody else has claimed, is not sent."""
    # A store that cannot be read now will be read by the recovery.
    with contextlib.suppress(ArtifactsError):
        record = await journal.sending()
        if record is not None and is_another(record.digest, announcement.digest):
            return failures.number_taken(
                EarlierSubmission(token=record.token, interaction_id=await journal.accepted())
            )
    # A recovery, or an earlier life of this run: the journal may well say what became of it.
    return failures.expected_retry(
        "somebody else has claimed this submission",
        announcement.model_dump_json(),
        kind=ActivityErrorType.SUBMISSION_PENDING,
        after_s=ASK_AGAIN_S,
    )
