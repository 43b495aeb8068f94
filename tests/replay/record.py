"""Record the histories that `test_replay` keeps: ``python -m tests.replay.record NAME…``.

Each scenario runs on a real server with directed activities, and its history is written as JSON beside
this file. A recorded history is never overwritten: runs of that shape may be in flight somewhere, so a
changed workflow has to replay the old one, and gets a scenario of its own.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from runs import limits
from runs.budget import Budget
from runs.errors import ActivityErrorType, RunErrorCode
from runs.messages import (
    AgentRunRequest,
    Attachment,
    CancelReport,
    Notification,
    Outcome,
    Recovered,
    Settled,
)
from runs.phase import Phase, UnknownPolicy
from runs.planning import ApprovePlan, PlanMode, Planning, RevisePlan
from runs.tool_calls import DecideToolCall, ToolDecision
from tests.dev_server import running_dev_server
from tests.workflow.conftest import REQUEST, FakeApi, Handle, running_worker, start
from tests.workflow.fake_parent import orchestrate
from tests.workflow.test_agent_run import failure
from tests.workflow.test_orderings import refused, refused_once
from tests.workflow.test_submissions import ADOPT, GIVE_UP, RESUBMIT, crash, held, news_in_flight, unknown
from tests.workflow.test_turns import ASK, PLAN, PLANNED, asked, call, eventually, in_phase, pending_call
from workflows.agent_run import AgentRunWorkflow

HISTORIES: Final = Path(__file__).with_name("histories")

_CALLS: Final = asked(call("weather", "fc_1", city="Oslo"), call("pay", "fc_2", amount=5))

_WITH_A_FILE: Final = REQUEST.model_copy(
    update={"attachments": (Attachment(uri="file:///it", media_type="text/plain", name="it"),)}
).model_dump(mode="json", exclude_defaults=True)

_OF_OTHERS: Final = {"other_parent_heeded.research", "other_parent_not_heeded.research"}
"""Runs that somebody else's workflow started, named as ours name theirs: by the id they replay under."""

Scenario = Callable[[Handle, FakeApi], Awaitable[None]]

_NEVER: Final = 1_000_000

_SHORT: Final[dict[str, object]] = {"deadline_s": limits.MIN_DEADLINE_S}
"""The shortest deadline there is: a scenario that waits for it takes ten seconds to record."""


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


async def _give_up(handle: Handle, _api: FakeApi) -> None:
    await held(handle)
    await handle.execute_update(AgentRunWorkflow.resolve_submission, GIVE_UP)


async def _cancel_refused(handle: Handle, _api: FakeApi) -> None:
    await refused_once(handle)
    await handle.cancel()


async def _tell_of_the_first(handle: Handle, api: FakeApi) -> None:
    await refused_once(handle)
    await handle.signal(
        AgentRunWorkflow.notified, Notification(interaction_id="v1_found", token=api.sent[0].token)
    )


async def _cancel_calling(handle: Handle, _api: FakeApi) -> None:
    await in_phase(handle, Phase.CALLING_TOOLS)
    await handle.cancel()


async def _approve_plan(handle: Handle, _api: FakeApi) -> None:
    await in_phase(handle, Phase.AWAITING_APPROVAL)
    await handle.execute_update(AgentRunWorkflow.approve_plan, ApprovePlan())


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


def _failing(kind: ActivityErrorType) -> ApplicationError:
    return ApplicationError("as the API said", type=kind, non_retryable=True)


_MISSPELT: Final = {**ASK.model_dump(mode="json"), "tools": [], "deadlin_s": 60}

REQUESTS: Final[dict[str, AgentRunRequest | Mapping[str, object]]] = {
    # As docs/triggering.md has other programs send them: all the rest is for the workflow's defaults to say.
    "started_with_two_fields": {"agent": "deep-research-preview-04-2026", "input": "Why?"},
    "asked_with_two_fields": {"model": "gemini-3.8-flash", "input": "Why?"},
    "asked_again_by_default": {"model": "gemini-3.8-flash", "input": "Why?"},
    "called_twice_by_default": {
        "model": "gemini-3.8-flash",
        "input": "How warm is it in Oslo?",
        "tools": [{"type": "function", "name": "weather"}],
    },
    "given_up_by_policy": REQUEST.model_copy(update={"on_unknown_submission": UnknownPolicy.FAIL}),
    "adopted_while_refused": REQUEST.model_copy(update={"on_unknown_submission": UnknownPolicy.RESUBMIT}),
    "stopped_at_the_deadline": REQUEST.model_copy(update=_SHORT),
    "ended_at_the_deadline": REQUEST.model_copy(update=_SHORT),
    "refused_until_the_deadline": REQUEST.model_copy(update=_SHORT),
    "called_until_the_deadline": ASK.model_copy(update=_SHORT),
    "cancelled_while_calling": ASK,
    "calls_nobody_approved": ASK.model_copy(update={"tool_approval_s": limits.MIN_DEADLINE_S}),
    "rounds_used_up": ASK.model_copy(update={"max_tool_rounds": 1}),
    "plan_expired": PLANNED.model_copy(update={"planning": Planning(expires_s=limits.MIN_DEADLINE_S)}),
    "plan_approved_by_itself": PLANNED.model_copy(
        update={"planning": Planning(mode=PlanMode.AUTO, grace_s=0.05)}
    ),
    "plan_used_up_the_budget": PLANNED.model_copy(update={"budget": Budget(max_interactions=1)}),
    "unknown_field_ignored": _MISSPELT,
    "unknown_field_refused": _MISSPELT,
    "tools_called": ASK,
    "tools_held_then_cancelled": ASK,
    "answer_continued": ASK,
    "budget_exhausted": ASK.model_copy(update={"budget": Budget(max_interactions=1)}),
    "foreground": ASK.model_copy(update={"tools": ()}),
    "plan_revised_and_approved": PLANNED,
    "timed_out_keeping_what_there_is": REQUEST.model_copy(update=_SHORT),
}
"""What a scenario asks for, where it is not the plain research."""

