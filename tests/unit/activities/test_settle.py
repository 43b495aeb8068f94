import base64
import json
from typing import Any

import httpx2 as httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.journal import SubmissionJournal
from activities.timeouts import MISSING_GRACE, SETTLE_AGAIN_AT_MOST
from activities.transcripts import StoredTurn
from artifacts.store import ArtifactStore
from runs.errors import ActivityErrorType, RunErrorCode
from runs.limits import MAX_DATA_BYTES, MAX_EXCERPT_BYTES, MAX_NOTES, MAX_PLAN_BYTES
from runs.messages import AgentRunRequest, Outcome, RunError, Settled, SettleInteraction, Sighting
from tests.unit.activities.conftest import ACCEPTED_AT, Setup, interaction
from tests.unit.isolation import calls

_SETTLING = SettleInteraction(
    interaction_id="v1_abc",
    agent="deep-research-preview-04-2026",
    question="Why is tea astringent?",
    workflow_id="run",
    artifacts_prefix="run/1",
    requested_at=ACCEPTED_AT,
)

_PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()

_USAGE = {
    "total_input_tokens": 250_000,
    "total_cached_tokens": 150_000,
    "total_output_tokens": 60_000,
    "total_tokens": 319_000,
    "grounding_tool_count": [{"type": "google_search", "count": 80}],
}


