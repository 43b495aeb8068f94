"""What a turn of a conversation costs in history, and how long a conversation can go on.

Run::

    python -m benchmarks.conversation              # 600 turns, one after the other
    python -m benchmarks.conversation --turns 50

The runs that answer are stand-ins that answer at once, so what is measured is the conversation alone: server,
worker and client are on this machine.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from runs.conversation import CONVERSATION, ConversationRequest, SendMessage
from starter.conversations import send_message
from tests.dev_server import running_dev_server
from tests.workflow.fake_runs import FakeRuns, worker_of_runs
from workflows.conversation import ConversationWorkflow

_REQUEST: Final = ConversationRequest(model="gemini-3.8-flash")
_TASK_QUEUE: Final = "benchmark"


@dataclass(frozen=True)
class Execution:
    """One execution of the conversation's workflow.

    Attributes:
        events: In its history.
        size_bytes: Of that.
        carried_bytes: What it was started with.
    """

    events: int
    size_bytes: int
    carried_bytes: int


async def converse(client: Client, *, turns: int) -> list[float]:
    """Hold a conversation of so many turns and return how long each took, in seconds."""
    await client.start_workflow(CONVERSATION, _REQUEST, id="chat", task_queue=_TASK_QUEUE)
    took: list[float] = []
    for number in range(turns):
        began_at = time.perf_counter()
        message = SendMessage(message_id=str(number), text=f"What about number {number}? {'Well. ' * 20}")
        turn = await send_message(client, "chat", message)
        took.append(time.perf_counter() - began_at)
        if turn.number != number + 1:
            raise AssertionError(f"message {number} became turn {turn.number}")
    return took


async def executions_of(client: Client) -> list[Execution]:
    """Return the executions of the conversation's workflow, the first one first."""
    executions: list[Execution] = []
    run_id: str | None = None
    while run_id != "":
        handle: WorkflowHandle[Any, Any] = client.get_workflow_handle("chat", run_id=run_id)
        description = await handle.describe()
        events = (await handle.fetch_history()).events
        started = events[0].workflow_execution_started_event_attributes
        executions.append(
            Execution(
                events=len(events),
                size_bytes=description.raw_description.workflow_execution_info.history_size_bytes,
                carried_bytes=started.input.ByteSize(),
            )
        )
        run_id = started.continued_execution_run_id
    return executions[::-1]


async def measure(turns: int) -> None:
    """Print what a conversation of so many turns came to."""
    with running_dev_server() as server:
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        async with worker_of_runs(client, FakeRuns(), ConversationWorkflow, task_queue=_TASK_QUEUE):
            took = sorted(await converse(client, turns=turns))
            executions = await executions_of(client)
    for line in report(took, executions):
        print(line)  # noqa: T201 - a report


def report(took: list[float], executions: list[Execution]) -> Iterator[str]:
    """Yield what was measured, in lines.

    Args:
        took: Seconds that each turn took, in order of length.
        executions: Of the conversation's workflow.
    """
    turns = len(took)
    events = sum(each.events for each in executions)
    size_bytes = sum(each.size_bytes for each in executions)
    yield f"{turns:,} turns in {sum(took):.1f} s; a turn: median {took[turns // 2] * 1e3:.0f} ms"
    yield f"a turn: {events / turns:.1f} events, {size_bytes / turns:,.0f} bytes of history"
    for number, each in enumerate(executions, start=1):
        size_mb = each.size_bytes / 1e6
        began = f"began with {each.carried_bytes:,} bytes"
        yield f"execution {number}: {each.events:,} events, {size_mb:.2f} MB, {began}"


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=600)
    asyncio.run(measure(parser.parse_args().turns))


if __name__ == "__main__":
    main()
