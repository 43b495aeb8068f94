"""When to look at a running interaction again.

Workflow code: see docs/changing.md.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

_MAX_DOUBLINGS: Final = 6

_QUICK_REFUSALS: Final = 3
"""Refusals of one submission after which the next attempt is still made within seconds."""

_LATER_S: Final = 60.0
_LATEST_S: Final = 900.0
"""What is waited at the least after one more, doubled each time, and at the most.

A refusal costs nothing if it is true. But it is only a word: should an interaction have come of it all the
same, each further attempt pays for another. The window of a rate limit is a minute, so what is refused a
fourth time has met something that takes longer anyway. An hour has seven more attempts then, not fifteen.
"""


class Pacing(BaseModel):
    """How often a running interaction is looked at.

    Attributes:
        poll_min_s: Seconds between looks while a run is young, and the least ever.
        poll_max_s: Seconds between looks at the most, however old the run is.
        growth: The delay as a fraction of the time elapsed: an old run is not looked at as eagerly,
            since a later look then adds only a few percent to what it already took.
    """

    model_config = ConfigDict(frozen=True)

    # The API's guides poll every 5 s (background execution) and every 10 s (Deep Research); read 2026-11-22.
    poll_min_s: float = Field(default=5.0, gt=0, le=3600)
    poll_max_s: float = Field(default=30.0, gt=0, le=3600)
    growth: float = Field(default=0.02, ge=0, le=1)

    @model_validator(mode="after")
    def _check_order(self) -> "Pacing":
        if self.poll_max_s < self.poll_min_s:
            raise ValueError("poll_max_s must not be below poll_min_s")
        return self


def for_a_model(pacing: Pacing) -> Pacing:
    """Return ``pacing`` for a model's answer, which takes seconds, and which somebody may be waiting for.

    A look a second while it is young, and ten percent on top of what it has taken once it is not.
    """
    return Pacing(
        poll_min_s=min(pacing.poll_min_s, 1.0), poll_max_s=pacing.poll_max_s, growth=max(pacing.growth, 0.1)
    )


def next_look_s(
    pacing: Pacing, *, elapsed_s: float, failures: int = 0, retry_after_s: float | None = None
) -> float:
    """Return the seconds to wait before the next look.

    Args:
        pacing: The bounds.
        elapsed_s: Seconds since the interaction was accepted; a clock that went back counts as 0.
        failures: Looks in a row that failed. Each doubles the delay, within ``poll_max_s``.
        retry_after_s: What the API asked for, honoured within an hour; None when it asked nothing.
    """
    delay_s = max(pacing.poll_min_s, pacing.growth * max(0.0, elapsed_s))
    delay_s = min(delay_s * 2.0 ** min(failures, _MAX_DOUBLINGS), pacing.poll_max_s)
    if retry_after_s is not None:
        # An hour bounds a nonsense header; the run's deadline bounds the whole.
        delay_s = max(delay_s, min(retry_after_s, 3600.0))
    return delay_s


def resubmit_after_s(*, refusals: int, retry_after_s: float | None, jitter: float) -> float:
    """Return the seconds to wait before a submission that the API refused is sent again.

    Args:
        refusals: Of this submission so far, at least 1.
        retry_after_s: What the API asked for, or None. It is waited for in any case, within a day.
        jitter: A random number in [0, 1), so that many runs refused together do not return together.
    """
    later = refusals - _QUICK_REFUSALS
    # 2, 4, 8, then 60, 120, 240 … s. (2.0**1024 is no float, and an error here would stall the workflow.)
    least_s = min(_LATER_S * 2.0 ** min(later - 1, 9), _LATEST_S) if later > 0 else 0.0
    if retry_after_s is not None:
        return max(min(retry_after_s, 24 * 3600.0), least_s) + jitter
    return (least_s or 2.0**refusals) * (0.75 + 0.5 * jitter)


def send_again_after_s(*, times: int, jitter: float) -> float:
    """Return the seconds to wait before a submission is tried again that has not left this machine.

    Args:
        times: How often it has not, at least 1.
        jitter: As for `resubmit_after_s`.
    """
    # 2, 4, 8 … s, at most 5 minutes: an outage is minutes, and each time is eleven events of history, where
    # 51,200 end a workflow.
    return min(2.0 ** min(times, 9), 300.0) * (0.75 + 0.5 * jitter)