def _text(text: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": text, "annotations": list(annotations)}


def _output(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "model_output", "content": list(content)}


def _cite(start: int, end: int, url: str) -> dict[str, Any]:
    return {"type": "url_citation", "start_index": start, "end_index": end, "url": url, "title": "T"}


async def _settle(setup: Setup, **changes: Any) -> Settled:
    settling = SettleInteraction.model_validate({**_SETTLING.model_dump(), **changes})
    return await setup.environment.run(setup.activities().settle_interaction, settling)


def _call(call_id: str = "c1", **arguments: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": call_id, "name": "get_weather", "arguments": arguments}


async def _read(setup: Setup, name: str) -> str:
    return (await setup.store.get(f"run/1/{name}")).decode()


async def test_a_finished_run_becomes_files_and_a_small_result(setup: Setup) -> None:
    """Report, page, media and the raw reply are stored; the result refers to them."""
    reply = interaction(
        steps=[
            {"type": "user_input", "content": [_text("Why?")]},
            _output(
                _text("# Tä\n\nTannins.", _cite(6, 14, "https://a.example")),
                {"type": "image", "mime_type": "image/png", "data": _PNG},
            ),
            {"type": "thought", "summary": []},
            _output(_text(" More.", _cite(1, 5, "https://b.example"))),
        ],
        usage=_USAGE,
    )
    setup.answers(reply)
    settled = await _settle(setup)
    assert (settled.outcome, settled.error) == (Outcome.COMPLETED, None)
    assert [ref.name for ref in settled.artifacts] == [
        "report.md",
        "report.html",
        "answer.md",
        "image-1.png",
        "interaction.json",
    ]
    assert settled.excerpt == "# Tä\n\nTannins. More."
    assert (settled.counts.citations, settled.counts.images, settled.counts.steps) == (2, 1, 3)
    assert settled.cost_usd == pytest.approx(0.95)
    report = await _read(setup, "report.md")
    assert "image-1.png" in report
    assert "https://a.example" in report
    assert "https://b.example" in report
    assert await setup.store.get("run/1/image-1.png") == base64.b64decode(_PNG)
    assert json.loads(await _read(setup, "interaction.json")) == json.loads(reply.content)


async def test_neighbouring_texts_are_one_and_their_citations_move_along(setup: Setup) -> None:
    """A report that is split in mid-sentence reads as one, with offsets in UTF-8 bytes of the whole."""
    setup.answers(
        interaction(
            steps=[_output(_text("Äh, "), _text("naïve tea.", _cite(0, 6, "https://a.example")))],
            usage=_USAGE,
        )
    )
    await _settle(setup)
    assert "Äh, naïve[" in (await _read(setup, "report.md")).replace("\\[", "[").replace(" [", "[")


async def test_what_would_be_run_is_kept_inert(setup: Setup) -> None:
    """Whatever an "image" is said to be, or is: no file is opened, or served, as more than text or bytes."""
    page = base64.b64encode(b"<script>alert(1)</script>").decode()
    drawing = base64.b64encode(b"<svg onload='alert(1)'/>").decode()
    setup.answers(
        interaction(
            steps=[
                _output(
                    {"type": "image", "mime_type": "text/html", "data": page},
                    {"type": "image", "mime_type": "image/svg+xml", "data": drawing},
                    {"type": "image", "mime_type": "image/png", "data": drawing},
                    {"type": "document", "mime_type": "application/x-sh", "data": page},
                    {"type": "document", "data": base64.b64encode(b"\0").decode()},
                )
            ],
            usage=_USAGE,
        )
    )
    settled = await _settle(setup)
    assert [(ref.name, ref.media_type) for ref in settled.artifacts[2:-1]] == [
        ("image-1.txt", "text/plain"),
        ("image-2.txt", "text/plain"),
        ("image-3.txt", "text/plain"),
        ("document-1.txt", "text/plain"),
        ("document-2.bin", "application/octet-stream"),
    ]
    kept = "is kept as text/plain"
    assert [note.partition(" (")[0] for note in settled.notes[:4]] == [
        f"image 1 came as text/html and {kept}",
        f"image 2 came as image/svg+xml and {kept}",
        f"image 3 came as image/png and {kept}",
        f"document 1 came as application/x-sh and {kept}",
    ]
    report, html = await _read(setup, "report.md"), await _read(setup, "report.html")
    assert "![" not in report
    assert "](document-2.bin)" not in report
    assert 'href="document-2.bin"' not in html


async def test_settling_again_leaves_the_same_files(setup: Setup) -> None:
    """A worker that dies after writing and before answering costs nothing but a repetition."""
    setup.answers(interaction(steps=[_output(_text("Tea."))], usage=_USAGE))
    assert await _settle(setup) == await _settle(setup)
    assert len(await setup.store.list("run/1")) == 4


async def test_the_result_stays_small_whatever_the_report(setup: Setup) -> None:
    """History takes an excerpt of at most 4 KB, cut between characters."""
    setup.answers(interaction(steps=[_output(_text("é" * 1_000_000))], usage=_USAGE))
    settled = await _settle(setup)
    assert len(settled.excerpt.encode()) <= MAX_EXCERPT_BYTES
    assert settled.counts.text_bytes == 2_000_000


async def test_completed_without_output_is_looked_at_again_and_then_failed(setup: Setup) -> None:
    """Parts may come in late; after a few looks an empty success is a failure, and the raw reply is kept."""
    setup.answers(interaction(steps=[], usage=_USAGE))
    for attempt in (1, 2, 3):
        setup.attempt(attempt)
        with pytest.raises(ApplicationError) as caught:
            await _settle(setup)
        assert (caught.value.type, caught.value.details) == (
            ActivityErrorType.NOT_SETTLED,
            (RunErrorCode.EMPTY_RESULT,),
        )
    setup.attempt(4)
    settled = await _settle(setup)
    assert settled.outcome is Outcome.FAILED
    assert settled.error
    assert settled.error.code is RunErrorCode.EMPTY_RESULT
    assert [ref.name for ref in settled.artifacts] == ["interaction.json"]


async def test_late_usage_is_waited_for_once(setup: Setup) -> None:
    """Usage that lags costs one more look; usage that never comes costs the estimate, not the result."""
    setup.answers(interaction(steps=[_output(_text("Tea."))]))
    with pytest.raises(ApplicationError, match="without usage"):
        await _settle(setup)
    setup.attempt(2)
    settled = await _settle(setup)
    assert settled.outcome is Outcome.COMPLETED
    assert settled.cost_usd is None
    assert any("no cost estimate" in note for note in settled.notes)


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        ("incomplete", Outcome.INCOMPLETE, None),
        ("budget_exceeded", Outcome.INCOMPLETE, None),
        ("requires_continuation", Outcome.INCOMPLETE, None),
        ("cancelled", Outcome.CANCELLED, None),
        ("requires_action", Outcome.FAILED, RunErrorCode.NEEDS_ACTION),
        ("failed", Outcome.FAILED, RunErrorCode.INTERACTION_FAILED),
    ],
)
async def test_every_end_keeps_what_there_is(
    setup: Setup, status: str, outcome: Outcome, code: RunErrorCode | None
) -> None:
    """However an interaction ended, its text is stored and its end is named in our words."""
    setup.answers(interaction(status, steps=[_output(_text("So far."))], usage=_USAGE))
    settled = await _settle(setup)
    assert settled.outcome is outcome
    assert (settled.error.code if settled.error else None) is code
    assert "So far." in await _read(setup, "report.md")


async def test_calls_are_for_the_next_turn(setup: Setup) -> None:
    """A turn that asks for functions leaves what the next needs: the calls, and the raw interaction."""
    reply = interaction(
        "requires_action", steps=[_output(_text("Let me see.")), _call(n=2**70)], usage=_USAGE
    )
    setup.answers(reply)
    settled = await _settle(setup, turn=3)
    assert (settled.outcome, settled.error) == (Outcome.NEEDS_TOOLS, None)
    assert [(call.call_id, call.arguments, call.problem) for call in settled.calls] == [
        ("c1", {"n": 2**70}, None)
    ]
    assert (settled.artifacts, settled.text_uri) == ((), None)
    assert await setup.store.list("run/1") == ("run/1/turns/3/interaction.json",)
    assert await setup.store.get(settled.interaction_uri) == reply.content


async def test_an_answer_that_stopped_goes_on(setup: Setup) -> None:
    """With the token it can be continued; the workflow only has to know where the token is."""
    setup.answers(
        interaction(
            "requires_continuation", steps=[_output(_text("Te"))], usage=_USAGE, continuation_token="t"
        )
    )
    settled = await _settle(setup)
    assert (settled.outcome, settled.artifacts) == (Outcome.CONTINUES, ())
    assert settled.interaction_uri.endswith("/run/1/turns/1/interaction.json")


