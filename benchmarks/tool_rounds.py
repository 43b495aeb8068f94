"""From the last result of a round of function calls to the next submission: how long a model is kept waiting.

Run::

    python -m benchmarks.tool_rounds            # 20 runs of 5 rounds, one after the other
    python -m benchmarks.tool_rounds --runs 50

Read from the histories, by the server's clock: from the completion of the last call's activity to the start
of the activity that submits the results. In between lie one workflow task and two hand-overs by the server.
"""

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from runs.messages import AGENT_RUN, DEFAULT_MODEL, AgentRunRequest, AgentRunResult
from runs.pacing import Pacing
from runs.tools import FunctionTool
from tests.dev_server import running_dev_server
from tests.e2e.stack import Stack, worker_of
from tests.emulator_server import EmulatorServer

_ROUNDS: Final = 5

_TOOLS: Final = '''
"""What the model calls."""

from tools import tool


@tool
def rain_today(city: str) -> float:
    """Return how much rain fell today.

    Args:
        city: Where.
    """
    return float(len(city))
'''


async def measure(stack: Stack, *, runs: int) -> None:
    """Carry out the runs and print the gaps."""
    client = await stack.client()
    request = AgentRunRequest(
        model=DEFAULT_MODEL,
        input=f"How much rain fell in Oslo? [[emulator tool_rounds={_ROUNDS}]]",
        tools=(FunctionTool(name="rain_today"),),
        pacing=Pacing(poll_min_s=0.1, poll_max_s=0.1),
    )
    gaps_ms: list[float] = []
    events: list[int] = []
    for number in range(runs):
        handle = await client.start_workflow(
            AGENT_RUN, request, id=f"rounds-{number}", task_queue="longhaul", result_type=AgentRunResult
        )
        await handle.result()
        gaps, count = await gaps_of(handle)
        gaps_ms += gaps
        events.append(count)
    gaps_ms.sort()
    print(f"rounds            {len(gaps_ms)}")  # noqa: T201 - a report
    print(f"gap, median       {statistics.median(gaps_ms):.0f} ms")  # noqa: T201 - a report
    print(f"gap, 95th         {gaps_ms[int(len(gaps_ms) * 0.95)]:.0f} ms")  # noqa: T201 - a report
    print(f"events a round    {(statistics.median(events) - 20) / _ROUNDS:.0f}")  # noqa: T201 - a report


async def gaps_of(handle: WorkflowHandle[Any, Any]) -> tuple[list[float], int]:
    """Return the gaps in one run's history, in milliseconds, and its number of events."""
    names: dict[int, str] = {}
    gaps: list[float] = []
    called_at: float | None = None
    history = await handle.fetch_history()
    for event in history.events:
        at_s = event.event_time.ToMicroseconds() / 1_000_000
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                started = event.activity_task_started_event_attributes.scheduled_event_id
                if names[started] == "submit_interaction" and called_at is not None:
                    gaps.append((at_s - called_at) * 1000)
                    called_at = None
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes.scheduled_event_id
                if names[completed] == "call_tool":
                    called_at = at_s
            case _:
                pass
    return gaps, len(history.events)


def main() -> None:
    """Run the processes, measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_dev_server() as server,
        EmulatorServer(time_scale=600) as emulator,
    ):
        home = Path(folder)
        (home / "round_tools.py").write_text(_TOOLS, "utf-8")
        environment = {"LONGHAUL_TOOLS": "round_tools", "PYTHONPATH": folder}
        with worker_of(server, emulator, home=home, **environment) as process:
            stack = Stack(server=server, emulator=emulator, worker=process, home=home)
            asyncio.run(measure(stack, runs=arguments.runs))


if __name__ == "__main__":
    main()
