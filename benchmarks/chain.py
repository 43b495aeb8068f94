"""What a step of a chain costs in history, and how long a chain can be.

Run::

    python -m benchmarks.chain                         # 300 steps, one after the other
    python -m benchmarks.chain --wide                  # 300 items of one step, 50 at a time
    python -m benchmarks.chain --steps 50

The runs are stand-ins that answer at once, so what is measured is the chain alone, and what its children cost
the server: server, worker and client are on this machine.
"""

import argparse
import asyncio
import time
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from chains.messages import CHAIN, ChainPhase, ChainRequest, ChainResult
from chains.spec import ChainSpec
from tests.dev_server import running_dev_server
from tests.workflow.test_chain import Kitchen, executions_of

_TASK_QUEUE: Final = "benchmark"
_AT_ONCE: Final = 50


def in_a_row(count: int) -> ChainSpec:
    """Return a chain in which each step quotes the one before it."""
    steps: dict[str, Any] = {"s0": {"ask": "Begin."}}
    for number in range(1, count):
        before = f"steps.s{number - 1}.text"
        # Every tenth begins anew, so that texts do not grow with the chain.
        prompt = "Begin again." if number % 10 == 0 else f"Go on from {{{{ {before} }}}}"
        steps[f"s{number}"] = {"ask": prompt, "after": f"s{number - 1}"}
    return ChainSpec.model_validate({"name": "row", "steps": steps})


def side_by_side(count: int) -> ChainSpec:
    """Return a chain of one step with so many items."""
    each = {"items": list(range(count)), "do": {"ask": "On {{ item }}"}, "max_parallel": _AT_ONCE}
    return ChainSpec.model_validate(
        {"name": "wide", "max_parallel": _AT_ONCE, "steps": {"each": {"for_each": each}}}
    )


async def carry_out(client: Client, spec: ChainSpec) -> tuple[WorkflowHandle[Any, ChainResult], float]:
    """Carry out a chain; return it, and how long it took in seconds."""
    began_at = time.perf_counter()
    handle: WorkflowHandle[Any, ChainResult] = await client.start_workflow(
        CHAIN, ChainRequest(spec=spec), id=spec.name, task_queue=_TASK_QUEUE, result_type=ChainResult
    )
    result = await handle.result()
    if result.phase is not ChainPhase.COMPLETED:
        raise AssertionError(result)
    return handle, time.perf_counter() - began_at


async def _main(spec: ChainSpec, *, units: int) -> None:
    with running_dev_server() as server:
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        async with Kitchen().worker(client, task_queue=_TASK_QUEUE):
            handle, took_s = await carry_out(client, spec)
        total = 0
        for number, run_id in enumerate(await executions_of(client, handle), start=1):
            history = await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
            size_bytes = sum(len(event.SerializeToString()) for event in history.events)
            started = history.events[0].workflow_execution_started_event_attributes
            input_bytes = sum(len(payload.data) for payload in started.input.payloads)
            total += len(history.events)
            print(  # noqa: T201 - a report
                f"execution {number}: {len(history.events):,} events, {size_bytes:,} bytes, "
                f"begun with {input_bytes:,}"
            )
        print(  # noqa: T201 - a report
            f"{units} steps in {took_s:.1f} s ({units / took_s:.1f} a second), "
            f"{total / units:.2f} events a step"
        )


def main() -> None:
    """Carry out one long chain and read its histories."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--wide", action="store_true", help="items of one step, in place of steps")
    arguments = parser.parse_args()
    spec = side_by_side(arguments.steps) if arguments.wide else in_a_row(arguments.steps)
    asyncio.run(_main(spec, units=arguments.steps))


if __name__ == "__main__":
    main()
