import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifacts.private import close_home, is_open_to_others
from artifacts.store import ArtifactStore


def modes(top: Path) -> dict[str, str]:
    """Return the mode of everything below ``top``, and of itself, in octal."""
    found = {
        str(path.relative_to(top)): f"{stat.S_IMODE(path.lstat().st_mode):o}"
        for path in top.rglob("*")
        if not path.is_symlink()
    }
    return {**found, ".": f"{stat.S_IMODE(top.stat().st_mode):o}"}


@pytest.fixture(autouse=True)
def loose() -> Iterator[None]:
    """An umask as most machines have it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that everybody may look into."""
    tmp_path.chmod(0o755)
    return tmp_path


def filled(home: Path) -> Path:
    """A home as it was made by a version that did not care."""
    for name in ("artifacts/run-1/report.md", "artifacts/.unfinished/ab", "temporal.db", "temporal.db-wal"):
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("secret")
    return home


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_what_a_store_makes_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    """Files, folders and unfinished files, whatever the umask of the process."""
    os.umask(umask)
    root = tmp_path / "new" / "store"
    store = ArtifactStore.open(str(root))
    await store.check()
    await store.put("run/1/report.md", b"x", "text/markdown")
    await store.put_if_absent("run/1/sending.json", b"x")
    assert set(modes(root).values()) == {"700", "600"}
    assert modes(tmp_path / "new")["."] == "700"
    assert not store.is_open_to_others


async def test_a_folder_that_was_there_is_left_and_said(open_folder: Path) -> None:
    """It may be open on purpose; what is put into it is closed all the same."""
    store = ArtifactStore.open(str(open_folder))
    await store.put("run/report.md", b"x", "text/markdown")
    assert modes(open_folder) == {".": "755", ".unfinished": "700", "run": "700", "run/report.md": "600"}
    assert store.is_open_to_others
    assert not ArtifactStore.open("memory://").is_open_to_others


def test_a_home_from_before_is_closed(tmp_path: Path) -> None:
    """All that is in it, and the folder itself."""
    home = filled(tmp_path / "anything")
    assert close_home(home) == []
    assert set(modes(home).values()) == {"700", "600"}
    assert close_home(home) == []


def test_the_usual_home_is_ours_whatever_is_in_it(tmp_path: Path) -> None:
    """Somebody's note beside the database is closed with the rest."""
    home = filled(tmp_path / ".longhaul")
    (home / "worker.log").write_text("x")
    (home / "tool.sh").touch(0o755)
    close_home(home)
    assert modes(home)["worker.log"] == "600"
    assert modes(home)["."] == "700"
    assert modes(home)["tool.sh"] == "700", "its owner may do what they might"


def test_in_a_folder_of_somebody_elses_only_ours_is_closed(tmp_path: Path) -> None:
    """``longhaul dev --home .`` must not close the project around it."""
    home = filled(tmp_path / "project")
    (home / "index.html").write_text("x")
    close_home(home)
    found = modes(home)
    assert (found.pop("."), found.pop("index.html")) == ("755", "644")
    assert set(found.values()) == {"700", "600"}


def test_artifacts_of_somebody_elses_are_not_ours(tmp_path: Path) -> None:
    """A build leaves a folder of that name, too."""
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "app.js").write_text("x")
    close_home(tmp_path)
    assert modes(tmp_path / "artifacts") == {".": "755", "app.js": "644"}


def test_links_are_not_followed(tmp_path: Path) -> None:
    """What they lead to is not in the home."""
    home = filled(tmp_path / ".longhaul")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("x")
    (home / "artifacts" / "link").symlink_to(tmp_path / "outside")
    (home / "demo").symlink_to(tmp_path / "outside")
    close_home(home)
    assert modes(tmp_path / "outside") == {".": "755", "file": "644"}


def test_what_a_killed_process_left_half_closed_is_closed(tmp_path: Path) -> None:
    """An entry is closed after what is in it, so an open one has been begun at most."""
    home = filled(tmp_path / ".longhaul")
    home.chmod(0o700)
    (home / "artifacts" / "run-1").chmod(0o700)
    close_home(home)
    assert set(modes(home).values()) == {"700", "600"}


def test_a_home_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    """Most commands never make one."""
    assert close_home(tmp_path / "none") == []
    assert not is_open_to_others(tmp_path / "none")


def test_pipes_and_sockets_hold_nothing_up(tmp_path: Path) -> None:
    """A pipe has no end to be opened from, and would be waited for."""
    home = filled(tmp_path / ".longhaul")
    os.mkfifo(home / "pipe", 0o644)
    assert close_home(home) == []
    assert modes(home)["pipe"] == "600"
