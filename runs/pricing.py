"""What a run's usage comes to, by a price table.

Workflow code: see docs/changing.md.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from runs.messages import Usage

_CENT_USD: Final = 0.01


class Price(BaseModel):
    """US dollars for one million tokens of each kind, and for one search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    cached: float = Field(ge=0)
    output: float = Field(ge=0)
    search: float = Field(default=0.0, ge=0)


class PriceTable(BaseModel):
    """Prices by agent or model id. An id without an entry has no estimate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd_per_million: dict[str, Price]

    def estimate_usd(self, agent: str, usage: Usage) -> float | None:
        """Return what ``usage`` costs with ``agent``, in US dollars to a tenth of a cent.

        None where the table has no price, or the API did not say what was used: an unknown cost must
        not read as a free one.
        """
        price = self.usd_per_million.get(agent)
        if price is None or usage.input_tokens is None or usage.output_tokens is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.input_tokens)
        # Thoughts and tool use are billed as what they are: output and input.
        read = usage.input_tokens - cached + (usage.tool_use_tokens or 0)
        written = usage.output_tokens + (usage.thought_tokens or 0)
        tokens_usd = (read * price.input + cached * price.cached + written * price.output) / 1_000_000
        return round(tokens_usd + (usage.searches or 0) * price.search, 3)


def in_words(cost_usd: float) -> str:
    """Return an estimate for people: ``about $2.07``, or ``under $0.01``, which is not nothing."""
    return "under $0.01" if 0 < cost_usd < _CENT_USD else f"about ${cost_usd:.2f}"
