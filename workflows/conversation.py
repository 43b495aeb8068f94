"""The `Conversation` workflow: a session of any length, whose every turn is a run of its own.

Workflow code: see docs/changing.md.

Theory of operation. Messages come as ``send`` updates. A handler only puts its message into the mailbox, in
the order in which the history has the updates, and waits for the answer; ``_work`` alone takes messages out,
one after the other. So turns run strictly in the order in which they were sent, on every replay.

A message is known by its id. Sent again, by a client that has lost the answer, it is not answered again: the
handler waits for the same answer, or returns the one that is remembered.

A history must not grow for ever, so now and then the workflow continues as new, between two turns. What no
execution can hand over is an update that has been accepted: its client would be told that the workflow has
ended. So a moment is waited for in which no message waits. Where none comes, the waiting handlers fail with
`UpdateErrorType.MOVED` and their messages are carried along; a client that sends its message again attaches
to it in the next execution. An update that arrives meanwhile is refused with the same error, or delivered to
the next execution by the server.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final, NoReturn

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from runs import limits
    from runs.budget import Spent, remaining, why_exhausted
    from runs.conversation import (
        CONVERSATION,
        ConversationPhase,
        ConversationRequest,
        ConversationResult,
        ConversationState,
        ConversationStatus,
        Ending,
        PendingMessage,
        SendMessage,
        Turn,
    )
    from runs.conversation_details import render_conversation
    from runs.errors import RunErrorCode, UpdateErrorType, WorkflowErrorType
    from runs.mailbox import Mailbox
    from runs.messages import RESULT_MEMO, AgentRunResult, RunError, TranscriptTurn
    from runs.phase import Phase
    from runs.places import artifacts_prefix
    from runs.text import first_line
    from workflows import search_attributes
    from workflows.child_runs import ChildOutcome, run_child
    from workflows.inputs import NO_INPUT, decode_input

_MAX_OVERDUE_TURNS: Final = 20
"""For so many turns a moment is waited for in which nothing waits, before the workflow continues as new all
the same. With the largest messages they add some 30 MB to a history, of the 50 MB that Temporal allows."""

_QUESTION_CHARS: Final = 120


@workflow.defn(name=CONVERSATION)
class ConversationWorkflow:
    """Hold one conversation with a model or an agent.

    Start it with a `ConversationRequest`; ``model`` or ``agent`` makes a valid one. The ``send`` update says
    something and returns the answer as a `Turn`; a turn that fails does not end the conversation. The
    ``close`` signal ends it once everything is answered, and so does silence; it then returns a
    `ConversationResult`.
    Cancelled, it cancels the run under way and ends as cancelled, with the result in the memo. The ``status``
    query says where it stands.
    """

    @workflow.init
    def __init__(self, raw: RawValue = NO_INPUT) -> None:
        self._ending: Ending | None = None
        self._is_moving = False
        self._answered_here = 0
        self._overdue_turns = 0
        self._run_id: str | None = None
        self._answers: dict[str, asyncio.Future[Turn]] = {}
        self._invalid: ApplicationError | None = None
        info = workflow.info()
        try:
            request = decode_input(
                raw, ConversationRequest, what="conversation", hint="give at least a model or an agent"
            )
            _check_workflow_id(info.workflow_id)
        except ApplicationError as error:
            # `run` raises it; failing here would stall the workflow task for ever.
            self._invalid = error
            return
        self._request = request
        origin = request.origin
        state = request.state or ConversationState(
            started_at=info.start_time,
            active_at=info.start_time,
            last_interaction_id=origin.interaction_id if origin else None,
            is_forgotten=origin is not None and origin.interaction_id is None,
        )
        self._started_at = state.started_at
        self._active_at = state.active_at
        self._turns = state.turns
        self._spent = state.spent
        self._last_interaction_id = state.last_interaction_id
        self._is_forgotten = state.is_forgotten
        self._mailbox = Mailbox(state.waiting, state.recent)
        if state.is_closing:
            self._ending = Ending.ASKED
        # The same for all executions of one conversation, so that each finds the turns of the others.
        self._folder = artifacts_prefix(workflow_id=info.workflow_id, run_id=info.first_execution_run_id)

    @workflow.run
    async def run(self, raw: RawValue = NO_INPUT) -> ConversationResult:  # noqa: ARG002 - `__init__` has read it
        """Return how the conversation ended. The input is a `ConversationRequest`.

        Raises:
            ApplicationError: The input is no conversation.
            asyncio.CancelledError: The conversation was cancelled.
        """
        if self._invalid is not None:
            raise self._invalid
        self._publish()
        self._idle = asyncio.create_task(self._close_when_idle())
        work = asyncio.create_task(self._work())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._ending = Ending.CANCELLED
            await work
        if workflow.cancellation_reason() is not None:
            # Also one that came in the workflow task in which all ended: continued as new, it would be lost.
            self._ending = Ending.CANCELLED
        if self._ending is None or (self._is_moving and self._ending is not Ending.CANCELLED):
            self._continue_as_new()
        self._publish()
        return self._close(self._ending)

    # Without ``name=``, whose type in SDK 1.35 forgets that the handler is awaited; the method's own name is
    # the update's, and so may not change.
    @workflow.update
    async def send(self, message: SendMessage) -> Turn:
        """Say something, and return the answer once it is there. May be repeated with the same message id.

        Raises:
            ApplicationError: type ``NotPossible``: the message cannot be sent, the budget is used up, or too
                many messages wait; ``ConversationClosed``: none is taken any more; ``ConversationMoved``:
                send it again with the same id.
        """
        if answered := self._mailbox.turn_of(message.message_id):
            return answered
        if not self._mailbox.is_pending(message.message_id):
            self._active_at = workflow.now()
            self._mailbox.put(message)
        answer = self._answers.get(message.message_id)
        if answer is None:
            answer = self._answers[message.message_id] = asyncio.get_running_loop().create_future()
        return await answer

    @send.validator
    def _check_message(self, message: SendMessage) -> None:
        if self._invalid is not None:
            raise self._invalid
        if self._is_moving:
            raise _moved()
        if self._mailbox.knows(message.message_id):
            return
        if self._ending is not None:
            raise _closed(self._ending)
        why_not = (
            message.unknown
            or self._request.why_not(message)
            or self._mailbox.why_full(message)
            or self._why_no_more()
        )
        if why_not:
            raise ApplicationError(why_not, type=UpdateErrorType.NOT_POSSIBLE, non_retryable=True)

    @workflow.signal(name="close")
    def close(self) -> None:
        """Take no further messages, and end once all that wait are answered. May be repeated."""
        self._ending = self._ending or Ending.ASKED

    @workflow.query(name="status")
    def status(self) -> ConversationStatus:
        """Say where the conversation stands.

        Raises:
            ApplicationError: type ``InvalidRequest``: the input is no conversation.
        """
        if self._invalid is not None:
            raise self._invalid
        pending = self._mailbox.pending
        if pending:
            phase = ConversationPhase.BUSY
        else:
            phase = ConversationPhase.OPEN if self._ending is None else ConversationPhase.CLOSED
        return ConversationStatus(
            phase=phase,
            target=self._request.target,
            started_at=self._started_at,
            idle_at=self._idle_at(),
            turns=self._turns,
            pending=tuple(
                PendingMessage(
                    message_id=message.message_id,
                    question=_question(message),
                    run_id=self._run_id if message is self._mailbox.current else None,
                )
                for message in pending
            ),
            spent=self._spent,
            why_no_more=self._why_no_more(),
            last_interaction_id=self._last_interaction_id,
            recent=self._mailbox.recent,
            origin=self._request.origin,
        )

    async def _work(self) -> None:
        while not self._is_moving:
            await workflow.wait_condition(lambda: bool(self._mailbox.waiting) or self._ending is not None)
            if self._ending is Ending.CANCELLED or not self._mailbox.waiting:
                break
            await self._take_turn()
            self._is_moving = self._must_continue_as_new()
        self._leave_waiting()
        # Here, where a cancel does not reach: a handler that has not ended when the workflow does would tell
        # its client that the workflow is gone, not what has become of the message.
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _take_turn(self) -> None:
        message = self._mailbox.take()
        self._turns += 1
        if why_no_more := self._why_no_more():
            # It was sent when there still was some; what was asked before it has used the rest.
            error = RunError(code=RunErrorCode.BUDGET, message=why_no_more[: limits.MAX_ERROR_CHARS])
            self._answer(_turn_without_run(message, number=self._turns, error=error))
            return
        is_retold = self._is_forgotten
        outcome = await self._ask(message, is_retold=is_retold)
        is_gone = outcome.error is not None and outcome.error.code is RunErrorCode.PARENT_GONE
        # Where something was paid for, it is one of the run's own interactions that is gone: asked anew, all
        # would be paid for again, and its functions called again.
        if is_gone and not is_retold and outcome.spent == Spent():
            # The API keeps interactions for weeks, or days; we keep what was said.
            self._is_forgotten = is_retold = True
            outcome = await self._ask(message, is_retold=True)
        interaction_id = _followable(outcome.result)
        if interaction_id is not None:
            self._last_interaction_id = interaction_id
            self._is_forgotten = False
        self._answer(
            _turn(
                message,
                outcome,
                number=self._turns,
                run_id=self._turn_id(is_retold=is_retold),
                interaction_id=interaction_id,
                is_retold=is_retold,
            )
        )

    async def _ask(self, message: SendMessage, *, is_retold: bool) -> ChildOutcome:
        if workflow.cancellation_reason() is not None:
            # Perhaps in this very workflow task: nothing more is to be paid for.
            cancelled = RunError(code=RunErrorCode.CANCELLED, message="the conversation was cancelled")
            return ChildOutcome(None, cancelled, Spent())
        origin = self._request.origin
        self._run_id = self._turn_id(is_retold=is_retold)
        request = self._request.turn(
            message,
            transcript=TranscriptTurn(
                folder=self._folder,
                number=self._turns,
                is_retold=is_retold,
                origin_question=origin.question if origin else "",
                origin_uri=origin.text_uri if origin else None,
            ),
            previous_interaction_id=None if is_retold else self._last_interaction_id,
            budget=remaining(self._request.budget, self._spent),
        )
        self._publish_details()
        # A task of its own, for a cancel of the conversation to cancel: only once nothing else is to be done
        # in this workflow task. A run that has ended in it would lose its outcome to the cancel.
        run = asyncio.create_task(run_child(request, run_id=self._run_id))
        await workflow.wait_condition(lambda: run.done() or self._ending is Ending.CANCELLED)
        run.cancel()
        outcome = await run
        self._run_id = None
        self._spent = self._spent.plus(outcome.spent)
        return outcome

    def _turn_id(self, *, is_retold: bool) -> str:
        return f"{workflow.info().workflow_id}-turn-{self._turns}{'-retold' if is_retold else ''}"

    def _answer(self, turn: Turn) -> None:
        self._answered_here += 1
        self._active_at = workflow.now()
        self._mailbox.answer(turn)
        if answer := self._answers.pop(turn.message_id, None):
            answer.set_result(turn)
        self._publish()

    def _must_continue_as_new(self) -> bool:
        if self._ending is Ending.CANCELLED or (self._ending is not None and not self._mailbox.waiting):
            return False
        is_long = self._answered_here >= self._request.messages_per_execution
        if not is_long and not workflow.info().is_continue_as_new_suggested():
            return False
        self._overdue_turns += 1
        return not self._mailbox.waiting or self._overdue_turns > _MAX_OVERDUE_TURNS

    def _leave_waiting(self) -> None:
        for answer in self._answers.values():
            answer.set_exception(_moved() if self._is_moving else _closed(Ending.CANCELLED))
        self._answers.clear()

    def _continue_as_new(self) -> NoReturn:
        state = ConversationState(
            started_at=self._started_at,
            active_at=self._active_at,
            turns=self._turns,
            spent=self._spent,
            last_interaction_id=self._last_interaction_id,
            is_forgotten=self._is_forgotten,
            is_closing=self._ending is not None,
            waiting=self._mailbox.waiting,
            recent=self._mailbox.recent,
        )
        workflow.continue_as_new(self._request.model_copy(update={"state": state}))

    async def _close_when_idle(self) -> None:
        # One timer for a whole idle period, however many messages come: each that is set anew for a message
        # would be two events.
        while self._ending is None:
            await workflow.wait_condition(lambda: not self._mailbox.pending)
            left = self._idle_at() - workflow.now()
            if left > timedelta():
                await workflow.sleep(left, summary="closed when nobody writes")
            else:
                self._ending = self._ending or Ending.IDLE

    def _idle_at(self) -> datetime:
        return self._active_at + timedelta(seconds=self._request.idle_timeout_s)

    def _why_no_more(self) -> str | None:
        why = why_exhausted(self._request.budget, self._spent)
        return why and f"{why}; start a new conversation with `longhaul chat`"

    def _publish(self) -> None:
        """Show where the conversation stands: search attributes for lists, current details for people."""
        shown = workflow.info().typed_search_attributes
        phase = ConversationPhase.CLOSED if self._ending else ConversationPhase.OPEN
        interaction_id = self._last_interaction_id and self._last_interaction_id[: limits.MAX_KEYWORD_CHARS]
        # Once a turn, and only what changed: each upsert is an event. That it is busy shows in its children.
        updates = [
            *search_attributes.change(shown, search_attributes.PHASE, phase.value),
            *search_attributes.change(shown, search_attributes.AGENT, self._request.target),
            *search_attributes.change(shown, search_attributes.TENANT, self._request.tenant),
            *search_attributes.change(shown, search_attributes.LABELS, list(self._request.labels) or None),
            *search_attributes.change(shown, search_attributes.INTERACTION_ID, interaction_id),
            *search_attributes.change(shown, search_attributes.TOKENS, self._spent.tokens or None),
            *search_attributes.change(shown, search_attributes.COST_USD, self._spent.cost_usd or None),
        ]
        if updates:
            workflow.upsert_search_attributes(updates)
        self._publish_details()

    def _publish_details(self) -> None:
        workflow.set_current_details(render_conversation(self.status()))

    def _close(self, ending: Ending) -> ConversationResult:
        result = ConversationResult(
            ending=ending,
            turns=self._turns,
            spent=self._spent,
            last_interaction_id=self._last_interaction_id,
        )
        if ending is Ending.CANCELLED:
            # A cancelled workflow returns nothing, so the result goes where `describe` shows it.
            workflow.upsert_memo({RESULT_MEMO: result})
            raise asyncio.CancelledError
        return result


def _check_workflow_id(workflow_id: str) -> None:
    # A child's id that the server does not take would stall the workflow, after the message was accepted.
    if len(workflow_id.encode()) > limits.MAX_ID_CHARS:
        raise ApplicationError(
            f"not a conversation: its workflow id is longer than {limits.MAX_ID_CHARS} bytes",
            type=WorkflowErrorType.INVALID_REQUEST,
            non_retryable=True,
        )


def _question(message: SendMessage) -> str:
    return first_line(message.text, _QUESTION_CHARS)


def _turn_without_run(message: SendMessage, *, number: int, error: RunError) -> Turn:
    return Turn(number=number, message_id=message.message_id, question=_question(message), error=error)


def _turn(  # noqa: PLR0913 - facts of one turn, by name
    message: SendMessage,
    outcome: ChildOutcome,
    *,
    number: int,
    run_id: str,
    interaction_id: str | None,
    is_retold: bool,
) -> Turn:
    result = outcome.result
    turn = Turn(
        number=number,
        message_id=message.message_id,
        question=_question(message),
        run_id=run_id,
        interaction_id=interaction_id,
        error=outcome.error,
        is_retold=is_retold,
    )
    if result is None:
        return turn
    return turn.model_copy(
        update={
            "text": result.excerpt,
            "is_excerpt": result.counts.text_bytes > limits.MAX_TURN_TEXT_BYTES,
            "text_uri": result.text_uri,
            "artifacts": result.artifacts,
            "usage": result.usage,
            "cost_usd": result.cost_usd,
        }
    )


def _followable(result: AgentRunResult | None) -> str | None:
    """Return the interaction that the next turn can follow; None where this turn left none.

    One that waits for function results, or stopped where it was to be continued, takes no question.
    """
    if result is None or not result.interaction_ids:
        return None
    is_whole = result.phase is Phase.COMPLETED or (result.phase is Phase.INCOMPLETE and result.error is None)
    return result.interaction_ids[-1] if is_whole else None


def _moved() -> ApplicationError:
    return ApplicationError(
        "the conversation continues in a new execution of its workflow; send the message again with the same "
        "message_id, and it is answered once",
        type=UpdateErrorType.MOVED,
    )


def _closed(ending: Ending) -> ApplicationError:
    why = {
        Ending.ASKED: "it was closed",
        Ending.IDLE: "nobody wrote for too long",
        Ending.CANCELLED: "it was cancelled",
    }[ending]
    return ApplicationError(
        f"the conversation takes no messages any more ({why}): start a new one with `longhaul chat`",
        type=UpdateErrorType.CLOSED,
        non_retryable=True,
    )
