"""A thousand things that wait, of every kind, on one worker: what its memory comes to.

Run::

    python -m benchmarks.parked             # 1,000
    python -m benchmarks.parked --parked 200

A fifth each: research at work, plans that wait for approval, function calls that wait for approval,
conversations after one turn, and chains at an approval. They stay in the worker's cache of workflows, where
each has a coroutine and its state; with the cache's bound (LONGHAUL_MAX_CACHED_WORKFLOWS) lower, they are
only histories on the server.
"""

import argparse
import asyncio
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client

from benchmarks.in_flight import cpu_s, rss_mb
from chains.messages import CHAIN, ChainRequest
from chains.spec import ChainSpec
from runs.conversation import CONVERSATION, ConversationRequest, SendMessage
from runs.messages import AGENT_RUN, DEFAULT_AGENT, DEFAULT_MODEL, AgentRunRequest
from runs.planning import Planning
from runs.tools import FunctionTool
from tests.dev_server import running_dev_server
from tests.e2e.stack import Stack, worker_of
from tests.emulator_server import EmulatorServer

_TASK_QUEUE: Final = "longhaul"

_AT_ONCE: Final = 10
"""Starts at the same time; more would measure this process."""

_TOOLS: Final = '''
"""What the parked runs wait for."""

from tools import tool


@tool(needs_approval=True)
def book_flight(destination: str) -> str:
    """Book a flight.

    Args:
        destination: Where to.
    """
    return f"booked to {destination}"
'''

_HOURS: Final = "[[emulator duration_s=360000]]"


async def research(client: Client, run_id: str) -> None:
    """Start a research that stays at work."""
    request = AgentRunRequest(agent=DEFAULT_AGENT, input=f"Why is tea astringent? {_HOURS}")
    await client.start_workflow(AGENT_RUN, request, id=run_id, task_queue=_TASK_QUEUE)


async def plan(client: Client, run_id: str) -> None:
    """Start a research whose plan waits for somebody."""
    request = AgentRunRequest(agent=DEFAULT_AGENT, input="Why is tea astringent?", planning=Planning())
    await client.start_workflow(AGENT_RUN, request, id=run_id, task_queue=_TASK_QUEUE)


async def call(client: Client, run_id: str) -> None:
    """Start a run of a model that asks for a function that needs approval."""
    request = AgentRunRequest(
        model=DEFAULT_MODEL, input="Book a flight to Oslo.", tools=(FunctionTool(name="book_flight"),)
    )
    await client.start_workflow(AGENT_RUN, request, id=run_id, task_queue=_TASK_QUEUE)


async def conversation(client: Client, run_id: str) -> None:
    """Start a conversation and let it answer once."""
    handle: Any = await client.start_workflow(
        CONVERSATION, ConversationRequest(model=DEFAULT_MODEL), id=run_id, task_queue=_TASK_QUEUE
    )
    await handle.execute_update("send", SendMessage(message_id=uuid.uuid4().hex, text="Hello"))


async def chain(client: Client, run_id: str) -> None:
    """Start a chain that asks a person at once."""
    spec = ChainSpec.model_validate(
        {"name": "parked", "steps": {"ok": {"approve": "Go on?"}, "then": {"ask": "Hello", "after": "ok"}}}
    )
    await client.start_workflow(CHAIN, ChainRequest(spec=spec), id=run_id, task_queue=_TASK_QUEUE)


KINDS: Final[dict[str, Callable[[Client, str], Awaitable[None]]]] = {
    "research": research,
    "plan": plan,
    "call": call,
    "conversation": conversation,
    "chain": chain,
}

_PARKED: Final = {
    "research": "RunPhase = 'running'",
    "plan": f"RunPhase = 'awaiting_approval' AND RunAgent = '{DEFAULT_AGENT}'",
    "call": f"RunPhase = 'awaiting_approval' AND RunAgent = '{DEFAULT_MODEL}'",
    "conversation": "WorkflowType = 'Conversation' AND RunPhase = 'open'",
    "chain": "WorkflowType = 'Chain' AND RunPhase = 'awaiting_approval'",
}


async def measure(stack: Stack, *, parked: int) -> None:
    """Park everything and print what the worker holds."""
    client = await stack.client()
    pid = stack.worker.pid
    each = parked // len(KINDS)
    empty_mb = rss_mb(pid, field="VmRSS")
    gate = asyncio.Semaphore(_AT_ONCE)

    async def start(kind: str, number: int) -> None:
        async with gate:
            await KINDS[kind](client, f"{kind}-{number}")

    for kind in KINDS:
        await asyncio.gather(*(start(kind, number) for number in range(each)))
        while await count(client, kind) < each:  # noqa: ASYNC110 - Temporal's list has no event
            await asyncio.sleep(0.5)
        print(f"{kind:<14}{each} parked, worker {rss_mb(pid, field='VmRSS'):.0f} MB")  # noqa: T201 - a report
    before_s = cpu_s(pid)
    await asyncio.sleep(30)
    full_mb = rss_mb(pid, field="VmRSS")
    rows = {
        "worker, empty": f"{empty_mb:.0f} MB",
        "worker, full": f"{full_mb:.0f} MB",
        "each": f"{1024 * (full_mb - empty_mb) / (each * len(KINDS)):.0f} KB",
        "CPU, parked": f"{(cpu_s(pid) - before_s) / 30:.2f} of one core",
    }
    for name, value in rows.items():
        print(f"{name:<14}{value}")  # noqa: T201 - a report


async def count(client: Client, kind: str) -> int:
    """Return how many of a kind are parked."""
    return (await client.count_workflows(f"ExecutionStatus = 'Running' AND {_PARKED[kind]}")).count


def main() -> None:
    """Run the processes, measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parked", type=int, default=1_000)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_dev_server() as server,
        EmulatorServer(time_scale=60) as emulator,
    ):
        home = Path(folder)
        (home / "parked_tools.py").write_text(_TOOLS, "utf-8")
        environment = {"LONGHAUL_TOOLS": "parked_tools", "PYTHONPATH": folder}
        with worker_of(server, emulator, home=home, **environment) as process:
            stack = Stack(server=server, emulator=emulator, worker=process, home=home)
            asyncio.run(measure(stack, parked=arguments.parked))


if __name__ == "__main__":
    main()
