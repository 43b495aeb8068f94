import os
from pathlib import Path

import pytest

from artifacts.store import ArtifactStore
from runs.messages import Attachment
from starter import attachments
from starter.attachments import LocalFile, read_attachments, store_attachments
from starter.errors import InvalidInput, SetupError


def read_one(given: str | Path) -> LocalFile | Attachment:
    """The one attachment that comes of ``given``."""
    [read] = read_attachments([str(given)])
    return read


PNG = b"\x89PNG\r\n\x1a\n and more"
PDF = b"%PDF-1.7 and more"


@pytest.mark.parametrize(
    ("name", "media_type", "content"),
    [
        ("paper.pdf", "application/pdf", PDF),
        ("PAPER.PDF", "application/pdf", b"a few bytes before it\n" + PDF),
        ("notes.txt", "text/plain", b"content"),
        ("notes.md", "text/markdown", b"content"),
        ("table.csv", "text/csv", b"content"),
        ("data.json", "text/plain", b"content"),
        ("main.rs", "text/plain", b"content"),
        ("plot.png", "image/png", PNG),
        ("plot.webp", "image/webp", b"RIFF\0\0\0\0WEBPVP8 "),
        ("talk.mp3", "audio/mpeg", b"ID3 or not"),
        ("talk.m4a", "audio/m4a", b"\0\0\0\x20ftypM4A "),
        ("talk.wav", "audio/wav", b"RIFF\0\0\0\0WAVEfmt "),
        ("talk.mp4", "video/mp4", b"\0\0\0\x20ftypisom"),
        ("talk.mov", "video/mov", b"content"),
    ],
)
def test_a_file_is_what_its_ending_says(tmp_path: Path, name: str, media_type: str, content: bytes) -> None:
    """Kinds that can be read are told by the ending, in the API's words, whatever this machine says."""
    (tmp_path / name).write_bytes(content)
    assert read_one(tmp_path / name) == LocalFile(name=name, media_type=media_type, content=content)


