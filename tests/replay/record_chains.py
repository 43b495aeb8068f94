"""Record histories of chains: ``python -m tests.replay.record_chains NAME…``.

As `tests.replay.record`, which keeps them beside those of runs: never overwritten.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter

from chains.messages import CHAIN, ChainResult, DecideStep
from chains.spec import ChainSpec
from runs.errors import RunErrorCode
from runs.search_attributes import SEARCH_ATTRIBUTES
from tests.dev_server import running_dev_server
from tests.replay.record import keep
from tests.workflow.fake_runs import SPENT, FakeRuns, failed
from tests.workflow.test_chain import Handle, Kitchen, awaiting, chain, executions_of
from workflows.chain import ChainWorkflow

_SHORT_HISTORY: Final = {"limit.historyCount.suggestContinueAsNew": "40"}
"""What makes a server want a chain continued as new after a few steps."""


@dataclass(frozen=True)
class Scenario:
    """What happens to one chain.

    Attributes:
        spec: The chain, or one that is none to this version.
        make_runs: How its runs end.
        steer: What a client does meanwhile.
        is_short: Whether it is continued as new, again and again.
        is_last_kept: Whether the last of its executions is kept, and not the first.
    """

    spec: ChainSpec | dict[str, Any]
    make_runs: Callable[[], FakeRuns] = FakeRuns
    steer: Callable[[Handle, FakeRuns], Awaitable[None]] | None = None
    is_short: bool = False
    is_last_kept: bool = False


async def _approve(handle: Handle, _runs: FakeRuns) -> None:
    await awaiting(handle)
    await handle.execute_update(ChainWorkflow.decide_step, DecideStep(step="ok", is_approved=True, note="do"))


async def _reject(handle: Handle, _runs: FakeRuns) -> None:
    await awaiting(handle)
    await handle.execute_update(ChainWorkflow.decide_step, DecideStep(step="ok", is_approved=False))


async def _cancel(handle: Handle, runs: FakeRuns) -> None:
    runs.gate = asyncio.Event()
    for _ in range(2):
        await runs.started.get()
    await handle.cancel()


async def _cancel_waiting(handle: Handle, _runs: FakeRuns) -> None:
    await awaiting(handle)
    await handle.cancel()


def _failing_first() -> FakeRuns:
    return FakeRuns(endings=[failed(RunErrorCode.INTERACTION_FAILED, spent=SPENT)])


def _rejecting_first() -> FakeRuns:
    return FakeRuns(endings_of={"1": failed(RunErrorCode.REJECTED)})


_ALL_KINDS: Final = chain(
    {
        "a": {"ask": "1"},
        "b": {"research": "More on {{ steps.a.text }}", "continues": "a"},
        "each": {"for_each": {"items": ["x", "y", "z"], "do": {"ask": "On {{ item }}"}, "max_parallel": 2}},
        "now": {"tool": {"name": "weather", "arguments": {"city": "Oslo"}}},
        "all": {"join": ["{{ steps.each.texts }}", "{{ steps.now.text }}"]},
    },
    output="<{{ steps.all.text }}>",
)
_APPROVED: Final = chain(
    {"a": {"ask": "1"}, "ok": {"approve": "{{ steps.a.text }}?"}, "b": {"ask": "2", "after": "ok"}}
)
_EXPIRING: Final = chain(
    {
        "ok": {"approve": {"message": "Well?", "expires": "1s", "on_expiry": "approve"}},
        "b": {"ask": "2", "after": "ok"},
    }
)
_RETRIED: Final = chain({"a": {"ask": "1", "retry": {"attempts": 2, "wait_s": 0.2}}})
_LONG: Final = chain(
    {
        "first": {"ask": "Why?"},
        "each": {"for_each": {"items": list("abcdefgh"), "do": {"ask": "On {{ item }}"}}, "after": "first"},
        "now": {"tool": {"name": "weather", "arguments": {"city": "Oslo"}}, "after": "each"},
        "last": {"ask": "{{ steps.first.text }} {{ steps.now.text }}"},
    },
    max_parallel=2,
)


def _two(on_error: str) -> ChainSpec:
    return chain(
        {"a": {"ask": "1", "on_error": on_error}, "b": {"ask": "2", "after": "a"}, "c": {"ask": "3"}}
    )


CHAINS: Final = {
    "chain_completed": Scenario(_ALL_KINDS),
    "chain_retried": Scenario(_RETRIED, _failing_first),
    "chain_failed": Scenario(_two("fail"), _rejecting_first),
    "chain_went_on": Scenario(_two("continue"), _rejecting_first),
    "chain_approved": Scenario(_APPROVED, steer=_approve),
    "chain_rejected": Scenario(_APPROVED, steer=_reject),
    "chain_expired": Scenario(_EXPIRING),
    "chain_cancelled": Scenario(_two("fail"), steer=_cancel),
    "chain_cancelled_waiting": Scenario(_APPROVED, steer=_cancel_waiting),
    "chain_continued_as_new": Scenario(_LONG, is_short=True),
    # Recorded before such chains were refused.
    "chain_unknown_field_ignored": Scenario({**_RETRIED.model_dump(mode="json"), "budgt": {"max_tokens": 1}}),
    "chain_carried": Scenario(_LONG, is_short=True, is_last_kept=True),
}


async def record(client: Client, name: str) -> None:
    """Carry out one chain, whose id is its name, and write the history of one of its executions."""
    scenario = CHAINS[name]
    kitchen = Kitchen(runs=scenario.make_runs())
    async with kitchen.worker(client, task_queue=name):
        handle: Handle = await client.start_workflow(
            CHAIN,
            {"spec": scenario.spec},
            id=name,
            task_queue=name,
            result_type=ChainResult,
        )
        if scenario.steer is not None:
            await scenario.steer(handle, kitchen.runs)
        try:
            await handle.result()
        except WorkflowFailureError as ended:
            print(f"{name}: ended with {ended.cause!r}")  # noqa: T201 - a script talks to who runs it
        executions = await executions_of(client, handle)
        run_id = executions[-1 if scenario.is_last_kept else 0]
        await keep(client.get_workflow_handle(name, run_id=run_id), name)


async def _main(names: list[str]) -> None:
    for dynamic_config, is_short in (({}, False), (_SHORT_HISTORY, True)):
        with running_dev_server(search_attributes=SEARCH_ATTRIBUTES, dynamic_config=dynamic_config) as server:
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)
            for name in names or list(CHAINS):
                if CHAINS[name].is_short is is_short:
                    await record(client, name)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
