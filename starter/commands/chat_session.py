"""One person's side of a conversation."""

import asyncio
from typing import Final

from temporalio.client import Client

from runs.conversation import ConversationPhase, ConversationRequest, SendMessage, Turn
from runs.messages import Attachment
from starter import formats
from starter.attachments import LocalFile, store_attachments
from starter.commands.attending import Attendant
from starter.commands.chat_reading import Command
from starter.commands.chat_showing import Display, used
from starter.conversations import (
    close_conversation,
    ending_text,
    look_at_conversation,
    new_message,
    send_message,
    start_conversation,
)
from starter.errors import ConversationClosed, InvalidInput, TemporalUnreachable
from starter.live import live_progress
from starter.runs import watch_run
from starter.temporal import has_worker
from starter.views import ConversationView

_LOOK_EVERY_S: Final = 0.2
"""For the run that answers a message: it is there as soon as a worker is."""

_PATIENCE_S: Final = 3.0
"""After so long without a run it is worth asking whether there is a worker."""


class Session:
    """One person's side of a conversation, which is started with the first message.

    Args:
        client: Of its namespace.
        conversation_id: Its id.
        request: To start it with; None: it is there already.
        task_queue: Where a worker looks for it.
        display: Shows turns.
    """

    def __init__(
        self,
        client: Client,
        conversation_id: str,
        *,
        request: ConversationRequest | None,
        task_queue: str,
        display: Display,
    ) -> None:
        self.conversation_id: Final = conversation_id
        self.has_failed = False
        self._client = client
        self._request = request
        self._task_queue = task_queue
        self._display = display
        self._output = display.output
        self._attachments: list[LocalFile | Attachment] = []

    @property
    def is_started(self) -> bool:
        """Whether there is a conversation."""
        return self._request is None

    @property
    def prompt(self) -> str:
        """What a person sees where they type."""
        return f"[{len(self._attachments)} attached] > " if self._attachments else "> "

    async def greet(self) -> None:
        """Say which conversation it is, show where it was, and wait for what is being answered in it.

        Raises:
            ConversationClosed: It takes no messages any more.
        """
        if self._request is not None:
            origin = self._request.origin
            about = f", following up on {origin.run_id}" if origin else ""
            self._output.say(
                f"Conversation {self.conversation_id} with {formats.one_line(self._request.target)}{about}"
            )
            return
        view = await self._look()
        if view.phase is ConversationPhase.CLOSED:
            raise ConversationClosed(_why_closed(view))
        self._output.say(f"Conversation {self.conversation_id} with {formats.one_line(view.target or '?')}")
        if view.status is None:
            return
        await self._display.where_it_was(view.status)
        for pending in view.status.pending:
            self._output.say(f"Still being answered: {formats.one_line(pending.question)}")
            # By its id alone the conversation knows which message is meant.
            await self._answer_to(SendMessage(message_id=pending.message_id, text=pending.question))

    async def say(self, text: str) -> None:
        """Send a message, with what was attached, and show the answer."""
        stored = await store_attachments(self._attachments, self._display.store)
        message = new_message(text, attachments=stored)
        if self._request is not None:
            if why_not := self._request.why_not(message):
                raise InvalidInput(why_not)
            await start_conversation(
                self._client,
                self._request,
                conversation_id=self.conversation_id,
                subject=text,
                task_queue=self._task_queue,
            )
            self._request = None
        await self._answer_to(message)
        self._attachments.clear()

    def attach(self, attachments: list[LocalFile | Attachment]) -> None:
        """Keep something for the next message."""
        self._attachments += attachments

    async def show(self, what: Command) -> None:
        """Show the turns or the cost."""
        status = None if self._request is not None else (await self._look()).status
        if status is None:
            self._output.say("Nothing has been said yet.")
        elif what is Command.COST:
            self._display.cost(status)
        else:
            self._display.turns(status)

    async def close(self) -> None:
        """End the conversation."""
        view = await close_conversation(self._client, self.conversation_id)
        if view.result is None:
            self._output.say(f"Conversation {self.conversation_id} closes once all is answered")
        else:
            turns = formats.count(view.result.turns, "turn")
            self._output.say(f"Closed {self.conversation_id} after {turns}: {used(view.result.spent)}")

    async def _look(self) -> ConversationView:
        return await look_at_conversation(self._client, self.conversation_id)

    async def _answer_to(self, message: SendMessage) -> None:
        turn = await self._send(message)
        self.has_failed = turn.error is not None
        await self._display.turn(turn)

    async def _send(self, message: SendMessage) -> Turn:
        sending = asyncio.create_task(send_message(self._client, self.conversation_id, message))
        try:
            async with (
                live_progress(None, output=self._output) as progress,
                Attendant(self._client, self._output, progress) as attendant,
            ):
                await self._attend(sending, attendant)
            return await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _attend(self, sending: asyncio.Task[Turn], attendant: Attendant) -> None:
        """Show the run that answers, until ``sending`` has ended."""
        loop = asyncio.get_running_loop()
        watched: set[str] = set()
        asks_for_worker_at: float | None = loop.time() + _PATIENCE_S
        while not sending.done():
            run_id = await self._running_run_id()
            if run_id is not None and run_id not in watched:
                watched.add(run_id)
                asks_for_worker_at = None
                async for view in watch_run(self._client, run_id):
                    attendant.attend(view)
                    if sending.done():
                        break
            if asks_for_worker_at is not None and loop.time() > asks_for_worker_at:
                asks_for_worker_at = None
                await self._say_if_no_worker()
            await asyncio.wait({sending}, timeout=_LOOK_EVERY_S)

    async def _running_run_id(self) -> str | None:
        try:
            view = await look_at_conversation(self._client, self.conversation_id, is_status_wanted=False)
        except TemporalUnreachable:
            return None  # it is waited for
        return view.running_run_id

    async def _say_if_no_worker(self) -> None:
        queue = self._task_queue
        try:
            is_served = await has_worker(self._client, task_queue=queue)
        except TemporalUnreachable:
            self._output.say("Temporal is away; waiting for it.")
            return
        if not is_served:
            self._output.say(f"no worker is polling task queue {queue!r}; start one with `longhaul worker`")


def _why_closed(view: ConversationView) -> str:
    last = (
        next((turn for turn in reversed(view.status.recent) if turn.interaction_id), None)
        if view.status
        else None
    )
    go_on = f"go on from it with: longhaul chat --from {last.run_id}" if last else "start a new one"
    return f"conversation {view.conversation_id} has been {ending_text(view)}; {go_on}"
