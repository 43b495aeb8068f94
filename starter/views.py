"""What the functions return and ``--json`` prints. The shapes are stable: fields are only added."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from chains.messages import ChainPhase, ChainResult, ChainStatus, StepPhase, StepView
from runs.budget import Spent
from runs.conversation import ConversationPhase, ConversationResult, ConversationStatus
from runs.messages import AgentRunResult, CancelReport, Sighting
from runs.phase import Phase
from runs.planning import PlanView
from runs.tool_calls import PendingToolCall
from starter.errors import ExitCode
from starter.kinds import RunKind

Waiting = PlanView | PendingToolCall
"""What a run may wait with for a person."""


def key_of(item: Waiting) -> tuple[str, ...]:
    """Return what tells ``item`` from all else that its run ever waits with."""
    if isinstance(item, PlanView):
        return ("plan", str(item.revision))
    return ("call", item.call_id, item.digest)


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class StartedRun(_View):
    """Answer to starting a run.

    Attributes:
        run_id: What every other command takes.
        is_new: False when a run with this id was there already and nothing was started.
        note: What the caller should know about the run that was there, or None.
        is_ended_from_outside: Whether the run that was there was terminated, or ended by a time-out of
            Temporal's, so that it left no result.
    """

    run_id: str
    is_new: bool
    note: str | None = None
    is_ended_from_outside: bool = False


class RunView(_View):
    """Where a run stands, as far as one look at Temporal shows.

    Attributes:
        run_id: The run's id.
        phase: Where it stands.
        agent: The agent or model it was given to; None when the run says nothing about it.
        question: The question's first line.
        task_queue: Where it waits for a worker.
        requested_at: When it was started, by the server's clock.
        elapsed_s: Seconds since then, or until it ended.
        interaction_id: The API's id, once there is one.
        sighting: What the last look at the API saw; None before the first, and after the end.
        problem: What the run is waiting out, or why it ended without a result; None when all is well.
        turn: Which turn of the run this is, as far as it was asked; each is an interaction of its own.
        spent: What the run has used, as far as it was asked; None when it was not.
        plan: The plan that waits for approval.
        pending_calls: Function calls that wait for approval.
        running_calls: Function calls under way.
        has_worker: Whether a worker polls the run's task queue; None when nobody asked.
        is_temporal_away: Whether Temporal stopped answering while this run was watched; the rest is
            then what was last seen.
        is_paused: Whether somebody has paused it in Temporal. What it waits for goes on; it does not.
        is_ended_from_outside: Whether its workflow was terminated, or ended by a time-out of Temporal's:
            what it had running at the API may go on.
        result: What the run left behind; None before its end, and when it was ended from outside.
    """

    run_id: str
    phase: Phase
    agent: str | None = None
    question: str | None = None
    task_queue: str
    requested_at: datetime
    elapsed_s: float
    interaction_id: str | None = None
    sighting: Sighting | None = None
    problem: str | None = None
    turn: int = 1
    spent: Spent | None = None
    plan: PlanView | None = None
    pending_calls: tuple[PendingToolCall, ...] = ()
    running_calls: int = 0
    has_worker: bool | None = None
    is_temporal_away: bool = False
    is_paused: bool = False
    is_ended_from_outside: bool = False
    result: AgentRunResult | None = None

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """What waits for a person."""
        return (*((self.plan,) if self.plan else ()), *self.pending_calls)

    @property
    def exit_code(self) -> ExitCode:
        """How a command that waited for this run ends."""
        if not self.phase.is_end:
            return ExitCode.STILL_RUNNING
        return ExitCode.DONE if self.phase in {Phase.COMPLETED, Phase.INCOMPLETE} else ExitCode.RUN_FAILED


class FinishedRun(RunView):
    """A `RunView` with the report itself.

    Attributes:
        report: The report's Markdown; None when there is none.
        text: The answer's text alone; None when there is none, or when only the report was asked for.
        saved: Files that were copied for the caller.
    """

    report: str | None = None
    text: str | None = None
    saved: tuple[str, ...] = ()


class RunRow(_View):
    """One line of a list of runs, chains and conversations.

    Attributes:
        question: The question's first line; a chain's name and inputs; a conversation's first message.
        ended_at: When it ended; None while it goes on.
        tokens: Tokens used; None when unknown.
        cost_usd: Their estimated cost; None when unknown.
        is_paused: Whether somebody has paused it in Temporal.
        is_ended_from_outside: Whether its workflow was terminated, or ended by a time-out of Temporal's.
    """

    run_id: str
    kind: RunKind = RunKind.RUN
    phase: Phase | ChainPhase | ConversationPhase
    agent: str | None = None
    question: str | None = None
    labels: tuple[str, ...] = ()
    tenant: str | None = None
    requested_at: datetime
    ended_at: datetime | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    is_paused: bool = False
    is_ended_from_outside: bool = False


class RunList(_View):
    """What ``longhaul list --json`` prints, newest first."""

    runs: tuple[RunRow, ...]


class OrphanReason(StrEnum):
    """Why an interaction may be running that no run watches."""

    TERMINATED = "terminated"
    """The run's workflow was terminated."""
    TIMED_OUT = "timed_out"
    """A time-out of Temporal's own ended the run's workflow."""
    SECOND = "second"
    """An earlier submission of the run turned out to have been accepted, too."""
    NOT_CONFIRMED = "not_confirmed"
    """The run cancelled it, and the API did not confirm that."""
    LOST = "lost"
    """The API did not know it for so long that the run gave it up."""
    NEVER_NAMED = "never_named"
    """The run never learned what became of one of its submissions."""
    IN_STORE = "in_store"
    """The submission journal has it, and this namespace does not have the run."""


