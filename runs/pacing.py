"""When to look at a running interaction again."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

_MAX_DOUBLINGS: Final = 6

_TRUSTED_HINTS: Final = 10
"""Refusals whose ``Retry-After`` is followed to the second; an outage with more has no use for seconds."""


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
    """Return the seconds to wait before a refused submission is sent again.

    Args:
        refusals: Refusals so far, at least 1.
        retry_after_s: What the API asked for, or None.
        jitter: A random number in [0, 1), so that many runs refused together do not return together.
    """
    # 2, 4, 8 … s, at most 5 minutes: a quota's short window is a minute, an outage is minutes.
    # (2.0**1024 is no float, and an error here would stall the workflow.)
    backoff_s = min(2.0 ** min(refusals, 9), 300.0)
    if retry_after_s is not None:
        # Each refusal is eleven events of history, and 51,200 end a workflow: a hint of seconds is not
        # followed for ever.
        least_s = backoff_s if refusals > _TRUSTED_HINTS else 0.0
        return max(min(retry_after_s, 24 * 3600.0), least_s) + jitter
    return backoff_s * (0.75 + 0.5 * jitter)
