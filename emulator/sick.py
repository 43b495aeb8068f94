"""What a look gets instead of the interaction when a look fault fires."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

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
from emulator.service import Emulator, new_interaction_id
from emulator.view import accepted, resource
from emulator.wire import (
    JSON,
    DropReply,
    HangReply,
    encode,
    error_reply,
    filler,
    html_reply,
    raw_reply,
)

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

_OTHERS: Final[dict[str, Callable[[ActiveFault, Emulator], Response]]] = {
    "get-html": lambda _, __: html_reply(502),
    "get-empty": lambda _, __: Response(b""),
    "get-drop": lambda _, __: DropReply(),
    "get-hang": lambda _, emulator: HangReply(emulator.stopping),
    "get-reply": lambda active, _: active.reply(),
}


def sick_reply(active: ActiveFault, emulator: Emulator, record: Record, *, wants_stream: bool) -> Response:
    """The answer of a look fault."""
    if active.fault.name in _REFUSALS:
        return error_reply(_REFUSALS[active.fault.name](active, record))
    if active.fault.name in _OTHERS:
        return _OTHERS[active.fault.name](active, emulator)
    if active.fault.name in _BODIES:
        return raw_reply(_BODIES[active.fault.name](emulator, record))
    match active.fault.name:
        case "giant-body":
            return _giant(record, active.directive.result_bytes or GIANT_BYTES)
        case "endless-stream":
            return _endless(emulator, record, wants_stream=wants_stream)
        case _:  # get-cut
            body = _shown(emulator, record)
            return DropReply(body[: max(1, len(body) // 2)])


def _shown(emulator: Emulator, record: Record) -> bytes:
    """What a look that goes well shows."""
    timeline = emulator.timeline(record)
    return resource(record, timeline, emulator.clock, now_s=emulator.clock.now_s())


def _another(emulator: Emulator, record: Record) -> bytes:
    other = emulator.another(record)
    if other is not None:
        return _shown(emulator, other)
    text = {"type": "text", "text": "The answer to somebody else's question."}
    made_up: dict[str, Any] = {
        "id": new_interaction_id(),
        "object": "interaction",
        "status": "completed",
        "steps": [{"type": "model_output", "content": [text]}],
        "usage": {"total_tokens": 1},
    }
    return encode(made_up)


def _without_id(emulator: Emulator, record: Record) -> bytes:
    shown = json.loads(_shown(emulator, record))
    del shown["id"]
    return encode(shown)


def _ended_early(emulator: Emulator, record: Record) -> bytes:
    shown = json.loads(accepted(record, emulator.clock))
    return encode(shown | {"status": "completed", "steps": [], "usage": {"total_tokens": 1}})


_BODIES: Final[dict[str, Callable[[Emulator, Record], bytes]]] = {
    "wrong-types": lambda _, record: encode({"id": record.interaction_id, **_WRONG_TYPES}),
    "get-another": _another,
    "get-no-id": _without_id,
    "get-ended-early": _ended_early,
}
"""Look faults that answer 200 with a body that is not what was asked for."""


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