async def test_a_plan_waits_for_approval(setup: Setup) -> None:
    """Its text is a file, and enough of it for a person is in the result."""
    plan = "1. Brew. " * 5_000
    setup.answers(interaction(steps=[_output(_text(plan))], usage=_USAGE))
    settled = await _settle(setup, is_plan=True, turn=2)
    assert settled.outcome is Outcome.PLAN_READY
    assert [ref.name for ref in settled.artifacts] == ["plan-2.md"]
    assert settled.text_uri == settled.artifacts[0].uri
    assert await _read(setup, "plan-2.md") == plan
    assert MAX_EXCERPT_BYTES < len(settled.excerpt.encode()) <= MAX_PLAN_BYTES
    assert settled.interaction_uri.endswith("/run/1/turns/2/interaction.json")


@pytest.mark.parametrize(
    ("status", "steps", "is_plan"),
    [
        ("requires_action", [_call()], False),
        ("requires_continuation", [], False),
        ("completed", [], True),
    ],
    ids=["calls", "continuation", "plan"],
)
async def test_a_turn_that_nothing_follows_is_the_answer(
    setup: Setup, status: str, steps: list[dict[str, Any]], is_plan: bool
) -> None:
    """Where the run takes no further turn, what there is becomes the report, incomplete for that reason."""
    setup.answers(
        interaction(status, steps=[_output(_text("So far.")), *steps], usage=_USAGE, continuation_token="t")
    )
    reason = RunError(code=RunErrorCode.BUDGET, message="used up")
    settled = await _settle(setup, last_because=reason.model_dump(), is_plan=is_plan)
    assert (settled.outcome, settled.error) == (Outcome.INCOMPLETE, reason)
    assert settled.calls == ()
    assert "So far." in await _read(setup, "report.md")


async def test_all_turns_of_an_answer_make_one_report(setup: Setup) -> None:
    """Text, citations, media, counts and what was done are joined; usage is the last turn's alone."""
    setup.answers(
        interaction(
            "requires_action",
            steps=[
                {"type": "google_search_call", "id": "s", "arguments": {"queries": ["tea"]}},
                _output(_text("First.", _cite(0, 6, "https://a.example"))),
                _output({"type": "image", "mime_type": "image/png", "data": _PNG}),
                _call("c1", city="Oslo"),
            ],
            usage=_USAGE,
        )
    )
    first = await _settle(setup, turn=1)
    setup.answers(
        interaction(
            "requires_continuation",
            steps=[
                {"type": "function_result", "call_id": "c1", "is_error": True, "result": "no rain gauge"},
                _output(_text("Then the answ")),
            ],
            usage=_USAGE,
            continuation_token="t",
        )
    )
    second = await _settle(setup, turn=2, earlier=[first.interaction_uri])
    setup.answers(interaction(steps=[_output(_text("er.", _cite(0, 3, "https://b.example")))], usage=_USAGE))
    settled = await _settle(
        setup,
        turn=3,
        earlier=[first.interaction_uri, second.interaction_uri],
        earlier_usage=first.usage.plus(second.usage).model_dump(),
        earlier_cost_usd=1.9,
    )
    assert settled.outcome is Outcome.COMPLETED
    assert [ref.name for ref in settled.artifacts] == [
        "report.md",
        "report.html",
        "answer.md",
        "image-1.png",
        "interaction.json",
    ]
    assert await _read(setup, "answer.md") == "First.\n\nThen the answer."
    assert settled.text_uri is not None
    assert settled.text_uri.endswith("/run/1/answer.md")
    counts = settled.counts
    assert (counts.searches, counts.citations, counts.images, counts.tool_calls) == (1, 2, 1, 1)
    assert settled.usage.total_tokens == 319_000
    assert settled.cost_usd == pytest.approx(0.95)
    report = await _read(setup, "report.md")
    assert "Then the answer.[" in report
    assert r"\[2\]](https://b.example)" in report
    assert "- Tokens: 957,000" in report
    assert r"- Cost: about \$2.85" in report
    assert "**Searched the web**: tea" in report
    assert "no rain gauge" in report


async def test_what_is_missing_of_an_answer_is_noted(setup: Setup) -> None:
    """A turn whose file is gone costs its part of the answer, not the whole."""
    setup.answers(interaction(steps=[_output(_text("Tea."))], usage=_USAGE))
    settled = await _settle(setup, turn=2, earlier=[f"{setup.store.base_uri}/run/1/turns/1/interaction.json"])
    assert settled.outcome is Outcome.COMPLETED
    assert any("an earlier part of the answer is missing" in note for note in settled.notes)