SCENARIOS: Final[dict[str, tuple[Callable[[], FakeApi], Scenario]]] = {
    "started_with_two_fields": (FakeApi, _let_run),
    "asked_with_two_fields": (FakeApi, _let_run),
    "asked_again_by_default": (lambda: FakeApi(submissions=[unknown()]), _let_run),
    "called_twice_by_default": (
        lambda: FakeApi(turns=[asked(call("weather")), asked(call("weather"))]),
        _let_run,
    ),
    "given_up": (lambda: FakeApi(submissions=[unknown()]), _give_up),
    "given_up_by_policy": (lambda: FakeApi(submissions=[unknown()]), _let_run),
    "adopted_while_refused": (
        lambda: FakeApi(submissions=[unknown(), refused(3600.0)]),
        _tell_of_the_first,
    ),
    "cancelled_while_refused": (lambda: FakeApi(submissions=[refused(3600.0)]), _cancel_refused),
    "stopped_at_the_deadline": (lambda: FakeApi(looks_until_end=_NEVER), _let_run),
    "ended_at_the_deadline": (
        lambda: FakeApi(
            looks_until_end=_NEVER, cancel_report=CancelReport(was_confirmed=False, had_ended=True)
        ),
        _let_run,
    ),
    "refused_until_the_deadline": (lambda: FakeApi(submissions=[refused(3600.0)]), _let_run),
    "called_until_the_deadline": (lambda: FakeApi(turns=[asked(call("slow"))]), _let_run),
    "cancelled_while_calling": (lambda: FakeApi(turns=[asked(call("slow"))]), _cancel_calling),
    "calls_nobody_approved": (lambda: FakeApi(turns=[asked(call("pay", amount=5))]), _let_run),
    "rounds_used_up": (
        lambda: FakeApi(turns=[asked(call("weather")), asked(call("weather"))]),
        _let_run,
    ),
    "plan_expired": (lambda: FakeApi(turns=[PLAN]), _let_run),
    "plan_approved_by_itself": (lambda: FakeApi(turns=[PLAN]), _let_run),
    "plan_used_up_the_budget": (lambda: FakeApi(turns=[PLAN]), _approve_plan),
    "cancelled_by_somebody_else": (
        lambda: FakeApi(settled=Settled(outcome=Outcome.CANCELLED)),
        _let_run,
    ),
    "lost_while_settling": (
        lambda: FakeApi(settle_error=_failing(ActivityErrorType.INTERACTION_LOST)),
        _let_run,
    ),
    "not_sent_twice": (lambda: FakeApi(submissions=[crash(), crash()]), _let_run),
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
    # Recorded before such parents were told from ours, and since.
    "other_parent_heeded.research": (FakeApi, _let_run),
    "other_parent_not_heeded.research": (FakeApi, _let_run),
    "completed": (FakeApi, _let_run),
    "notified": (lambda: FakeApi(looks_until_end=5), _notify),
    "refused_then_completed": (lambda: FakeApi(submissions=[refused(0.01), refused(0.01)]), _let_run),
    "rejected": (
        lambda: FakeApi(submissions=[_failing(ActivityErrorType.SUBMISSION_REJECTED)]),
        _let_run,
    ),
    # Since such news are heeded, and recorded before they were.
    "rejected_after_news": (
        lambda: FakeApi(
            submissions=[refused(0.01), _failing(ActivityErrorType.SUBMISSION_REJECTED)],
            submit_gate=asyncio.Event(),
        ),
        news_in_flight,
    ),
    "rejected_in_spite_of_news": (
        lambda: FakeApi(
            submissions=[refused(0.01), _failing(ActivityErrorType.SUBMISSION_REJECTED)],
            submit_gate=asyncio.Event(),
        ),
        news_in_flight,
    ),
    "running_again": (
        lambda: FakeApi(settle_failures=[_failing(ActivityErrorType.RUNS_AGAIN)]),
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
    "timed_out_keeping_what_there_is": (lambda: FakeApi(looks_until_end=_NEVER), _let_run),
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
        if name in _OF_OTHERS:
            parent_id = name.removesuffix(".research")
            run = await orchestrate(client, _WITH_A_FILE, parent_id=parent_id, task_queue=task_queue)
            await keep(run, name)
            return
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
