"""The moves that runs, conversations, chains, steps and patches make, and which of them a replay has seen.

A move that no recorded history makes is one that a change may break for all that is in flight without any
test noticing. So each move is either in the tables here or in that of `runs.phase`, and `test_replay` asks
that the recorded histories make all of them. They are seen where they happen, while a history is replayed:
a file's name proves nothing.
"""

import ast
import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

import chains.details
import runs.conversation_details
import runs.phase
import workflows
from chains.messages import ChainPhase, ChainStatus, StepPhase
from chains.schedule import Schedule, Unit
from chains.spec import StepKind
from runs.conversation import ConversationPhase, ConversationResult, ConversationStatus, Ending, Turn
from runs.phase import Event, Phase

CONTINUED: Final = "continued as new"

NEW_WAY: Final = "the new way"
OLD_WAY: Final = "the old way"
"""Of what began before a patch, and is replayed without it."""


@dataclass(frozen=True, order=True)
class Move:
    """One step in the life of something.

    Attributes:
        of: What moves: a run, a chain, …
        before: Where it stood.
        after: Where it then stands.
        because: What happened; empty where the phases say it.
    """

    of: str
    before: str
    after: str
    because: str = ""

    def __str__(self) -> str:
        return f"{self.of}: {self.before} → {self.after}" + (f", {self.because}" if self.because else "")


GOING_ON: Final = "the chain goes on"
STOPPING: Final = "the chain stops"

_W, _R, _RE = StepPhase.WAITING, StepPhase.RUNNING, StepPhase.RETRYING
_A = StepPhase.AWAITING_APPROVAL
_OK, _CUT, _BAD = StepPhase.COMPLETED, StepPhase.INCOMPLETE, StepPhase.FAILED
_NO, _SKIP, _CANCEL = StepPhase.REJECTED, StepPhase.SKIPPED, StepPhase.CANCELLED

_RUN_OF_A_STEP: Final = {
    GOING_ON: {_W: (_R, _SKIP, _BAD), _R: (_OK, _CUT, _BAD, _CANCEL, _RE), _RE: (_R, _BAD)},
    STOPPING: {_W: (_SKIP, _CANCEL), _R: (_OK, _CUT, _BAD, _CANCEL, _RE), _RE: (_BAD, _CANCEL)},
}

_STEPS: Final[dict[str, dict[str, dict[StepPhase, tuple[StepPhase, ...]]]]] = {
    "run of a step": _RUN_OF_A_STEP,
    "item": {
        # Its step is skipped as a whole.
        GOING_ON: {**_RUN_OF_A_STEP[GOING_ON], _W: (_R, _BAD)},
        STOPPING: _RUN_OF_A_STEP[STOPPING],
    },
    "tool": {
        # Nobody but its chain can cancel it, and no budget of its step ends it.
        GOING_ON: {_W: (_R, _SKIP, _BAD), _R: (_OK, _BAD, _RE), _RE: (_R,)},
        STOPPING: {_W: (_SKIP, _CANCEL), _R: (_OK, _BAD, _CANCEL, _RE), _RE: (_BAD, _CANCEL)},
    },
    "join": {
        # A short one is there at once; a long one is put together and stored meanwhile.
        GOING_ON: {_W: (_R, _OK, _SKIP, _BAD), _R: (_OK, _BAD)},
        STOPPING: {_W: (_SKIP, _CANCEL), _R: (_OK, _CANCEL)},
    },
    "approve": {
        GOING_ON: {_W: (_A, _SKIP, _BAD), _A: (_OK, _NO)},
        STOPPING: {_W: (_SKIP, _CANCEL), _A: (_SKIP, _CANCEL)},
    },
    "for_each": {
        GOING_ON: {_W: (_R, _SKIP, _BAD), _R: (_OK, _CUT, _BAD)},
        STOPPING: {_W: (_SKIP, _CANCEL), _R: (_OK, _BAD, _CANCEL)},
    },
}
"""By what a step does, and whether its chain goes on: where it can go from where."""

