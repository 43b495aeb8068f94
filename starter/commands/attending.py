"""Showing a run to a person as it goes on, and what in it waits for that person."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from temporalio.client import Client

from runs.planning import PlanView
from runs.tool_calls import PendingToolCall, ToolDecision
from starter import formats
from starter.approvals import approve_plan, decide_tool_call, revise_plan
from starter.errors import StarterError
from starter.output import Output
from starter.progress import Progress, Shows
from starter.prompting import Ask, ask_line
from starter.views import RunView, Waiting, key_of

_View = TypeVar("_View")
_Item = TypeVar("_Item")

_Key = tuple[str, ...]
"""What tells an item from all else that ever waits."""


class Attending(ABC, Generic[_View, _Item]):
    """Shows each view of something; what waits for a person is told once, or asked about where one is there.

    While somebody is asked, nothing is redrawn and the views are watched on: what is decided elsewhere, or
    expires, is not asked about any longer.

    Args:
        output: Where things are told.
        progress: Where views are shown.
        ask: How questions are put.
    """

    def __init__(self, output: Output, progress: Shows[_View], *, ask: Ask) -> None:
        self._output = output
        self._progress = progress
        self._ask = ask
        self._told: set[_Key] = set()
        self._about: _Key | None = None
        self._talk: asyncio.Task[None] | None = None

    @property
    def _is_answering(self) -> bool:
        """Whether what waits is decided about here."""
        return self._output.is_interactive

    @abstractmethod
    def _waiting_in(self, view: _View) -> Iterable[tuple[_Key, _Item]]:
        """Yield what waits for a person."""

    @abstractmethod
    def _tell(self, view: _View, item: _Item) -> None:
        """Tell what waits, and how to decide about it where nobody can be asked."""

    @abstractmethod
    def _talk_about(self, view: _View, item: _Item) -> Coroutine[Any, Any, None]:
        """Ask about what waits, and do what the person says."""

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Ask no more."""
        if self._talk is not None:
            if not self._talk.done():
                # What follows begins a line of its own.
                self._output.say("")
            self._talk.cancel()
            with suppress(asyncio.CancelledError, StarterError):
                await self._talk

    def attend(self, view: _View) -> None:
        """Show ``view``, and tell or ask about what waits in it."""
        waiting = dict(self._waiting_in(view))
        if self._talk is not None and not self._has_ended(self._talk, still_waits=self._about in waiting):
            return
        self._progress.show(view)
        for key, item in waiting.items():
            if key in self._told:
                continue
            self._told.add(key)
            if not self._is_answering:
                self._tell(view, item)
                continue
            self._progress.pause()
            self._about = key
            self._tell(view, item)
            self._talk = asyncio.create_task(self._talk_about(view, item))
            return

    def _has_ended(self, talk: asyncio.Task[None], *, still_waits: bool) -> bool:
        if not talk.done() and still_waits:
            return False
        if not talk.done():
            talk.cancel()
            self._output.say("\nDecided meanwhile.")
        elif error := talk.exception():
            if not isinstance(error, StarterError):
                raise error
            self._output.say(f"longhaul: {formats.one_line(str(error))}")
        self._talk = self._about = None
        self._progress.resume()
        return True


class Attendant(Attending[RunView, Waiting]):
    """Shows each view of a run, and asks about its plans and the calls that need approval.

    Args:
        client: Of the run's namespace.
        output: Where things are told.
        progress: Where views are shown.
        ask: How questions are put.
    """

    def __init__(self, client: Client, output: Output, progress: Progress, *, ask: Ask = ask_line) -> None:
        super().__init__(output, progress, ask=ask)
        self._client = client

    def _waiting_in(self, view: RunView) -> Iterable[tuple[_Key, Waiting]]:
        return ((key_of(item), item) for item in view.waiting)

    def _tell(self, view: RunView, item: Waiting) -> None:
        for line in formats.waiting_lines(item):
            self._output.say(line)
        if not self._output.is_interactive:
            for command in formats.deciding_commands(view.run_id, item):
                self._output.say(f"  {command}")

    def _talk_about(self, view: RunView, item: Waiting) -> Coroutine[Any, Any, None]:
        if isinstance(item, PlanView):
            return self._talk_about_plan(view.run_id, item)
        return self._talk_about_call(view.run_id, item)

    async def _talk_about_plan(self, run_id: str, plan: PlanView) -> None:
        while True:
            match (await self._ask("Approve this plan? [y]es, [r]evise, [l]eave it: ")).lower():
                case "y" | "yes":
                    await approve_plan(self._client, run_id)
                    return
                case "r" | "revise":
                    if feedback := await self._ask("What is to be different? "):
                        await revise_plan(self._client, run_id, feedback)
                        return
                case "" | "l" | "leave" | "n" | "no":
                    self._say_how_to_decide(run_id, plan)
                    return
                case _:
                    continue

    async def _talk_about_call(self, run_id: str, call: PendingToolCall) -> None:
        while True:
            match (await self._ask("Approve this call? [y]es, [d]eny, [l]eave it: ")).lower():
                case "y" | "yes":
                    await decide_tool_call(self._client, run_id, call, decision=ToolDecision.APPROVE)
                    return
                case "d" | "deny" | "n" | "no":
                    if reason := await self._ask("Why not? The model is told: "):
                        await decide_tool_call(
                            self._client, run_id, call, decision=ToolDecision.DENY, reason=reason
                        )
                        return
                case "" | "l" | "leave":
                    self._say_how_to_decide(run_id, call)
                    return
                case _:
                    continue

    def _say_how_to_decide(self, run_id: str, item: Waiting) -> None:
        self._output.say(f"Left as it is; decide with: {formats.deciding_commands(run_id, item)[0]}")
