"""Views of runs for tests to change one thing of."""

from datetime import UTC, datetime
from typing import Any

from runs.messages import AgentRunResult, ArtifactRef, Counts, Sighting, Timings, Usage
from runs.phase import Phase
from runs.planning import PlanView
from runs.tool_calls import PendingToolCall
from starter.views import RunView

REQUESTED_AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def view(phase: Phase = Phase.RUNNING, **changes: Any) -> RunView:
    """A run four minutes old, as one look would show it."""
    fields: dict[str, Any] = {
        "run_id": "research-tides-abc",
        "phase": phase,
        "agent": "deep-research-preview-04-2026",
        "question": "How do tides work?",
        "task_queue": "longhaul",
        "requested_at": REQUESTED_AT,
        "elapsed_s": 247.9,
    }
    return RunView(**{**fields, **changes})


def sighting(**changes: Any) -> Sighting:
    """What a look in the middle of a run saw."""
    fields: dict[str, Any] = {"seen_at": REQUESTED_AT, "looks": 9, "searches": 12, "pages": 1}
    return Sighting(**{**fields, **changes})


def result(phase: Phase = Phase.COMPLETED, **changes: Any) -> AgentRunResult:
    """What a finished run left behind."""
    fields: dict[str, Any] = {
        "phase": phase,
        "agent": "deep-research-preview-04-2026",
        "artifacts": (artifact("report.md"), artifact("report.html"), artifact("interaction.json")),
        "usage": Usage(total_tokens=310_000),
        "cost_usd": 2.07,
        "counts": Counts(steps=40, searches=80, pages=30, citations=70, sources=31, text_bytes=24_100),
        "timings": Timings(requested_at=REQUESTED_AT),
    }
    return AgentRunResult(**{**fields, **changes})


def artifact(name: str) -> ArtifactRef:
    """A file in a folder with a space in its name."""
    return ArtifactRef(
        name=name, uri=f"file:///my%20files/{name}", media_type="text/plain", size_bytes=3, sha256="0" * 64
    )


def plan(**changes: Any) -> PlanView:
    """A plan that waits for a person."""
    fields: dict[str, Any] = {"revision": 1, "text": "1. Look\n2. Write", "expires_at": REQUESTED_AT}
    return PlanView(**{**fields, **changes})


def call(call_id: str, digest: str, **changes: Any) -> PendingToolCall:
    """A function call that waits for a person."""
    fields: dict[str, Any] = {"name": "send_mail", "arguments": '{"to": "all"}', "expires_at": REQUESTED_AT}
    return PendingToolCall(call_id=call_id, digest=digest, **{**fields, **changes})
