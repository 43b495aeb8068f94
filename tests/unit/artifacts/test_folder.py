import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artifacts.errors import ArtifactNotFound, StoreUnavailable
from artifacts.folder import Folder
from artifacts.store import ArtifactStore


def _all_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


_DIE_AT = """
import asyncio, os, pathlib, signal, sys
from artifacts.store import ArtifactStore

def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)

async def main() -> None:
    store = ArtifactStore.open(sys.argv[1])
    await store.put("run/report.md", b"before", "text/markdown")
    # From here on, whoever calls this is killed.
    {patch} = die
    await store.{call}

asyncio.run(main())
"""


def _put_and_die(folder: Path, *, patch: str, call: str) -> None:
    """Have another process killed (-9) at the moment when it uses ``patch``."""
    script = _DIE_AT.format(patch=patch, call=call)
    done = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("patch", ["os.fsync", "pathlib.Path.replace"])
async def test_a_killed_put_leaves_what_was_there(tmp_path: Path, patch: str) -> None:
    """Killed between writing and renaming, a put has not happened: the earlier content is whole."""
    _put_and_die(tmp_path, patch=patch, call='put("run/report.md", b"x" * 100_000, "text/markdown")')
    store = ArtifactStore.open(str(tmp_path))
    assert await store.get("run/report.md") == b"before"
    assert await store.list() == ("run/report.md",)


@pytest.mark.parametrize("patch", ["os.fsync", "pathlib.Path.hardlink_to"])
async def test_a_killed_put_if_absent_leaves_the_key_free(tmp_path: Path, patch: str) -> None:
    """Killed before the content is whole and named, nothing is taken."""
    _put_and_die(tmp_path, patch=patch, call='put_if_absent("run/sending", b"x" * 100_000)')
    assert await ArtifactStore.open(str(tmp_path)).put_if_absent("run/sending", b"mine")


async def test_check_clears_away_what_a_killed_process_left(tmp_path: Path) -> None:
    """Unfinished files of long ago go; one that may still be written to stays."""
    _put_and_die(tmp_path, patch="os.fsync", call='put("run/report.md", b"x", "text/markdown")')
    store = ArtifactStore.open(str(tmp_path))
    (unfinished,) = (tmp_path / ".unfinished").iterdir()
    await store.check()
    assert unfinished.exists()
    two_days_ago_s = time.time() - 48 * 3600
    os.utime(unfinished, (two_days_ago_s, two_days_ago_s))
    await store.check()
    assert _all_files(tmp_path) == ["run/report.md"]


@pytest.mark.parametrize("is_create", [False, True])
async def test_content_is_synced_before_its_name_and_its_name_before_returning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_create: bool
) -> None:
    """A power cut at any moment leaves the whole file or none, and none is lost once put has returned."""
    store = ArtifactStore.open(str(tmp_path))
    await store.put("run/1/other", b"", "text/plain")
    events: list[str] = []
    synced = os.fsync

    def fsync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append("folder synced" if target.is_dir() else f"{target.stat().st_size} bytes synced")
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for method in ("replace", "hardlink_to"):
        named: Callable[[Path, Path], object] = getattr(Path, method)

        def name(path: Path, other: Path, named: Callable[[Path, Path], object] = named) -> object:
            events.append("named")
            return named(path, other)

        monkeypatch.setattr(Path, method, name)
    if is_create:
        await store.put_if_absent("run/1/report.md", b"12345")
    else:
        await store.put("run/1/report.md", b"12345", "text/markdown")
    assert events == ["5 bytes synced", "named", "folder synced"]


