"""Whatever the service sends is understood as far as possible, and kept in full."""

import importlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from interactions import contents, events, steps
from interactions.contents import (
    Annotation,
    Content,
    TextContent,
    UnknownAnnotation,
    UnknownContent,
    UrlCitation,
)
from interactions.documents import parse_event, parse_interaction, parse_json, parse_object
from interactions.events import Delta, UnknownDelta
from interactions.responses import Interaction
from interactions.statuses import Standing, Status, is_known, standing
from interactions.steps import FunctionCallStep, ModelOutputStep, Step, UnknownStep
from interactions.wire import Unknown

FINISHED: dict[str, Any] = {
    "id": "v1_ChdX",
    "object": "interaction",
    "agent": "deep-research-preview-04-2026",
    "status": "completed",
    "created": "2026-11-22T10:14:03Z",
    "updated": "2026-11-22T10:14:03Z",
    "steps": [
        {"type": "user_input", "content": [{"type": "text", "text": "Research"}]},
        {"type": "thought", "summary": [{"type": "text", "text": "Planning"}], "signature": ""},
        {"type": "google_search_call", "id": "gs_1", "arguments": {"queries": ["q"]}, "signature": "QUJD"},
        {"type": "google_search_result", "call_id": "gs_1", "result": [{"search_suggestions": "<div/>"}]},
        {
            "type": "model_output",
            "content": [
                {
                    "type": "text",
                    "text": "# Report",
                    "annotations": [
                        {"type": "url_citation", "start_index": 2, "end_index": 8, "url": "https://a"}
                    ],
                },
                {"type": "image", "mime_type": "image/png", "data": "iVBOR"},
                {"type": "text", "text": " end"},
            ],
        },
    ],
    "usage": {
        "total_tokens": "319000",
        "total_input_tokens": 250000,
        "grounding_tool_count": [{"type": "google_search", "count": 80}],
    },
    "webhook_config": {"uris": ["https://hook"]},
}


def read(document: object) -> Interaction:
    """Read ``document`` as the client would."""
    body = json.dumps(document).encode()
    return parse_interaction(parse_object(body), body)


def test_a_finished_run_is_read() -> None:
    """The documented example comes out typed, with unknown fields kept and 64-bit strings as numbers."""
    interaction = read(FINISHED)
    assert (interaction.id, interaction.standing) == ("v1_ChdX", Standing.TERMINAL)
    assert [step.type for step in interaction.steps] == [step["type"] for step in FINISHED["steps"]]
    assert not any(isinstance(step, UnknownStep) for step in interaction.steps)
    assert interaction.usage is not None
    assert interaction.usage.total_tokens == 319_000
    assert interaction.usage.grounding_tool_count[0].count == 80
    assert interaction.text == "# Report end"
    (citation,) = interaction.texts[0].annotations
    assert isinstance(citation, UrlCitation)
    assert (citation.start_index, citation.end_index, citation.url) == (2, 8, "https://a")
    assert interaction.model_extra == {"object": "interaction", "webhook_config": {"uris": ["https://hook"]}}
    assert json.loads(interaction.raw_json) == FINISHED


def output(*texts: str) -> dict[str, Any]:
    """A model output of text parts."""
    return {"type": "model_output", "content": [{"type": "text", "text": text} for text in texts]}


QUESTION: dict[str, Any] = {"type": "user_input", "content": [{"type": "text", "text": "?"}]}
IMAGE: dict[str, Any] = {"type": "model_output", "content": [{"type": "image", "data": "QUJD"}]}
SEARCH: dict[str, Any] = {"type": "google_search_call", "id": "g"}


@pytest.mark.parametrize(
    ("timeline", "text"),
    [
        ([], ""),
        ([QUESTION], ""),
        ([output("a", "b")], "ab"),
        ([QUESTION, output("a"), {"type": "thought"}, output("b")], "ab"),
        ([QUESTION, output("a"), SEARCH, output("b")], "ab"),
        ([QUESTION, output("a"), output("b"), IMAGE, output("c")], "abc"),
        ([QUESTION, output("old"), QUESTION, output("new")], "new"),
        ([QUESTION, output("old"), QUESTION, SEARCH], ""),
        ([QUESTION, output("old"), {"type": "user_input", "content": 7}, output("new")], "new"),
        ([QUESTION, output("a"), {"type": "novelty"}, "junk", None, output("b")], "ab"),
    ],
)
def test_the_answer_is_all_text_after_the_last_question(timeline: list[object], text: str) -> None:
    """Nothing between two pieces of an answer, and no earlier turn, changes what the answer is."""
    assert read({"id": "a", "status": "completed", "steps": timeline}).text == text


