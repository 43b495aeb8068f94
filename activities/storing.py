"""The files that settling leaves in the artifact store."""

from typing import Final, NamedTuple

from pydantic import ValidationError

from activities.answers import MISSING
from activities.failures import NotSendable
from activities.quotes import with_quotes
from activities.transcripts import StoredTurn, write_turn
from activities.working_up import WorkedUp
from artifacts.errors import ArtifactNotFound, ArtifactTooLarge, InvalidKey
from artifacts.store import ArtifactStore
from runs.messages import AgentRunRequest, ArtifactRef, SettleInteraction, TranscriptTurn

_MAX_EARLIER_BYTES: Final = 128 * 1024 * 1024
"""Earlier interactions of one answer together: two replies as long as the API client takes. They are in
memory at once."""

_MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""A stored request: less than a payload may have, where JSON writes each character as six."""

_RAW: Final = "interaction.json"


class Stored(NamedTuple):
    """Where an answer, or a turn before it, is kept."""

    artifacts: tuple[ArtifactRef, ...]
    interaction_uri: str
    text_uri: str | None = None


async def read_earlier(
    uris: tuple[str, ...], store: ArtifactStore
) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Return the stored interactions of one answer, and what is missing of them.

    Args:
        uris: Their addresses. One that is not there any more is noted.
        store: Where they are.

    Raises:
        StoreUnavailable: The store could not be read.
    """
    found: list[bytes] = []
    notes: list[str] = []
    room_bytes = _MAX_EARLIER_BYTES
    for uri in uris:
        try:
            raw = await store.get(uri, max_bytes=room_bytes)
        except (ArtifactNotFound, ArtifactTooLarge, InvalidKey) as error:
            notes.append(f"{MISSING}: {error}")
        else:
            found.append(raw)
            room_bytes -= len(raw)
    return tuple(found), tuple(notes)


async def store_turn(
    worked: WorkedUp, raw: bytes, settling: SettleInteraction, store: ArtifactStore
) -> Stored:
    """Store what the next turn needs of this one: the interaction as received, and the plan if it is one.

    The interaction is not among the artifacts: a run may have hundreds of turns, and a result stays small.

    Raises:
        ArtifactsError: A file could not be stored.
    """
    prefix = settling.artifacts_prefix
    kept = await store.put(f"{prefix}/turns/{settling.turn}/{_RAW}", raw, "application/json")
    refs = await _store_files(worked, prefix, store)
    return Stored(refs, kept.uri, _uri_of(worked.text_name, refs))


async def store_answer(
    worked: WorkedUp, raw: bytes, settling: SettleInteraction, store: ArtifactStore
) -> Stored:
    """Store the answer as people and programs read it, and the last interaction as it was received.

    Args:
        worked: What was made of it.
        raw: The interaction.
        settling: Whose it is.
        store: Files are written whole, so repeating this leaves the same files.

    Raises:
        ArtifactsError: A file could not be stored.
    """
    prefix = settling.artifacts_prefix
    refs = await _store_files(worked, prefix, store)
    # Whatever this version does not understand is in here.
    kept = await store.put(f"{prefix}/{_RAW}", raw, "application/json")
    return Stored((*refs, kept), kept.uri, _uri_of(worked.text_name, refs))


async def _store_files(worked: WorkedUp, prefix: str, store: ArtifactStore) -> tuple[ArtifactRef, ...]:
    return tuple(
        [await store.put(f"{prefix}/{file.name}", file.content, file.media_type) for file in worked.files]
    )


def _uri_of(name: str | None, refs: tuple[ArtifactRef, ...]) -> str | None:
    return next((ref.uri for ref in refs if ref.name == name), None)


async def leave_in_transcript(
    place: TranscriptTurn,
    answer: str,
    settling: SettleInteraction,
    *,
    environment_id: str | None,
    store: ArtifactStore,
) -> None:
    """Leave what was asked and answered at its ``place`` in the conversation, and in which sandbox.

    Raises:
        ArtifactsError: It was not stored, as far as is known.
    """
    try:
        raw = await store.get(f"{settling.artifacts_prefix}/request.json", max_bytes=_MAX_REQUEST_BYTES)
        asked = AgentRunRequest.model_validate_json(raw)
        question = str(await with_quotes(asked.input, asked.quotes, store))
    except (ArtifactNotFound, ArtifactTooLarge, NotSendable, ValidationError):
        # Tidied away, or of another version: the first line is better than no turn.
        question = settling.question
    turn = StoredTurn(question=question, answer=answer, environment_id=environment_id)
    await write_turn(store, place, turn)
