"""One answer, from all the interactions that it took."""

import asyncio
from dataclasses import dataclass
from typing import Final

from artifacts.errors import ArtifactNotFound, ArtifactTooLarge, InvalidKey
from artifacts.store import ArtifactStore
from interactions.documents import parse_interaction, parse_object
from interactions.responses import Interaction
from interactions.statuses import Status
from interactions.steps import Step

_MAX_EARLIER_BYTES: Final = 128 * 1024 * 1024
"""Earlier interactions of one answer together: two replies as long as the API client takes. They are in
memory at once."""


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


async def read_answer(latest: Interaction, earlier: tuple[str, ...], store: ArtifactStore) -> Answer:
    """Return the answer that ``latest`` ends.

    Args:
        latest: The interaction that is settled.
        earlier: Addresses of the stored interactions before it. One that is not there any more is noted:
            what is left of an answer is worth more than none.
        store: Where they are.

    Raises:
        StoreUnavailable: The store could not be read.
    """
    found: list[Interaction] = []
    notes: list[str] = []
    room_bytes = _MAX_EARLIER_BYTES
    for uri in earlier:
        try:
            raw = await store.get(uri, max_bytes=room_bytes)
            found.append(await asyncio.to_thread(_parse, raw))
        except (ArtifactNotFound, ArtifactTooLarge, InvalidKey, ValueError) as error:
            notes.append(f"an earlier part of the answer is missing: {error}")
        else:
            room_bytes -= len(raw)
    return Answer(turns=(*found, latest), notes=tuple(notes))


def _parse(raw: bytes) -> Interaction:
    return parse_interaction(parse_object(raw), raw)
