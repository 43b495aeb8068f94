"""The search attributes of `runs.search_attributes` as Temporal's typed keys.

Workflow code: see docs/changing.md.
"""

from typing import Any, Final

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    SearchAttributeValueType,
    TypedSearchAttributes,
)

with workflow.unsafe.imports_passed_through():
    from runs import search_attributes as names
    from runs.messages import AgentRunRequest
    from runs.phase import Phase

PHASE: Final = SearchAttributeKey.for_keyword(names.PHASE)
AGENT: Final = SearchAttributeKey.for_keyword(names.AGENT)
INTERACTION_ID: Final = SearchAttributeKey.for_keyword(names.INTERACTION_ID)
TENANT: Final = SearchAttributeKey.for_keyword(names.TENANT)
LABELS: Final = SearchAttributeKey.for_keyword_list(names.LABELS)
TOKENS: Final = SearchAttributeKey.for_int(names.TOKENS)
COST_USD: Final = SearchAttributeKey.for_float(names.COST_USD)


def change(
    shown: TypedSearchAttributes,
    key: SearchAttributeKey[SearchAttributeValueType],
    value: SearchAttributeValueType | None,
) -> list[SearchAttributeUpdate[Any]]:
    """Return what sets ``key`` to ``value``; nothing where it is None, or ``shown`` has it already."""
    return [] if value is None or shown.get(key) == value else [key.value_set(value)]


def attributes_of(request: AgentRunRequest) -> TypedSearchAttributes:
    """Return what a run of ``request`` is started with, so that it is found before a worker has seen it."""
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(PHASE, Phase.REQUESTED.value),
        SearchAttributePair(AGENT, request.target),
    ]
    if request.tenant is not None:
        pairs.append(SearchAttributePair(TENANT, request.tenant))
    if request.labels:
        pairs.append(SearchAttributePair(LABELS, list(request.labels)))
    return TypedSearchAttributes(pairs)
