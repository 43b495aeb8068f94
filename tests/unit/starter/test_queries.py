from runs.phase import Phase
from starter.kinds import RunKind
from starter.queries import list_query, waiting_children_query

_RUNS = "WorkflowType IN ('AgentRun') AND ExecutionStatus != 'ContinuedAsNew'"


def test_without_filters_all_runs_are_asked_for() -> None:
    """Other workflows share the namespace, and a chain that was continued as new is listed once."""
    assert list_query() == _RUNS


def test_other_kinds_are_listed_too() -> None:
    """Chains and conversations are workflows of types of their own."""
    assert list_query(kinds=RunKind).startswith("WorkflowType IN ('AgentRun', 'Chain', 'Conversation') AND")


def test_filters_are_all_to_hold() -> None:
    """Any of the phases, and the agent, and the label."""
    assert list_query(phases=[Phase.RUNNING, Phase.CANCELLED], agent="a", label="l") == (
        f"{_RUNS}"
        " AND ((CloseTime IS NULL AND RunPhase = 'running') OR (ExecutionStatus = 'Canceled'))"
        " AND RunAgent = 'a' AND RunLabels = 'l'"
    )


def test_what_people_type_cannot_leave_its_quotes() -> None:
    """A quote or a backslash in a label is part of the label."""
    assert list_query(label="it's \\ 'x' OR").endswith(r"RunLabels = 'it\'s \\ \'x\' OR'")


def test_the_runs_of_a_chain_that_wait_are_asked_for() -> None:
    """Those that only a person can let go on; whatever the chain's id is, it stays in its quotes."""
    assert waiting_children_query("it's") == (
        "ParentWorkflowId = 'it\\'s' AND CloseTime IS NULL"
        " AND RunPhase IN ('submission_unknown', 'awaiting_approval')"
    )
