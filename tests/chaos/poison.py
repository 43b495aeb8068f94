"""Runs that would stop a worker, beside healthy ones: schemas, answers and tools made to take for ever."""

import asyncio
import base64
import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from runs.messages import AgentRunRequest
from runs.phase import Phase
from runs.tools import FunctionTool
from starter.runs import look_at_run, start_run
from starter.views import RunView
from tests.chaos.ledger import paid_interactions
from tests.chaos.sections import TIME_SCALE, make_home
from tests.chaos.table import Table
from tests.chaos.waiting import holds
from tests.dev_server import running_dev_server
from tests.e2e.stack import WorkerProcess, worker_of
from tests.emulator_server import EmulatorServer

_HEALTHY: Final = 20
_EVERY_S: Final = 0.5
"""Between two healthy runs: over the time in which all the poison is at work."""

_MODEL: Final = "gemini-3.8-flash"

_STOP_WITHIN_S: Final = 10
_STANDSTILL_S: Final = 60

_SLOWER_AT_MOST: Final = 3.0
"""How many times as long a healthy run may take beside poison, in the middle of all. The machine's cores are
busy with the poison, which nobody can keep a machine from; only others must not have to wait for its end."""

_LATEST_S: Final = 30.0
"""How much later the last of the healthy ones may be: each poison holds one of two processes for a second."""

_ENDED_WITHIN_S: Final = 1_800.0
"""Nine come to the patient process, each for 20 s of processor time, which a busy machine gives slowly."""

_TOOLS: Final = '''
import re, threading, time
from tools import tool

@tool(timeout_s=600, max_attempts=1)
def blocks_a_thread() -> str:
    """Never return."""
    threading.Event().wait()
    return ""

@tool(timeout_s=600, max_attempts=1)
async def blocks_the_loop() -> str:
    """Never return."""
    while True:
        time.sleep(0.05)

@tool(timeout_s=600, heartbeat_timeout_s=5, max_attempts=1)
def keeps_the_lock() -> str:
    """Keep Python's lock for longer than the universe has been there."""
    re.match("^(a+)+$", "a" * 60 + "!")
    return ""
'''


@dataclass(frozen=True, kw_only=True)
class _Poison:
    """A kind of runs that never come to an end by themselves.

    Attributes:
        name: Of the runs.
        what: For the table.
        count: How many.
        says: What the model answers; None: whatever it likes.
        schema: That the answer is to follow.
        tool: That the model calls.
        paid: How many interactions each is to cost; one that follows with a tool's answer counts by itself.
        becomes: What the run has to be in the end; None for one that waits for its tool.
        told: What has to be in its error, or in its notes.
    """

    name: str
    what: str
    count: int
    says: str | None = None
    schema: dict[str, Any] | None = None
    tool: str | None = None
    paid: int = 1
    becomes: Phase | None = None
    told: str = ""


def _doubling(levels: int) -> dict[str, Any]:
    """Return a schema by which one value is checked two to the power of ``levels`` times."""
    parts: dict[str, Any] = {
        f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**parts, f"d{levels}": {"type": "object"}}}


def _deep(levels: int) -> tuple[dict[str, Any], str]:
    """Return a schema that looks harmless, and the answer by which it is not."""
    level = {"properties": {"a": {"$ref": "#/$defs/level"}}}
    answer: dict[str, Any] = {}
    for _ in range(levels):
        answer = {"a": answer}
    return {"$defs": {"level": {"allOf": [level, level]}}, "$ref": "#/$defs/level"}, json.dumps(answer)


_DEEP_SCHEMA, _DEEP_ANSWER = _deep(60)

_ALL: Final = (
    _Poison(
        name="doubling",
        what="a schema of 41 $defs, each an allOf of the next twice",
        count=7,
        schema=_doubling(41),
        paid=0,
        becomes=Phase.FAILED,
        told="more than 100,000 times",
    ),
    _Poison(
        name="deep",
        what="a schema that doubles with each level of the answer, which has 60",
        count=7,
        says=_DEEP_ANSWER,
        schema=_DEEP_SCHEMA,
        becomes=Phase.FAILED,
        told="could not be checked against its schema, and is kept",
    ),
    _Poison(
        name="pattern",
        what="the pattern ^(a+)+$ and sixty a's with a !",
        count=2,
        says=json.dumps("a" * 60 + "!"),
        schema={"pattern": "^(a+)+$"},
        becomes=Phase.FAILED,
        told="does not match",
    ),
    _Poison(
        name="backtracks",
        what=r"the pattern ^(a|aa)+\1$, which has to backtrack",
        count=2,
        says=json.dumps("a" * 60 + "!"),
        schema={"pattern": r"^(a|aa)+\1$"},
        becomes=Phase.FAILED,
        told="could not be checked against its schema, and is kept",
    ),
    _Poison(
        name="markdown",
        what="an answer of 190,000 opening brackets",
        count=2,
        says="[" * 190_000,
        becomes=Phase.COMPLETED,
        told="could not be read as Markdown",
    ),
    _Poison(name="thread", what="a tool that blocks its thread", count=5, tool="blocks_a_thread"),
    _Poison(name="loop", what="an async tool that blocks its event loop", count=2, tool="blocks_the_loop"),
)

