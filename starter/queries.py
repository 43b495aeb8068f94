"""What Temporal is asked for a list of runs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from chains.messages import CHAIN
from runs.conversation import CONVERSATION
from runs.messages import AGENT_RUN
from runs.phase import Phase
from runs.search_attributes import AGENT, INTERACTION_ID, LABELS, PHASE
from starter.kinds import RunKind

WORKFLOW_TYPES: Final = {
    RunKind.RUN: AGENT_RUN,
    RunKind.CHAIN: CHAIN,
    RunKind.CHAT: CONVERSATION,
}

_OPEN: Final = "CloseTime IS NULL"
"""And not ``ExecutionStatus = 'Running'``, which leaves out what somebody has paused; older servers refuse
the word for that."""


def list_query(
    *,
    kinds: Iterable[RunKind] = (RunKind.RUN,),
    phases: Iterable[Phase] = (),
    agent: str | None = None,
    label: str | None = None,
) -> str:
    """Return the visibility query for one of ``kinds`` in one of ``phases``, of ``agent``, with ``label``."""
    types = ", ".join(_quoted(WORKFLOW_TYPES[kind]) for kind in kinds)
    # An execution that was continued as new is part of a chain that is listed by its latest.
    conditions = [f"WorkflowType IN ({types})", "ExecutionStatus != 'ContinuedAsNew'"]
    wanted = " OR ".join(f"({_phase_condition(phase)})" for phase in phases)
    if wanted:
        conditions.append(f"({wanted})")
    if agent is not None:
        conditions.append(f"{AGENT} = {_quoted(agent)}")
    if label is not None:
        conditions.append(f"{LABELS} = {_quoted(label)}")
    return " AND ".join(conditions)


def waiting_children_query(parent_id: str) -> str:
    """Return the visibility query for open children of a workflow that wait for a person."""
    phases = ", ".join(_quoted(phase.value) for phase in Phase if phase.needs_a_person)
    return f"ParentWorkflowId = {_quoted(parent_id)} AND {_OPEN} AND {PHASE} IN ({phases})"


def ended_from_outside_query(*, closed_before: datetime | None = None) -> str:
    """Return the visibility query for runs whose workflow could not see to what they had running."""
    return _closed_runs("'Terminated', 'TimedOut'", closed_before)


def ended_runs_query(*, closed_before: datetime | None = None) -> str:
    """Return the visibility query for runs that ended by themselves."""
    return _closed_runs("'Completed', 'Failed', 'Canceled'", closed_before)


def open_runs_query() -> str:
    """Return the visibility query for runs that go on."""
    return f"WorkflowType = {_quoted(AGENT_RUN)} AND {_OPEN}"


def watching_query(interaction_ids: Iterable[str]) -> str:
    """Return the visibility query for runs that go on and watch one of these interactions."""
    return f"{open_runs_query()} AND {INTERACTION_ID} IN ({', '.join(map(_quoted, interaction_ids))})"


def _closed_runs(statuses: str, closed_before: datetime | None) -> str:
    query = f"WorkflowType = {_quoted(AGENT_RUN)} AND ExecutionStatus IN ({statuses})"
    return query if closed_before is None else f"{query} AND CloseTime < {_quoted(closed_before.isoformat())}"


def _phase_condition(phase: Phase) -> str:
    """Say in Temporal's words what `starter.describing.phase_of` says in Python.

    A terminated workflow publishes its end no more, so its last published phase is not to be believed.
    """
    published = f"{PHASE} = {_quoted(phase.value)}"
    if not phase.is_end:
        return f"{_OPEN} AND {published}"
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