async def test_an_answer_is_more_than_the_talk_before_its_tools(setup: Setup) -> None:
    """What was said before a round of calls does not make an empty end a success."""
    setup.answers(
        interaction("requires_action", steps=[_output(_text("Let me see.")), _call()], usage=_USAGE)
    )
    first = await _settle(setup)
    setup.answers(interaction(steps=[], usage=_USAGE))
    setup.attempt(4)
    settled = await _settle(setup, turn=2, earlier=[first.interaction_uri])
    assert settled.error
    assert settled.error.code is RunErrorCode.EMPTY_RESULT
    assert await _read(setup, "answer.md") == "Let me see."


_SCHEMA = {"type": "object", "properties": {"cups": {"type": "integer"}}, "required": ["cups"]}


@pytest.mark.parametrize(
    ("answer", "name", "data", "message"),
    [
        (' {"cups": 2}\n', "answer.json", {"cups": 2}, None),
        ('{"cups": "two"}', "answer.json", None, '$.cups: "two" is not of type "integer"'),
        ('{"cups": 2', "answer.md", None, "$: not JSON"),
        ('{"cups": 2, "x": 1e999}', "answer.json", None, None),
        ('{"cups": 2, "x": ' + "[" * 150 + "]" * 150 + "}", "answer.json", None, None),
        ('{"cups": 2, "x": "' + "é" * MAX_DATA_BYTES + '"}', "answer.json", None, None),
        ('{"cups": %s}' % (2**70), "answer.json", {"cups": 2**70}, None),
    ],
    ids=["right", "wrong type", "cut off", "not finite", "deep", "large", "past 64 bits"],
)
async def test_json_is_held_against_its_schema(
    setup: Setup, answer: str, name: str, data: Any, message: str | None
) -> None:
    """The value is in the result if history can hold it; a wrong one fails the run and is kept."""
    setup.answers(interaction(steps=[_output(_text(answer))], usage=_USAGE))
    settled = await _settle(setup, json_schema=_SCHEMA)
    assert settled.outcome is (Outcome.COMPLETED if message is None else Outcome.FAILED)
    if message is not None:
        assert settled.error
        assert settled.error.code is RunErrorCode.INVALID_OUTPUT
        assert message in settled.error.message
    assert settled.data == data
    assert await _read(setup, name) == answer
    assert settled.text_uri is not None
    assert settled.text_uri.endswith(f"/{name}")


async def test_the_json_is_what_comes_after_the_tools(setup: Setup) -> None:
    """Talk before a round of calls is in the report, and no part of the JSON."""
    setup.answers(
        interaction("requires_action", steps=[_output(_text("Let me see.")), _call()], usage=_USAGE)
    )
    first = await _settle(setup)
    setup.answers(interaction(steps=[_output(_text('{"cups": 2}'))], usage=_USAGE))
    settled = await _settle(setup, turn=2, earlier=[first.interaction_uri], json_schema=_SCHEMA)
    assert (settled.outcome, settled.data) == (Outcome.COMPLETED, {"cups": 2})
    assert await _read(setup, "answer.json") == '{"cups": 2}'
    assert "Let me see." in await _read(setup, "report.md")


@pytest.mark.parametrize(
    ("status", "is_told"),
    [("completed", True), ("incomplete", True), ("failed", False), ("cancelled", False)],
)
@pytest.mark.parametrize("has_request", [True, False])
async def test_a_turn_of_a_conversation_is_kept(
    setup: Setup, status: str, is_told: bool, has_request: bool
) -> None:
    """The whole question and answer, to be told again; what failed was never said."""
    question = "Why is tea astringent?\nAnd why bitter?"
    if has_request:
        request = AgentRunRequest(agent="a", input=question)
        await setup.store.put("run/1/request.json", request.model_dump_json().encode(), "application/json")
    setup.answers(interaction(status, steps=[_output(_text("Tannins."))], usage=_USAGE))
    settled = await _settle(setup, transcript={"folder": "conversations/tea", "number": 12})
    assert all("turn-" not in ref.name for ref in settled.artifacts)
    kept = await setup.store.list("conversations/tea")
    assert list(kept) == ["conversations/tea/turn-000012.json"] * is_told
    for key in kept:
        turn = StoredTurn.model_validate_json(await setup.store.get(key))
        assert turn == StoredTurn(question=question if has_request else _SETTLING.question, answer="Tannins.")


async def test_a_kept_turn_says_what_was_quoted_and_where_it_was_worked_out(setup: Setup) -> None:
    """The placeholder means nothing to a later turn, which goes on in the same sandbox."""
    quoted = await setup.store.put("run/0/report.txt", b"Tea is bitter.", "text/plain")
    request = AgentRunRequest.model_validate(
        {"agent": "a", "input": "Why? {{1}}", "quotes": [{"placeholder": "{{1}}", "uri": quoted.uri}]}
    )
    await setup.store.put("run/1/request.json", request.model_dump_json().encode(), "application/json")
    setup.answers(interaction(steps=[_output(_text("Tannins."))], usage=_USAGE, environment_id="env-1"))
    await _settle(setup, transcript={"folder": "conversations/tea", "number": 1})
    kept = StoredTurn.model_validate_json(await setup.store.get("conversations/tea/turn-000001.json"))
    assert kept == StoredTurn(question="Why? Tea is bitter.", answer="Tannins.", environment_id="env-1")


