"""Record histories of chains: ``python -m tests.replay.record_chains NAME…``.

As `tests.replay.record`, which keeps them beside those of runs: never overwritten.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter

from chains.messages import CHAIN, ChainPhase, ChainResult, ChainStatus, DecideStep
from chains.spec import ChainSpec
from runs.errors import RunErrorCode
from runs.messages import AGENT_RUN, DEFAULT_MODEL, AgentRunRequest, ArtifactRef
from runs.phase import Phase
from runs.search_attributes import SEARCH_ATTRIBUTES
from tests.dev_server import running_dev_server
from tests.e2e.stack import assert_eventually
from tests.replay.record import keep
from tests.workflow.fake_runs import SPENT, FakeRuns, answered, failed
from tests.workflow.test_chain import (
    Handle,
    Kitchen,
    awaiting,
    chain,
    data_answer,
    executions_of,
    long_answer,
    phases_of,
    status_when,
    step_of,
    weather,
)
from tools import ToolError, tool
from workflows.chain import ChainWorkflow

_SHORT_HISTORY: Final = {"limit.historyCount.suggestContinueAsNew": "40"}
"""What makes a server want a chain continued as new after a few steps."""


@dataclass(frozen=True)
class Scenario:
    """What happens to one chain.

    Attributes:
        spec: The chain, or one that is none to this version.
        make_runs: How its runs end.
        prepare: What is done before it starts.
        steer: What a client does meanwhile.
        is_short: Whether it is continued as new, again and again.
        is_last_kept: Whether the last of its executions is kept, and not the first.
        was_run: Whether the run of its step "a" is there already, as after a reset.
    """

    spec: ChainSpec | dict[str, Any]
    make_runs: Callable[[], FakeRuns] = FakeRuns
    prepare: Callable[[Kitchen], Awaitable[None]] | None = None
    steer: Callable[[Handle, Kitchen], Awaitable[None]] | None = None
    is_short: bool = False
    is_last_kept: bool = False
    was_run: bool = False


async def _approve(handle: Handle, _kitchen: Kitchen) -> None:
    await awaiting(handle)
    await handle.execute_update(ChainWorkflow.decide_step, DecideStep(step="ok", is_approved=True, note="do"))


async def _reject(handle: Handle, _kitchen: Kitchen) -> None:
    await awaiting(handle)
    await handle.execute_update(ChainWorkflow.decide_step, DecideStep(step="ok", is_approved=False))


async def _cancel(handle: Handle, kitchen: Kitchen) -> None:
    kitchen.runs.gate = asyncio.Event()
    for _ in range(2):
        await kitchen.runs.started.get()
    await handle.cancel()


async def _cancel_waiting(handle: Handle, _kitchen: Kitchen) -> None:
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
_TWICE: Final = chain({"a": {"ask": "1"}, "b": {"ask": "{{ steps.a.text }}"}})
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


# Chains whose steps and items take every way out


_LATE: Final = asyncio.Event()
"""What is called late ends once this is set."""

_TRIES: Final[Counter[str]] = Counter()


@tool
async def act(how: str) -> str:
    """Do as one is told.

    Args:
        how: Words: late, bad, once.
    """
    _TRIES[how] += 1
    if "late" in how:
        await _LATE.wait()
    if "bad" in how and not ("once" in how and _TRIES[how] > 1):
        raise ToolError("as the function said")
    return how


def _acts(how: str, **options: object) -> dict[str, object]:
    return {"tool": {"name": "act", "arguments": {"how": how}}, **options}


def _each(items: object, *, max_parallel: int = 9, **options: object) -> dict[str, object]:
    do = {"ask": "{{ item }}"}
    return {"for_each": {"items": items, "do": do, "max_parallel": max_parallel}, **options}


def _of_all_kinds(name: str, **options: object) -> dict[str, object]:
    """One step of each kind, all alike."""
    kinds: dict[str, dict[str, object]] = {
        "run": {"ask": "ok"},
        "tool": _acts("ok"),
        "join": {"join": "ok"},
        "approve": {"approve": "ok?"},
        "each": _each(["ok"]),
    }
    return {f"{name}_{kind}": {**step, **options} for kind, step in kinds.items()}


def _told() -> FakeRuns:
    """Runs that end as their prompts say."""
    cut = answered(AgentRunRequest(model="m", input="cut"), 1).model_copy(update={"phase": Phase.INCOMPLETE})
    runs = FakeRuns(
        endings_of={
            "cut": cut,
            "bad": failed(RunErrorCode.INTERACTION_FAILED, spent=SPENT),
            "rejected": failed(RunErrorCode.REJECTED),
        },
        gates={_FOR_EVER: asyncio.Event(), "late ok": _LATE},
    )
    for how, ending in tuple(runs.endings_of.items()):
        runs.endings_of[f"late {how}"] = ending
        runs.gates[f"late {how}"] = _LATE
    return runs


_FOR_EVER: Final = "for ever"

_ENDS_OF_ALL_KINDS: Final = chain(
    {
        "each": _each(
            ["ok", "cut", "bad", "rejected", _FOR_EVER],
            retry={"attempts": 2, "wait_s": 0.1},
            on_error="skip_dependents",
        ),
        "cut_items": _each(["cut"]),
        "cut": {"ask": "cut"},
        "stopped": {"ask": _FOR_EVER, "on_error": "continue"},
        "bad": _acts("bad", on_error="continue"),
        "again": _acts("bad once", retry={"attempts": 2, "wait_s": 0.1}),
        "continued": {"ask": "ok", "continues": "stopped"},
        **_of_all_kinds("skipped", after="each"),
        "after_skipped": {"ask": "ok", "after": "skipped_run"},
    },
    max_parallel=20,
)

_UNKNOWN: Final = "{{ steps.a.data.x }}"
_ALL_UNKNOWN: Final[dict[str, dict[str, object]]] = {
    "run": {"ask": _UNKNOWN},
    "tool": _acts(_UNKNOWN),
    "join": {"join": _UNKNOWN},
    "approve": {"approve": _UNKNOWN},
    "each": _each(_UNKNOWN),
    "items": {"for_each": {"items": "{{ steps.a.data.list }}", "do": {"ask": "{{ item.x }}"}}},
}
_NOT_FILLED_IN: Final = chain(
    {
        "a": {"ask": {"prompt": "1", "schema": {}}},
        **{name: {**step, "on_error": "continue"} for name, step in _ALL_UNKNOWN.items()},
    }
)

_JOINED: Final = chain(
    {
        "a": {"ask": "long"},
        "b": {"join": ["<", "{{ steps.a.text }}"]},
        "c": {"ask": "lost"},
        "d": {"join": ["<", "{{ steps.c.text }}"], "on_error": "continue"},
    },
    output="b",
)

_BOUND: Final = {"budget": {"max_interactions": 1}, "retry": {"attempts": 2, "wait_s": 0.1}}
_USED_UP: Final = chain(
    {
        "a": {"ask": "bad", **_BOUND, "on_error": "continue"},
        "each": _each(["bad", "ok"], max_parallel=1, **_BOUND, on_error="continue"),
    }
)

_AGAIN_LATER: Final = {"retry": {"attempts": 2, "wait_s": 3600}}
_STOPPED: Final = chain(
    {
        "first": {"ask": "long"},
        "stops": {"ask": "late rejected first", "after": "first"},
        "ok": {"ask": "late ok"},
        "cut": {"ask": "late cut"},
        "bad": {"ask": "late bad"},
        "late_again": {"ask": "late bad", **_AGAIN_LATER},
        "again": {"ask": "bad", **_AGAIN_LATER},
        "stopped": {"ask": _FOR_EVER},
        "tool": _acts("late ok"),
        "bad_tool": _acts("late bad"),
        "late_tool_again": _acts("late bad", **_AGAIN_LATER),
        "tool_again": _acts("bad", **_AGAIN_LATER),
        "join": {"join": ["<", "{{ steps.first.text }}"]},
        "approve": {"approve": "ok?"},
        "good_items": _each(["late ok"]),
        "items": _each(
            ["bad", "late bad", "late cut", "late rejected", _FOR_EVER, "ok"], max_parallel=4, **_AGAIN_LATER
        ),
        **_of_all_kinds("waiting", after="stops"),
    },
    max_parallel=30,
)
"""A chain that is in the middle of everything when ``stops`` fails, or it is cancelled."""


def _stopped_late() -> FakeRuns:
    runs = _told()
    runs.endings_of["late rejected first"] = failed(RunErrorCode.REJECTED)
    runs.gates["late rejected first"] = asyncio.Event()
    return runs


async def _store_long(kitchen: Kitchen) -> None:
    """Have a run that leaves a text which is stored, and one whose text is not there."""
    ref = await kitchen.store.put("long.md", b"Tannins. " * 1_000, "text/markdown")
    kitchen.runs.endings_of["long"] = long_answer(uri=ref.uri)
    kitchen.runs.endings_of["lost"] = long_answer(uri=ref.uri.replace("long", "lost"))


async def _store_late(kitchen: Kitchen) -> None:
    """As `_store_long`; what is stored later is stored late."""
    await _store_long(kitchen)
    put = kitchen.store.put

    async def late(key: str, content: bytes, media_type: str) -> ArtifactRef:
        if "/steps/" in key:
            await _LATE.wait()
        return await put(key, content, media_type)

    kitchen.store.put = late  # type: ignore[method-assign]  # the real one, later


async def _answer_with_data(kitchen: Kitchen) -> None:
    kitchen.runs.endings_of["1"] = data_answer({"list": [{"x": "ok"}, {}]})


async def _cancel_child(handle: Handle, name: str) -> None:
    """Cancel a run of the chain as somebody else may."""
    await handle._client.get_workflow_handle(f"{handle.id}.{name}").cancel()


async def _cancel_two_children(handle: Handle, kitchen: Kitchen) -> None:
    started: set[str] = set()
    while not {f"{handle.id}.stopped", f"{handle.id}.each.4"} <= started:
        started.add(await kitchen.runs.started.get())
    await _cancel_child(handle, "stopped")
    await _cancel_child(handle, "each.4")


def _is_in_the_middle(status: ChainStatus) -> bool:
    """Whether all of `_STOPPED` that is to run runs, and all that is to wait waits."""
    phases = phases_of(status)
    items = [item.phase for item in step_of(status, "items").items]
    return [phases[name] for name in ("again", "tool_again", "stops", "join", "approve", "first")] == [
        "retrying",
        "retrying",
        "running",
        "running",
        "awaiting_approval",
        "completed",
    ] and items == ["retrying", *["running"] * 4, "waiting"]


async def _let_it_fail(handle: Handle, kitchen: Kitchen) -> None:
    await status_when(handle, _is_in_the_middle)
    kitchen.runs.gates["late rejected first"].set()
    await status_when(handle, lambda status: status.phase is ChainPhase.STOPPING)
    await _cancel_child(handle, "stopped")
    await _cancel_child(handle, "items.4")
    _LATE.set()


async def _cancel_in_the_middle(handle: Handle, _kitchen: Kitchen) -> None:
    await status_when(handle, _is_in_the_middle)
    await handle.cancel()


async def _reject_while_running(handle: Handle, kitchen: Kitchen) -> None:
    await kitchen.runs.started.get()
    await handle.execute_update(ChainWorkflow.decide_step, DecideStep(step="ok", is_approved=False))
    _LATE.set()


async def _approve_all(handle: Handle, _kitchen: Kitchen) -> None:
    for step in _APPROVALS:

        async def approve(step: str = step) -> None:
            status = await handle.query(ChainWorkflow.status)
            if phases_of(status)[step] == "awaiting_approval":
                decision = DecideStep(step=step, is_approved=True)
                await handle.execute_update(ChainWorkflow.decide_step, decision)
            assert phases_of(await handle.query(ChainWorkflow.status))[step] == "completed"

        await assert_eventually(approve)


async def _fail_while_moving(handle: Handle, _kitchen: Kitchen) -> None:
    async def moves() -> None:
        assert any(
            event.workflow_task_started_event_attributes.suggest_continue_as_new
            for event in (await handle.fetch_history()).events
        )

    await assert_eventually(moves)
    _LATE.set()


# The ways in, and out of an execution


_SMALLEST: Final = {"name": "tea", "steps": {"a": {"ask": "1"}}}
"""All the rest is for the workflow's defaults to say."""

