"""The turns of a conversation as files, so that they can be told to an API that has forgotten them.

Each run that belongs to a conversation leaves one ``turn-NNNNNN.json`` in the conversation's folder: settling
writes it, and the submission of a later turn reads it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from artifacts.errors import ArtifactNotFound, ArtifactTooLarge, InvalidMedia
from artifacts.store import ArtifactStore
from runs.messages import ArtifactRef, TranscriptTurn

MAX_RETOLD_BYTES: Final = 4 * 1024 * 1024
"""Earlier turns sent along, together: more than any model reads, and little in 100 MB of a request."""

_MAX_RETOLD_TURNS: Final = 200
"""Each is one read of the store, and they have to be read before a submission times out."""

_MAX_TURN_BYTES: Final = 6 * MAX_RETOLD_BYTES
"""A stored turn that is as long as all that is retold, where JSON writes each byte as ``\\u0000``."""


class StoredTurn(BaseModel):
    """What was asked and answered in one turn.

    Attributes:
        environment_id: The sandbox that the answer was worked out in; a later turn goes on in it. None: there
            was none.
    """

    model_config = ConfigDict(frozen=True)

    question: str
    answer: str
    environment_id: str | None = None

    @property
    def size_bytes(self) -> int:
        """Length of both texts."""
        return len(self.question.encode(errors="replace")) + len(self.answer.encode(errors="replace"))


@dataclass(frozen=True)
class Retold:
    """The earlier turns of a conversation, oldest first.

    Attributes:
        turns: Those that are told again.
        is_shortened: Whether older ones were left out, because all together are too long.
    """

    turns: tuple[StoredTurn, ...]
    is_shortened: bool


async def write_turn(store: ArtifactStore, place: TranscriptTurn, turn: StoredTurn) -> ArtifactRef:
    """Leave ``turn`` at its ``place`` in the conversation. May be repeated.

    Raises:
        ArtifactsError: It was not stored, as far as is known.
    """
    key = _key(place.folder, place.number)
    return await store.put(key, turn.model_dump_json(indent=2).encode(), "application/json")


async def read_earlier_turns(store: ArtifactStore, place: TranscriptTurn) -> Retold:
    """Return what was said before ``place``: what the conversation follows up on, and its latest turns.

    A turn without a file is passed over: one that failed leaves none. The newest turns are kept where all
    are too long, and with them what the conversation began with, which is what it is about.

    Raises:
        ArtifactsError: A turn cannot be read, or its file holds no turn.
    """
    room = MAX_RETOLD_BYTES
    origin: StoredTurn | None = None
    is_shortened = False
    if place.origin_uri is not None:
        origin = await _read_origin(store, place.origin_uri, question=place.origin_question)
        if origin is None or origin.size_bytes > room:
            origin, is_shortened = None, True
        else:
            room -= origin.size_bytes
    newest_first: list[StoredTurn] = []
    async for turn in _turns_before(store, place):
        if turn is None or turn.size_bytes > room or len(newest_first) == _MAX_RETOLD_TURNS:
            is_shortened = True
            break
        room -= turn.size_bytes
        newest_first.append(turn)
    turns = ([] if origin is None else [origin]) + newest_first[::-1]
    return Retold(turns=tuple(turns), is_shortened=is_shortened)


async def read_environment_id(store: ArtifactStore, place: TranscriptTurn) -> str | None:
    """Return the sandbox that the turn before ``place`` left; None if it left none.

    Raises:
        ArtifactsError: The turn cannot be read, or its file holds no turn.
    """
    async for turn in _turns_before(store, place):
        return None if turn is None else turn.environment_id
    return None


async def _turns_before(store: ArtifactStore, place: TranscriptTurn) -> AsyncIterator[StoredTurn | None]:
    """Yield the stored turns before ``place``, newest first; None for one that is too long to be read."""
    for number in range(place.number - 1, 0, -1):
        key = _key(place.folder, number)
        try:
            raw = await store.get(key, max_bytes=_MAX_TURN_BYTES)
        except ArtifactNotFound:
            continue
        except ArtifactTooLarge:
            yield None
            continue
        try:
            yield StoredTurn.model_validate_json(raw)
        except ValidationError:
            raise InvalidMedia(f"{key} holds no turn of a conversation") from None


def _key(folder: str, number: int) -> str:
    return f"{folder}/turn-{number:06d}.json"


async def _read_origin(store: ArtifactStore, uri: str, *, question: str) -> StoredTurn | None:
    try:
        raw = await store.get(uri, max_bytes=MAX_RETOLD_BYTES)
    except ArtifactTooLarge:
        return None
    return StoredTurn(question=question, answer=raw.decode(errors="replace"))
