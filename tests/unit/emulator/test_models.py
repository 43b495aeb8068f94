import itertools
import json

import httpx2 as httpx
import pytest

from emulator.clock import Clock
from tests.unit.emulator.helpers import MODEL, answered, ask, contents, error_of, fast_clock, text_of


@pytest.fixture
def clock() -> Clock:
    """Models answer in the foreground, so here time flies instead of standing still."""
    return fast_clock()


async def test_the_reply_has_no_user_input(api: httpx.AsyncClient) -> None:
    """POST shows the produced steps only; GET shows the whole timeline."""
    answer = await ask(api, "Tell me a joke")
    assert [step["type"] for step in answer["steps"]] == ["thought", "model_output"]
    found = (await api.get(f"/interactions/{answer['id']}")).json()
    assert [step["type"] for step in found["steps"]] == ["user_input", "thought", "model_output"]


async def test_a_follow_up_knows_what_was_said(api: httpx.AsyncClient) -> None:
    """What was told in one turn is known in the next, and in the one after that."""
    first = await ask(api, "Hi, my name is Phil.")
    second = await ask(api, "Thank you.", previous_interaction_id=first["id"])
    third = await ask(api, "What is my name?", previous_interaction_id=second["id"])
    assert "Your name is Phil." in text_of(third)
    assert "turn 3" in text_of(third)


async def test_without_history_nothing_is_known(api: httpx.AsyncClient) -> None:
    """Interactions that are not chained share nothing."""
    await ask(api, "Hi, my name is Phil.")
    assert "Phil" not in text_of(await ask(api, "What is my name?"))


async def test_what_is_not_stored_cannot_be_continued(api: httpx.AsyncClient) -> None:
    """``store: false`` leaves no id behind."""
    assert "id" not in await ask(api, "q", store=False)


async def test_structured_output_fits_its_schema(api: httpx.AsyncClient) -> None:
    """The text is JSON with the schema's fields and types."""
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "pages": {"type": "integer", "minimum": 10},
            "kind": {"enum": ["novel", "essay"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "lent": {"type": ["boolean", "null"]},
        },
    }
    wanted = {"type": "text", "mime_type": "application/json", "schema": schema}
    value = json.loads(text_of(await ask(api, "An essay about Paris in 3 parts", response_format=wanted)))
    assert value == {"title": "Paris", "pages": 10, "kind": "essay", "tags": ["Paris", "Paris"], "lent": True}


async def test_a_short_limit_cuts_the_answer(api: httpx.AsyncClient) -> None:
    """``max_output_tokens`` ends the turn as incomplete."""
    answer = await ask(api, "q", generation_config={"max_output_tokens": 10})
    assert (answer["status"], len(text_of(answer))) == ("incomplete", 40)


@pytest.mark.parametrize("fault", ["wrong-json", "cut-json"])
async def test_structured_output_may_be_wrong(api: httpx.AsyncClient, fault: str) -> None:
    """On request the JSON does not follow the schema, or breaks off; the interaction says completed."""
    schema = {"type": "object", "properties": {"pages": {"type": "integer"}}}
    wanted = {"type": "text", "mime_type": "application/json", "schema": schema}
    answer = await ask(api, f"3 pages [[emulator fault={fault}]]", response_format=wanted)
    assert answer["status"] == "completed"
    if fault == "cut-json":
        with pytest.raises(json.JSONDecodeError):
            json.loads(text_of(answer))
    else:
        assert json.loads(text_of(answer)) == {"pages": "about 3"}


@pytest.mark.parametrize(
    ("level", "tokens"), [("minimal", 0), ("low", 64), ("medium", 256), ("high", 1_024), ("xhigh", 4_096)]
)
async def test_thinking_costs_by_level(api: httpx.AsyncClient, level: str, tokens: int) -> None:
    """The harder a model thinks, the more thought tokens it bills."""
    answer = await ask(api, "q", generation_config={"thinking_level": level})
    assert answer["usage"]["total_thought_tokens"] == tokens


@pytest.mark.parametrize("summaries", ["auto", "none"])
async def test_a_model_says_what_it_thinks_when_asked(api: httpx.AsyncClient, summaries: str) -> None:
    """With ``thinking_summaries: auto`` the thought has a summary, in steps and in streams."""
    config = {"thinking_summaries": summaries}
    answer = await ask(api, "q", generation_config=config)
    assert ("summary" in answer["steps"][0]) is (summaries == "auto")
    told = await api.post(
        "/interactions", json={**MODEL, "input": "q", "generation_config": config, "stream": True}
    )
    assert ("thought_summary" in told.text) is (summaries == "auto")


