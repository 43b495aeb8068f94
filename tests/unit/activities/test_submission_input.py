import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from activities import quotes, submission_input, transcripts
from activities.failures import NotSendable
from activities.submission_input import input_of
from activities.transcripts import StoredTurn, write_turn
from artifacts.errors import ArtifactNotFound, InvalidMedia
from artifacts.store import ArtifactStore
from interactions.inputs import Input
from runs.messages import AgentRunRequest, FollowUp, FollowUpKind, TranscriptTurn
from runs.tool_calls import ToolAnswer


@pytest.fixture
def store() -> ArtifactStore:
    """An empty store in memory."""
    return ArtifactStore.open("memory://")


async def _said(store: ArtifactStore, **fields: Any) -> Any:
    request = AgentRunRequest.model_validate({"model": "gemini-3.8-flash", "input": "Why?", **fields})
    return await _wire(request, None, store)


async def _wire(request: AgentRunRequest, follow_up: FollowUp | None, store: ArtifactStore) -> Any:
    said = await input_of(request, follow_up, store)
    return TypeAdapter[Any](Input).dump_python(said, mode="json", exclude_none=True)


async def _text(store: ArtifactStore, name: str, text: str) -> str:
    return (await store.put(name, text.encode(), "text/plain")).uri


async def test_quotes_take_the_place_of_their_placeholders(store: ArtifactStore) -> None:
    """Each wherever it stands; what is quoted is not searched for placeholders again."""
    found = [
        {"placeholder": "{{1}}", "uri": await _text(store, "a.txt", "first, not {{2}}")},
        {"placeholder": "{{2}}", "uri": await _text(store, "b.txt", r"second \1")},
    ]
    said = await _said(store, input="{{1}} + {{2}} + {{1}}", quotes=found)
    assert said == r"first, not {{2}} + second \1 + first, not {{2}}"


async def test_a_quote_that_is_not_used_is_not_read(store: ArtifactStore) -> None:
    """Its text may be gone by then."""
    assert await _said(store, quotes=[{"placeholder": "{{1}}", "uri": f"{store.base_uri}/gone"}]) == "Why?"


async def test_a_quote_that_is_gone_is_an_error(store: ArtifactStore) -> None:
    """A question is not sent with a hole in it."""
    with pytest.raises(ArtifactNotFound):
        await _said(store, input="{{1}}", quotes=[{"placeholder": "{{1}}", "uri": f"{store.base_uri}/gone"}])


async def test_a_quote_has_to_be_text(store: ArtifactStore) -> None:
    """Anything else belongs into an attachment."""
    picture = await store.put("a.png", b"\x89PNG\xff", "image/png")
    with pytest.raises(InvalidMedia, match="not UTF-8 text"):
        await _said(store, input="{{1}}", quotes=[{"placeholder": "{{1}}", "uri": picture.uri}])


@pytest.mark.parametrize(
    ("sizes", "times", "reason"),
    [
        ((11,), 1, "more than 10 bytes together; quote less"),
        ((6, 5), 1, "more than 10 bytes together; quote less"),
        ((6,), 2, "12 characters in place"),
    ],
)
async def test_quotes_are_bounded_together(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], times: int, reason: str
) -> None:
    """In the place where they stand, however often."""
    monkeypatch.setattr(quotes, "MAX_QUOTED_BYTES", 10)
    monkeypatch.setattr("runs.limits.MAX_QUOTED_BYTES", 10)
    found = [
        {"placeholder": f"{{{number}}}", "uri": await _text(store, f"{number}.txt", "x" * size)}
        for number, size in enumerate(sizes)
    ]
    text = " ".join(quote["placeholder"] for quote in found) * times
    with pytest.raises(NotSendable, match=reason):
        await _said(store, input=text, quotes=found)


async def test_earlier_turns_are_told_as_steps(store: ArtifactStore) -> None:
    """What the conversation follows up on comes first, then each turn, then the question with its files."""
    place = TranscriptTurn(
        folder="talk/1",
        number=3,
        is_retold=True,
        origin_question="Heat pumps?",
        origin_uri=await _text(store, "report.txt", "# Report"),
    )
    for number in (1, 2):
        turn = StoredTurn(question=f"{number}?", answer=f"{number}!")
        await write_turn(store, place.model_copy(update={"number": number}), turn)
    attachment = {"uri": "https://example.org/c.png", "media_type": "image/png", "name": "c.png"}
    said = await _said(store, transcript=place, attachments=[attachment])
    assert [(step["type"], [part.get("text") for part in step["content"]]) for step in said] == [
        ("user_input", ["Heat pumps?"]),
        ("model_output", ["# Report"]),
        ("user_input", ["1?"]),
        ("model_output", ["1!"]),
        ("user_input", ["2?"]),
        ("model_output", ["2!"]),
        ("user_input", ["Why?", None]),
    ]
    assert said[-1]["content"][1]["type"] == "image"


