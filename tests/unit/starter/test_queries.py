from runs.phase import Phase
from starter.queries import list_query


def test_without_filters_all_runs_are_asked_for() -> None:
    """Only the workflow type narrows the list: other workflows share the namespace."""
    assert list_query() == "WorkflowType = 'AgentRun'"


def test_filters_are_all_to_hold() -> None:
    """Any of the phases, and the agent, and the label."""
    assert list_query(phases=[Phase.RUNNING, Phase.CANCELLED], agent="a", label="l") == (
        "WorkflowType = 'AgentRun'"
        " AND ((ExecutionStatus = 'Running' AND RunPhase = 'running') OR (ExecutionStatus = 'Canceled'))"
        " AND RunAgent = 'a' AND RunLabels = 'l'"
    )


def test_what_people_type_cannot_leave_its_quotes() -> None:
    """A quote or a backslash in a label is part of the label."""
    assert list_query(label="it's \\ 'x' OR").endswith(r"RunLabels = 'it\'s \\ \'x\' OR'")
