"""Chains for the tests, and a world that does what a schedule asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from chains.actions import StartRun
from chains.messages import ChainRequest, ChainState, DecideStep, StepPhase, StepResult, step_error
from chains.schedule import Decision, Schedule, Start, Unit
from chains.spec import ChainSpec
from runs.budget import Spent
from runs.messages import AgentRunRequest

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def chain(steps: Mapping[str, object], **options: object) -> ChainSpec:
    """A chain of ``steps``, as its file would say it."""
    return ChainSpec.model_validate({"name": "test", "steps": steps, **options}, extra="forbid")


def good(text: str = "", **fields: object) -> StepResult:
    """What a run that worked leaves."""
    cost = Spent(interactions=1, tokens=100, cost_usd=1.0)
    return StepResult.model_validate(
        {"phase": StepPhase.COMPLETED, "text": text, "interaction_id": "v1_x", "spent": cost, **fields}
    )


def bad(code: str = "interaction_failed", *, phase: StepPhase = StepPhase.FAILED) -> StepResult:
    """What a run that did not work leaves; it cost the same."""
    cost = Spent(interactions=1, tokens=100, cost_usd=1.0)
    return StepResult(phase=phase, error=step_error(code, "it broke"), spent=cost)


@dataclass
class World:
    """Runs a schedule by hand: what is started is under way until it is told how it ended."""

    spec: ChainSpec
    inputs: dict[str, JsonValue] = field(default_factory=dict)
    now: datetime = NOW
    state: ChainState | None = None

    def __post_init__(self) -> None:
        request = ChainRequest(spec=self.spec, inputs=self.inputs, state=self.state)
        self.schedule = Schedule(request, chain_id="c", started_at=self.now)
        self.under_way: dict[Unit, Start] = {start.unit: start for start in self.schedule.running()}
        self.started: list[str] = []
        self.stopped: list[Unit] = []
        self.wake_at: datetime | None = None

    def look(self) -> Decision:
        """Ask what is to be done, and do it."""
        decision = self.schedule.advance(self.now)
        self.under_way |= {start.unit: start for start in decision.starts}
        self.started += [name(start.unit) for start in decision.starts]
        self.stopped += decision.stops
        self.wake_at = decision.wake_at
        return decision

    def end(self, unit: str, result: StepResult | None = None) -> Decision:
        """Let a unit that is under way end, and ask again."""
        key = next(key for key in self.under_way if name(key) == unit)
        del self.under_way[key]
        self.schedule.finished(key, result or good(f"text of {unit}"), self.now)
        return self.look()

    def decide(self, step: str, *, is_approved: bool, note: str = "") -> Decision:
        """Let a person decide, and ask again."""
        self.schedule.decide(DecideStep(step=step, is_approved=is_approved, note=note), self.now)
        return self.look()

    def wait(self, seconds: float) -> Decision:
        """Let time pass, and ask again."""
        self.now += timedelta(seconds=seconds)
        return self.look()

    def cancel(self) -> Decision:
        """Let the caller stop the chain, and ask again."""
        self.schedule.cancel()
        return self.look()

    def run(self, answer: Callable[[Start], StepResult], *, most: int = 20_000) -> None:
        """Do all that is asked, one by one, until the chain has ended."""
        for _ in range(most):
            if self.look().has_ended:
                return
            if self.under_way:
                start = next(iter(self.under_way.values()))
                del self.under_way[start.unit]
                self.schedule.finished(start.unit, answer(start), self.now)
            elif self.schedule.awaiting:
                step = self.schedule.awaiting[0]
                self.schedule.decide(DecideStep(step=step, is_approved=True), self.now)
            else:
                assert self.wake_at is not None, (
                    "nothing runs, nobody is asked, and there is no time to wait for"
                )
                self.now = max(self.wake_at, self.now)
        raise AssertionError("it does not end")

    def again(self) -> "World":
        """The same chain in a workflow that was continued as new."""
        state = ChainState.model_validate_json(self.schedule.state().model_dump_json())
        return World(self.spec, self.inputs, self.now, state)

    def phases(self) -> dict[str, str]:
        """Where each step stands."""
        return {step.name: step.phase.value for step in self.schedule.status().steps}

    def request_of(self, unit: str) -> AgentRunRequest:
        """The request of a run that is under way."""
        action = next(start.action for key, start in self.under_way.items() if name(key) == unit)
        assert isinstance(action, StartRun)
        return action.request

    def output(self) -> str:
        """The chain's result, placeholders and all."""
        return self.schedule.output().text


def name(unit: Unit) -> str:
    """A unit, as a test writes it: ``a``, or ``a[0]``."""
    return unit.step if unit.item is None else f"{unit.step}[{unit.item}]"
