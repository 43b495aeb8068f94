from typing import Any

import pytest

from runs.tool_calls import ToolCall, file_digest_of

_CALL: dict[str, Any] = {"call_id": "c", "name": "f", "arguments": {"a": 1, "b": [2]}}


def test_a_call_has_one_file() -> None:
    """However its arguments are ordered, and whatever else is known of it."""
    other = ToolCall(call_id="c", name="f", arguments={"b": [2], "a": 1}, digest="d", problem="p")
    assert file_digest_of(ToolCall(**_CALL)) == file_digest_of(other)


@pytest.mark.parametrize("change", [{"call_id": "d"}, {"name": "g"}, {"arguments": {"a": 1}}])
def test_no_other_call_has_it(change: dict[str, Any]) -> None:
    """After a reset another call may come under the same number; its result is not this one's."""
    assert file_digest_of(ToolCall(**_CALL)) != file_digest_of(ToolCall(**_CALL | change))
