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

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import SEEK_END, StringIO
from typing import Final

from interactions.activity import activity_line, is_call
from interactions.contents import Content, TextContent
from interactions.errors import ResponseTooLarge
from interactions.events import StepDelta, StepStart, StepStop, StreamEvent, TextDelta, ThoughtSummaryDelta
from interactions.responses import Interaction
from interactions.steps import CallStep, ModelOutputStep, Step, ThoughtStep

_JOIN_CHARS: Final = 40
"""As much of the end of a text as is certain to be found at one place of another version of it."""

_MAX_CHARS: Final = 16 * 1024 * 1024
"""A hundred times the longest report; an answer without end must not eat memory."""

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
        self._told: defaultdict[_Key, StringIO] = defaultdict(StringIO)
        self._heard: defaultdict[_Key, int] = defaultdict(int)
        self._mark: str | None = None
        # Where those steps stood at the mark that have been heard of since.
        self._heard_at_mark: dict[_Key, int] = {}
        self._begins: dict[str, tuple[_Key, int]] = {}
        self._keys: dict[int, _Key] = {}
        self._counts: Counter[PieceKind] = Counter()
        self._lines: dict[int, str] = {}
        self._disbelieved: set[_Key] = set()

    def resume(self) -> str | None:
        """Get ready to hear what follows the last mark, and return it; None means the start."""
        self._heard.update(self._heard_at_mark)
        self._heard_at_mark.clear()
        return self._mark

    def start_over(self) -> None:
        """Get ready to hear everything again."""
        self._mark = None
        self._heard.clear()
        self._heard_at_mark.clear()
        self._begins.clear()

    def hear(self, event: StreamEvent) -> Piece | None:
        """Take in one event, and return what is new in it.

        Raises:
            ResponseTooLarge: More was said than any answer has.
        """
        match event:
            case StepStart():
                piece = self._start(event)
            case StepDelta():
                piece = self._grow(event)
            case StepStop():
                piece = self._stop(event)
            case _:
                piece = None
        if event.event_id is not None:
            self._mark = event.event_id
            self._heard_at_mark.clear()
        return piece

    def compare(self, interaction: Interaction) -> Iterator[Piece]:
        """Yield what ``interaction``, as JSON, has beyond what was told.

        Raises:
            ResponseTooLarge: More was said than any answer has.
        """
        counts: Counter[PieceKind] = Counter()
        for step in interaction.turn_steps:
            kind = _kind_of(step)
            if kind is None:
                continue
            key = (kind, counts[kind])
            counts[kind] += 1
            told = self._told[key].getvalue()
            if kind is PieceKind.ACTIVITY:
                rest = "" if told else activity_line(step)
            else:
                rest = self._rest(told, _text_of(step))
            if rest:
                yield self._tell(key, rest)

    def remark(self, line: str) -> Piece:
        """Tell ``line`` as an activity of its own."""
        key = (PieceKind.ACTIVITY, self._counts[PieceKind.ACTIVITY])
        self._counts[PieceKind.ACTIVITY] += 1
        return self._tell(key, line)

    def _start(self, event: StepStart) -> Piece | None:
        kind = _kind_of(event.step)
        if kind is None:
            return None
        key = self._key(event.index, kind)
        if kind is PieceKind.ACTIVITY:
            self._lines[event.index] = activity_line(event.step)
            return None
        text = _text_of(event.step)
        if not text:
            # Not a sign to begin anew: a resumed stream may name the step again that it goes on with.
            return None
        self._move(key, 0)
        return self._hear_text(key, text)

    def _grow(self, event: StepDelta) -> Piece | None:
        match event.delta:
            case TextDelta(text=text):
                key = self._key(event.index, PieceKind.TEXT)
            case ThoughtSummaryDelta(content=TextContent(text=text)):
                key = self._key(event.index, PieceKind.THOUGHT)
            case CallStep() as call:
                self._lines[event.index] = activity_line(call)
                return None
            case _:
                return None
        if event.event_id is not None:
            # An event that is told again after a resume, although it lies before the mark.
            repeated = self._begins.get(event.event_id)
            if repeated is not None and repeated[0] == key:
                self._move(*repeated)
            self._begins[event.event_id] = (key, self._heard[key])
            if len(self._begins) > _REMEMBERED_EVENTS:
                del self._begins[next(iter(self._begins))]
        return self._hear_text(key, text)

    def _stop(self, event: StepStop) -> Piece | None:
        # Only now is a call whole, wherever its arguments came.
        line = self._lines.get(event.index)
        if line is None:
            return None
        key = self._key(event.index, PieceKind.ACTIVITY)
        return None if self._told[key].getvalue() else self._tell(key, line)

    def _key(self, index: int, kind: PieceKind) -> _Key:
        """Return which step of its kind the stream's step ``index`` is."""
        key = self._keys.get(index)
        if key is None or key[0] is not kind:
            key = self._keys[index] = (kind, self._counts[kind])
            self._counts[kind] += 1
        return key

    def _move(self, key: _Key, heard: int) -> None:
        self._heard_at_mark.setdefault(key, self._heard[key])
        self._heard[key] = heard

    def _hear_text(self, key: _Key, text: str) -> Piece | None:
        told, heard = self._told[key], self._heard[key]
        self._move(key, heard + len(text))
        if key in self._disbelieved:
            return None
        told.seek(heard)
        known = told.read(len(text))
        told.seek(0, SEEK_END)
        if not text.startswith(known):
            self._disbelieved.add(key)
            return None
        return self._tell(key, text[len(known) :]) if len(known) < len(text) else None

    def _tell(self, key: _Key, text: str) -> Piece:
        kind, index = key
        self.size_chars += len(text)
        if self.size_chars > _MAX_CHARS:
            raise ResponseTooLarge(f"more than {_MAX_CHARS:,} characters are no answer", status_code=200)
        self._told[key].write(text)
        return Piece(index, kind, text)

    def _rest(self, told: str, whole: str) -> str:
        """Return how ``whole`` goes on after ``told``."""
        if whole.startswith(told):
            return whole[len(told) :]
        if told.startswith(whole):
            return ""
        self.is_contradicted = True
        join = told[-_JOIN_CHARS:]
        found = whole.rfind(join) if len(join) == _JOIN_CHARS else -1
        return whole[found + len(join) :] if found >= 0 else whole[len(told) :]


def _kind_of(step: Step) -> PieceKind | None:
    # By the word, not the class: a step with a field of an unexpected type still counts.
    match step.type:
        case "thought":
            return PieceKind.THOUGHT
        case "model_output":
            return PieceKind.TEXT
        case _:
            return PieceKind.ACTIVITY if is_call(step) else None


def _text_of(step: Step) -> str:
    match step:
        case ModelOutputStep():
            return _joined(step.content)
        case ThoughtStep():
            return _joined(step.summary)
        case _:
            return ""


def _joined(parts: Iterable[Content]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextContent))