_LOCK: Final = _Poison(
    name="lock",
    what="a tool that keeps Python's lock",
    count=1,
    tool="keeps_the_lock",
    becomes=Phase.COMPLETED,
)


async def poison(home: Path) -> Table:
    """Start all of it at once, with healthy runs beside it, and then tell the worker to end."""
    began_s = time.monotonic()
    make_home(home)
    (home / "poisonous_tools.py").write_text(_TOOLS)
    table = Table("Poisonous runs beside healthy ones, one worker")
    table.head("runs", "count", "paid for", "duplicates", "become", "told", "took")
    with (
        running_dev_server(db_file=home / "temporal.db") as server,
        EmulatorServer(time_scale=TIME_SCALE) as emulator,
        worker_of(
            server,
            emulator,
            home=home,
            LONGHAUL_TOOLS="poisonous_tools",
            LONGHAUL_STOP_WITHIN_S=str(_STOP_WITHIN_S),
            PYTHONPATH=str(home),
        ) as worker,
    ):
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        ground = _Ground(client, emulator, worker)
        alone = await ground.healthy("alone")
        watch = asyncio.create_task(ground.watch_health())
        poisoned_at = time.monotonic()
        for each in _ALL:
            await ground.start(each)
        beside = await ground.healthy("beside")
        _show_healthy(table, "healthy ones, alone", alone)
        _show_healthy(table, "healthy ones, beside the poison", beside)
        ratio = statistics.median(beside.took_s) / statistics.median(alone.took_s)
        later_s = max(beside.took_s) - max(alone.took_s)
        table.check(ratio <= _SLOWER_AT_MOST and later_s <= _LATEST_S)
        for each in _ALL:
            await ground.show(table, each, since=poisoned_at)
        watch.cancel()
        table.note(
            f"healthy runs took {ratio:.1f} times as long beside the poison (promised: "
            f"{_SLOWER_AT_MOST:g}), the last of them {later_s:.0f} s longer"
        )
        table.note(
            f"/healthz answered {len(ground.health_s)} times, within {max(ground.health_s):.2f} s, failed "
            f"{ground.health_missed} times, and said: {'; '.join(sorted(ground.problems)) or 'ok'}"
        )
        table.check(ground.health_missed == 0)
        await _stop(table, worker)
        await _keep_the_lock(table, ground)
    table.note(f"{time.monotonic() - began_s:.0f} s")
    return table


@dataclass
class _Healthy:
    took_s: list[float]
    paid: int