_FAILING_BY_DEFAULT: Final = {
    "name": "tea",
    "steps": {"a": {"ask": "rejected"}} | {f"s{number}": {"ask": "ok"} for number in range(9)},
}
"""Two steps more than run at once by default, and a failure that means what it does by default."""

_FOREIGN: Final = chain(
    {
        "a": {
            "ask": {
                "prompt": "1",
                "attach": [
                    {"name": "report.md", "uri": "file:///elsewhere/report.md", "media_type": "text/markdown"}
                ],
            }
        }
    }
)

_MANY: Final = chain({"each": _each([str(number) for number in range(16)], max_parallel=1)})
"""Over a hundred events in one execution."""

_APPROVALS: Final = tuple("abcdefghijkl")
_FAILING_LATE: Final = chain(
    {"stops": {"ask": "late rejected"}, "each": _each(list("abcdefgh"), max_parallel=1)}
)


CHAINS: Final = {
    "chain_moved_while_a_person_is_waited_for": Scenario(
        chain({step: {"approve": "ok?"} for step in _APPROVALS}), steer=_approve_all, is_short=True
    ),
    "chain_moved_while_stopping": Scenario(_FAILING_LATE, _told, steer=_fail_while_moving, is_short=True),
    "chain_carried_while_stopping": Scenario(
        _FAILING_LATE, _told, steer=_fail_while_moving, is_short=True, is_last_kept=True
    ),
    "chain_of_one_step": Scenario(_SMALLEST),
    # Takes the minute that a chain waits before another try where its file does not say.
    "chain_retried_by_default": Scenario(
        {"name": "tea", "steps": {"a": {"ask": "1", "retry": {"attempts": 2}}}}, _failing_first
    ),
    "chain_failed_by_default": Scenario(_FAILING_BY_DEFAULT, _told),
    "chain_of_many_items": Scenario(_MANY),
    "chain_ended_by_a_yes": Scenario(chain({"ok": {"approve": "ok?"}}), steer=_approve),
    "chain_of_all_ends": Scenario(_ENDS_OF_ALL_KINDS, _told, steer=_cancel_two_children),
    "chain_templates_not_filled_in": Scenario(_NOT_FILLED_IN, prepare=_answer_with_data),
    "chain_joins_stored": Scenario(_JOINED, prepare=_store_long),
    "chain_output_lost": Scenario(
        chain({"a": {"ask": "lost"}}, output="<{{ steps.a.text }}>"), prepare=_store_long
    ),
    "chain_budgets_of_steps_used_up": Scenario(_USED_UP, _told),
    "chain_budget_used_up": Scenario(
        chain({"a": {"ask": "1"}, "b": {"ask": "2", "after": "a"}}, budget={"max_interactions": 1})
    ),
    "chain_failed_in_the_middle": Scenario(_STOPPED, _stopped_late, _store_late, _let_it_fail),
    "chain_cancelled_in_the_middle": Scenario(_STOPPED, _stopped_late, _store_late, _cancel_in_the_middle),
    "chain_rejected_while_running": Scenario(
        chain({"ok": {"approve": "ok?"}, "a": {"ask": "late ok"}}), _told, steer=_reject_while_running
    ),
    "chain_completed": Scenario(_ALL_KINDS),
    "chain_retried": Scenario(_RETRIED, _failing_first),
    "chain_failed": Scenario(_two("fail"), _rejecting_first),
    "chain_went_on": Scenario(_two("continue"), _rejecting_first),
    "chain_approved": Scenario(_APPROVED, steer=_approve),
    "chain_rejected": Scenario(_APPROVED, steer=_reject),
    "chain_expired": Scenario(_EXPIRING),
    "chain_cancelled": Scenario(_two("fail"), steer=_cancel),
    "chain_cancelled_waiting": Scenario(_APPROVED, steer=_cancel_waiting),
    "chain_attached": Scenario(_TWICE, was_run=True),
    "chain_continued_as_new": Scenario(_LONG, is_short=True),
    # Recorded before such chains were refused, and since.
    "chain_foreign_file_attached": Scenario(_FOREIGN),
    "chain_foreign_file_refused": Scenario(_FOREIGN),
    "chain_unknown_field_ignored": Scenario({**_RETRIED.model_dump(mode="json"), "budgt": {"max_tokens": 1}}),
    "chain_carried": Scenario(_LONG, is_short=True, is_last_kept=True),
}


async def record(client: Client, name: str) -> None:
    """Carry out one chain, whose id is its name, and write the history of one of its executions."""
    scenario = CHAINS[name]
    _LATE.clear()
    _TRIES.clear()
    kitchen = Kitchen(runs=scenario.make_runs(), functions=(weather, act))
    if scenario.prepare is not None:
        await scenario.prepare(kitchen)
    async with kitchen.worker(client, task_queue=name):
        if scenario.was_run:
            asked = AgentRunRequest(model=DEFAULT_MODEL, input="1")
            await client.execute_workflow(AGENT_RUN, asked, id=f"{name}.a", task_queue=name)
        handle: Handle = await client.start_workflow(
            CHAIN,
            {"spec": scenario.spec},
            id=name,
            task_queue=name,
            result_type=ChainResult,
        )
        if scenario.steer is not None:
            await scenario.steer(handle, kitchen)
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
