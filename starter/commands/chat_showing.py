"""What a chat shows: answers as a terminal renders Markdown, everything else beside them."""

import sys
from typing import Final

from rich.console import Console
from rich.markdown import Markdown

from artifacts.store import ArtifactStore
from runs.budget import Spent
from runs.conversation import ConversationStatus, Turn
from starter import formats
from starter.errors import SetupError
from starter.files import read_stored
from starter.output import Output

_MAX_COLUMNS: Final = 100
"""Wider lines are hard to read."""

_UNNAMED: Final = frozenset({"report.md", "report.html", "interaction.json", "answer.md", "answer.json"})
"""Files that hold what is shown, or what nobody but a program reads."""

_SHOWN_TURNS: Final = 3
_SHOWN_CHARS: Final = 200


class Display:
    """Shows the turns of a conversation.

    Args:
        output: Of the command.
        store: Where answers and files are.

    Attributes:
        output: Of the command.
        store: Where answers and files are.
    """

    def __init__(self, output: Output, store: ArtifactStore) -> None:
        self.output: Final = output
        self.store: Final = store

    async def turn(self, turn: Turn) -> None:
        """Show an answer, what belongs to it, and what it used."""
        if turn.is_retold:
            self.output.say(
                "note: the API had forgotten the conversation, so what was said before was sent along, too"
            )
        if text := await self._text_of(turn):
            self._answer(text)
        for ref in turn.artifacts:
            if ref.name not in _UNNAMED:
                self.output.say(f"{formats.one_line(ref.name)}: {formats.place(ref.uri)}")
        if turn.error is not None:
            self.output.say(f"longhaul: {formats.one_line(turn.error.message)} ({turn.error.code.value})")
        if turn.run_id is not None:
            self.output.say(f"[{turn.number}] {turn.run_id}: {_used(turn)}")

    def turns(self, status: ConversationStatus, *, last: int | None = None) -> None:
        """Show what was said, a line for each question and answer."""
        recent = status.recent[-last:] if last else status.recent
        if len(recent) < status.turns:
            self.output.say(f"({status.turns - len(recent)} earlier turns)")
        for turn in recent:
            self.output.say(f"[{turn.number}] {formats.one_line(turn.question)}")
            if turn.error is not None:
                answer = f"failed: {formats.one_line(turn.error.message, max_chars=_SHOWN_CHARS)}"
            else:
                answer = formats.one_line(turn.text, max_chars=_SHOWN_CHARS) or "(no text)"
            self.output.say(f"    {answer}")

    async def where_it_was(self, status: ConversationStatus) -> None:
        """Show the latest turns of a conversation that somebody comes back to, the last answer whole.

        A program that reads the answers gets only those to its own messages.
        """
        self.turns(status, last=_SHOWN_TURNS)
        if sys.stdout.isatty() and status.recent and (text := await self._text_of(status.recent[-1])):
            self._answer(text)

    def cost(self, status: ConversationStatus) -> None:
        """Show what a conversation has used."""
        self.output.say(f"{formats.count(status.turns, 'turn')}: {used(status.spent)}")
        if status.why_no_more is not None:
            self.output.say(formats.one_line(status.why_no_more))

    async def _text_of(self, turn: Turn) -> str:
        if not turn.is_excerpt or turn.text_uri is None:
            return turn.text
        try:
            return (await read_stored(turn.text_uri, self.store)).decode(errors="replace")
        except SetupError as error:
            self.output.say(f"note: only the beginning of the answer: {formats.one_line(str(error))}")
            return turn.text

    def _answer(self, text: str) -> None:
        if not sys.stdout.isatty():
            self.output.document(text)
            return
        console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
        console.width = min(console.width, _MAX_COLUMNS)
        # Addresses are shown, not hidden behind words that a stranger chose.
        console.print(Markdown(formats.shown(text), hyperlinks=False))


def used(spent: Spent) -> str:
    """Return what was used, in one line."""
    if spent.unknown_costs >= spent.interactions > 0:
        return f"{spent.tokens:,} tokens, cost unknown"
    text = f"{spent.tokens:,} tokens, {formats.cost(spent.cost_usd)}"
    if spent.unknown_costs:
        text += f" and {formats.count(spent.unknown_costs, 'interaction')} of unknown cost"
    return text


def _used(turn: Turn) -> str:
    tokens = "tokens unknown" if turn.usage.total_tokens is None else f"{turn.usage.total_tokens:,} tokens"
    return f"{tokens}, {'cost unknown' if turn.cost_usd is None else formats.cost(turn.cost_usd)}"
