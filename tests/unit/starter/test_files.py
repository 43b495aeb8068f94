from pathlib import Path

import pytest

from artifacts.store import ArtifactStore
from runs.messages import ArtifactRef
from starter.errors import InvalidInput, SetupError
from starter.files import artifact_named, check_out_dir, copy_artifacts, open_store, read_artifact
from tests.unit.starter.sample import artifact, result


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """A store in a folder of its own."""
    return ArtifactStore.open(str(tmp_path / "store"))


async def test_all_files_of_a_run_are_copied(store: ArtifactStore, tmp_path: Path) -> None:
    """Each file is copied under its name, over what was there."""
    refs = [
        await store.put(f"run/{name}", name.encode(), "text/plain") for name in ("report.md", "image-1.png")
    ]
    out = check_out_dir(tmp_path / "new" / "folder")
    (out / "report.md").write_text("of another run")
    copied = await copy_artifacts(result(artifacts=tuple(refs)), store, out=out)
    assert [(path.name, path.read_text()) for path in copied] == [
        ("report.md", "report.md"),
        ("image-1.png", "image-1.png"),
    ]


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil"])
async def test_no_file_climbs_out_of_the_folder(store: ArtifactStore, tmp_path: Path, name: str) -> None:
    """A name in a result is text that anybody may have written."""
    ref = await store.put("run/file", b"x", "text/plain")
    hostile = ArtifactRef(**{**ref.model_dump(), "name": name})
    out = check_out_dir(tmp_path / "out")
    assert await copy_artifacts(result(artifacts=(hostile,)), store, out=out) == [out / "evil"]


async def test_a_file_of_another_store_names_the_variable(store: ArtifactStore) -> None:
    """What the worker kept elsewhere is not guessed at."""
    with pytest.raises(SetupError, match="LONGHAUL_ARTIFACTS_URL must name the store that the worker uses"):
        await read_artifact(artifact("report.md"), store)


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path: Path) -> None:
    """Where files cannot go is found before a run is started for them."""
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"--out .*Not a directory"):
        check_out_dir(tmp_path / "file" / "below")
    with pytest.raises(InvalidInput, match=r"--out .*exists"):
        check_out_dir(tmp_path / "file")


def test_an_address_that_is_no_store_names_the_variable() -> None:
    """A store's address comes from a setting, so the setting is named."""
    with pytest.raises(SetupError, match="LONGHAUL_ARTIFACTS_URL"):
        open_store("ftp://example.org/artifacts")


def test_a_report_is_found_by_its_name() -> None:
    """A run without a result, or with another file only, has no report."""
    found = artifact_named(result(), "report.md")
    assert found is not None
    assert found.uri.endswith("/report.md")
    assert artifact_named(result(artifacts=()), "report.md") is None
    assert artifact_named(None, "report.md") is None
