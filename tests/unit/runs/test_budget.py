import pytest

from runs.budget import Budget, Spent, narrower, remaining, spent_on, why_exhausted


@pytest.mark.parametrize(
    ("budget", "spent", "reason"),
    [
        (Budget(max_interactions=2), Spent(interactions=2), "the budget of 2 interactions is used up"),
        (Budget(max_tokens=100), Spent(tokens=100), "the budget of 100 tokens is used up: 100 were used"),
        (Budget(max_tokens=100), Spent(unknown_tokens=1), "the API did not say how many tokens"),
        (Budget(max_cost_usd=1), Spent(cost_usd=1.2), "the budget of $1 is used up: about $1.20 was spent"),
        (Budget(max_cost_usd=1), Spent(unknown_costs=1), "there is no cost estimate"),
    ],
)
def test_a_bound_that_is_reached_or_unknown_exhausts(budget: Budget, spent: Spent, reason: str) -> None:
    """What cannot be known counts as too much, where it is bounded."""
    why = why_exhausted(budget, spent)
    assert why is not None
    assert why.startswith(reason)


@pytest.mark.parametrize(
    ("budget", "spent"),
    [
        (None, Spent(interactions=10**6, unknown_costs=9)),
        (Budget(), Spent(interactions=10**6, unknown_tokens=9)),
        (Budget(max_interactions=2), Spent(interactions=1, unknown_tokens=1, unknown_costs=1)),
        (Budget(max_tokens=100), Spent(tokens=99, unknown_costs=1)),
        (Budget(max_cost_usd=1), Spent(cost_usd=0.99, unknown_tokens=1)),
    ],
)
def test_below_every_bound_more_may_be_submitted(budget: Budget | None, spent: Spent) -> None:
    """Only what is bounded is looked at."""
    assert why_exhausted(budget, spent) is None


def test_a_part_gets_what_is_left() -> None:
    """A child is given what its parent has not used."""
    budget = Budget(max_cost_usd=2, max_tokens=100, max_interactions=3)
    left = remaining(budget, Spent(interactions=1, tokens=40, cost_usd=0.5))
    assert left == Budget(max_cost_usd=1.5, max_tokens=60, max_interactions=2)
    assert remaining(None, Spent(interactions=9)) is None


def test_the_narrower_of_two_budgets_keeps_both() -> None:
    """Each bound is the lower of the two; where one has none, the other's holds."""
    both = narrower(Budget(max_tokens=5, max_cost_usd=2), Budget(max_tokens=9, max_interactions=1))
    assert both == Budget(max_tokens=5, max_cost_usd=2, max_interactions=1)
    assert narrower(None, Budget(max_tokens=1)) == Budget(max_tokens=1)
    assert narrower(None, None) is None


def test_what_is_not_known_is_counted_as_such() -> None:
    """An interaction without usage or price is remembered as one."""
    total = spent_on(total_tokens=None, cost_usd=0.1).plus(spent_on(total_tokens=5, cost_usd=None))
    assert total == Spent(interactions=2, tokens=5, cost_usd=0.1, unknown_tokens=1, unknown_costs=1)