def test_unknown_kinds_are_kept_raw_wherever_they_occur() -> None:
    """New steps, contents and annotations keep their place and their whole value."""
    step = {"type": "tool_call", "id": "1", "signature": "QUJD"}
    content = {"type": "hologram", "depth": 3}
    annotation = {"type": "smell", "start_index": 1}
    text = {"type": "text", "text": "x", "annotations": [annotation], "novelty": 1}
    interaction = read(
        {
            "id": "a",
            "status": "dreaming",
            "steps": [step, {"type": "model_output", "content": [content, text]}],
        }
    )
    unknown, known = interaction.steps
    assert isinstance(unknown, UnknownStep)
    assert unknown.raw == step
    assert isinstance(known, ModelOutputStep)
    assert isinstance(known.content[0], UnknownContent)
    assert known.content[0].raw == content
    assert isinstance(known.content[1], TextContent)
    assert known.content[1].model_extra == {"novelty": 1}
    assert isinstance(known.content[1].annotations[0], UnknownAnnotation)
    assert known.content[1].annotations[0].raw == annotation
    assert (interaction.status, interaction.standing) == ("dreaming", Standing.RUNNING)


@pytest.mark.parametrize(
    "step",
    [
        {"type": "model_output", "content": "text"},
        {"type": "model_output", "content": {"type": "text"}},
        {"type": "function_call", "id": [], "name": "f", "arguments": {}},
        {"type": "function_call", "id": "c", "name": "f", "arguments": "{}"},
        {"type": "google_search_call", "id": "g", "arguments": {"queries": 5}},
        {"type": ["model_output"]},
        {"type": None},
        {},
        [],
        "text",
        5,
        None,
    ],
)
def test_a_step_with_the_wrong_types_is_kept_raw(step: object) -> None:
    """A known name with unexpected contents is no reason to lose the step or the run."""
    interaction = read({"id": "a", "status": "completed", "steps": [step, output("x")]})
    assert isinstance(interaction.steps[0], UnknownStep)
    assert interaction.steps[0].raw == step
    assert interaction.text == "x"
    assert json.loads(interaction.model_dump_json())["steps"][0] == step


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"id": "a"}, ("a", "")),
        ({"status": "completed"}, ("", "completed")),
        ({"id": None, "status": None}, ("", "")),
        ({"id": 5, "status": 7}, ("5", "7")),
        ({"id": {}, "status": []}, ("", "")),
        (
            {"id": "a", "status": "completed", "steps": None, "usage": None, "errors": None},
            ("a", "completed"),
        ),
        ({"id": "a", "status": "completed", "steps": {}, "usage": [], "errors": 5}, ("a", "completed")),
        ({"id": "a", "status": "completed", "model": {}, "labels": 1, "created": []}, ("a", "completed")),
        ({"id": "a", "status": "completed", "usage": {"total_tokens": "many"}}, ("a", "completed")),
    ],
)
def test_no_field_of_the_wrong_type_is_fatal(document: dict[str, Any], expected: tuple[str, str]) -> None:
    """Even id and status may be missing or strange."""
    interaction = read(document)
    assert (interaction.id, interaction.status) == expected


def test_a_failed_run_tells_why() -> None:
    """Diagnostics are read, whether their codes are words or numbers."""
    interaction = read(
        {"id": "a", "status": "failed", "errors": [{"code": "safety", "message": "m"}, {"code": 13}]}
    )
    assert [problem.code for problem in interaction.errors] == ["safety", "13"]


def test_a_nearly_empty_step_is_still_known() -> None:
    """Streams start steps with little, and the service leaves out what is empty."""
    for kind in ("function_call", "code_execution_call", "mcp_server_tool_call", "tool_search_call"):
        (step,) = read({"id": "a", "steps": [{"type": kind, "id": "c"}]}).steps
        assert not isinstance(step, UnknownStep)
    (call,) = read({"id": "a", "steps": [{"type": "function_call"}]}).steps
    assert isinstance(call, FunctionCallStep)
    assert call.arguments == {}


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "id", "status", "steps", "content", "text", "usage", "delta", "step", "index", "x"]
            ),
            inner,
            max_size=5,
        )
        | st.builds(
            lambda kind, rest: {"type": kind, **rest},
            st.sampled_from(["text", "model_output", "thought", "function_call", "image", "user_input"]),
            st.dictionaries(st.sampled_from(["content", "text", "summary", "arguments", "data"]), inner),
        )
    ),
    max_leaves=20,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "status", "steps", "usage", "errors", "model", "labels", "x"]),
        JSON_VALUES,
        min_size=1,
    )
)
def test_no_document_is_too_strange(document: dict[str, Any]) -> None:
    """Any JSON object is an interaction that can be read, shown and dumped."""
    interaction = read(document)
    assert interaction.standing in Standing
    assert isinstance(interaction.text, str)
    interaction.model_dump_json()


@given(
    kind=st.sampled_from(["step.start", "step.delta", "interaction.completed", "error", "new"]),
    fields=JSON_VALUES,
)
def test_no_event_is_too_strange(kind: str, fields: object) -> None:
    """Any JSON makes an event."""
    document = {"event_type": kind, "step": fields, "delta": fields, "interaction": fields, "error": fields}
    assert parse_event("", json.dumps(document).encode()).event_type == kind
    parse_event(kind, json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'"caf\u00e9 \ud83d\ude00"', "café 😀"),
        (rb'"a\ud83d"', "a\ufffd"),
        (rb'"a\ude00b"', "a\ufffdb"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'"\ud83d\ude00\ude00"', "😀\ufffd"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (b'"a\xffb"', "a\ufffdb"),
        (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
    ],
)
def test_broken_characters_do_not_cost_the_document(body: bytes, text: str) -> None:
    """What is no Unicode is replaced, and everything around it stays."""
    assert parse_json(body) == text


