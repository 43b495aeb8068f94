"""The function calls of one answer: each an activity of its own, in parallel, some after approval.

Workflow code: see docs/changing.md.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypedDict

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from activities.timeouts import TOOL_MARGIN
    from activities.tool_activities import ToolActivities
    from runs.errors import UpdateErrorType
    from runs.limits import MAX_ERROR_CHARS
    from runs.queues import tools_of
    from runs.stores import StoreRef
    from runs.text import first_line
    from runs.tool_calls import (
        CallTool,
        DecideToolCall,
        PendingToolCall,
        ToolAnswer,
        ToolCall,
        ToolDecision,
        ToolDescription,
        file_digest_of,
    )
    from workflows.failures import failure_of

_SHOWN_CHARS: Final = 500
"""Of a call's arguments, in the status of a run and in summaries: enough to decide by."""

_SUMMARY_CHARS: Final = 90
"""Temporal refuses a summary of more than 400 bytes; a character has four at most."""

_RETRY_INTERVAL: Final = timedelta(seconds=1)
_RETRY_AT_MOST: Final = timedelta(seconds=60)
"""Between attempts of a tool: what fails mostly fails for a moment, and a model waits for it."""


class ToolRound:
    """The calls of one answer, from being asked for to being answered.

    Nothing here raises for what a tool does: whatever goes wrong becomes an answer that the model can act on.

    Args:
        calls: In the order in which they were asked for, which is that of the answers.
        tools: What the workers have, by name.
        artifacts_prefix: Where the run's files go.
        number: Of the round in its run, for the names of files.
        expires_at: Until when calls wait for approval.
    """

    def __init__(
        self,
        calls: Sequence[ToolCall],
        tools: Mapping[str, ToolDescription],
        *,
        artifacts_prefix: str,
        number: int,
        expires_at: datetime,
    ) -> None:
        self.expires_at = expires_at
        self._calls = calls
        self._tools = tools
        self._artifacts_prefix = artifacts_prefix
        self._number = number
        self._store: StoreRef | None = None
        self._answers: dict[int, ToolAnswer] = {}
        self._held: list[int] = []
        self._under_way: dict[int, asyncio.Task[None]] = {}

    def start(self, *, store: StoreRef | None = None) -> None:
        """Start every call that needs nobody's approval.

        Args:
            store: Which store has the run's files so far; None if that is not known.
        """
        self._store = store
        for index, call in enumerate(self._calls):
            tool = self._tools.get(call.name)
            if call.problem is not None:
                self._answers[index] = _error(call, call.problem)
            elif tool is None:
                there = ", ".join(sorted(self._tools)) or "none"
                self._answers[index] = _error(call, f"there is no function {call.name!r}; there are: {there}")
            elif tool.needs_approval:
                self._held.append(index)
            else:
                self._run(index)

    @property
    def is_answered(self) -> bool:
        """Whether every call has its answer."""
        return len(self._answers) == len(self._calls)

    @property
    def running(self) -> int:
        """How many calls are under way."""
        return len(self._calls) - len(self._answers) - len(self._held)

    @property
    def answers(self) -> tuple[ToolAnswer, ...]:
        """The answers, in the order of the calls."""
        return tuple(self._answers[index] for index in range(len(self._calls)))

    @property
    def pending(self) -> tuple[PendingToolCall, ...]:
        """The calls that wait for a person."""
        return tuple(
            PendingToolCall(
                call_id=call.call_id,
                name=call.name,
                arguments=_shown(call),
                digest=call.digest,
                expires_at=self.expires_at,
            )
            for call in (self._calls[index] for index in self._held)
        )

    def why_not(self, decided: DecideToolCall) -> str | None:
        """Return why ``decided`` is about no call that waits; None when it is."""
        waiting = [
            self._calls[index] for index in self._held if self._calls[index].call_id == decided.call_id
        ]
        if not waiting:
            return f"no call {decided.call_id!r} waits for approval"
        if all(call.digest != decided.digest for call in waiting):
            return (
                f"call {decided.call_id!r} is not the one that was shown: its arguments have the digest "
                f"{waiting[0].digest}; look again before you decide"
            )
        return None

    def decide(self, decided: DecideToolCall) -> None:
        """Carry out what a person decided about a call.

        Raises:
            ApplicationError: type ``NotPossible``: no such call waits (any more).
        """
        if why_not := self.why_not(decided):
            raise ApplicationError(why_not, type=UpdateErrorType.NOT_POSSIBLE, non_retryable=True)
        index = next(
            index
            for index in self._held
            if (self._calls[index].call_id, self._calls[index].digest) == (decided.call_id, decided.digest)
        )
        self._held.remove(index)
        if decided.decision is ToolDecision.APPROVE:
            self._run(index)
        else:
            reason = decided.reason.strip() or "no reason was given"
            self._answers[index] = _error(self._calls[index], f"a person denied this call: {reason}")

    def expire(self) -> None:
        """Answer the calls that nobody decided about."""
        for index in self._held:
            self._answers[index] = _error(self._calls[index], "nobody approved this call in time")
        self._held.clear()

    def stop(self) -> None:
        """Give up what is under way: the run is over."""
        for task in self._under_way.values():
            task.cancel()

    def _run(self, index: int) -> None:
        self._under_way[index] = asyncio.create_task(self._call(index))

    async def _call(self, index: int) -> None:
        call = self._calls[index]
        tool = self._tools[call.name]
        try:
            self._answers[index] = await workflow.execute_activity_method(
                ToolActivities.call_tool,
                CallTool(
                    call=call,
                    artifacts_prefix=self._artifacts_prefix,
                    file_name=f"tools/{self._number}-{index + 1}-{file_digest_of(call)}.json",
                    is_named_by_call=True,
                    store=self._store,
                ),
                **options_of(tool, call.arguments),
            )
        except ActivityError as error:
            # Also one that was cancelled: the answer of a run that is over is read by nobody.
            attempts = "1 attempt" if tool.max_attempts == 1 else f"{tool.max_attempts} attempts"
            self._answers[index] = _error(call, f"failed after {attempts}: {failure_of(error).message}")


def _error(call: ToolCall, text: str) -> ToolAnswer:
    return ToolAnswer(call_id=call.call_id, name=call.name, is_error=True, text=text[:MAX_ERROR_CHARS])


def _shown(call: ToolCall) -> str:
    return json.dumps(call.arguments, ensure_ascii=False)[:_SHOWN_CHARS]


class ActivityOptions(TypedDict):
    """How the activity of a call is run."""

    task_queue: str
    start_to_close_timeout: timedelta
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy
    summary: str


def options_of(tool: ToolDescription, arguments: dict[str, JsonValue]) -> ActivityOptions:
    """Return how a call of ``tool`` is run: within its own time, as often as it allows."""
    shown = json.dumps(arguments, ensure_ascii=False)
    return ActivityOptions(
        task_queue=tools_of(workflow.info().task_queue),
        start_to_close_timeout=timedelta(seconds=tool.timeout_s) + TOOL_MARGIN,
        heartbeat_timeout=None
        if tool.heartbeat_timeout_s is None
        else timedelta(seconds=tool.heartbeat_timeout_s),
        retry_policy=RetryPolicy(
            initial_interval=_RETRY_INTERVAL,
            maximum_interval=_RETRY_AT_MOST,
            maximum_attempts=tool.max_attempts,
        ),
        summary=first_line(f"{tool.name} {shown}", max_chars=_SUMMARY_CHARS),
    )
