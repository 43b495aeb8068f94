"""A run's files, out of the artifact store."""

import asyncio
from pathlib import Path, PurePosixPath
from typing import Final

from artifacts.errors import ArtifactsError
from artifacts.store import ArtifactStore
from runs.messages import AgentRunResult, ArtifactRef
from starter import formats
from starter.errors import InvalidInput, SetupError

REPORT: Final = "report.md"
PAGE: Final = "report.html"


def open_store(url: str) -> ArtifactStore:
    """Return the store at ``url``, without touching it.

    Raises:
        SetupError: The address cannot be one of a store.
    """
    try:
        return ArtifactStore.open(url)
    except ArtifactsError as error:
        raise SetupError(f"LONGHAUL_ARTIFACTS_URL: {error}") from error


def artifact_named(result: AgentRunResult | None, name: str) -> ArtifactRef | None:
    """Return the file ``name`` of what a run left behind, or None."""
    artifacts = result.artifacts if result else ()
    return next((ref for ref in artifacts if PurePosixPath(ref.name).name == name), None)


async def read_artifact(ref: ArtifactRef, store: ArtifactStore) -> bytes:
    """Return the content of ``ref``.

    Raises:
        SetupError: It is not there, or in another store than the configured one.
    """
    return await read_stored(ref.uri, store)


async def read_stored(uri: str, store: ArtifactStore) -> bytes:
    """Return what is stored at ``uri``.

    Raises:
        SetupError: It is not there, or in another store than the configured one.
    """
    try:
        return await store.get(uri)
    except ArtifactsError as error:
        where = formats.place(uri)
        raise SetupError(
            f"cannot read {where}: {error}; LONGHAUL_ARTIFACTS_URL must name the store that the worker uses"
        ) from error


def check_out_dir(path: Path) -> Path:
    """Return ``path`` if files can be copied into it, making the folder where there is none.

    Raises:
        InvalidInput: They cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"--out {str(path)!r}: {error.strerror or error}") from error
    return path


async def copy_artifacts(result: AgentRunResult | None, store: ArtifactStore, *, out: Path) -> list[Path]:
    """Copy all files of a run into ``out``, over what has their names there, and return them.

    Raises:
        SetupError: One cannot be read.
        InvalidInput: One cannot be written.
    """
    copied: list[Path] = []
    for ref in result.artifacts if result else ():
        # The last part only: a name in a result is text from elsewhere, and must not climb out.
        target = out / (PurePosixPath(ref.name).name or "file")
        content = await read_artifact(ref, store)
        try:
            await asyncio.to_thread(target.write_bytes, content)
        except OSError as error:
            raise InvalidInput(f"cannot write {str(target)!r}: {error.strerror or error}") from error
        copied.append(target)
    return copied
