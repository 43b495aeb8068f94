import json
from typing import Any

import pytest
from pydantic import ValidationError

from chains.messages import ChainRequest
from runs.asked import Asked
from runs.conversation import ConversationRequest, ConversationState, SendMessage
from runs.messages import AgentRunRequest


def unknown_in(kind: type[Asked], document: dict[str, Any]) -> str | None:
    """What a document, as it comes from Temporal, is refused for."""
    return kind.model_validate_json(json.dumps(document)).unknown


@pytest.mark.parametrize(
    ("fields", "objection"),
    [
        ({"deadlin_s": 60}, "deadlin_s: not a field of a run; did you mean deadline_s?"),
        (
            {"budget": {"max_cost_dollars": 0.01}},
            "budget.max_cost_dollars: not a field of budget; did you mean max_cost_usd?",
        ),
        (
            {"json_schema": {"type": "object"}},
            "json_schema: not a field of a run; it belongs into outputs.forms[0]",
        ),
        ({"max_tokens": 5}, "max_tokens: not a field of a run; it belongs into budget"),
        (
            {"budget": {"deadline_s": 5}},
            "budget.deadline_s: not a field of budget; it is a field of a run itself",
        ),
        (
            {"outputs": {"forms": [{"type": "image"}, {"type": "text", "schema": {"type": "object"}}]}},
            "outputs.forms[1].schema: not a field of outputs.forms[1]; did you mean json_schema?",
        ),
        (
            {"tools": [{"type": "google_search", "stores": ["x"]}]},
            "tools[0].stores: not a field of tools[0]; there are: type, search_types",
        ),
        (
            {"attachments": [{"uri": "u", "media_type": "m", "name": "n", "size": 1}]},
            "attachments[0].size: not a field of attachments[0]; did you mean size_bytes?",
        ),
    ],
)
def test_a_field_that_a_run_does_not_have_is_told_with_what_is_meant(
    fields: dict[str, Any], objection: str
) -> None:
    """Misspelt, misplaced, or of another kind: at any depth, with the name or the place that is meant."""
    assert unknown_in(AgentRunRequest, {"model": "m", "input": "?", **fields}) == objection


def test_a_field_of_a_chain_is_looked_for_nearby() -> None:
    """In the step that it stands in, before the chain; with the step's own name."""
    step = {"ask": {"prompt": "?", "budget": {"max_tokens": 3}}}
    unknown = unknown_in(ChainRequest, {"spec": {"name": "n", "steps": {"mine": step}}})
    where = "spec.steps.mine"
    assert unknown == f"{where}.ask.budget: not a field of {where}.ask; it belongs into {where}"


def test_what_is_anybodys_is_not_looked_into() -> None:
    """Schemas, arguments, items and inputs hold what they like; short forms hold nothing."""
    steps = {
        "a": {"ask": {"prompt": "?", "schema": {"deadlin_s": {"deadlin_s": 1}}, "tools": ["f"]}},
        "spoken": {"ask": {"prompt": "?", "speech": "Kore"}},
        "b": {"tool": {"name": "f", "arguments": {"deadlin_s": 1}}},
        "c": {"for_each": {"items": [{"deadlin_s": 1}], "do": {"research": "{{ item.deadlin_s }}"}}},
        "d": {"join": ["x"], "after": "a"},
    }
    spec = {"name": "n", "steps": steps, "inputs": {"x": "y", "z": {"default": {"deadlin_s": 1}}}}
    assert unknown_in(ChainRequest, {"spec": spec, "inputs": {"z": {"deadlin_s": 1}}}) is None


def test_a_field_that_says_nothing_is_not_missed() -> None:
    """A newer client writes its newer fields out, empty."""
    fields: dict[str, Any] = {"newer": None, "newest": [], "budget": {"newer": None}}
    assert unknown_in(AgentRunRequest, {"model": "m", "input": "?", **fields}) is None


def test_only_the_first_of_many_are_told() -> None:
    """And of a long name only so much, in one line."""
    fields: dict[str, Any] = {"x\n" * 1_000: 1, **{f"unknown{number}": 1 for number in range(100)}}
    told = unknown_in(AgentRunRequest, {"model": "m", "input": "?", **fields})
    assert told is not None
    assert told.count("not a field of a run") == 3
    assert "\n" not in told


def test_made_in_python_it_is_refused_at_once() -> None:
    """A keyword that nobody reads would be no bound either."""
    fields: dict[str, Any] = {"model": "m", "input": "?", "deadlin_s": 60}
    with pytest.raises(ValidationError, match="deadlin_s: not a field of a run; did you mean deadline_s"):
        AgentRunRequest(**fields)
    with pytest.raises(ValidationError, match="deadlin_s: not a field of a run; did you mean deadline_s"):
        AgentRunRequest.model_validate(fields)
    assert ConversationRequest(model="m").unknown is None


def test_what_is_noted_stays_with_the_message() -> None:
    """Also where it is carried along as part of another."""
    sent = SendMessage.model_validate_json('{"message_id": "1", "text": "?", "attachment": "x"}')
    assert sent.unknown == "attachment: not a field of a message; did you mean attachments?"
    at = "2026-01-01T00:00:00Z"
    state = ConversationState.model_validate({"started_at": at, "active_at": at, "waiting": (sent,)})
    assert state.waiting[0].unknown == sent.unknown