_CHAINS: Final[dict[ChainPhase, tuple[ChainPhase | str, ...]]] = {
    ChainPhase.RUNNING: (
        ChainPhase.AWAITING_APPROVAL,
        ChainPhase.STOPPING,
        ChainPhase.COMPLETED,
        ChainPhase.INCOMPLETE,
        ChainPhase.FAILED,
        CONTINUED,
    ),
    ChainPhase.AWAITING_APPROVAL: (
        ChainPhase.RUNNING,
        ChainPhase.COMPLETED,
        ChainPhase.REJECTED,
        ChainPhase.CANCELLED,
        CONTINUED,
    ),
    ChainPhase.STOPPING: (ChainPhase.FAILED, ChainPhase.REJECTED, ChainPhase.CANCELLED, CONTINUED),
}
"""Where a chain can go, as far as it shows: what begins and ends in one workflow task does not."""

_CONVERSATIONS: Final[tuple[Move, ...]] = (
    Move("conversation", ConversationPhase.OPEN, ConversationPhase.BUSY),
    Move("conversation", ConversationPhase.BUSY, ConversationPhase.OPEN),
    *(Move("conversation", ConversationPhase.OPEN, ConversationPhase.CLOSED, ending) for ending in Ending),
    *(
        Move("conversation", ConversationPhase.BUSY, ConversationPhase.CLOSED, ending)
        for ending in Ending
        # Silence is what comes after an answer.
        if ending is not Ending.IDLE
    ),
    Move("conversation", ConversationPhase.OPEN, CONTINUED),
    # Always busy: what waits is carried along.
    Move("conversation", ConversationPhase.BUSY, CONTINUED),
    *(
        Move("message", "sent", after)
        for after in ("answered", "answered anew", "failed", "left without a run", "not taken along")
    ),
)


def all_moves() -> dict[Move, str]:
    """Return every move there is, with the command that records scenarios which can make it."""
    here = "python -m tests.replay.record"
    moves = {move_of_run(before, event): here for before, event, _ in runs.phase.transitions()}
    moves |= {
        Move(what, before, after, meanwhile): f"{here}_chains"
        for what, ways in _STEPS.items()
        for meanwhile, row in ways.items()
        for before, afters in row.items()
        for after in afters
    }
    moves |= {
        Move("chain", before, after): f"{here}_chains"
        for before, afters in _CHAINS.items()
        for after in afters
    }
    for patch in patches():
        moves[Move("patch", patch, NEW_WAY)] = here
        moves[Move("patch", patch, OLD_WAY)] = f"with the code before it: {here}"
    return moves | dict.fromkeys(_CONVERSATIONS, f"{here}_conversations")


def patches() -> set[str]:
    """Return the name of each patch that a workflow asks for."""
    names: set[str] = set()
    for path in Path(workflows.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            node.target.id: node.value
            for node in tree.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
        }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "workflow.patched":
                [name] = call.args
                names.add(ast.literal_eval(constants[name.id] if isinstance(name, ast.Name) else name))
    return names


@dataclass
class Seen:
    """Which moves were made, and by which workflows.

    Attributes:
        by: The ids of the workflows that made a move.
    """

    by: defaultdict[Move, set[str]] = field(default_factory=lambda: defaultdict(set))
    _shown: dict[str, str] = field(default_factory=dict)

    def note(self, move: Move) -> None:
        """Note a move of the workflow whose code calls this."""
        self.by[move].add(workflow.info().workflow_id)

    def show(self, of: str, phase: str) -> None:
        """Note what the workflow shows of itself: a move, where that is not what it showed before."""
        before = self.shown
        if before not in (None, phase):
            self.note(Move(of, str(before), phase))
        self._shown[workflow.info().run_id] = phase

    @property
    def shown(self) -> str | None:
        """What the workflow showed last; None before it has shown anything."""
        return self._shown.get(workflow.info().run_id)


