"""One answer, from all the interactions that it took."""

from dataclasses import dataclass
from typing import Final

from interactions.documents import parse_interaction, parse_object
from interactions.responses import Interaction
from interactions.statuses import Status
from interactions.steps import Step

MISSING: Final = "an earlier part of the answer is missing"


@dataclass(frozen=True)
class Answer:
    """All interactions that make one answer, in order.

    Nobody but this knows that an answer can take several: with rounds of function calls each is one, and
    with an answer that stopped at the API's own limit and was continued.

    Attributes:
        turns: The last is the one that is settled.
        notes: What is missing of the others, for people.
    """

    turns: tuple[Interaction, ...]
    notes: tuple[str, ...] = ()

    @property
    def latest(self) -> Interaction:
        """The interaction that is settled."""
        return self.turns[-1]

    @property
    def steps(self) -> tuple[Step, ...]:
        """What all of them did."""
        return tuple(step for turn in self.turns for step in turn.turn_steps)

    @property
    def rounds(self) -> tuple[tuple[Step, ...], ...]:
        """The steps between rounds of function calls; a continued answer is one, however often it stopped."""
        rounds: list[tuple[Step, ...]] = []
        is_continued = False
        for turn in self.turns:
            before = rounds.pop() if is_continued else ()
            rounds.append(before + turn.turn_steps)
            is_continued = turn.status == Status.REQUIRES_CONTINUATION
        return tuple(rounds)


def answer_of(latest: bytes, earlier: tuple[bytes, ...], notes: tuple[str, ...] = ()) -> Answer:
    """Return the answer that ``latest`` ends.

    Args:
        latest: The interaction that is settled, as it was received.
        earlier: Those before it, likewise. One that is none is noted: what is left of an answer is worth more
            than nothing.
        notes: What is known to be missing.
    """
    found: list[Interaction] = []
    missing = list(notes)
    for raw in earlier:
        try:
            found.append(_parse(raw))
        except ValueError as error:
            missing.append(f"{MISSING}: {error}")
    return Answer(turns=(*found, _parse(latest)), notes=tuple(missing))


def _parse(raw: bytes) -> Interaction:
    return parse_interaction(parse_object(raw), raw)
