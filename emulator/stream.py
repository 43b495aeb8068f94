"""Server-sent events: a run told as it happens, or again from any point."""

import asyncio
import base64
import contextlib
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from emulator.records import Record
from emulator.service import Emulator
from emulator.timeline import Step, TimedStep, Timeline
from emulator.view import end_status_of, ended_at, head_of
from emulator.wire import base64url, encode, gone, hang_up

CONNECTION_LIMIT_S: Final = 600.0
"""Emulated seconds after which the live service cuts a stream."""

CUT_S: Final = 1.0
"""Wall seconds after which ``stream-cut`` drops a connection when the directive does not say."""

_TEXT_CHUNK: Final = 240
"""Characters in one text delta."""

_STALL_AFTER: Final = 2
_REPEATED: Final = 2
"""Events that ``stream-resume-hangs`` tells again."""

_MARKED_OF: Final = 5
"""One delta in so many has an id when ``stream-few-ids`` is on."""

_WAKE_EVERY_S: Final = 0.25
"""Wall seconds between two glances at cancellation, time scale and the server's end."""

_JSON_TAIL: Final = encode(
    [{"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}}]
)


Sizes = Callable[[str], int]
"""Gives the length of the next piece in a delta of this type, in characters."""


class Place(NamedTuple):
    """How far a run has been told: so many units of one step.

    A unit is a character of a text or a thought, and a whole delta of anything else, so that a place is the
    same however a text is cut into deltas.
    """

    step: int
    kind: str
    units: int

    @property
    def event_id(self) -> str:
        """The place on the wire, where it is opaque."""
        return f"v1_{base64url(f'{self.step}_{self.kind}_{self.units}'.encode())}"

    @classmethod
    def of(cls, event_id: str) -> "Place | None":
        """The place that an id stands for; None when it is not one of ours."""
        padded = event_id.removeprefix("v1_") + "=" * (-(len(event_id) - 3) % 4)
        try:
            name = base64.urlsafe_b64decode(padded).decode()
        except ValueError:
            return None
        found = _PLACE.fullmatch(name)
        return cls(int(found[1]), found[2], int(found[3])) if found else None


_PLACE: Final = re.compile(r"(\d{1,9})_(\w+)_(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        at_s: When it happens, in emulated seconds since the run was created.
        payload: Its JSON, with ``event_type``.
        place: How far the run has been told with it; only deltas have one.
    """

    at_s: float
    payload: dict[str, Any]
    place: Place | None = None

    @property
    def event_id(self) -> str | None:
        """What a client resumes after, if the event says it."""
        return self.payload.get("event_id")

    def reaches(self, place: Place) -> bool:
        """Whether the run has been told as far as ``place`` with this event."""
        own = self.place
        return own is not None and own[:2] == place[:2] and own.units >= place.units

    def after(self, place: Place) -> "Event | None":
        """What of an event that reaches ``place`` lies beyond it."""
        beyond = 0 if self.place is None else self.place.units - place.units
        if beyond == 0:
            return None
        delta = self.payload["delta"]
        if delta["type"] == "text":
            rest = {**delta, "text": delta["text"][-beyond:]}
        else:
            content = delta["content"]
            rest = {**delta, "content": {**content, "text": content["text"][-beyond:]}}
        return replace(self, payload={**self.payload, "delta": rest})

    def encoded(self) -> bytes:
        """The event on the wire."""
        event_type = str(self.payload["event_type"])
        return b"event: " + event_type.encode() + b"\ndata: " + encode(self.payload) + b"\n\n"


_DONE: Final = b"event: done\ndata: [DONE]\n\n"


def _even(kind: str) -> int:
    # Live, a thought's summary comes whole.
    return _TEXT_CHUNK if kind == "text" else sys.maxsize


def find_event(emulator: Emulator, record: Record, event_id: str) -> bool:
    """Whether one can resume after the event with this id, which the run has or will have."""
    place = Place.of(event_id)
    if place is None or place.units == 0 or "stream-resume-400" in record.life:
        return False
    return any(event.reaches(place) for event in events_of(emulator, record))


def events_of(emulator: Emulator, record: Record, *, sizes: Sizes = _even) -> Iterator[Event]:
    """Every event of a run that is not cancelled, in order, up to the completed event.

    Args:
        emulator: Whose clock and timelines to go by.
        record: Which run.
        sizes: How its texts are cut into deltas.
    """
    timeline = emulator.timeline(record)
    yield from _opening(emulator, record)
    if "zombie" in record.life:
        return
    has_few_ids = "stream-few-ids" in record.life
    for index, step in enumerate(_lazily(timeline)):
        yield from _step_events(index, step, sizes=sizes, has_few_ids=has_few_ids)
    yield from _ending(emulator, record, timeline)


def _events_after(events: Iterator[Event], place: Place) -> Iterator[Event]:
    for event in events:
        if event.reaches(place):
            rest = event.after(place)
            if rest is not None:
                yield rest
            break
    yield from events


def _events_before(events: Iterator[Event], place: Place) -> list[Event]:
    """The last events up to ``place``."""
    before: list[Event] = []
    for event in events:
        before = [*before, event][-_REPEATED:]
        if event.reaches(place):
            break
    return before


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


def _step_events(index: int, timed: TimedStep, *, sizes: Sizes, has_few_ids: bool) -> Iterator[Event]:
    start, deltas = _parts(timed.step, sizes)
    yield Event(timed.starts_s, {"index": index, "step": start, "event_type": "step.start"})
    share = (timed.ends_s - timed.starts_s) / (len(deltas) + 1)
    units = 0
    for number, delta in enumerate(deltas, start=1):
        units += len(_text_in(delta) or "-")
        place = Place(index, delta["type"], units)
        payload = {"index": index, "delta": delta, "event_type": "step.delta"}
        if not has_few_ids or (index + number) % _MARKED_OF == 0:
            payload["event_id"] = place.event_id
        yield Event(timed.starts_s + share * number, payload, place)
    yield Event(timed.ends_s, {"index": index, "event_type": "step.stop"})


def _text_in(delta: dict[str, Any]) -> str | None:
    """The part of a delta that may come in pieces."""
    match delta:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "thought_summary", "content": {"type": "text", "text": str(text)}}:
            return text
        case _:
            return None


def _parts(step: Step, sizes: Sizes) -> tuple[Step, list[dict[str, Any]]]:
    """The step as ``step.start`` shows it, and the deltas that fill it."""
    kind = step["type"]
    match kind:
        case "thought":
            summaries = [delta for each in step.get("summary", []) for delta in _summary_deltas(each, sizes)]
            signature = {"type": "thought_signature", "signature": step.get("signature", "")}
            return {"type": kind}, [*summaries, signature]
        case "model_output":
            contents = step.get("content", [])
            deltas = [delta for content in contents for delta in _content_deltas(content, sizes)]
            return {key: each for key, each in step.items() if key != "content"}, deltas
        case "function_call":
            arguments = json.dumps(step["arguments"], ensure_ascii=False)
            fragments = [arguments[at : at + 16] for at in range(0, len(arguments), 16)]
            deltas = [{"type": "arguments_delta", "arguments": fragment} for fragment in fragments]
            return {**step, "arguments": {}}, deltas
        case _ if kind.endswith("_call") and kind != "tool_call":
            # What a call's delta cannot hold, its start does.
            start = {k: v for k, v in step.items() if k in {"type", "id", "search_type"}}
            return start, [{k: v for k, v in step.items() if k not in {"id", "search_type"}}]
        case _ if kind.endswith("_result"):
            delta = {k: v for k, v in step.items() if k != "call_id"}
            if kind == "file_search_result":
                # Its delta must have a list, in which the service says nothing.
                delta["result"] = []
            return {"type": kind, "call_id": step["call_id"]}, [delta]
        case _:
            return step, []


def _summary_deltas(content: dict[str, Any], sizes: Sizes) -> Iterator[dict[str, Any]]:
    kind = "thought_summary"
    if content["type"] != "text":
        yield {"type": kind, "content": content}
        return
    for piece in _cut(content["text"], kind, sizes):
        yield {"type": kind, "content": {**content, "text": piece}}


def _content_deltas(content: dict[str, Any], sizes: Sizes) -> Iterator[dict[str, Any]]:
    if content["type"] != "text":
        yield content
        return
    for piece in _cut(content["text"], "text", sizes):
        yield {"type": "text", "text": piece}
    if content.get("annotations"):
        yield {"type": "text_annotation_delta", "annotations": content["annotations"]}


def _cut(text: str, kind: str, sizes: Sizes) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = at + sizes(kind)
        yield text[at:end]
        at = end


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
        self._after = None if after is None else Place.of(after)
        self._opened_s = emulator.clock.now_s()
        self._opened_wall_s = emulator.clock.wall_s()
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
        life, directive = self._record.life, self._record.directive
        is_cut_by_count = "stream-cut" in life and directive.cut_events is not None
        for sent, event in enumerate(self._events()):
            if "stream-stall" in life and sent == _STALL_AFTER:
                await self._emulator.stopping.wait()
                break
            if (is_cut_by_count and sent == directive.cut_events) or not await self._until(event.at_s):
                if "stream-cut" in life:
                    # In the middle of an event, since a network knows nothing of events.
                    encoded = event.encoded()
                    await _write(send, encoded[: len(encoded) // 2])
                break
            await _write(send, event.encoded())
        else:
            if "zombie" in life:
                await self._until(float("inf"))
            elif self._is_hanging:
                await self._emulator.stopping.wait()
            else:
                await self._finish(send)
                return
        await self._break_off(scope, send)

    @property
    def _is_hanging(self) -> bool:
        return "stream-resume-hangs" in self._record.life and self._after is not None

    def _events(self) -> Iterator[Event]:
        events = events_of(self._emulator, self._record, sizes=self._sizes())
        if self._after is None:
            return events
        if self._is_hanging:
            return iter(_events_before(events, self._after))
        return _events_after(events, self._after)

    def _sizes(self) -> Sizes:
        if "stream-rechunked" not in self._record.life:
            return _even
        chance = random.Random()  # noqa: S311 - no secret; no two connections are to be alike
        return lambda _: chance.randint(1, 2 * _TEXT_CHUNK)

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
            left_s = self._wall_left_s()
            if emulator.stopping.is_set() or now_s >= cut_s or left_s <= 0:
                return False
            if now_s >= at_s:
                return True
            wait_s = min(emulator.clock.wall_until(min(at_s, cut_s)), _WAKE_EVERY_S, left_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(emulator.stopping.wait(), wait_s)

    def _wall_left_s(self) -> float:
        """Wall seconds until ``stream-cut`` drops this connection."""
        directive = self._record.directive
        if "stream-cut" not in self._record.life or directive.cut_events is not None:
            return float("inf")
        cut_s = CUT_S if directive.cut_s is None else directive.cut_s
        return self._opened_wall_s + cut_s - self._emulator.clock.wall_s()

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
