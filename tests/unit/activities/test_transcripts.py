import pytest

from activities import transcripts
from activities.transcripts import MAX_RETOLD_BYTES, StoredTurn, read_earlier_turns, write_turn
from artifacts.errors import ArtifactNotFound, InvalidMedia
from artifacts.store import ArtifactStore
from runs.messages import TranscriptTurn


@pytest.fixture
def store() -> ArtifactStore:
    """An empty store in memory."""
    return ArtifactStore.open("memory://")


def _place(number: int, *, origin_uri: str | None = None) -> TranscriptTurn:
    return TranscriptTurn(
        folder="talk/1", number=number, is_retold=True, origin_question="Origin?", origin_uri=origin_uri
    )


def _turn(number: int, *, size_bytes: int = 0) -> StoredTurn:
    question = f"{number}?"
    return StoredTurn(question=question, answer="x" * max(1, size_bytes - len(question)))


async def _leave(store: ArtifactStore, *turns: StoredTurn) -> None:
    for number, turn in enumerate(turns, start=1):
        await write_turn(store, _place(number), turn)


async def test_what_was_left_is_told_again_oldest_first(store: ArtifactStore) -> None:
    """A turn sees all before it, and neither itself nor what comes later."""
    await _leave(store, _turn(1), _turn(2), _turn(3))
    retold = await read_earlier_turns(store, _place(3))
    assert (retold.turns, retold.is_shortened) == ((_turn(1), _turn(2)), False)
    assert await store.list() == tuple(f"talk/1/turn-00000{number}.json" for number in (1, 2, 3))


async def test_the_first_turn_has_nothing_before_it(store: ArtifactStore) -> None:
    """There is nothing to read, and nothing missing."""
    assert (await read_earlier_turns(store, _place(1))).turns == ()


async def test_a_turn_that_failed_is_passed_over(store: ArtifactStore) -> None:
    """It left no file, and the conversation goes on."""
    await write_turn(store, _place(1), _turn(1))
    await write_turn(store, _place(3), _turn(3))
    assert (await read_earlier_turns(store, _place(4))).turns == (_turn(1), _turn(3))


async def test_the_oldest_turns_give_way(store: ArtifactStore) -> None:
    """Past the bound the latest are kept, without a gap between them."""
    half = MAX_RETOLD_BYTES // 2
    await _leave(store, _turn(1), _turn(2, size_bytes=half + 1), _turn(3, size_bytes=half))
    retold = await read_earlier_turns(store, _place(4))
    assert ([turn.question for turn in retold.turns], retold.is_shortened) == (["3?"], True)


async def test_turns_are_bounded_in_number(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a read of the store, and a submission has to be prepared in time."""
    monkeypatch.setattr(transcripts, "_MAX_RETOLD_TURNS", 2)
    await _leave(store, _turn(1), _turn(2), _turn(3))
    retold = await read_earlier_turns(store, _place(4))
    assert (retold.turns, retold.is_shortened) == ((_turn(2), _turn(3)), True)
    assert not (await read_earlier_turns(store, _place(3))).is_shortened


async def test_exactly_the_bound_fits(store: ArtifactStore) -> None:
    """The bound counts both texts, in bytes."""
    half = MAX_RETOLD_BYTES // 2
    await _leave(store, _turn(1, size_bytes=half), _turn(2, size_bytes=half))
    retold = await read_earlier_turns(store, _place(3))
    assert (len(retold.turns), retold.is_shortened) == (2, False)


async def test_what_a_conversation_began_with_stays(store: ArtifactStore) -> None:
    """A report that is talked about is kept, and turns give way to it."""
    report = await store.put("run/report.txt", b"r" * (MAX_RETOLD_BYTES - 100), "text/plain")
    await _leave(store, _turn(1, size_bytes=200), _turn(2, size_bytes=50))
    retold = await read_earlier_turns(store, _place(3, origin_uri=report.uri))
    assert [turn.question for turn in retold.turns] == ["Origin?", "2?"]
    assert retold.is_shortened


async def test_an_origin_that_is_too_long_is_left_out(store: ArtifactStore) -> None:
    """Then the conversation is told without it."""
    # Together with its question.
    report = await store.put("run/report.txt", b"r" * MAX_RETOLD_BYTES, "text/plain")
    await _leave(store, _turn(1))
    retold = await read_earlier_turns(store, _place(2, origin_uri=report.uri))
    assert (retold.turns, retold.is_shortened) == ((_turn(1),), True)


async def test_an_origin_that_is_gone_is_an_error(store: ArtifactStore) -> None:
    """A conversation about a report is not continued without it unnoticed."""
    with pytest.raises(ArtifactNotFound):
        await read_earlier_turns(store, _place(2, origin_uri=f"{store.base_uri}/gone.txt"))


async def test_a_file_that_is_no_turn_is_an_error(store: ArtifactStore) -> None:
    """Somebody else's file is not told as a conversation."""
    await store.put("talk/1/turn-000001.json", b"[]", "application/json")
    with pytest.raises(InvalidMedia, match="no turn of a conversation"):
        await read_earlier_turns(store, _place(2))
