"""What crosses a Temporal boundary of a conversation: messages, turns, and what is carried on.

Workflow code: see docs/changing.md.

A conversation is a `Conversation` workflow; each of its turns is an `AgentRun` of its own.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, ValidationError, model_validator

from runs import limits
from runs.asked import Asked
from runs.budget import Budget, Spent
from runs.generation import Generation, Outputs, ServiceTier
from runs.message import Message
from runs.messages import (
    AgentRunRequest,
    ArtifactRef,
    Attachment,
    Label,
    RunError,
    TranscriptTurn,
    Usage,
)
from runs.pacing import Pacing
from runs.phase import UnknownPolicy
from runs.quotes import Quote
from runs.tools import Tool

CONVERSATION: Final = "Conversation"
"""The workflow type."""

MessageId = Annotated[str, Field(min_length=1, max_length=limits.MAX_MESSAGE_ID_CHARS)]
"""Chosen by whoever sends the message; the same id again means the same message."""


class SendMessage(Asked):
    """Argument of the ``send`` update.

    Attributes:
        message_id: Sent again with it, the message is not answered again: the same turn comes back.
        text: What is said.
        attachments: What to read beside it.
        quotes: Stored texts to put into the text.
    """

    what = "a message"

    message_id: MessageId
    text: str
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=limits.MAX_ATTACHMENTS)
    quotes: tuple[Quote, ...] = Field(default=(), max_length=limits.MAX_QUOTES)

    @property
    def size_bytes(self) -> int:
        """Length as it stands in history."""
        return len(self.model_dump_json().encode())


class Turn(Message):
    """What came of one message.

    Attributes:
        number: From 1, in the order in which the messages were sent.
        message_id: Of the message.
        question: The message's first line, shortened.
        run_id: Of the run that answered it; its page, report and files are found by it. None: there was no
            run, because the budget was used up.
        text: The answer; of one of more than 32 KB, and of one asked for again later, the beginning.
        is_excerpt: Whether it is only the beginning.
        text_uri: Where the whole answer is stored; None when there is none.
        artifacts: The files that the run left behind.
        usage: What it used.
        cost_usd: Its estimated cost; None without an estimate.
        interaction_id: What the next turn follows; None when this turn cannot be followed.
        error: Why there is no answer, or no whole one. The conversation goes on all the same.
        is_retold: Whether the earlier turns were sent along, because the API had forgotten them.
    """

    number: int
    message_id: str
    question: str = ""
    run_id: str | None = None
    text: str = ""
    is_excerpt: bool = False
    text_uri: str | None = None
    artifacts: tuple[ArtifactRef, ...] = ()
    usage: Usage = Usage()
    cost_usd: float | None = None
    interaction_id: str | None = None
    error: RunError | None = None
    is_retold: bool = False


class Origin(Message):
    """A finished run that a conversation follows up on.

    Attributes:
        run_id: Of the run, for people.
        interaction_id: Its last interaction. None: the API does not have it any more, and is told.
        question: What the run was asked.
        text_uri: Where its answer is stored, to be told to an API that has forgotten it.
    """

    run_id: str = Field(min_length=1, max_length=limits.MAX_ID_CHARS)
    interaction_id: str | None = Field(default=None, min_length=1, max_length=limits.MAX_INTERACTION_ID_CHARS)
    question: str = Field(default="", max_length=limits.MAX_ORIGIN_CHARS)
    text_uri: str | None = Field(default=None, min_length=1, max_length=limits.MAX_URI_CHARS)

    @model_validator(mode="after")
    def _check_known(self) -> Self:
        if self.interaction_id is None and self.text_uri is None:
            raise ValueError("give the interaction_id or the text_uri of what is followed up on")
        return self


class ConversationState(Message):
    """What a conversation carries from one execution of its workflow into the next.

    Attributes:
        started_at: When the conversation began.
        active_at: When somebody last said something.
        turns: How many there were.
        spent: What they used together.
        last_interaction_id: What the next turn follows.
        is_forgotten: Whether the API has lost what was said, so that the next turn tells it.
        is_closing: Whether somebody closed it: the waiting messages are the last.
        waiting: Messages that were accepted, and not answered yet, in their order.
        recent: The latest turns, shortened: by them a message sent again is known.
    """

    started_at: datetime
    active_at: datetime
    turns: int = 0
    spent: Spent = Spent()
    last_interaction_id: str | None = None
    is_forgotten: bool = False
    is_closing: bool = False
    waiting: tuple[SendMessage, ...] = ()
    recent: tuple[Turn, ...] = ()


class ConversationRequest(Asked):
    """The input of `Conversation`. ``model`` or ``agent`` makes a valid one.

    Attributes:
        model: Whom to talk to: a model's id, or an agent's in ``agent``.
        idle_timeout_s: Seconds without a message after which the conversation is closed.
        budget: What all its turns together may use; None for no bound.
        origin: The finished run that it follows up on.
        messages_per_execution: After so many the workflow continues as new, as soon as nothing waits; sooner
            where Temporal suggests it.
        state: What an earlier execution left; only the workflow itself gives one.

    The others are those of `AgentRunRequest`, for each turn.
    """

    what = "a conversation"

    agent: str | None = None
    model: str | None = None
    system_instruction: str | None = None
    generation: Generation | None = None
    outputs: Outputs = Outputs()
    tools: tuple[Tool, ...] = ()
    max_tool_rounds: int = limits.DEFAULT_TOOL_ROUNDS
    tool_approval_s: float = limits.DEFAULT_APPROVAL_S
    service_tier: ServiceTier | None = None
    is_background: bool | None = None
    visualization: bool = True
    labels: tuple[Label, ...] = ()
    tenant: str | None = None
    deadline_s: float = limits.DEFAULT_DEADLINE_S
    pacing: Pacing | None = None
    on_unknown_submission: UnknownPolicy | None = None
    budget: Budget | None = None
    idle_timeout_s: float = Field(default=limits.DEFAULT_IDLE_S, ge=limits.MIN_IDLE_S, le=limits.MAX_IDLE_S)
    origin: Origin | None = None
    messages_per_execution: int = Field(
        default=limits.MESSAGES_PER_EXECUTION, ge=1, le=limits.MESSAGES_PER_EXECUTION
    )
    state: ConversationState | None = None

    @property
    def target(self) -> str:
        """The agent or model."""
        target = self.agent or self.model
        assert target is not None  # one of them is given, or there is no request
        return target

    @model_validator(mode="after")
    def _check_turn(self) -> Self:
        # What is wrong with every turn is wrong with the conversation.
        if why_not := self._why_no_turn("?"):
            raise ValueError(why_not)
        size_bytes = len(self.model_dump_json(exclude={"state"}).encode())
        if size_bytes > limits.MAX_CONVERSATION_BYTES:
            raise ValueError(
                f"the request has {size_bytes:,} bytes, the limit is {limits.MAX_CONVERSATION_BYTES:,}"
            )
        return self

    def turn(
        self,
        message: SendMessage,
        *,
        transcript: TranscriptTurn,
        previous_interaction_id: str | None,
        budget: Budget | None,
    ) -> AgentRunRequest:
        """Return the run that answers ``message``.

        Args:
            message: Which `why_not` has nothing against.
            transcript: The turn's place.
            previous_interaction_id: What it follows.
            budget: What is left for it.
        """
        return self._turn(
            message.text,
            message=message,
            transcript=transcript,
            previous_interaction_id=previous_interaction_id,
            budget=budget,
        )

    def why_not(self, message: SendMessage) -> str | None:
        """Return why ``message`` cannot be sent as it is; None when it can."""
        size_bytes = message.size_bytes
        if size_bytes > limits.MAX_MESSAGE_BYTES:
            return (
                f"the message has {size_bytes:,} bytes with all that belongs to it, the limit is "
                f"{limits.MAX_MESSAGE_BYTES:,}; attach longer material as a file"
            )
        return self._why_no_turn(message.text, message=message)

    def _why_no_turn(self, text: str, *, message: SendMessage | None = None) -> str | None:
        try:
            self._turn(text, message=message)
        except ValidationError as error:
            return _objection(error)
        return None

    def _turn(
        self,
        text: str,
        *,
        message: SendMessage | None = None,
        transcript: TranscriptTurn | None = None,
        previous_interaction_id: str | None = None,
        budget: Budget | None = None,
    ) -> AgentRunRequest:
        return AgentRunRequest(
            agent=self.agent,
            model=self.model,
            input=text,
            quotes=message.quotes if message else (),
            attachments=message.attachments if message else (),
            system_instruction=self.system_instruction,
            generation=self.generation,
            outputs=self.outputs,
            tools=self.tools,
            max_tool_rounds=self.max_tool_rounds,
            tool_approval_s=self.tool_approval_s,
            service_tier=self.service_tier,
            is_background=self.is_background,
            previous_interaction_id=previous_interaction_id,
            transcript=transcript,
            budget=budget,
            visualization=self.visualization,
            labels=self.labels,
            tenant=self.tenant,
            deadline_s=self.deadline_s,
            pacing=self.pacing,
            on_unknown_submission=self.on_unknown_submission,
            # What is attached comes from whoever sends the message.
            may_read=(),
        )


class ConversationPhase(StrEnum):
    """Where a conversation stands."""

    OPEN = "open"
    BUSY = "busy"
    """It answers a message."""
    CLOSED = "closed"


class Ending(StrEnum):
    """How a conversation ended."""

    ASKED = "closed"
    IDLE = "idle"
    CANCELLED = "cancelled"


class PendingMessage(Message):
    """A message that has not been answered yet.

    Attributes:
        message_id: Sent again with it, whoever lost the answer waits for it again.
        question: Its first line, shortened.
        run_id: Of the run that answers it; None while it waits for its turn.
    """

    message_id: str
    question: str
    run_id: str | None = None


class ConversationStatus(Message):
    """Answer of the ``status`` query: where a conversation stands.

    Attributes:
        phase: Whether it answers a message, waits for one, or is closed.
        target: The model or agent.
        started_at: When it began.
        idle_at: When it closes unless somebody says something.
        turns: How many there were.
        pending: Messages that are not answered yet, in their order.
        spent: What the turns used together.
        why_no_more: Why the budget allows no further message; None when it does.
        last_interaction_id: What the next turn follows.
        recent: The latest turns, shortened, the last one last.
        origin: What it follows up on.
    """

    phase: ConversationPhase
    target: str
    started_at: datetime
    idle_at: datetime
    turns: int = 0
    pending: tuple[PendingMessage, ...] = ()
    spent: Spent = Spent()
    why_no_more: str | None = None
    last_interaction_id: str | None = None
    recent: tuple[Turn, ...] = ()
    origin: Origin | None = None


class ConversationResult(Message):
    """What a conversation leaves behind. The answers are with its runs."""

    ending: Ending
    turns: int
    spent: Spent = Spent()
    last_interaction_id: str | None = None


def _objection(error: ValidationError) -> str:
    """Return the first thing that is wrong with a turn, in one line."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
