"""Stores that do not do what "create only if absent" says, from the start or from some time on."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from runs.messages import DEFAULT_AGENT, AgentRunRequest
from runs.phase import Phase
from starter.runs import look_at_run, start_run
from tests.chaos.ledger import paid_interactions
from tests.chaos.sections import TIME_SCALE, make_home
from tests.chaos.table import Table
from tests.chaos.trial import known_to
from tests.chaos.waiting import holds
from tests.dev_server import DevServer, running_dev_server
from tests.e2e.stack import WorkerProcess, worker_of
from tests.emulator_server import EmulatorServer

_PAID_WITHIN_S: Final = 60.0
_KNOWN_WITHIN_S: Final = 240.0
"""As for a worker killed in the middle of a submission: noticed after ten seconds, held after two minutes."""


class _Create(StrEnum):
    """What a bucket makes of a second create."""

    REFUSED = "refuses the second create"
    REPLACES = "replaces the first file, and says that it was created"
    REFUSED_AND_REPLACES = "refuses the second create, and replaces the first file all the same"
    FORGOTTEN = "says that it was created, and keeps the first file"


@dataclass
class _Bucket:
    """A bucket of S3 that does with creates what it is told.

    Attributes:
        kept: Its files, by path.
    """

    create: _Create
    kept: dict[str, bytes]

    def put(self, path: str, content: bytes, *, is_create: bool) -> int:
        """Keep a file or not, and return the HTTP status."""
        is_second = is_create and path in self.kept
        if not is_second or self.create in (_Create.REPLACES, _Create.REFUSED_AND_REPLACES):
            self.kept[path] = content
        is_refused = is_second and self.create in (_Create.REFUSED, _Create.REFUSED_AND_REPLACES)
        return 412 if is_refused else 200


class _Handler(BaseHTTPRequestHandler):
    """One request to a `_Bucket`."""

    bucket: _Bucket
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = unquote(self.path.partition("?")[0])
        status, body = 200, b""
        if self.command == "PUT":
            status = self.bucket.put(path, content, is_create=self.headers.get("if-none-match") == "*")
        elif self.command == "POST":
            body = self._delete(content)
        elif "list-type" in self.path:
            body = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        elif path in self.bucket.kept:
            body = self.bucket.kept[path]
        else:
            status, body = 404, b"<Error><Code>NoSuchKey</Code></Error>"
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", '"1"')
        self.send_header("last-modified", "Sun, 22 Nov 2026 12:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _delete(self, content: bytes) -> bytes:
        keys = [found.text or "" for found in ET.fromstring(content).iter() if found.tag.endswith("Key")]  # noqa: S314 - our own client's
        for key in keys:
            self.bucket.kept.pop(f"/bucket/{key}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        return f"<DeleteResult>{deleted}</DeleteResult>".encode()

    do_GET = do_PUT = do_POST = do_HEAD = _handle  # noqa: N815 - http.server's names


@contextmanager
def _serving(bucket: _Bucket) -> Iterator[int]:
    """Serve a bucket, and yield the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"bucket": bucket}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def lying_store(home: Path) -> Table:
    """Start workers on buckets that lie, and kill one whose bucket begins to after its start."""
    began_s = time.monotonic()
    make_home(home)
    table = Table("A bucket that …")
    table.head("bucket", "the worker", "paid for", "duplicates", "becomes", "out of sight")
    with (
        running_dev_server(db_file=home / "temporal.db") as server,
        EmulatorServer(time_scale=TIME_SCALE) as emulator,
    ):
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        for create in _Create:
            bucket = _Bucket(create=create, kept={})
            with _serving(bucket) as port:
                said = await _start_once(_worker(server, emulator, home=home, name=create.name, port=port))
            table.row(create.value, said, "-", "-", "-", "-")
            table.check((said == "serves") is (create is _Create.REFUSED))
        turn = asyncio.Lock()
        lost = [_Lost(server, emulator, home=home, later=create, turn=turn) for create in _Create]
        for create, row in zip(
            _Create, await asyncio.gather(*(each.run(client) for each in lost)), strict=True
        ):
            table.row(f"… from some time on: {create.value}", "serves", *row)
            table.check(row[1] == 0 and row[3] == 0)
    table.note("Lost in the second half: a worker killed 2 s into a POST, whose answer never comes.")
    table.note(
        "Two workers that claim one submission in the same moment after it has begun to lie may both send."
    )
    table.note(f"{time.monotonic() - began_s:.0f} s")
    return table


