"""A worker's ``/healthz`` and ``/metrics``, on one address.

They are served by a thread with an event loop of its own, so that they tell of a worker that stands still
instead of standing still with it. Where something keeps Python's lock nobody answers; see `watchdog`.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Final, Protocol

import httpx2 as httpx
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from temporalio.common import MetricMeter

PROBE_EVERY_S: Final = 5.0
"""Often enough that `UNREACHABLE_AFTER_S` means several failures, not one."""

PROBE_TIMEOUT_S: Final = 4.0
"""A probe answers in milliseconds; it must be over before the next one."""

UNREACHABLE_AFTER_S: Final = 30.0
"""Temporal may be away this long before the worker counts as unhealthy. A server's restart takes seconds,
and the worker reconnects by itself; restarting it for that would only lose its cached workflows."""

JOURNAL_EVERY_S: Final = 15.0
"""One small request to the store, four times a minute; to a bucket that is a cent a week."""

JOURNAL_TIMEOUT_S: Final = 10.0
"""What a submission allows the record of its answer (`NOTE_TIMEOUT`)."""

UNRECORDED_AFTER_S: Final = JOURNAL_EVERY_S + JOURNAL_TIMEOUT_S + 20.0
"""Two probes in a row have failed. Submissions wait by themselves until the store is back."""

STALLED_AFTER_S: Final = 10.0
"""After this long without a heartbeat the server gives a submission up (`SUBMIT_HEARTBEAT_TIMEOUT`)."""

MAIN_LOOP: Final = "the worker"
TOOLS_LOOP: Final = "async tools"
"""The event loops of a worker, for people."""

_SCRAPE_TIMEOUT_S: Final = 5.0
"""The core answers from memory on the same machine; Prometheus gives up after 10 s."""

_CLOSE_WITHIN_S: Final = 1
"""How long answers under way are waited for at the end; they are tiny."""

log = structlog.get_logger()


class Lagging(Protocol):
    """An event loop that somebody watches."""

    @property
    def lag_s(self) -> float:
        """How long it takes to come to something new."""
        ...


class Health:
    """Whether a worker can do its work. Written by the worker's main, read by ``/healthz``.

    Args:
        task_queue: The queue the worker serves.
        monotonic: A clock in seconds.
        meter: Of the process's metrics.
    """

    def __init__(
        self,
        *,
        task_queue: str,
        monotonic: Callable[[], float] = time.monotonic,
        meter: MetricMeter = MetricMeter.noop,
    ) -> None:
        self._can_submit = meter.create_gauge(
            "longhaul_submissions_possible", "1 where a submission can be recorded and sent, else 0"
        )
        self._loop_lag = meter.create_gauge_float(
            "longhaul_event_loop_lag_seconds", "How long an event loop takes to come to something new", "s"
        )
        self._journal_age = meter.create_gauge_float(
            "longhaul_journal_age_seconds", "Since a submission could last have been recorded", "s"
        )
        self._task_queue = task_queue
        self._monotonic = monotonic
        self._started_at = datetime.now(UTC)
        self._reached_at = monotonic()
        self._journal_at = monotonic()
        self._journal_problem = ""
        self._loops: dict[str, Lagging] = {}
        self._others: list[Callable[[], str | None]] = []
        self._is_draining = False

    def saw_temporal(self) -> None:
        """Note that Temporal answered just now."""
        self._reached_at = self._monotonic()

    def saw_journal(self) -> None:
        """Note that a submission could have been recorded just now."""
        self._journal_at = self._monotonic()
        self._journal_problem = ""

    def missed_journal(self, problem: str) -> None:
        """Note that it could not, and why."""
        self._journal_problem = problem

    def watch_loop(self, name: str, loop: Lagging) -> None:
        """Have an event loop's lag count: whatever waits for it waits for as long."""
        self._loops[name] = loop

    def watch(self, problem: Callable[[], str | None]) -> None:
        """Have whatever ``problem`` returns count, for as long as it does."""
        self._others.append(problem)

    def drain(self) -> None:
        """Note that the worker takes no more work and is about to end."""
        self._is_draining = True

    @property
    def is_ok(self) -> bool:
        """Whether the worker takes work and can do it."""
        return not self.problems

    @property
    def can_submit(self) -> bool:
        """Whether submissions can be made."""
        return self._unrecorded_s <= UNRECORDED_AFTER_S and self._lag_s <= STALLED_AFTER_S

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the worker is not ok, for people."""
        found = []
        if self._is_draining:
            found.append("draining: it is about to end")
        if self._unreached_s > UNREACHABLE_AFTER_S:
            found.append(f"Temporal has not answered for {self._unreached_s:.0f} s")
        if self._unrecorded_s > UNRECORDED_AFTER_S:
            reason = f": {self._journal_problem}" if self._journal_problem else ""
            found.append(
                f"no submission could have been recorded for {self._unrecorded_s:.0f} s, and so none is "
                f"sent{reason}"
            )
        found += [
            f"the event loop of {name} is kept from running by something that blocks, for {loop.lag_s:.0f} s "
            "by now"
            for name, loop in self._loops.items()
            if loop.lag_s > STALLED_AFTER_S
        ]
        found += filter(None, (problem() for problem in self._others))
        return tuple(found)

    @property
    def _unreached_s(self) -> float:
        return self._monotonic() - self._reached_at

    @property
    def _unrecorded_s(self) -> float:
        return self._monotonic() - self._journal_at

    @property
    def _lag_s(self) -> float:
        return self._loops[MAIN_LOOP].lag_s if MAIN_LOOP in self._loops else 0.0

    def measure(self) -> None:
        """Bring the metrics up to date."""
        self._can_submit.set(int(self.can_submit))
        self._journal_age.set(self._unrecorded_s)
        for name, loop in self._loops.items():
            self._loop_lag.set(loop.lag_s, {"loop": name})

    def as_json(self) -> dict[str, object]:
        """Return what ``/healthz`` answers."""
        return {
            "ok": self.is_ok,
            "problems": self.problems,
            "draining": self._is_draining,
            "task_queue": self._task_queue,
            "started_at": self._started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "temporal_seen_s_ago": round(self._unreached_s, 1),
            "submissions_possible": self.can_submit,
            "journal_seen_s_ago": round(self._unrecorded_s, 1),
            "loop_lag_s": {name: round(loop.lag_s, 1) for name, loop in self._loops.items()},
        }


async def watch_journal(health: Health, probe: Callable[[], Awaitable[object]]) -> None:
    """Keep ``health`` informed of whether submissions could be recorded, until cancelled.

    Args:
        health: What to inform.
        probe: Asks the journal's store by the journal's own way; raises when it fails.
    """
    was_recorded = True
    while True:
        try:
            async with asyncio.timeout(JOURNAL_TIMEOUT_S):
                await probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was recorded
            problem = str(error) or f"no answer within {JOURNAL_TIMEOUT_S:g} s"
            health.missed_journal(problem)
            if was_recorded:
                log.warning("journal.unavailable", error=problem)
            was_recorded = False
        else:
            health.saw_journal()
            if not was_recorded:
                log.info("journal.available")
            was_recorded = True
        await asyncio.sleep(JOURNAL_EVERY_S)


async def watch_temporal(health: Health, probe: Callable[[], Awaitable[object]]) -> None:
    """Keep ``health`` informed of whether Temporal answers, until cancelled.

    Args:
        health: What to inform.
        probe: One cheap call to Temporal, which raises when it fails.
    """
    was_reachable = True
    while True:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, Temporal was not reached
            if was_reachable:
                log.warning("temporal.unreachable", error=str(error) or type(error).__name__)
            was_reachable = False
        else:
            health.saw_temporal()
            if not was_reachable:
                log.info("temporal.reached")
            was_reachable = True
        await asyncio.sleep(PROBE_EVERY_S)


def listen(address: str) -> socket.socket:
    """Return a socket that listens on ``address``, as HOST:PORT.

    Raises:
        OSError: The address is taken, or is none of this machine's.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family)