async def test_each_medium_becomes_a_file(setup: Setup) -> None:
    """Pictures, speech, films and documents keep their order, and files what their types say."""
    data = base64.b64encode(b"\0" * 64).decode()
    setup.answers(
        interaction(
            steps=[
                _output(
                    {"type": "audio", "mime_type": "audio/l16", "data": data, "sample_rate": 16_000},
                    _text("Between."),
                    {"type": "audio", "mime_type": "audio/ogg_opus", "data": data},
                    {"type": "video", "mime_type": "video/mp4", "data": data},
                    {"type": "document", "mime_type": "application/pdf", "data": data},
                    {"type": "image", "mime_type": "image/webp", "data": data},
                    {"type": "audio", "mime_type": "audio/mulaw", "data": data, "channels": 2},
                )
            ],
            usage=_USAGE,
        )
    )
    settled = await _settle(setup)
    files = [(ref.name, ref.media_type) for ref in settled.artifacts[3:-1]]
    assert files == [
        ("audio-1.wav", "audio/wav"),
        ("audio-2.ogg", "audio/ogg"),
        ("video-1.mp4", "video/mp4"),
        ("document-1.pdf", "application/pdf"),
        ("image-1.webp", "image/webp"),
        ("audio-3.wav", "audio/wav"),
    ]
    sound = await setup.store.get("run/1/audio-1.wav")
    assert int.from_bytes(sound[24:28], "little") == 16_000
    report = await _read(setup, "report.md")
    places = [report.index(f"]({name})") for name, _ in files]
    assert places == sorted(places)
    assert places[0] < report.index("Between.") < places[1]


async def test_speech_alone_is_an_answer(setup: Setup) -> None:
    """A run that was asked for sound needs no text."""
    data = base64.b64encode(b"\0" * 64).decode()
    setup.answers(
        interaction(steps=[_output({"type": "audio", "mime_type": "audio/wav", "data": data})], usage=_USAGE)
    )
    settled = await _settle(setup)
    assert (settled.outcome, settled.text_uri, settled.excerpt) == (Outcome.COMPLETED, None, "")
    names = [ref.name for ref in settled.artifacts]
    assert names == ["report.md", "report.html", "audio-1.wav", "interaction.json"]


async def test_a_film_that_the_api_keeps_is_an_answer(setup: Setup) -> None:
    """Its address is in the report and in a note."""
    film = {"type": "video", "uri": "https://v.example/1.mp4", "mime_type": "video/mp4"}
    setup.answers(interaction(steps=[_output(film)], usage=_USAGE))
    settled = await _settle(setup)
    assert settled.outcome is Outcome.COMPLETED
    assert "video kept at https://v.example/1.mp4" in settled.notes
    assert "(https://v.example/1.mp4)" in await _read(setup, "report.md")


_ODD: list[Any] = [None, True, 7, 2**80, "x\x00\x1b[31m\u202e", [], {}, [{"type": "text"}], {"type": 3}]


@pytest.mark.parametrize("odd", _ODD)
@pytest.mark.parametrize("status", ["completed", "requires_action", "requires_continuation", "failed"])
async def test_nothing_an_api_sends_keeps_a_run_from_its_end(setup: Setup, status: str, odd: Any) -> None:
    """Whatever type any field has, the interaction is settled and kept, and the result can be read back."""
    kinds = ["model_output", "function_call", "function_result", "url_context_call", "url_context_result"]
    kinds += ["google_search_call", "code_execution_call", "code_execution_result", "google_maps_result"]
    kinds += ["mcp_server_tool_call", "mcp_server_tool_result", "thought", "user_input", "no_such_step"]
    names = ["id", "call_id", "name", "arguments", "result", "content", "summary", "error", "is_error"]
    steps = [{"type": kind, name: odd} for kind in kinds for name in names]
    steps += [_output({"type": "text", "text": "Tea.", "annotations": odd}, {"type": "audio", "data": odd})]
    fields = ["usage", "errors", "updated", "continuation_token", "previous_interaction_id", "model"]
    setup.answers(interaction(status, steps=[*steps, odd], **dict.fromkeys(fields, odd)))
    setup.attempt(9)
    settled = await _settle(setup)
    assert Settled.model_validate_json(settled.model_dump_json()) == settled
    assert await setup.store.exists(settled.interaction_uri)


async def test_many_parts_are_settled(setup: Setup) -> None:
    """Work grows with the size of an answer and not with its square."""
    parts = [_text("tea ", _cite(0, 3, "https://a.example"))] * 20_000
    calls = [{"type": "google_search_call", "id": "s", "arguments": {"queries": ["q" * 100] * 50}}] * 5_000
    setup.answers(interaction(steps=[*calls, *([_output(*parts)] * 6)], usage=_USAGE))
    settled = await _settle(setup)
    assert (settled.outcome, settled.counts.searches) == (Outcome.COMPLETED, 250_000)
    assert settled.counts.text_bytes == 480_000


