"""Everything of a chain that crosses a Temporal boundary; fields are only ever added, and optional.

Workflow code: see docs/changing.md.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field, JsonValue

from chains import limits
from chains.compact import Compact
from chains.spec import ChainSpec, StepKind
from runs import limits as run_limits
from runs.asked import Asked
from runs.budget import Budget, Spent
from runs.message import Message
from runs.messages import AgentRunResult, ArtifactRef, Label
from runs.pacing import Pacing
from runs.phase import Phase
from runs.text import excerpt_utf8, first_line

CHAIN: Final = "Chain"
"""The workflow type."""


class StepPhase(StrEnum):
    """Where a step, or an item of a for_each, stands."""

    WAITING = "waiting"
    """For what it depends on, a free place, or budget."""
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    RETRYING = "retrying"
    """It failed, and is tried again after a wait."""
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    """It has a result, but its run stopped early."""
    FAILED = "failed"
    REJECTED = "rejected"
    """A person said no, or nobody decided in time."""
    SKIPPED = "skipped"
    """Never started, because of what happened before."""
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing can follow."""
        return self not in _OPEN

    @property
    def is_good(self) -> bool:
        """Whether it has left a result."""
        return self in (StepPhase.COMPLETED, StepPhase.INCOMPLETE)


_OPEN: Final = frozenset(
    {StepPhase.WAITING, StepPhase.RUNNING, StepPhase.AWAITING_APPROVAL, StepPhase.RETRYING}
)