@given(
    st.lists(
        st.sampled_from([r"\ud83d", r"\ude00", r"\\", r"\n", "x", r"\u0041", r"\uD83D", r"\uDE00"]),
        max_size=8,
    )
)
def test_any_mix_of_escapes_is_read(escapes: list[str]) -> None:
    """No order of whole and half pairs and backslashes is refused or yields half a character."""
    text = parse_json(('"' + "".join(escapes) + '"').encode())
    expected = (
        json.loads('"' + "".join(escapes) + '"').encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )
    assert text == expected


# --- statuses


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("queued", Standing.RUNNING),
        ("in_progress", Standing.RUNNING),
        ("requires_action", Standing.TURN_OVER),
        ("requires_continuation", Standing.TURN_OVER),
        ("completed", Standing.TERMINAL),
        ("failed", Standing.TERMINAL),
        ("cancelled", Standing.TERMINAL),
        ("incomplete", Standing.TERMINAL),
        ("budget_exceeded", Standing.TERMINAL),
        ("", Standing.RUNNING),
        ("paused", Standing.RUNNING),
        ("COMPLETED", Standing.RUNNING),
    ],
)
def test_what_each_status_means(status: str, meaning: Standing) -> None:
    """Known words mean what the API says; any other means look again."""
    assert standing(status) is meaning
    assert is_known(status) == (status in set(Status))


# --- the official SDK as a witness that nothing it knows is unknown to us


def sdk(module: str, name: str) -> Any:
    """A name of the official SDK's generated types."""
    return getattr(importlib.import_module(f"google.genai._gaos.types.interactions.{module}"), name)


@pytest.mark.parametrize(
    ("module", "variants", "ours", "unknown"),
    [
        ("step", "_STEP_VARIANTS", Step, UnknownStep),
        ("content", "_CONTENT_VARIANTS", Content, UnknownContent),
        ("annotation", "_ANNOTATION_VARIANTS", Annotation, UnknownAnnotation),
        ("stepdeltadata", "_STEP_DELTA_DATA_VARIANTS", Delta, UnknownDelta),
    ],
)
def test_every_kind_of_the_official_sdk_is_known(
    module: str, variants: str, ours: Any, unknown: type[Unknown]
) -> None:
    """Each of the SDK's kinds, with each of its fields, is a declared one here."""
    adapter: TypeAdapter[Any] = TypeAdapter(ours)
    for kind, theirs in sdk(module, variants).items():
        mine = adapter.validate_python({"type": kind})
        assert not isinstance(mine, unknown), kind
        names = {field.alias or key for key, field in theirs.model_fields.items()}
        # Deprecated by the service in favour of ``sample_rate``.
        assert names - set(type(mine).model_fields) <= {"rate"}, kind


@pytest.mark.parametrize(
    ("module", "theirs", "ours"),
    [
        ("usage", "Usage", "Usage"),
        ("urlcontextresult", "URLContextResult", "UrlContextResult"),
        ("googlesearchresult", "GoogleSearchResult", "GoogleSearchResult"),
        ("googlemapsresultplaces", "GoogleMapsResultPlaces", "Place"),
        ("reviewsnippet", "ReviewSnippet", "ReviewSnippet"),
        ("status", "Status", "RpcStatus"),
        ("stepstart", "StepStart", "StepStart"),
        ("stepdelta", "StepDelta", "StepDelta"),
        ("stepstop", "StepStop", "StepStop"),
        ("interactionstatusupdate", "InteractionStatusUpdate", "InteractionStatusUpdate"),
        ("interactioncreatedevent", "InteractionCreatedEvent", "InteractionCreated"),
        ("interactioncompletedevent", "InteractionCompletedEvent", "InteractionCompleted"),
        ("errorevent", "ErrorEvent", "ErrorEvent"),
    ],
)
def test_every_field_of_the_official_sdk_is_declared(module: str, theirs: str, ours: str) -> None:
    """Nested models and events have the SDK's fields."""
    mine = next(getattr(place, ours) for place in (events, steps, contents) if hasattr(place, ours))
    assert set(sdk(module, theirs).model_fields) <= set(mine.model_fields)


def test_every_status_of_the_official_sdk_is_known() -> None:
    """The SDK's words are ours."""
    annotation = str(
        sdk("interactionstatusupdate", "InteractionStatusUpdate").model_fields["status"].annotation
    )
    # Came with google-genai 3.6.1.
    newer = {Status.IDLE}
    for status in set(Status) - newer:
        assert f"'{status}'" in annotation
    assert annotation.count("'") == 2 * len(set(Status) - newer)
