"""The search attributes a run keeps, as names and Temporal types.

Workflow code: see docs/changing.md.

SQL visibility allows ten of type Keyword and three of each other type in a namespace. They are never
encrypted: none may hold a prompt or personal data.
"""

from typing import Final

PHASE: Final = "RunPhase"
AGENT: Final = "RunAgent"
INTERACTION_ID: Final = "RunInteractionId"
TENANT: Final = "RunTenant"
LABELS: Final = "RunLabels"
TOKENS: Final = "RunTokens"
COST_USD: Final = "RunCostUsd"

SEARCH_ATTRIBUTES: Final[dict[str, str]] = {
    PHASE: "Keyword",
    AGENT: "Keyword",
    INTERACTION_ID: "Keyword",
    TENANT: "Keyword",
    LABELS: "KeywordList",
    TOKENS: "Int",
    COST_USD: "Double",
}


def registration_command(*, names: list[str], namespace: str) -> str:
    """Return the ``temporal`` command that registers the attributes ``names`` in ``namespace``."""
    attributes = " ".join(f"--name {name} --type {SEARCH_ATTRIBUTES[name]}" for name in names)
    return f"temporal operator search-attribute create --namespace {namespace} {attributes}"
