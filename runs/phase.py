"""The life of one run, as a table.

Rule 1: every transition is in ``_NEXT``; nothing else decides which phase comes next.
Rule 2: this module knows no Temporal, no HTTP and no clock, so a workflow may run it on every
replay and a test may run it ten thousand times a second.

A run is *requested* until its submission has been accepted, *running* while the API works on it,
*settling* while its files are stored, and *cancelling* while the API is told to stop. It is
*submission_unknown* while nobody can say whether the API took a submission: sending again could pay
twice, giving up could lose a paid report, so it waits for news. The other phases are ends. Once a turn
has ended there is nothing left to stop: the money is spent and the answer exists, so neither a cancel
nor the deadline leaves *settling*, which has a bound of its own.
"""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a run stands, in our words. Stored in history and in the ``RunPhase`` search attribute."""

    REQUESTED = "requested"
    SUBMISSION_UNKNOWN = "submission_unknown"
    RUNNING = "running"
    SETTLING = "settling"
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
        return self is Phase.SUBMISSION_UNKNOWN


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
    LOST = "interaction lost"
    SETTLED_COMPLETED = "settled as completed"
    SETTLED_INCOMPLETE = "settled as incomplete"
    SETTLED_FAILED = "settled as failed"
    SETTLED_CANCELLED = "settled as cancelled"
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
