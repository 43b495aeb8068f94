"""What a look gets instead of the interaction when a look fault fires."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.responses import Response, StreamingResponse

from emulator.board import ActiveFault
from emulator.errors import (
    ApiError,
    not_found,
    permission_denied,
    several_credentials,
    too_many,
    unavailable,
)
from emulator.records import Record
from emulator.service import Emulator
from emulator.view import resource
from emulator.wire import JSON, DropReply, HangReply, encode, error_reply, filler, html_reply, raw_reply

GIANT_BYTES: Final = 256 * 1024 * 1024

_WRONG_TYPES: Final = {
    "object": ["interaction"],
    "status": 7,
    "created": {"seconds": 1},
    "steps": {"type": "model_output"},
    "usage": "plenty",
    "errors": "none",
}

_REFUSALS: Final[dict[str, Callable[[ActiveFault, Record], ApiError]]] = {
    "get-403-early": lambda _, __: permission_denied(),
    "get-404-early": lambda _, record: not_found(f"Interaction {record.interaction_id!r} not found."),
    "get-429": lambda active, _: too_many(active.directive.retry_after_s),
    "get-500": lambda _, __: unavailable("500"),
    "get-400-credentials": lambda _, __: several_credentials(),
}

_EMPTY: Final[dict[str, Callable[[Emulator], Response]]] = {
    "get-html": lambda _: html_reply(502),
    "get-empty": lambda _: Response(b""),
    "get-drop": lambda _: DropReply(),
    "get-hang": lambda emulator: HangReply(emulator.stopping),
}


def sick_reply(active: ActiveFault, emulator: Emulator, record: Record, *, wants_stream: bool) -> Response:
    """The answer of a look fault."""
    if active.fault.name in _REFUSALS:
        return error_reply(_REFUSALS[active.fault.name](active, record))
    if active.fault.name in _EMPTY:
        return _EMPTY[active.fault.name](emulator)
    match active.fault.name:
        case "giant-body":
            return _giant(record, active.directive.result_bytes or GIANT_BYTES)
        case "endless-stream":
            return _endless(emulator, record, wants_stream=wants_stream)
        case "wrong-types":
            return raw_reply(encode({"id": record.interaction_id, **_WRONG_TYPES}))
        case _:  # get-cut
            timeline = emulator.timeline(record)
            body = resource(record, timeline, emulator.clock, now_s=emulator.clock.now_s())
            return DropReply(body[: max(1, len(body) // 2)])


def _giant(record: Record, total_bytes: int) -> Response:
    head = encode({"id": record.interaction_id, "object": "interaction", "status": "completed"})[:-1]
    head += b',"steps":[{"type":"model_output","content":[{"type":"text","text":"'
    return StreamingResponse(filler(total_bytes, head=head, tail=b'"}]}]}'), media_type=JSON)


def _endless(emulator: Emulator, record: Record, *, wants_stream: bool) -> Response:
    thought = {"type": "thought", "summary": [{"type": "text", "text": "Once more, from the beginning."}]}
    if wants_stream:
        delta = {"index": 0, "delta": {"type": "text", "text": "and so on "}, "event_type": "step.delta"}
        chunk = b"event: step.delta\ndata: " + encode(delta) + b"\n\n"
        return StreamingResponse(_repeat(emulator, b"", chunk), media_type="text/event-stream")
    head = encode({"id": record.interaction_id, "object": "interaction", "status": "in_progress"})[:-1]
    chunk = encode(thought) + b","
    return StreamingResponse(_repeat(emulator, head + b',"steps":[', chunk), media_type=JSON)


async def _repeat(emulator: Emulator, head: bytes, chunk: bytes) -> AsyncIterator[bytes]:
    yield head
    while not emulator.stopping.is_set():
        yield chunk * 100
        # Without a pause a client that never reads a bound would starve the other connections.
        await asyncio.sleep(0.001)
