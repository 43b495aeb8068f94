"""Server-sent events, decoded from bytes.

The HTTP library has a decoder of its own; this one differs in what it does with lines that are no field of
an event. The library drops them, as the standard says. But this service is known to end a long stream by
writing a bare JSON error into it, and to drop that would turn a broken stream into a finished one.

Source:
    https://html.spec.whatwg.org/multipage/server-sent-events.html, read 2026-11-22.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

_JSON_OPENERS: Final = (b"{", b"[")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class EventTooLarge(Exception):
    """One event, or one line, grew past the bound. Never leaves this package."""


class RawEvent(NamedTuple):
    """The fields of one event; several ``data`` lines are joined by line feeds."""

    event: str
    data: bytes


class SseDecoder:
    """Feed it bytes as they come; it gives back the events that are whole.

    Holds at most ``max_event_bytes`` plus one chunk. After the end of the stream, ``tail`` holds the bare
    JSON that stood where an event should, if any.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._line_parts: list[bytes] = []
        self._line_bytes = 0
        self._ends_in_cr = False
        self._is_first_line = True
        self._event = b""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._tail: list[bytes] = []
        self._tail_bytes = 0

    @property
    def tail(self) -> bytes:
        """The bare JSON that took the place of events."""
        return b"\n".join(self._tail)

    def feed(self, chunk: bytes) -> Iterator[RawEvent]:
        """Take ``chunk`` in and yield the events that it completes.

        Raises:
            EventTooLarge: An event or line passed the bound; the decoder is of no more use.
        """
        if self._ends_in_cr and chunk.startswith(b"\n"):
            # The second half of a CR LF that a chunk boundary tore apart.
            chunk = chunk[1:]
        if not chunk:
            return
        self._ends_in_cr = chunk.endswith(b"\r")
        # ``splitlines`` on bytes knows exactly the three line ends of the standard: LF, CR, CR LF.
        for line in chunk.splitlines(keepends=True):
            self._line_parts.append(line)
            self._line_bytes += len(line)
            if self._line_bytes + self._data_bytes + self._tail_bytes > self._max_event_bytes:
                raise EventTooLarge
            if line.endswith((b"\n", b"\r")):
                whole = b"".join(self._line_parts).rstrip(b"\r\n")
                self._line_parts.clear()
                self._line_bytes = 0
                yield from self._take_line(whole)

    def finish(self) -> Iterator[RawEvent]:
        """Say that the stream is over; yield the last event if only its blank line is missing."""
        rest = b"".join(self._line_parts)
        self._line_parts.clear()
        if rest:
            yield from self._take_line(rest)
        yield from self._take_line(b"")

    def _take_line(self, line: bytes) -> Iterator[RawEvent]:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if self._tail or line.startswith(_JSON_OPENERS):
            # Bare JSON: all that follows belongs to it, blank lines and "fields" too.
            self._tail.append(line)
            self._tail_bytes += len(line) + 1
        elif not line:
            if self._data:
                yield RawEvent(event=self._event.decode("utf-8", "replace"), data=b"\n".join(self._data))
            self._event, self._data, self._data_bytes = b"", [], 0
        else:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                self._data.append(value)
                self._data_bytes += len(value) + 1
            elif name == b"event":
                self._event = value
            # Comments, ``id`` and ``retry`` carry nothing here: marks to resume after are in the JSON.