class AtApi(StrEnum):
    """How the API says that an interaction stands."""

    RUNNING = "running"
    ENDED = "ended"
    GONE = "gone"
    """It does not know it, or not any more."""
    UNKNOWN = "unknown"
    """It could not be asked."""


class Orphan(_View):
    """One interaction that may be running unwatched, or a submission that may have become one.

    Attributes:
        interaction_id: The API's id; None where nobody knows it.
        reason: Why nobody watches it.
        run_id: The run's id; of one that only the store knows, its folder.
        execution_id: Temporal's id of the run's execution.
        agent: The agent or model it was given to.
        question: The question's first line.
        ended_at: When the run ended; None while it goes on, and where it is not known.
        place: The record in the artifact store that tells of it.
        token: The secret of the submission, which its webhooks carry; of one that nobody has named.
        at_api: How the API says that it stands; None where it was not asked.
        status: The API's word for that.
        detail: What else is known.
        was_stopped: Whether it was seen to have stopped after a cancel; None where none was sent.
    """

    interaction_id: str | None = None
    reason: OrphanReason
    run_id: str
    execution_id: str | None = None
    agent: str | None = None
    question: str | None = None
    ended_at: datetime | None = None
    place: str | None = None
    token: str | None = None
    at_api: AtApi | None = None
    status: str | None = None
    detail: str | None = None
    was_stopped: bool | None = None


class OrphanList(_View):
    """What ``longhaul orphans --json`` prints.

    Attributes:
        orphans: What may be running unwatched, the newest first.
        running: How many of them the API says are running.
        notes: What was left out.
    """

    orphans: tuple[Orphan, ...]
    running: int
    notes: tuple[str, ...] = ()


class CancelOutcome(_View):
    """What came of cancelling a run.

    Attributes:
        phase: Where the run stood when the waiting ended.
        had_ended: Whether there was nothing left to cancel.
        report: What the API answered; None while it is not known, or when nothing was at the API.
    """

    run_id: str
    phase: Phase
    had_ended: bool = False
    report: CancelReport | None = None


class StartedConversation(_View):
    """Answer to starting a conversation.

    Attributes:
        is_new: False when one with this id was there already and nothing was started.
    """

    conversation_id: str
    is_new: bool


class ConversationView(_View):
    """Where a conversation stands.

    Attributes:
        target: Whom it is with; None when it says nothing about it.
        task_queue: Where it waits for a worker.
        running_run_id: The run that answers a message; None while none does.
        status: What it says of itself; None when it was not asked, or cannot say.
        result: How it ended; None before its end, and when it was ended from outside.
        problem: Why it ended without a result.
        is_paused: Whether somebody has paused it in Temporal.
    """

    conversation_id: str
    phase: ConversationPhase
    target: str | None = None
    task_queue: str
    running_run_id: str | None = None
    status: ConversationStatus | None = None
    result: ConversationResult | None = None
    problem: str | None = None
    is_paused: bool = False


class ConversationRow(_View):
    """One line of a list of conversations.

    Attributes:
        subject: The first message's first line.
        started_at: When it began; of one that has been continued as new, when that last happened.
        ended_at: When it ended; None while it goes on.
        tokens: Tokens used; None when unknown.
        cost_usd: Their estimated cost; None when unknown.
        is_paused: Whether somebody has paused it in Temporal.
    """

    conversation_id: str
    phase: ConversationPhase
    target: str | None = None
    subject: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    is_paused: bool = False


class ConversationList(_View):
    """What ``longhaul chat --list --json`` prints."""

    conversations: tuple[ConversationRow, ...]


class StartedChain(_View):
    """Answer to starting a chain.

    Attributes:
        chain_id: What every other command takes.
        is_new: False when a chain with this id was there already and nothing was started.
        note: What the caller should know about the chain that was there, or None.
        is_ended_from_outside: Whether the chain that was there was terminated, or ended by a time-out of
            Temporal's, so that it left no result.
    """

    chain_id: str
    is_new: bool
    note: str | None = None
    is_ended_from_outside: bool = False


