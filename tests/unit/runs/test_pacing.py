import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from runs.pacing import Pacing, for_a_model, next_look_s, resubmit_after_s, send_again_after_s

_elapsed = st.floats(min_value=-1e9, max_value=1e9)
_failures = st.integers(min_value=0, max_value=10_000)


@given(_elapsed, _failures)
def test_a_look_is_never_closer_nor_further_than_the_bounds(elapsed_s: float, failures: int) -> None:
    """Whatever the clock says and however often looks fail, the delay stays within the pacing."""
    pacing = Pacing(poll_min_s=1, poll_max_s=20)
    assert 1 <= next_look_s(pacing, elapsed_s=elapsed_s, failures=failures) <= 20


@given(_elapsed, _elapsed)
def test_an_older_run_is_not_looked_at_more_often(one_s: float, other_s: float) -> None:
    """The delay never shrinks with age."""
    younger_s, older_s = sorted([one_s, other_s])
    assert next_look_s(Pacing(), elapsed_s=younger_s) <= next_look_s(Pacing(), elapsed_s=older_s)


def test_a_young_run_is_looked_at_as_the_guides_do() -> None:
    """Five seconds at first, and half a minute for a run as old as Deep Research gets."""
    assert next_look_s(Pacing(), elapsed_s=0) == 5
    assert next_look_s(Pacing(), elapsed_s=20 * 60) == pytest.approx(24)
    assert next_look_s(Pacing(), elapsed_s=60 * 60) == 30


def test_failed_looks_back_off() -> None:
    """Each failure in a row doubles the delay."""
    delays = [next_look_s(Pacing(), elapsed_s=0, failures=failures) for failures in range(4)]
    assert delays == [5, 10, 20, 30]


@pytest.mark.parametrize(("asked_s", "delay_s"), [(60, 60), (1, 5), (1e9, 3600)])
def test_the_api_may_ask_for_more_patience(asked_s: float, delay_s: float) -> None:
    """Retry-After lengthens a delay beyond our bound, never shortens it, and is believed up to an hour."""
    assert next_look_s(Pacing(), elapsed_s=0, retry_after_s=asked_s) == delay_s


def test_a_pacing_that_contradicts_itself_is_refused() -> None:
    """The longest delay cannot be below the shortest."""
    with pytest.raises(ValidationError, match="poll_max_s must not be below poll_min_s"):
        Pacing(poll_min_s=10, poll_max_s=5)


@given(st.integers(min_value=1, max_value=100_000), st.floats(min_value=0, max_value=0.999))
def test_refused_submissions_return_within_bounds(refusals: int, jitter: float) -> None:
    """However often a submission was refused, it is sent again within minutes, and never at once."""
    assert 1 <= resubmit_after_s(refusals=refusals, retry_after_s=None, jitter=jitter) <= 1125
    assert 1 <= send_again_after_s(times=refusals, jitter=jitter) <= 375


@pytest.mark.parametrize("asked_s", [None, 0.0, 1.0])
def test_after_a_few_refusals_the_pauses_grow(asked_s: float | None) -> None:
    """A word that may be wrong is asked for ten times within the usual deadline, not twenty."""
    pauses_s = [resubmit_after_s(refusals=n, retry_after_s=asked_s, jitter=0.5) for n in range(1, 10)]
    assert max(pauses_s[:3]) < 10
    assert [round(pause_s) // 60 for pause_s in pauses_s[3:]] == [1, 2, 4, 8, 15, 15]
    assert resubmit_after_s(refusals=5, retry_after_s=3600.0, jitter=0.0) == 3600.0


@pytest.mark.parametrize("asked_s", [0.0, 7.0, 3600.0])
def test_a_refusal_is_waited_out_as_long_as_asked(asked_s: float) -> None:
    """Retry-After is honoured, with up to a second on top so that many runs do not return as one."""
    assert asked_s <= resubmit_after_s(refusals=1, retry_after_s=asked_s, jitter=0.5) <= asked_s + 1


@pytest.mark.parametrize("asked_s", [0.0, 60.0])
def test_a_hint_of_seconds_is_not_followed_for_ever(asked_s: float) -> None:
    """A run of a week that is always told "soon" must not outgrow its history: eleven events a refusal."""
    waited_s = sum(
        resubmit_after_s(refusals=refusals, retry_after_s=asked_s, jitter=0.0) for refusals in range(1, 2_100)
    )
    assert waited_s > 7 * 24 * 3600


@pytest.mark.parametrize(("elapsed_s", "delay_s"), [(0, 1), (10, 1), (60, 6), (3600, 30)])
def test_a_model_is_looked_at_more_often_while_it_is_young(elapsed_s: float, delay_s: float) -> None:
    """Its answer takes seconds, and somebody may be waiting; one that takes long is like an agent's."""
    assert next_look_s(for_a_model(Pacing()), elapsed_s=elapsed_s) == pytest.approx(delay_s)


def test_a_workers_own_pacing_is_not_slowed_down_for_a_model() -> None:
    """Whoever looks more often than once a second still does."""
    assert for_a_model(Pacing(poll_min_s=0.2, poll_max_s=0.5)).poll_min_s == 0.2