@pytest.mark.parametrize(("name", "content"), [("scan", PDF), ("IMG_0001", PNG), ("photo.PNG~", PNG)])
def test_a_file_without_an_ending_is_what_it_begins_as(tmp_path: Path, name: str, content: bytes) -> None:
    """Where the name says nothing, the first bytes of some kinds say enough."""
    (tmp_path / name).write_bytes(content)
    read = read_one(tmp_path / name)
    assert isinstance(read, LocalFile)
    assert read.media_type == ("application/pdf" if content is PDF else "image/png")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("page.pdf", b"<html>Sign in to download</html>", "something else"),
        ("plot.png", b"\xff\xd8\xff\xe0JFIF", "image/jpeg"),
        ("plot.jpg", PDF, "application/pdf"),
        ("talk.wav", b"RIFF\0\0\0\0AVI LIST", "video/avi"),
        ("talk.mp4", b"content", "something else"),
    ],
)
def test_a_file_of_the_wrong_type_is_refused(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    """What is not what its name says would fail at the API, or be misread there."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=f"a file of the wrong type: .*, its content is {found}$"):
        read_one(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["archive.zip", "notes.txt.gz", "a.docx", "a.exe", "a.unheardof", "noending"]
)
def test_an_unknown_kind_is_refused_with_the_kinds_there_are(tmp_path: Path, name: str) -> None:
    """Whoever attaches something that cannot be read learns what can."""
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(InvalidInput, match=r"unknown kind of file; supported are PDF, text"):
        read_one(tmp_path / name)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Missing files, folders, pipes, empty files and mislabelled bytes each say what they are."""
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    reasons = {
        "missing.pdf": "No such file",
        ".": "a folder",
        "pipe.txt": "it is a FIFO, not a regular file",
        "empty.txt": "empty",
        "binary.txt": "not UTF-8",
        "nul\0.txt": "null byte",
    }
    for name, reason in reasons.items():
        with pytest.raises(InvalidInput, match=f"cannot attach .*{reason}"):
            read_one(tmp_path / name)


def test_an_over_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte over the limit is too much, for one file and for all together."""
    monkeypatch.setattr(attachments, "MAX_ATTACHMENT_BYTES", 4)
    monkeypatch.setattr(attachments, "MAX_ATTACHMENTS_BYTES", 7)
    for name, content in {"a.txt": b"1234", "b.txt": b"12345", "c.txt": b"1234"}.items():
        (tmp_path / name).write_bytes(content)
    assert read_one(tmp_path / "a.txt")
    with pytest.raises(InvalidInput, match="5 bytes, the limit is 4"):
        read_one(tmp_path / "b.txt")
    with pytest.raises(InvalidInput, match="more than 7 bytes together"):
        read_attachments([str(tmp_path / "a.txt"), str(tmp_path / "c.txt")])


def test_too_many_attachments_are_refused() -> None:
    """More attachments than a run may carry are refused before one is read."""
    with pytest.raises(InvalidInput, match="51 attachments are too many"):
        read_attachments(["/nowhere.pdf"] * 51)


@pytest.mark.parametrize(
    ("address", "media_type", "name"),
    [
        ("https://example.org/a%20b/paper.pdf?download=1", "application/pdf", "paper.pdf"),
        ("https://arxiv.org/pdf/2401.00001", "application/pdf", "2401.00001"),
        ("gs://bucket/plot.PNG", "image/png", "plot.PNG"),
        ("HTTPS://example.org/x.txt", "text/plain", "x.txt"),
        ("https://www.youtube.com/watch?v=abc", "video/mp4", "watch"),
        ("https://youtu.be/abc", "video/mp4", "abc"),
    ],
)
def test_an_address_is_passed_on(address: str, media_type: str, name: str) -> None:
    """The API fetches addresses by itself; they are neither read nor stored here."""
    assert read_one(address) == Attachment(uri=address, media_type=media_type, name=name)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://example.org/a.pdf", "only https:// and gs://"),
        ("ftp://example.org/a.pdf", "only https:// and gs://"),
        ("file:///etc/passwd", "only https:// and gs://"),
        ("https://example.org/page", "put the address of a page into the question"),
        ("https://example.org/a.zip", "supported are PDF, text"),
        ("https:///a.pdf", "no address"),
        ("https://[a.pdf", "cannot attach"),
        ("https://example.org/a b.pdf", "no address"),
        ("https://example.org/" + "a" * 2_048 + ".pdf", "longer than"),
    ],
)
def test_an_address_the_api_cannot_use_is_refused(address: str, reason: str) -> None:
    """Each address that would fail at the API, paid or not, is refused here."""
    with pytest.raises(InvalidInput, match=reason):
        read_one(address)


def test_names_are_fit_to_show(tmp_path: Path) -> None:
    """A file's name can hold escapes; neither a message nor a reference repeats them."""
    (tmp_path / "a\x1b[31m.txt").write_bytes(b"text")
    read = read_one(tmp_path / "a\x1b[31m.txt")
    assert isinstance(read, LocalFile)
    assert read.name == "a.txt"
    with pytest.raises(InvalidInput) as caught:
        read_one(tmp_path / "b\x1b[31m.txt")
    assert "\x1b" not in str(caught.value)


async def test_a_file_is_kept_by_its_content(tmp_path: Path) -> None:
    """Attaching the same file twice keeps it once, under a name that is safe anywhere."""
    store = ArtifactStore.open(str(tmp_path))
    local = LocalFile(name="../my résumé.pdf", media_type="application/pdf", content=b"%PDF")
    [first] = await store_attachments([local], store)
    [second] = await store_attachments([local], store)
    assert first == second
    assert first.size_bytes == 4
    assert first.uri.endswith("/my_r_sum_.pdf")
    assert await store.get(first.uri) == b"%PDF"


async def test_a_store_that_cannot_be_written_is_a_matter_of_setup(tmp_path: Path) -> None:
    """A store that refuses says so before anything is started, and names the variable."""
    (tmp_path / "file").touch()
    store = ArtifactStore.open(str(tmp_path / "file" / "below"))
    local = LocalFile(name="a.txt", media_type="text/plain", content=b"a")
    with pytest.raises(SetupError, match="LONGHAUL_ARTIFACTS_URL"):
        await store_attachments([local], store)