def url_of(listener: socket.socket) -> str:
    """Return the address of ``listener`` for a person, also where the system chose the port."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def loopback_address() -> str:
    """Return HOST:PORT of a loopback port that nothing listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextlib.asynccontextmanager
async def serving(
    health: Health,
    *,
    listener: socket.socket,
    metrics_address: str,
    probe: Callable[[], Awaitable[object]],
    journal: Callable[[], Awaitable[object]],
) -> AsyncIterator[None]:
    """Serve ``/healthz`` and ``/metrics`` on ``listener`` while the block runs, from a thread of their own.

    Temporal's core serves its metrics on an address of its own; they are relayed, so that an operator
    has one port to open and to scrape.

    Args:
        health: What ``/healthz`` answers.
        listener: A listening socket; closed at the end, and in whatever is forked from this process.
        metrics_address: HOST:PORT of the core's metrics.
        probe: As in `watch_temporal`.
        journal: As in `watch_journal`.
    """
    # A child of a tool's that outlives the worker would keep the next one from this address.
    os.register_at_fork(after_in_child=listener.close)
    server = _Server(
        uvicorn.Config(
            _app(health, metrics_address),
            lifespan="on",
            ws="none",
            log_config=None,  # its lines join ours
            access_log=False,  # a probe every few seconds is no news
            timeout_graceful_shutdown=_CLOSE_WITHIN_S,
        )
    )
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listener])), name="health", daemon=True
    )
    thread.start()
    watches = [
        asyncio.create_task(watch_temporal(health, probe), name="temporal-probe"),
        asyncio.create_task(watch_journal(health, journal), name="journal-probe"),
    ]
    try:
        yield
    finally:
        for watch in watches:
            watch.cancel()
        server.should_exit = True
        await asyncio.to_thread(thread.join)


def _app(health: Health, metrics_address: str) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
        # The relay stays on this machine, whatever proxy the environment names.
        async with httpx.AsyncClient(timeout=_SCRAPE_TIMEOUT_S, trust_env=False) as client:
            yield {"client": client}

    async def healthz(_request: Request) -> Response:
        return JSONResponse(health.as_json(), status_code=200 if health.is_ok else 503)

    async def metrics(request: Request) -> Response:
        client: httpx.AsyncClient = request.state.client
        health.measure()
        try:
            answer = await client.get(f"http://{metrics_address}/metrics")
        except httpx.HTTPError as error:
            return PlainTextResponse(f"no metrics: {error}\n", status_code=502)
        # As a header: Starlette would add a charset to a media type, and Prometheus reads it exactly.
        return Response(answer.content, answer.status_code, {"content-type": answer.headers["content-type"]})

    routes = [Route("/healthz", healthz), Route("/metrics", metrics)]
    return Starlette(routes=routes, lifespan=lifespan)


class _Server(uvicorn.Server):
    """A server inside a process whose signals belong to someone else."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave SIGTERM and SIGINT alone: uvicorn would take them from the worker."""
        yield
