"""Start, watch and steer chains from any program: plain async functions over a Temporal client.

    client = await connect()
    spec = read_chain(Path("podcast.yaml").read_text(), source="podcast.yaml")
    started = await start_chain(client, ChainRequest(spec=spec, inputs={"topic": "tea"}))
    view = await result_of_chain(client, started.chain_id)

Where a chain stands in detail only the chain itself knows, so that needs a worker; that it runs, waits or
has ended, and its result, do not.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.exceptions import ApplicationError, CancelledError, WorkflowAlreadyStartedError
from temporalio.exceptions import TemporalError as SdkError

from chains.checking import check
from chains.errors import InvalidInputs
from chains.files import foreign_files
from chains.inputs import complete_inputs
from chains.messages import CHAIN, ChainPhase, ChainRequest, ChainResult, ChainStatus, DecideStep
from chains.spec import ChainSpec
from runs.details import escape_markdown
from runs.ids import InvalidRunId, check_run_id, make_run_id
from runs.memos import QUESTION_MEMO
from runs.messages import RESULT_MEMO
from runs.text import clean_text, excerpt_utf8, first_line
from starter.describing import chain_phase_of, input_of, row_of
from starter.errors import InvalidInput, RunNotFound, RunStillRunning
from starter.executions import Execution, ExecutionStatus, describe, list_executions
from starter.formats import seconds_between
from starter.queries import waiting_children_query
from starter.runs import reuse_policy
from starter.temporal import RPC_TIMEOUT, has_worker, temporal_errors
from starter.updates import send_update
from starter.views import CancelledChain, ChainView, RunRow, StartedChain
from starter.watching import last_of, watched
from workflows import search_attributes

_SUMMARY_CHARS: Final = 90
"""Temporal refuses a summary of more than 400 bytes; a character has four at most."""

_MAX_DETAILS_BYTES: Final = 19_000
"""Temporal refuses more than 20,000 bytes."""

_MAX_VALUE_CHARS: Final = 1_000
_MAX_PROBLEM_CHARS: Final = 300

QUERY_TIMEOUT_S: Final = 3.0
"""A query waits for a worker, and there may be none. One that has to replay a long chain takes a second."""

_UPDATE_TIMEOUT_S: Final = 60.0
"""A decision is worth a worker's restart."""

_AGAIN_AFTER_S: Final = 0.3
_MAX_TRIES: Final = 10
"""For a decision that met the moment in which the chain was continued as new, which takes milliseconds."""

_ASK_FOR_RUNS_EVERY_S: Final = 10
"""A list costs a server more than a look, and is a second behind anyway."""

_MAX_WAITING_RUNS: Final = 20
"""That are told of."""

_BROKEN_AFTER: Final = 2
"""One failure is a worker that was restarted; more are a bug or a version that does not fit."""


def new_chain_id(spec: ChainSpec) -> str:
    """Return an id for a chain that is about to be started; no two are the same."""
    return make_run_id("", entropy=secrets.token_bytes(5), kind=spec.name.lower())


async def is_chain(client: Client, workflow_id: str) -> bool:
    """Return whether ``workflow_id`` is that of a chain, and not that of a run or of anything else.

    Raises:
        RunNotFound: There is no such workflow.
        TemporalError: Temporal could not be asked.
    """
    return (await _description_of(client, workflow_id)).workflow_type == CHAIN


