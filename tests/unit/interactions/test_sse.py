"""Events come out of bytes the same however the bytes arrive, and never cost more memory than allowed."""

import itertools

import httpx2 as httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interactions.sse import EventTooLarge, RawEvent, SseDecoder

LIMIT = 10_000


def decode(*chunks: bytes, limit: int = LIMIT) -> tuple[list[RawEvent], bytes]:
    """Feed ``chunks`` and return all events and the tail."""
    decoder = SseDecoder(limit)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    events += decoder.finish()
    return events, decoder.tail


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_an_event_is_its_fields_up_to_a_blank_line(end: str) -> None:
    """Names, data lines, comments and other fields are told apart, with each of the three line ends."""
    text = "event: a\ndata: 1\ndata:2\n: comment\nid: 7\nretry: 5\nnonsense\n\nevent: b\n\ndata: 3\n\n"
    events, tail = decode(text.replace("\n", end).encode())
    assert events == [RawEvent("a", b"1\n2"), RawEvent("", b"3")]
    assert tail == b""


def test_the_last_event_may_lack_its_blank_line() -> None:
    """A server that closes right after the last line still said it."""
    assert decode(b"data: 1\n\ndata: 2")[0] == [RawEvent("", b"1"), RawEvent("", b"2")]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    """UTF-8 may begin with a mark."""
    assert decode(b"\xef\xbb\xbfdata: 1\n\n")[0] == [RawEvent("", b"1")]


@pytest.mark.parametrize(
    "tail",
    [
        b'[{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}]',
        b'[{\n  "error": {\n    "code": 503,\n\n    "message": "data: x"\n  }\n}\n]\n',
        b'{"error":{"code":"service_unavailable","message":"x"}}\n',
    ],
)
def test_bare_json_is_kept_as_the_tail(tail: bytes) -> None:
    """What the service writes instead of an event is kept, all of it, and yields no event."""
    events, found = decode(b"data: 1\n\n" + tail)
    assert events == [RawEvent("", b"1")]
    assert found.split() == tail.split()


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["", "", "data", "data:", "event: x", ": c", "id: 1", "retry: 2", "datax: 1", "[DONE]"]
        ),
        st.builds(
            "data: {}".format, st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)
        ),
    ),
    max_size=30,
)


@given(
    lines=LINES,
    ends=st.lists(st.sampled_from(["\n", "\r", "\r\n"]), min_size=30, max_size=30),
    cuts=st.lists(st.integers(0, 400), max_size=10),
)
@example(lines=["data: a", "", "data: b", ""], ends=["\r\n"] * 30, cuts=[8, 10])
def test_chunk_boundaries_do_not_matter(lines: list[str], ends: list[str], cuts: list[int]) -> None:
    """Cut anywhere, even inside a character or a line end, a stream gives the same events."""
    whole = "".join(line + end for line, end in zip(lines, ends, strict=False)).encode()
    borders = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    chunks = [whole[a:b] for a, b in itertools.pairwise(borders)]
    assert decode(*chunks) == decode(whole)


@given(lines=LINES)
async def test_well_formed_streams_decode_as_in_the_library(lines: list[str]) -> None:
    """An independent decoder agrees wherever lines are fields."""
    fields = [line for line in lines if not line.startswith("[")] + ["", ""]
    body = "".join(line + "\n" for line in fields).encode()
    response = httpx.Response(
        200,
        content=body,
        headers={"content-type": "text/event-stream"},
        request=httpx.Request("GET", "http://x"),
    )
    theirs = [(event.event, event.data) async for event in httpx.EventSource(response)]
    ours = [(event.event or "message", event.data.decode()) for event in decode(body)[0]]
    # The library also gives events without any data, which the standard says to drop.
    assert [event for event in ours if event[1]] == [event for event in theirs if event[1]]


@given(st.binary(max_size=500))
def test_no_bytes_are_too_strange(body: bytes) -> None:
    """Any bytes give events and a tail, and no exception."""
    decode(body)


@pytest.mark.parametrize(
    "unit",
    [b"x" * 100, b"data: " + b"x" * 100 + b"\n", b"[" + b"1," * 100 + b"\n", b"data: x\r"],
    ids=["endless line", "endless event", "endless tail", "endless event of short lines"],
)
def test_memory_is_bounded(unit: bytes) -> None:
    """What never ends is cut off once it passes the bound."""
    decoder = SseDecoder(1_000)
    fed = 0
    try:
        while fed < 100_000:
            fed += len(unit)
            list(decoder.feed(unit))
    except EventTooLarge:
        pass
    assert 900 < fed < 5_000


def test_many_events_together_may_pass_the_bound() -> None:
    """The bound is for one event, not for a stream."""
    decoder = SseDecoder(100)
    assert sum(len(list(decoder.feed(b"data: " + b"x" * 50 + b"\n\n"))) for _ in range(100)) == 100
