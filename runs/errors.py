"""Words for what went wrong, shared by the activities that classify and the workflows that decide.

Workflow code: see docs/changing.md.

An activity raises ``ApplicationError(type=<ActivityErrorType>)``; Temporal carries the type as a
string, and these constants keep the raising and the handling side from drifting apart.
"""

from enum import StrEnum


class ActivityErrorType(StrEnum):
    """``ApplicationError.type`` of what an activity raises."""

    SUBMISSION_REFUSED = "SubmissionRefused"
    """Certainly not run; may be sent again. ``details[0]``: seconds the API asked to wait, or None."""
    SUBMISSION_REJECTED = "SubmissionRejected"
    """Certainly not run, and never will be as it stands. ``details[0]``: a `RunErrorCode`."""
    SUBMISSION_UNKNOWN = "SubmissionUnknown"
    """Perhaps run, and paid."""
    SUBMISSION_PENDING = "SubmissionPending"
    """The journal does not say yet what became of a submission whose worker was lost sight of."""
    SUBMISSION_NUMBER_TAKEN = "SubmissionNumberTaken"
    """Certainly not sent: under its number the run has sent something else, before it was reset.
    ``details[0]``: an `EarlierSubmission` as JSON."""
    STILL_RUNNING = "StillRunning"
    """A look saw a run that goes on. Benign: the retry is the next look."""
    INTERACTION_LOST = "InteractionLost"
    """The API has not known the interaction for longer than the grace period."""
    INTERACTION_TAKEN = "InteractionTaken"
    """The interaction that somebody wants to be adopted is another run's."""
    NOT_SETTLED = "NotSettled"
    """Settling has to be tried again. ``details[0]``: a `RunErrorCode`."""
    RUNS_AGAIN = "RunsAgain"
    """The API shows an interaction that had ended as running again. Nothing was stored."""
    NOT_CANCELLED = "NotCancelled"
    """The API still shows the interaction as running after a cancel."""
    NOT_ATTACHED = "NotAttached"
    """The run that was there asks for something else, or is there no more."""
    TOOL_FAILED = "ToolFailed"
    """A function tool failed in a way that it did not foresee; may be tried again."""
    CATALOG_TOO_LONG = "CatalogTooLong"
    """The descriptions of a run's function tools are too long together. Nothing was submitted."""


class WorkflowErrorType(StrEnum):
    """``ApplicationError.type`` of how a run's workflow fails; ``details[0]`` is the `AgentRunResult`."""

    INVALID_REQUEST = "InvalidRequest"
    """The input is no run. Nothing was started; there is no result."""
    RUN_FAILED = "AgentRunFailed"
    RUN_TIMED_OUT = "AgentRunTimedOut"
    CHAIN_FAILED = "ChainFailed"
    """``details[0]`` is the `ChainResult`."""


class UpdateErrorType(StrEnum):
    """``ApplicationError.type`` of an update that was refused or could not be carried out."""

    NOT_POSSIBLE = "NotPossible"
    """Not in this phase, or not with these arguments. Nothing was changed."""
    CLOSED = "ConversationClosed"
    """The conversation takes no messages any more."""
    MOVED = "ConversationMoved"
    """The conversation's workflow continues as new. To be sent again with the same message id: an accepted
    message is answered there, and only once."""


class RunErrorCode(StrEnum):
    """Why a run did not complete, for programs. The message beside it is for people."""

    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    """There was no connection to the API, or the worker stood still: the submission never left."""
    BAD_CREDENTIALS = "bad_credentials"
    ARTIFACT_STORE = "artifact_store"
    SUBMISSION_UNKNOWN = "submission_unknown"
    LOST = "lost"
    EMPTY_RESULT = "empty_result"
    INTERACTION_FAILED = "interaction_failed"
    INVALID_OUTPUT = "invalid_output"
    """The answer is not the JSON that was asked for. It is kept."""
    NEEDS_ACTION = "needs_action"
    """A function is to be called, and the run has none, or has answered as often as it may."""
    UNKNOWN_TOOL = "unknown_tool"
    """The run wants function tools that no worker has. Nothing was submitted."""
    NO_BACKGROUND = "no_background"
    """The model does not work in the background; the run tries in the foreground."""
    PARENT_GONE = "parent_gone"
    """The API no longer knows the interaction that this one was to follow."""
    BUDGET = "budget"
    """The budget is used up; what there is has been kept."""
    NOT_APPROVED = "not_approved"
    """Nobody approved the plan in time."""
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    """Somebody cancelled it, or ended its workflow."""
    INTERNAL = "internal"
