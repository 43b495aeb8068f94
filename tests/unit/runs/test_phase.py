from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.phase import Event, IllegalTransition, Phase, advance, transitions

_SUBMISSION_ACCEPTED: Final = Event.SUBMISSION_ACCEPTED


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
def test_a_run_is_accepted_at_most_once(events: list[Event]) -> None:
    """No order of events leads from an accepted submission back to submitting: that would pay twice."""
    phase, accepted = Phase.REQUESTED, 0
    for event in events:
        try:
            phase = advance(phase, event)
        except IllegalTransition:
            continue
        accepted += event is _SUBMISSION_ACCEPTED
    assert accepted <= 1


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


@pytest.mark.parametrize("phase", [Phase.REQUESTED, Phase.RUNNING])
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
