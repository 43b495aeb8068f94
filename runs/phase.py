"""The life of one run, as a table.

Workflow code: see docs/changing.md.

Rule 1: every transition is in ``_NEXT``; nothing else decides which phase comes next.
Rule 2: this module knows no Temporal, no HTTP and no clock, so a workflow may run it on every
replay and a test may run it ten thousand times a second.

A run is *requested* until its submission has been accepted, *running* while the API works on it,
*settling* while its files are stored, and *cancelling* while the API is told to stop. It is
*submission_unknown* while nobody can say whether the API took a submission: sending again could pay
twice, giving up could lose a paid report, so it waits for news. It is *calling_tools* while it carries
out the functions that a model asked for, and *awaiting_approval* while a person has to decide about a
call or a plan; the answer goes into a further interaction, so the run is *requested* again. The other
phases are ends. Once a turn has ended there is nothing left to stop: the money is spent and the answer
exists, so neither a cancel nor the deadline leaves *settling*, which has a bound of its own; but an
interaction that turns out to run again is watched again.
"""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a run stands, in our words. Stored in history and in the ``RunPhase`` search attribute."""

    REQUESTED = "requested"
    SUBMISSION_UNKNOWN = "submission_unknown"
    RUNNING = "running"
    SETTLING = "settling"
    CALLING_TOOLS = "calling_tools"
    AWAITING_APPROVAL = "awaiting_approval"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def is_end(self) -> bool:
        """Whether nothing can follow this phase."""
        return not _NEXT[self]

    @property
    def needs_a_person(self) -> bool:
        """Whether a run in this phase may wait for somebody to decide."""
        return self in (Phase.SUBMISSION_UNKNOWN, Phase.AWAITING_APPROVAL)


class UnknownPolicy(StrEnum):
    """Which way out of *submission_unknown* a run takes by itself."""

    HOLD = "hold"
    """Wait for news or a person; never pay twice."""
    RESUBMIT = "resubmit"
    """Send again: where a second bill is cheaper than a delay."""
    FAIL = "fail"
    """End the run, and say so."""


class Event(StrEnum):
    """What can happen to a run."""

    SUBMISSION_ACCEPTED = "submission accepted"
    SUBMISSION_REFUSED = "submission refused"
    SUBMISSION_REJECTED = "submission rejected"
    SUBMISSION_UNKNOWN = "submission outcome unknown"
    SUBMISSION_NOT_SENT = "submission not sent"
    ADOPTED = "interaction adopted"
    RESUBMIT_CHOSEN = "resubmit chosen"
    GIVEN_UP = "given up"
    STOP_ASKED = "stop asked"
    TURN_ENDED = "turn ended"
    RUNS_AGAIN = "interaction runs again"
    LOST = "interaction lost"
    SETTLED_COMPLETED = "settled as completed"
    SETTLED_INCOMPLETE = "settled as incomplete"
    SETTLED_FAILED = "settled as failed"
    SETTLED_CANCELLED = "settled as cancelled"
    CONTINUED = "answer to be continued"
    TOOLS_ASKED = "function calls asked for"
    TOOLS_ANSWERED = "function calls answered"
    CALLS_HELD = "calls need approval"
    CALLS_DECIDED = "all calls decided"
    PLAN_READY = "plan ready"
    PLAN_APPROVED = "plan approved"
    PLAN_REVISED = "plan revised"
    PLAN_EXPIRED = "plan expired"
    BUDGET_EXHAUSTED = "budget exhausted"
    CALLER_STOPPED = "stopped for the caller"
    DEADLINE_STOPPED = "stopped at the deadline"


class IllegalTransition(Exception):
    """An event that cannot happen in a phase. A bug in whoever reported the event."""

    def __init__(self, *, phase: Phase, event: Event) -> None:
        super().__init__(f"{event.value!r} cannot happen in phase {phase.value!r}")
        self.phase = phase
        self.event = event


_NEXT: Final[dict[Phase, dict[Event, Phase]]] = {
    Phase.REQUESTED: {
        Event.SUBMISSION_ACCEPTED: Phase.RUNNING,
        # Certainly not run by the API: it is sent again after a durable timer.
        Event.SUBMISSION_REFUSED: Phase.REQUESTED,
        Event.SUBMISSION_REJECTED: Phase.FAILED,
        # A worker vanished, and its journal shows that it had not begun to send.
        Event.SUBMISSION_NOT_SENT: Phase.REQUESTED,
        Event.SUBMISSION_UNKNOWN: Phase.SUBMISSION_UNKNOWN,
        # News of an earlier submission, whose outcome had been unknown.
        Event.ADOPTED: Phase.RUNNING,
        Event.STOP_ASKED: Phase.CANCELLING,
        # Before a submission, so that what there is by then is kept.
        Event.BUDGET_EXHAUSTED: Phase.INCOMPLETE,
    },
    Phase.SUBMISSION_UNKNOWN: {
        # A webhook or a person named the interaction.
        Event.ADOPTED: Phase.RUNNING,
        # A person, or the request's policy, accepts that it may be paid for twice.
        Event.RESUBMIT_CHOSEN: Phase.REQUESTED,
        Event.GIVEN_UP: Phase.FAILED,
        Event.STOP_ASKED: Phase.CANCELLING,
    },
    Phase.RUNNING: {
        Event.TURN_ENDED: Phase.SETTLING,
        Event.LOST: Phase.FAILED,
        Event.STOP_ASKED: Phase.CANCELLING,
    },
    Phase.SETTLING: {
        Event.SETTLED_COMPLETED: Phase.COMPLETED,
        Event.SETTLED_INCOMPLETE: Phase.INCOMPLETE,
        Event.SETTLED_FAILED: Phase.FAILED,
        Event.SETTLED_CANCELLED: Phase.CANCELLED,
        Event.LOST: Phase.FAILED,
        # It had not ended after all; where it is watched, a cancel and the deadline reach it.
        Event.RUNS_AGAIN: Phase.RUNNING,
        # The turn is over, but not the run: each of these leads to a further interaction.
        Event.CONTINUED: Phase.REQUESTED,
        Event.TOOLS_ASKED: Phase.CALLING_TOOLS,
        Event.PLAN_READY: Phase.AWAITING_APPROVAL,
    },
    Phase.CALLING_TOOLS: {
        Event.TOOLS_ANSWERED: Phase.REQUESTED,
        # The other calls go on meanwhile.
        Event.CALLS_HELD: Phase.AWAITING_APPROVAL,
        Event.STOP_ASKED: Phase.CANCELLING,
    },
    Phase.AWAITING_APPROVAL: {
        Event.CALLS_DECIDED: Phase.CALLING_TOOLS,
        Event.PLAN_APPROVED: Phase.REQUESTED,
        Event.PLAN_REVISED: Phase.REQUESTED,
        Event.PLAN_EXPIRED: Phase.TIMED_OUT,
        Event.STOP_ASKED: Phase.CANCELLING,
    },
    Phase.CANCELLING: {
        # It had finished before the cancel reached it: what was paid for is kept.
        Event.TURN_ENDED: Phase.SETTLING,
        Event.CALLER_STOPPED: Phase.CANCELLED,
        Event.DEADLINE_STOPPED: Phase.TIMED_OUT,
    },
    Phase.COMPLETED: {},
    Phase.INCOMPLETE: {},
    Phase.FAILED: {},
    Phase.CANCELLED: {},
    Phase.TIMED_OUT: {},
}


def advance(phase: Phase, event: Event) -> Phase:
    """Return the phase that follows ``phase`` once ``event`` has happened.

    Raises:
        IllegalTransition: ``event`` cannot happen in ``phase``.
    """
    try:
        return _NEXT[phase][event]
    except KeyError:
        raise IllegalTransition(phase=phase, event=event) from None


def transitions() -> list[tuple[Phase, Event, Phase]]:
    """Return every row of the table, in its order, for diagrams and tests."""
    return [(phase, event, after) for phase, row in _NEXT.items() for event, after in row.items()]
