"""Everything that crosses a Temporal boundary: one frozen model per message.

Stored shapes ignore unknown fields, so that an old worker reads a newer payload in the middle of a
rollout; fields are only ever added, and added ones are optional.
"""

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from runs import limits
from runs.errors import RunErrorCode
from runs.pacing import Pacing
from runs.phase import Phase, UnknownPolicy

DEFAULT_AGENT: Final = "deep-research-preview-04-2026"
MAX_AGENT: Final = "deep-research-max-preview-04-2026"
KNOWN_AGENTS: Final = frozenset(
    {DEFAULT_AGENT, MAX_AGENT, "deep-research-pro-preview-12-2025", "antigravity-preview-09-2026"}
)
"""Agents of Google's own (google-genai 3.4.0, read 2026-11-22). Others are custom, or newer than this."""

AGENT_RUN: Final = "AgentRun"
"""The workflow type."""

RESULT_MEMO: Final = "longhaul_result"
"""Memo key of a cancelled run's `AgentRunResult`: a cancelled workflow returns nothing."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


Label = Annotated[str, StringConstraints(min_length=1, max_length=limits.MAX_LABEL_CHARS)]


class Attachment(_Message):
    """Something the agent is to read beside the question.

    Attributes:
        uri: ``https://…`` or ``gs://…``, which the API fetches by itself, or the address of a file in
            the artifact store, which is put into the submission.
        media_type: For example ``application/pdf``.
        name: What to call it, to people and to the agent.
        size_bytes: Length of a stored file; None for an address the API fetches.
    """

    uri: str = Field(min_length=1, max_length=limits.MAX_URI_CHARS)
    media_type: str = Field(max_length=255)
    name: str = Field(max_length=255)
    size_bytes: int | None = None


class AgentRunRequest(_Message):
    """The input of `AgentRun`. ``agent`` and ``input`` alone make a valid run.

    Attributes:
        agent: An agent's id. Unknown ones are sent as they are: Google adds agents, and people make them.
        input: The question, as text.
        attachments: What to read beside it.
        visualization: Whether the agent may draw charts.
        labels: Words to find the run by. They are indexed and not encrypted: no personal data.
        tenant: Whose run it is, where one Longhaul serves several.
        deadline_s: Seconds from the start after which the run is stopped and reported as timed out.
        pacing: How often to look; None for the worker's setting.
        on_unknown_submission: What to do when the outcome of the submission cannot be learned.
    """

    agent: str = Field(min_length=1, max_length=limits.MAX_ID_CHARS)
    input: str
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=limits.MAX_ATTACHMENTS)
    visualization: bool = True
    labels: tuple[Label, ...] = Field(default=(), max_length=limits.MAX_LABELS)
    tenant: str | None = Field(default=None, min_length=1, max_length=limits.MAX_LABEL_CHARS)
    deadline_s: float = Field(
        default=limits.DEFAULT_DEADLINE_S, ge=limits.MIN_DEADLINE_S, le=limits.MAX_DEADLINE_S
    )
    pacing: Pacing | None = None
    on_unknown_submission: UnknownPolicy = UnknownPolicy.HOLD

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

    @field_validator("agent", "labels")
    @classmethod
    def _check_indexed(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        # As Temporal's search attributes count: JSON in ASCII, where one emoji is twelve bytes.
        size_bytes = len(json.dumps(value))
        if size_bytes > limits.MAX_INDEXED_BYTES:
            raise ValueError(
                f"takes {size_bytes:,} bytes in the index, of {limits.MAX_INDEXED_BYTES:,}; shorten it"
            )
        return value

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


class Usage(_Message):
    """Tokens and searches an interaction was billed for. None: the API did not say."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    thought_tokens: int | None = None
    tool_use_tokens: int | None = None
    total_tokens: int | None = None
    searches: int | None = None


class ArtifactRef(_Message):
    """Where a file that a run left behind is kept."""

    name: str = Field(max_length=255)
    uri: str = Field(max_length=limits.MAX_URI_CHARS)
    media_type: str = Field(max_length=255)
    size_bytes: int
    sha256: str


class RunError(_Message):
    """Why a run did not complete."""

    code: RunErrorCode
    message: str = Field(max_length=limits.MAX_ERROR_CHARS)


