"""Sending a submission at most once, and finding out what became of one."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import failures
from activities.failures import NotSendable
from activities.journal import Owner, SubmissionJournal
from activities.submission import build_submission
from activities.timeouts import (
    CALL_TIMEOUT,
    FOREGROUND_TIMEOUT,
    NOTE_TIMEOUT,
    PREPARE_TIMEOUT,
    SUBMIT_HEARTBEAT_TIMEOUT,
)
from artifacts.errors import ArtifactsError
from artifacts.json_schema import objection_to
from artifacts.keys import to_uri
from artifacts.store import ArtifactStore
from interactions.client import InteractionsClient
from interactions.errors import InteractionsError
from interactions.statuses import Standing
from isolation.lanes import QUICK
from isolation.pool import CutShort, Pool
from runs.errors import ActivityErrorType, RunErrorCode
from runs.limits import MAX_INTERACTION_ID_CHARS
from runs.messages import AgentRunRequest, Recovered, RecoverSubmission, SubmitInteraction, Submitted
from runs.pricing import PriceTable
from runs.tool_secrets import ToolSecret

log = structlog.get_logger()

_ANSWER_WITHIN: Final = 2 * CALL_TIMEOUT
"""How long after its record was first seen a submission may still be answered and recorded: the call, as
much again for a worker that stands still. Before that, silence in the journal means nothing. Not counted from
when the worker was lost sight of: one cut off from Temporal may claim and send long after that."""

_FOREGROUND_ANSWER_WITHIN: Final = FOREGROUND_TIMEOUT + CALL_TIMEOUT
"""The same for a call that is answered with the finished interaction."""

_ASK_AGAIN_S: Final = 2.0
"""Between two looks at the journal: soon enough for a person who waits, cheap for any store."""

_FOREGROUND_ASK_AGAIN_S: Final = 10.0
"""Where eleven minutes may have to be waited for: often enough, and few of ``RECOVER_RETRY``'s attempts."""

_STORE_AGAIN_S: Final = 15.0
"""After a look that failed, since a store that is away is seldom back within seconds."""


_INTERACTION_ID: Final = re.compile(rf"[!-~]{{1,{MAX_INTERACTION_ID_CHARS}}}")
"""What a request can name, and what history, logs and search attributes can hold."""


class Waiting(BaseModel):
    """Kept in the heartbeat of a recovery: since when the submission is known to have been claimed."""

    model_config = ConfigDict(frozen=True)

    since: datetime


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


async def submit(submission: SubmitInteraction, means: SubmitsWith) -> Submitted:
    """Send one submission, at most once whoever else tries, and return the interaction's id.

    Args:
        submission: What to send.
        means: What to send it with.

    Raises:
        ApplicationError: type ``SubmissionRefused``, ``SubmissionRejected`` or ``SubmissionUnknown``, or
            ``SubmissionPending`` if it was somebody else's to send.
    """
    client, store = means.client, means.store
    request = submission.request
    prefix = submission.artifacts_prefix
    journal = SubmissionJournal(store, prefix=prefix, number=submission.number)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PREPARE_TIMEOUT.total_seconds()):
            if submission.follow_up is None:
                # A further turn's request lacks what only the first one sends.
                content = request.model_dump_json(indent=2).encode()
                await store.put(f"{prefix}/request.json", content, "application/json")
            await _check(request, means)
            create = await build_submission(submission, store, means.secrets, is_vertex=client.is_vertex)
            began_s = loop.time()
            is_ours = await journal.claim(Owner.SUBMITTER, token=submission.token)
    except TimeoutError as error:
        raise failures.not_sent("the artifact store is too slow to send what was asked for") from error
    except NotSendable as error:
        raise failures.not_sendable(error) from error
    except ArtifactsError as error:
        raise failures.store_failure_before_submission(error) from error
    if not is_ours:
        # A recovery, or an earlier life of this run: the journal may well say what became of it.
        raise _pending("somebody else has claimed this submission", after_s=_ASK_AGAIN_S)
    if loop.time() - began_s > SUBMIT_HEARTBEAT_TIMEOUT.total_seconds():
        # A process that was frozen this long has been given up meanwhile, and somebody may have decided
        # to send again. Where it has not, this costs one more submission of a request never sent.
        raise failures.not_sent("the worker stood still before it could send")
    try:
        created = await client.create(
            create, timeout_s=FOREGROUND_TIMEOUT.total_seconds() if submission.holds_connection else None
        )
    except InteractionsError as error:
        raise failures.submission_failure(error, create) from error
    if _INTERACTION_ID.fullmatch(created.id) is None:
        raise failures.submission_unknown(
            "the API accepted the submission but named no interaction that could be asked for"
        )
    try:
        async with asyncio.timeout(NOTE_TIMEOUT.total_seconds()):
            await journal.note_accepted(created.id)
    except (ArtifactsError, TimeoutError) as error:
        # Temporal is about to have the id as well; only a crash in this very moment would miss the record.
        log.warning("journal.not_written", interaction_id=created.id, error=str(error))
    log.info("interaction.submitted", interaction_id=created.id, target=request.target)
    return Submitted(
        interaction_id=created.id,
        artifacts_uri=to_uri(store.base_uri, prefix),
        has_ended=created.standing is not Standing.RUNNING,
    )


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
    """Return why an answer could not be held to ``schema``; None if it can be."""
    try:
        try:
            return await checks.run(QUICK, objection_to, schema)
        except CutShort as error:
            log.info("schema.checked_again", reason=str(error))
            # Once more: a machine may have been out of memory for a moment.
            return await checks.run(QUICK, objection_to, schema)
    except CutShort as error:
        return f"no usable JSON Schema: it could not be checked: {error}; make it simpler"


async def recover(
    lost: RecoverSubmission, *, store: ArtifactStore, now: datetime, kept: Sequence[Any]
) -> Recovered:
    """Find out from the journal what became of a submission whose worker was lost sight of.

    Once this has returned ``was_sent=False`` the submission is never sent.

    Args:
        lost: Which submission.
        store: Where its journal is.
        now: By the clock of every attempt.
        kept: What the attempt before left in its heartbeat.

    Raises:
        ApplicationError: type ``SubmissionPending``: the worker may yet write, or the store cannot be read.
    """
    journal = SubmissionJournal(store, prefix=lost.artifacts_prefix, number=lost.number)
    try:
        if await journal.claim(Owner.RECOVERY) or await journal.owner() is Owner.RECOVERY:
            return Recovered(was_sent=False)
        interaction_id = await journal.accepted()
    except ArtifactsError as error:
        activity.heartbeat(*kept)
        raise _pending(f"the journal cannot be read: {error}", after_s=_STORE_AGAIN_S) from error
    waiting = Waiting.model_validate(kept[0]) if kept else Waiting(since=now)
    answer_within = _FOREGROUND_ANSWER_WITHIN if lost.is_foreground else _ANSWER_WITHIN
    if interaction_id is None and now - waiting.since < answer_within:
        activity.heartbeat(waiting)
        raise _pending(
            "being sent when its worker was lost sight of; no answer recorded yet",
            after_s=_FOREGROUND_ASK_AGAIN_S if lost.is_foreground else _ASK_AGAIN_S,
        )
    return Recovered(
        was_sent=True,
        interaction_id=interaction_id,
        artifacts_uri=to_uri(store.base_uri, lost.artifacts_prefix),
    )


def _pending(reason: str, *, after_s: float) -> ApplicationError:
    return failures.expected_retry(reason, kind=ActivityErrorType.SUBMISSION_PENDING, after_s=after_s)
