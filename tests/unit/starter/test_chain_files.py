import io
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from artifacts.store import ArtifactStore
from chains.errors import InvalidChain
from chains.limits import MAX_FILE_BYTES
from chains.messages import ChainPhase
from runs.limits import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS_BYTES
from runs.messages import Attachment
from settings import Settings
from starter import chain_files
from starter.attachments import LocalFile
from starter.chain_files import ChainFile, read_chain_file, store_attached
from starter.chain_reach import lines_of, reach_of
from starter.chain_results import copy_chain, output_of
from starter.errors import InvalidInput
from tests.unit.starter.chain_sample import chain_view, step


def written(folder: Path, steps: dict[str, Any]) -> str:
    """A chain's file."""
    file = folder / "chain.yaml"
    file.write_text(json.dumps({"name": "test", "steps": steps}))
    return str(file)


def attaching(*names: str) -> dict[str, Any]:
    """A step that attaches files."""
    return {"ask": {"prompt": "What do they say?", "attach": list(names)}}


async def test_files_beside_the_chain_become_references(tmp_path: Path) -> None:
    """Each is stored once, wherever the command is typed; addresses stay as they are."""
    (tmp_path / "notes.md").write_text("tea")
    steps = {"a": attaching("notes.md", "https://example.org/x.pdf"), "b": attaching("notes.md")}
    file = read_chain_file(written(tmp_path, steps))
    assert set(file.attached) == {"notes.md"}
    store = ArtifactStore.open("memory://")
    spec = await store_attached(file, store)
    parts = [part for each in spec.steps.values() for part in each.ask.attach if each.ask]  # type: ignore[union-attr]  # all ask
    kept, address, again = parts
    assert isinstance(kept, Attachment)
    assert (kept, address) == (again, "https://example.org/x.pdf")
    assert await store.get(kept.uri) == b"tea"


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mistakes are said to be there."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"name: x")))
    with pytest.raises(InvalidChain, match="stdin:1:1: `steps` is missing"):
        read_chain_file("-")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A file that is not there, a folder, and what is no text."""
    with pytest.raises(InvalidInput, match="No such file"):
        read_chain_file(str(tmp_path / "nothing.yaml"))
    with pytest.raises(InvalidInput, match="it is a folder, not a regular file"):
        read_chain_file(str(tmp_path))
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InvalidInput, match="it is a FIFO, not a regular file"):
        read_chain_file(str(tmp_path / "pipe.yaml"))
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_chain_file(str(tmp_path / "x.yaml"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A chain's folder, beside a file that is none of its business."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "notes.md").write_text("tea")
    (tmp_path / "key.txt").write_text("the key")
    return folder


def read_from(folder: Path, name: str, **options: Any) -> ChainFile:
    """The chain in ``folder`` that attaches ``name``."""
    return read_chain_file(written(folder, {"a": attaching(name)}), **options)


@pytest.mark.parametrize(
    "name", ["../key.txt", "{outside}/key.txt", "link.txt", "links/key.txt", "./../own/../key.txt"]
)
def test_a_chain_attaches_nothing_from_outside_of_its_folder(own: Path, name: str) -> None:
    """By whatever path or link it gets there; the message says where in the file, and what to add."""
    (own / "link.txt").symlink_to("../key.txt")
    (own / "links").symlink_to("..")
    with pytest.raises(InvalidChain) as caught:
        read_from(own, name.format(outside=own.parent))
    [problem] = caught.value.problems
    assert re.match(rf"{own}/chain.yaml:1:\d+: step 'a': cannot attach ", problem)
    assert problem.endswith(
        f"is not below the chain's own folder; if it is meant, add --allow-path {own.parent}"
    )


def test_a_chain_attaches_what_is_below_its_folder_and_what_is_allowed(own: Path) -> None:
    """Links within it are followed, and the folder may be one itself."""
    (own / "sub").mkdir()
    (own / "sub" / "link.md").symlink_to("../notes.md")
    for name in ("notes.md", "sub/link.md", str(own / "notes.md"), "sub/../notes.md"):
        assert set(read_from(own, name).attached) == {name}
    (own.parent / "linked").symlink_to("own")
    assert read_from(own.parent / "linked", "notes.md").attached
    [read] = read_from(own, "../key.txt", allowed_folders=(own.parent,)).attached.values()
    assert isinstance(read, LocalFile)
    assert read.content == b"the key"


def test_an_allowed_folder_has_to_be_there(own: Path) -> None:
    """Else a slip would be told of every attachment."""
    for name in ("nowhere", "key.txt"):
        with pytest.raises(InvalidInput, match=rf"--allow-path '.*{name}': there is no such folder"):
            read_from(own, "notes.md", allowed_folders=(own.parent / name,))


def test_a_chain_on_standard_input_has_no_folder(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is piped in is the likeliest to be a stranger's, so the folder of the command is to be allowed."""
    monkeypatch.chdir(own)
    document = Path(written(own, {"a": attaching("notes.md")})).read_bytes()
    for allowed in ((), (Path(),)):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(document)))
        if allowed:
            assert read_chain_file("-", allowed_folders=allowed).attached
            continue
        with pytest.raises(InvalidChain, match=rf"stdin:1:\d+: .*has no folder; .* add --allow-path {own}"):
            read_chain_file("-")