class ChainPhase(StrEnum):
    """Where a chain stands."""

    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    """Nothing runs, and at least one step waits for a person."""
    STOPPING = "stopping"
    """Nothing more is started; what still runs is waited for."""
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    """It came to its end, but steps failed, were skipped or stopped early, as their ``on_error`` lets."""
    FAILED = "failed"
    REJECTED = "rejected"
    """A person said no, and the step's ``on_error`` is ``fail``."""
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing can follow."""
        return self not in (ChainPhase.RUNNING, ChainPhase.AWAITING_APPROVAL, ChainPhase.STOPPING)


class StepError(Message):
    """Why a step did not leave a result.

    Attributes:
        code: A `StepErrorCode`, or the `runs.errors.RunErrorCode` of the step's run.
        message: For people; one line.
    """

    code: str
    message: str = Field(default="", max_length=limits.MAX_LINE_BYTES)


def step_error(code: str, message: str) -> StepError:
    """Return an error whose message is one line, and fits."""
    return StepError(code=code, message=one_line(message))


def one_line(text: str) -> str:
    """Return the first line of ``text``, as long as a chain keeps of each step."""
    return excerpt_utf8(first_line(text, limits.MAX_LINE_BYTES), limits.MAX_LINE_BYTES)


class StepResult(Message):
    """What came of one try of a step or an item: what the workflow reports to the schedule.

    Attributes:
        phase: How it ended: completed, incomplete, failed or cancelled.
        text: The whole text, if it has at most 4 KB; else empty.
        text_uri: Where the whole text is stored; None where there is no such file. Given for short texts,
            too, so that a chain of many steps need not keep their texts.
        data: The value of an answer with a schema, or of a function; None where there is none.
        interaction_id: The last interaction, which another step can continue.
        artifacts: The files it left.
        spent: What it used.
        error: Why it failed; None when it did not.
    """

    phase: StepPhase
    text: str = ""
    text_uri: str | None = Field(default=None, max_length=run_limits.MAX_URI_CHARS)
    data: JsonValue = None
    interaction_id: str | None = Field(default=None, max_length=run_limits.MAX_INTERACTION_ID_CHARS)
    artifacts: tuple[ArtifactRef, ...] = ()
    spent: Spent = Spent()
    error: StepError | None = None


def result_of_run(run: AgentRunResult) -> StepResult:
    """Return what a run that has ended means for its step."""
    error = None if run.error is None else step_error(run.error.code, run.error.message)
    match run.phase:
        case Phase.COMPLETED:
            phase = StepPhase.COMPLETED
        case Phase.INCOMPLETE if run.error is not None and run.text_uri is None:
            # Stopped before it had anything to say: nothing is to be asked, and paid for, on top of that.
            phase = StepPhase.FAILED
        case Phase.INCOMPLETE:
            phase = StepPhase.INCOMPLETE
        case Phase.CANCELLED:
            phase = StepPhase.CANCELLED
        case _:
            phase = StepPhase.FAILED
            error = error or step_error("internal", f"the run ended as {run.phase}")
    # An excerpt of a longer text is not the text.
    is_whole = run.counts.text_bytes <= limits.MAX_INLINE_BYTES
    return StepResult(
        phase=phase,
        text=run.excerpt if is_whole else "",
        text_uri=run.text_uri,
        data=run.data,
        interaction_id=run.interaction_ids[-1] if run.interaction_ids else None,
        artifacts=run.artifacts,
        spent=run.spent,
        error=error,
    )


class StepState(Compact):
    """All that a chain remembers of a step or an item.

    What templates cannot refer to is not kept: the texts, data and files of a step live in its own run, and
    here only as far as another step names them (see `chains.keeping`).

    Attributes:
        attempts: Tries begun.
        started_at: When the first was begun.
        retry_at: When the next may begin, while retrying.
        expires_at: When nobody's decision becomes one.
        why: Why it was skipped, or what a person said who decided.
        items: Of a for_each, once its list is known.
    """

    phase: StepPhase = StepPhase.WAITING
    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    retry_at: datetime | None = None
    expires_at: datetime | None = None
    spent: Spent = Spent()
    text: str = ""
    text_uri: str | None = None
    data: JsonValue = None
    interaction_id: str | None = None
    artifacts: tuple[ArtifactRef, ...] = ()
    error: StepError | None = None
    why: str = Field(default="", max_length=limits.MAX_LINE_BYTES)
    items: "tuple[StepState, ...]" = ()


class ChainFailure(Message):
    """The step whose end was the end of the chain.

    Attributes:
        step: Its name.
        is_rejection: Whether a person, or nobody in time, said no to it.
    """

    step: str
    error: StepError
    is_rejection: bool = False


class ChainState(Message):
    """All that a chain knows, carried over when its workflow is continued as new.

    It stays at about a megabyte: at most a thousand steps and items of under 750 bytes each
    (`limits.MAX_UNITS`), and of texts, data and addresses `limits.MAX_KEPT_BYTES` and
    `limits.MAX_SHOWN_BYTES` in all.

    Attributes:
        steps: By name.
        failure: Why nothing more is started; None while all is well.
        is_cancelled: Whether the caller stopped it.
        kept_bytes: How much of `limits.MAX_KEPT_BYTES` is used.
        shown_bytes: How much of `limits.MAX_SHOWN_BYTES` is used.
    """

    steps: dict[str, StepState] = Field(default_factory=dict)
    failure: ChainFailure | None = None
    is_cancelled: bool = False
    kept_bytes: int = 0
    shown_bytes: int = 0


class ChainRequest(Asked):
    """The input of the chain's workflow. ``spec`` alone makes a valid one, where no input is required.

    Attributes:
        spec: The chain; the JSON of a chain's file.
        inputs: Values for its inputs, by name; defaults are filled in.
        labels: Words to find the chain and its runs by. They are indexed and not encrypted.
        tenant: Whose chain it is, where one Longhaul serves several.
        pacing: How often its runs look; None for the worker's setting.
        is_again: Whether a run of an earlier chain of this id that came to no answer is run again. One that
            did is taken over in any case.
        started_at: When the chain began, before it was ever continued as new; None: now.
        state: What it has come to, where it was continued as new; None: nothing was started yet.
    """

    what = "a chain"

    spec: ChainSpec
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    labels: tuple[Label, ...] = Field(default=(), max_length=run_limits.MAX_LABELS)
    tenant: str | None = Field(default=None, min_length=1, max_length=run_limits.MAX_LABEL_CHARS)
    pacing: Pacing | None = None
    is_again: bool = False
    started_at: datetime | None = None
    state: ChainState | None = None


class DecideStep(Asked):
    """Argument of the ``decide_step`` update.

    Attributes:
        step: Which approval.
        is_approved: Yes or no.
        note: A word on it; ``{{ steps.NAME.text }}`` for what follows.
    """

    what = "a decision"

    step: str
    is_approved: bool
    note: str = Field(default="", max_length=limits.MAX_NOTE_CHARS)


class StepView(Compact):
    """Where a step or an item stands, for people and programs.

    Attributes:
        name: The step's; of an item, its number from 0 in brackets.
        run_id: The latest try's run; None where it has none.
        attempts: Tries begun.
        spent: With all its tries and items.
        why: Why it was skipped, or what a person said who decided.
        message: What a person is asked, while the step waits for one.
    """

    name: str
    kind: StepKind
    phase: StepPhase
    run_id: str | None = None
    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    retry_at: datetime | None = None
    expires_at: datetime | None = None
    spent: Spent = Spent()
    error: StepError | None = None
    why: str = ""
    message: str = ""
    artifacts: tuple[ArtifactRef, ...] = ()
    items: "tuple[StepView, ...]" = ()


class ChainStatus(Message):
    """Answer of the chain's ``status`` query.

    Attributes:
        steps: In the order of the file.
        failure: Why nothing more is started; None while all is well.
    """

    name: str
    phase: ChainPhase
    started_at: datetime
    spent: Spent = Spent()
    budget: Budget | None = None
    failure: ChainFailure | None = None
    steps: tuple[StepView, ...] = ()


class ChainResult(Message):
    """What a chain leaves behind, small enough for history.

    Attributes:
        output: The result's text, if it has at most 4 KB; else its beginning.
        output_uri: Where the whole of it is stored; None where ``output`` is all.
        artifacts: The files of the step that is the result, where it is one.
        failure: Why it did not come to its end; None when it did.
        steps: In the order of the file.
    """

    name: str
    phase: ChainPhase
    output: str = ""
    output_uri: str | None = None
    artifacts: tuple[ArtifactRef, ...] = ()
    failure: ChainFailure | None = None
    spent: Spent = Spent()
    started_at: datetime
    ended_at: datetime
    steps: tuple[StepView, ...] = ()
