import json
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.json_values import MAX_DEPTH, is_readable, size_bytes
from runs.messages import Outcome, Settled
from runs.tool_calls import ToolCall


def _nested(depth: int) -> Any:
    return json.loads("[" * depth + "]" * depth)


@pytest.mark.parametrize(
    "value",
    [None, 2**63, -(10**400), 1.5, "é\x00😀", {"a": [{}]}, _nested(MAX_DEPTH)],
    ids=["null", "past 64 bits", "hundreds of digits", "float", "text", "nested", "deep"],
)
async def test_what_is_readable_comes_back_from_a_payload(value: JsonValue) -> None:
    """Numbers of any size, any text, and the deepest nesting pass Temporal's converter unchanged."""
    assert is_readable(value)
    assert size_bytes(value) > 0
    call = ToolCall(call_id="1", name="f", arguments={"value": value})
    settled = Settled(outcome=Outcome.NEEDS_TOOLS, calls=(call,), data=value)
    (again,) = await pydantic_data_converter.decode(
        await pydantic_data_converter.encode([settled]), [Settled]
    )
    assert again.model_dump() == settled.model_dump()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), [{"a": -float("inf")}], _nested(MAX_DEPTH + 1)]
)
def test_what_would_not_come_back_is_not_readable(value: JsonValue) -> None:
    """Numbers that JSON has not would become null; deep nesting would leave a workflow stuck."""
    assert not is_readable(value)
