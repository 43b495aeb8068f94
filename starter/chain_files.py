"""A chain's file on this machine, and the files that it attaches."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artifacts.store import ArtifactStore
from chains.files import attached_files, replace_files
from chains.limits import MAX_FILE_BYTES
from chains.reading import read_chain
from chains.spec import Ask, ChainSpec, Research
from runs.limits import MAX_ATTACHMENTS_BYTES
from runs.messages import Attachment
from starter.attachments import LocalFile, read_attachments, store_attachments
from starter.errors import InvalidInput

_STDIN: Final = "-"


@dataclass(frozen=True)
class ChainFile:
    """A chain that makes sense, with the files that it attaches.

    Attributes:
        spec: The chain; it names files.
        attached: What it attaches from this machine, by the names that it has for it.
    """

    spec: ChainSpec
    attached: Mapping[str, LocalFile | Attachment]


def read_chain_file(path: str) -> ChainFile:
    """Return the chain in a file, checked as a whole; ``-`` reads it from standard input.

    Files that it attaches are looked for beside it.

    Raises:
        InvalidChain: It is none, with all that is wrong.
        InvalidInput: It, or something that it attaches, cannot be read.
    """
    spec = read_chain(_text_of(path), source="stdin" if path == _STDIN else path)
    folder = Path() if path == _STDIN else Path(path).parent
    attached: dict[str, LocalFile | Attachment] = {}
    for name in attached_files(spec):
        [attached[name]] = read_attachments([str(folder / Path(name).expanduser())])
    _check_sizes(spec, attached)
    return ChainFile(spec, attached)


async def store_attached(file: ChainFile, store: ArtifactStore) -> ChainSpec:
    """Return the chain with the files that it attaches kept in ``store``.

    May be repeated: a file's place is made of its content.

    Raises:
        SetupError: The store cannot be written.
    """
    stored = await store_attachments(list(file.attached.values()), store)
    return replace_files(file.spec, dict(zip(file.attached, stored, strict=True)))


def _text_of(path: str) -> str:
    try:
        if path == _STDIN:
            content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                # One byte more than is allowed shows that there is more.
                content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"cannot read {path!r}: {error.strerror or error}") from error
    try:
        return content.decode()
    except UnicodeDecodeError:
        if len(content) > MAX_FILE_BYTES:
            return content.decode(errors="replace")  # too long, and said to be
        raise InvalidInput(f"cannot read {path!r}: it is not UTF-8 text") from None


def _check_sizes(spec: ChainSpec, attached: Mapping[str, LocalFile | Attachment]) -> None:
    for name, step in spec.steps.items():
        action = step.action
        if not isinstance(action, Research | Ask):
            continue
        files = (attached.get(part) for part in action.attach if isinstance(part, str))
        size_bytes = sum(len(file.content) for file in files if isinstance(file, LocalFile))
        if size_bytes > MAX_ATTACHMENTS_BYTES:
            raise InvalidInput(
                f"step {name!r}: the attached files have {size_bytes:,} bytes together, the limit is "
                f"{MAX_ATTACHMENTS_BYTES:,}; attach large ones by address (https:// or gs://)"
            )
