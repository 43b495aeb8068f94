"""What an interaction has said so far, told once, however often and in whatever pieces it is heard.

Theory. A stream is cut now and then, and resumed after the last event that carried a mark; the events after
that one are heard again. A replay from the start is heard again as a whole. Neither need be cut into the
same pieces as before. So for each step two things are kept: the text that was *told*, which only grows, and
how far into it has been *heard* on the way of the present stream. A resume winds the second back to where it
stood at the mark, a replay to nothing, and only what is heard beyond the end of what was told is news.

The JSON form of the interaction has no pieces; whatever it has beyond what was told is news, too. Steps are
known by their kind and number (the third thought, the first text), because the JSON counts steps from the
question and a stream from the answer.

Where a replay contradicts what was told, what was told stands, the stream is not believed about this step
any more, and the JSON form decides what is missing in the end.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import SEEK_END, StringIO
from typing import Final

from interactions.activity import activity_line, is_call
from interactions.contents import Content, TextContent
from interactions.events import StepDelta, StepStart, StepStop, StreamEvent, TextDelta, ThoughtSummaryDelta
from interactions.responses import Interaction
from interactions.steps import CallStep, KnownCallOrResult, ModelOutputStep, Step, ThoughtStep

_JOIN_CHARS: Final = 40
"""As much of the end of a text as is certain to be found at one place of another version of it."""

_REMEMBERED_EVENTS: Final = 1_000
"""Ids of events by which a repeated one is known. A repetition follows soon or not at all."""


class PieceKind(StrEnum):
    """What a piece is a piece of."""

    THOUGHT = "thought"
    """The summary of what the model thinks."""
    TEXT = "text"
    """The answer. All pieces of this kind, joined, are `Interaction.text`."""
    ACTIVITY = "activity"
    """A line about a tool that the service uses; always whole."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something new.

    Attributes:
        index: Which thought, text or activity it belongs to; each kind is counted from 0.
        kind: Of what it is a piece.
        text: To be appended to what was told of it. As received: not fit for a terminal before it is
            cleaned, except in an activity.
    """

    index: int
    kind: PieceKind
    text: str


_Key = tuple[PieceKind, int]


class Transcript:
    """All that was told of one interaction.

    Attributes:
        size_chars: How much that is.
        is_contradicted: Whether the JSON form says something else than what was told.
    """

    def __init__(self) -> None:
        self.size_chars = 0
        self.is_contradicted = False
        self._told: dict[_Key, StringIO] = {}
        self._heard: Counter[_Key] = Counter()
        self._heard_at_mark: dict[_Key, int] = {}
        """Where those steps stood that have been heard of since the mark."""
        self._mark: str | None = None
        self._begins: dict[str, tuple[_Key, int]] = {}
        self._keys: dict[int, _Key] = {}
        self._steps: Counter[PieceKind] = Counter()
        self._lines: dict[int, str] = {}
        self._disbelieved: set[_Key] = set()

    def resume(self) -> str | None:
        """Prepare for a stream that goes on after the returned mark; None means from the start."""
        self._heard.update_to(self._heard_at_mark) if False else self._heard.__ior__  # placeholder
        return self._mark
