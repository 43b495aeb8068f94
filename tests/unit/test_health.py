import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2 as httpx
import pytest

import health
from health import (
    MAIN_LOOP,
    STALLED_AFTER_S,
    TOOLS_LOOP,
    UNREACHABLE_AFTER_S,
    UNRECORDED_AFTER_S,
    Health,
    listen,
    loopback_address,
    serving,
    url_of,
    watch_temporal,
)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_s


async def reachable() -> None:
    """Answer as Temporal does."""


@asynccontextmanager
async def served(state: Health, *, metrics_address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Serve ``state`` on a free port; yield a client of it."""
    listener = listen("127.0.0.1:0")
    address = url_of(listener)
    async with (
        serving(
            state,
            listener=listener,
            metrics_address=metrics_address,
            probe=reachable,
            journal=reachable,
        ),
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
    ):
        yield client


def test_a_worker_is_healthy_while_temporal_answers() -> None:
    """Temporal may be away for as long as a restart takes; past that the worker says so, until it is back."""
    clock = Clock()
    state = Health(task_queue="q", monotonic=clock)
    assert state.is_ok
    clock.now_s += UNREACHABLE_AFTER_S
    assert state.is_ok
    clock.now_s += 0.1
    assert not state.is_ok
    state.saw_temporal()
    assert state.is_ok


def test_a_draining_worker_takes_no_work() -> None:
    """A load balancer or an operator sees the drain."""
    state = Health(task_queue="q")
    state.drain()
    assert not state.is_ok
    assert state.as_json()["draining"] is True


def test_a_worker_that_cannot_record_submissions_is_not_healthy() -> None:
    """It takes work that it cannot begin; the reason is the store's own."""
    clock = Clock()
    state = Health(task_queue="q", monotonic=clock)
    state.missed_journal("artifact folder /data: no space is left")
    assert state.is_ok
    assert state.can_submit
    clock.now_s += UNRECORDED_AFTER_S + 0.1
    state.saw_temporal()
    assert not state.can_submit
    (problem,) = state.problems
    assert problem.startswith("no submission could have been recorded for 45 s")
    assert problem.endswith(": artifact folder /data: no space is left")
    state.saw_journal()
    assert state.is_ok


class Loop:
    """An event loop that is as late as a test says."""

    lag_s = 0.0


def test_a_worker_whose_loop_stands_still_is_not_healthy() -> None:
    """The worker's own keeps submissions from being made; that of tools does not."""
    state = Health(task_queue="q")
    loops = {MAIN_LOOP: Loop(), TOOLS_LOOP: Loop()}
    for name, loop in loops.items():
        state.watch_loop(name, loop)
    loops[TOOLS_LOOP].lag_s = STALLED_AFTER_S + 1
    assert state.problems == (
        "the event loop of async tools is kept from running by something that blocks, for 11 s by now",
    )
    assert state.can_submit
    loops[MAIN_LOOP].lag_s = STALLED_AFTER_S + 1
    assert not state.can_submit
    assert state.as_json()["loop_lag_s"] == {MAIN_LOOP: 11, TOOLS_LOOP: 11}


def test_any_other_problem_counts_as_long_as_it_is_one() -> None:
    """Whoever knows of one says it in their own words."""
    problems = ["100 calls of tools still run", None]
    state = Health(task_queue="q")
    state.watch(lambda: problems[0])
    assert state.problems == ("100 calls of tools still run",)
    problems.pop(0)
    assert state.is_ok


async def test_healthz_answers_while_the_worker_s_loop_is_blocked() -> None:
    """It is asked most when something is wrong."""
    state = Health(task_queue="q")
    listener = listen("127.0.0.1:0")
    async with serving(
        state, listener=listener, metrics_address=loopback_address(), probe=reachable, journal=reachable
    ):
        # Not awaited: this is the loop that blocks.
        answer = httpx.get(f"{url_of(listener)}/healthz", trust_env=False)
    assert answer.status_code == 200


async def test_healthz_says_what_the_state_is() -> None:
    """The status code is for machines, the body for people."""
    state = Health(task_queue="research")
    async with served(state, metrics_address=loopback_address()) as client:
        answer = await client.get("/healthz")
        assert answer.status_code == 200
        body = answer.json()
        assert (body["ok"], body["draining"], body["task_queue"]) == (True, False, "research")
        assert body["started_at"].endswith("Z")
        assert 0 <= body["temporal_seen_s_ago"] < UNREACHABLE_AFTER_S
        state.drain()
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()["ok"]) == (503, False)


async def test_metrics_are_relayed() -> None:
    """What the core's exporter answers is answered here, with its content type."""

    async def exporter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: 4\r\n\r\nup 1"
        )
        await writer.drain()
        writer.close()

    core = await asyncio.start_server(exporter, "127.0.0.1", 0)
    host, port = core.sockets[0].getsockname()
    async with core, served(Health(task_queue="q"), metrics_address=f"{host}:{port}") as client:
        answer = await client.get("/metrics")
        assert (answer.status_code, answer.text) == (200, "up 1")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4"


async def test_metrics_that_cannot_be_had_are_a_bad_gateway() -> None:
    """A scrape fails by itself; the worker goes on."""
    async with served(Health(task_queue="q"), metrics_address=loopback_address()) as client:
        assert (await client.get("/metrics")).status_code == 502
        assert (await client.get("/healthz")).status_code == 200


async def test_a_probe_that_fails_is_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors and silence leave the state as it was; the next answer counts again."""
    monkeypatch.setattr(health, "PROBE_EVERY_S", 0.0)
    monkeypatch.setattr(health, "PROBE_TIMEOUT_S", 0.01)
    clock = Clock()
    state = Health(task_queue="q", monotonic=clock)
    seen_s_ago: list[object] = []
    is_over = asyncio.Event()

    async def probe() -> None:
        clock.now_s += 1
        seen_s_ago.append(state.as_json()["temporal_seen_s_ago"])
        if len(seen_s_ago) == 1:
            raise ConnectionError("away")
        if len(seen_s_ago) == 2:
            await asyncio.Event().wait()
        if len(seen_s_ago) == 4:
            is_over.set()
            await asyncio.Event().wait()

    watching = asyncio.create_task(watch_temporal(state, probe))
    await is_over.wait()
    watching.cancel()
    assert seen_s_ago == [1, 2, 3, 1]


def test_a_taken_address_is_an_error() -> None:
    """Two workers on one machine need two addresses, and the second one says so."""
    with listen("127.0.0.1:0") as first, pytest.raises(OSError, match="in use"):
        listen(url_of(first).removeprefix("http://"))


def test_ipv6_addresses_are_bracketed() -> None:
    """An address is written as in a URL, in both directions."""
    with listen("[::1]:0") as listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"