@dataclass
class _Ground:
    """A worker and who runs on it.

    Attributes:
        health_s: How long each answer of ``/healthz`` took.
        health_missed: How often it gave none.
        problems: What it named, without the numbers in it.
    """

    client: Client
    emulator: EmulatorServer
    worker: WorkerProcess
    health_s: list[float] = field(default_factory=list)
    health_missed: int = 0
    problems: set[str] = field(default_factory=set)

    async def healthy(self, label: str) -> _Healthy:
        """Run healthy questions one after the other, and return how long each took."""
        tasks = []
        for number in range(_HEALTHY):
            tasks.append(asyncio.create_task(self._healthy(f"{label}-{number}")))
            await asyncio.sleep(_EVERY_S)
        took_s = await asyncio.gather(*tasks)
        return _Healthy(took_s, sum(self.paid(f"{label}-{number}") for number in range(_HEALTHY)))

    async def start(self, each: _Poison) -> None:
        """Start the runs of a kind."""
        for number in range(each.count):
            name = f"{each.name}-{number}"
            says = f" says={base64.urlsafe_b64encode(each.says.encode()).decode()}" if each.says else ""
            request: dict[str, Any] = {
                "model": _MODEL,
                "input": f"Why? {each.tool or ''} [[emulator submission={name}{says}]]",
            }
            if each.schema is not None:
                request["outputs"] = {"forms": [{"type": "text", "json_schema": each.schema}]}
            if each.tool is not None:
                request["tools"] = [FunctionTool(name=each.tool)]
            await start_run(self.client, AgentRunRequest.model_validate(request), run_id=name)

    async def show(self, table: Table, each: _Poison, *, since: float) -> None:
        """Wait for the runs of a kind, and add their row."""
        names = [f"{each.name}-{number}" for number in range(each.count)]
        if each.becomes is None:
            become = {(await self._view(name)).phase.value for name in names}
            table.check(become == {Phase.CALLING_TOOLS.value})
            told = True
        else:
            ended = await holds(lambda: self._have_ended(names), within_s=_ENDED_WITHIN_S)
            views = [await self._view(name) for name in names]
            become = {view.phase.value for view in views}
            told = all(each.told in _words_of(view) for view in views)
            table.check(ended and become == {each.becomes.value} and told)
        paid = sum(map(self.paid, names))
        duplicates = paid - each.paid * each.count
        table.check(duplicates == 0)
        table.row(
            each.what,
            each.count,
            paid,
            duplicates,
            ", ".join(sorted(become)),
            "yes" if told else "no",
            f"{time.monotonic() - since:.0f} s",
        )

    def paid(self, name: str) -> int:
        """Return how many interactions a submission has cost."""
        return len(paid_interactions(self.emulator, [name])[name])

    async def watch_health(self) -> None:
        """Ask ``/healthz`` five times a second, until cancelled."""
        while True:
            began = time.monotonic()
            answer = await asyncio.to_thread(self.worker.health)
            if answer:
                self.health_s.append(time.monotonic() - began)
                self.problems |= {problem.partition(", for")[0] for problem in answer["problems"]}
            else:
                self.health_missed += 1
            await asyncio.sleep(0.2)

    async def _healthy(self, name: str) -> float:
        began = time.monotonic()
        request = AgentRunRequest(
            model=_MODEL,
            input=f"What makes tea astringent? [[emulator submission={name}]]",
        )
        handle = await start_run(self.client, request, run_id=name)
        await self.client.get_workflow_handle(handle.run_id).result()
        return time.monotonic() - began

    async def _have_ended(self, names: list[str]) -> bool:
        return all([(await self._view(name)).phase.is_end for name in names])

    async def _view(self, name: str) -> RunView:
        return await look_at_run(self.client, name)


def _words_of(view: RunView) -> str:
    assert view.result is not None
    error = view.result.error.message if view.result.error else ""
    return "\n".join((error, *view.result.notes))


def _show_healthy(table: Table, what: str, healthy: _Healthy) -> None:
    table.check(healthy.paid == _HEALTHY)
    table.row(
        what,
        _HEALTHY,
        healthy.paid,
        healthy.paid - _HEALTHY,
        Phase.COMPLETED.value,
        "",
        f"median {statistics.median(healthy.took_s):.1f} s, worst {max(healthy.took_s):.1f} s",
    )


async def _stop(table: Table, worker: WorkerProcess) -> None:
    """Tell the worker to end while tools still block."""
    began = time.monotonic()
    worker.terminate()
    await asyncio.to_thread(worker.wait, _STOP_WITHIN_S + 20)
    took_s = time.monotonic() - began
    table.note(f"SIGTERM, with tools that block: ended after {took_s:.1f} s (promised: {_STOP_WITHIN_S} s)")
    table.check(took_s <= _STOP_WITHIN_S + 1.5)


async def _keep_the_lock(table: Table, ground: _Ground) -> None:
    """Let a tool keep Python's lock, and start the worker again when it has ended, as a supervisor would."""
    ground.worker.kill()
    ground.worker.start()
    began = time.monotonic()
    await ground.start(_LOCK)
    healthy = asyncio.create_task(ground.healthy("after"))
    ended = await holds(lambda: not ground.worker.is_running, within_s=_STANDSTILL_S + 30)
    took_s = time.monotonic() - began
    table.check(ended)
    ground.worker.kill()
    ground.worker.start()
    _show_healthy(table, "healthy ones, beside a tool that keeps Python's lock", await healthy)
    await ground.show(table, _LOCK, since=began)
    table.note(f"a worker whose lock is kept ended by itself after {took_s:.0f} s")