def _worker(
    server: DevServer, emulator: EmulatorServer, *, home: Path, name: str, port: int
) -> WorkerProcess:
    folder = home / name
    folder.mkdir()
    return worker_of(
        server,
        emulator,
        home=folder,
        LONGHAUL_TASK_QUEUE=name.rstrip("-01"),
        LONGHAUL_ARTIFACTS_URL="s3://bucket/prefix",
        AWS_ENDPOINT=f"http://127.0.0.1:{port}",
        AWS_ALLOW_HTTP="true",
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret",
    )


async def _start_once(worker: WorkerProcess) -> str:
    """Return whether a worker serves; it is ended at once."""
    try:
        await asyncio.to_thread(worker.start)
    except RuntimeError:
        lines = [line for line in worker.log.splitlines() if line.startswith("longhaul worker: ")]
        return "refuses, in one line" if len(lines) == 1 else "crashes"
    worker.kill()
    return "serves"


class _Lost:
    """A submission whose worker is killed, on a bucket that begins to lie before it.

    Args:
        server: Shared with others.
        emulator: Shared with others.
        home: For folders of its own.
        later: What the bucket then does.
        turn: Whose turn it is to start a worker: all at once would take each other's time for it.
    """

    def __init__(
        self, server: DevServer, emulator: EmulatorServer, *, home: Path, later: _Create, turn: asyncio.Lock
    ) -> None:
        self._server = server
        self._emulator = emulator
        self._home = home
        self._later = later
        self._turn = turn
        self._bucket = _Bucket(create=_Create.REFUSED, kept={})
        self._name = f"{later.name}-later"

    async def run(self, client: Client) -> tuple[int, int, str, int]:
        """Return what was paid for, how much of it twice, what becomes of it, and what is out of sight."""
        with _serving(self._bucket) as port, contextlib.ExitStack() as stack:
            first, second = (
                _worker(self._server, self._emulator, home=self._home, name=f"{self._name}-{n}", port=port)
                for n in range(2)
            )
            stack.callback(first.kill)
            stack.callback(second.kill)
            await self._start(first)
            request = AgentRunRequest(
                agent=DEFAULT_AGENT,
                input=f"Why? [[emulator submission={self._name} fault=hang-after times=1]]",
            )
            await start_run(client, request, run_id=self._name, task_queue=self._name)
            await holds(lambda: bool(self._paid()), within_s=_PAID_WITHIN_S, every_s=0.1)
            await asyncio.sleep(2.0)
            first.kill()
            await self._start(second)

            async def is_known() -> bool:
                phase = (await look_at_run(client, self._name)).phase
                return phase.is_end or phase is Phase.SUBMISSION_UNKNOWN

            await holds(is_known, within_s=_KNOWN_WITHIN_S)
            view = await look_at_run(client, self._name)
        unknown = len(set(self._paid()) - known_to(view))
        is_waiting = view.phase is Phase.SUBMISSION_UNKNOWN
        return len(self._paid()), len(self._paid()) - 1, view.phase.value, max(0, unknown - is_waiting)

    def _paid(self) -> list[str]:
        return paid_interactions(self._emulator, [self._name])[self._name]

    async def _start(self, worker: WorkerProcess) -> None:
        """Start a worker while the bucket does what it should, which the worker tries."""
        async with self._turn:
            self._bucket.create = _Create.REFUSED
            await asyncio.to_thread(worker.start)
            self._bucket.create = self._later
