import base64
import json
from typing import Any

import httpx2 as httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.timeouts import MISSING_GRACE, SETTLE_AGAIN_AT_MOST
from artifacts.store import ArtifactStore
from runs.errors import ActivityErrorType, RunErrorCode
from runs.limits import MAX_EXCERPT_BYTES, MAX_NOTES
from runs.messages import Outcome, Settled, SettleInteraction, Sighting
from tests.unit.activities.conftest import ACCEPTED_AT, Setup, interaction

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


async def _settle(setup: Setup) -> Settled:
    return await setup.environment.run(setup.activities().settle_interaction, _SETTLING)


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


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(404), httpx.ReadTimeout("slow")])
async def test_a_failed_fetch_is_tried_again(setup: Setup, answer: httpx.Response | Exception) -> None:
    """The interaction was seen to have ended a moment ago: one failed GET loses nothing."""
    setup.answers(answer)
    with pytest.raises(ApplicationError) as caught:
        await _settle(setup)
    assert (caught.value.type, caught.value.non_retryable) == (ActivityErrorType.NOT_SETTLED, False)


async def test_a_result_that_stays_away_is_lost(setup: Setup) -> None:
    """A 404 is believed after the same grace period as while watching, however many attempts there were."""
    setup.answers(httpx.Response(404))
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
