import os
import socket
from pathlib import Path

import pytest

import regular_files
from regular_files import NotRegular, OutsideFolders, check_regular, open_below, open_regular


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    """Each kind by its name; nobody writes to the FIFO, so that opening it would hang."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, what in {
            tmp_path / "pipe": "a FIFO",
            tmp_path / "socket": "a socket",
            Path("/dev/zero"): "a device",
            tmp_path: "a folder",
        }.items():
            for look in (open_regular, check_regular, lambda path: open_below([path.parent], path)):
                with pytest.raises(NotRegular, match=f"it is {what}, not a regular file"):
                    look(path)


def test_a_regular_file_is_read_through_links(tmp_path: Path) -> None:
    """As with every open."""
    (tmp_path / "file").write_text("tea")
    (tmp_path / "link").symlink_to("file")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"tea"


def test_a_fifo_that_takes_the_files_place_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened is looked at once more."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(regular_files, "check_regular", lambda _: None)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(NotRegular):
        open_regular(tmp_path / "pipe")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("swapped", ["sub", "sub/file"])
def test_a_link_that_takes_a_place_after_the_look_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """Between resolving and opening, a part of the path is replaced by a link that leads outside."""
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    for folder in (outside, inside / "sub"):
        folder.mkdir(parents=True)
        (folder / "file").write_text(folder.name)

    def swap(path: Path) -> None:
        (inside / swapped).rename(tmp_path / "away")
        (inside / swapped).symlink_to(outside if swapped == "sub" else outside / "file")
        del path

    monkeypatch.setattr(regular_files, "check_regular", swap)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        open_below([inside], inside / "sub" / "file")


def test_only_what_is_below_a_folder_is_opened(tmp_path: Path) -> None:
    """A folder whose name merely begins alike is another."""
    for name in ("a", "ab"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with open_below([tmp_path / "ab", tmp_path / "a"], tmp_path / "a" / "file") as file:
        assert file.read() == b"a"
    with pytest.raises(OutsideFolders) as caught:
        open_below([tmp_path / "a"], tmp_path / "ab" / "file")
    assert caught.value.real == (tmp_path / "ab" / "file").resolve()
