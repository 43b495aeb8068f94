"""Streams: typed events, honest ends, and nothing held longer or larger than allowed."""

import asyncio
import json

import httpx2 as httpx
import pytest

from interactions.client import InteractionsClient
from interactions.contents import ImageContent
from interactions.errors import ApiStatusError, CallTimedOut, MalformedResponse, StreamBroken
from interactions.events import (
    ErrorEvent,
    InteractionCompleted,
    InteractionCreated,
    InteractionStatusUpdate,
    StepDelta,
    StepStart,
    StepStop,
    StreamEvent,
    TextDelta,
    ThoughtSummaryDelta,
    UnknownDelta,
    UnknownEvent,
)
from interactions.requests import CreateInteraction
from interactions.steps import GoogleSearchCallStep, ThoughtStep, UnknownStep
from interactions.stream import EventStream
from tests.unit.interactions.support import (
    KEY,
    SSE_HEADERS,
    answering,
    client_over,
    config,
    failure,
    saying,
    serving,
    sse_body,
)

CREATE = CreateInteraction(agent="deep-research-preview-04-2026", input="Research this.", background=True)
CREATED = '{"interaction":{"id":"v1_a","status":"in_progress"},"event_type":"interaction.created"}'
DELTA = '{"index":1,"delta":{"type":"text","text":"# Rep"},"event_type":"step.delta","event_id":"e7"}'
COMPLETED = '{"interaction":{"id":"v1_a","status":"completed"},"event_type":"interaction.completed"}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
GATEWAY_503 = '[{"error":{"code":503,"message":"Deadline expired","status":"UNAVAILABLE"}}]'


async def events_of(client: InteractionsClient, seen: list[StreamEvent] | None = None) -> EventStream:
    """Follow ``v1_a`` to the end into ``seen`` and return the stream."""
    async with client.stream("v1_a") as events:
        async for event in events:
            if seen is not None:
                seen.append(event)
    return events


def streaming(*events: str, tail: str = "") -> httpx.Response:
    """A whole stream as one response."""
    return httpx.Response(200, content=sse_body(*events) + tail.encode(), headers=SSE_HEADERS)


async def test_a_run_comes_as_typed_events() -> None:
    """Each event of a documented run has its type, and its text is kept beside it."""
    texts = [
        CREATED,
        '{"interaction_id":"v1_a","status":"in_progress","event_type":"interaction.status_update"}',
        '{"index":0,"step":{"type":"thought"},"event_type":"step.start"}',
        '{"index":0,"delta":{"type":"thought_summary","content":{"type":"text","text":"t"}},"event_type":"step.delta","event_id":"e1"}',
        '{"index":0,"event_type":"step.stop","usage":{"total_tokens":"12"}}',
        '{"step":{"type":"google_search_call","id":"g"},"event_type":"step.start"}',
        '{"index":1,"delta":{"type":"image","data":"QUJD","mime_type":"image/png"},"event_type":"step.delta"}',
        DELTA,
        '{"error":{"code":"gateway_timeout","message":"m"},"event_type":"error"}',
        COMPLETED,
    ]
    seen: list[StreamEvent] = []
    async with client_over(lambda _: streaming(*texts, "[DONE]", CREATED)) as client:
        stream = await events_of(client, seen)
    created, update, start, thought, stop, search, image, text, error, completed = seen
    assert isinstance(created, InteractionCreated)
    assert (created.interaction.id, created.interaction.status) == ("v1_a", "in_progress")
    assert isinstance(update, InteractionStatusUpdate)
    assert isinstance(start, StepStart)
    assert isinstance(start.step, ThoughtStep)
    assert isinstance(thought, StepDelta)
    assert isinstance(thought.delta, ThoughtSummaryDelta)
    assert isinstance(stop, StepStop)
    assert stop.usage is not None
    assert stop.usage.total_tokens == 12
    assert isinstance(search, StepStart)
    assert isinstance(search.step, GoogleSearchCallStep)
    assert isinstance(image, StepDelta)
    assert isinstance(image.delta, ImageContent)
    assert isinstance(text, StepDelta)
    assert isinstance(text.delta, TextDelta)
    assert isinstance(error, ErrorEvent)
    assert isinstance(completed, InteractionCompleted)
    assert [event.raw_json.decode() for event in seen] == texts
    assert (stream.is_done, stream.last_event_id) == (True, "e7")


