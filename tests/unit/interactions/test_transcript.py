"""A transcript: heard in any pieces, in any order of cuts, and told once."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interactions import transcript as transcript_module
from interactions.documents import parse_event
from interactions.errors import ResponseTooLarge
from interactions.events import StreamEvent
from interactions.responses import Interaction
from interactions.transcript import Piece, PieceKind, Transcript

SEARCH: Final = {"type": "google_search_call", "id": "g", "arguments": {"queries": ["tides", "moon"]}}


def event(kind: str, **fields: Any) -> StreamEvent:
    """One event of a stream."""
    return parse_event(kind, json.dumps({"event_type": kind, **fields}).encode())


def delta(index: int, text: str, mark: str | None = None, *, kind: str = "text") -> StreamEvent:
    """A piece of the text or thought at ``index``."""
    body = {"text": text} if kind == "text" else {"content": {"type": "text", "text": text}}
    marked = {} if mark is None else {"event_id": mark}
    return event("step.delta", index=index, delta={"type": kind, **body}, **marked)


def started(index: int, **step: Any) -> StreamEvent:
    """The beginning of a step."""
    return event("step.start", index=index, step=step)


def output(*texts: str) -> dict[str, Any]:
    """A step of output in several texts."""
    return {"type": "model_output", "content": [{"type": "text", "text": text} for text in texts]}


def interaction(*steps: dict[str, Any]) -> Interaction:
    """An interaction as JSON, with the question before the steps."""
    question = {"type": "user_input", "content": [{"type": "text", "text": "Why?"}]}
    return Interaction.model_validate({"id": "v1_a", "status": "completed", "steps": [question, *steps]})


def heard(transcript: Transcript, events: Iterable[StreamEvent]) -> list[Piece]:
    """What is new in ``events``."""
    return [piece for each in events if (piece := transcript.hear(each)) is not None]


def joined(pieces: Iterable[Piece]) -> dict[tuple[PieceKind, int], str]:
    """The pieces put together, by what they are pieces of."""
    whole: defaultdict[tuple[PieceKind, int], str] = defaultdict(str)
    for piece in pieces:
        whole[piece.kind, piece.index] += piece.text
    return dict(whole)


TEXT_0: Final = (PieceKind.TEXT, 0)


def test_thoughts_activities_and_texts_are_counted_apart() -> None:
    """What a piece belongs to is known by its kind and number, whatever steps lie between."""
    transcript = Transcript()
    pieces = heard(
        transcript,
        [
            started(0, type="thought"),
            delta(0, "First", kind="thought_summary"),
            delta(0, " thought", kind="thought_summary"),
            started(1, type="google_search_call", id="g"),
            event("step.delta", index=1, delta={k: v for k, v in SEARCH.items() if k != "id"}),
            event("step.stop", index=1),
            started(2, type="google_search_result", call_id="g"),
            started(3, type="thought"),
            delta(3, "Second", kind="thought_summary"),
            started(4, **output("Whole")),
            delta(4, " text"),
        ],
    )
    assert joined(pieces) == {
        (PieceKind.THOUGHT, 0): "First thought",
        (PieceKind.ACTIVITY, 0): "searching: tides; moon",
        (PieceKind.THOUGHT, 1): "Second",
        TEXT_0: "Whole text",
    }


def test_what_follows_the_mark_is_heard_again_and_told_once() -> None:
    """A resumed stream repeats what came after the last marked event, in other pieces than before."""
    transcript = Transcript()
    first = heard(transcript, [started(0, **output()), delta(0, "ab", "m1"), delta(0, "cd"), delta(0, "ef")])
    assert transcript.resume() == "m1"
    second = heard(transcript, [delta(0, "c"), delta(0, "defg"), delta(0, "h")])
    assert [piece.text for piece in (*first, *second)] == ["ab", "cd", "ef", "g", "h"]


def test_a_replay_from_the_start_tells_only_what_is_new() -> None:
    """Everything comes again, and a call is not told again either."""
    events = [started(0, **SEARCH), event("step.stop", index=0), started(1, **output()), delta(1, "ab", "m")]
    transcript = Transcript()
    heard(transcript, events)
    transcript.start_over()
    assert transcript.resume() is None
    assert heard(transcript, [*events, delta(1, "c")]) == [Piece(0, PieceKind.TEXT, "c")]


def test_an_event_known_by_its_id_is_the_same_event() -> None:
    """A resume has been seen to repeat events from before the mark."""
    transcript = Transcript()
    events = [delta(0, "ab", "m1"), delta(0, "cd", "m2")]
    heard(transcript, [started(0, **output()), *events])
    transcript.resume()
    assert joined(heard(transcript, [*events, delta(0, "ef", "m3")])) == {TEXT_0: "ef"}


def test_a_step_that_is_named_again_goes_on() -> None:
    """A resumed stream may say once more which step it is in."""
    transcript = Transcript()
    heard(transcript, [started(0, **output()), delta(0, "ab", "m1")])
    transcript.resume()
    again = heard(transcript, [started(0, **output()), delta(0, "cd")])
    assert joined(again) == {TEXT_0: "cd"}


def test_a_replay_that_says_something_else_is_not_told() -> None:
    """What was told stands; the JSON form decides what is missing."""
    transcript = Transcript()
    heard(transcript, [started(0, **output()), delta(0, "Tides are")])
    transcript.start_over()
    assert heard(transcript, [started(0, **output()), delta(0, "Waves are"), delta(0, " made by wind")]) == []
    rest = [*transcript.compare(interaction(output("Tides are pulled")))]
    assert joined(rest) == {TEXT_0: " pulled"}
    assert not transcript.is_contradicted


@pytest.mark.parametrize(
    ("final", "rest"),
    [
        ("A longer beginning. " + "x" * 30 + " and the end of it. More.", " More."),
        ("Something else entirely, and a good deal longer than what was told before it.", None),
    ],
)
def test_an_answer_that_became_another_goes_on_where_it_can(final: str, rest: str | None) -> None:
    """After the last words that were told, else after as many characters; and it is known to differ."""
    told = "A beginning. " + "x" * 30 + " and the end of it."
    transcript = Transcript()
    heard(transcript, [started(0, **output()), delta(0, told)])
    pieces = [*transcript.compare(interaction(output(final)))]
    assert joined(pieces) == {TEXT_0: final[len(told) :] if rest is None else rest}
    assert transcript.is_contradicted


def test_the_json_form_tells_what_no_stream_told() -> None:
    """Thoughts, calls and texts, in their order, each once, and not those of an earlier turn."""
    transcript = Transcript()
    heard(transcript, [started(0, type="thought"), delta(0, "Hm", kind="thought_summary")])
    earlier = {"type": "model_output", "content": [{"type": "text", "text": "of an earlier turn"}]}
    question = {"type": "user_input", "content": []}
    thought = {"type": "thought", "summary": [{"type": "text", "text": "Hmm"}]}
    odd = {"type": "model_output", "content": "odd"}
    whole = interaction(earlier, question, thought, SEARCH, odd, output("a", "b"))
    assert [*transcript.compare(whole)] == [
        Piece(0, PieceKind.THOUGHT, "m"),
        Piece(0, PieceKind.ACTIVITY, "searching: tides; moon"),
        Piece(1, PieceKind.TEXT, "ab"),
    ]
    assert [*transcript.compare(whole)] == []


def test_a_json_form_that_lags_behind_tells_nothing() -> None:
    """What the service has not written down yet is no contradiction."""
    transcript = Transcript()
    heard(transcript, [started(0, **output()), delta(0, "Tides are")])
    assert [*transcript.compare(interaction(output("Tides")))] == []
    assert not transcript.is_contradicted


def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service gone mad does not eat the memory of whoever listens."""
    monkeypatch.setattr(transcript_module, "_MAX_CHARS", 100)
    with pytest.raises(ResponseTooLarge):
        heard(Transcript(), [delta(0, "and so on ")] * 11)


