"""A worker's ``/healthz`` and ``/metrics``, on one address."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Final

import httpx2 as httpx
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

PROBE_EVERY_S: Final = 5.0
"""Often enough that `UNREACHABLE_AFTER_S` means several failures, not one."""

PROBE_TIMEOUT_S: Final = 4.0
"""A probe answers in milliseconds; it must be over before the next one."""

UNREACHABLE_AFTER_S: Final = 30.0
"""Temporal may be away this long before the worker counts as unhealthy. A server's restart takes seconds,
and the worker reconnects by itself; restarting it for that would only lose its cached workflows."""

_SCRAPE_TIMEOUT_S: Final = 5.0
"""The core answers from memory on the same machine; Prometheus gives up after 10 s."""

_CLOSE_WITHIN_S: Final = 1
"""How long answers under way are waited for at the end; they are tiny."""

log = structlog.get_logger()


class Health:
    """Whether a worker can do its work. Written by the worker's main, read by ``/healthz``.

    Args:
        task_queue: The queue the worker serves.
        monotonic: A clock in seconds.
    """

    def __init__(self, *, task_queue: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._task_queue = task_queue
        self._monotonic = monotonic
        self._started_at = datetime.now(UTC)
        self._reached_at = monotonic()
        self._is_draining = False

    def saw_temporal(self) -> None:
        """Note that Temporal answered just now."""
        self._reached_at = self._monotonic()

    def drain(self) -> None:
        """Note that the worker takes no more work and is about to end."""
        self._is_draining = True

    @property
    def is_ok(self) -> bool:
        """Whether the worker takes work."""
        return not self._is_draining and self._unreached_s <= UNREACHABLE_AFTER_S

    @property
    def _unreached_s(self) -> float:
        return self._monotonic() - self._reached_at

    def as_json(self) -> dict[str, object]:
        """Return what ``/healthz`` answers."""
        return {
            "ok": self.is_ok,
            "draining": self._is_draining,
            "task_queue": self._task_queue,
            "started_at": self._started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "temporal_seen_s_ago": round(self._unreached_s, 1),
        }


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
    health: Health, *, listener: socket.socket, metrics_address: str, probe: Callable[[], Awaitable[object]]
) -> AsyncIterator[None]:
    """Serve ``/healthz`` and ``/metrics`` on ``listener`` while the block runs.

    Temporal's core serves its metrics on an address of its own; they are relayed, so that an operator
    has one port to open and to scrape.

    Args:
        health: What ``/healthz`` answers.
        listener: A listening socket; closed at the end.
        metrics_address: HOST:PORT of the core's metrics.
        probe: As in `watch_temporal`.
    """
    # The relay stays on this machine, whatever proxy the environment names.
    async with httpx.AsyncClient(timeout=_SCRAPE_TIMEOUT_S, trust_env=False) as client:

        async def healthz(_request: Request) -> Response:
            return JSONResponse(health.as_json(), status_code=200 if health.is_ok else 503)

        async def metrics(_request: Request) -> Response:
            try:
                answer = await client.get(f"http://{metrics_address}/metrics")
            except httpx.HTTPError as error:
                return PlainTextResponse(f"no metrics: {error}\n", status_code=502)
            # As a header: Starlette would add a charset to a media type, and Prometheus reads it exactly.
            return Response(
                answer.content, answer.status_code, {"content-type": answer.headers["content-type"]}
            )

        server = _Server(
            uvicorn.Config(
                Starlette(routes=[Route("/healthz", healthz), Route("/metrics", metrics)]),
                lifespan="off",
                ws="none",
                log_config=None,  # its lines join ours
                access_log=False,  # a probe every few seconds is no news
                timeout_graceful_shutdown=_CLOSE_WITHIN_S,
            )
        )
        serve = asyncio.create_task(server.serve(sockets=[listener]), name="health")
        watch = asyncio.create_task(watch_temporal(health, probe), name="temporal-probe")
        try:
            yield
        finally:
            watch.cancel()
            server.should_exit = True
            await serve


class _Server(uvicorn.Server):
    """A server inside a process whose signals belong to someone else."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave SIGTERM and SIGINT alone: uvicorn would take them from the worker."""
        yield
