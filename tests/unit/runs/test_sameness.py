"""Two requests ask for the same, or not."""

from typing import Any

import pytest

from runs.messages import AgentRunRequest
from runs.sameness import digest_of

_ASKED = {"model": "gemini-3.8-flash", "input": "Why?", "previous_interaction_id": "v1_0"}


def digest(**changes: Any) -> str:
    """Of a question with something changed."""
    return digest_of(AgentRunRequest.model_validate({**_ASKED, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"budget": {"max_tokens": 7}},
        {"deadline_s": 7_000},
        {"labels": ["tea"]},
        {"may_read": ["file:///1"]},
        {"may_read": []},
        {"on_unknown_submission": "hold"},
        {"pacing": {"poll_min_s": 1}},
        {"tenant": "t"},
        {"tool_approval_s": 7_000},
        {"outputs": {}, "tools": [], "visualization": True},
    ],
    ids=str,
)
def test_what_stands_beside_the_question_makes_no_other(changes: dict[str, Any]) -> None:
    """What a run may use, how it is found and watched, and what is as it is without being said."""
    assert digest(**changes) == digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"input": "Why not?"},
        {"model": "gemini-3.8-pro"},
        {"previous_interaction_id": None},
        {"system_instruction": "Be brief."},
        {"tools": [{"type": "google_search"}]},
        {"attachments": [{"uri": "https://example.org/1", "media_type": "text/csv", "name": "1"}]},
        {"transcript": {"folder": "f", "number": 1}},
        {"quotes": [{"placeholder": "x", "uri": "file:///1"}]},
        {"generation": {"seed": 1}},
    ],
    ids=str,
)
def test_anything_else_makes_another(changes: dict[str, Any]) -> None:
    """Whatever the API is told, or what is made of its answer."""
    assert digest(**changes) != digest()
