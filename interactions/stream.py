"""A stream of events, as it is being read."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol, Self

import httpx2 as httpx

from interactions.documents import parse_event
from interactions.errors import StreamBroken
from interactions.events import InteractionCreated, StreamEvent
from interactions.faults import LIBRARY_ERRORS, from_library, read_problem, tidy
from interactions.redaction import Redactor
from interactions.responses import Interaction
from interactions.sse import EventTooLarge, RawEvent, SseDecoder

_DONE: Final = b"[DONE]"


class Reply(Protocol):
    """What a stream request was answered with."""

    is_done: bool

    def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Yield the events."""


class EventStream:
    """The events of one stream, once, in order: ``async for event in stream``.

    The end of a stream is not the end of a run: follow a stream for progress, GET for the truth.

    Attributes:
        last_event_id: The mark of the last event that had one; resume after it.
    """

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._events = reply.events()
        self.last_event_id: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the service said that nothing more comes. Without it the stream was merely cut."""
        return self._reply.is_done

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        event = await anext(self._events)
        if event.event_id is not None:
            self.last_event_id = event.event_id
        return event

    async def aclose(self) -> None:
        """Stop reading. Leaving the client's ``async with`` does it."""
        await self._events.aclose()


class JsonReply:
    """An interaction in one piece, from a server that does not stream."""

    def __init__(self, interaction: Interaction) -> None:
        self._interaction = interaction
        self.is_done = False

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Yield the one event there is to tell."""
        yield InteractionCreated(interaction=self._interaction).keep_raw(self._interaction.raw_json)
        self.is_done = True


class SseReply:
    """An open response of server-sent events."""

    def __init__(self, response: httpx.Response, max_event_bytes: int, redactor: Redactor) -> None:
        self._response = response
        self._max_event_bytes = max_event_bytes
        self._redactor = redactor
        self.is_done = False

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        """Yield events until ``[DONE]`` or the end of the body.

        Raises:
            StreamBroken: The connection broke, fell silent for too long, or gave something else than events.
        """
        decoder = SseDecoder(self._max_event_bytes)
        async with aclosing(self._raw_events(decoder)) as raw_events:
            async for raw in raw_events:
                if raw.data == _DONE:
                    self.is_done = True
                    return
                yield parse_event(raw.event, self._redactor.body(raw.data))
        if decoder.tail:
            problem = read_problem(decoder.tail, self._redactor)
            if problem is None:
                raise StreamBroken("the stream ended in something that is no event")
            raise StreamBroken(
                tidy(f"the stream ended in an error: {problem.message}"),
                status_code=problem.status_code,
                code=problem.code,
            )

    async def _raw_events(self, decoder: SseDecoder) -> AsyncGenerator[RawEvent, None]:
        fault: StreamBroken | None = None
        try:
            async with aclosing(self._response.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    for raw in decoder.feed(chunk):
                        yield raw
        except EventTooLarge:
            fault = StreamBroken(f"an event is larger than {self._max_event_bytes} bytes")
        except LIBRARY_ERRORS as error:
            fault = StreamBroken(from_library(error, self._redactor).message)
        if fault is not None:
            raise fault
        for raw in decoder.finish():
            yield raw