async def test_a_failure_says_what_the_api_said(setup: Setup) -> None:
    """Diagnostics of the interaction and of its output reach the person, cleaned and once each."""
    broken = {"type": "model_output", "content": [], "error": {"code": 3, "message": "no\x1b[31m tea"}}
    setup.answers(
        interaction("failed", steps=[broken, broken], errors=[{"code": "safety", "message": "blocked"}])
    )
    settled = await _settle(setup)
    assert settled.error
    assert settled.error.message == "safety: blocked; no tea"


async def test_what_is_not_understood_is_kept_and_named(setup: Setup) -> None:
    """New kinds of steps and contents are no failure; a note says which, and the raw reply has them."""
    setup.answers(
        interaction(
            steps=[
                {"type": "tool_call", "id": "x"},
                _output(_text("Tea."), {"type": "hologram", "data": "?"}),
                _output({"type": "image", "mime_type": "image/png", "data": "!!"}),
                _output({"type": "video", "uri": "https://example.org/v.mp4", "mime_type": "video/mp4"}),
            ],
            usage=_USAGE,
        )
    )
    settled = await _settle(setup)
    assert settled.outcome is Outcome.COMPLETED
    assert "unknown step 'tool_call'" in settled.notes
    assert "unknown content 'hologram'" in settled.notes
    assert "video kept at https://example.org/v.mp4" in settled.notes
    assert any("image 1 is unusable" in note for note in settled.notes)


async def test_the_result_stays_small_whatever_the_answers_parts(setup: Setup) -> None:
    """A payload of 2 MiB could not be returned at all, so neither many files nor their addresses add up."""
    elsewhere = [
        {"type": "image", "uri": f"https://example.org/{number}/" + "u\x1b" * 1_000, "mime_type": "image/png"}
        for number in range(2_000)
    ]
    broken = [{"type": "image", "data": "!!", "mime_type": "image/png"}] * 2_000
    small = [{"type": "image", "data": _PNG, "mime_type": "image/png\r\nx: y" + "t" * 999}] * 300
    setup.answers(interaction(steps=[_output(_text("Tea."), *elsewhere, *broken, *small)], usage=_USAGE))
    settled = await _settle(setup)
    assert len(settled.model_dump_json()) < 300_000
    assert len(settled.notes) <= MAX_NOTES + 6
    assert not any("\x1b" in note for note in settled.notes)
    assert {ref.media_type for ref in settled.artifacts if ref.name.startswith("image")} == {
        "application/octet-stream"
    }


@pytest.mark.parametrize("tokens", [10**30, -1, 2**63])
async def test_numbers_that_cannot_be_are_not_believed(setup: Setup, tokens: int) -> None:
    """A number past what a search attribute takes would leave the workflow stuck with a paid report."""
    usage = {**_USAGE, "total_tokens": tokens, "total_input_tokens": tokens}
    setup.answers(interaction(steps=[_output(_text("Tea."))], usage=usage))
    settled = await _settle(setup)
    assert (settled.usage.total_tokens, settled.usage.input_tokens, settled.cost_usd) == (None, None, None)


async def test_an_interaction_that_runs_again_is_not_settled(setup: Setup) -> None:
    """A status that goes back from its end is not believed in either direction."""
    setup.answers(interaction("in_progress"))
    with pytest.raises(ApplicationError, match="went back to 'in_progress'") as caught:
        await _settle(setup)
    assert not caught.value.non_retryable


async def test_an_interaction_that_goes_on_running_is_watched_again(setup: Setup) -> None:
    """Settling cannot be stopped; where an interaction runs on, that is no place to wait for it."""
    setup.answers(interaction("in_progress"))
    setup.attempt(3)
    with pytest.raises(ApplicationError, match="is 'in_progress' again") as caught:
        await _settle(setup, may_go_back=True)
    assert (caught.value.type, caught.value.non_retryable) == (ActivityErrorType.RUNS_AGAIN, True)
    # A workflow of a version that knows no way back waits here, as ever.
    with pytest.raises(ApplicationError) as caught:
        await _settle(setup)
    assert caught.value.type == ActivityErrorType.NOT_SETTLED


async def test_another_interaction_is_never_settled_as_ours(setup: Setup) -> None:
    """What a cache answers in its place is fetched again, and noted once it is right."""
    steps = [_output(_text("Tea."))]
    setup.answers(httpx.Response(200, json={"id": "v1_other", "status": "completed", "steps": steps}))
    with pytest.raises(ApplicationError, match="another interaction, v1_other") as caught:
        await _settle(setup)
    assert caught.value.type == ActivityErrorType.NOT_SETTLED
    setup.attempt(2, last=setup.beats[-1])
    setup.answers(interaction(steps=steps, usage=_USAGE))
    settled = await _settle(setup)
    assert "a look was answered with another interaction, v1_other" in settled.notes


