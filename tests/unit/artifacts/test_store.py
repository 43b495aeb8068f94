import asyncio
import hashlib
import re
import shutil
from pathlib import Path

import pytest

from artifacts.errors import ArtifactNotFound, ArtifactTooLarge, InvalidKey, StoreUnavailable
from artifacts.store import ArtifactStore
from runs.messages import ArtifactRef


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """A store of each kind that needs no network."""
    return ArtifactStore.open("memory://" if request.param == "memory" else str(tmp_path / "kept"))


async def test_what_was_put_is_got_by_key_and_by_address(store: ArtifactStore) -> None:
    """A reference says what a file is, and its address leads back to it."""
    ref = await store.put("my-run/1/a b ü.md", b"# Report", "text/markdown")
    assert ref == ArtifactRef(
        name="a b ü.md",
        uri=f"{store.base_uri}/my-run/1/a%20b%20%C3%BC.md",
        media_type="text/markdown",
        size_bytes=8,
        sha256=hashlib.sha256(b"# Report").hexdigest(),
    )
    assert await store.get("my-run/1/a b ü.md") == b"# Report"
    assert await store.get(ref.uri) == b"# Report"
    assert await store.exists(ref.uri)


async def test_putting_again_is_fine(store: ArtifactStore) -> None:
    """A repeated activity leaves the same file; a later one leaves the later content."""
    first = await store.put("run/report.md", b"same", "text/markdown")
    assert await store.put("run/report.md", b"same", "text/markdown") == first
    await store.put("run/report.md", b"later", "text/markdown")
    assert await store.get("run/report.md") == b"later"
    assert await store.list() == ("run/report.md",)


async def test_put_if_absent_never_replaces(store: ArtifactStore) -> None:
    """The first content stays, whoever comes after."""
    assert await store.put_if_absent("run/sending", b"first")
    assert not await store.put_if_absent("run/sending", b"second")
    assert await store.get("run/sending") == b"first"


async def test_put_if_absent_has_one_winner(store: ArtifactStore) -> None:
    """Of many writers at once exactly one is told that it was the first, and its content stays."""
    writers = [str(writer).encode() for writer in range(20)]
    won = await asyncio.gather(*(store.put_if_absent("run/lock", writer) for writer in writers))
    assert won.count(True) == 1
    assert await store.get("run/lock") == writers[won.index(True)]


async def test_what_is_not_there_is_not_found(store: ArtifactStore) -> None:
    """A missing file, or a folder of that name, is no artifact."""
    await store.put("run/1/report.md", b"", "text/markdown")
    for key in ("run/2", "run/1", "run/1/report.md/x"):
        with pytest.raises(ArtifactNotFound) as caught:
            await store.get(key)
        assert caught.value.key == key
        assert not await store.exists(key)


async def test_a_file_longer_than_wanted_is_not_read(store: ArtifactStore) -> None:
    """The bound is exact, and the error says how far the file is beyond it."""
    await store.put("run/big", b"x" * 11, "text/plain")
    assert len(await store.get("run/big", max_bytes=11)) == 11
    with pytest.raises(ArtifactTooLarge) as caught:
        await store.get("run/big", max_bytes=10)
    assert (caught.value.size_bytes, caught.value.max_bytes) == (11, 10)


async def test_delete_may_be_repeated(store: ArtifactStore) -> None:
    """A deleted file is gone; deleting nothing is no error."""
    await store.put("run/report.md", b"", "text/markdown")
    await store.delete("run/report.md")
    await store.delete("run/report.md")
    await store.delete("run/report.md/below")
    assert not await store.exists("run/report.md")


async def test_list_goes_by_folder(store: ArtifactStore) -> None:
    """A prefix is a folder: ``run-1`` does not list ``run-10``."""
    for key in ("run-1/b", "run-1/a/c", "run-10/a", "run-1.txt"):
        await store.put(key, b"", "text/plain")
    assert await store.list("run-1") == await store.list("run-1/") == ("run-1/a/c", "run-1/b")
    assert await store.list() == ("run-1.txt", "run-1/a/c", "run-1/b", "run-10/a")
    assert await store.list("nothing") == ()


async def test_find_is_bounded(store: ArtifactStore) -> None:
    """Keys in which a pattern is found, wherever they are, and no more of them than wanted."""
    for key in ("a/1/x.json", "b/2/x.json", "b/2/y.json", "x.json"):
        await store.put(key, b"", "application/json")
    pattern = re.compile(r"/x\.json$")
    assert set(await store.find(pattern, limit=9)) == {"a/1/x.json", "b/2/x.json"}
    assert len(await store.find(pattern, limit=1)) == 1
    assert await store.find(re.compile("nothing"), limit=9) == ()


async def test_check_leaves_nothing_behind(store: ArtifactStore) -> None:
    """A store that works passes, as often as wanted, and shows no trace of it."""
    await store.check()
    await store.check()
    assert await store.list() == ()


