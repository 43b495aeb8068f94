"""What a chain does next: the one place that decides it.

Workflow code: see docs/changing.md.

Rule 1: the workflow asks `Schedule.advance` what to start and to stop, does it, and reports what came of it;
it decides nothing itself.
Rule 2: this module knows no Temporal and no clock; the time is an argument. A workflow may run it on every
replay, and a test ten thousand times a second.

A *unit* is a step, or an item of a for_each. A step waits until all it depends on has ended. Then it is
skipped, if something that ended badly says so; or it begins, when there is a free place and budget. A unit
that fails is tried again as often as its step says, and only then has its ``on_error`` a say. Once the chain
has failed or is cancelled nothing more begins, whatever runs is waited for, and then the chain has ended.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pydantic import JsonValue

from chains import limits, templates
from chains.actions import (
    Action,
    Common,
    StartRun,
    StoreText,
    call_of,
    request_for,
    text_for,
)
from chains.checking import suggestion
from chains.errors import ChainsError, NoRoom, NotPossible, RenderError, StepErrorCode
from chains.inputs import complete_inputs
from chains.keeping import keep
from chains.messages import (
    ChainFailure,
    ChainPhase,
    ChainRequest,
    ChainResult,
    ChainState,
    ChainStatus,
    DecideStep,
    StepError,
    StepPhase,
    StepResult,
    StepState,
    StepView,
    one_line,
    step_error,
)
from chains.plan import OUTPUT, Plan
from chains.spec import (
    Approve,
    Ask,
    CallFunction,
    Join,
    OnError,
    OnExpiry,
    Research,
    seconds_of,
)
from chains.templates import LongText, Quotes, Reference, Scope, StepValues, Texts, Value
from runs.budget import Spent, narrower, remaining, why_exhausted
from runs.errors import RunErrorCode
from runs.limits import MAX_ID_CHARS
from runs.text import clean_text, excerpt_utf8

_NOT_TRIED_AGAIN: Final = frozenset(
    {
        # Another try would come to the same.
        RunErrorCode.REJECTED,
        RunErrorCode.BAD_CREDENTIALS,
        RunErrorCode.UNKNOWN_TOOL,
        RunErrorCode.BUDGET,
        StepErrorCode.TEMPLATE,
        StepErrorCode.LIMIT,
        # It may have been taken, and be paid for: a person decided to let it be.
        RunErrorCode.SUBMISSION_UNKNOWN,
        # A person stopped it, or did not approve.
        RunErrorCode.NOT_APPROVED,
        StepErrorCode.CANCELLED,
    }
)


class Unit(NamedTuple):
    """A step, or the item of a for_each with this number, from 0."""

    step: str
    item: int | None = None


@dataclass(frozen=True)
class Start:
    """What is to be done for a unit.

    Attributes:
        unit: Reported back to `Schedule.finished`.
        attempt: Which try, from 1.
        run_id: The id for it; each try has its own, and always the same.
        action: What to do.
    """

    unit: Unit
    attempt: int
    run_id: str
    action: Action


@dataclass(frozen=True)
class Decision:
    """What the workflow is to do now.

    Attributes:
        starts: What to start, in this order. Each is named once, and then counts as running.
        stops: What to cancel. Each is named once, and its end is still to be reported.
        wake_at: When to ask again if nothing else happens; None: no need to.
        has_ended: Whether the chain has; then there is nothing else to do.
    """

    starts: tuple[Start, ...]
    stops: tuple[Unit, ...]
    wake_at: datetime | None
    has_ended: bool


def run_id_of(chain_id: str, unit: Unit, attempt: int) -> str:
    """Return the id for a try of a unit, such as ``my-chain.topics.3`` or ``my-chain.report.try2``."""
    parts = [unit.step]
    if unit.item is not None:
        parts.append(str(unit.item))
    if attempt > 1:
        parts.append(f"try{attempt}")
    ending = "." + ".".join(parts)
    if len(chain_id) + len(ending) > MAX_ID_CHARS:
        digest = hashlib.sha256(chain_id.encode()).hexdigest()[:12]
        chain_id = f"{chain_id[: MAX_ID_CHARS - len(ending) - len(digest) - 1]}-{digest}"
    return chain_id + ending


class Schedule:
    """One chain, from its request to its result. Pure and in memory: a workflow makes it again on replay."""

    def __init__(self, request: ChainRequest, *, chain_id: str, started_at: datetime) -> None:
        """Take up the chain where ``request`` says it stands.

        Args:
            request: A chain that `chains.checking.check` has nothing to say about.
            chain_id: The workflow's id.
            started_at: Now, by the workflow's clock; taken where the request does not say since when.

        Raises:
            InvalidInputs: The values for the inputs do not fit.
        """
        self._spec = request.spec
        self._plan = Plan(request.spec)
        self._inputs = complete_inputs(request.spec, request.inputs)
        self._common = Common(labels=request.labels, tenant=request.tenant, pacing=request.pacing)
        self._chain_id = chain_id
        self._started_at = request.started_at or started_at
        state = request.state or ChainState()
        self._failure = state.failure
        self._is_cancelled = state.is_cancelled
        self._kept_bytes = state.kept_bytes
        self._shown_bytes = state.shown_bytes
        self._units: dict[Unit, StepState] = {}
        self._item_counts: dict[str, int] = {}
        self._items: dict[str, list[JsonValue]] = {}
        self._stopped: set[Unit] = set()
        self._output: StoreText | None = None
        for name in self._spec.steps:
            step_state = state.steps.get(name, StepState())
            self._units[Unit(name)] = step_state.model_copy(update={"items": ()})
            if step_state.items:
                self._item_counts[name] = len(step_state.items)
                self._units |= {Unit(name, number): item for number, item in enumerate(step_state.items)}
        self._open = [name for name in self._plan.order if not self._units[Unit(name)].phase.is_end]
        self._spent = Spent()
        for name in self._spec.steps:
            self._spent = self._spent.plus(self._units[Unit(name)].spent)
        self._running = {unit for unit in self._units if self._is_under_way(unit)}

    # What the workflow asks and reports

    def advance(self, now: datetime) -> Decision:
        """Return what is to be done, given all that was reported so far."""
        starts: list[Start] = []
        was_stopping = None
        while was_stopping is not self._is_stopping:
            # Again when the chain came to stop: what stops it late in the order ends what is early in it.
            was_stopping = self._is_stopping
            for name in self._open:
                self._advance_step(name, now, starts)
        self._open = [name for name in self._open if not self._units[Unit(name)].phase.is_end]
        if not self._open and self._output is None:
            self._finish()
        return Decision(
            starts=tuple(starts),
            stops=tuple(self._take_stops()),
            wake_at=self._wake_at(now),
            has_ended=not self._open,
        )

    def finished(self, unit: Unit, result: StepResult, now: datetime) -> None:
        """Note what came of a unit that was started.

        Raises:
            NotPossible: It does not run. A bug in whoever reports it.
        """
        if unit not in self._running:
            raise NotPossible(f"{self._name_of(unit)} does not run")
        self._running.discard(unit)
        self._add_spent(unit, result.spent)
        if result.phase is StepPhase.CANCELLED and result.error is None:
            error = step_error(StepErrorCode.CANCELLED, "its run was cancelled")
            result = result.model_copy(update={"error": error})
        self._settle(unit, result, now)

    def check_decision(self, decision: DecideStep) -> None:
        """Return if ``decision`` is about a step that waits for one.

        Raises:
            NotPossible: It is not; the message says where the step stands.
        """
        step = self._spec.steps.get(decision.step)
        if step is None:
            hint = suggestion(decision.step, self._spec.steps)
            raise NotPossible(f"there is no step {decision.step[:80]!r}{hint}")
        if step.approve is None:
            raise NotPossible(f"{decision.step!r} is {step.kind}, which nobody has to approve")
        phase = self._units[Unit(decision.step)].phase
        if phase is not StepPhase.AWAITING_APPROVAL:
            raise NotPossible(f"{decision.step!r} waits for no decision: it is {phase}")

    def decide(self, decision: DecideStep, now: datetime) -> None:
        """Note what a person decided about an approval.

        Raises:
            NotPossible: It is not about a step that waits for one.
        """
        self.check_decision(decision)
        note = clean_text(decision.note)
        if decision.is_approved:
            self._approve(decision.step, now, note=note, why=note)
        else:
            error = step_error(StepErrorCode.REJECTED, note or "rejected")
            self._reject(decision.step, now, note=note, error=error)

    def cancel(self) -> None:
        """Note that the caller stops the chain; one that has ended is left as it is."""
        self._is_cancelled = self._is_cancelled or bool(self._open)

    def running(self) -> tuple[Start, ...]:
        """Return what runs, as it was started: to be found again after the workflow was continued as new."""
        return tuple(self._start_of(unit) for unit in self._units if unit in self._running)

    def state(self) -> ChainState:
        """Return all that is known, for a workflow that is continued as new."""
        return ChainState(
            steps={
                name: self._units[Unit(name)].model_copy(update={"items": tuple(self._item_states(name))})
                for name in self._spec.steps
            },
            failure=self._failure,
            is_cancelled=self._is_cancelled,
            kept_bytes=self._kept_bytes,
            shown_bytes=self._shown_bytes,
        )

    @property
    def phase(self) -> ChainPhase:
        """Where the chain stands."""
        states = [self._units[Unit(name)] for name in self._spec.steps]
        if any(not state.phase.is_end for state in states):
            if self._is_stopping:
                return ChainPhase.STOPPING
            is_awaiting = any(state.phase is StepPhase.AWAITING_APPROVAL for state in states)
            return ChainPhase.AWAITING_APPROVAL if is_awaiting and not self._running else ChainPhase.RUNNING
        if self._is_cancelled:
            return ChainPhase.CANCELLED
        if self._failure is not None:
            return ChainPhase.REJECTED if self._failure.is_rejection else ChainPhase.FAILED
        is_whole = all(state.phase is StepPhase.COMPLETED for state in states)
        return ChainPhase.COMPLETED if is_whole else ChainPhase.INCOMPLETE

    @property
    def spent(self) -> Spent:
        """What all steps used together."""
        return self._spent

    @property
    def awaiting(self) -> tuple[str, ...]:
        """The approvals that wait for a person, in the order of the file."""
        return tuple(
            name for name in self._spec.steps if self._units[Unit(name)].phase is StepPhase.AWAITING_APPROVAL
        )

    def status(self) -> ChainStatus:
        """Return where the chain and each of its steps stand."""
        return ChainStatus(
            name=self._spec.name,
            phase=self.phase,
            started_at=self._started_at,
            spent=self._spent,
            budget=self._spec.budget,
            failure=self._failure,
            steps=self._views(),
        )

    def output(self) -> StoreText:
        """Return the chain's result, once it has ended; it may be short, or stored already."""
        return self._output or StoreText("")

    def fail_output(self, error: StepError) -> None:
        """Note that the chain's result could not be stored."""
        self._output = StoreText("")
        self._failure = ChainFailure(step=self._plan.output_step or OUTPUT, error=error)

    def result(self, now: datetime, *, output: str, output_uri: str | None = None) -> ChainResult:
        """Return what the chain leaves behind, once it has ended.

        Args:
            now: When it ended.
            output: The text of `output`; its beginning, where it is long.
            output_uri: Where the whole of it was stored; None where ``output`` is all.
        """
        step = self._plan.output_step
        return ChainResult(
            name=self._spec.name,
            phase=self.phase,
            output=excerpt_utf8(output, limits.MAX_INLINE_BYTES),
            output_uri=output_uri,
            artifacts=() if step is None else self._units[Unit(step)].artifacts,
            failure=self._failure,
            spent=self._spent,
            started_at=self._started_at,
            ended_at=now,
            steps=self._views(),
        )

    # A step

    def _advance_step(self, name: str, now: datetime, starts: list[Start]) -> None:
        unit = Unit(name)
        match self._units[unit].phase:
            case StepPhase.WAITING:
                self._advance_waiting(name, now, starts)
            case StepPhase.RETRYING:
                self._advance_retrying(unit, now, starts)
            case StepPhase.AWAITING_APPROVAL:
                self._advance_awaiting(name, now)
            case StepPhase.RUNNING if self._spec.steps[name].for_each is not None:
                self._advance_items(name, now, starts)
            case _:
                pass

    def _advance_waiting(self, name: str, now: datetime, starts: list[Start]) -> None:
        unit = Unit(name)
        if self._is_stopping:
            self._leave_out(unit, now)
        elif all(self._units[Unit(other)].phase.is_end for other in self._plan.waits_for[name]):
            why = self._why_skipped(name)
            if why is not None:
                self._set(unit, phase=StepPhase.SKIPPED, ended_at=now, why=one_line(why))
            else:
                self._begin(name, now, starts)

    def _why_skipped(self, name: str) -> str | None:
        """Return which end of an earlier step keeps this one from beginning; None when none does."""
        for other in self._plan.waits_for[name]:
            state = self._units[Unit(other)]
            if state.phase is StepPhase.SKIPPED:
                return f"{other} was skipped"
            if not state.phase.is_good and self._spec.steps[other].on_error is OnError.SKIP_DEPENDENTS:
                return (
                    f"{other} was {state.phase}" if state.phase is not StepPhase.FAILED else f"{other} failed"
                )
        continued = self._spec.steps[name].continues
        if continued is not None and self._units[Unit(continued)].interaction_id is None:
            return f"{continued} left no interaction to continue"
        return None

    def _begin(self, name: str, now: datetime, starts: list[Start]) -> None:
        unit, step = Unit(name), self._spec.steps[name]
        try:
            if step.for_each is not None:
                self._expand(name, now)
                self._advance_items(name, now, starts)
            elif isinstance(step.action, Approve):
                self._message_of(name)
                expires_at = now + timedelta(seconds=seconds_of(step.action.expires))
                self._set(
                    unit, phase=StepPhase.AWAITING_APPROVAL, attempts=1, started_at=now, expires_at=expires_at
                )
            elif isinstance(step.action, Join) and (result := self._joined(step.action, unit)) is not None:
                self._set(unit, attempts=1, started_at=now)
                self._settle(unit, result, now)
            else:
                self._try(unit, now, starts)
        except ChainsError as error:
            self._fail(unit, StepErrorCode.TEMPLATE, str(error), now)

    def _joined(self, join: Join, unit: Unit) -> StepResult | None:
        """Return what a join comes to, where nothing has to be stored for it; else None."""
        text = text_for(join, self._scope(unit))
        if text.is_short or text.stored_at is not None:
            whole = "" if text.stored_at is not None else text.text
            return StepResult(phase=StepPhase.COMPLETED, text=whole, text_uri=text.stored_at)
        return None

    def _try(self, unit: Unit, now: datetime, starts: list[Start]) -> None:
        """Start ``unit`` where there is a free place and budget; else leave it as it is, or end it."""
        if len(self._running) >= self._spec.max_parallel:
            return
        if isinstance(self._spec.steps[unit.step].action, Research | Ask):
            if (why := why_exhausted(self._spec.budget, self._spent)) is not None:
                # Whatever the step's on_error: no other step could be paid for, either.
                self._stop_for(unit.step, step_error(StepErrorCode.BUDGET, f"the chain: {why}"))
                return
            step = self._spec.steps[unit.step]
            if (why := why_exhausted(step.budget, self._units[Unit(unit.step)].spent)) is not None:
                self._fail(unit, StepErrorCode.BUDGET, f"the step: {why}", now)
                return
            if self._is_all_promised(unit.step):
                return
        try:
            start = self._start_of(unit, attempt=self._units[unit].attempts + 1)
        except ChainsError as error:
            self._fail(unit, StepErrorCode.TEMPLATE, str(error), now)
            return
        state = self._units[unit]
        self._set(
            unit,
            phase=StepPhase.RUNNING,
            attempts=start.attempt,
            started_at=state.started_at or now,
            retry_at=None,
            error=None,
        )
        self._running.add(unit)
        starts.append(start)

    def _is_all_promised(self, name: str) -> bool:
        """Return whether what runs may take all the interactions that are left."""
        step = self._spec.steps[name]
        return (
            why_exhausted(self._spec.budget, self._promised(None)) is not None
            or why_exhausted(step.budget, self._promised(name)) is not None
        )

    def _promised(self, name: str | None) -> Spent:
        """Return what a step, or all, have used, with at least one interaction for each that runs."""
        spent = self._spent if name is None else self._units[Unit(name)].spent
        count = sum(
            1
            for unit in self._running
            if (name is None or unit.step == name)
            and isinstance(self._spec.steps[unit.step].action, Research | Ask)
        )
        return spent.plus(Spent(interactions=count))

    def _start_of(self, unit: Unit, *, attempt: int | None = None) -> Start:
        """Return what is to be done for ``unit``; without an attempt, for the one that runs."""
        step, scope = self._spec.steps[unit.step], self._scope(unit)
        is_new = attempt is not None
        attempt = self._units[unit].attempts if attempt is None else attempt
        match step.action:
            case Research() | Ask():
                previous = (
                    None if step.continues is None else self._units[Unit(step.continues)].interaction_id
                )
                budget = None
                if is_new:
                    budget = narrower(
                        remaining(self._spec.budget, self._promised(None)),
                        remaining(step.budget, self._promised(unit.step)),
                    )
                action: Action = StartRun(
                    request_for(
                        step.action,
                        scope,
                        previous_interaction_id=previous,
                        budget=budget,
                        common=self._common,
                    )
                )
            case CallFunction():
                action = call_of(step.action, scope)
            case Join():
                action = text_for(step.action, scope)
            case Approve():
                raise AssertionError("an approval is not started")
        return Start(unit, attempt, run_id_of(self._chain_id, unit, attempt), action)

    def _advance_retrying(self, unit: Unit, now: datetime, starts: list[Start]) -> None:
        state = self._units[unit]
        if self._is_stopping:
            # The error of its last try says more than that there was no other.
            phase = StepPhase.CANCELLED if self._is_cancelled else StepPhase.FAILED
            self._set(unit, phase=phase, retry_at=None, ended_at=now)
        elif state.retry_at is None or state.retry_at <= now:
            self._try(unit, now, starts)

    # An approval

    def _advance_awaiting(self, name: str, now: datetime) -> None:
        state = self._units[Unit(name)]
        if self._is_stopping:
            self._leave_out(Unit(name), now)
        elif state.expires_at is not None and state.expires_at <= now:
            approve = self._spec.steps[name].approve
            assert approve is not None  # nothing else awaits approval
            why = f"nobody decided in {approve.expires}"
            match approve.on_expiry:
                case OnExpiry.APPROVE:
                    self._approve(name, now, note="", why=why)
                case OnExpiry.REJECT:
                    self._reject(name, now, note="", error=step_error(StepErrorCode.EXPIRED, why))

    def _approve(self, name: str, now: datetime, *, note: str, why: str) -> None:
        self._set(Unit(name), why=one_line(why), expires_at=None)
        self._settle(Unit(name), StepResult(phase=StepPhase.COMPLETED, text=note), now)

    def _reject(self, name: str, now: datetime, *, note: str, error: StepError) -> None:
        self._set(Unit(name), why=error.message, expires_at=None)
        self._settle(Unit(name), StepResult(phase=StepPhase.REJECTED, text=note, error=error), now)

    def _message_of(self, name: str) -> str:
        """Return what a person is asked; a long text is only named by its address.

        Raises:
            RenderError: A template cannot be filled in.
        """
        approve = self._spec.steps[name].approve
        assert approve is not None  # only called for approvals
        quotes = Quotes()
        message = templates.render_text(approve.message, self._scope(Unit(name)), quotes)
        for quote in quotes.taken():
            message = message.replace(quote.placeholder, quote.uri)
        return clean_text(message)

    # A for_each

    def _expand(self, name: str, now: datetime) -> None:
        """Begin a for_each: from now on it has items.

        Raises:
            RenderError: Its list cannot be filled in, or is none.
        """
        items = self._items_of(name)
        if len(items) > limits.MAX_ITEMS:
            raise RenderError(f"{len(items):,} items are too many, the limit is {limits.MAX_ITEMS}")
        if len(self._units) + len(items) > limits.MAX_UNITS:
            raise RenderError(
                f"{len(items):,} more items would make over {limits.MAX_UNITS:,} steps and items in all; "
                "split the chain"
            )
        self._item_counts[name] = len(items)
        self._units |= {Unit(name, number): StepState() for number in range(len(items))}
        self._set(Unit(name), phase=StepPhase.RUNNING, attempts=1, started_at=now)

    def _items_of(self, name: str) -> list[JsonValue]:
        """Return the list of a for_each.

        Raises:
            RenderError: It cannot be filled in, or is none.
        """
        if name not in self._items:
            for_each = self._spec.steps[name].for_each
            assert for_each is not None  # only called for these
            source = for_each.items if isinstance(for_each.items, str) else list(for_each.items)
            quotes = Quotes()
            found = templates.render_json(source, self._scope(Unit(name)), quotes)
            if quotes.taken():
                raise RenderError("an item is a long text; refer to it in `do` instead")
            if not isinstance(found, list):
                raise RenderError("`items` did not become a list")
            self._items[name] = found
        return self._items[name]

    def _advance_items(self, name: str, now: datetime, starts: list[Start]) -> None:
        for_each = self._spec.steps[name].for_each
        assert for_each is not None  # only called for these
        most = for_each.max_parallel or self._spec.max_parallel
        units = [Unit(name, number) for number in range(self._item_counts.get(name, 0))]
        running = sum(unit in self._running for unit in units)
        for unit in units:
            match self._units[unit].phase:
                case StepPhase.WAITING if self._is_stopping:
                    self._leave_out(unit, now)
                case StepPhase.WAITING if running < most:
                    self._try(unit, now, starts)
                    running += unit in self._running
                case StepPhase.RETRYING if self._is_stopping or running < most:
                    self._advance_retrying(unit, now, starts)
                    running += unit in self._running
                case _:
                    pass
        if all(self._units[unit].phase.is_end for unit in units):
            self._end_items(name, [self._units[unit].phase for unit in units], now)

    def _end_items(self, name: str, phases: list[StepPhase], now: datetime) -> None:
        bad = [phase for phase in phases if not phase.is_good]
        if not bad:
            is_whole = all(phase is StepPhase.COMPLETED for phase in phases)
            phase = StepPhase.COMPLETED if is_whole else StepPhase.INCOMPLETE
            self._set(Unit(name), phase=phase, ended_at=now)
            return
        not_begun = sum(phase is StepPhase.SKIPPED for phase in bad)
        what = [f"{len(bad) - not_begun} failed"] if len(bad) > not_begun else []
        what += [f"{not_begun} not started"] if not_begun else []
        error = step_error(StepErrorCode.ITEMS_FAILED, f"of {len(phases)} items {' and '.join(what)}")
        phase = StepPhase.CANCELLED if self._is_cancelled else StepPhase.FAILED
        self._set(Unit(name), phase=phase, ended_at=now, error=error)

    # Ends

    def _settle(self, unit: Unit, result: StepResult, now: datetime) -> None:
        """End a try of ``unit`` with ``result``: for good, unless there is to be another."""
        if not result.phase.is_good and result.phase is not StepPhase.REJECTED:
            error = result.error or step_error(RunErrorCode.INTERNAL, "no reason was given")
            self._fail(unit, error.code, error.message, now, phase=result.phase)
            return
        needs = self._plan.needs[unit.step]
        try:
            kept = keep(
                result,
                needs,
                kept_bytes=self._kept_bytes,
                shown_bytes=self._shown_bytes,
                is_shown=unit.item is None or unit.step == self._plan.output_step,
            )
        except NoRoom as error:
            self._fail(unit, StepErrorCode.LIMIT, str(error), now)
            return
        self._kept_bytes, self._shown_bytes = kept.kept_bytes, kept.shown_bytes
        self._set(
            unit,
            phase=result.phase,
            ended_at=now,
            error=result.error,
            text=kept.result.text,
            text_uri=kept.result.text_uri,
            data=kept.result.data,
            interaction_id=kept.result.interaction_id,
            artifacts=kept.result.artifacts,
        )
        if result.phase is StepPhase.REJECTED and result.error is not None:
            self._heed(unit.step, result.error, is_rejection=True)

    def _fail(
        self, unit: Unit, code: str, message: str, now: datetime, *, phase: StepPhase = StepPhase.FAILED
    ) -> None:
        """End a try of ``unit`` badly; another follows where its step's retry says so."""
        error = step_error(code, message)
        retry = self._spec.steps[unit.step].retry
        if code not in _NOT_TRIED_AGAIN and self._units[unit].attempts < retry.attempts:
            retry_at = now + timedelta(seconds=retry.wait_s)
            self._set(unit, phase=StepPhase.RETRYING, error=error, retry_at=retry_at)
            return
        self._set(unit, phase=phase, ended_at=now, error=error, retry_at=None)
        self._heed(unit.step, error)

    def _heed(self, name: str, error: StepError, *, is_rejection: bool = False) -> None:
        """Stop the chain where the step's ``on_error`` says so."""
        if self._spec.steps[name].on_error is OnError.FAIL and not self._is_cancelled:
            self._stop_for(name, error, is_rejection=is_rejection)

    def _stop_for(self, name: str, error: StepError, *, is_rejection: bool = False) -> None:
        if self._failure is None:
            self._failure = ChainFailure(step=name, error=error, is_rejection=is_rejection)

    def _leave_out(self, unit: Unit, now: datetime) -> None:
        """End a unit that has not begun, or only waits for a person, because the chain stops."""
        if self._is_cancelled:
            self._set(unit, phase=StepPhase.CANCELLED, ended_at=now, expires_at=None)
            return
        assert self._failure is not None  # the chain stops for one or the other
        what = "was rejected" if self._failure.is_rejection else "failed"
        if self._failure.error.code == StepErrorCode.BUDGET:
            what = "could not be paid for"
        why = f"the chain stopped: {self._failure.step} {what}"
        self._set(unit, phase=StepPhase.SKIPPED, ended_at=now, expires_at=None, why=one_line(why))

    def _finish(self) -> None:
        """Fill in the chain's result, now that every step has ended."""
        self._output = StoreText("")
        if self._is_stopping:
            return
        try:
            self._output = text_for(Join(parts=(self._plan.output,)), self._scope(Unit(OUTPUT)))
        except ChainsError as error:
            name = self._plan.output_step or OUTPUT
            self._failure = ChainFailure(step=name, error=step_error(StepErrorCode.TEMPLATE, str(error)))

    # Small things

    @property
    def _is_stopping(self) -> bool:
        return self._is_cancelled or self._failure is not None

    def _set(self, unit: Unit, **changes: object) -> None:
        self._units[unit] = self._units[unit].model_copy(update=changes)

    def _add_spent(self, unit: Unit, spent: Spent) -> None:
        self._spent = self._spent.plus(spent)
        # A step's own sum has that of its items, so that its budget bounds them together.
        for part in {unit, Unit(unit.step)}:
            self._set(part, spent=self._units[part].spent.plus(spent))

    def _is_under_way(self, unit: Unit) -> bool:
        is_parent = unit.item is None and self._spec.steps[unit.step].for_each is not None
        return self._units[unit].phase is StepPhase.RUNNING and not is_parent

    def _item_states(self, name: str) -> Iterator[StepState]:
        return (self._units[Unit(name, number)] for number in range(self._item_counts.get(name, 0)))

    def _scope(self, unit: Unit) -> Scope:
        results = _Results(self._units, self._item_counts)
        if unit.item is None:
            return Scope(inputs=self._inputs, steps=results)
        item = self._items_of(unit.step)[unit.item]
        return Scope(inputs=self._inputs, steps=results, item=item, item_index=unit.item)

    def _name_of(self, unit: Unit) -> str:
        return unit.step if unit.item is None else f"{unit.step}[{unit.item}]"

    def _take_stops(self) -> Iterator[Unit]:
        if self._is_cancelled:
            for unit in self._units:
                if unit in self._running and unit not in self._stopped:
                    self._stopped.add(unit)
                    yield unit

    def _wake_at(self, now: datetime) -> datetime | None:
        # What was due and has not begun waits for a free place, which comes with somebody's end.
        waiting = (StepPhase.RETRYING, StepPhase.AWAITING_APPROVAL)
        times = [
            moment
            for state in self._units.values()
            if state.phase in waiting
            for moment in (state.retry_at, state.expires_at)
            if moment is not None and moment > now
        ]
        return min(times, default=None)

    # For people

    def _views(self) -> tuple[StepView, ...]:
        awaiting = frozenset(self.awaiting)
        message_bytes = min(limits.MAX_MESSAGE_BYTES, limits.MAX_MESSAGES_BYTES // max(len(awaiting), 1))
        return tuple(
            self._view(
                Unit(name),
                message=excerpt_utf8(self._message_of(name), message_bytes) if name in awaiting else "",
                items=tuple(
                    self._view(Unit(name, number)) for number in range(self._item_counts.get(name, 0))
                ),
            )
            for name in self._spec.steps
        )

    def _view(self, unit: Unit, *, message: str = "", items: tuple[StepView, ...] = ()) -> StepView:
        state, step = self._units[unit], self._spec.steps[unit.step]
        has_run = state.attempts > 0 and isinstance(step.action, Research | Ask)
        has_run = has_run and (unit.item is not None or step.for_each is None)
        return StepView(
            name=unit.step if unit.item is None else f"[{unit.item}]",
            kind=step.kind if unit.item is None else step.body_kind,
            phase=state.phase,
            run_id=run_id_of(self._chain_id, unit, state.attempts) if has_run else None,
            attempts=state.attempts,
            started_at=state.started_at,
            ended_at=state.ended_at,
            retry_at=state.retry_at,
            expires_at=state.expires_at,
            spent=state.spent,
            error=state.error,
            why=state.why,
            message=message,
            artifacts=state.artifacts,
            items=items,
        )


class _Results(StepValues):
    """What the steps have come to so far."""

    def __init__(self, units: dict[Unit, StepState], item_counts: dict[str, int]) -> None:
        self._units = units
        self._item_counts = item_counts

    def value_of(self, reference: Reference) -> Value:
        unit = Unit(reference.name)
        if isinstance(reference.index, int):
            unit = Unit(reference.name, reference.index)
        if unit not in self._units:
            raise RenderError(f"`{reference.source}` is not there")
        state = self._units[unit]
        match reference.field:
            case "text":
                return _text_of(state)
            case "texts":
                items = (self._units[Unit(unit.step, n)] for n in range(self._item_counts.get(unit.step, 0)))
                return Texts(tuple(_text_of(item) for item in items if item.phase.is_good))
            case "data":
                return _data_of(state, reference)
            case "artifacts" | "image" | "audio":
                return _file_of(state, reference)
            case _:
                return _fact_of(state, reference)


def _text_of(state: StepState) -> str | LongText:
    if state.text or state.text_uri is None:
        return state.text
    return LongText(state.text_uri)


def _data_of(state: StepState, reference: Reference) -> JsonValue:
    if not state.phase.is_good:
        return None  # it failed, and its on_error lets others go on without it
    if state.data is None and reference.path:
        raise RenderError(f"`{reference.source}`: the step left no data, or more than history takes")
    return templates.descend(state.data, reference.path, reference.source)


def _file_of(state: StepState, reference: Reference) -> Value:
    if not state.phase.is_good:
        return None
    for artifact in state.artifacts:
        if reference.path == (artifact.name,) or artifact.media_type.startswith(f"{reference.field}/"):
            return artifact
    there = ", ".join(artifact.name for artifact in state.artifacts) or "none"
    raise RenderError(f"`{reference.source}`: there is no such file; there are {there}")


def _fact_of(state: StepState, reference: Reference) -> JsonValue:
    match reference.field:
        case "phase":
            return state.phase.value
        case "error":
            return None if state.error is None else state.error.message
        case "interaction_id":
            return state.interaction_id
        case "cost_usd":
            return state.spent.cost_usd
        case "tokens":
            return state.spent.tokens
        case "interactions":
            return state.spent.interactions
        case _:
            raise RenderError(f"`{reference.source}`: there is no {reference.field!r}")
