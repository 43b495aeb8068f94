import pytest

from runs.messages import Usage
from runs.pricing import Price, PriceTable

_TABLE = PriceTable(usd_per_million={"a": Price(input=2, cached=0.5, output=10, search=0.01)})


def test_each_kind_of_token_has_its_price() -> None:
    """Cached input is cheaper, thoughts are output, tool use is input, and searches count by piece."""
    usage = Usage(
        input_tokens=1_000_000,
        cached_tokens=400_000,
        output_tokens=100_000,
        thought_tokens=50_000,
        tool_use_tokens=100_000,
        searches=20,
    )
    assert _TABLE.estimate_usd("a", usage) == pytest.approx(0.7 * 2 + 0.4 * 0.5 + 0.15 * 10 + 0.2)


@pytest.mark.parametrize(
    ("agent", "usage"),
    [("b", Usage(input_tokens=1, output_tokens=1)), ("a", Usage()), ("a", Usage(input_tokens=1))],
)
def test_an_unknown_cost_is_not_a_free_one(agent: str, usage: Usage) -> None:
    """Without a price or without figures there is no estimate."""
    assert _TABLE.estimate_usd(agent, usage) is None


def test_more_cached_than_read_is_not_a_refund() -> None:
    """Figures that contradict each other never lower the estimate below nothing."""
    estimate = _TABLE.estimate_usd("a", Usage(input_tokens=10, cached_tokens=1_000_000, output_tokens=0))
    assert estimate is not None
    assert estimate >= 0
