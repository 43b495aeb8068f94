"""Server-sent events: a run told as it happens, or again from any point."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from emulator.records import Record
from emulator.service import Emulator
from emulator.timeline import Step, TimedStep, Timeline
from emulator.view import end_status_of, ended_at, head_of
from emulator.wire import base64url, encode, gone, hang_up

CONNECTION_LIMIT_S: Final = 600.0
"""Emulated seconds after which the live service cuts a stream."""

_TEXT_CHUNK: Final = 240
"""Characters in one text delta."""

_STALL_AFTER: Final = 2
_WAKE_EVERY_S: Final = 0.25
"""Wall seconds between two glances at cancellation, time scale and the server's end."""

_JSON_TAIL: Final = encode(
    [{"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}}]
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        at_s: When it happens, in emulated seconds since the run was created.
        payload: Its JSON, with ``event_type``.
    """

    at_s: float
    payload: dict[str, Any]

    @property
    def event_id(self) -> str | None:
        """What a client resumes after; only deltas have one."""
        return self.payload.get("event_id")

    def encoded(self) -> bytes:
        """The event on the wire."""
        event_type = str(self.payload["event_type"])
        return b"event: " + event_type.encode() + b"\ndata: " + encode(self.payload) + b"\n\n"


_DONE: Final = b"event: done\ndata: [DONE]\n\n"


def find_event(emulator: Emulator, record: Record, event_id: str) -> bool:
    """Whether the run has, or will have, an event with this id."""
    return any(event.event_id == event_id for event in events_of(emulator, record))


def events_of(emulator: Emulator, record: Record) -> Iterator[Event]:
    """Every event of a run that is not cancelled, in order, up to the completed event."""
    timeline = emulator.timeline(record)
    yield from _opening(emulator, record)
    if "zombie" in record.life:
        return
    index = 0
    for index, step in enumerate(_lazily(timeline)):
        yield from _step_events(index, step)
    yield from _ending(emulator, record, timeline)


def _lazily(timeline: Timeline) -> Iterator[TimedStep]:
    yield from timeline.working
    # Only now is the report written and the chart drawn.
    yield from timeline.output


def _opening(emulator: Emulator, record: Record) -> Iterator[Event]:
    status = "queued" if "queued" in record.life else "in_progress"
    head = head_of(record, status=status, clock=emulator.clock, ended_s=None)
    shown = {key: head[key] for key in ("id", "status", "object", "agent", "model") if key in head}
    yield Event(0.0, {"interaction": shown, "event_type": "interaction.created"})
    yield Event(0.0, _status_update(record, status))


def _status_update(record: Record, status: str) -> dict[str, Any]:
    return {
        "interaction_id": record.interaction_id,
        "status": status,
        "event_type": "interaction.status_update",
    }


def _ending(emulator: Emulator, record: Record, timeline: Timeline) -> Iterator[Event]:
    at_s = timeline.duration_s
    status = end_status_of(record, timeline)
    if status == "failed":
        error = timeline.errors[0]
        yield Event(at_s, {"error": error, "event_type": "error"})
        if "stream-error-only" in record.life:
            return
    if status != "completed":
        update = _status_update(record, status)
        if timeline.continuation_token is not None:
            update["continuation_token"] = timeline.continuation_token
        yield Event(at_s, update)
    yield Event(at_s, _completed(emulator, record, status=status, usage=timeline.usage))


def _completed(
    emulator: Emulator, record: Record, *, status: str, usage: dict[str, Any] | None
) -> dict[str, Any]:
    ended_s = ended_at(record, emulator.timeline(record))
    head = head_of(record, status=status, clock=emulator.clock, ended_s=ended_s)
    kept = (
        "id",
        "status",
        "object",
        "agent",
        "model",
        "created",
        "updated",
        "service_tier",
        "environment_id",
    )
    shown = {key: head[key] for key in kept if key in head}
    token = emulator.timeline(record).continuation_token
    if token is not None and status == "requires_continuation":
        shown["continuation_token"] = token
    if usage is not None and "no-usage" not in record.life:
        shown["usage"] = usage
    return {"interaction": shown, "event_type": "interaction.completed"}


def _step_events(index: int, timed: TimedStep) -> Iterator[Event]:
    start, deltas = _parts(timed.step)
    yield Event(timed.starts_s, {"index": index, "step": start, "event_type": "step.start"})
    share = (timed.ends_s - timed.starts_s) / (len(deltas) + 1)
    for number, delta in enumerate(deltas, start=1):
        name = f"{index}_{delta['type']}_{number}"
        event_id = f"v1_{base64url(name.encode())}"
        payload = {"index": index, "delta": delta, "event_type": "step.delta", "event_id": event_id}
        yield Event(timed.starts_s + share * number, payload)
    yield Event(timed.ends_s, {"index": index, "event_type": "step.stop"})


def _parts(step: Step) -> tuple[Step, list[dict[str, Any]]]:
    """The step as ``step.start`` shows it, and the deltas that fill it."""
    kind = step["type"]
    match kind:
        case "thought":
            summaries = [{"type": "thought_summary", "content": each} for each in step.get("summary", [])]
            signature = {"type": "thought_signature", "signature": step.get("signature", "")}
            return {"type": kind}, [*summaries, signature]
        case "model_output":
            deltas = [delta for content in step.get("content", []) for delta in _content_deltas(content)]
            return {key: each for key, each in step.items() if key != "content"}, deltas
        case "function_call":
            arguments = json.dumps(step["arguments"], ensure_ascii=False)
            fragments = [arguments[at : at + 16] for at in range(0, len(arguments), 16)]
            deltas = [{"type": "arguments_delta", "arguments": fragment} for fragment in fragments]
            return {**step, "arguments": {}}, deltas
        case _ if kind.endswith("_call") and kind != "tool_call":
            return {"type": kind, "id": step["id"]}, [{k: v for k, v in step.items() if k != "id"}]
        case _ if kind.endswith("_result"):
            return {"type": kind, "call_id": step["call_id"]}, [
                {k: v for k, v in step.items() if k != "call_id"}
            ]
        case _:
            return step, []


def _content_deltas(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if content["type"] != "text":
        yield content
        return
    text = content["text"]
    for at in range(0, len(text), _TEXT_CHUNK):
        yield {"type": "text", "text": text[at : at + _TEXT_CHUNK]}
    if content.get("annotations"):
        yield {"type": "text_annotation_delta", "annotations": content["annotations"]}


class StreamReply(Response):
    """Send the events of a run as emulated time passes.

    Args:
        emulator: Whose clock to go by.
        record: Which run.
        after: Send only what comes after the event with this id.
    """

    media_type = "text/event-stream"

    def __init__(self, emulator: Emulator, record: Record, *, after: str | None = None) -> None:
        super().__init__()
        self._emulator = emulator
        self._record = record
        self._after = after
        self._opened_s = emulator.clock.now_s()
        self._is_broken = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the end, or until the client has gone."""
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        telling = asyncio.create_task(self._tell(scope, send))
        leaving = asyncio.create_task(gone(receive))
        try:
            await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
                if self._is_broken:
                    # uvicorn complains when an application returns before the connection is seen to be gone.
                    await leaving
            elif not self._record.is_background:
                # Nobody can come back for a foreground run whose stream was dropped.
                self._emulator.delete(self._record)
        finally:
            for task in (telling, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _tell(self, scope: Scope, send: Send) -> None:
        for sent, event in enumerate(self._events()):
            if "stream-stall" in self._record.life and sent == _STALL_AFTER:
                await self._emulator.stopping.wait()
                break
            if not await self._until(event.at_s):
                break
            await _write(send, event.encoded())
        else:
            if "zombie" in self._record.life:
                await self._until(float("inf"))
            else:
                await self._finish(send)
                return
        await self._break_off(scope, send)

    def _events(self) -> Iterator[Event]:
        events = events_of(self._emulator, self._record)
        if self._after is not None:
            for event in events:
                if event.event_id == self._after:
                    break
        return events

    async def _until(self, at_s: float) -> bool:
        """Wait for a moment of the run; False when the stream ends before it."""
        emulator, record = self._emulator, self._record
        at_s += record.created_s
        limited = record.life & {"stream-cut-600", "stream-json-tail"}
        cut_s = self._opened_s + CONNECTION_LIMIT_S if limited else float("inf")
        while True:
            now_s = emulator.clock.now_s()
            if record.cancelled_s is not None and record.cancelled_s <= at_s and now_s >= record.cancelled_s:
                return False
            if emulator.stopping.is_set() or now_s >= cut_s:
                return False
            if now_s >= at_s:
                return True
            wait_s = min(emulator.clock.wall_until(min(at_s, cut_s)), _WAKE_EVERY_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(emulator.stopping.wait(), wait_s)

    async def _break_off(self, scope: Scope, send: Send) -> None:
        record = self._record
        if record.cancelled_s is not None and not self._emulator.stopping.is_set():
            for payload in (
                _status_update(record, "cancelled"),
                _completed(self._emulator, record, status="cancelled", usage=None),
            ):
                await _write(send, Event(0.0, payload).encoded())
            await self._finish(send)
            return
        if "stream-json-tail" in record.life:
            await _write(send, _JSON_TAIL)
        hang_up(scope)
        self._is_broken = True

    async def _finish(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": _DONE, "more_body": False})


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
