"""Finding what was left running at the API, and stopping it: plain async functions over a Temporal client.

    client = await connect()
    found = await find_orphans(client)
    async with InteractionsClient(settings.api_config()) as api:
        orphans = await ask_api(api, found.orphans)

A run that ends by itself has cancelled or settled what it paid for. What may be left is what a workflow
could not see to, because it was ended from outside; second interactions that runs learned of; and those
whose cancel the API never confirmed. The API has no list of interactions, so they are known from Temporal
alone, and from the submission journal in the artifact store.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from temporalio.api.workflowservice.v1 import CountWorkflowExecutionsRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.exceptions import TemporalError as SdkError
from temporalio.service import RPCError, RPCStatusCode

from artifacts.errors import ArtifactNotFound, ArtifactsError
from artifacts.store import ArtifactStore
from interactions.client import InteractionsClient
from interactions.errors import InteractionsError
from interactions.following import is_credential_refused
from interactions.statuses import Standing
from runs.errors import RunErrorCode
from runs.limits import MAX_KEYWORD_CHARS
from runs.memos import AGENT_MEMO, QUESTION_MEMO
from runs.messages import RESULT_MEMO, AgentRunResult, AgentRunStatus
from runs.places import artifacts_prefix
from runs.text import clean_text, first_line
from starter.describing import result_in
from starter.executions import Execution, ExecutionStatus, describe, list_executions
from starter.queries import ended_from_outside_query, ended_runs_query, open_runs_query, watching_query
from starter.remains import Remains, remains_of
from starter.temporal import RPC_TIMEOUT, has_worker, temporal_errors
from starter.views import AtApi, Orphan, OrphanReason
from workflows import search_attributes

DEFAULT_LIMIT: Final = 500
"""Runs that are looked at: a few seconds of a server, and more than most have in a day."""

_READ_WITHIN_S: Final = 60.0
"""For all that is asked of Temporal. A person waits; what is left out then is said."""

_AT_ONCE: Final = 10
"""Questions to Temporal, or to the API, at the same time."""

_MAX_EVENTS_A_PAGE: Final = 1_000

_RECORD: Final = re.compile(
    r"^(?P<folder>[^/]+)/(?P<execution>[^/]+)/submission-(?P<number>\d+)\.(sending|accepted)\.json$"
)
_MAX_RECORD_BYTES: Final = 16 * 1024
_SETTLED: Final = "interaction.json"
"""A file that the last settling of a run leaves: whoever has it, has what was paid for."""

_EXECUTIONS_A_QUERY: Final = 50
_WATCHED_A_QUERY: Final = 20
"""A query has a bound, too."""

_STOP_TRIES: Final = 10
_STOP_AGAIN_S: Final = 1.0
"""A cancel takes effect within seconds."""

_MAX_DETAIL_CHARS: Final = 300

_T = TypeVar("_T")
_U = TypeVar("_U")


@dataclass
class Found:
    """What may have been left running.

    Attributes:
        orphans: Each once; nobody has asked the API yet.
        notes: What was left out, and how to see it.
    """

    orphans: list[Orphan] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def find_orphans(
    client: Client,
    *,
    limit: int = DEFAULT_LIMIT,
    closed_before: datetime | None = None,
    store: ArtifactStore | None = None,
    is_store_searched: bool = False,
) -> Found:
    """Return what may have been left running, from Temporal and, if wanted, from the whole store.

    Args:
        client: From `starter.runs.connect`.
        limit: How many runs of each kind are looked at, the newest first.
        closed_before: Only runs that ended before; for those that a limit left out.
        store: Where the submission journal is; None leaves it out.
        is_store_searched: Whether to look for records of runs that this namespace does not have, as after
            a namespace was deleted. Takes as long as the store is large.

    Raises:
        TemporalError: Temporal could not be asked.
    """
    search = _Search(client, limit=limit, closed_before=closed_before, store=store)
    async with temporal_errors(client):
        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                await search.ended_from_outside()
                await search.open_runs()
                await search.ended_runs()
        except TimeoutError:
            search.note(
                f"not all runs could be looked at within {_READ_WITHIN_S:.0f} s; give a smaller --limit"
            )
        if is_store_searched and store is not None:
            await search.whole_store(store)
        await search.leave_out_watched()
    search.found.orphans.sort(key=_newest_first)
    return search.found


async def ask_api(api: InteractionsClient, orphans: Sequence[Orphan]) -> list[Orphan]:
    """Return ``orphans`` with what the API says of each now; one that cannot be asked for says why."""
    refused = asyncio.Event()

    async def ask(orphan: Orphan) -> Orphan:
        if orphan.interaction_id is None or refused.is_set():
            return orphan
        try:
            interaction = await api.get(orphan.interaction_id)
        except InteractionsError as error:
            if is_credential_refused(error):
                # The others would be, too.
                refused.set()
            is_gone = error.status_code == HTTPStatus.NOT_FOUND and error.is_googles
            return orphan.model_copy(
                update={"at_api": AtApi.GONE if is_gone else AtApi.UNKNOWN, "detail": _detail(error.message)}
            )
        is_running = interaction.standing is Standing.RUNNING
        return orphan.model_copy(
            update={
                "at_api": AtApi.RUNNING if is_running else AtApi.ENDED,
                "status": first_line(clean_text(interaction.status), max_chars=50),
            }
        )

    return await _each(orphans, ask)


async def stop_orphans(api: InteractionsClient, orphans: Sequence[Orphan]) -> list[Orphan]:
    """Cancel those of ``orphans`` that run, and return all, with whether each was seen to have stopped."""

    async def stop(orphan: Orphan) -> Orphan:
        if orphan.interaction_id is None or orphan.at_api is not AtApi.RUNNING:
            return orphan
        try:
            await api.cancel(orphan.interaction_id)
        except InteractionsError as error:
            # Cancels have answered 404 for running interactions; only a look tells.
            orphan = orphan.model_copy(update={"detail": _detail(error.message)})
        seen = orphan
        for _ in range(_STOP_TRIES):
            [seen] = await ask_api(api, [orphan])
            if seen.at_api in {AtApi.ENDED, AtApi.GONE}:
                return seen.model_copy(update={"was_stopped": True})
            await asyncio.sleep(_STOP_AGAIN_S)
        return seen.model_copy(update={"was_stopped": False})

    return await _each(orphans, stop)


class _Search:
    """One search, and what it has found."""

    def __init__(
        self,
        client: Client,
        *,
        limit: int,
        closed_before: datetime | None,
        store: ArtifactStore | None,
    ) -> None:
        self.found = Found()
        self._client = client
        self._limit = limit
        self._closed_before = closed_before
        self._store = store
        self._known: set[str] = set()

    def note(self, text: str) -> None:
        """Say that something was left out."""
        self.found.notes.append(text)

    async def ended_from_outside(self) -> None:
        """Look at runs that were terminated or timed out by Temporal."""
        query = ended_from_outside_query(closed_before=self._closed_before)
        executions = await self._executions(query, what="that were ended from outside")
        await _each(executions, self._adding(self._left_by))

    async def ended_runs(self) -> None:
        """Look at runs that ended by themselves, for what their results name."""
        query = ended_runs_query(closed_before=self._closed_before)
        executions = await self._executions(query, what="that ended by themselves")
        await _each(executions, self._adding(self._named_by))

    async def open_runs(self) -> None:
        """Ask runs that go on for second interactions they have learned of."""
        executions = await self._executions(open_runs_query(), what="that go on")
        queues = {execution.task_queue for execution in executions}
        served = {queue for queue in queues if await has_worker(self._client, task_queue=queue)}
        asked = [
            execution
            for execution in executions
            if execution.status is ExecutionStatus.RUNNING and execution.task_queue in served
        ]
        if len(asked) < len(executions):
            count = len(executions) - len(asked)
            self.note(f"{count} that go on could not be asked for second interactions: no worker, or paused")
        await _each(asked, self._adding(self._told_by))

    async def whole_store(self, store: ArtifactStore) -> None:
        """Look for records of submissions of executions that this namespace does not have."""
        try:
            keys = await store.find(_RECORD, limit=self._limit)
        except ArtifactsError as error:
            self.note(f"the store could not be searched: {error}")
            return
        if len(keys) >= self._limit:
            self.note(f"only {self._limit} records of the store were looked at; --limit N for more")
        matches = [match for key in keys if (match := _RECORD.match(key))]
        here = await self._existing({match["execution"] for match in matches})
        records = {
            (match["folder"], match["execution"], match["number"])
            for match in matches
            if match["execution"] not in here
        }
        await _each(sorted(records), self._adding(self._recorded_in(store)))

    async def leave_out_watched(self) -> None:
        """Leave out what a run that goes on watches, for instance after it was reset, or has adopted it."""
        ids = sorted({orphan.interaction_id for orphan in self.found.orphans if orphan.interaction_id})
        watched: set[str] = set()
        for start in range(0, len(ids), _WATCHED_A_QUERY):
            query = watching_query(each[:MAX_KEYWORD_CHARS] for each in ids[start : start + _WATCHED_A_QUERY])
            async for execution in list_executions(self._client, query, limit=self._limit):
                watched.add(execution.attributes.get(search_attributes.INTERACTION_ID) or "")
        self.found.orphans = [
            orphan
            for orphan in self.found.orphans
            if orphan.interaction_id is None or orphan.interaction_id[:MAX_KEYWORD_CHARS] not in watched
        ]

    async def _executions(self, query: str, *, what: str) -> list[Execution]:
        executions = [each async for each in list_executions(self._client, query, limit=self._limit)]
        if len(executions) < self._limit:
            return executions
        answer = await self._client.workflow_service.count_workflow_executions(
            CountWorkflowExecutionsRequest(namespace=self._client.namespace, query=query),
            retry=True,
            timeout=RPC_TIMEOUT,
        )
        if answer.count > len(executions):
            text = f"looked at {len(executions):,} of {answer.count:,} runs {what}"
            last = executions[-1].close_time
            self.note(f"{text}; go on with --closed-before {last.isoformat()}" if last else text)
        return executions

    async def _left_by(self, execution: Execution) -> list[Orphan]:
        remains = await self._remains_of(execution.workflow_id, execution.run_id)
        if remains is None:
            # Its attributes are all there is: the history went between two questions, or is not readable.
            interaction_id = execution.attributes.get(search_attributes.INTERACTION_ID)
            remains = Remains(interaction_ids=[interaction_id] if interaction_id else [])
        elsewhere = await self._known_elsewhere(execution)
        reason = (
            OrphanReason.TIMED_OUT
            if execution.status is ExecutionStatus.TIMED_OUT
            else OrphanReason.TERMINATED
        )
        orphans = [
            await self._orphan(execution, reason, interaction_id=each, detail=remains.reason)
            for each in remains.running
            if each not in elsewhere.interaction_ids
        ]
        adopted = {submission.journal for submission in elsewhere.submissions}
        for submission in remains.unnamed:
            if submission.journal in adopted:
                continue
            orphan = await self._orphan(execution, reason, detail=remains.reason)
            orphans.append(
                await self._with_journal(
                    orphan.model_copy(update={"token": submission.token or None}), submission.journal
                )
            )
        return orphans

    async def _known_elsewhere(self, execution: Execution) -> Remains:
        """Return what a later execution of the same workflow sees to, as after a reset."""
        try:
            latest = await describe(self._client, execution.workflow_id)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return Remains()
            raise
        if latest.run_id == execution.run_id:
            return Remains()
        return await self._remains_of(latest.workflow_id, latest.run_id) or Remains()

    async def _remains_of(self, workflow_id: str, run_id: str) -> Remains | None:
        handle: WorkflowHandle[Any, Any] = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        events = handle.fetch_history_events(page_size=_MAX_EVENTS_A_PAGE, rpc_timeout=RPC_TIMEOUT)
        try:
            return await remains_of(events, converter=self._client.data_converter)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def _named_by(self, execution: Execution) -> list[Orphan]:
        result = await self._result_of(execution)
        if result is None:
            return []
        orphans = [
            await self._orphan(execution, OrphanReason.SECOND, interaction_id=each)
            for each in result.orphan_interaction_ids
        ]
        if result.interaction_ids and (reason := _left_at_api(result)) is not None:
            last = result.interaction_ids[-1]
            detail = result.cancel.detail if result.cancel else None
            orphans.append(await self._orphan(execution, reason, interaction_id=last, detail=detail))
        named = len(result.interaction_ids) + len(result.orphan_interaction_ids)
        if result.spent.interactions > named:
            # It counted what may have been paid for, and never learned what that was.
            prefix = artifacts_prefix(workflow_id=execution.workflow_id, run_id=execution.run_id)
            orphan = await self._orphan(execution, OrphanReason.NEVER_NAMED)
            orphans.append(orphan.model_copy(update={"place": prefix}))
        return orphans

    async def _told_by(self, execution: Execution) -> list[Orphan]:
        handle: WorkflowHandle[Any, Any] = self._client.get_workflow_handle(
            execution.workflow_id, run_id=execution.run_id
        )
        try:
            status = await handle.query("status", result_type=AgentRunStatus, rpc_timeout=RPC_TIMEOUT)
        except (SdkError, ValueError, RuntimeError):
            return []
        if not isinstance(status, AgentRunStatus):
            return []
        return [
            await self._orphan(execution, OrphanReason.SECOND, interaction_id=each)
            for each in status.orphan_interaction_ids
        ]

    async def _result_of(self, execution: Execution) -> AgentRunResult | None:
        try:
            if execution.status is ExecutionStatus.CANCELED:
                result = await execution.memo_value(RESULT_MEMO, type_hint=AgentRunResult)
                return result if isinstance(result, AgentRunResult) else None
            handle: WorkflowHandle[Any, AgentRunResult] = self._client.get_workflow_handle(
                execution.workflow_id, run_id=execution.run_id, result_type=AgentRunResult
            )
            return await handle.result(follow_runs=False, rpc_timeout=RPC_TIMEOUT)
        except WorkflowFailureError as error:
            cause = error.cause
            return result_in(cause.details) if isinstance(cause, ApplicationError) else None
        except (ValueError, RuntimeError, KeyError):
            return None

    def _recorded_in(self, store: ArtifactStore) -> Callable[[tuple[str, str, str]], Awaitable[list[Orphan]]]:
        async def orphan_of(record: tuple[str, str, str]) -> list[Orphan]:
            folder, execution, number = record
            prefix = f"{folder}/{execution}"
            try:
                if await store.exists(f"{prefix}/{_SETTLED}"):
                    return []
            except ArtifactsError:
                return []
            orphan = Orphan(reason=OrphanReason.IN_STORE, run_id=folder)
            return [await self._with_journal(orphan, f"{prefix}/submission-{number}")]

        return orphan_of

    async def _existing(self, execution_ids: Iterable[str]) -> set[str]:
        """Return those that this namespace has."""
        here: set[str] = set()
        ids = sorted(execution_ids)
        for start in range(0, len(ids), _EXECUTIONS_A_QUERY):
            some = ids[start : start + _EXECUTIONS_A_QUERY]
            query = " OR ".join(f"RunId = '{each}'" for each in some if re.fullmatch(r"[\w-]+", each))
            if query:
                found = list_executions(self._client, query, limit=len(some))
                here.update([each.run_id async for each in found])
        return here

    async def _orphan(
        self,
        execution: Execution,
        reason: OrphanReason,
        *,
        interaction_id: str | None = None,
        detail: str | None = None,
    ) -> Orphan:
        return Orphan(
            interaction_id=interaction_id,
            reason=reason,
            run_id=execution.workflow_id,
            execution_id=execution.run_id,
            agent=await execution.memo_text(AGENT_MEMO),
            question=await execution.memo_text(QUESTION_MEMO),
            ended_at=execution.close_time,
            detail=_detail(detail) if detail else None,
        )

    async def _with_journal(self, orphan: Orphan, journal: str) -> Orphan:
        """Return ``orphan`` with what the journal knows: its interaction, or that it may have none."""
        orphan = orphan.model_copy(update={"place": f"{journal}.sending.json"})
        if self._store is None:
            return orphan
        try:
            interaction_id = await _accepted_in(self._store, journal)
            if interaction_id is not None:
                return orphan.model_copy(
                    update={"interaction_id": interaction_id, "place": f"{journal}.accepted.json"}
                )
            is_recorded = await self._store.exists(f"{journal}.sending.json")
        except ArtifactsError as error:
            return orphan.model_copy(update={"detail": _detail(f"the journal cannot be read: {error}")})
        if not is_recorded:
            return orphan.model_copy(
                update={"place": None, "detail": "perhaps never sent: this store has no record of it"}
            )
        return orphan

    def _adding(self, find: Callable[[_T], Awaitable[list[Orphan]]]) -> Callable[[_T], Awaitable[None]]:
        """Return what finds and keeps at once, so that running out of time costs only the rest."""

        async def find_and_add(item: _T) -> None:
            for orphan in await find(item):
                # One that is known by its id is one, however often it is come by.
                key = orphan.interaction_id or f"{orphan.execution_id} {orphan.place} {orphan.detail}"
                if key not in self._known:
                    self._known.add(key)
                    self.found.orphans.append(orphan)

        return find_and_add


def _newest_first(orphan: Orphan) -> tuple[float, str]:
    return (-orphan.ended_at.timestamp() if orphan.ended_at else float("-inf"), orphan.run_id)


def _left_at_api(result: AgentRunResult) -> OrphanReason | None:
    """Return why the run's last interaction may be running although the run saw to it."""
    if result.cancel is not None and not result.cancel.was_confirmed and not result.cancel.had_ended:
        return OrphanReason.NOT_CONFIRMED
    if result.error is not None and result.error.code is RunErrorCode.LOST:
        return OrphanReason.LOST
    return None


async def _accepted_in(store: ArtifactStore, journal: str) -> str | None:
    try:
        raw = await store.get(f"{journal}.accepted.json", max_bytes=_MAX_RECORD_BYTES)
        record = json.loads(raw)
    except (ArtifactNotFound, ValueError):
        return None
    interaction_id = record.get("interaction_id") if isinstance(record, dict) else None
    return interaction_id if isinstance(interaction_id, str) and interaction_id else None


async def _each(items: Sequence[_T], work: Callable[[_T], Awaitable[_U]]) -> list[_U]:
    """Do ``work`` for each, a few at a time; return what came of it, in their order."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def do(item: _T) -> _U:
        async with gate:
            return await work(item)

    tasks = [asyncio.create_task(do(item)) for item in items]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        # After the first error, or when there is no more time, nobody waits for the others.
        for task in tasks:
            task.cancel()


def _detail(text: str) -> str:
    return first_line(clean_text(text), max_chars=_MAX_DETAIL_CHARS)
