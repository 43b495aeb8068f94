"""Everything that crosses a Temporal boundary: one frozen model per message.

Workflow code: see docs/changing.md.

Stored shapes ignore unknown fields, so that an old worker reads a newer payload in the middle of a
rollout; fields are only ever added, and added ones are optional. What somebody asks for refuses them
(`runs.asked`), so there an added field is null by default: an older worker passes over it.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, JsonValue, StringConstraints, field_validator, model_validator

from runs import limits
from runs.asked import Asked
from runs.budget import Budget, Spent
from runs.errors import RunErrorCode
from runs.generation import Generation, Outputs, ServiceTier
from runs.message import Message
from runs.pacing import Pacing
from runs.phase import Phase, UnknownPolicy
from runs.planning import Planning, PlanView
from runs.quotes import Quote as Quote  # noqa: PLC0414 - one of the messages, kept where tool calls find it too
from runs.stores import StoreRef
from runs.tool_calls import PendingToolCall, ToolAnswer, ToolCall, ToolDescription
from runs.tools import Tool, why_not

DEFAULT_AGENT: Final = "deep-research-preview-04-2026"
MAX_AGENT: Final = "deep-research-max-preview-04-2026"
DEFAULT_MODEL: Final = "gemini-3.8-flash"
KNOWN_AGENTS: Final = frozenset(
    {DEFAULT_AGENT, MAX_AGENT, "deep-research-pro-preview-12-2025", "antigravity-preview-09-2026"}
)
"""Agents of Google's own (google-genai 3.4.0, read 2026-11-22). Others are custom, or newer than this."""

AGENT_RUN: Final = "AgentRun"
"""The workflow type."""

RESULT_MEMO: Final = "longhaul_result"
"""Memo key of a cancelled run's `AgentRunResult`: a cancelled workflow returns nothing."""


Label = Annotated[str, StringConstraints(min_length=1, max_length=limits.MAX_LABEL_CHARS)]


class Attachment(Message):
    """Something the agent is to read beside the question.

    Attributes:
        uri: ``https://…`` or ``gs://…``, which the API fetches by itself, or the address of a file in
            the artifact store, which is put into the submission. There only what was stored to be attached
            (`runs.places.upload_key`) can be: other runs' files are theirs.
        media_type: For example ``application/pdf``.
        name: What to call it, to people and to the agent.
        size_bytes: Length of a stored file; None for an address the API fetches.
    """

    uri: str = Field(min_length=1, max_length=limits.MAX_URI_CHARS)
    media_type: str = Field(max_length=255)
    name: str = Field(max_length=255)
    size_bytes: int | None = None


class TranscriptTurn(Message):
    """Where in a conversation a run stands, so that it is kept, and can be told anew.

    The run leaves its question and answer as ``turn-NNNNNN.json`` in ``folder``. An API that has forgotten
    the earlier turns is told them from there.

    Attributes:
        folder: The conversation's folder in the artifact store.
        number: The turn's number, from 1.
        is_retold: Whether the earlier turns are sent along, because the API does not have them any more.
        origin_question: What the conversation follows up on, if it began with a finished run; retold first.
        origin_uri: Where the answer to that is stored.
    """

    folder: str = Field(min_length=1, max_length=limits.MAX_URI_CHARS)
    number: int = Field(ge=1)
    is_retold: bool = False
    origin_question: str = ""
    origin_uri: str | None = Field(default=None, max_length=limits.MAX_URI_CHARS)