@pytest.mark.parametrize(
    "text",
    [
        '{"event_type":"interaction.paused","event_id":"e9","why":1}',
        '{"index":{},"event_type":"step.stop","event_id":"e9"}',
        '{"event_type":"step.start","event_id":"e9"}',
    ],
)
async def test_events_not_understood_are_kept(text: str) -> None:
    """An unknown event, or one with the wrong fields, is passed on raw and still marks the place."""
    seen: list[StreamEvent] = []
    async with client_over(lambda _: streaming(text, COMPLETED)) as client:
        stream = await events_of(client, seen)
    assert isinstance(seen[0], UnknownEvent)
    assert seen[0].raw == json.loads(text)
    assert seen[0].event_type == json.loads(text)["event_type"]
    assert stream.last_event_id == "e9"
    assert isinstance(seen[1], InteractionCompleted)


@pytest.mark.parametrize("text", ["not json", '{"half":', "[1]", '"[DONE]"'])
async def test_data_that_is_no_object_is_kept_as_text(text: str) -> None:
    """Data of an event that is no JSON object does not end the stream."""
    seen: list[StreamEvent] = []
    async with client_over(lambda _: streaming(text, COMPLETED)) as client:
        await events_of(client, seen)
    assert isinstance(seen[0], UnknownEvent)
    assert seen[0].raw == text
    assert len(seen) == 2


async def test_unknown_deltas_and_steps_are_kept() -> None:
    """New kinds inside known events stay inside them."""
    start = '{"index":0,"step":{"type":"tool_call","id":"1"},"event_type":"step.start"}'
    delta = '{"index":0,"delta":{"type":"smell","note":"oak"},"event_type":"step.delta"}'
    seen: list[StreamEvent] = []
    async with client_over(lambda _: streaming(start, delta)) as client:
        await events_of(client, seen)
    assert isinstance(seen[0], StepStart)
    assert isinstance(seen[0].step, UnknownStep)
    assert seen[0].step.raw == {"type": "tool_call", "id": "1"}
    assert isinstance(seen[1], StepDelta)
    assert isinstance(seen[1].delta, UnknownDelta)
    assert seen[1].delta.raw == {"type": "smell", "note": "oak"}


async def test_the_event_line_names_an_event_whose_json_does_not() -> None:
    """Should the repeated name go, the standard one remains."""
    body = b'event: step.stop\ndata: {"index":3}\n\n'
    seen: list[StreamEvent] = []
    async with client_over(answering(content=body, headers=SSE_HEADERS)) as client:
        await events_of(client, seen)
    assert isinstance(seen[0], StepStop)
    assert seen[0].index == 3


async def test_a_stream_may_end_without_saying_so() -> None:
    """The end of the body ends the events; whether the service meant it can be asked."""
    async with client_over(lambda _: streaming(CREATED)) as client:
        assert not (await events_of(client)).is_done


async def test_an_error_in_place_of_the_end_breaks_the_stream() -> None:
    """The gateway's raw error after 600 s is no end of a stream."""
    seen: list[StreamEvent] = []
    async with client_over(lambda _: streaming(CREATED, DELTA, tail=GATEWAY_503)) as client:
        error = await failure(events_of(client, seen))
    assert isinstance(error, StreamBroken)
    assert (error.status_code, error.code) == (503, "unavailable")
    assert "Deadline expired" in error.message
    assert len(seen) == 2


async def test_a_tail_that_says_nothing_breaks_the_stream_too() -> None:
    """Half an error is still no end."""
    async with client_over(lambda _: streaming(CREATED, tail='[{"error":')) as client:
        assert isinstance(await failure(events_of(client)), StreamBroken)


async def test_a_dropped_stream_is_broken_and_remembers_the_place() -> None:
    """After a cut, ``last_event_id`` is where to resume."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    body = sse_body(CREATED, DELTA)
    async with (
        serving(saying(head + b"%x\r\n%s\r\n" % (len(body), body))) as address,
        InteractionsClient(config(base_url=address)) as client,
    ):
        async with client.stream("v1_a") as events:
            assert isinstance(await anext(events), InteractionCreated)
            assert isinstance(await anext(events), StepDelta)
            error = await failure(anext(events))
        assert isinstance(error, StreamBroken)
        assert error.is_transient
        assert events.last_event_id == "e7"


async def test_a_silent_stream_is_given_up() -> None:
    """Resumed streams have been seen to stall for good after two events."""
    async with (
        serving(saying(HEAD + sse_body(CREATED), then_stall=True)) as address,
        InteractionsClient(config(base_url=address, stream_idle_timeout_s=0.1)) as client,
    ):
        seen: list[StreamEvent] = []
        error = await failure(events_of(client, seen))
    assert isinstance(error, StreamBroken)
    assert len(seen) == 1


async def test_a_stream_that_never_begins_is_given_up() -> None:
    """The head of the answer has the time of any other call."""
    async with (
        serving(saying(then_stall=True)) as address,
        InteractionsClient(config(base_url=address, call_timeout_s=0.1)) as client,
    ):
        assert isinstance(await failure(events_of(client)), CallTimedOut)


async def test_an_endless_line_is_cut_off() -> None:
    """A line without end must not eat the worker's memory."""

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"data: ")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with (
        serving(endless) as address,
        InteractionsClient(config(base_url=address, max_event_bytes=100_000)) as client,
    ):
        error = await failure(events_of(client))
    assert isinstance(error, StreamBroken)
    assert "100000" in error.message


