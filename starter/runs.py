"""Start, watch and steer runs from any program: plain async functions over a Temporal client.

    client = await connect()
    started = await start_run(client, AgentRunRequest(agent=DEFAULT_AGENT, input="Why is the sky blue?"))
    view = await result_of(client, started.run_id)

None of them needs a worker: where a run stands is read from Temporal itself.
"""

import secrets
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle
from temporalio.common import (
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import TemporalError as SdkError
from temporalio.exceptions import WorkflowAlreadyStartedError

from runs.details import escape_markdown
from runs.ids import InvalidRunId, check_run_id, make_run_id
from runs.memos import AGENT_MEMO, QUESTION_MEMO
from runs.messages import (
    AGENT_RUN,
    AgentRunRequest,
    AgentRunResult,
    AgentRunStatus,
    CancelReport,
    Notification,
    ResolveSubmission,
)
from runs.phase import Phase
from runs.text import clean_text, excerpt_utf8, first_line
from starter.describing import request_of, row_of, view_of
from starter.errors import InvalidInput, RunStillRunning
from starter.executions import Execution, ExecutionStatus, describe, list_executions
from starter.kinds import RunKind
from starter.queries import list_query
from starter.temporal import RPC_TIMEOUT, connect, temporal_errors
from starter.updates import send_update
from starter.views import CancelOutcome, RunRow, RunView, StartedRun
from starter.watching import last_of, watched
from workflows import search_attributes

__all__ = [
    "cancel_run",
    "connect",
    "list_runs",
    "look_at_run",
    "new_run_id",
    "notify_run",
    "resolve_run",
    "result_of",
    "start_run",
    "watch_run",
]

_SUMMARY_CHARS: Final = 90
"""Temporal refuses a summary of more than 400 bytes; a character has four at most."""

_DETAILS_CHARS: Final = 4_000
_MAX_DETAILS_BYTES: Final = 19_000
"""Of the question in the details; and of all of them, since Temporal refuses more than 20,000 bytes."""

_COMPARED: Final = {
    "system instruction": "system_instruction",
    "options of generation": "generation",
    "form of the answer": "outputs",
    "tools": "tools",
    "planning": "planning",
    "earlier interaction": "previous_interaction_id",
}
"""What else makes a request another one, by the fields of `AgentRunRequest`."""

_QUERY_TIMEOUT: Final = timedelta(seconds=2)
"""A query waits for a worker, and there may be none. It only adds detail."""


def new_run_id(request: AgentRunRequest) -> str:
    """Return an id for a run that is about to be started; no two are the same."""
    kind = "ask" if request.agent is None else "research"
    return make_run_id(request.input, entropy=secrets.token_bytes(5), kind=kind)


async def start_run(
    client: Client,
    request: AgentRunRequest,
    *,
    run_id: str | None = None,
    task_queue: str = "longhaul",
    is_again: bool = False,
) -> StartedRun:
    """Start a run, or attach to the one that has this id, so that nothing is paid for twice.

    May be repeated with the same id: whether the first run is open or closed, no second one is started.

    Args:
        client: From `connect`.
        request: What to run.
        run_id: The run's id; None makes one of the question.
        task_queue: Where a worker looks for runs.
        is_again: Whether to start another, and pay for it, if the run that has this id has failed, was
            cancelled or was ended from outside. One that goes on or has completed is attached to as ever.

    Raises:
        InvalidInput: No run can have ``run_id``, or a workflow that is not a run has it.
        TemporalError: Temporal could not be asked, or the namespace is not set up.
    """
    if run_id is None:
        run_id = new_run_id(request)
    try:
        check_run_id(run_id)
    except InvalidRunId as error:
        raise InvalidInput(str(error)) from error
    question = first_line(request.input, max_chars=_SUMMARY_CHARS)
    async with temporal_errors(client, run_id=run_id):
        try:
            await client.start_workflow(
                AGENT_RUN,
                request,
                id=run_id,
                task_queue=task_queue,
                # Temporal keeps a closed run's id for the retention period; until then it is refused, too.
                id_reuse_policy=reuse_policy(is_again=is_again),
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                memo={AGENT_MEMO: request.target, QUESTION_MEMO: question},
                search_attributes=search_attributes.attributes_of(request),
                static_summary=escape_markdown(question),
                static_details=_details_of(request),
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            description = await describe(client, run_id)
            return StartedRun(
                run_id=run_id,
                is_new=False,
                note=await _difference(client, description, request),
                is_ended_from_outside=description.status.is_from_outside,
            )
    return StartedRun(run_id=run_id, is_new=True)


def reuse_policy(*, is_again: bool) -> WorkflowIDReusePolicy:
    """Return what is to become of an id that a closed workflow has; one that is open keeps it in any case."""
    if is_again:
        return WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    return WorkflowIDReusePolicy.REJECT_DUPLICATE


async def look_at_run(client: Client, run_id: str, *, before: RunView | None = None) -> RunView:
    """Return where a run stands now.

    Args:
        client: From `connect`.
        run_id: Of any run, open or closed.
        before: An earlier view of the same run, which makes this look cheaper.

    Raises:
        RunNotFound: There is no such run.
        TemporalError: Temporal could not be asked.
    """
    async with temporal_errors(client, run_id=run_id):
        handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(run_id)
        description = await describe(client, run_id)
        view = await view_of(description, client=client, before=before)
        raw = description.raw_description
        is_idle = not raw.pending_activities and not raw.HasField("pending_workflow_task")
        # While it is paused, the server refuses to ask it.
        is_asked = description.status is ExecutionStatus.RUNNING
        if is_asked and not view.phase.is_end and (is_idle or view.phase.needs_a_person):
            # It waits for a timer or for somebody, and only the run itself knows for what.
            view = await _with_what_it_says(handle, view, before=before)
    return view


async def watch_run(client: Client, run_id: str) -> AsyncIterator[RunView]:
    """Yield where a run stands, again and again, until it has ended; the last view holds the result.

    A server that goes away meanwhile is waited for; views then say ``is_temporal_away``. The views are
    those of every look, whether anything changed or not.

    Raises:
        RunNotFound: There is no such run (any more).
        TemporalError: Temporal could not be asked at the first look, or refuses from now on.
    """

    async def look(before: RunView | None) -> RunView:
        return await look_at_run(client, run_id, before=before)

    async for view in watched(client, look):
        yield view


async def result_of(client: Client, run_id: str, *, wait_timeout_s: float | None = None) -> RunView:
    """Return a run once it has ended, however it ended.

    Args:
        client: From `connect`.
        run_id: Of any run, open or closed.
        wait_timeout_s: How long to wait; 0 only looks, None waits for as long as it takes.

    Raises:
        RunStillRunning: It has not ended in this time. It goes on.
        RunNotFound: There is no such run.
        TemporalError: Temporal could not be asked.
    """
    if wait_timeout_s == 0:
        view = await look_at_run(client, run_id)
    else:
        view = await _last_view(client, run_id, wait_timeout_s=wait_timeout_s)
    if not view.phase.is_end:
        paused = ", and paused in Temporal" if view.is_paused else ""
        raise RunStillRunning(f"run {run_id!r} is still {view.phase.value}{paused}")
    return view


async def list_runs(  # noqa: PLR0913 - one parameter per filter
    client: Client,
    *,
    kinds: Iterable[RunKind] = (RunKind.RUN,),
    phases: Iterable[Phase] = (),
    agent: str | None = None,
    label: str | None = None,
    limit: int = 20,
) -> list[RunRow]:
    """Return runs, those under way first, then the newest; also chains and conversations, if asked for.

    Temporal's list lags behind by about a second.

    Args:
        client: From `connect`.
        kinds: What to list.
        phases: Only what is in one of these; none given means all.
        agent: Only runs of this agent.
        label: Only runs that carry this label.
        limit: How many at the most.

    Raises:
        TemporalError: Temporal could not be asked, or the namespace is not set up.
    """
    async with temporal_errors(client):
        query = list_query(kinds=kinds, phases=phases, agent=agent, label=label)
        return [await row_of(execution) async for execution in list_executions(client, query, limit=limit)]


async def cancel_run(client: Client, run_id: str, *, wait_timeout_s: float = 60.0) -> CancelOutcome:
    """Ask a run to stop, and the API with it; wait for what comes of it.

    Args:
        client: From `connect`.
        run_id: Of any run. One that has ended is left alone.
        wait_timeout_s: How long to wait for the run's end; 0 only asks.

    Raises:
        RunNotFound: There is no such run.
        TemporalError: Temporal could not be asked.
    """
    view = await look_at_run(client, run_id)
    if view.phase.is_end:
        return CancelOutcome(
            run_id=run_id, phase=view.phase, had_ended=True, report=_cancel_report(view.result)
        )
    async with temporal_errors(client, run_id=run_id):
        await client.get_workflow_handle(run_id).cancel(rpc_timeout=RPC_TIMEOUT)
    if wait_timeout_s > 0:
        view = await _last_view(client, run_id, wait_timeout_s=wait_timeout_s)
    return CancelOutcome(run_id=run_id, phase=view.phase, report=_cancel_report(view.result))


async def resolve_run(
    client: Client, run_id: str, resolution: ResolveSubmission, *, wait_timeout_s: float = 60.0
) -> RunView:
    """Decide about a run that waits because the outcome of its submission is unknown.

    Args:
        client: From `connect`.
        run_id: Of a run in the phase ``submission_unknown``.
        resolution: What to do. An interaction to adopt is looked up in the API first.
        wait_timeout_s: How long to wait for a worker to carry it out.

    Returns:
        Where the run stands then.

    Raises:
        InvalidInput: The run does not wait for this, or the API does not know the interaction. Nothing was
            changed.
        RunNotFound: There is no such run.
        RunStillRunning: No worker carried it out in time; it is carried out when one comes.
        TemporalError: Temporal could not be asked.
    """
    view = await look_at_run(client, run_id)
    if view.phase.is_end:
        raise InvalidInput(f"run {run_id} has ended ({view.phase}); there is nothing to resolve")
    await send_update(
        client,
        run_id,
        "resolve_submission",
        resolution,
        result_type=AgentRunStatus,
        wait_timeout_s=wait_timeout_s,
    )
    return await look_at_run(client, run_id)


async def notify_run(
    client: Client, run_id: str, *, source: str, interaction_id: str | None = None, token: str | None = None
) -> None:
    """Tell a run that a look is worth while now. Only a hint; may be repeated.

    Args:
        client: From `connect`.
        run_id: Of an open run.
        source: Who says so, for people.
        interaction_id: Of which interaction; a run ignores hints about others. None means its own.
        token: The secret of one of the run's submissions. With it, this also says that the submission
            became ``interaction_id``, and a run that waits to learn that goes on.

    Raises:
        RunNotFound: There is no such run, or it has ended.
        TemporalError: Temporal could not be asked.
    """
    async with temporal_errors(client, run_id=run_id):
        await client.get_workflow_handle(run_id).signal(
            "notified",
            Notification(interaction_id=interaction_id, token=token, source=source),
            rpc_timeout=RPC_TIMEOUT,
        )


async def _last_view(client: Client, run_id: str, *, wait_timeout_s: float | None) -> RunView:
    view = await last_of(watch_run(client, run_id), wait_timeout_s=wait_timeout_s)
    return view or await look_at_run(client, run_id)


def _details_of(request: AgentRunRequest) -> str:
    # Paragraphs, not a code block, whose lines would not wrap.
    question = clean_text(request.input[:_DETAILS_CHARS])
    paragraphs = ["**Question**", *(escape_markdown(line.strip()) for line in question.splitlines())]
    if request.attachments:
        names = [clean_text(attachment.name)[:100] for attachment in request.attachments]
        paragraphs += ["**Attachments**", *(escape_markdown(name) for name in names)]
    return excerpt_utf8("\n\n".join(paragraphs), max_bytes=_MAX_DETAILS_BYTES)


async def _difference(client: Client, description: Execution, request: AgentRunRequest) -> str | None:
    """Say how the run that was there differs from what was asked for."""
    run_id = description.workflow_id
    if description.workflow_type != AGENT_RUN:
        raise InvalidInput(
            f"{run_id!r} is taken by a workflow of type {description.workflow_type!r}; choose another id"
        )
    first = await request_of(client, run_id)
    if first is None:
        return None
    different = []
    if first.input != request.input:
        different.append(f"question ({first_line(first.input, max_chars=_SUMMARY_CHARS)!r})")
    if first.target != request.target:
        different.append(f"{'model' if first.agent is None else 'agent'} ({first.target!r})")
    if [part.uri for part in first.attachments] != [part.uri for part in request.attachments]:
        different.append("attachments")
    different += [
        word for word, field in _COMPARED.items() if getattr(first, field) != getattr(request, field)
    ]
    if not different:
        return None
    return f"run {run_id!r} differs in its {' and '.join(different)}; it is left as it is"


async def _with_what_it_says(
    handle: WorkflowHandle[Any, Any], view: RunView, *, before: RunView | None
) -> RunView:
    """Return ``view`` with what the run says of itself, or last said where it cannot be asked."""
    if before is not None and before.phase is view.phase:
        view = view.model_copy(update={"plan": before.plan, "pending_calls": before.pending_calls})
    try:
        status = await handle.query("status", result_type=AgentRunStatus, rpc_timeout=_QUERY_TIMEOUT)
    except (SdkError, ValueError, RuntimeError):
        # No worker, or one of another version: the view does without.
        return view
    if not isinstance(status, AgentRunStatus):
        return view
    return view.model_copy(
        update={
            "problem": _what_it_waits_out(status) or view.problem,
            "turn": status.turn,
            "spent": status.spent,
            "plan": status.plan,
            "pending_calls": status.pending_calls,
        }
    )


def _what_it_waits_out(status: AgentRunStatus) -> str | None:
    if status.problem is None:
        return None
    count = f"; refused {status.refusals} times" if status.refusals > 1 else ""
    when = f"; next try at {status.next_submission_at:%H:%M:%S} UTC" if status.next_submission_at else ""
    return f"{status.problem}{count}{when}"


def _cancel_report(result: AgentRunResult | None) -> CancelReport | None:
    return result.cancel if result else None
