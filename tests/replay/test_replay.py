"""Runs that began on an older version go on with this one.

A workflow in flight is replayed by whatever code is deployed. These histories are kept for ever; a change
of a workflow that cannot replay one of them would leave such runs stuck, and fails here instead.
"""

import json
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from activities import timeouts
from activities.interaction_activities import InteractionActivities
from runs.messages import SubmitInteraction, Submitted
from tests.replay.record import HISTORIES, SCENARIOS
from tests.replay.record_chains import CHAINS
from tests.replay.record_conversations import CONVERSATIONS
from workflows.agent_run import AgentRunWorkflow
from workflows.registry import WORKFLOWS

_RECORDED = sorted(HISTORIES.glob("*.json"))


def replayer(*workflows: type) -> Replayer:
    """A replayer set up as our workers are."""
    return Replayer(
        workflows=list(workflows),
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner(),
    )


def history(path: Path) -> WorkflowHistory:
    """Read a recorded history."""
    return WorkflowHistory.from_json(path.stem, path.read_text())


@pytest.mark.parametrize("path", _RECORDED, ids=lambda path: path.stem)
async def test_recorded_runs_replay(path: Path) -> None:
    """Every recorded run takes the same path through today's workflows."""
    await replayer(*WORKFLOWS).replay_workflow(history(path))


def test_every_scenario_is_recorded() -> None:
    """A shape of run that can be recorded has been."""
    assert {path.stem for path in _RECORDED} >= {*SCENARIOS, *CONVERSATIONS, *CHAINS}


@pytest.mark.parametrize("path", _RECORDED, ids=lambda path: path.stem)
def test_recorded_runs_can_bite(path: Path) -> None:
    """Without core flag 1 in its history, a replay would let a renamed activity pass."""
    flags = {
        flag
        for event in json.loads(path.read_text())["events"]
        for flag in event.get("workflowTaskCompletedEventAttributes", {})
        .get("sdkMetadata", {})
        .get("coreUsedFlags", [])
    }
    assert 1 in flags


async def test_a_renamed_activity_does_not_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replay notices the least visible of breaking changes: an activity under another name."""

    @activity.defn(name="submit")
    async def renamed(self: InteractionActivities, submission: SubmitInteraction) -> Submitted:
        raise NotImplementedError

    monkeypatch.setattr(InteractionActivities, "submit_interaction", renamed)
    with pytest.raises(NondeterminismError):
        await replayer(AgentRunWorkflow).replay_workflow(history(HISTORIES / "completed.json"))


async def test_an_added_timer_does_not_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replay notices a command that older runs never gave."""
    plain = AgentRunWorkflow._submit

    async def waits_first(self: AgentRunWorkflow) -> None:
        await workflow.sleep(timeouts.CALL_TIMEOUT)
        await plain(self)

    monkeypatch.setattr(AgentRunWorkflow, "_submit", waits_first)
    runner = Replayer(
        # Unsandboxed: the sandbox would load the workflow anew, without the change made here.
        workflows=[AgentRunWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    with pytest.raises(NondeterminismError):
        await runner.replay_workflow(history(HISTORIES / "completed.json"))
