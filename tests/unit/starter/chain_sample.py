"""Views of chains for tests to change one thing of."""

from datetime import timedelta
from typing import Any

from chains.messages import ChainPhase, ChainResult, ChainStatus, StepPhase, StepView
from chains.spec import StepKind
from runs.budget import Spent
from starter.views import ChainView
from tests.unit.starter.sample import REQUESTED_AT


def step(name: str = "a", phase: StepPhase = StepPhase.COMPLETED, **changes: Any) -> StepView:
    """A step that took four minutes, or has run for so long."""
    fields: dict[str, Any] = {"name": name, "kind": StepKind.ASK, "phase": phase}
    if phase not in {StepPhase.WAITING, StepPhase.SKIPPED}:
        fields["started_at"] = REQUESTED_AT
    if phase.is_end:
        fields["ended_at"] = REQUESTED_AT + timedelta(minutes=4)
    return StepView(**{**fields, **changes})


def asking(name: str = "ok", **changes: Any) -> StepView:
    """A step that waits for a person."""
    fields: dict[str, Any] = {
        "kind": StepKind.APPROVE,
        "message": "Publish it?\nReally?",
        "expires_at": REQUESTED_AT + timedelta(days=1),
    }
    return step(name, StepPhase.AWAITING_APPROVAL, **{**fields, **changes})


def chain_view(*steps: StepView, phase: ChainPhase = ChainPhase.RUNNING, **changes: Any) -> ChainView:
    """A chain of these steps, four minutes old."""
    known: dict[str, Any] = {
        "name": "tea",
        "phase": phase,
        "started_at": REQUESTED_AT,
        "spent": Spent(interactions=2, tokens=1_234, cost_usd=2.07),
        "steps": steps,
    }
    fields: dict[str, Any] = {
        "chain_id": "tea-abc",
        "phase": phase,
        "subject": "tea: topic=bitter",
        "task_queue": "longhaul",
        "started_at": REQUESTED_AT,
        "elapsed_s": 247.9,
    }
    if phase.is_end:
        fields["result"] = ChainResult(ended_at=REQUESTED_AT, **known)
    else:
        fields["status"] = ChainStatus(**known)
    return ChainView(**{**fields, **changes})
