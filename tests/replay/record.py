"""Record the histories that `test_replay` keeps: ``python -m tests.replay.record NAME…``.

Each scenario runs on a real server with directed activities, and its history is written as JSON beside
this file. A recorded history is never overwritten: runs of that shape may be in flight somewhere, so a
changed workflow has to replay the old one, and gets a scenario of its own.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from runs.budget import Budget
from runs.errors import ActivityErrorType, RunErrorCode
from runs.messages import CancelReport, Notification, Outcome, Recovered, Settled
from runs.phase import Phase
from runs.planning import ApprovePlan, RevisePlan
from runs.tool_calls import DecideToolCall, ToolDecision
from tests.dev_server import running_dev_server
from tests.workflow.conftest import REQUEST, FakeApi, Handle, running_worker, start
from tests.workflow.test_agent_run import failure
from tests.workflow.test_submissions import ADOPT, RESUBMIT, crash, held, unknown
from tests.workflow.test_turns import ASK, PLAN, PLANNED, asked, call, eventually, in_phase, pending_call
from workflows.agent_run import AgentRunWorkflow

HISTORIES: Final = Path(__file__).with_name("histories")

_CALLS: Final = asked(call("weather", "fc_1", city="Oslo"), call("pay", "fc_2", amount=5))

Scenario = Callable[[Handle, FakeApi], Awaitable[None]]

_NEVER: Final = 1_000_000


async def _let_run(_handle: Handle, _api: FakeApi) -> None:
    """Do nothing: the run ends by itself."""


async def _notify(handle: Handle, api: FakeApi) -> None:
    await api.looked.wait()
    await handle.signal("notified")


async def _cancel(handle: Handle, api: FakeApi) -> None:
    await api.looked.wait()
    await handle.cancel()


async def _adopt(handle: Handle, api: FakeApi) -> None:
    await held(handle)
    await handle.signal(
        AgentRunWorkflow.notified, Notification(interaction_id="v1_found", token=api.sent[0].token)
    )


async def _resubmit(handle: Handle, _api: FakeApi) -> None:
    await held(handle)
    await handle.execute_update(AgentRunWorkflow.resolve_submission, RESUBMIT)


async def _adopt_by_hand(handle: Handle, _api: FakeApi) -> None:
    await held(handle)
    await handle.execute_update(AgentRunWorkflow.resolve_submission, ADOPT)


async def _cancel_held(handle: Handle, _api: FakeApi) -> None:
    await held(handle)
    await handle.cancel()


async def _approve_call(handle: Handle, _api: FakeApi) -> None:
    held_call = await pending_call(handle)
    await handle.execute_update(
        AgentRunWorkflow.decide_tool_call,
        DecideToolCall(call_id="fc_2", digest=held_call.digest, decision=ToolDecision.APPROVE),
    )


async def _cancel_waiting(handle: Handle, _api: FakeApi) -> None:
    await in_phase(handle, Phase.AWAITING_APPROVAL)
    await handle.cancel()


async def _revise_and_approve(handle: Handle, _api: FakeApi) -> None:
    await in_phase(handle, Phase.AWAITING_APPROVAL)
    await handle.execute_update(AgentRunWorkflow.revise_plan, RevisePlan(feedback="shorter"))
    await eventually(handle, lambda status: status.plan is not None)
    await handle.execute_update(AgentRunWorkflow.approve_plan, ApprovePlan())


def _refused() -> ApplicationError:
    return ApplicationError("429", 0.01, type=ActivityErrorType.SUBMISSION_REFUSED, non_retryable=True)


def _failing(kind: ActivityErrorType) -> ApplicationError:
    return ApplicationError("as the API said", type=kind, non_retryable=True)


_MISSPELT: Final = {**ASK.model_dump(mode="json"), "tools": [], "deadlin_s": 60}

REQUESTS: Final[dict[str, Any]] = {
    "unknown_field_ignored": _MISSPELT,
    "unknown_field_refused": _MISSPELT,
    "tools_called": ASK,
    "tools_held_then_cancelled": ASK,
    "answer_continued": ASK,
    "budget_exhausted": ASK.model_copy(update={"budget": Budget(max_interactions=1)}),
    "foreground": ASK.model_copy(update={"tools": ()}),
    "plan_revised_and_approved": PLANNED,
}
"""What a scenario asks for, where it is not the plain research."""

SCENARIOS: Final[dict[str, tuple[Callable[[], FakeApi], Scenario]]] = {
    "tools_called": (lambda: FakeApi(turns=[_CALLS, asked(call("weather"))]), _approve_call),
    "tools_held_then_cancelled": (lambda: FakeApi(turns=[_CALLS]), _cancel_waiting),
    "answer_continued": (
        lambda: FakeApi(turns=[Settled(outcome=Outcome.CONTINUES, interaction_uri="file:///1")]),
        _let_run,
    ),
    "budget_exhausted": (lambda: FakeApi(turns=[_CALLS]), _let_run),
    "foreground": (
        lambda: FakeApi(
            submissions=[failure(ActivityErrorType.SUBMISSION_REJECTED, RunErrorCode.NO_BACKGROUND.value)]
        ),
        _let_run,
    ),
    "plan_revised_and_approved": (lambda: FakeApi(turns=[PLAN, PLAN]), _revise_and_approve),
    # Recorded before such requests were refused.
    "unknown_field_ignored": (FakeApi, _let_run),
    "unknown_field_refused": (FakeApi, _let_run),
    "completed": (FakeApi, _let_run),
    "notified": (lambda: FakeApi(looks_until_end=5), _notify),
    "refused_then_completed": (lambda: FakeApi(submissions=[_refused(), _refused()]), _let_run),
    "rejected": (
        lambda: FakeApi(submissions=[_failing(ActivityErrorType.SUBMISSION_REJECTED)]),
        _let_run,
    ),
    "lost": (lambda: FakeApi(look_error=_failing(ActivityErrorType.INTERACTION_LOST)), _let_run),
    "incomplete": (lambda: FakeApi(settled=Settled(outcome=Outcome.INCOMPLETE)), _let_run),
    "not_settled": (lambda: FakeApi(settle_error=_failing(ActivityErrorType.NOT_SETTLED)), _let_run),
    "cancelled": (lambda: FakeApi(looks_until_end=_NEVER), _cancel),
    "cancelled_too_late": (
        lambda: FakeApi(
            looks_until_end=_NEVER, cancel_report=CancelReport(was_confirmed=False, had_ended=True)
        ),
        _cancel,
    ),
    "held_then_adopted": (lambda: FakeApi(submissions=[unknown()]), _adopt),
    "held_then_adopted_by_hand": (lambda: FakeApi(submissions=[unknown()]), _adopt_by_hand),
    "held_then_resubmitted": (lambda: FakeApi(submissions=[unknown()]), _resubmit),
    "held_then_cancelled": (lambda: FakeApi(submissions=[unknown()]), _cancel_held),
    "recovered_not_sent": (lambda: FakeApi(submissions=[crash()]), _let_run),
    "recovered_accepted": (
        lambda: FakeApi(
            submissions=[crash()], recovered=Recovered(was_sent=True, interaction_id="v1_journal")
        ),
        _let_run,
    ),
}


async def record(client: Client, name: str) -> None:
    """Run one scenario and write its history."""
    make_api, steer = SCENARIOS[name]
    api = make_api()
    async with running_worker(client, api) as task_queue:
        handle = await start(client, task_queue, REQUESTS.get(name, REQUEST))
        await steer(handle, api)
        try:
            await handle.result()
        except WorkflowFailureError as ended:
            print(f"{name}: ended with {ended.cause!r}")  # noqa: T201 - a script talks to who runs it
        await keep(handle, name)


async def keep(handle: WorkflowHandle[Any, Any], name: str) -> None:
    """Write the history of one execution of a workflow."""
    # ``x``: fails rather than overwrites.
    with (HISTORIES / f"{name}.json").open("x") as file:
        history = json.loads((await handle.fetch_history()).to_json())
        file.write(json.dumps(_without_traces(history), indent=2) + "\n")


def _without_traces(part: Any) -> Any:
    """Return a history without stack traces: they name this machine's folders, and no replay reads them."""
    if isinstance(part, dict):
        return {key: _without_traces(value) for key, value in part.items() if key != "stackTrace"}
    return [_without_traces(each) for each in part] if isinstance(part, list) else part


async def _main(names: list[str]) -> None:
    with running_dev_server() as server:
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        for name in names:
            await record(client, name)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