@pytest.mark.parametrize("background", [False, True])
async def test_a_long_answer_goes_on_elsewhere(api: httpx.AsyncClient, *, background: bool) -> None:
    """Part of the answer and a token; the token, in an interaction of its own, brings more, in mid-word."""
    text = "Heat pumps [[emulator continuations=2]]"
    hops = [await ask(api, text, background=background)]
    while hops[-1]["status"] == "requires_continuation":
        follow_up = {
            **MODEL,
            "background": background,
            "continuation_token": hops[-1]["continuation_token"],
            "previous_interaction_id": hops[-1]["id"],
        }
        hops.append(await answered(api, follow_up))
    texts = [text_of(hop) for hop in hops]
    assert (len(hops), hops[-1]["status"], "continuation_token" in hops[-1]) == (3, "completed", False)
    assert all((one[-1] + other[0]).isalpha() for one, other in itertools.pairwise(texts))
    assert texts[-1].endswith(".")


async def test_a_stopped_answer_keeps_its_citations(api: httpx.AsyncClient) -> None:
    """What was cited before the stop is cited in the first half."""
    text = "Heat pumps [[emulator fault=requires-continuation]]"
    head = await ask(api, text, tools=[{"type": "google_search"}])
    (content,) = contents(head)
    assert content["annotations"]
    assert all(each["end_index"] <= len(content["text"].encode()) for each in content["annotations"])


async def test_a_token_belongs_to_its_answer(api: httpx.AsyncClient) -> None:
    """A forged token is refused, and so is one of another interaction."""
    refused = await api.post("/interactions", json={**MODEL, "continuation_token": "forged"})
    assert error_of(refused) == (400, "invalid_request")
    stopped = await ask(api, "a [[emulator fault=requires-continuation]]")
    other = await ask(api, "b [[emulator fault=requires-continuation]]")
    body = {
        **MODEL,
        "continuation_token": stopped["continuation_token"],
        "previous_interaction_id": other["id"],
    }
    assert error_of(await api.post("/interactions", json=body)) == (400, "invalid_request")


async def test_a_vanished_parent_cannot_be_continued(api: httpx.AsyncClient) -> None:
    """To continue what was deleted, has expired or never was is 404."""
    deleted = (await ask(api, "q"))["id"]
    await api.delete(f"/interactions/{deleted}")
    expired = (await ask(api, "q [[emulator fault=expired expire_after_s=0]]"))["id"]
    for previous_id in (deleted, expired, "v1_never"):
        body = {**MODEL, "input": "q", "previous_interaction_id": previous_id}
        assert error_of(await api.post("/interactions", json=body)) == (404, "not_found")


async def test_attached_media_arrive(api: httpx.AsyncClient) -> None:
    """The answer says of each what it is and how long."""
    question = [
        {"type": "text", "text": "Compare."},
        {"type": "document", "data": "QUJD", "mime_type": "application/pdf"},
        {"type": "video", "uri": "https://example.com/v.mp4", "mime_type": "video/mp4"},
    ]
    text = text_of(await ask(api, question))
    assert "document (application/pdf, 3 bytes)" in text
    assert "video (video/mp4) at https://example.com/v.mp4" in text


async def test_a_sandbox_agent_heeds_its_budget(api: httpx.AsyncClient) -> None:
    """``max_total_tokens``, a number in a string, ends the run as incomplete."""
    config = {"type": "antigravity", "max_total_tokens": "10"}
    body = {"agent": "antigravity-preview-09-2026", "environment": "remote", "agent_config": config}
    assert (await api.post("/interactions", json={**body, "input": "q"})).json()["status"] == "incomplete"


async def test_a_sandbox_agent_names_its_environment(api: httpx.AsyncClient) -> None:
    """The id of the sandbox can be used again."""
    agent = {"agent": "antigravity-preview-09-2026", "input": "Count"}
    first = (await api.post("/interactions", json={**agent, "environment": "remote"})).json()
    second = (await api.post("/interactions", json={**agent, "environment": first["environment_id"]})).json()
    assert second["environment_id"] == first["environment_id"]
    assert "code_execution_call" in {step["type"] for step in first["steps"]}


async def test_a_model_may_refuse_the_background(api: httpx.AsyncClient) -> None:
    """The refusal names ``background``; the same create in the foreground is answered when it is done."""
    body = {**MODEL, "input": "q [[emulator submission=fg fault=no-background]]"}
    refused = await api.post("/interactions", json={**body, "background": True})
    assert error_of(refused) == (400, "invalid_request")
    assert "'background'" in refused.json()["error"]["message"]
    answer = (await api.post("/interactions", json=body)).json()
    assert (answer["status"], "usage" in answer) == ("completed", True)
    second = await ask(api, "and?", previous_interaction_id=answer["id"])
    follow_up = {**MODEL, "input": "and?", "previous_interaction_id": second["id"], "background": True}
    assert error_of(await api.post("/interactions", json=follow_up)) == (400, "invalid_request")