async def test_new_folders_are_synced_into_their_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is not durable before the folders that lead to it are."""
    store = ArtifactStore.open(str(tmp_path))
    await store.check()
    folders: list[Path] = []
    synced = os.fsync

    def fsync(descriptor: int) -> None:
        folders.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    await store.put("a/b/report.md", b"", "text/markdown")
    assert folders[1:] == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]


async def test_a_failed_put_leaves_no_unfinished_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be finished is taken away."""
    store = ArtifactStore.open(str(tmp_path))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / ".unfinished").mkdir()
    with pytest.raises(StoreUnavailable, match="no space is left") as caught:
        await store.put("run/report.md", b"x", "text/markdown")
    assert caught.value.is_final
    assert _all_files(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "is_final"), [(errno.EACCES, True), (errno.EROFS, True), (errno.EIO, False)]
)
async def test_a_disk_error_says_whether_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_final: bool
) -> None:
    """What somebody has to change is final; a disk that stumbles is not."""

    def failing(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreUnavailable) as caught:
        await ArtifactStore.open(str(tmp_path)).check()
    assert caught.value.is_final is is_final
    assert caught.value.__cause__ is None


async def test_a_folder_below_a_file_cannot_be_used(tmp_path: Path) -> None:
    """The first check says so in one line, and writes nothing."""
    (tmp_path / "file").write_bytes(b"mine")
    for below in ("file", "file/below", "file/far/below"):
        with pytest.raises(StoreUnavailable) as caught:
            await ArtifactStore.open(str(tmp_path / below)).check()
        assert caught.value.is_final
        assert "\n" not in str(caught.value)
    assert _all_files(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has a folder nobody can write to")
async def test_a_folder_that_cannot_be_made_is_an_error_at_once() -> None:
    """Even for root, and without trying for ever."""
    with pytest.raises(StoreUnavailable, match="cannot be made") as caught:
        await ArtifactStore.open("/proc/longhaul").check()
    assert caught.value.is_final


async def test_a_file_put_where_a_folder_is_says_what_is_wrong(tmp_path: Path) -> None:
    """A key cannot be a file and a folder."""
    store = ArtifactStore.open(str(tmp_path))
    await store.put("run/report.md", b"", "text/markdown")
    with pytest.raises(StoreUnavailable, match="in the way"):
        await store.put("run", b"", "text/plain")
    with pytest.raises(StoreUnavailable, match="in the way"):
        await store.put("run/report.md/x", b"", "text/plain")


async def test_a_file_system_whose_links_replace_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a second link wins over the first, two workers would both be told that they were first."""

    def replacing(source: str, target: str, **_: object) -> None:
        Path(target).write_bytes(Path(source).read_bytes())

    monkeypatch.setattr(os, "link", replacing)
    with pytest.raises(StoreUnavailable, match="a second create was not refused") as caught:
        await ArtifactStore.open(str(tmp_path)).check()
    assert caught.value.is_final
    assert _all_files(tmp_path) == []


async def test_a_fifo_is_no_artifact(tmp_path: Path) -> None:
    """Reading it would hold a thread for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactNotFound):
        await ArtifactStore.open(str(tmp_path)).get("pipe")


async def test_a_store_may_have_threads_of_its_own(tmp_path: Path) -> None:
    """What others keep the event loop's own threads busy with does not delay it."""
    store = ArtifactStore.open(str(tmp_path))
    used: list[str] = []
    with ThreadPoolExecutor(1, thread_name_prefix="journal") as threads:
        own = store.with_threads(threads)
        assert await own.identity() == await store.identity()
        write = Folder._write

        def note(folder: Folder, key: str, content: bytes) -> None:
            used.append(threading.current_thread().name)
            write(folder, key, content)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Folder, "_write", note)
            await own.put("run/a.md", b"tea", "text/markdown")
            await store.put("run/b.md", b"tea", "text/markdown")
    assert used[0].startswith("journal")
    assert not used[1].startswith("journal")
    assert _all_files(tmp_path / "run") == ["a.md", "b.md"]


async def test_a_probe_finds_a_folder_that_takes_nothing_more(tmp_path: Path) -> None:
    """It leaves nothing behind, and raises what a record would."""
    store = ArtifactStore.open(str(tmp_path / "artifacts"))
    await store.identity()
    await store.probe()
    assert _all_files(tmp_path / "artifacts") == ["store.json"]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreUnavailable, match="no space is left"):
            await store.probe()
