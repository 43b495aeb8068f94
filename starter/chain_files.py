"""A chain's file on this machine, and the files that it attaches."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artifacts.store import ArtifactStore
from chains.errors import InvalidChain
from chains.files import attached_files, foreign_files, replace_files
from chains.limits import MAX_FILE_BYTES
from chains.reading import read_placed_chain
from chains.spec import Ask, ChainSpec, Research
from regular_files import OutsideFolders, open_regular
from runs.limits import MAX_ATTACHMENTS_BYTES
from runs.messages import Attachment
from starter.attachments import LocalFile, read_attachment, read_attachments, shown, store_attachments
from starter.errors import InvalidInput
from starter.stdin import read_stdin

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


def read_chain_file(path: str, *, allowed_folders: Sequence[Path] = ()) -> ChainFile:
    """Return the chain in a file, checked as a whole; ``-`` reads it from standard input.

    Files that it attaches are looked for beside it. Whoever wrote the file decides what is read and sent, so
    that has to be in or below the folder that the file is in, links followed, or one of ``allowed_folders``.
    One on standard input has no folder.

    Raises:
        InvalidChain: It is none, or attaches what it may not or what cannot be read; with all that is wrong.
        InvalidInput: It cannot be read, or an allowed folder is none.
    """
    allowed_folders = tuple(map(_folder, allowed_folders))
    source = "stdin" if path == _STDIN else path
    chain = read_placed_chain(_text_of(path), source=source)
    folder = Path() if path == _STDIN else Path(path).parent
    folders = allowed_folders if path == _STDIN else (folder, *allowed_folders)
    attached: dict[str, LocalFile | Attachment] = {}
    problems = [f"{chain.place_of(path)}: {why_not}" for path, why_not in foreign_files(chain.spec)]
    for name, where in attached_files(chain.spec).items():
        try:
            attached[name] = _attached(name, folder, folders, is_stdin=path == _STDIN)
        except InvalidInput as error:
            problems.append(f"{chain.place_of(where)}: step {where[1]!r}: {error}")
    if problems:
        raise InvalidChain(tuple(problems))
    _check_sizes(chain.spec, attached)
    return ChainFile(chain.spec, attached)


def _folder(allowed: Path) -> Path:
    try:
        folder = allowed.expanduser()
        if folder.is_dir():
            return folder
    except (OSError, ValueError, RuntimeError):
        pass
    raise InvalidInput(f"--allow-path {shown(str(allowed))}: there is no such folder")


def _attached(name: str, folder: Path, folders: Sequence[Path], *, is_stdin: bool) -> LocalFile | Attachment:
    if "://" in name:
        # Not one that the service would fetch; said as for every attachment.
        [reference] = read_attachments([name])
        return reference
    try:
        return read_attachment(str(folder / Path(name).expanduser()), below=folders)
    except OutsideFolders as error:
        why = "a chain on stdin has no folder" if is_stdin else "it is not below the chain's own folder"
        flag = f"--allow-path {shlex.quote(str(error.real.parent))}"
        raise InvalidInput(f"cannot attach {shown(name)}: {why}; if it is meant, add {flag}") from error


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
            content = read_stdin(MAX_FILE_BYTES)
        else:
            with open_regular(Path(path)) as file:
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
