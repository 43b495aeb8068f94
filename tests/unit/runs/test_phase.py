from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runs.phase import Event, IllegalTransition, Phase, advance, transitions

_HAS_AN_INTERACTION: Final = frozenset({Event.SUBMISSION_ACCEPTED, Event.ADOPTED})

_CERTAINLY_NOT_RUN: Final = frozenset(
    {Event.SUBMISSION_REFUSED, Event.SUBMISSION_REJECTED, Event.SUBMISSION_NOT_SENT}
)

_BEGINS_A_TURN: Final = frozenset(
    {Event.CONTINUED, Event.TOOLS_ANSWERED, Event.PLAN_APPROVED, Event.PLAN_REVISED}
)

_OUTCOMES: Final = _CERTAINLY_NOT_RUN | {Event.SUBMISSION_ACCEPTED, Event.SUBMISSION_UNKNOWN}


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_any_order_of_events_leaves_a_legal_phase(events: list[Event]) -> None:
    """Whatever the world reports, a run is in a phase of the table and an end stays an end."""
    phase = Phase.REQUESTED
    for event in events:
        try:
            after = advance(phase, event)
        except IllegalTransition:
            continue
        assert not phase.is_end
        phase = after
    assert phase in Phase


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_a_turn_is_accepted_at_most_once(events: list[Event]) -> None:
    """Only what the answer to a turn asks for leads from it back to submitting: else it is paid twice."""
    phase, accepted, begun = Phase.REQUESTED, 0, 1
    for event in events:
        try:
            phase = advance(phase, event)
        except IllegalTransition:
            continue
        accepted += event in _HAS_AN_INTERACTION
        begun += event in _BEGINS_A_TURN
    assert accepted <= begun


class SubmittingWorld(RuleBasedStateMachine):
    """A world that answers submissions in any way and any order, as often as it likes.

    Sending is what the workflow does in the phase *requested*; a submission is in flight until one of the
    events that say what became of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase.REQUESTED
        self.in_flight = 0
        self.may_have_run = 0
        self.risked = 0
        self.turns = 1

    @precondition(lambda self: self.phase is Phase.REQUESTED and not self.in_flight)
    @rule()
    def send(self) -> None:
        """Send the submission."""
        self.in_flight += 1
        self.may_have_run += 1

    @rule(event=st.sampled_from(Event))
    def happens(self, event: Event) -> None:
        """Let anything happen that can."""
        if event in _OUTCOMES and not self.in_flight:
            return  # nothing was sent that could have an outcome
        if self.in_flight and event not in _OUTCOMES:
            return  # the workflow waits for a submission in flight, whatever else happens
        try:
            self.phase = advance(self.phase, event)
        except IllegalTransition:
            return
        if event in _OUTCOMES:
            self.in_flight -= 1
            self.may_have_run -= event in _CERTAINLY_NOT_RUN
        self.risked += event is Event.RESUBMIT_CHOSEN
        self.turns += event in _BEGINS_A_TURN

    @invariant()
    def at_most_one_submission_is_in_flight(self) -> None:
        """Two answers to wait for would be two bills."""
        assert self.in_flight <= 1

    @invariant()
    def nothing_runs_twice_unless_somebody_chose_the_risk(self) -> None:
        """Every submission of a turn beyond its first that may have run was chosen by somebody."""
        assert self.may_have_run <= self.turns + self.risked


TestSubmittingWorld = SubmittingWorld.TestCase


def test_only_what_was_not_run_or_was_risked_is_sent_again() -> None:
    """There is no other way back to submitting."""
    assert {event for _, event, after in transitions() if after is Phase.REQUESTED} == {
        Event.SUBMISSION_REFUSED,
        Event.SUBMISSION_NOT_SENT,
        Event.RESUBMIT_CHOSEN,
        *_BEGINS_A_TURN,
    }


@pytest.mark.parametrize("phase", list(Phase))
def test_an_end_can_be_reached_from_every_phase(phase: Phase) -> None:
    """A run can always end; there is no phase to be stuck in."""
    reached, frontier = {phase}, [phase]
    while frontier:
        here = frontier.pop()
        for before, _, after in transitions():
            if before is here and after not in reached:
                reached.add(after)
                frontier.append(after)
    assert any(phase.is_end for phase in reached)


@pytest.mark.parametrize(
    "phase",
    [
        Phase.REQUESTED,
        Phase.SUBMISSION_UNKNOWN,
        Phase.RUNNING,
        Phase.CALLING_TOOLS,
        Phase.AWAITING_APPROVAL,
    ],
)
def test_a_stop_is_legal_until_the_turn_has_ended(phase: Phase) -> None:
    """Both a cancel and the deadline lead to cancelling, from wherever money is not yet fully spent."""
    assert advance(phase, Event.STOP_ASKED) is Phase.CANCELLING


def test_settling_cannot_be_stopped() -> None:
    """Once the turn has ended the report is paid for, so nothing abandons its settling."""
    with pytest.raises(IllegalTransition, match="'stop asked' cannot happen in phase 'settling'"):
        advance(Phase.SETTLING, Event.STOP_ASKED)


def test_the_ends_are_these() -> None:
    """The phases nothing follows are the ones programs may wait for."""
    assert {phase for phase in Phase if phase.is_end} == {
        Phase.COMPLETED,
        Phase.INCOMPLETE,
        Phase.FAILED,
        Phase.CANCELLED,
        Phase.TIMED_OUT,
    }