async def start_chain(
    client: Client,
    request: ChainRequest,
    *,
    chain_id: str | None = None,
    task_queue: str = "longhaul",
    is_again: bool = False,
) -> StartedChain:
    """Start a chain, or attach to the one that has this id, so that nothing is paid for twice.

    May be repeated with the same id: whether the first chain is open or closed, no second one is started.

    Args:
        client: From `starter.runs.connect`.
        request: What to carry out. Its attachments are addresses or files of the artifact store, not files
            of this machine (see `chains.files`).
        chain_id: The chain's id; None makes one of its name.
        task_queue: Where a worker looks for chains.
        is_again: Whether to start another if the chain that has this id has failed, was cancelled or was
            ended from outside. What its steps have found is taken over; those that came to no answer are
            run, and paid for, again. One that goes on or has completed is attached to all the same.

    Raises:
        InvalidInput: The chain or its inputs are wrong, no chain can have ``chain_id``, or something else
            has it. Nothing was started.
        TemporalError: Temporal could not be asked, or the namespace is not set up.
    """
    request = _checked(request).model_copy(update={"is_again": is_again})
    chain_id = chain_id or new_chain_id(request.spec)
    try:
        check_run_id(chain_id)
    except InvalidRunId as error:
        raise InvalidInput(str(error)) from error
    subject = _subject_of(request)
    async with temporal_errors(client, run_id=chain_id):
        try:
            await client.start_workflow(
                CHAIN,
                request,
                id=chain_id,
                task_queue=task_queue,
                # Temporal keeps a closed chain's id for the retention period; until then it is refused, too.
                id_reuse_policy=reuse_policy(is_again=is_again),
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                memo={QUESTION_MEMO: subject},
                search_attributes=_first_attributes(request),
                static_summary=escape_markdown(subject),
                static_details=_details_of(request),
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            description = await describe(client, chain_id)
            return StartedChain(
                chain_id=chain_id,
                is_new=False,
                note=await _difference(client, description, request),
                is_ended_from_outside=description.status.is_from_outside,
            )
    return StartedChain(chain_id=chain_id, is_new=True)


async def look_at_chain(client: Client, chain_id: str, *, before: ChainView | None = None) -> ChainView:
    """Return where a chain stands now.

    Args:
        client: From `starter.runs.connect`.
        chain_id: Of any chain, open or closed.
        before: An earlier view of the same chain, which makes this look cheaper.

    Raises:
        RunNotFound: There is no such chain.
        TemporalError: Temporal could not be asked.
    """
    description = await _description_of(client, chain_id)
    if description.workflow_type != CHAIN:
        raise RunNotFound(f"{chain_id!r} is a workflow of type {description.workflow_type!r}, not a chain")
    handle: WorkflowHandle[Any, ChainResult] = client.get_workflow_handle(
        chain_id, run_id=description.run_id, result_type=ChainResult
    )
    published = description.attributes.get(search_attributes.PHASE)
    phase = chain_phase_of(description.status, published=published)
    is_served = before.has_worker if before else None
    if before is None and not phase.is_end:
        is_served = await has_worker(client, task_queue=description.task_queue)
    status = result = problem = None
    waiting_runs: tuple[RunRow, ...] = ()
    async with temporal_errors(client, run_id=chain_id):
        subject = await description.memo_text(QUESTION_MEMO)
        if phase.is_end:
            result, problem = await _ending_of(description, handle)
        else:
            status, problem = await _progress_of(description, handle, before=before, is_served=is_served)
            waiting_runs = await _waiting_runs(client, description, before=before)
    known = result or status
    started_at = known.started_at if known else description.start_time
    return ChainView(
        chain_id=chain_id,
        # A chain that answers a query with its end has not told Temporal yet: its result is not there.
        phase=known.phase if known and known.phase.is_end is phase.is_end else phase,
        subject=subject if subject is not None else known and known.name,
        task_queue=description.task_queue,
        started_at=started_at,
        elapsed_s=seconds_between(started_at, description.close_time),
        running_run_ids=tuple(child.workflow_id for child in description.raw_description.pending_children),
        waiting_runs=waiting_runs,
        status=status,
        result=result,
        problem=problem,
        has_worker=is_served,
        is_paused=description.status is ExecutionStatus.PAUSED,
        execution_id=description.run_id,
        # Of what the status tells of; one that could not be asked for anew tells of less.
        history_events=(
            before.history_events if before and status is before.status else description.history_length
        ),
    )


async def watch_chain(client: Client, chain_id: str) -> AsyncIterator[ChainView]:
    """Yield where a chain stands, again and again, until it has ended; the last view holds the result.

    A server that goes away meanwhile is waited for; views then say ``is_temporal_away``.

    Raises:
        RunNotFound: There is no such chain (any more).
        TemporalError: Temporal could not be asked at the first look, or refuses from now on.
    """

    async def look(before: ChainView | None) -> ChainView:
        return await look_at_chain(client, chain_id, before=before)

    async for view in watched(client, look):
        yield view


async def result_of_chain(client: Client, chain_id: str, *, wait_timeout_s: float | None = None) -> ChainView:
    """Return a chain once it has ended, however it ended.

    Args:
        client: From `starter.runs.connect`.
        chain_id: Of any chain, open or closed.
        wait_timeout_s: How long to wait; 0 only looks, None waits for as long as it takes.

    Raises:
        RunStillRunning: It has not ended in this time. It goes on.
        RunNotFound: There is no such chain.
        TemporalError: Temporal could not be asked.
    """
    view = await _view_within(client, chain_id, wait_timeout_s=wait_timeout_s)
    if not view.phase.is_end:
        paused = ", and paused in Temporal" if view.is_paused else ""
        raise RunStillRunning(f"chain {chain_id!r} is still {view.phase.value.replace('_', ' ')}{paused}")
    return view


async def decide_step(
    client: Client, chain_id: str, step: str, *, is_approved: bool, note: str = ""
) -> ChainStatus:
    """Approve or reject what a step asks, and return where the chain then stands.

    Args:
        client: From `starter.runs.connect`.
        chain_id: Of an open chain.
        step: A step that waits for approval.
        is_approved: Yes or no.
        note: A word on it, which the steps after it may refer to.

    Raises:
        InvalidInput: The step does not wait for a decision. Nothing was changed.
        RunNotFound: There is no such chain, or it has ended.
        RunStillRunning: No worker carried it out in time; it is carried out when one comes.
        TemporalError: Temporal could not be asked.
    """
    try:
        decision = DecideStep(step=step, is_approved=is_approved, note=note)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InvalidInput(f"{first['loc'][-1]}: {first['msg']}") from error
    for _ in range(_MAX_TRIES):
        try:
            return await send_update(
                client,
                chain_id,
                "decide_step",
                decision,
                result_type=ChainStatus,
                wait_timeout_s=_UPDATE_TIMEOUT_S,
            )
        except RunNotFound:
            # An execution that ends as the decision arrives does not take it; the next one may.
            description = await _description_of(client, chain_id)
            if not description.status.is_open:
                break
            await asyncio.sleep(_AGAIN_AFTER_S)
    view = await look_at_chain(client, chain_id)
    raise InvalidInput(f"chain {chain_id} takes no decision; it is {view.phase.value.replace('_', ' ')}")


async def cancel_chain(client: Client, chain_id: str, *, wait_timeout_s: float = 60.0) -> CancelledChain:
    """Ask a chain to stop, and with it all its runs; wait for what comes of it.

    Args:
        client: From `starter.runs.connect`.
        chain_id: Of any chain. One that has ended is left alone.
        wait_timeout_s: How long to wait for its end; 0 only asks.

    Raises:
        RunNotFound: There is no such chain.
        TemporalError: Temporal could not be asked.
    """
    view = await look_at_chain(client, chain_id)
    if view.phase.is_end:
        return CancelledChain(chain_id=chain_id, phase=view.phase, had_ended=True)
    async with temporal_errors(client, run_id=chain_id):
        await client.get_workflow_handle(chain_id).cancel(rpc_timeout=RPC_TIMEOUT)
    view = await _view_within(client, chain_id, wait_timeout_s=wait_timeout_s)
    return CancelledChain(chain_id=chain_id, phase=view.phase)


async def _view_within(client: Client, chain_id: str, *, wait_timeout_s: float | None) -> ChainView:
    """Return the chain at its end, or as it stands after this time."""
    view = None
    if wait_timeout_s != 0:
        view = await last_of(watch_chain(client, chain_id), wait_timeout_s=wait_timeout_s)
    return view or await look_at_chain(client, chain_id)


async def _description_of(client: Client, workflow_id: str) -> Execution:
    async with temporal_errors(client, run_id=workflow_id):
        return await describe(client, workflow_id)


async def _progress_of(
    description: Execution,
    handle: WorkflowHandle[Any, ChainResult],
    *,
    before: ChainView | None,
    is_served: bool | None,
) -> tuple[ChainStatus | None, str | None]:
    """Return what an open chain says of itself, or last said, and why it does not go on."""
    failures = description.raw_description.pending_workflow_task.attempt - 1
    if failures >= _BROKEN_AFTER:
        problem = f"the worker has failed {failures} times to go on with it; its log says why"
        return before.status if before else None, problem
    if is_served is False or description.status is not ExecutionStatus.RUNNING:
        # Nobody would answer, and the time-out of a query is long for somebody who watches; while it is
        # paused, the server refuses to ask it.
        return before.status if before else None, None
    if before is not None and before.status is not None:
        is_same = before.execution_id == description.run_id
        if is_same and before.history_events == description.history_length:
            return before.status, None  # nothing has happened to it
    try:
        status = await handle.query(
            "status", result_type=ChainStatus, rpc_timeout=timedelta(seconds=QUERY_TIMEOUT_S)
        )
    except (SdkError, ValidationError, ValueError, RuntimeError):
        # No worker, or one of another version: the view does without.
        return before.status if before else None, None
    return status, None


async def _waiting_runs(
    client: Client, description: Execution, *, before: ChainView | None
) -> tuple[RunRow, ...]:
    """Return the chain's runs that wait for a person; while it is watched, those of some seconds ago."""
    if not description.raw_description.pending_children:
        return ()
    if before is not None:
        now_s = seconds_between(before.started_at, None)
        if now_s // _ASK_FOR_RUNS_EVERY_S == before.elapsed_s // _ASK_FOR_RUNS_EVERY_S:
            return before.waiting_runs
    query = waiting_children_query(description.workflow_id)
    executions = list_executions(client, query, limit=_MAX_WAITING_RUNS)
    return tuple([await row_of(execution) async for execution in executions])


async def _ending_of(
    description: Execution, handle: WorkflowHandle[Any, ChainResult]
) -> tuple[ChainResult | None, str | None]:
    """Return a closed chain's result, or why there is none."""
    try:
        return await handle.result(follow_runs=False, rpc_timeout=RPC_TIMEOUT), None
    except WorkflowFailureError as error:
        cause = error.cause
    except (ValueError, RuntimeError):
        return None, _UNREADABLE
    if isinstance(cause, CancelledError):
        try:
            return await description.memo_value(RESULT_MEMO, type_hint=ChainResult), None
        except (ValueError, RuntimeError):
            return None, _UNREADABLE
    if isinstance(cause, ApplicationError) and (result := _result_in(cause.details)) is not None:
        return result, None
    reason = cause.message if isinstance(cause, ApplicationError) else f"ended from outside: {cause}"
    return None, first_line(reason, max_chars=_MAX_PROBLEM_CHARS)


_UNREADABLE: Final = "its result cannot be read by this version"


def _result_in(details: Iterable[Any]) -> ChainResult | None:
    for detail in details:
        try:
            return ChainResult.model_validate(detail)
        except ValidationError:
            continue
    return None


def _checked(request: ChainRequest) -> ChainRequest:
    """Return ``request`` with its inputs completed.

    Raises:
        InvalidInput: It is no chain, or the inputs do not fit.
    """
    for problem in check(request.spec, may_name_files=False):
        where = ".".join(str(part) for part in problem.path)
        raise InvalidInput(f"{where}: {problem.message}" if where else problem.message)
    for path, why_not in foreign_files(request.spec):
        raise InvalidInput(f"{'.'.join(map(str, path))}: {why_not}")
    try:
        inputs = complete_inputs(request.spec, request.inputs)
    except InvalidInputs as error:
        raise InvalidInput("; ".join(error.problems)) from error
    return request.model_copy(update={"inputs": inputs})


def _subject_of(request: ChainRequest) -> str:
    """Return the chain's name and inputs, for a line of a list."""
    values = (value if isinstance(value, str) else json.dumps(value) for value in request.inputs.values())
    named = (
        f"{name}={first_line(value, max_chars=_SUMMARY_CHARS)}"
        for name, value in zip(request.inputs, values, strict=True)
    )
    return first_line(" ".join([f"{request.spec.name}:", *named]).removesuffix(":"), max_chars=_SUMMARY_CHARS)


def _details_of(request: ChainRequest) -> str:
    paragraphs = [f"**Chain {escape_markdown(request.spec.name)}**"]
    if request.spec.description:
        paragraphs.append(escape_markdown(first_line(request.spec.description, max_chars=_MAX_VALUE_CHARS)))
    for name, value in request.inputs.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        shown = escape_markdown(first_line(clean_text(text), max_chars=_MAX_VALUE_CHARS))
        paragraphs.append(f"**{escape_markdown(name)}:** {shown}")
    return excerpt_utf8("\n\n".join(paragraphs), max_bytes=_MAX_DETAILS_BYTES)


def _first_attributes(request: ChainRequest) -> TypedSearchAttributes:
    # Set at the start so that a chain can be found before any worker has seen it.
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(search_attributes.PHASE, ChainPhase.RUNNING.value)
    ]
    if request.tenant is not None:
        pairs.append(SearchAttributePair(search_attributes.TENANT, request.tenant))
    if request.labels:
        pairs.append(SearchAttributePair(search_attributes.LABELS, list(request.labels)))
    return TypedSearchAttributes(pairs)


async def _difference(client: Client, description: Execution, request: ChainRequest) -> str | None:
    """Say how the chain that was there differs from what was asked for."""
    chain_id = description.workflow_id
    if description.workflow_type != CHAIN:
        raise InvalidInput(
            f"{chain_id!r} is taken by a workflow of type {description.workflow_type!r}; choose another id"
        )
    first = await input_of(client, chain_id, ChainRequest)
    if first is None:
        return None
    different = [
        what
        for what, is_other in (
            ("file", first.spec != request.spec),
            ("inputs", first.inputs != request.inputs),
        )
        if is_other
    ]
    if not different:
        return None
    return f"chain {chain_id!r} differs in its {' and '.join(different)}; it is left as it is"
