# ruff: noqa: RUF001 - dashes that look like hyphens are among what is tested

import base64
import io
import itertools

import httpx2 as httpx
import pytest
from PIL import Image

from tests.unit.emulator.conftest import RESEARCH, HeldClock
from tests.unit.emulator.helpers import contents, look, text_of
from tests.unit.emulator.helpers import start as research

_QUESTION = "Compare heat pumps in Zürich – what do they cost in €?"


async def test_the_first_reply_is_small(api: httpx.AsyncClient) -> None:
    """A background create answers at once, with an id and no steps."""
    reply = (await api.post("/interactions", json={**RESEARCH, "input": "q"})).json()
    assert reply["id"].startswith("v1_")
    assert (reply["object"], reply["status"], "steps" in reply) == ("interaction", "in_progress", False)
    assert reply["created"] == reply["updated"]


async def test_steps_appear_as_time_passes(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Later looks see all that earlier ones saw, and more; the report comes last."""
    interaction_id = await research(api, _QUESTION)
    seen = []
    for _ in range(8):
        clock.pass_time(90.1)
        seen.append(await look(api, interaction_id))
    for before, after in itertools.pairwise(seen):
        assert after["steps"][: len(before["steps"])] == before["steps"]
        assert len(after["steps"]) > len(before["steps"])
    assert [each["status"] for each in seen] == ["in_progress"] * 7 + ["completed"]
    assert seen[0]["steps"][0] == {"type": "user_input", "content": [{"type": "text", "text": _QUESTION}]}
    kinds = {step["type"] for step in seen[-1]["steps"]}
    assert kinds >= {
        "thought",
        "google_search_call",
        "google_search_result",
        "url_context_call",
        "model_output",
    }


async def test_the_report_is_long_and_structured(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Several thousand words with headings, lists and a table, and characters of every width."""
    interaction_id = await research(api, _QUESTION)
    clock.pass_time(720)
    text = text_of(await look(api, interaction_id))
    assert len(text.split()) > 2_000
    assert text.startswith("# ")
    assert all(mark in text for mark in ("\n## ", "\n- ", "\n1. ", "\n| --- |", "é", "–", "“", "€", "日本"))
    sentences = [each for each in text.split(". ") if "\n" not in each]
    assert len(set(sentences)) == len(sentences)


async def test_citations_are_at_byte_offsets(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Cut out of the UTF-8 bytes, what a citation covers is a whole sentence."""
    interaction_id = await research(api, _QUESTION)
    clock.pass_time(720)
    texts = [c for c in contents(await look(api, interaction_id)) if c["type"] == "text"]
    cited = [
        (c["text"].encode()[a["start_index"] : a["end_index"]].decode(), a)
        for c in texts
        for a in c.get("annotations", [])
    ]
    assert len(cited) > 20
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence, _ in cited)
    assert all(a["type"] == "url_citation" and "example." in a["url"] and a["title"] for _, a in cited)
    assert any(a["start_index"] != c["text"].find(s) for c in texts for s, a in cited if s in c["text"])


async def test_the_chart_is_an_image(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """The chart decodes as PNG and lies between texts, where naive readers lose what is before it."""
    interaction_id = await research(api, _QUESTION)
    clock.pass_time(720)
    found = contents(await look(api, interaction_id))
    assert [c["type"] for c in found] == ["text", "text", "image", "text"]
    image = Image.open(io.BytesIO(base64.b64decode(found[2]["data"])))
    assert (image.format, image.width > 300) == ("PNG", True)


async def test_no_chart_without_visualization(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """``visualization: off`` draws nothing."""
    config = {"type": "deep-research", "visualization": "off"}
    interaction_id = await research(api, _QUESTION, agent_config=config)
    clock.pass_time(720)
    assert {c["type"] for c in contents(await look(api, interaction_id))} == {"text"}


@pytest.mark.parametrize(("summaries", "shown"), [("auto", True), ("none", False), (None, False)])
async def test_thoughts_are_told_only_when_asked(
    api: httpx.AsyncClient, clock: HeldClock, summaries: str | None, *, shown: bool
) -> None:
    """Without ``thinking_summaries: auto`` a thought is only its signature."""
    config = {"type": "deep-research"} | ({"thinking_summaries": summaries} if summaries else {})
    interaction_id = await research(api, _QUESTION, agent_config=config)
    clock.pass_time(300)
    thoughts = [step for step in (await look(api, interaction_id))["steps"] if step["type"] == "thought"]
    assert thoughts
    assert all(("summary" in thought) is shown for thought in thoughts)


@pytest.mark.parametrize(
    ("agent", "searches", "least_input"),
    [("deep-research-preview-04-2026", 80, 200_000), ("deep-research-max-preview-04-2026", 160, 800_000)],
)
async def test_the_bill_adds_up(
    api: httpx.AsyncClient, clock: HeldClock, agent: str, searches: int, least_input: int
) -> None:
    """Usage has the documented size, its parts make the total, and the searches are the queries shown."""
    interaction_id = await research(api, _QUESTION, agent=agent)
    clock.pass_time(720)
    found = await look(api, interaction_id)
    usage = found["usage"]
    queries = [
        query
        for step in found["steps"]
        if step["type"] == "google_search_call"
        for query in step["arguments"]["queries"]
    ]
    assert usage["grounding_tool_count"] == [{"type": "google_search", "count": searches}]
    assert len(queries) == searches
    assert usage["total_input_tokens"] > least_input
    assert 0.5 <= usage["total_cached_tokens"] / usage["total_input_tokens"] <= 0.7
    parts = ("total_input_tokens", "total_output_tokens", "total_thought_tokens", "total_tool_use_tokens")
    assert usage["total_tokens"] == sum(usage[part] for part in parts)


async def test_an_agent_run_carries_no_duration(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Both stamps of a finished agent run are its end."""
    interaction_id = await research(api, _QUESTION)
    running = await look(api, interaction_id)
    clock.pass_time(720)
    found = await look(api, interaction_id)
    assert found["created"] == found["updated"] > running["created"]


async def test_planning_ends_in_research(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Plan, revision and approval are interactions of their own, and the report follows what was agreed."""
    planning = {"type": "deep-research", "collaborative_planning": True}
    plan = await research(api, _QUESTION, agent_config=planning)
    clock.pass_time(60)
    first = contents(await look(api, plan))[0]["text"]
    assert "1. " in first
    assert _QUESTION in first
    revised = await research(
        api, "Add a chapter on noise", agent_config=planning, previous_interaction_id=plan
    )
    clock.pass_time(60)
    second = contents(await look(api, revised))[0]["text"]
    assert "As requested: Add a chapter on noise" in second
    approved = await research(api, "go", previous_interaction_id=revised)
    clock.pass_time(720)
    found = await look(api, approved)
    report = text_of(found)
    assert found["previous_interaction_id"] == revised
    assert "## As requested: Add a chapter on noise" in report
    assert _QUESTION in report


async def test_saying_go_while_planning_starts_nothing(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Only ``collaborative_planning: false`` starts the research."""
    planning = {"type": "deep-research", "collaborative_planning": True}
    plan = await research(api, _QUESTION, agent_config=planning)
    clock.pass_time(60)
    again = await research(api, "go", agent_config=planning, previous_interaction_id=plan)
    clock.pass_time(60)
    found = await look(api, again)
    assert found["status"] == "completed"
    assert contents(found)[0]["text"].startswith("# Research plan")
