"""The search attributes of `runs.search_attributes` as Temporal's typed keys."""

from typing import Final

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from runs import search_attributes as names

PHASE: Final = SearchAttributeKey.for_keyword(names.PHASE)
AGENT: Final = SearchAttributeKey.for_keyword(names.AGENT)
INTERACTION_ID: Final = SearchAttributeKey.for_keyword(names.INTERACTION_ID)
TENANT: Final = SearchAttributeKey.for_keyword(names.TENANT)
LABELS: Final = SearchAttributeKey.for_keyword_list(names.LABELS)
TOKENS: Final = SearchAttributeKey.for_int(names.TOKENS)
COST_USD: Final = SearchAttributeKey.for_float(names.COST_USD)
