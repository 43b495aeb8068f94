"""What one look costs the worker: GETs over loopback, one after the other and many at once.

Run::

    python -m benchmarks.http_client            # figures
    python -m benchmarks.http_client --profile  # and where the client's time goes

The server runs in a process of its own, so the figures are wall-clock of client and server together; the
CPU column is the client's alone, and is what bounds how many runs one worker can look at.
"""

import argparse
import asyncio
import cProfile
import json
import multiprocessing
import pstats
import socket
import time
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from interactions.client import InteractionsClient
from interactions.config import ApiConfig

SEQUENTIAL = 2_000
CONCURRENT = 200
ROUNDS = 10
LARGE = 50


def _interaction(*, searches: int, report_bytes: int, image_bytes: int) -> bytes:
    """An interaction such as Deep Research leaves: searches, a report with citations, a chart."""
    steps: list[object] = [{"type": "user_input", "content": [{"type": "text", "text": "Research this."}]}]
    for number in range(searches):
        steps += [
            {
                "type": "thought",
                "summary": [{"type": "text", "text": "Thinking. " * 20}],
                "signature": "QUJD",
            },
            {"type": "google_search_call", "id": f"gs{number}", "arguments": {"queries": ["one", "two"]}},
            {
                "type": "google_search_result",
                "call_id": f"gs{number}",
                "result": [{"search_suggestions": "<div/>"}],
            },
        ]
    citations = [
        {"type": "url_citation", "start_index": n, "end_index": n + 9, "url": f"https://example.org/{n}"}
        for n in range(report_bytes // 200)
    ]
    if report_bytes:
        content: list[object] = [{"type": "text", "text": "x" * report_bytes, "annotations": citations}]
        content.append({"type": "image", "mime_type": "image/png", "data": "A" * image_bytes})
        steps.append({"type": "model_output", "content": content})
    status = "completed" if report_bytes else "in_progress"
    return json.dumps({"id": "v1_x", "object": "interaction", "status": status, "steps": steps}).encode()


def _serve(listener: socket.socket) -> None:
    bodies = {
        "small": _interaction(searches=10, report_bytes=0, image_bytes=0),
        "large": _interaction(searches=100, report_bytes=200_000, image_bytes=1_500_000),
    }

    async def get(request: Request) -> Response:
        # The real service takes its time; without this, concurrency would only measure the server's CPU.
        if "slow" in request.path_params["interaction_id"]:
            await asyncio.sleep(0.1)
        size = "large" if "large" in request.path_params["interaction_id"] else "small"
        return Response(bodies[size], media_type="application/json")

    app = Starlette(routes=[Route("/v1beta/interactions/{interaction_id}", get)])
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listener])


async def _measure(label: str, calls: int, work: Callable[[], Awaitable[object]]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{label:<34}{calls:>7}{wall:>9.2f} s{calls / wall:>9.0f}/s{1e6 * cpu / calls:>9.0f} µs CPU")  # noqa: T201 - a report


async def _run(port: int) -> None:
    config = ApiConfig(api_key="benchmark", base_url=f"http://127.0.0.1:{port}")
    async with InteractionsClient(config) as client:

        async def one_by_one(interaction_id: str, calls: int) -> None:
            for _ in range(calls):
                await client.get(interaction_id)

        async def at_once() -> None:
            for _ in range(ROUNDS):
                await asyncio.gather(*(client.get("slow") for _ in range(CONCURRENT)))

        await one_by_one("warm-up", 100)
        await _measure("one by one", SEQUENTIAL, lambda: one_by_one("small", SEQUENTIAL))
        await _measure(f"{CONCURRENT} at once, 0.1 s each", ROUNDS * CONCURRENT, at_once)
        await _measure("one by one, 1.8 MB", LARGE, lambda: one_by_one("large", LARGE))


def main() -> None:
    """Serve in a child process, measure in this one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", action="store_true", help="print where the client's time goes")
    arguments = parser.parse_args()
    # The protocol is named because asyncio turns Nagle's algorithm off only for sockets that say TCP; with it
    # on, an answer in two segments waits 40 ms for an acknowledgement, and that is all one would measure.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        server = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
        server.start()
        profiler = cProfile.Profile() if arguments.profile else None
        try:
            if profiler is not None:
                profiler.enable()
            asyncio.run(_run(listener.getsockname()[1]))
        finally:
            server.terminate()
            server.join()
        if profiler is not None:
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