async def test_idle_is_an_end_like_completed(setup: Setup) -> None:
    """The turn is over and nothing more comes by itself; without any output that is a failure, too."""
    setup.answers(interaction("idle", steps=[_output(_text("Tea."))], usage=_USAGE))
    settled = await _settle(setup)
    assert (settled.outcome, settled.excerpt, settled.notes) == (Outcome.COMPLETED, "Tea.", ())
    setup.answers(interaction("idle", usage=_USAGE))
    with pytest.raises(ApplicationError, match="idle, but without any output yet"):
        await _settle(setup)
    setup.attempt(4)
    settled = await _settle(setup)
    assert settled.error is not None
    assert settled.error.code is RunErrorCode.EMPTY_RESULT


@pytest.mark.parametrize("status", ["in_progress", "cancelled", "pondering"])
async def test_what_there_is_at_the_deadline_is_stored_at_once(setup: Setup, status: str) -> None:
    """However little the interaction has come to: nothing is waited for, and the report says what it is."""
    setup.answers(interaction(status, steps=[_output(_text("# Tea\n\nTannins bind"))]))
    settled = await _settle(setup, is_partial=True)
    assert settled.outcome is Outcome.INCOMPLETE
    assert settled.excerpt == "# Tea\n\nTannins bind"
    assert [ref.name for ref in settled.artifacts] == [
        "report.md",
        "report.html",
        "answer.md",
        "interaction.json",
    ]
    assert "partial: stopped at the deadline" in settled.notes
    assert "partial: stopped at the deadline" in await _read(setup, "report.md")


async def test_an_interaction_without_any_text_leaves_its_raw_form(setup: Setup) -> None:
    """There is no report of nothing."""
    setup.answers(interaction("cancelled"))
    settled = await _settle(setup, is_partial=True)
    assert [ref.name for ref in settled.artifacts] == ["interaction.json"]


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(404), httpx.ReadTimeout("slow")])
async def test_a_failed_fetch_is_tried_again(setup: Setup, answer: httpx.Response | Exception) -> None:
    """The interaction was seen to have ended a moment ago: one failed GET loses nothing."""
    setup.answers(answer)
    with pytest.raises(ApplicationError) as caught:
        await _settle(setup)
    assert (caught.value.type, caught.value.non_retryable) == (ActivityErrorType.NOT_SETTLED, False)


async def test_a_result_that_stays_away_is_lost(setup: Setup) -> None:
    """A 404 is believed after the same grace period as while watching, however many attempts there were."""
    setup.answers(httpx.Response(404, json={"error": {"code": "not_found", "message": "no"}}))
    setup.attempt(50)
    with pytest.raises(ApplicationError) as caught:
        await _settle(setup)
    assert caught.value.type == ActivityErrorType.NOT_SETTLED
    setup.attempt(51, elapsed=MISSING_GRACE, last=setup.beats[-1])
    with pytest.raises(ApplicationError) as caught:
        await _settle(setup)
    assert caught.value.type == ActivityErrorType.INTERACTION_LOST


async def test_a_result_that_comes_back_was_not_lost(setup: Setup) -> None:
    """Between two hiccups the API had it, and only the store was away."""
    setup.store = ArtifactStore.open("file:///proc/nowhere")
    setup.answers(interaction(steps=[_output(_text("Tea."))], usage=_USAGE))
    setup.attempt(2, last=Sighting(missing_since=ACCEPTED_AT))
    with pytest.raises(ApplicationError):
        await _settle(setup)
    assert setup.beats[-1].missing_since is None


async def test_no_hint_keeps_a_result_waiting_for_long(setup: Setup) -> None:
    """A Retry-After of a day would be a report that never comes."""
    setup.answers(httpx.Response(429, headers={"retry-after": "86400"}))
    with pytest.raises(ApplicationError) as caught:
        await _settle(setup)
    assert caught.value.next_retry_delay == SETTLE_AGAIN_AT_MOST


async def test_a_store_that_takes_nothing_is_waited_for(setup: Setup) -> None:
    """The report is paid for: settling is tried again, and says that only storing is amiss."""
    setup.store = ArtifactStore.open("file:///proc/nowhere")
    setup.answers(interaction(steps=[_output(_text("Tea."))], usage=_USAGE))
    with pytest.raises(ApplicationError) as caught:
        await _settle(setup)
    assert caught.value.details == (RunErrorCode.ARTIFACT_STORE,)
    assert not caught.value.non_retryable


def _deep(levels: int) -> tuple[dict[str, Any], str]:
    """Return a schema, and an answer by which its innermost part is checked two to the power of levels times.

    Nothing in the schema itself tells so: each value of it is checked only twice.
    """
    level = {"properties": {"a": {"$ref": "#/$defs/level"}}}
    answer: dict[str, Any] = {}
    for _ in range(levels):
        answer = {"a": answer}
    return {"$defs": {"level": {"allOf": [level, level]}}, "$ref": "#/$defs/level"}, json.dumps(answer)


