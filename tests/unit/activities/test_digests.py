from typing import Any

import pytest

from activities.digests import digest_of, is_another
from activities.submission import build_submission
from artifacts.store import ArtifactStore
from interactions.requests import CreateInteraction
from runs.messages import DEFAULT_AGENT, DEFAULT_MODEL, SubmitInteraction

_QUESTION: dict[str, Any] = {
    "model": "gemini-3.8-flash",
    "input": "Why?",
    "background": True,
    "previous_interaction_id": "v1_before",
    "tools": [
        {"type": "mcp_server", "name": "m", "url": "https://m.example", "headers": {"Authorization": "a"}},
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}},
        {"type": "google_search"},
    ],
}


def _digest(**changes: Any) -> str:
    return digest_of(CreateInteraction.model_validate(_QUESTION | changes))


def _tools(number: int, **changes: Any) -> list[dict[str, Any]]:
    tools = [dict(tool) for tool in _QUESTION["tools"]]
    tools[number] |= changes
    return tools


@pytest.mark.parametrize(
    "changes",
    [
        {"background": None},
        {"labels": {"a": "b"}},
        {"webhook_config": {"uris": ["https://hook.example"], "user_metadata": {"token": "t"}}},
        {"tools": _tools(0, headers={"Authorization": "b"})},
        {"tools": _tools(1, description="e", parameters={"type": "object", "properties": {}})},
    ],
)
def test_what_is_not_asked_does_not_count(changes: dict[str, Any]) -> None:
    """Secrets are exchanged, descriptions reworded, models asked without a background: it is one question."""
    assert _digest(**changes) == _digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"input": "Why not?"},
        {"input": [{"type": "text", "text": "Why?"}]},
        {"previous_interaction_id": "v1_other"},
        {"previous_interaction_id": None},
        {"continuation_token": "c"},
        {"model": "gemini-3.8-pro"},
        {"system_instruction": "Be brief."},
        {"generation_config": {"seed": 1}},
        {"response_format": {"type": "image"}},
        {"service_tier": "flex"},
        {"tools": _tools(0, url="https://n.example")},
        {"tools": _tools(1, name="g")},
        {"tools": _tools(2)[:2]},
        {"tools": None},
    ],
)
def test_what_is_asked_counts_and_what_it_follows(changes: dict[str, Any]) -> None:
    """Whatever could lead to another answer makes another submission."""
    assert is_another(_digest(**changes), _digest())


@pytest.mark.parametrize(
    ("submission", "digest"),
    [
        (
            {"request": {"agent": DEFAULT_AGENT, "input": "Why?", "planning": {}}},
            "1:916619f966bf0755",
        ),
        (
            {
                "request": {"agent": DEFAULT_AGENT, "input": "…", "planning": {}},
                "follow_up": {"kind": "plan_approved", "previous_interaction_id": "v1_plan"},
            },
            "1:e41ba8e7591b346d",
        ),
        (
            {
                "request": {"model": DEFAULT_MODEL, "input": "…", "generation": {"max_output_tokens": 9}},
                "follow_up": {
                    "kind": "tool_results",
                    "previous_interaction_id": "v1_calls",
                    "answers": [{"call_id": "c", "name": "f", "text": "4"}],
                },
            },
            "1:33c66c6c4d8d3b31",
        ),
    ],
)
async def test_a_digest_stays_what_it_is(submission: dict[str, Any], digest: str) -> None:
    """Another one here is another body for the same submission: raise the scheme in `activities.digests`.

    Else a run that is reset after the upgrade pays once more for what it has.
    """
    made = SubmitInteraction.model_validate({"artifacts_prefix": "run/1", **submission})
    create = await build_submission(made, ArtifactStore.open("memory://"), {})
    assert digest_of(create).startswith(digest)


@pytest.mark.parametrize("other", ["", "2:abc", "1:abc"])
def test_only_digests_of_one_scheme_differ(other: str) -> None:
    """A version that made none, or made them otherwise, may mean the same."""
    assert is_another("1:xyz", other) is (other == "1:abc")
    assert is_another(other, "1:xyz") is (other == "1:abc")
    assert not is_another(other, other)