class ChainView(_View):
    """Where a chain stands, as far as one look shows.

    Attributes:
        chain_id: The chain's id.
        phase: Where it stands.
        subject: Its name and inputs, in one line.
        task_queue: Where it waits for a worker.
        started_at: When it began, as far as is known without a worker.
        elapsed_s: Seconds since then, or until it ended.
        running_run_ids: Runs that are under way for its steps.
        waiting_runs: Those of them that wait for a person themselves.
        status: What it says of itself, or last said; None when no worker has answered for it yet, and after
            its end.
        result: What it left behind; None before its end, and when it was ended from outside.
        problem: Why it does not go on, or why it ended without a result; None when all is well.
        has_worker: Whether a worker polls its task queue; None when nobody asked.
        is_temporal_away: Whether Temporal stopped answering while this chain was watched; the rest is then
            what was last seen.
        is_paused: Whether somebody has paused it in Temporal. Its runs go on; it does not.
        execution_id: Which of the chain's executions was looked at; for a cheaper look the next time.
        history_events: How long its history was; for the same.
    """

    chain_id: str
    phase: ChainPhase
    subject: str | None = None
    task_queue: str
    started_at: datetime
    elapsed_s: float
    running_run_ids: tuple[str, ...] = ()
    waiting_runs: tuple[RunRow, ...] = ()
    status: ChainStatus | None = None
    result: ChainResult | None = None
    problem: str | None = None
    has_worker: bool | None = None
    is_temporal_away: bool = False
    is_paused: bool = False
    execution_id: str | None = Field(default=None, exclude=True)
    history_events: int = Field(default=0, exclude=True)

    @property
    def steps(self) -> tuple[StepView, ...]:
        """Its steps, in the order of the file; none where nothing is known of them."""
        known = self.result or self.status
        return known.steps if known else ()

    @property
    def waiting(self) -> tuple[StepView, ...]:
        """The steps that wait for a person."""
        return tuple(step for step in self.steps if step.phase is StepPhase.AWAITING_APPROVAL)

    @property
    def exit_code(self) -> ExitCode:
        """How a command that waited for this chain ends."""
        if not self.phase.is_end:
            return ExitCode.STILL_RUNNING
        is_done = self.phase in {ChainPhase.COMPLETED, ChainPhase.INCOMPLETE}
        return ExitCode.DONE if is_done else ExitCode.RUN_FAILED


class FinishedChain(ChainView):
    """A `ChainView` with the result itself.

    Attributes:
        output: The whole text of the result; None when there is none.
        saved: Files that were copied for the caller.
    """

    output: str | None = None
    saved: tuple[str, ...] = ()


class CancelledChain(_View):
    """What came of cancelling a chain.

    Attributes:
        phase: Where the chain stood when the waiting ended.
        had_ended: Whether there was nothing left to cancel.
    """

    chain_id: str
    phase: ChainPhase
    had_ended: bool = False


class SentFile(_View):
    """A file of this machine that a chain attaches."""

    name: str
    size_bytes: int


class ReachedServer(_View):
    """A remote MCP server that a chain has the API call.

    Attributes:
        name: What the chain calls it.
        host: With its port, if the address names one.
        secret: The name of what it is given of the worker's; None for nothing.
    """

    name: str
    host: str
    secret: str | None = None


class ChainReach(_View):
    """What a chain reads and sends, and to whom.

    Attributes:
        api_host: Of the API, to which all prompts and files go, as this machine is configured.
        files: Files of this machine that are read, and sent there.
        addresses: What the API fetches, or finds in the artifact store; templates as they are.
        mcp_servers: Whom the API calls while it answers.
        functions: What is called on the workers.
    """

    api_host: str
    files: tuple[SentFile, ...] = ()
    addresses: tuple[str, ...] = ()
    mcp_servers: tuple[ReachedServer, ...] = ()
    functions: tuple[str, ...] = ()


class CheckedChain(_View):
    """What ``longhaul chain check --json`` prints of a file that is a chain.

    Attributes:
        inputs: Those that have to be given, by name.
        attachments: Files that it attaches.
        reach: What it reads and sends, and to whom.
    """

    name: str
    steps: int
    inputs: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    reach: ChainReach | None = None


class Check(_View):
    """One thing ``longhaul doctor`` looked at.

    Attributes:
        is_ok: None when it could not be looked at, because something before it is not in order.
        detail: What was found.
        remedy: What to do about it; None when nothing has to be done.
    """

    name: str
    is_ok: bool | None
    detail: str
    remedy: str | None = None


class Diagnosis(_View):
    """What ``longhaul doctor --json`` prints."""

    is_ok: bool
    checks: tuple[Check, ...]


class Problem(_View):
    """Why a command could not do what was asked."""

    kind: str
    message: str
    exit_code: int


class ProblemReport(_View):
    """What ``--json`` prints in place of an answer."""

    error: Problem
