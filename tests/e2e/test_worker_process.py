"""The worker as people run it: a process, a real server, signals."""

import asyncio
import json
import re
import shlex
import signal
import socket
import uuid
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2 as httpx
import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from runs.messages import AGENT_RUN
from starter.temporal import worker_stores
from tests.dev_server import DevServer, running_dev_server, temporal_cli
from tests.e2e.stack import assert_eventually
from tests.emulator_server import EmulatorServer
from tests.worker_process import WorkerProcess

AGENT = "deep-research-preview-04-2026"
KEY = "a-key-that-must-not-be-seen"


class HeldApi:
    """An API that keeps a create waiting until it is told to answer.

    Attributes:
        asked: Set once a create has arrived.
        answer: Set by the test, to let it be answered.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.base_url = ""
        self._replies: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator["HeldApi"]:
        """Serve on a free port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.base_url = f"http://{host}:{port}"
        async with server:
            yield self
            self.answer.set()
            await asyncio.gather(*self._replies)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._replies.append(task)
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await self.answer.wait()
        body = json.dumps({"id": "v1_held", "status": "in_progress", "object": "interaction"}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()
        with suppress(ConnectionError):  # whoever asked may be gone
            await writer.wait_closed()


@pytest.fixture
def environ(temporal_server: DevServer) -> dict[str, str]:
    """What a worker needs to start, on a task queue of its own; its API is one that nobody asks."""
    return {
        **temporal_server.environ,
        "LONGHAUL_TASK_QUEUE": f"q-{uuid.uuid4()}",
        "LONGHAUL_API_BASE_URL": "http://127.0.0.1:1",
    }


async def start_run(environ: dict[str, str], question: str) -> WorkflowHandle[object, object]:
    """Start a run on the worker that ``environ`` configures."""
    client = await Client.connect(environ["TEMPORAL_ADDRESS"], data_converter=pydantic_data_converter)
    return await client.start_workflow(
        AGENT_RUN,
        {"agent": AGENT, "input": question},
        id=f"run-{uuid.uuid4()}",
        task_queue=environ["LONGHAUL_TASK_QUEUE"],
    )


async def test_a_worker_says_where_it_is_and_answers_there(environ: dict[str, str], tmp_path: Path) -> None:
    """The first line names the health address; health and metrics answer on it, in Prometheus' form."""
    async with WorkerProcess(environ, home=tmp_path) as worker:
        started = await worker.event("worker.started")
        assert started["task_queue"] == environ["LONGHAUL_TASK_QUEUE"]
        async with httpx.AsyncClient(trust_env=False) as client:
            healthz = await client.get(started["health"])
            assert (healthz.status_code, healthz.json()["ok"]) == (200, True)
            metrics = await client.get(started["health"].replace("/healthz", "/metrics"))
            assert metrics.status_code == 200
            assert re.search(r"^temporal_num_pollers\{.*\} \d+$", metrics.text, re.MULTILINE)
            assert re.search(r"^longhaul_submissions_possible(\{.*\})? 1$", metrics.text, re.MULTILINE)
            lag = r'^longhaul_event_loop_lag_seconds\{.*loop="async tools".*\} '
            assert re.search(lag, metrics.text, re.MULTILINE)


async def test_a_worker_with_another_store_says_so(environ: dict[str, str], tmp_path: Path) -> None:
    """It names both stores, and so can anybody who asks the server; one with the same store says nothing."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    async with WorkerProcess(environ, home=here) as first:
        store = (await first.event("worker.started"))["store"]
        async with WorkerProcess(environ, home=here) as same:
            assert (await same.event("worker.started"))["store"] == store
            assert "store.differs" not in [line["event"] for line in same.lines]
        async with WorkerProcess(environ, home=elsewhere) as other:
            warned = await other.event("store.differs")
            started = await other.event("worker.started")
            client = await Client.connect(environ["TEMPORAL_ADDRESS"])

            async def both_poll() -> None:
                stores = await worker_stores(client, task_queue=environ["LONGHAUL_TASK_QUEUE"])
                assert stores == {store, started["store"]}

            await assert_eventually(both_poll)
    assert (warned["level"], warned["store"], warned["other_stores"]) == (
        "warning",
        started["store"],
        [store],
    )
    assert "LONGHAUL_ARTIFACTS_URL" in warned["remedy"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_worker_drains_at_once(
    environ: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    """Asked to stop, a worker ends with 0 and says so; everything it printed is JSON."""
    async with WorkerProcess(environ, home=tmp_path) as worker:
        await worker.event("worker.started")
        worker.signal(number)
        ended = await worker.ended()
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert [line["event"] for line in ended.lines] == ["worker.started", "worker.draining", "worker.stopped"]


async def test_lines_of_a_run_carry_its_ids(environ: dict[str, str], tmp_path: Path) -> None:
    """From workflow and activities alike: which run, which execution, which attempt."""
    with EmulatorServer() as emulator:
        environ |= {
            "LONGHAUL_API_BASE_URL": emulator.base_url,
            "GEMINI_API_KEY": KEY,
            "LONGHAUL_POLL_MIN_S": "0.05",
        }
        async with WorkerProcess(environ, home=tmp_path) as worker:
            await worker.event("worker.started")
            run = await start_run(environ, "Why is tea astringent?")
            await run.result()
            worker.signal(signal.SIGTERM)
            ended = await worker.ended()
    described = await run.describe()
    lines = [line for line in ended.lines if not line["event"].startswith("worker.")]
    assert {"interaction.submitted", "interaction.settled"} <= {line["event"] for line in lines}
    for line in lines:
        assert (line["workflow_id"], line["run_id"]) == (run.id, described.run_id), line
        assert line["attempt"] >= 1
    assert KEY not in json.dumps(ended.lines) + ended.stderr


async def test_a_drain_waits_for_a_submission(environ: dict[str, str], tmp_path: Path) -> None:
    """The answer to a create under way is the only place where a paid interaction's id can be learned."""
    async with HeldApi().running() as api:
        environ |= {"LONGHAUL_API_BASE_URL": api.base_url}
        async with WorkerProcess(environ, home=tmp_path) as worker:
            health = (await worker.event("worker.started"))["health"]
            run = await start_run(environ, "Why is tea astringent?")
            async with asyncio.timeout(30):
                await api.asked.wait()
            worker.signal(signal.SIGTERM)
            await worker.event("worker.draining")
            async with httpx.AsyncClient(trust_env=False) as client:
                healthz = await client.get(health)
                assert (healthz.status_code, healthz.json()["draining"]) == (503, True)
            api.answer.set()
            ended = await worker.ended()
    assert ended.exit_code == 0
    assert "interaction.submitted" in [line["event"] for line in ended.lines]
    completed = [
        event
        async for event in run.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
    ]
    assert len(completed) == 1
    assert b"v1_held" in completed[0].activity_task_completed_event_attributes.result.SerializeToString()
    await run.terminate()


async def test_a_second_signal_ends_at_once(environ: dict[str, str], tmp_path: Path) -> None:
    """Whoever asks twice does not want to wait, and the exit code says that work was cut off."""
    async with HeldApi().running() as api:
        environ |= {"LONGHAUL_API_BASE_URL": api.base_url}
        async with WorkerProcess(environ, home=tmp_path) as worker:
            await worker.event("worker.started")
            run = await start_run(environ, "Why is tea astringent?")
            async with asyncio.timeout(30):
                await api.asked.wait()
            worker.signal(signal.SIGTERM)
            await worker.event("worker.draining")
            worker.signal(signal.SIGTERM)
            ended = await worker.ended()
    assert ended.exit_code == 128 + signal.SIGTERM
    assert ended.lines[-1]["event"] == "worker.aborted"
    await run.terminate()


async def test_a_worker_that_waits_for_temporal_can_be_stopped(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Before it serves there is nothing to drain, so a signal ends it with 0."""
    environ |= {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
    async with WorkerProcess(environ, home=tmp_path) as worker:
        await worker.event("temporal.awaited")
        worker.signal(signal.SIGTERM)
        ended = await worker.ended()
    assert (ended.exit_code, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("change", "exit_code", "message"),
    [
        ({"LONGHAUL_LOG_LEVEL": "loud"}, 2, "LONGHAUL_LOG_LEVEL: "),
        ({"LONGHAUL_PRICES_FILE": "/nowhere.toml"}, 2, "LONGHAUL_PRICES_FILE: /nowhere.toml: No such file"),
        ({"LONGHAUL_API_BASE_URL": ""}, 2, "GEMINI_API_KEY: not set; set it, or point LONGHAUL_API_BASE_URL"),
        ({"GEMINI_API_KEY": f"{KEY} {KEY}"}, 2, "GEMINI_API_KEY: must be printable ASCII without spaces"),
        ({"LONGHAUL_VERTEX_PROJECT": "p"}, 2, "LONGHAUL_VERTEX_TOKEN: not set"),
        (
            {"GEMINI_API_KEY": KEY, "LONGHAUL_API_BASE_URL": "http://api.test"},
            2,
            "LONGHAUL_API_BASE_URL: the key would be sent in clear over http://",
        ),
        (
            {"HTTPS_PROXY": "socks5://127.0.0.1:9", "LONGHAUL_API_BASE_URL": "https://api.test"},
            2,
            "HTTPS_PROXY: SOCKS proxies are not supported; write http://HOST:PORT",
        ),
        ({"all_proxy": "://", "LONGHAUL_API_BASE_URL": "https://api.test"}, 2, "all_proxy: not a proxy"),
        ({"LONGHAUL_ARTIFACTS_URL": "/dev/null/artifacts"}, 2, "LONGHAUL_ARTIFACTS_URL: "),
        (
            {"LONGHAUL_HEALTH_ADDRESS": "192.0.2.1:9090"},
            2,
            "LONGHAUL_HEALTH_ADDRESS: cannot listen on 192.0.2.1",
        ),
        (
            {"TEMPORAL_CONFIG_FILE": "pyproject.toml", "TEMPORAL_PROFILE": "none"},
            2,
            "Temporal's configuration",
        ),
        ({"TEMPORAL_ADDRESS": "127.0.0.1:99999"}, 2, "TEMPORAL_ADDRESS: 127.0.0.1:99999: invalid"),
        (
            {"TEMPORAL_ADDRESS": "127.0.0.1:1"},
            3,
            "no Temporal server at 127.0.0.1:1 within 10 s: Connection refused",
        ),
        (
            {"TEMPORAL_NAMESPACE": "elsewhere"},
            2,
            "TEMPORAL_NAMESPACE: there is no namespace 'elsewhere'; create it: temporal operator namespace",
        ),
    ],
    ids=lambda value: "=".join(next(iter(value.items()))) if isinstance(value, dict) else "",
)
async def test_what_is_missing_is_one_line(
    environ: dict[str, str], tmp_path: Path, change: dict[str, str], exit_code: int, message: str
) -> None:
    """A start that fails says why and what to do, to a person, in one line."""
    async with WorkerProcess(environ | change, home=tmp_path) as worker:
        ended = await worker.ended()
    assert ended.stderr.startswith(f"longhaul worker: {message}")
    assert (ended.stderr.count("\n"), ended.exit_code) == (1, exit_code)
    assert "Traceback" not in ended.stderr
    assert KEY not in ended.stderr
    assert "worker.started" not in [line["event"] for line in ended.lines]


async def test_a_taken_health_port_is_one_line(environ: dict[str, str], tmp_path: Path) -> None:
    """A second worker on one machine needs an address of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with WorkerProcess(environ | {"LONGHAUL_HEALTH_ADDRESS": address}, home=tmp_path) as worker:
            ended = await worker.ended()
    assert ended.exit_code == 2
    assert ended.stderr == (
        f"longhaul worker: LONGHAUL_HEALTH_ADDRESS: cannot listen on {address}: Address already in use\n"
    )


async def test_the_command_it_names_creates_what_is_missing(environ: dict[str, str], tmp_path: Path) -> None:
    """Without our search attributes a worker refuses to start; what it says to run is what helps."""
    with running_dev_server(search_attributes={"RunPhase": "Keyword"}) as server:
        environ |= server.environ
        async with WorkerProcess(environ, home=tmp_path) as worker:
            ended = await worker.ended()
        assert ended.exit_code == 2
        what, _, command = ended.stderr.partition("; create them: ")
        assert what.startswith("longhaul worker: search attributes are missing: RunAgent, ")
        arguments = [*shlex.split(command)[1:], "--address", server.address]
        command_line = await asyncio.create_subprocess_exec(temporal_cli(), *arguments, stdout=DEVNULL)
        assert await command_line.wait() == 0
        async with WorkerProcess(environ, home=tmp_path) as worker:
            await worker.event("worker.started")


async def test_an_attribute_of_another_type_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    """A namespace shared with another program may use our names for something else."""
    with running_dev_server(search_attributes={"RunTokens": "Keyword"}) as server:
        async with WorkerProcess(environ | server.environ, home=tmp_path) as worker:
            ended = await worker.ended()
    assert ended.exit_code == 2
    assert "RunTokens is of type Keyword, but has to be Int" in ended.stderr