@pytest.mark.parametrize(
    ("room", "texts"),
    [(0, ["Why?"]), (4, ["3?", "3!", "Why?"]), (8, ["2?", "2!", "3?", "3!", "Why?"])],
)
async def test_a_shortened_conversation_says_so_first(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, room: int, texts: list[str]
) -> None:
    """The model is not left to wonder what was meant; not even where all was too long."""
    monkeypatch.setattr(transcripts, "MAX_RETOLD_BYTES", room)
    place = TranscriptTurn(folder="talk/1", number=4, is_retold=True)
    for number in (1, 2, 3):
        turn = StoredTurn(question=f"{number}?", answer=f"{number}!")
        await write_turn(store, place.model_copy(update={"number": number}), turn)
    said = [part["text"] for step in await _said(store, transcript=place) for part in step["content"]]
    assert "left out" in said[0]
    assert said[1:] == texts


async def test_an_origin_without_a_question_is_told_as_an_answer(store: ArtifactStore) -> None:
    """With the notice before it, where something else was left out."""
    place = TranscriptTurn(
        folder="talk/1", number=2, is_retold=True, origin_uri=await _text(store, "report.txt", "# Report")
    )
    assert [step["type"] for step in await _said(store, transcript=place)] == ["model_output", "user_input"]
    long = StoredTurn(question="1?", answer="x" * transcripts.MAX_RETOLD_BYTES)
    await write_turn(store, place.model_copy(update={"number": 1}), long)
    said = await _said(store, transcript=place)
    assert [step["type"] for step in said] == ["user_input", "model_output", "user_input"]
    assert "left out" in said[0]["content"][0]["text"]


async def test_a_turn_without_an_answer_is_told_without_one(store: ArtifactStore) -> None:
    """The API takes no empty texts."""
    place = TranscriptTurn(folder="talk/1", number=2, is_retold=True)
    await write_turn(store, place.model_copy(update={"number": 1}), StoredTurn(question="1?", answer=""))
    assert [step["type"] for step in await _said(store, transcript=place)] == ["user_input", "user_input"]


async def _result(store: ArtifactStore, stored: Any, *, is_error: bool = False) -> Any:
    """Return the step that answers a call whose stored result is ``stored``."""
    ref = await store.put("run/1/tools/c1.json", json.dumps(stored).encode(), "application/json")
    answer = ToolAnswer(call_id="c1", name="f", uri=ref.uri, is_error=is_error)
    follow_up = FollowUp(
        kind=FollowUpKind.TOOL_RESULTS, previous_interaction_id="v1_before", answers=(answer,)
    )
    (step,) = await _wire(AgentRunRequest(model="m", input="q"), follow_up, store)
    return step


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ({"result": "sunny"}, "sunny"),
        ({"result": ""}, ""),
        ({"result": {"temp": 4, "wind": None}}, {"temp": 4, "wind": None}),
        ({"result": [1, 2]}, {"result": [1, 2]}),
        ({"result": [{"type": "text", "text": "a row"}]}, {"result": [{"type": "text", "text": "a row"}]}),
        ({"result": 4.5}, {"result": 4.5}),
        ({"result": True}, {"result": True}),
        ({"result": None}, {"result": None}),
        (
            {
                "contents": [
                    {"type": "text", "text": "Done."},
                    {"type": "image", "media_type": "image/png", "data": "iVBO"},
                ]
            },
            [{"type": "text", "text": "Done."}, {"type": "image", "mime_type": "image/png", "data": "iVBO"}],
        ),
        ({"contents": []}, ""),
    ],
)
async def test_a_result_goes_back_in_a_form_that_the_api_takes(
    store: ArtifactStore, stored: Any, sent: Any
) -> None:
    """A text, an object or contents; whatever else a tool returns is put into an object."""
    assert await _result(store, stored) == {
        "type": "function_result",
        "call_id": "c1",
        "name": "f",
        "result": sent,
    }


async def test_a_failed_call_is_told_as_one(store: ArtifactStore) -> None:
    """The model is to know that it has no result but a reason."""
    assert (await _result(store, {"result": "no such city"}, is_error=True))["is_error"] is True


@pytest.mark.parametrize("stored", ["sunny", {}, {"contents": [{"type": "video"}]}, {"text": "x"}])
async def test_a_file_that_is_no_result_is_an_error(store: ArtifactStore, stored: Any) -> None:
    """Nothing is made up for the model."""
    with pytest.raises(InvalidMedia, match="holds no result of a tool"):
        await _result(store, stored)


async def test_a_result_that_is_gone_is_an_error(store: ArtifactStore) -> None:
    """The model is told nothing rather than something else."""
    answer = ToolAnswer(call_id="c1", name="f", uri=f"{store.base_uri}/gone.json")
    follow_up = FollowUp(
        kind=FollowUpKind.TOOL_RESULTS, previous_interaction_id="v1_before", answers=(answer,)
    )
    with pytest.raises(ArtifactNotFound):
        await input_of(AgentRunRequest(model="m", input="q"), follow_up, store)


async def test_results_are_bounded_together(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go into one request."""
    monkeypatch.setattr(submission_input, "MAX_ATTACHMENTS_BYTES", 30)
    ref = await store.put("r.json", b'{"result": "0123456"}', "application/json")
    answers = tuple(ToolAnswer(call_id=f"c{number}", name="f", uri=ref.uri) for number in (1, 2))
    follow_up = FollowUp(kind=FollowUpKind.TOOL_RESULTS, previous_interaction_id="v1_before", answers=answers)
    with pytest.raises(NotSendable, match="the results of the tools"):
        await input_of(AgentRunRequest(model="m", input="q"), follow_up, store)
