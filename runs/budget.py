"""How much may be used, what has been, and whether another interaction is within it.

Workflow code: see docs/changing.md.
"""

from collections.abc import Iterator
from typing import TypeVar

from pydantic import Field

from runs.message import Message

_Number = TypeVar("_Number", int, float)


class Budget(Message):
    """Bounds on a run, a conversation or a chain. None: no bound.

    Checked before each submission: what is under way is never cut off, so a bound is exceeded by no more
    than the interactions in flight. Runs of a chain that work at the same time each begin with what was left
    then, and know of each other's spending only through the chain, which starts nothing once it is used up.

    Attributes:
        max_cost_usd: Estimated US dollars. Needs a price for everything that is asked.
        max_tokens: Tokens of every kind together.
        max_interactions: Submissions accepted by the API.
    """

    max_cost_usd: float | None = Field(default=None, gt=0, le=1_000_000)
    max_tokens: int | None = Field(default=None, ge=1, le=10**12)
    max_interactions: int | None = Field(default=None, ge=1, le=1_000_000)


class Spent(Message):
    """What has been used so far.

    Attributes:
        interactions: Submissions that the API accepted.
        tokens: Tokens, as far as the API said.
        cost_usd: Their estimated cost, as far as there are prices.
        unknown_tokens: Interactions whose tokens the API did not say.
        unknown_costs: Interactions without an estimate.
    """

    interactions: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    unknown_tokens: int = 0
    unknown_costs: int = 0

    def plus(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(
            interactions=self.interactions + other.interactions,
            tokens=self.tokens + other.tokens,
            # Sums of tenths of a cent: what lies beyond is noise of binary fractions.
            cost_usd=round(self.cost_usd + other.cost_usd, 6),
            unknown_tokens=self.unknown_tokens + other.unknown_tokens,
            unknown_costs=self.unknown_costs + other.unknown_costs,
        )


def spent_on(*, total_tokens: int | None, cost_usd: float | None) -> Spent:
    """Return what one interaction used; None: the API did not say, or there is no price."""
    return Spent(
        interactions=1,
        tokens=total_tokens or 0,
        cost_usd=cost_usd or 0.0,
        unknown_tokens=int(total_tokens is None),
        unknown_costs=int(cost_usd is None),
    )


def why_exhausted(budget: Budget | None, spent: Spent) -> str | None:
    """Return why nothing more may be submitted; None when it may.

    What is not known counts as too much where it is bounded: a bound that cannot be checked is no bound.
    """
    return None if budget is None else next(_objections(budget, spent), None)


def _objections(budget: Budget, spent: Spent) -> Iterator[str]:
    if budget.max_interactions is not None and spent.interactions >= budget.max_interactions:
        plural = "" if budget.max_interactions == 1 else "s"
        yield f"the budget of {budget.max_interactions:,} interaction{plural} is used up"
    if budget.max_tokens is not None:
        if spent.tokens >= budget.max_tokens:
            yield f"the budget of {budget.max_tokens:,} tokens is used up: {spent.tokens:,} were used"
        if spent.unknown_tokens:
            yield "the API did not say how many tokens were used, so max_tokens cannot be kept"
    if budget.max_cost_usd is not None:
        if spent.cost_usd >= budget.max_cost_usd:
            yield f"the budget of ${budget.max_cost_usd:g} is used up: about ${spent.cost_usd:.2f} was spent"
        if spent.unknown_costs:
            yield "there is no cost estimate for what was used, so max_cost_usd cannot be kept"


def remaining(budget: Budget | None, spent: Spent) -> Budget | None:
    """Return what is left for a part of the work. Only where `why_exhausted` has nothing to say."""
    if budget is None:
        return None
    return Budget(
        max_cost_usd=None if budget.max_cost_usd is None else budget.max_cost_usd - spent.cost_usd,
        max_tokens=None if budget.max_tokens is None else budget.max_tokens - spent.tokens,
        max_interactions=None
        if budget.max_interactions is None
        else budget.max_interactions - spent.interactions,
    )


def narrower(one: Budget | None, other: Budget | None) -> Budget | None:
    """Return the bounds that keep within both."""
    if one is None or other is None:
        return one or other
    return Budget(
        max_cost_usd=_least(one.max_cost_usd, other.max_cost_usd),
        max_tokens=_least(one.max_tokens, other.max_tokens),
        max_interactions=_least(one.max_interactions, other.max_interactions),
    )


def _least(one: _Number | None, other: _Number | None) -> _Number | None:
    given = [bound for bound in (one, other) if bound is not None]
    return min(given) if given else None