def test_every_attachment_that_cannot_be_read_is_said(own: Path) -> None:
    """All at once, each with its place."""
    with pytest.raises(InvalidChain) as caught:
        read_chain_file(written(own, {"a": attaching("no.md", "notes.md"), "b": attaching("ftp://x/y")}))
    assert [problem.partition(" step ")[2] for problem in caught.value.problems] == [
        f"'a': cannot attach '{own}/no.md': No such file or directory",
        "'b': cannot attach 'ftp://x/y': only https:// and gs:// addresses, and files",
    ]


def test_what_a_chain_reaches_is_told(own: Path) -> None:
    """Files and who gets them, addresses, MCP servers with what they are given, functions."""
    server = {"type": "mcp_server", "name": "crm", "url": "https://crm.example:8443/mcp", "secret": "CRM"}
    steps = {
        "a": {
            "ask": {
                "prompt": "?",
                "attach": ["notes.md", "https://e.org/a.pdf"],
                "tools": [server, "in_stock"],
            }
        },
        "b": {"tool": "order"},
    }
    reach = reach_of(read_chain_file(written(own, steps)), Settings.from_env({}))
    google = "generativelanguage.googleapis.com"
    assert list(lines_of(reach)) == [
        f"reads and sends to {google}, unless the worker has another API: notes.md (3 B)",
        f"has {google} fetch: https://e.org/a.pdf",
        f"lets {google} call MCP server crm at crm.example:8443 with LONGHAUL_SECRET_CRM",
        "calls functions of the workers: in_stock, order",
    ]
    plain = read_chain_file(written(own, {"a": {"ask": "?"}}))
    assert list(lines_of(reach_of(plain, Settings.from_env({})))) == []


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    """Also where it is cut in the middle of a character."""
    (tmp_path / "x.yaml").write_text("ü" * MAX_FILE_BYTES)
    with pytest.raises(InvalidChain, match="the limit is"):
        read_chain_file(str(tmp_path / "x.yaml"))


def test_a_step_attaches_no_more_than_a_request_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are counted for each step by itself."""
    assert MAX_ATTACHMENTS_BYTES > MAX_ATTACHMENT_BYTES
    monkeypatch.setattr(chain_files, "MAX_ATTACHMENTS_BYTES", 5)
    for name in ("1.md", "2.md"):
        (tmp_path / name).write_text("tea")
    read_chain_file(written(tmp_path, {"a": attaching("1.md"), "b": attaching("2.md")}))
    with pytest.raises(InvalidInput, match="step 'b': the attached files have 6 bytes together"):
        read_chain_file(written(tmp_path, {"a": attaching("1.md"), "b": attaching("1.md", "2.md")}))


async def test_a_copy_is_complete_and_refers_to_itself(tmp_path: Path) -> None:
    """Each step's files are in a folder of its own, and the output's links lead to them."""
    store = ArtifactStore.open("memory://")
    picture = (await store.put("run/image-1.png", b"png", "image/png")).model_copy(
        update={"name": "../../image-1.png"}
    )
    item = await store.put("run/2/notes.md", b"notes", "text/markdown")
    output = await store.put("chain/output.md", f"![]({picture.uri})".encode(), "text/markdown")
    steps = (step("draw", artifacts=(picture,)), step("each", items=(step("[0]", artifacts=(item,)),)))
    view = chain_view(*steps, phase=ChainPhase.COMPLETED)
    assert view.result is not None
    view = view.model_copy(update={"result": view.result.model_copy(update={"output_uri": output.uri})})
    copied = await copy_chain(view, store, out=tmp_path / "out")
    assert [str(path.relative_to(tmp_path)) for path in copied] == [
        "out/draw/image-1.png",
        "out/each/0/notes.md",
        "out/output.md",
    ]
    assert (tmp_path / "out/output.md").read_text() == "![](draw/image-1.png)"
    assert await output_of(view, store) == f"![]({picture.uri})"


async def test_a_short_output_needs_no_store() -> None:
    """It is in the result; a chain that goes on has none."""
    store = ArtifactStore.open("memory://")
    view = chain_view(phase=ChainPhase.COMPLETED)
    assert view.result is not None
    assert await output_of(view, store) is None
    short = view.model_copy(update={"result": view.result.model_copy(update={"output": "tea"})})
    assert await output_of(short, store) == "tea"
    assert await output_of(chain_view(), store) is None
