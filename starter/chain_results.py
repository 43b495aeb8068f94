"""What a chain left behind, out of the artifact store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from artifacts.store import ArtifactStore
from runs.messages import ArtifactRef
from starter.errors import InvalidInput
from starter.files import read_artifact, read_stored
from starter.views import ChainView

OUTPUT_FILE: Final = "output.md"


async def output_of(view: ChainView, store: ArtifactStore) -> str | None:
    """Return the whole text of a chain's result; None where there is none.

    Raises:
        SetupError: It is not where the chain left it.
    """
    if view.result is None:
        return None
    if view.result.output_uri is not None:
        return (await read_stored(view.result.output_uri, store)).decode(errors="replace")
    return view.result.output or None


async def copy_chain(view: ChainView, store: ArtifactStore, *, out: Path) -> list[Path]:
    """Copy a chain's result and the files of its steps, each step's into a folder of its own.

    Where the result names the address of such a file, the copy names the file beside it.

    Raises:
        SetupError: One cannot be read.
        InvalidInput: One cannot be written.
    """
    copied: list[Path] = []
    places: dict[str, str] = {}
    for folder, ref in _files_of(view):
        # The last part only: a name in a result is text from elsewhere, and must not climb out.
        relative = PurePosixPath(folder) / (PurePosixPath(ref.name).name or "file")
        places[ref.uri] = str(relative)
        copied.append(await _write(out / relative, await read_artifact(ref, store)))
    text = await output_of(view, store)
    if text is not None:
        for uri, place in places.items():
            text = text.replace(uri, place)
        copied.append(await _write(out / OUTPUT_FILE, text.encode(errors="replace")))
    return copied


def _files_of(view: ChainView) -> Iterator[tuple[str, ArtifactRef]]:
    """Yield all files that the chain knows of, with the folder that each goes into."""
    for step in view.steps:
        for ref in step.artifacts:
            yield step.name, ref
        for number, item in enumerate(step.items):
            for ref in item.artifacts:
                yield f"{step.name}/{number}", ref


async def _write(path: Path, content: bytes) -> Path:
    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    try:
        await asyncio.to_thread(write)
    except OSError as error:
        raise InvalidInput(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    return path
