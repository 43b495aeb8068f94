"""Runs that began on an older version go on with this one.

A workflow in flight is replayed by whatever code is deployed. These histories are kept for ever; a change
of a workflow that cannot replay one of them would leave such runs stuck, and fails here instead.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Interceptor, Replayer, UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

import workflows.chain
from activities import timeouts
from activities.interaction_activities import InteractionActivities
from runs.messages import SubmitInteraction, Submitted
from runs.phase import Event, Phase, transitions
from tests.replay.moves import Seen, all_moves, move_of_run, watching
from tests.replay.record import HISTORIES, SCENARIOS
from tests.replay.record_chains import CHAINS
from tests.replay.record_conversations import CONVERSATIONS
from workflows.agent_run import AgentRunWorkflow
from workflows.chain import ChainWorkflow
from workflows.registry import WORKFLOWS

_RECORDED = sorted(HISTORIES.glob("*.json"))

# The first test waits for all histories: seconds on an idle machine, many where others run.
pytestmark = pytest.mark.timeout(600)


def replayer(*classes: type, interceptors: Sequence[Interceptor] = (), is_sandboxed: bool = True) -> Replayer:
    """A replayer set up as our workers are; a sandbox loads a workflow anew, without what a test changed."""
    return Replayer(
        workflows=list(classes),
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner() if is_sandboxed else UnsandboxedWorkflowRunner(),
        interceptors=interceptors,
    )


def history(path: Path) -> WorkflowHistory:
    """Read a recorded history."""
    return WorkflowHistory.from_json(path.stem, path.read_text())


@dataclass(frozen=True)
class Replayed:
    """What came of replaying every recorded history.

    Attributes:
        failures: By name; of those that failed.
        seen: The moves that were made.
    """

    failures: dict[str, Exception]
    seen: Seen


async def _replay_all() -> Replayed:
    async def histories() -> AsyncIterator[WorkflowHistory]:
        for path in _RECORDED:
            yield history(path)

    failures: dict[str, Exception] = {}
    seen = Seen()
    with watching(seen) as interceptor:
        every = replayer(*WORKFLOWS, interceptors=[interceptor])
        async with every.workflow_replay_iterator(histories()) as results:
            async for result in results:
                if result.replay_failure is not None:
                    failures[result.history.workflow_id] = result.replay_failure
    return Replayed(failures, seen)


@pytest.fixture(scope="module")
def replayed() -> Replayed:
    """Every history, replayed once for all tests: one replayer takes half the time of one for each."""
    return asyncio.run(_replay_all())


@pytest.mark.parametrize("path", _RECORDED, ids=lambda path: path.stem)
def test_recorded_runs_replay(replayed: Replayed, path: Path) -> None:
    """Every recorded run takes the same path through today's workflows."""
    if failure := replayed.failures.get(path.stem):
        raise failure


@pytest.mark.parametrize(
    ("scenarios", "module"),
    [(SCENARIOS, "record"), (CHAINS, "record_chains"), (CONVERSATIONS, "record_conversations")],
)
def test_every_scenario_is_recorded(scenarios: Mapping[str, object], module: str) -> None:
    """A shape of run that can be recorded has been."""
    missing = sorted(scenarios.keys() - {path.stem for path in _RECORDED})
    assert not missing, f"record them: python -m tests.replay.{module} {' '.join(missing)}"


def test_every_move_is_recorded(replayed: Replayed) -> None:
    """Whatever a run, a conversation, a chain or a step can do, a history of it is replayed.

    A change that breaks what is in flight breaks it where it moves; a move in no history may be broken
    without any test noticing.
    """
    if replayed.failures:
        pytest.skip("what does not replay makes no moves; see the histories that failed")
    missing = [
        f"  {move}  ({command} NAME)"
        for move, command in sorted(all_moves().items())
        if move not in replayed.seen.by
    ]
    what_to_do = "have a scenario make each, and record it as docs/changing.md says:"
    assert not missing, "\n".join([f"no recorded history makes these moves; {what_to_do}", *missing])


def test_no_history_makes_a_move_that_is_not_known(replayed: Replayed) -> None:
    """What a history does and no table has would be asked of no history once that one is gone."""
    known = all_moves()
    unknown = {str(move): sorted(ids) for move, ids in replayed.seen.by.items() if move not in known}
    assert unknown == {}


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
    await fails_to_replay(AgentRunWorkflow, "completed")


async def fails_to_replay(changed: type, name: str) -> None:
    """Replay a history with a workflow that a test has changed, and see that it is noticed."""
    with pytest.raises(NondeterminismError):
        await replayer(changed, is_sandboxed=False).replay_workflow(history(HISTORIES / f"{name}.json"))


@pytest.mark.parametrize(
    ("before", "event"), [(before, event) for before, event, _ in transitions()], ids=str
)
async def test_a_command_added_to_a_transition_does_not_replay(
    replayed: Replayed, monkeypatch: pytest.MonkeyPatch, before: Phase, event: Event
) -> None:
    """Wherever a run moves, also where it seldom does, the replay of one that did notices another command."""
    enter = AgentRunWorkflow._enter

    def notes_first(self: AgentRunWorkflow, happened: Event) -> None:
        if (self._phase, happened) == (before, event):
            workflow.upsert_memo({"noted": True})
        enter(self, happened)

    monkeypatch.setattr(AgentRunWorkflow, "_enter", notes_first)
    await fails_to_replay(AgentRunWorkflow, min(replayed.seen.by[move_of_run(before, event)]))


async def test_a_smaller_bound_does_not_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number is workflow code, too: a chain past the new one would be continued where it was not."""
    monkeypatch.setattr(workflows.chain, "_MAX_EVENTS", 100)
    await fails_to_replay(ChainWorkflow, "chain_of_many_items")
