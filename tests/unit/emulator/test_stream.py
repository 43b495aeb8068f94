import json
import time
from typing import Any

import httpx2 as httpx
import pytest

from emulator.service import Emulator
from emulator.stream import events_of
from emulator.timeline import text_of
from emulator.wire import base64url
from tests.emulator_server import EmulatorServer
from tests.unit.emulator.conftest import RESEARCH, Create, HeldClock
from tests.unit.emulator.helpers import MODEL, error_of, look, start

_THINKING = {"type": "deep-research", "thinking_summaries": "auto"}


def events_in(body: str) -> list[dict[str, Any]]:
    """The payloads of a stream, each checked against its ``event:`` line."""
    found = []
    for block in filter(None, body.split("\n\n")):
        name, _, data = block.partition("\n")
        if data == "data: [DONE]":
            found.append({"event_type": name.removeprefix("event: ")})
            continue
        payload = json.loads(data.removeprefix("data: "))
        assert name == f"event: {payload['event_type']}"
        found.append(payload)
    return found


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """The event types."""
    return [event["event_type"] for event in events]


async def replay(api: httpx.AsyncClient, interaction_id: str, **query: str) -> list[dict[str, Any]]:
    """All events of a finished run."""
    reply = await api.get(f"/interactions/{interaction_id}", params={"stream": "true", **query})
    assert reply.headers["content-type"].startswith("text/event-stream")
    return events_in(reply.text)


def told(events: list[dict[str, Any]]) -> str:
    """The text of all answers and thoughts, joined."""
    deltas = [event["delta"] for event in events if "delta" in event]
    return "".join(delta.get("text") or delta.get("content", {}).get("text", "") for delta in deltas)