def pieces_of(text: str, cuts: Sequence[int]) -> list[str]:
    """The text, cut at ``cuts``."""
    at = sorted({min(cut, len(text)) for cut in (0, *cuts, len(text))})
    return [text[begin:end] for begin, end in itertools.pairwise(at)]


@given(
    texts=st.lists(st.text("abab\n é", max_size=30), min_size=1, max_size=3),
    data=st.data(),
)
def test_no_cut_loses_or_doubles_a_character(texts: list[str], data: st.DataObject) -> None:
    """However a stream is cut into connections and each of them into pieces, its text is told once."""
    transcript = Transcript()
    told: list[Piece] = []
    marks: dict[str, tuple[int, int]] = {}
    for connection in range(data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()):
            transcript.start_over()
        mark = transcript.resume()
        step, offset = (0, 0) if mark is None else marks[mark]
        events: list[StreamEvent] = []
        for index in range(step, len(texts)):
            begins = offset if index == step else 0
            if begins == 0:
                events.append(started(index, **output()))
            cuts = data.draw(st.lists(st.integers(0, 30), max_size=5))
            for number, piece in enumerate(pieces_of(texts[index][begins:], cuts)):
                begins += len(piece)
                name = f"{connection}_{index}_{number}" if data.draw(st.booleans()) else None
                if name is not None:
                    marks[name] = (index, begins)
                events.append(delta(index, piece, name))
        told += heard(transcript, events[: data.draw(st.integers(0, len(events)))])
    told += transcript.compare(interaction(*map(output, texts)))
    assert joined(told) == {(PieceKind.TEXT, index): text for index, text in enumerate(texts) if text}
