"""The emulator as an object: what it remembers, and the rules for changing it."""

import asyncio
import secrets
from collections import Counter
from dataclasses import asdict, replace
from typing import Any, Final

from emulator.board import FaultBoard
from emulator.clock import Anchor, Clock
from emulator.directives import Directive
from emulator.errors import ApiError, failed_precondition, invalid, not_found
from emulator.hooks import StaticHook
from emulator.records import MAX_TURN_CHARS, MAX_TURNS, Behaviour, Record, Turn
from emulator.script import Timelines
from emulator.state import StateFile
from emulator.timeline import Timeline, text_of
from emulator.view import is_expired, is_over, status_at
from emulator.wire import base64url

LASTING: Final = ("no-background",)
"""Faults that are a model's nature: where it shows one in a turn, it shows it in the turns that follow."""


class Emulator:
    """Everything one emulator process knows.

    Args:
        state: Where it is kept.
        time_scale: Emulated seconds per wall second.
    """

    def __init__(self, state: StateFile, *, time_scale: float) -> None:
        self.state = state
        kept = state.load("clock").get("anchors", [])
        self.clock = Clock(time_scale, anchors=[Anchor(**each) for each in kept])
        self.keep_clock()
        self.board = FaultBoard(state)
        self.timelines = Timelines()
        self.records = {key: Record.from_json(each) for key, each in state.load("interaction").items()}
        self.agents: dict[str, dict[str, Any]] = state.load("agent")
        self.hooks = {key: StaticHook.from_json(each) for key, each in state.load("webhook").items()}
        self.requests: Counter[str] = Counter()
        self.by_submission: dict[str, Counter[str]] = {}
        self.stopping = asyncio.Event()
        self.last_told: str | None = None
        """The id that the last background create was rightly answered with, as a cache in front has it."""
        for record in self.records.values():
            self.count(record.submission, "interactions")

    def keep_clock(self) -> None:
        """Save the clock, so that a restarted emulator knows how much time has passed."""
        self.state.save("clock", "anchors", [asdict(each) for each in self.clock.anchors])

    def count(self, submission: str, what: str) -> None:
        """Count something for one submission."""
        self.by_submission.setdefault(submission, Counter())[what] += 1

    def reset(self) -> None:
        """Forget every interaction, agent, webhook, fault and count."""
        self.state.clear()
        self.keep_clock()
        self.board.clear()
        self.timelines.clear()
        self.records.clear()
        self.agents.clear()
        self.hooks.clear()
        self.requests.clear()
        self.by_submission.clear()
        self.last_told = None

    def find(self, interaction_id: str) -> Record:
        """The interaction that a client names.

        Raises:
            ApiError: 404; it never was, was deleted, or has expired.
        """
        record = self.records.get(interaction_id)
        if record is None or record.deleted or is_expired(record, self.timeline(record), self.clock.now_s()):
            raise not_found(f"Interaction {interaction_id!r} not found.")
        return record

    def another(self, record: Record) -> Record | None:
        """The latest other interaction that has ended; None when there is none."""
        now_s = self.clock.now_s()
        others = (each for each in reversed(self.records.values()) if each is not record)
        return next((each for each in others if is_over(each, self.timeline(each), now_s)), None)

    def timeline(self, record: Record) -> Timeline:
        """How the interaction goes."""
        return self.timelines.of(record)

    def turns_before(self, body: dict[str, Any]) -> tuple[Turn, ...]:
        """The conversation that a create continues, oldest turn first.

        Raises:
            ApiError: 404, the previous interaction is unknown, deleted or expired; 400, it is still running,
                or its function calls are not answered by this create, or it cannot be continued like this.
        """
        previous_id = body.get("previous_interaction_id")
        if previous_id is None:
            _check_results(body.get("input"), _calls_told(body.get("input")))
            return ()
        previous = self.find(previous_id)
        timeline, now_s = self.timeline(previous), self.clock.now_s()
        if not is_over(previous, timeline, now_s):
            raise failed_precondition(
                f"Previous interaction {previous_id!r} has status {status_at(previous, timeline, now_s)!r}."
            )
        steps = [] if previous.cancelled_s is not None else timeline.steps
        calls = {each.step["id"]: each.step["name"] for each in steps if each.step["type"] == "function_call"}
        _check_results(body.get("input"), calls)
        token = body.get("continuation_token")
        if token is not None and token != timeline.continuation_token:
            raise invalid(f"The continuation_token is not that of interaction {previous_id!r}.")
        turn = Turn(
            interaction_id=previous_id,
            behaviour=previous.behaviour,
            user=previous.question[:MAX_TURN_CHARS],
            model=text_of(steps)[:MAX_TURN_CHARS],
            calls=calls,
        )
        return (*previous.turns, turn)[-MAX_TURNS:]

    def with_inherited(self, directive: Directive, body: dict[str, Any]) -> Directive:
        """The directive of a create, with what a conversation's first input asked for all of its turns."""
        parent = self.records.get(str(body.get("previous_interaction_id")))
        if parent is None:
            return directive
        if directive.tool_rounds is None:
            directive = replace(directive, tool_rounds=parent.directive.tool_rounds)
        lasting = [name for name in LASTING if name in parent.directive.fault and name not in directive.fault]
        return replace(directive, fault=(*directive.fault, *lasting))

    def accept(
        self,
        body: dict[str, Any],
        *,
        directive: Directive,
        submission: str,
        behaviour: Behaviour,
        base_url: str,
    ) -> Record:
        """Create an interaction from a valid request that came to ``base_url``."""
        turns = self.turns_before(body)
        fates = self.board.choose_life(submission=submission, directive=directive)
        for fate in fates:
            directive = replace(
                directive,
                steps=directive.steps or fate.directive.steps,
                continuations=directive.continuations or fate.directive.continuations,
                result_bytes=directive.result_bytes or fate.directive.result_bytes,
                expire_after_s=fate.directive.expire_after_s
                if directive.expire_after_s is None
                else directive.expire_after_s,
                cut_s=fate.directive.cut_s if directive.cut_s is None else directive.cut_s,
                cut_events=fate.directive.cut_events
                if directive.cut_events is None
                else directive.cut_events,
            )
        record = Record(
            interaction_id=new_interaction_id(),
            body=body,
            behaviour=behaviour,
            created_s=self.clock.now_s(),
            submission=submission,
            directive=directive,
            life=frozenset(fate.fault.name for fate in fates),
            turns=turns,
            base_url=base_url,
        )
        self.count(submission, "interactions")
        if body.get("store", True):
            self.records[record.interaction_id] = record
            self.keep(record)
        return record

    def keep(self, record: Record) -> None:
        """Save a record after a change; one that is not stored has nothing to save."""
        if record.interaction_id in self.records:
            self.state.save("interaction", record.interaction_id, record.to_json())

    def cancel(self, record: Record) -> None:
        """Stop a running background interaction; a second time changes nothing.

        Raises:
            ApiError: 400; it is not running, or not in the background.
        """
        if record.cancelled_s is not None:
            return
        if not record.is_background:
            raise failed_precondition("Only background interactions can be cancelled.")
        if is_over(record, self.timeline(record), self.clock.now_s()):
            raise failed_precondition(f"Interaction {record.interaction_id!r} is not running.")
        record.cancelled_s = self.clock.now_s()
        self.keep(record)

    def delete(self, record: Record) -> None:
        """Remove the record; the run, if it still runs, goes on."""
        record.deleted = True
        self.keep(record)


def new_interaction_id() -> str:
    """An id of the form the live service gives out."""
    return f"v1_{base64url(b'Chd' + secrets.token_bytes(24))}"


def _calls_told(value: Any) -> dict[str, str]:
    """The function calls that a stateless client repeats and must now answer: id → name.

    Raises:
        ApiError: 400; one comes without the signature that it had.
    """
    calls: dict[str, str] = {}
    for step in value if isinstance(value, list) else []:
        match step.get("type"):
            case "user_input" | "model_output":
                calls.clear()
            case "function_call":
                if "signature" not in step:
                    message = f"Function call {step['id']!r} is missing its signature."
                    raise ApiError(400, code="missing_thought_signature", message=message)
                calls[step["id"]] = step["name"]
            case _:
                pass
    return calls


def _check_results(value: Any, calls: dict[str, str]) -> None:
    steps = value if isinstance(value, list) else []
    given = [step["call_id"] for step in steps if step.get("type") == "function_result"]
    for call_id in given:
        if call_id not in calls:
            raise invalid(f"Function result for unknown call {call_id!r}.")
    missing = sorted(set(calls) - set(given))
    if missing:
        raise invalid(f"Missing function results for calls {missing}.")
