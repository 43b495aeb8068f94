"""The interactions endpoints: create, look, cancel, delete."""

import asyncio
import contextlib
import math
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.board import ActiveFault
from emulator.credentials import check_credentials
from emulator.delivery import Dispatcher
from emulator.directives import Directive, parse_directive
from emulator.errors import ApiError, GatewayError, invalid, method_not_found, too_many, unavailable
from emulator.faults import REJECTIONS, Moment
from emulator.foreign import reply_of
from emulator.records import Record
from emulator.service import Emulator
from emulator.sick import sick_reply
from emulator.stream import StreamReply, find_event
from emulator.validation import check_create
from emulator.view import accepted, cancelled, resource
from emulator.wire import (
    DelayedReply,
    DropReply,
    HangReply,
    decode_object,
    digest_of,
    html_reply,
    json_reply,
    leaves_within,
    raw_reply,
)

MAX_BODY_BYTES: Final = 100 * 1024 * 1024
"""The service's own bound on inline request data."""

EARLY_S: Final = 60.0
"""Emulated seconds for which an early fault refuses looks."""

DELAY_S: Final = 5.0
"""Wall seconds by which an answer comes late when the directive does not say."""

WRONG_IDS: Final[dict[str, str | None]] = {
    "id-dots": "..",
    "id-spaces": "v1_ a b",
    "id-long": "v1_" + "x" * 5_000,
    "id-empty": "",
    "id-taken": None,
}
"""Create faults that answer with another id than the interaction's; None is the last that was given out."""

_OVERLOADED_GATEWAY: Final = GatewayError(
    503, code="UNAVAILABLE", message="The service is currently unavailable."
)