async def test_resuming_names_the_event_to_resume_after() -> None:
    """``last_event_id`` goes into the query, quoted, and never without ``stream``."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return streaming("[DONE]")

    async with client_over(handler) as client:
        async with client.stream("v1_a", last_event_id="e&7=") as events:
            assert [event async for event in events] == []
        async with client.stream("v1_a"):
            pass
    assert requests[0].url.raw_path == b"/v1beta/interactions/v1_a?stream=true&last_event_id=e%267%3D"
    assert requests[0].headers["accept"] == "text/event-stream"
    assert requests[1].url.raw_path == b"/v1beta/interactions/v1_a?stream=true"


async def test_a_streamed_create_asks_for_a_stream() -> None:
    """``stream_create`` sends what ``create`` sends, and ``stream``."""
    requests: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return streaming(CREATED, "[DONE]")

    async with client_over(handler) as client, client.stream_create(CREATE) as events:
        first = await anext(events)
    assert isinstance(first, InteractionCreated)
    (request,) = requests
    assert request.method == "POST"
    assert json.loads(request.content) == json.loads(CREATE.to_body(stream=False)) | {"stream": True}


async def test_an_id_is_not_lost_when_the_server_does_not_stream() -> None:
    """A create answered with plain JSON was accepted all the same."""
    async with (
        client_over(answering(json={"id": "v1_a", "status": "queued"})) as client,
        client.stream_create(CREATE) as events,
    ):
        (event,) = [event async for event in events]
    assert isinstance(event, InteractionCreated)
    assert event.interaction.id == "v1_a"
    assert events.is_done


async def test_a_page_instead_of_a_stream_is_malformed() -> None:
    """A 200 that is neither events nor an interaction may have run."""
    async with client_over(answering(html="<html></html>")) as client:
        error = await failure(events_of(client))
    assert isinstance(error, MalformedResponse)
    assert error.may_have_run


@pytest.mark.parametrize(("status_code", "may_have_run"), [(404, False), (500, True)])
async def test_an_error_status_is_an_ordinary_error(status_code: int, *, may_have_run: bool) -> None:
    """A stream that is refused fails like any other call, even under the media type of events."""
    body = {"error": {"code": "x", "message": "m"}}
    for headers in ({}, SSE_HEADERS):
        async with client_over(answering(status_code, json=body, headers=headers)) as client:
            error = await failure(events_of(client))
        assert isinstance(error, ApiStatusError)
        assert (error.status_code, error.may_have_run) == (status_code, may_have_run)


async def test_leaving_early_drops_the_connection() -> None:
    """Whoever leaves a stream does not wait for its end and does not keep its connection."""
    gone = asyncio.Event()

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + sse_body(CREATED))
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        gone.set()

    async with serving(dialogue) as address, InteractionsClient(config(base_url=address)) as client:
        async with client.stream("v1_a") as events:
            async for _ in events:
                break
        await asyncio.wait_for(gone.wait(), 5)


async def test_an_error_of_the_reader_passes_through() -> None:
    """What goes wrong inside the ``async with`` is the caller's and stays what it is."""
    mine = TimeoutError("mine")

    async def follow() -> None:
        async with client.stream("v1_a"):
            raise mine

    async with client_over(lambda _: streaming(CREATED)) as client:
        with pytest.raises(TimeoutError) as caught:
            await follow()
    assert caught.value is mine


async def test_an_echoed_key_is_blotted_out_of_events() -> None:
    """No event carries the key on, typed or raw."""
    delta = DELTA.replace("# Rep", KEY)
    seen: list[StreamEvent] = []
    async with client_over(
        lambda _: streaming(delta, "oops " + KEY, tail=GATEWAY_503.replace("Deadline", KEY))
    ) as client:
        error = await failure(events_of(client, seen))
    assert KEY not in repr(seen) + repr([event.raw_json for event in seen]) + str(error)
    assert "[redacted]" in repr(seen)
    assert "[redacted]" in str(error)