@pytest.mark.parametrize("key", ["../up", "/abs", "a//b", ".hidden", "bad\x00"])
async def test_every_method_checks_its_key(store: ArtifactStore, key: str) -> None:
    """No method takes a key or an address that leaves the store."""
    for call in (
        store.put(key, b"", "text/plain"),
        store.put_if_absent(key, b""),
        store.get(key),
        store.get(f"{store.base_uri}/../{key}"),
        store.exists(key),
        store.delete(key),
        store.list(key),
    ):
        with pytest.raises(InvalidKey):
            await call


async def test_an_address_too_long_for_history_is_refused() -> None:
    """A reference that could not be returned is refused before anything is written."""
    store = ArtifactStore.open("/proc/" + "/".join(["d" * 200] * 11))
    with pytest.raises(InvalidKey, match="2233 characters"):
        await store.put("report.md", b"", "text/markdown")


async def test_path_of_knows_only_local_files_of_this_store(tmp_path: Path) -> None:
    """People can open a file of a local store; any other is elsewhere."""
    store = ArtifactStore.open(tmp_path.as_uri())
    ref = await store.put("run/a b.md", b"text", "text/markdown")
    path = store.path_of(ref)
    assert path is not None
    assert path.read_bytes() == b"text"
    assert store.path_of(ref.model_copy(update={"uri": "file:///etc/passwd"})) is None
    memory = ArtifactStore.open("memory://")
    assert memory.path_of(await memory.put("run/a", b"", "text/plain")) is None


@pytest.mark.parametrize(
    ("url", "base_uri"),
    [
        ("/var/a b", "file:///var/a%20b"),
        ("/var/../tmp//x/", "file:///tmp/x"),
        ("file:///var/a%20b/", "file:///var/a%20b"),
        ("FILE://localhost/var/x", "file:///var/x"),
        ("memory://", "memory://"),
        ("memory:///", "memory://"),
        ("s3://bucket/pre/fix/", "s3://bucket/pre/fix"),
        ("gs://bucket", "gs://bucket"),
    ],
)
def test_a_store_has_one_spelling_of_its_address(url: str, base_uri: str) -> None:
    """Addresses in references do not depend on how the setting was spelt."""
    assert ArtifactStore.open(url).base_uri == base_uri


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a\0b",
        "file://relative/path",
        "s3://",
        "s3:///bucket",
        "http://example.org/x",
        "memory://named",
        "ftp://user:secret@host/x",
        "s3://key:secret@bucket/x",
        "s3://bucket/x?token=secret",
        "az://container/x?sig=secret",
        "~no-such-user-here/x",
    ],
)
def test_a_bad_address_is_final_and_not_repeated(url: str) -> None:
    """A mistake in the setting is named at once; a secret in it is not shown."""
    with pytest.raises(StoreUnavailable) as caught:
        ArtifactStore.open(url)
    assert caught.value.is_final
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_store_is_shown_by_its_address() -> None:
    """A log line says which store it is about."""
    assert repr(ArtifactStore.open("/var/x")) == "ArtifactStore('file:///var/x')"


async def test_a_store_has_an_identity_of_its_own(store: ArtifactStore) -> None:
    """It is made once, and stays; another store has another."""
    identity = await store.identity()
    assert identity.address == store.base_uri
    assert await store.identity() == identity
    await store.check_identity()
    assert await ArtifactStore.open("memory://").identity() != identity


async def test_whoever_makes_the_identity_all_agree(tmp_path: Path) -> None:
    """Workers that start at once on a new store have the same one."""
    stores = [ArtifactStore.open(str(tmp_path / "kept")) for _ in range(20)]
    identities = await asyncio.gather(*(store.identity() for store in stores))
    assert len(set(identities)) == 1


async def test_a_store_that_changes_under_a_process_is_noticed(tmp_path: Path) -> None:
    """An unmounted disk leaves an empty folder, which is not the store."""
    kept = tmp_path / "kept"
    store = ArtifactStore.open(str(kept))
    identity = await store.identity()
    kept.rename(tmp_path / "unmounted")
    with pytest.raises(StoreUnavailable, match=rf"not the store it was .*\({identity.short_id}\)") as caught:
        await store.check_identity()
    assert not caught.value.is_final
    await ArtifactStore.open(str(kept)).identity()
    with pytest.raises(StoreUnavailable, match="not the store it was"):
        await store.check_identity()
    shutil.rmtree(kept)
    (tmp_path / "unmounted").rename(kept)
    await store.check_identity()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"store_id": "mine"}', b"x" * 20_000])
async def test_an_identity_that_cannot_be_read_is_not_made_anew(store: ArtifactStore, content: bytes) -> None:
    """A new one would turn what other workers have written into another store's."""
    await store.put("store.json", content, "application/json")
    with pytest.raises(StoreUnavailable, match=r"store\.json does not say which store this is") as caught:
        await store.identity()
    assert caught.value.is_final
    assert await store.get("store.json") == content


def test_only_memory_is_not_shared() -> None:
    """What is paid for must outlive the process."""
    assert not ArtifactStore.open("memory://").is_shared
    assert ArtifactStore.open("/var/x").is_shared
    assert ArtifactStore.open("s3://bucket").is_shared
