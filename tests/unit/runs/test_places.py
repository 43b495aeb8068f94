import pytest

from runs.places import artifacts_prefix


@pytest.mark.parametrize(
    ("workflow_id", "prefix"),
    [
        ("research-tea-1", "research-tea-1/r"),
        ("orders/7 é", "orders_7__/r"),
        ("../../etc", "_.._etc/r"),
        ("..", "_/r"),
        ("x" * 1000, "x" * 120 + "/r"),
    ],
)
def test_any_workflow_id_gives_a_safe_folder(workflow_id: str, prefix: str) -> None:
    """Other clients choose ids freely; a folder never leaves the store, hides, or is too long a name."""
    assert artifacts_prefix(workflow_id=workflow_id, run_id="r") == prefix