class AgentRunRequest(Asked):
    """The input of `AgentRun`. ``agent`` or ``model``, and ``input``, make a valid run.

    Attributes:
        agent: An agent's id; or a model's in ``model``. Unknown ones are sent as they are: Google adds
            agents, and people make them.
        model: A model's id.
        input: The question, as text.
        quotes: Stored texts to put into the question.
        attachments: What to read beside it.
        system_instruction: How to behave, where the model or agent takes one.
        generation: How a model generates; None for its defaults.
        outputs: What a model's answer is to consist of; empty for text.
        tools: What may be used to answer.
        max_tool_rounds: How often the run answers function calls before it ends as incomplete.
        tool_approval_s: How long a call that needs approval waits for a person, in seconds.
        service_tier: None for the project's.
        is_background: Whether the API works on it without a connection. None: if it can, else with one.
        previous_interaction_id: The interaction that this one follows; the API then knows what was said.
        transcript: Its place in a conversation; None outside of one.
        planning: Whether to begin with a plan to be approved; None to begin at once.
        budget: What it may use; None for no bound.
        visualization: Whether a research agent may draw charts.
        labels: Words to find the run by. They are indexed and not encrypted: no personal data.
        tenant: Whose run it is, where one Longhaul serves several.
        deadline_s: Seconds of work after which the run is stopped and reported as timed out. While it waits
            for a person, the clock stands still.
        pacing: How often to look; None for the worker's setting.
        on_unknown_submission: What to do when the outcome of a submission cannot be learned; None holds an
            agent's, and sends a model's again, which costs cents.
        may_read: Addresses of files that a conversation or a chain has from its own runs, and that this run
            may send. Of anybody else it is not heeded.
    """

    what = "a run"

    agent: str | None = Field(default=None, min_length=1, max_length=limits.MAX_ID_CHARS)
    model: str | None = Field(default=None, min_length=1, max_length=limits.MAX_ID_CHARS)
    input: str
    quotes: tuple[Quote, ...] = Field(default=(), max_length=limits.MAX_QUOTES)
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=limits.MAX_ATTACHMENTS)
    system_instruction: str | None = Field(default=None, min_length=1)
    generation: Generation | None = None
    outputs: Outputs = Outputs()
    tools: tuple[Tool, ...] = Field(default=(), max_length=limits.MAX_TOOLS)
    max_tool_rounds: int = Field(default=limits.DEFAULT_TOOL_ROUNDS, ge=1, le=limits.MAX_TOOL_ROUNDS)
    tool_approval_s: float = Field(
        default=limits.DEFAULT_APPROVAL_S, ge=limits.MIN_DEADLINE_S, le=limits.MAX_APPROVAL_S
    )
    service_tier: ServiceTier | None = None
    is_background: bool | None = None
    previous_interaction_id: str | None = Field(
        default=None, min_length=1, max_length=limits.MAX_INTERACTION_ID_CHARS
    )
    transcript: TranscriptTurn | None = None
    planning: Planning | None = None
    budget: Budget | None = None
    visualization: bool = True
    labels: tuple[Label, ...] = Field(default=(), max_length=limits.MAX_LABELS)
    tenant: str | None = Field(default=None, min_length=1, max_length=limits.MAX_LABEL_CHARS)
    deadline_s: float = Field(
        default=limits.DEFAULT_DEADLINE_S, ge=limits.MIN_DEADLINE_S, le=limits.MAX_DEADLINE_S
    )
    pacing: Pacing | None = None
    on_unknown_submission: UnknownPolicy | None = None
    may_read: tuple[str, ...] | None = Field(
        default=None, max_length=limits.MAX_QUOTES + limits.MAX_ATTACHMENTS
    )

    @property
    def target(self) -> str:
        """The agent or model."""
        target = self.agent or self.model
        assert target is not None  # one of them is given, or there is no request
        return target

    @property
    def unknown_policy(self) -> UnknownPolicy:
        """What to do when the outcome of a submission cannot be learned."""
        if self.on_unknown_submission is not None:
            return self.on_unknown_submission
        return UnknownPolicy.HOLD if self.model is None else UnknownPolicy.RESUBMIT

    @field_validator("input")
    @classmethod
    def _check_input(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("the question is empty")
        size_bytes = len(text.encode(errors="replace"))
        if size_bytes > limits.MAX_INPUT_BYTES:
            raise ValueError(
                f"the question has {size_bytes:,} bytes, the limit is {limits.MAX_INPUT_BYTES:,}; "
                "attach longer material as a file"
            )
        return text

    @field_validator("system_instruction")
    @classmethod
    def _check_instruction(cls, text: str | None) -> str | None:
        if text is not None and len(text.encode(errors="replace")) > limits.MAX_SYSTEM_INSTRUCTION_BYTES:
            raise ValueError(f"longer than {limits.MAX_SYSTEM_INSTRUCTION_BYTES:,} bytes")
        return text

    @field_validator("agent", "model", "labels")
    @classmethod
    def _check_indexed(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        # As Temporal's search attributes count: JSON in ASCII, where one emoji is twelve bytes.
        size_bytes = len(json.dumps(value))
        if size_bytes > limits.MAX_INDEXED_BYTES:
            raise ValueError(
                f"takes {size_bytes:,} bytes in the index, of {limits.MAX_INDEXED_BYTES:,}; shorten it"
            )
        return value

    @field_validator("tools")
    @classmethod
    def _check_tools(cls, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        size_bytes = sum(len(tool.model_dump_json().encode()) for tool in tools)
        if size_bytes > limits.MAX_TOOLS_BYTES:
            raise ValueError(
                f"the tools have {size_bytes:,} bytes together, the limit is {limits.MAX_TOOLS_BYTES:,}"
            )
        return tools

    @field_validator("attachments")
    @classmethod
    def _check_attachments(cls, attachments: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        total_bytes = sum(attachment.size_bytes or 0 for attachment in attachments)
        if total_bytes > limits.MAX_ATTACHMENTS_BYTES:
            raise ValueError(
                f"the attached files have {total_bytes:,} bytes together, "
                f"the limit is {limits.MAX_ATTACHMENTS_BYTES:,}"
            )
        return attachments

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        for objection in self._objections():
            raise ValueError(objection)
        return self

    def _objections(self) -> Iterator[str]:
        """Yield why the service would refuse the request as a whole, as far as is known."""
        if (self.agent is None) == (self.model is None):
            yield "give exactly one of agent and model"
        if self.agent is not None and self.generation is not None:
            yield "generation options go with a model, not with an agent"
        if self.agent is not None and self.outputs.forms:
            yield f"{self.agent} chooses the form of its answer; only a model can be asked for one"
        is_research = self.agent is not None and self.agent.startswith("deep-research-")
        if is_research and self.system_instruction is not None:
            yield f"{self.agent} takes no system instruction; say it in the question"
        if is_research and self.is_background is False:
            yield f"{self.agent} works in the background only"
        if self.planning is not None and not is_research:
            yield "planning is what Deep Research does; no other agent or model makes a plan first"
        if objection := why_not(self.tools, agent=self.agent):
            yield objection


class Usage(Message):
    """Tokens and searches an interaction was billed for. None: the API did not say."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    thought_tokens: int | None = None
    tool_use_tokens: int | None = None
    total_tokens: int | None = None
    searches: int | None = None

    def plus(self, other: "Usage") -> "Usage":
        """Return both together; a number that only one of them knows is taken as it is."""
        return Usage(
            **{
                name: None if one is None and another is None else (one or 0) + (another or 0)
                for name in Usage.model_fields
                for one, another in [(getattr(self, name), getattr(other, name))]
            }
        )


class ArtifactRef(Message):
    """Where a file that a run left behind is kept."""

    name: str = Field(max_length=255)
    uri: str = Field(max_length=limits.MAX_URI_CHARS)
    media_type: str = Field(max_length=255)
    size_bytes: int
    sha256: str


class RunError(Message):
    """Why a run did not complete."""

    code: RunErrorCode
    message: str = Field(max_length=limits.MAX_ERROR_CHARS)


class FollowUpKind(StrEnum):
    """Why a run takes another turn."""

    TOOL_RESULTS = "tool_results"
    CONTINUATION = "continuation"
    """The answer stopped at a limit of the API's own, and goes on."""
    PLAN_REVISED = "plan_revised"
    PLAN_APPROVED = "plan_approved"


class FollowUp(Message):
    """What a further turn of a run says.

    Attributes:
        kind: Why there is one.
        previous_interaction_id: What it follows.
        text: What a person says about a plan.
        answers: The results of the function calls.
        interaction_uri: The stored interaction that is to be continued, with its continuation token.
    """

    kind: FollowUpKind
    previous_interaction_id: str
    text: str = ""
    answers: tuple[ToolAnswer, ...] = ()
    interaction_uri: str | None = None


class Rights(Message):
    """What a submission may send of the artifact store, besides what was stored to be attached.

    Attributes:
        files: Addresses of single files.
        is_part: Whether the run is part of a conversation, and so may tell its earlier turns.
    """

    files: tuple[str, ...] = ()
    is_part: bool = False


class SubmitInteraction(Message):
    """Input of ``submit_interaction``."""

    request: AgentRunRequest
    """Of a further turn, without what only the first one sends: the whole question and the attachments."""
    artifacts_prefix: str
    """Where in the artifact store this run's files go."""
    number: int = 1
    """Which submission of the run this is; each has a journal of its own, and is sent at most once."""
    token: str = ""
    """The submission's secret: whoever knows it may say which interaction it became."""
    follow_up: FollowUp | None = None
    """What to send in a further turn; None in the first."""
    functions: tuple[ToolDescription, ...] = ()
    """The function tools that the request names, as the workers have them."""
    is_foreground: bool = False
    """Whether to hold a connection until it is done, because the API refused to work without one."""
    store: StoreRef | None = None
    """Where earlier turns have left what this one says; None if nothing, or by a version that did not say."""

    rights: Rights | None = None
    """What it may read; None: the workflow is of an older version, which did not say."""

    @property
    def holds_connection(self) -> bool:
        """Whether the submission is answered with the finished interaction, and may take minutes."""
        return self.is_foreground or self.request.is_background is False


class Announcement(Message):
    """What a worker tells the server of a submission before it may claim and send it.

    It is in the heartbeat of ``submit_interaction``, so it outlives the worker. None there proves that no
    worker of a version that announces has claimed the submission, or ever will.

    Attributes:
        store: Which store has the journal.
        digest: Of what is sent; empty as long as that is being put together.
    """

    store: StoreRef
    digest: str = ""


class EarlierSubmission(Message):
    """Something else that the run has sent under the same number, before it was reset.

    Attributes:
        token: Its secret, by which news of it is known.
        interaction_id: What it became; None if the journal does not say.
    """

    token: str
    interaction_id: str | None = None


class RecoverSubmission(Message):
    """Input of ``recover_submission``."""

    artifacts_prefix: str
    number: int
    is_foreground: bool = False
    """Whether the submission held its connection, so that its answer may take minutes."""
    token: str = ""
    """The submission's; empty from a version that did not say."""
    announced: Announcement | None = None
    """What the lost worker had announced; None: nothing, or it is of a version that does not."""


class Recovered(Message):
    """What the journal says of a submission whose worker was lost sight of.

    Attributes:
        was_sent: False: certainly not, and now it never will be. True: perhaps.
        interaction_id: What it became; None if the journal does not say.
        problem: Why it cannot be said what became of it, for people.
        store: Where the journal is.
        token: By which news of it is known, too, because it was sent before the run was reset; None if not.
        earlier: What the run has sent under this number before it was reset, if that was something else.
    """

    was_sent: bool
    interaction_id: str | None = None
    artifacts_uri: str = ""
    problem: str = Field(default="", max_length=limits.MAX_ERROR_CHARS)
    store: StoreRef | None = None
    token: str | None = None
    earlier: EarlierSubmission | None = None


class Submitted(Message):
    """An accepted submission."""

    interaction_id: str
    artifacts_uri: str
    """The folder in the artifact store, as an address a person can follow."""
    store: StoreRef | None = None
    """Which store that is; None from a version that did not say."""
    has_ended: bool = False
    """Whether the answer to the submission showed a turn that was over, as it does in the foreground."""


class WatchInteraction(Message):
    """Input of ``watch_interaction``."""

    interaction_id: str
    accepted_at: datetime
    """When the submission was accepted, by the server's clock: pacing counts from here."""
    pacing: Pacing | None = None
    is_model: bool = False
    """Whether a model answers, which takes seconds where an agent takes minutes."""


class Sighting(Message):
    """What the last look saw. Kept in the activity's heartbeat details between looks.

    Attributes:
        has_ended: Whether the turn is over; what that means is for settling to say.
        status: The API's word, shown to people and never decided by.
        seen_at: When the API last answered a look with the interaction; None before it ever did.
        looks: Looks taken, failed ones included.
        steps: Steps in the timeline so far.
        searches: Search queries so far.
        pages: Pages read so far.
        latest_thought: The latest thought summary, shortened; None if there was none.
        latest_action: What a tool was last used for, such as ``searching: heat pumps``; None if none was.
        total_tokens: Tokens so far; None where the API does not say before the end.
        failures: Looks in a row that failed.
        problem: What the last failed look ran into; None when the last look was fine.
        missing_since: Since when the API has not known the interaction; None when it does.
        notes: Oddities worth a person's eye, such as a look that showed another interaction.
    """

    has_ended: bool = False
    status: str = ""
    seen_at: datetime | None = None
    looks: int = 0
    steps: int = 0
    searches: int = 0
    pages: int = 0
    latest_thought: str | None = None
    latest_action: str | None = None
    total_tokens: int | None = None
    failures: int = 0
    problem: str | None = None
    missing_since: datetime | None = None
    notes: tuple[str, ...] = ()


class SettleInteraction(Message):
    """Input of ``settle_interaction``."""

    interaction_id: str
    agent: str
    question: str
    """The question's first line: the report's heading when the text has none."""
    workflow_id: str
    artifacts_prefix: str
    requested_at: datetime
    turn: int = 1
    """Which turn of the run this is. The files of a turn that is not the last go into ``turns/N/``."""
    is_plan: bool = False
    """Whether the agent was asked for a plan: what it completed with is one."""
    earlier: tuple[str, ...] = ()
    """Stored interactions of earlier turns that are part of the same answer, in order: rounds of function
    calls, and hops of an answer that was continued. Report and text join them with this one."""
    earlier_usage: Usage = Usage()
    """What the earlier turns of the run used, plans included, for the report's head."""
    earlier_cost_usd: float | None = 0.0
    """Their estimated cost; None where one has none."""
    json_schema: dict[str, JsonValue] | None = None
    """What the text of the answer has to follow."""
    last_because: RunError | None = None
    """Why this turn is the last although the model wants to go on: what there is, is the answer then, and it
    is incomplete. None: function calls and continuations are reported as such."""
    transcript: TranscriptTurn | None = None
    """Where to leave the turn of a conversation."""
    store: StoreRef | None = None
    """Which store has the run's files so far; None if that is not known."""
    submissions: int | None = None
    """How many submissions this run knows of; the journal may have more, from before it was reset. None: they
    are not to be looked for."""
    may_go_back: bool = False
    """Whether an interaction that runs again sends the run back to watching; else it is waited for here."""
    is_partial: bool = False
    """Whether the run is over whatever the interaction does: what is there by now is stored as it is."""


class Outcome(StrEnum):
    """How an interaction ended, in our words."""

    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NEEDS_TOOLS = "needs_tools"
    """The model asks for functions to be called; the results go into a new interaction."""
    CONTINUES = "continues"
    """The answer stopped at a limit of the API's own, and can be continued."""
    PLAN_READY = "plan_ready"
    """The agent completed with a plan, which waits for approval."""


class Counts(Message):
    """What a report is made of."""

    steps: int = 0
    searches: int = 0
    pages: int = 0
    citations: int = 0
    sources: int = 0
    images: int = 0
    text_bytes: int = 0
    code_runs: int = 0
    tool_calls: int = 0
    """Calls of functions and of remote MCP servers."""


class Settled(Message):
    """What settling found and stored."""

    outcome: Outcome
    error: RunError | None = None
    excerpt: str = ""
    artifacts: tuple[ArtifactRef, ...] = ()
    usage: Usage = Usage()
    cost_usd: float | None = None
    """An estimate from the price table; None when it has no price for the agent."""
    counts: Counts = Counts()
    notes: tuple[str, ...] = ()
    """Oddities worth a person's eye, such as step types unknown to this version."""
    calls: tuple[ToolCall, ...] = ()
    """What is to be called, with ``NEEDS_TOOLS``."""
    interaction_uri: str = ""
    """Where the interaction is stored as received."""
    text_uri: str | None = None
    """Where the text of the answer, or the plan, is stored alone; None when there is none."""
    data: JsonValue = None
    """The answer's JSON, where a schema was asked for and it is small enough for history."""
    store: StoreRef | None = None
    """Where the files are; None from a version that did not say."""
    earlier_interaction_ids: tuple[str, ...] = ()
    """What later submissions have become, by the journal, in the time before the run was reset."""


class CheckInteraction(Message):
    """Input of ``check_interaction``."""

    interaction_id: str
    artifacts_prefix: str = ""
    """The folder of the run that is to adopt it; empty from a version that did not say."""
    number: int = 0
    """The submission that it is said to be."""


class CancelInteraction(Message):
    """Input of ``cancel_interaction``."""

    interaction_id: str


class CancelReport(Message):
    """What came of asking the API to stop.

    Attributes:
        was_confirmed: Whether the API was seen to have stopped. False: it may still work, and bill.
        had_ended: Whether the turn turned out to be over already, with something to keep.
        detail: What was seen, for people.
        sighting: What the interaction had come to; None if it could not be looked at.
    """

    was_confirmed: bool
    had_ended: bool = False
    detail: str = Field(default="", max_length=limits.MAX_ERROR_CHARS)
    sighting: Sighting | None = None


class Timings(Message):
    """When what happened, by the server's clock. None: it did not happen."""

    requested_at: datetime
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    """When the turn's end was seen."""
    closed_at: datetime | None = None


class AgentRunResult(Message):
    """What a run leaves behind, small enough for history. The files themselves are artifacts."""

    phase: Phase
    agent: str
    interaction_ids: tuple[str, ...] = ()
    orphan_interaction_ids: tuple[str, ...] = ()
    """Interactions of earlier submissions that turned out to exist, too: paid for, and not this result."""
    submissions: int = 0
    """How often the request was sent, refusals included."""
    excerpt: str = Field(
        default="", description="The beginning of the report's text: 4 KB, in a conversation 32 KB."
    )
    artifacts: tuple[ArtifactRef, ...] = ()
    text_uri: str | None = None
    """Where the text of the answer is stored alone; None when there is none."""
    data: JsonValue = None
    """The answer's JSON, where a schema was asked for; None where it is too large for history."""
    usage: Usage = Usage()
    """Of all interactions together."""
    cost_usd: float | None = None
    spent: Spent = Spent()
    """The same, as budgets count."""
    counts: Counts = Counts()
    timings: Timings
    error: RunError | None = None
    cancel: CancelReport | None = None
    notes: tuple[str, ...] = ()


class AttachRun(Message):
    """Input of ``attach_run``.

    Attributes:
        run_id: Of the run that is there.
        digest: Of what is asked for now; see `runs.sameness`.
    """

    run_id: str
    digest: str


class AttachedRun(Message):
    """How a run that was attached to has ended.

    Attributes:
        result: What it left behind; None when it ended without saying.
        error: Why it did not complete; None when it did, also incompletely.
        spent: What it used, or may have used.
    """

    result: AgentRunResult | None = None
    error: RunError | None = None
    spent: Spent = Spent()


class AgentRunStatus(Message):
    """Answer of the ``status`` query: where a run stands."""

    phase: Phase
    agent: str
    interaction_id: str | None = None
    artifacts_uri: str | None = None
    requested_at: datetime
    deadline_at: datetime
    submissions: int = 0
    """How often the request was sent so far, refusals included."""
    orphan_interaction_ids: tuple[str, ...] = ()
    refusals: int = 0
    """How often the API refused what the run has to say now."""
    next_submission_at: datetime | None = None
    problem: str | None = None
    """What the run is waiting out, if anything."""
    sighting: Sighting | None = None
    """The last sighting the workflow was told of; the newest is in the pending activity's heartbeat."""
    turn: int = 1
    """Which turn of the run this is; each is an interaction of its own."""
    interaction_ids: tuple[str, ...] = ()
    """Of all turns so far, in order."""
    plan: PlanView | None = None
    """The plan that waits for approval."""
    pending_calls: tuple[PendingToolCall, ...] = ()
    """Function calls that wait for approval."""
    running_calls: int = 0
    """Function calls under way."""
    spent: Spent = Spent()
    """What the run has used so far."""


class Notification(Message):
    """Payload of the ``notified`` signal: a hint that a look is worth while. Never the truth.

    Attributes:
        interaction_id: What it is about; None for whatever the run is watching.
        token: The secret of a submission. With it, the signal also says that this submission became
            ``interaction_id``, which is news where the answer to the submission was lost.
        source: Who sends it, for people.
    """

    # The bound is the API client's own: an id that no request can name must not get into a run.
    interaction_id: str | None = Field(
        default=None, max_length=limits.MAX_INTERACTION_ID_CHARS, pattern=r"^[!-~]*$"
    )
    token: str | None = None
    source: str = ""

    @field_validator("interaction_id")
    @classmethod
    def _check_id(cls, interaction_id: str | None) -> str | None:
        if interaction_id in (".", ".."):
            raise ValueError("as part of an address it would be another one")
        return interaction_id


class Resolution(StrEnum):
    """What a person decides about a submission whose outcome is unknown."""

    ADOPT = "adopt"
    RESUBMIT = "resubmit"
    GIVE_UP = "give_up"


class ResolveSubmission(Asked):
    """Argument of the ``resolve_submission`` update.

    Attributes:
        resolution: What to do.
        interaction_id: Which interaction to adopt; only with ``adopt``. It is looked up in the API first.
    """

    what = "a decision"

    resolution: Resolution
    interaction_id: str | None = Field(default=None, min_length=1, max_length=limits.MAX_INTERACTION_ID_CHARS)