async def test_what_cannot_be_checked_is_kept_and_told(hurried: Setup) -> None:
    """A run that completed always has an answer that follows its schema; the report is there all the same."""
    schema, answer = _deep(60)
    hurried.answers(interaction(steps=[_output(_text(answer))], usage=_USAGE))
    settled = await _settle(hurried, json_schema=schema)
    assert settled.outcome is Outcome.FAILED
    assert settled.error
    assert settled.error.code is RunErrorCode.INVALID_OUTPUT
    assert settled.error.message.startswith("the answer could not be checked against its schema, and is kept")
    assert "more than 1 s of processor time" in settled.error.message
    assert any(note.startswith("the answer was not checked") for note in settled.notes)
    assert [ref.name for ref in settled.artifacts] == [
        "report.md",
        "report.html",
        "answer.json",
        "interaction.json",
    ]
    assert (await _read(hurried, "answer.json")) == answer
    assert settled.data is None


async def test_what_cannot_be_parsed_is_shown_as_it_is(hurried: Setup) -> None:
    """The answer is there; only its Markdown is not read."""
    text = "[" * 150_000
    hurried.answers(interaction(steps=[_output(_text(text))], usage=_USAGE))
    settled = await _settle(hurried)
    assert settled.outcome is Outcome.COMPLETED
    assert any(note.startswith("the answer could not be read as Markdown: it took") for note in settled.notes)
    assert text in (await _read(hurried, "report.md")).replace("\\", "")
    assert text in await _read(hurried, "report.html")
    assert await _read(hurried, "answer.md") == text


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("completed", Outcome.FAILED),
        ("requires_action", Outcome.FAILED),
        ("cancelled", Outcome.CANCELLED),
        ("failed", Outcome.FAILED),
    ],
)
async def test_what_cannot_be_worked_up_is_kept_as_it_came(
    hurried: Setup, monkeypatch: pytest.MonkeyPatch, status: str, outcome: Outcome
) -> None:
    """Paid for is paid for: the raw answer is stored whatever it does to whoever reads it."""
    monkeypatch.setattr("activities.apart.work_up", calls.crash)
    hurried.answers(interaction(status, steps=[_output(_text("Tea."))], usage=_USAGE))
    settled = await _settle(hurried)
    assert settled.outcome is outcome
    assert [ref.name for ref in settled.artifacts] == ["interaction.json"]
    assert settled.notes[0].startswith("nothing but interaction.json could be made of this: it crashed with")


async def test_a_worker_that_can_start_no_process_leaves_the_answer_to_another(
    hurried: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is paid for does not fail for the trouble of one worker."""
    monkeypatch.setattr("isolation.pool.sys.executable", "/bin/false")
    hurried.answers(interaction(steps=[_output(_text("Tea."))], usage=_USAGE))
    with pytest.raises(ApplicationError, match="could not be worked up here") as caught:
        await _settle(hurried)
    assert caught.value.type == ActivityErrorType.NOT_SETTLED
    monkeypatch.undo()
    assert (await _settle(hurried)).outcome is Outcome.COMPLETED


async def test_another_store_is_made_do_with_after_a_while(setup: Setup) -> None:
    """A worker with the run's store is given three attempts; then what is paid for is stored here."""
    there = await ArtifactStore.open("memory://").identity()
    setup.answers(interaction(steps=[_output(_text("Tea."))], usage=_USAGE))
    for attempt in (1, 2, 3):
        setup.attempt(attempt)
        with pytest.raises(
            ApplicationError, match=f"the run's files are in store {there.short_id}"
        ) as caught:
            await _settle(setup, store=there)
        assert caught.value.type == ActivityErrorType.NOT_SETTLED
    assert setup.requests == []
    setup.attempt(4)
    settled = await _settle(setup, store=there)
    here = await setup.store.identity()
    assert settled.store == here
    assert f"settled into {here.named}; what came before is in {there.named}" in settled.notes


async def test_what_the_run_paid_for_before_a_reset_is_named(setup: Setup) -> None:
    """Of submissions beyond those that it knows of, and only at its end: a further turn may come to them."""
    for number in (1, 2, 3, 10):
        await SubmissionJournal(setup.store, prefix="run/1", number=number).note_accepted(f"v1_{number}")
    setup.answers(interaction(steps=[_output(_text("Tea."))], usage=_USAGE))
    assert (await _settle(setup, submissions=2)).earlier_interaction_ids == ("v1_3", "v1_10")
    assert (await _settle(setup)).earlier_interaction_ids == ()
    setup.answers(interaction("requires_action", steps=[_call()], usage=_USAGE))
    assert (await _settle(setup, submissions=2)).earlier_interaction_ids == ()


async def test_a_damaged_record_of_the_journal_keeps_no_report_back(setup: Setup) -> None:
    """It is paid for, and what stands beside it is named as far as it can be read."""
    for number in (2, 3):
        await SubmissionJournal(setup.store, prefix="run/1", number=number).note_accepted(f"v1_{number}")
    await setup.store.put("run/1/submission-2.accepted.json", b"{", "application/json")
    setup.answers(interaction(steps=[_output(_text("Tea."))], usage=_USAGE))
    settled = await _settle(setup, submissions=1)
    assert settled.outcome is Outcome.COMPLETED
    assert settled.earlier_interaction_ids == ("v1_3",)
