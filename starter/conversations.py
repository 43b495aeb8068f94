"""Hold conversations from any program: plain async functions over a Temporal client.

    client = await connect()
    started = await start_conversation(client, ConversationRequest(model=DEFAULT_MODEL))
    turn = await send_message(client, started.conversation_id, new_message("Why is the sky blue?"))

A conversation needs no connection: it waits for the next message for as long as it was told to.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from runs import limits
from runs.conversation import (
    CONVERSATION,
    ConversationPhase,
    ConversationRequest,
    ConversationResult,
    ConversationStatus,
    Ending,
    Origin,
    SendMessage,
    Turn,
)
from runs.details import escape_markdown
from runs.errors import UpdateErrorType
from runs.ids import InvalidRunId, check_run_id
from runs.memos import AGENT_MEMO, QUESTION_MEMO
from runs.messages import RESULT_MEMO, Attachment
from runs.text import clean_text, first_line
from starter.describing import request_of
from starter.errors import ConversationClosed, ExitCode, InvalidInput, RunNotFound, TemporalUnreachable
from starter.executions import Execution, ExecutionStatus, describe, list_executions
from starter.files import REPORT, artifact_named
from starter.runs import look_at_run
from starter.temporal import RPC_TIMEOUT, temporal_errors
from starter.updates import no_answer
from starter.views import ConversationRow, ConversationView, StartedConversation
from workflows import search_attributes

_SUMMARY_CHARS: Final = 90
"""Temporal refuses a summary of more than 400 bytes; a character has four at most."""

_QUERY_TIMEOUT_S: Final = 10.0
"""A worker that has to replay the conversation first takes a second; one that is not there never answers."""

_AGAIN_AFTER_S: Final = 0.3
"""After a message could not be handed over. A workflow continues as new within milliseconds; a server that
was restarted answers within seconds."""

_MAY_PASS: Final = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        # More updates in flight than the server allows for one workflow, ten by default.
        RPCStatusCode.RESOURCE_EXHAUSTED,
        # The execution that had the message has ended, or the server has lost it before it was accepted.
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.ABORTED,
    }
)
"""With the same id a message may be sent again after anything, so whatever may pass is waited out."""


def new_conversation_id() -> str:
    """Return an id for a conversation that is about to be started; no two are the same."""
    return f"chat-{secrets.token_hex(4)}"


def new_message(text: str, *, attachments: tuple[Attachment, ...] = ()) -> SendMessage:
    """Return a message under an id of its own. To send it again, send the same one."""
    return SendMessage(message_id=secrets.token_hex(8), text=text, attachments=attachments)


async def start_conversation(
    client: Client,
    request: ConversationRequest,
    *,
    conversation_id: str | None = None,
    subject: str = "",
    task_queue: str = "longhaul",
) -> StartedConversation:
    """Start a conversation, or attach to the one that has this id.

    May be repeated with the same id: whether the first one is open or closed, no second one is started.

    Args:
        client: From `starter.runs.connect`.
        request: Whom to talk to, and how.
        conversation_id: The conversation's id; None makes one.
        subject: What it is about, for lists; the first message will do.
        task_queue: Where a worker looks for conversations.

    Raises:
        InvalidInput: No conversation can have the id, or something else has it.
        TemporalError: Temporal could not be asked, or the namespace is not set up.
    """
    conversation_id = conversation_id or new_conversation_id()
    try:
        check_run_id(conversation_id)
    except InvalidRunId as error:
        raise InvalidInput(str(error)) from error
    summary = first_line(subject, max_chars=_SUMMARY_CHARS)
    async with temporal_errors(client, run_id=conversation_id):
        try:
            await client.start_workflow(
                CONVERSATION,
                request,
                id=conversation_id,
                task_queue=task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                memo={AGENT_MEMO: request.target, QUESTION_MEMO: summary},
                search_attributes=_first_attributes(request),
                static_summary=escape_markdown(summary) or None,
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            await _describe(client, conversation_id)
            return StartedConversation(conversation_id=conversation_id, is_new=False)
    return StartedConversation(conversation_id=conversation_id, is_new=True)


async def send_message(client: Client, conversation_id: str, message: SendMessage) -> Turn:
    """Say something in an open conversation, and return the answer once it is there.

    May be repeated with the same message, also by another process: it is answered, and paid for, once. A
    server that is away, and a workflow that continues as new, are waited out; whoever does not want to wait
    for ever uses ``asyncio.timeout``, and the message, once accepted, is answered all the same.

    Args:
        client: From `starter.runs.connect`.
        conversation_id: Of an open conversation.
        message: From `new_message`.

    Returns:
        The answer; see its ``error`` for why there is none. A conversation goes on after a failed turn.

    Raises:
        InvalidInput: The message cannot be sent, or the budget is used up; the message says why.
        ConversationClosed: The conversation takes no messages any more.
        RunNotFound: There is no such conversation.
        TemporalError: Temporal refuses.
    """
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(conversation_id)
    while True:
        try:
            turn: Turn = await handle.execute_update("send", message, id=message.message_id, result_type=Turn)
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            if not isinstance(cause, ApplicationError) or cause.type != UpdateErrorType.MOVED:
                raise _refusal(error, conversation_id) from error
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # As the SDK tells of a cancel.
                raise asyncio.CancelledError from None
        except RPCError as error:
            async with temporal_errors(client, run_id=conversation_id):
                if error.status not in _MAY_PASS:
                    raise
            if error.status is RPCStatusCode.NOT_FOUND:
                await _check_open(client, conversation_id)
        else:
            return turn
        await asyncio.sleep(_AGAIN_AFTER_S)


async def look_at_conversation(
    client: Client, conversation_id: str, *, is_status_wanted: bool = True
) -> ConversationView:
    """Return where a conversation stands.

    Args:
        client: From `starter.runs.connect`.
        conversation_id: Of any conversation, open or closed.
        is_status_wanted: Whether to ask the conversation itself, for which there has to be a worker: only
            it knows what was said.

    Raises:
        RunNotFound: There is no such conversation.
        RunStillRunning: The conversation was to be asked, and no worker answers for it.
        TemporalError: Temporal could not be asked.
    """
    description = await _describe(client, conversation_id)
    handle: WorkflowHandle[Any, ConversationResult] = client.get_workflow_handle(
        conversation_id, result_type=ConversationResult
    )
    is_open = description.status.is_open
    is_paused = description.status is ExecutionStatus.PAUSED
    status: ConversationStatus | None = None
    if is_status_wanted and not is_paused:
        # While it is paused, the server refuses to ask it.
        status = await _status_of(client, handle)
    result, problem = (None, None)
    if not is_open:
        async with temporal_errors(client, run_id=conversation_id):
            result, problem = await _ending_of(description, handle)
    children = [child.workflow_id for child in description.raw_description.pending_children]
    return ConversationView(
        conversation_id=conversation_id,
        phase=_phase_of(is_open=is_open, is_busy=bool(children)),
        target=description.attributes.get(search_attributes.AGENT),
        task_queue=description.task_queue,
        running_run_id=children[0] if children else None,
        status=status,
        result=result,
        problem=problem,
        is_paused=is_paused,
    )


async def close_conversation(
    client: Client, conversation_id: str, *, wait_timeout_s: float = 60.0
) -> ConversationView:
    """Let a conversation take no further messages, and end once those that wait are answered.

    Args:
        client: From `starter.runs.connect`.
        conversation_id: Of any conversation. One that has ended is left alone.
        wait_timeout_s: How long to wait for its end; 0 only asks.

    Returns:
        Where it stood when the waiting ended.

    Raises:
        RunNotFound: There is no such conversation.
        TemporalError: Temporal could not be asked.
    """
    view = await look_at_conversation(client, conversation_id, is_status_wanted=False)
    if view.phase is ConversationPhase.CLOSED:
        return view
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(conversation_id)
    async with temporal_errors(client, run_id=conversation_id):
        await handle.signal("close", rpc_timeout=RPC_TIMEOUT)
        try:
            async with asyncio.timeout(wait_timeout_s):
                await handle.result()
        except (TimeoutError, WorkflowFailureError):
            pass
    return await look_at_conversation(client, conversation_id, is_status_wanted=False)


async def list_conversations(client: Client, *, limit: int = 20) -> list[ConversationRow]:
    """Return conversations, open ones first, then the newest. Temporal's list lags behind by about a second.

    Raises:
        TemporalError: Temporal could not be asked, or the namespace is not set up.
    """
    # An execution that continued as new is part of a conversation that is listed by its latest.
    query = f"WorkflowType = '{CONVERSATION}' AND ExecutionStatus != 'ContinuedAsNew'"
    rows: list[ConversationRow] = []
    async with temporal_errors(client):
        async for execution in list_executions(client, query, limit=limit):
            attributes = execution.attributes
            rows.append(
                ConversationRow(
                    conversation_id=execution.workflow_id,
                    phase=ConversationPhase.OPEN if execution.status.is_open else ConversationPhase.CLOSED,
                    target=attributes.get(search_attributes.AGENT),
                    subject=await execution.memo_text(QUESTION_MEMO),
                    started_at=execution.start_time,
                    ended_at=execution.close_time,
                    tokens=attributes.get(search_attributes.TOKENS),
                    cost_usd=attributes.get(search_attributes.COST_USD),
                    is_paused=execution.status is ExecutionStatus.PAUSED,
                )
            )
    return rows


async def following_up(client: Client, request: ConversationRequest, run_id: str) -> ConversationRequest:
    """Return ``request`` for a conversation that follows up on a finished run.

    It is for the run's tenant, to whom the run's text belongs.

    Raises:
        InvalidInput: The run goes on, left no answer, or is of another tenant.
        RunNotFound: There is no such run.
        TemporalError: Temporal could not be asked.
    """
    view = await look_at_run(client, run_id)
    if not view.phase.is_end:
        raise InvalidInput(
            f"run {run_id} is still {view.phase.value}; `longhaul watch {run_id}` waits for it"
        )
    result = view.result
    if result is None or not result.interaction_ids or view.exit_code is not ExitCode.DONE:
        raise InvalidInput(f"run {run_id} ended as {view.phase.value}; there is no answer to follow up on")
    async with temporal_errors(client, run_id=run_id):
        asked = await request_of(client, run_id)
    tenant = None if asked is None else asked.tenant
    if request.tenant not in (None, tenant):
        raise InvalidInput(
            f"run {run_id} is not of tenant {request.tenant!r}, so it is not followed up on there"
        )
    # A run of a version that kept no text beside its report.
    report = artifact_named(result, REPORT)
    question = asked.input if asked is not None else view.question or ""
    origin = Origin(
        run_id=run_id,
        interaction_id=result.interaction_ids[-1],
        question=question[: limits.MAX_ORIGIN_CHARS],
        text_uri=result.text_uri or (report.uri if report is not None else None),
    )
    return request.model_copy(update={"origin": origin, "tenant": tenant})


def _first_attributes(request: ConversationRequest) -> TypedSearchAttributes:
    # Set at the start so that a conversation can be found before any worker has seen it.
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(search_attributes.PHASE, ConversationPhase.OPEN.value),
        SearchAttributePair(search_attributes.AGENT, request.target),
    ]
    if request.tenant is not None:
        pairs.append(SearchAttributePair(search_attributes.TENANT, request.tenant))
    if request.labels:
        pairs.append(SearchAttributePair(search_attributes.LABELS, list(request.labels)))
    return TypedSearchAttributes(pairs)


@asynccontextmanager
async def _missing(client: Client, conversation_id: str) -> AsyncIterator[None]:
    try:
        async with temporal_errors(client, run_id=conversation_id):
            yield
    except RunNotFound as error:
        raise RunNotFound(
            f"no conversation {conversation_id!r} in namespace {client.namespace!r}; "
            "see `longhaul chat --list`"
        ) from error


async def _describe(client: Client, conversation_id: str) -> Execution:
    async with _missing(client, conversation_id):
        description = await describe(client, conversation_id)
    if description.workflow_type != CONVERSATION:
        raise InvalidInput(
            f"{conversation_id!r} is a workflow of type {description.workflow_type!r}, not a conversation"
        )
    return description


async def _check_open(client: Client, conversation_id: str) -> None:
    try:
        description = await _describe(client, conversation_id)
    except TemporalUnreachable:
        return  # which is waited out
    if not description.status.is_open:
        raise _closed(conversation_id)


async def _status_of(client: Client, handle: WorkflowHandle[Any, Any]) -> ConversationStatus | None:
    async with temporal_errors(client, run_id=handle.id):
        try:
            status: ConversationStatus = await handle.query(
                "status", result_type=ConversationStatus, rpc_timeout=timedelta(seconds=_QUERY_TIMEOUT_S)
            )
        except (WorkflowQueryFailedError, ValueError, RuntimeError):
            # It never was a conversation, or its worker is of another version.
            return None
        except RPCError as error:
            if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
                raise no_answer(handle.id, wait_timeout_s=_QUERY_TIMEOUT_S) from error
            raise
    return status


async def _ending_of(
    description: Execution, handle: WorkflowHandle[Any, ConversationResult]
) -> tuple[ConversationResult | None, str | None]:
    try:
        if description.status is ExecutionStatus.CANCELED:
            return await description.memo_value(RESULT_MEMO, type_hint=ConversationResult), None
        return await handle.result(rpc_timeout=RPC_TIMEOUT), None
    except WorkflowFailureError as error:
        return None, clean_text(str(error.cause))
    except (ValueError, RuntimeError, ValidationError):
        return None, "its result cannot be read by this version"


def _phase_of(*, is_open: bool, is_busy: bool) -> ConversationPhase:
    if not is_open:
        return ConversationPhase.CLOSED
    return ConversationPhase.BUSY if is_busy else ConversationPhase.OPEN


def _refusal(error: WorkflowUpdateFailedError, conversation_id: str) -> InvalidInput:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == UpdateErrorType.CLOSED:
        return _closed(conversation_id)
    reason = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return InvalidInput(clean_text(reason))


def _closed(conversation_id: str) -> ConversationClosed:
    return ConversationClosed(
        f"conversation {conversation_id} is closed; start a new one with `longhaul chat`"
    )


def ending_text(view: ConversationView) -> str:
    """Return how a conversation that is closed has ended, for people."""
    match view.result.ending if view.result else None:
        case Ending.ASKED:
            return "closed"
        case Ending.IDLE:
            return "closed, because nobody wrote for too long"
        case Ending.CANCELLED:
            return "cancelled"
        case None:
            return f"ended from outside ({view.problem})" if view.problem else "ended from outside"