async def test_a_run_is_told_in_order(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Created, status, then for each step start, deltas and stop, then completed and done."""
    interaction_id = await start(api, agent_config=_THINKING)
    clock.pass_time(720)
    events = await replay(api, interaction_id)
    assert kinds(events)[:2] == ["interaction.created", "interaction.status_update"]
    assert kinds(events)[-2:] == ["interaction.completed", "done"]
    assert events[0]["interaction"]["id"] == interaction_id
    steps = [event for event in events if event["event_type"].startswith("step.")]
    open_index = None
    for event in steps:
        match event["event_type"]:
            case "step.start":
                assert open_index is None
                open_index = event["index"]
            case "step.delta":
                assert event["index"] == open_index
            case _:
                assert event["index"] == open_index
                open_index = None
    indices = [event["index"] for event in steps if event["event_type"] == "step.start"]
    assert indices == list(range(len(indices)))
    completed = events[-2]["interaction"]
    assert (completed["status"], "steps" in completed) == ("completed", False)
    assert completed["usage"] == (await look(api, interaction_id))["usage"]


async def test_only_deltas_can_be_resumed_after(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Every delta has an id of its own, other events have none."""
    interaction_id = await start(api)
    clock.pass_time(720)
    events = await replay(api, interaction_id)
    ids = [event["event_id"] for event in events if event["event_type"] == "step.delta"]
    assert len(set(ids)) == len(ids)
    assert not any("event_id" in event for event in events if event["event_type"] != "step.delta")


async def test_the_deltas_add_up_to_the_steps(
    api: httpx.AsyncClient, clock: HeldClock, emulator: Emulator
) -> None:
    """Joined, the text deltas are the report, and the images and citations are all there."""
    interaction_id = await start(api)
    clock.pass_time(720)
    deltas = [event["delta"] for event in await replay(api, interaction_id) if "delta" in event]
    record = emulator.records[interaction_id]
    report = text_of(emulator.timeline(record).steps)
    assert "".join(delta["text"] for delta in deltas if delta["type"] == "text") == report
    assert sum(delta["type"] == "image" for delta in deltas) == 1
    assert sum(delta["type"] == "text_annotation_delta" for delta in deltas) == 3


async def test_a_resumed_stream_goes_on_after_the_marked_event(
    api: httpx.AsyncClient, clock: HeldClock
) -> None:
    """From any delta, the rest is exactly what an unbroken stream would have told."""
    interaction_id = await start(api, agent_config=_THINKING)
    clock.pass_time(720)
    whole = await replay(api, interaction_id)
    marked = [index for index, event in enumerate(whole) if "event_id" in event]
    for index in (marked[0], marked[len(marked) // 2], marked[-1]):
        rest = await replay(api, interaction_id, last_event_id=whole[index]["event_id"])
        assert rest == whole[index + 1 :]


@pytest.mark.parametrize("name", ["none", "", "0_thought_0", "0_thought_99999", "9999_text_1", "0_text_1"])
async def test_an_unknown_event_is_refused(api: httpx.AsyncClient, name: str) -> None:
    """Nobody can resume after what never was."""
    interaction_id = await start(api)
    event_id = f"v1_{base64url(name.encode())}"
    reply = await api.get(f"/interactions/{interaction_id}?stream=true&last_event_id={event_id}")
    assert error_of(reply) == (400, "invalid_request")


async def test_a_service_may_refuse_to_resume(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """An id that the stream itself told is as good as unknown."""
    interaction_id = await start(api, "q [[emulator fault=stream-resume-400]]")
    clock.pass_time(720)
    mark = next(event["event_id"] for event in await replay(api, interaction_id) if "event_id" in event)
    reply = await api.get(f"/interactions/{interaction_id}?stream=true&last_event_id={mark}")
    assert error_of(reply) == (400, "invalid_request")


async def test_a_replay_may_be_cut_into_other_pieces(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """The pieces differ, the text is the same, and one can resume in the middle of any of them."""
    text = "q [[emulator fault=stream-rechunked]]"
    interaction_id = await start(api, text, agent_config=_THINKING)
    clock.pass_time(720)
    first, second = [await replay(api, interaction_id) for _ in range(2)]
    assert told(first) == told(second)
    assert [event["delta"] for event in first if "delta" in event] != [
        event["delta"] for event in second if "delta" in event
    ]
    marked = [index for index, event in enumerate(first) if "event_id" in event]
    for index in (marked[0], marked[len(marked) // 2], marked[-10]):
        rest = await replay(api, interaction_id, last_event_id=first[index]["event_id"])
        assert told(first[: index + 1]) + told(rest) == told(first)


async def test_few_events_may_have_ids(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Most deltas cannot be resumed after."""
    interaction_id = await start(api, "q [[emulator fault=stream-few-ids]]")
    clock.pass_time(720)
    deltas = [event for event in await replay(api, interaction_id) if "delta" in event]
    assert 0 < sum("event_id" in event for event in deltas) < len(deltas) / 3


async def test_function_calls_come_in_fragments(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """A call starts with empty arguments, whose JSON follows in pieces; the turn requires action."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    tool = {"type": "function", "name": "get_weather", "parameters": parameters}
    body = {**MODEL, "input": "The weather in Paris for 3 days", "background": True, "tools": [tool]}
    interaction_id = (await api.post("/interactions", json=body)).json()["id"]
    clock.pass_time(10)
    events = await replay(api, interaction_id)
    (call,) = (event for event in events if event.get("step", {}).get("type") == "function_call")
    assert (call["step"]["name"], call["step"]["arguments"]) == ("get_weather", {})
    deltas = [event["delta"] for event in events if event.get("index") == call["index"] and "delta" in event]
    assert len(deltas) > 1
    assert json.loads("".join(delta["arguments"] for delta in deltas)) == {"city": "Paris", "days": 3}
    assert events[-2]["interaction"]["status"] == "requires_action"


@pytest.mark.parametrize(
    ("faults", "ending"),
    [
        ("failed", ["error", "interaction.status_update", "interaction.completed", "done"]),
        ("failed,stream-error-only", ["step.stop", "error", "done"]),
        ("incomplete", ["interaction.status_update", "interaction.completed", "done"]),
    ],
)
async def test_a_run_may_end_otherwise(
    api: httpx.AsyncClient, clock: HeldClock, faults: str, ending: list[str]
) -> None:
    """A failed run's stream ends with an error event, with or without a completed event."""
    interaction_id = await start(api, f"q [[emulator fault={faults}]]")
    clock.pass_time(720)
    assert kinds(await replay(api, interaction_id))[-len(ending) :] == ending


async def test_usage_may_lag(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """The completed event may lack the bill that the next look has."""
    interaction_id = await start(api, "q [[emulator fault=no-usage]]")
    clock.pass_time(720)
    assert "usage" not in (await replay(api, interaction_id))[-2]["interaction"]
    assert "usage" in await look(api, interaction_id)


async def test_events_wait_for_their_time(emulator: Emulator, api: httpx.AsyncClient) -> None:
    """The events are spread over the run, in order, from its start to its end."""
    record = emulator.records[await start(api)]
    times = [event.at_s for event in events_of(emulator, record)]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (0.0, 720.0)
    assert len({round(at_s) for at_s in times}) > 100


def test_the_first_event_carries_the_id(client: httpx.Client) -> None:
    """A streaming create tells the id at once; leaving then does not stop a background run."""
    body = {**RESEARCH, "input": "q [[emulator duration_s=5000]]", "stream": True}
    with client.stream("POST", "/interactions", json=body) as reply:
        lines = reply.iter_lines()
        assert next(lines) == "event: interaction.created"
        interaction_id = json.loads(next(lines).removeprefix("data: "))["interaction"]["id"]
    assert client.get(f"/interactions/{interaction_id}").json()["status"] == "in_progress"


def test_cancelling_ends_a_stream(client: httpx.Client, create: Create) -> None:
    """Whoever watches a run that is cancelled is told so."""
    interaction_id = create("q [[emulator duration_s=100000]]").json()["id"]
    with client.stream("GET", f"/interactions/{interaction_id}?stream=true") as reply:
        lines = reply.iter_lines()
        next(lines)
        client.post(f"/interactions/{interaction_id}/cancel")
        rest = events_in("\n".join(["event: interaction.created", *lines, ""]))
    assert kinds(rest)[-3:] == ["interaction.status_update", "interaction.completed", "done"]
    assert rest[-2]["interaction"]["status"] == "cancelled"


@pytest.mark.parametrize(("fault", "tail"), [("stream-cut-600", False), ("stream-json-tail", True)])
def test_a_stream_is_cut_at_600_seconds(
    client: httpx.Client, create: Create, fault: str, *, tail: bool
) -> None:
    """After 600 emulated seconds the connection ends without a completed event, perhaps with a raw error."""
    interaction_id = create(f"q [[emulator fault={fault} duration_s=1500]]").json()["id"]
    received = bytearray()

    def read(reply: httpx.Response) -> None:
        for chunk in reply.iter_raw():
            received.extend(chunk)

    with (
        client.stream("GET", f"/interactions/{interaction_id}?stream=true") as reply,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        read(reply)
    assert b"interaction.completed" not in received
    assert received.endswith(b'"UNAVAILABLE"}}]') is tail


@pytest.mark.parametrize("limit", ["cut_events=7", "cut_s=0.2"])
def test_a_stream_may_be_cut_again_and_again(client: httpx.Client, create: Create, limit: str) -> None:
    """After so many events, or so much time, each connection breaks in the middle of an event."""
    interaction_id = create(f"q [[emulator fault=stream-cut {limit} duration_s=1500]]").json()["id"]
    for _ in range(2):
        received = bytearray()

        def read(reply: httpx.Response, received: bytearray = received) -> None:
            for chunk in reply.iter_raw():
                received.extend(chunk)

        with (
            client.stream("GET", f"/interactions/{interaction_id}?stream=true") as reply,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            read(reply)
        if "events" in limit:
            assert received.count(b"\n\n") == 7
        assert not received.endswith(b"\n\n")


def test_a_resumed_stream_may_hang(client: httpx.Client, create: Create) -> None:
    """The marked event and the one before it come again, and then only silence."""
    interaction_id = create("q [[emulator fault=stream-resume-hangs duration_s=1]]").json()["id"]
    url = f"/interactions/{interaction_id}?stream=true"
    whole = events_in(client.get(url).text)
    at = [index for index, event in enumerate(whole) if "event_id" in event][5]
    timeout = httpx.Timeout(5, read=0.5)
    with client.stream("GET", f"{url}&last_event_id={whole[at]['event_id']}", timeout=timeout) as reply:
        lines = reply.iter_lines()
        repeated = events_in("\n".join([next(lines) for _ in range(6)]) + "\n")
        with pytest.raises(httpx.ReadTimeout):
            next(lines)
    assert repeated == whole[at - 1 : at + 1]


def test_a_stream_may_stall(client: httpx.Client, create: Create) -> None:
    """Two events, and then only silence."""
    interaction_id = create("q [[emulator fault=stream-stall]]").json()["id"]
    timeout = httpx.Timeout(5, read=0.5)
    with client.stream("GET", f"/interactions/{interaction_id}?stream=true", timeout=timeout) as reply:
        lines = reply.iter_lines()
        assert [next(lines) for _ in range(6)][3] == "event: interaction.status_update"
        with pytest.raises(httpx.ReadTimeout):
            next(lines)


def test_a_dropped_foreground_stream_loses_the_run(server: EmulatorServer, client: httpx.Client) -> None:
    """Nobody can come back for a foreground run."""
    body = {**MODEL, "input": "q [[emulator submission=dropped duration_s=100000]]", "stream": True}
    with client.stream("POST", "/interactions", json=body) as reply:
        next(reply.iter_lines())
    (interaction_id,) = server.submission("dropped")["interaction_ids"]
    deadline = time.monotonic() + 5
    while client.get(f"/interactions/{interaction_id}").status_code != 404:
        assert time.monotonic() < deadline
