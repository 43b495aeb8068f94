"""What Temporal is asked for a list of runs."""

from collections.abc import Iterable

from runs.messages import AGENT_RUN
from runs.phase import Phase
from runs.search_attributes import AGENT, LABELS, PHASE


def list_query(*, phases: Iterable[Phase] = (), agent: str | None = None, label: str | None = None) -> str:
    """Return the visibility query for runs in any of ``phases``, of ``agent``, with ``label``."""
    conditions = [f"WorkflowType = {_quoted(AGENT_RUN)}"]
    wanted = " OR ".join(f"({_phase_condition(phase)})" for phase in phases)
    if wanted:
        conditions.append(f"({wanted})")
    if agent is not None:
        conditions.append(f"{AGENT} = {_quoted(agent)}")
    if label is not None:
        conditions.append(f"{LABELS} = {_quoted(label)}")
    return " AND ".join(conditions)


def _phase_condition(phase: Phase) -> str:
    """Say in Temporal's words what `starter.describing.phase_of` says in Python.

    A terminated workflow publishes its end no more, so its last published phase is not to be believed.
    """
    published = f"{PHASE} = {_quoted(phase.value)}"
    if not phase.is_end:
        return f"ExecutionStatus = 'Running' AND {published}"
    if phase is Phase.CANCELLED:
        return "ExecutionStatus = 'Canceled'"
    if phase is Phase.TIMED_OUT:
        return f"ExecutionStatus = 'TimedOut' OR (ExecutionStatus = 'Failed' AND {published})"
    if phase is Phase.FAILED:
        # An input that is no run fails before it publishes anything.
        other = f"({PHASE} IS NULL OR {PHASE} != {_quoted(Phase.TIMED_OUT.value)})"
        return f"ExecutionStatus = 'Terminated' OR (ExecutionStatus = 'Failed' AND {other})"
    return f"ExecutionStatus = 'Completed' AND {published}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