class SubmitInteraction(_Message):
    """Input of ``submit_interaction``."""

    request: AgentRunRequest
    artifacts_prefix: str
    """Where in the artifact store this run's files go."""
    number: int = 1
    """Which submission of the run this is; each has a journal of its own, and is sent at most once."""
    token: str = ""
    """The submission's secret: whoever knows it may say which interaction it became."""


class RecoverSubmission(_Message):
    """Input of ``recover_submission``."""

    artifacts_prefix: str
    number: int


class Recovered(_Message):
    """What the journal says of a submission whose worker was lost sight of.

    Attributes:
        was_sent: False: certainly not, and now it never will be. True: perhaps.
        interaction_id: What it became; None if the journal does not say.
    """

    was_sent: bool
    interaction_id: str | None = None
    artifacts_uri: str = ""


class Submitted(_Message):
    """An accepted submission."""

    interaction_id: str
    artifacts_uri: str
    """The folder in the artifact store, as an address a person can follow."""


class WatchInteraction(_Message):
    """Input of ``watch_interaction``."""

    interaction_id: str
    accepted_at: datetime
    """When the submission was accepted, by the server's clock: pacing counts from here."""
    pacing: Pacing | None = None


class Sighting(_Message):
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
        total_tokens: Tokens so far; None where the API does not say before the end.
        failures: Looks in a row that failed.
        problem: What the last failed look ran into; None when the last look was fine.
        missing_since: Since when the API has not known the interaction; None when it does.
    """

    has_ended: bool = False
    status: str = ""
    seen_at: datetime | None = None
    looks: int = 0
    steps: int = 0
    searches: int = 0
    pages: int = 0
    latest_thought: str | None = None
    total_tokens: int | None = None
    failures: int = 0
    problem: str | None = None
    missing_since: datetime | None = None


class SettleInteraction(_Message):
    """Input of ``settle_interaction``."""

    interaction_id: str
    agent: str
    question: str
    """The question's first line: the report's heading when the text has none."""
    workflow_id: str
    artifacts_prefix: str
    requested_at: datetime


class Outcome(StrEnum):
    """How an interaction ended, in our words."""

    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Counts(_Message):
    """What a report is made of."""

    steps: int = 0
    searches: int = 0
    pages: int = 0
    citations: int = 0
    sources: int = 0
    images: int = 0
    text_bytes: int = 0


class Settled(_Message):
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


class CheckInteraction(_Message):
    """Input of ``check_interaction``."""

    interaction_id: str


class CancelInteraction(_Message):
    """Input of ``cancel_interaction``."""

    interaction_id: str


class CancelReport(_Message):
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


class Timings(_Message):
    """When what happened, by the server's clock. None: it did not happen."""

    requested_at: datetime
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    """When the turn's end was seen."""
    closed_at: datetime | None = None


class AgentRunResult(_Message):
    """What a run leaves behind, small enough for history. The files themselves are artifacts."""

    phase: Phase
    agent: str
    interaction_ids: tuple[str, ...] = ()
    orphan_interaction_ids: tuple[str, ...] = ()
    """Interactions of earlier submissions that turned out to exist, too: paid for, and not this result."""
    submissions: int = 0
    """How often the request was sent, refusals included."""
    excerpt: str = Field(default="", description="The first 4 KB of the report's text.")
    artifacts: tuple[ArtifactRef, ...] = ()
    usage: Usage = Usage()
    cost_usd: float | None = None
    counts: Counts = Counts()
    timings: Timings
    error: RunError | None = None
    cancel: CancelReport | None = None
    notes: tuple[str, ...] = ()


class AgentRunStatus(_Message):
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
    """How often the API refused the submission so far."""
    next_submission_at: datetime | None = None
    problem: str | None = None
    """What the run is waiting out, if anything."""
    sighting: Sighting | None = None
    """The last sighting the workflow was told of; the newest is in the pending activity's heartbeat."""


class Notification(_Message):
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


class Resolution(StrEnum):
    """What a person decides about a submission whose outcome is unknown."""

    ADOPT = "adopt"
    RESUBMIT = "resubmit"
    GIVE_UP = "give_up"


class ResolveSubmission(_Message):
    """Argument of the ``resolve_submission`` update.

    Attributes:
        resolution: What to do.
        interaction_id: Which interaction to adopt; only with ``adopt``. It is looked up in the API first.
    """

    resolution: Resolution
    interaction_id: str | None = Field(default=None, min_length=1, max_length=limits.MAX_INTERACTION_ID_CHARS)