@contextmanager
def watching(seen: Seen) -> Iterator[Interceptor]:
    """Note in ``seen`` what is replayed meanwhile by a replayer with the interceptor that is yielded."""
    advance, set_unit, patched = runs.phase.advance, Schedule._set, workflow.patched
    render_chain = chains.details.render_chain
    render_conversation = runs.conversation_details.render_conversation

    def watched_advance(phase: Phase, event: Event) -> Phase:
        seen.note(move_of_run(phase, event))
        return advance(phase, event)

    def watched_set(schedule: Schedule, unit: Unit, **changes: Any) -> None:
        before = schedule._units[unit].phase
        set_unit(schedule, unit, **changes)
        if (after := schedule._units[unit].phase) is not before:
            meanwhile = STOPPING if schedule._is_stopping else GOING_ON
            seen.note(Move(_kind_of(schedule, unit), before, after, meanwhile))

    def watched_patched(id: str) -> bool:  # noqa: A002 - the SDK's name
        is_new = patched(id)
        seen.note(Move("patch", id, NEW_WAY if is_new else OLD_WAY))
        return is_new

    def watched_chain(status: ChainStatus, *, now: datetime) -> str:
        seen.show("chain", status.phase)
        return render_chain(status, now=now)

    def watched_conversation(status: ConversationStatus) -> str:
        if status.phase is not ConversationPhase.CLOSED:  # how it was closed is seen at its end
            seen.show("conversation", status.phase)
        return render_conversation(status)

    with pytest.MonkeyPatch.context() as patch:
        # A sandboxed workflow module is loaded anew for every execution, and so imports these.
        patch.setattr(runs.phase, "advance", watched_advance)
        patch.setattr(Schedule, "_set", watched_set)
        patch.setattr(workflow, "patched", watched_patched)
        patch.setattr(chains.details, "render_chain", watched_chain)
        patch.setattr(runs.conversation_details, "render_conversation", watched_conversation)
        yield _Watching(seen)


def move_of_run(phase: Phase, event: Event) -> Move:
    """Return the row of `runs.phase` as a move."""
    return Move("run", phase, runs.phase._NEXT[phase][event], event)


def _kind_of(schedule: Schedule, unit: Unit) -> str:
    if unit.item is not None:
        return "item"
    kind = schedule._spec.steps[unit.step].kind
    return "run of a step" if kind in (StepKind.ASK, StepKind.RESEARCH) else kind


class _Watching(Interceptor):
    """Sees how executions end, and what becomes of messages."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor]:
        seen = self._seen

        class Inbound(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
                try:
                    result = await super().execute_workflow(input)
                except workflow.ContinueAsNewError:
                    seen.show(_type(), CONTINUED)
                    raise
                except asyncio.CancelledError:
                    # Not only where it is cancelled: also where the replayer puts away what has not ended.
                    if workflow.cancellation_reason() is not None:
                        _note_end(seen, Ending.CANCELLED)
                    raise
                if isinstance(result, ConversationResult):
                    _note_end(seen, result.ending)
                return result

            async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 - the SDK's name
                try:
                    result = await super().handle_update_handler(input)
                except ApplicationError:
                    if input.update == "send":
                        seen.note(Move("message", "sent", "not taken along"))
                    raise
                if isinstance(result, Turn):
                    seen.note(Move("message", "sent", _what_came(result)))
                return result

        return Inbound


def _type() -> str:
    return workflow.info().workflow_type.lower()


def _note_end(seen: Seen, ending: Ending) -> None:
    if _type() == "conversation" and seen.shown is not None:
        seen.note(Move("conversation", seen.shown, ConversationPhase.CLOSED, ending))


def _what_came(turn: Turn) -> str:
    if turn.run_id is None:
        return "left without a run"
    if turn.error is not None:
        return "failed"
    return "answered anew" if turn.is_retold else "answered"