class InteractionEndpoints:
    """Handlers over one emulator."""

    def __init__(self, emulator: Emulator, dispatcher: Dispatcher) -> None:
        self._emulator = emulator
        self._dispatcher = dispatcher

    def routes(self) -> list[Route]:
        """The routes, relative to a version prefix."""
        return [
            Route("/interactions", self.create, methods=["POST"]),
            Route("/interactions/{interaction_id}", self.look, methods=["GET"]),
            Route("/interactions/{interaction_id}", self.delete, methods=["DELETE"]),
            Route("/interactions/{interaction_id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """``POST /interactions``."""
        emulator = self._emulator
        emulator.requests["create"] += 1
        check_credentials(request)
        raw = await request.body()
        body = _decode(raw)
        directive = emulator.with_inherited(parse_directive(body.get("input")), body)
        submission = _submission_of(body, directive, raw)
        emulator.count(submission, "creates")
        fault = emulator.board.fire(Moment.CREATE, submission=submission, directive=directive)
        if fault is not None and fault.fault.name == "delay-before":
            stayed = not await leaves_within(request.receive, delay_s=_delay_s(fault))
            fault = None if stayed else fault
        if fault is not None and not fault.fault.accepted:
            return _refusal(fault, emulator.stopping)
        behaviour = check_create(
            body, custom_agents=emulator.agents, is_vertex="project" in request.path_params
        )
        self._check_background(body, directive, submission)
        record = emulator.accept(
            body,
            directive=directive,
            submission=submission,
            behaviour=behaviour,
            base_url=f"{request.url.scheme}://{request.url.netloc}",
        )
        emulator.requests["create_accepted"] += 1
        self._dispatcher.expect(record)
        if fault is not None and fault.fault.name in WRONG_IDS:
            taken = WRONG_IDS[fault.fault.name]
            wrong_id = emulator.last_told if taken is None else taken
            return raw_reply(accepted(record, emulator.clock, interaction_id=wrong_id))
        if fault is not None:
            return _lost_reply(fault, accepted(record, emulator.clock), emulator.stopping)
        if body.get("stream"):
            return StreamReply(emulator, record)
        if record.is_background:
            emulator.last_told = record.interaction_id
            return _with_cookies(raw_reply(accepted(record, emulator.clock)), record)
        return await self._foreground(record)

    def _check_background(self, body: dict[str, Any], directive: Directive, submission: str) -> None:
        """Refuse work in the background, if that is what shall go wrong."""
        if not body.get("background"):
            return
        emulator = self._emulator
        if emulator.board.fire(Moment.BACKGROUND, submission=submission, directive=directive):
            target = body.get("model", body.get("agent"))
            raise invalid(f"Parameter 'background' is not supported by {target!r}; it must be false.")

    async def _foreground(self, record: Record) -> Response:
        emulator = self._emulator
        timeline = emulator.timeline(record)
        ends_s = record.created_s + timeline.duration_s
        # Wakes up for a changed time scale and for the server's end.
        while (wait_s := emulator.clock.wall_until(ends_s)) > 0 and not emulator.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(emulator.stopping.wait(), min(wait_s, 1.0))
        if emulator.stopping.is_set():
            return DropReply()
        # Not the end itself: a sum of floats may come out a hair before it.
        return raw_reply(resource(record, timeline, emulator.clock, now_s=math.inf, with_input=False))

    async def look(self, request: Request) -> Response:
        """``GET /interactions/{id}``, plain or streaming."""
        emulator = self._emulator
        wants_stream = _flag(request, "stream")
        emulator.requests["stream" if wants_stream else "look"] += 1
        check_credentials(request)
        if request.query_params.get("fields", "*") != "*" or "x-goog-fieldmask" in request.headers:
            raise invalid("Field masks are not supported.")
        record = emulator.find(request.path_params["interaction_id"])
        emulator.count(record.submission, "looks")
        fault = self._look_fault(record)
        if fault is not None:
            return sick_reply(fault, emulator, record, wants_stream=wants_stream)
        last_event_id = request.query_params.get("last_event_id", request.query_params.get("lastEventId"))
        if not wants_stream:
            if last_event_id is not None:
                raise invalid("'last_event_id' requires stream=true.")
            timeline = emulator.timeline(record)
            body = resource(record, timeline, emulator.clock, now_s=emulator.clock.now_s())
            return _with_cookies(raw_reply(body), record)
        if last_event_id is not None and not find_event(emulator, record, last_event_id):
            raise invalid(f"Unknown event {last_event_id!r}.")
        return StreamReply(emulator, record, after=last_event_id)

    def _look_fault(self, record: Record) -> ActiveFault | None:
        is_young = self._emulator.clock.now_s() < record.created_s + EARLY_S
        unless = frozenset() if is_young else frozenset({"get-403-early", "get-404-early"})
        return self._emulator.board.fire(
            Moment.LOOK, submission=record.submission, directive=record.directive, unless=unless
        )

    async def cancel(self, request: Request) -> Response:
        """``POST /interactions/{id}/cancel``."""
        emulator = self._emulator
        emulator.requests["cancel"] += 1
        check_credentials(request)
        record = emulator.find(request.path_params["interaction_id"])
        emulator.count(record.submission, "cancels")
        fault = emulator.board.fire(Moment.CANCEL, submission=record.submission, directive=record.directive)
        if fault is None:
            emulator.cancel(record)
            return raw_reply(cancelled(record, emulator.clock))
        if fault.fault.name == "cancel-404":
            raise method_not_found()
        if fault.fault.name == "cancel-500":
            raise unavailable("500")
        return raw_reply(accepted(record, emulator.clock))

    async def delete(self, request: Request) -> Response:
        """``DELETE /interactions/{id}``."""
        emulator = self._emulator
        emulator.requests["delete"] += 1
        check_credentials(request)
        record = emulator.find(request.path_params["interaction_id"])
        emulator.count(record.submission, "deletes")
        if emulator.board.fire(Moment.DELETE, submission=record.submission, directive=record.directive):
            raise ApiError(501, code="unimplemented", message="Delete is not implemented.")
        emulator.delete(record)
        return json_reply({})


def _decode(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BODY_BYTES:
        raise invalid("Request payload size exceeds the limit.")
    return decode_object(raw)


def _submission_of(body: dict[str, Any], directive: Directive, raw: bytes) -> str:
    if directive.submission is not None:
        return directive.submission
    match body.get("webhook_config"):
        case {"user_metadata": {"submission": str(submission)}}:
            return submission
        case _:
            return digest_of(raw)


def _flag(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise invalid(f"Invalid value {value!r} at '{name}': expected a boolean.")
    return value == "true"


def _refusal(active: ActiveFault, stopping: asyncio.Event) -> Response:
    """The answer of a create fault that creates nothing."""
    name = active.fault.name
    match name:
        case "reply-before":
            return active.reply()
        case "429":
            raise too_many(active.directive.retry_after_s)
        case "408":
            raise ApiError(408, code="request_timeout", message="The request timed out.")
        case "502-html":
            return html_reply(502)
        case "refused-drop" | "delay-before":
            return DropReply()
        case "hang-before":
            return HangReply(stopping)
        case "rpc-error":
            raise _OVERLOADED_GATEWAY
        case "array-error":
            return json_reply([_OVERLOADED_GATEWAY.body()], status=503)
        case _ if name in REJECTIONS:
            code, message = REJECTIONS[name]
            raise ApiError(int(name), code=code, message=message)
        case _:
            raise unavailable(name.partition("-")[0])


def _with_cookies(reply: Response, record: Record) -> Response:
    """The answer, with the cookies of whatever sits in front, if that is what shall go wrong."""
    if "big-cookies" in record.life:
        for number in range(5):
            reply.set_cookie(f"front_end_{number}", "x" * 4_000)
    return reply


def _delay_s(active: ActiveFault) -> float:
    return DELAY_S if active.directive.delay_s is None else active.directive.delay_s


def _lost_reply(active: ActiveFault, reply: bytes, stopping: asyncio.Event) -> Response:
    """What arrives instead of the reply to a create that was accepted."""
    match active.fault.name:
        case "reply-after":
            return active.reply()
        case "accepted-then-dropped":
            return DropReply()
        case "hang-after":
            return HangReply(stopping)
        case "delay-after":
            return DelayedReply(reply, delay_s=_delay_s(active))
        case "html" | "empty-body" as name:
            return reply_of(200, "html" if name == "html" else "empty")
        case "cut-body":
            return DropReply(reply[: len(reply) // 2])
        case "503-after":
            # The service has accepted, so this is the word of the gateway in front of it, in its form.
            raise _OVERLOADED_GATEWAY
        case name:
            raise unavailable(name.partition("-")[0])
