"""What is given with ``--attach``: checked, read, and kept where the worker finds it."""

import asyncio
import hashlib
import mimetypes
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from artifacts.errors import ArtifactsError
from artifacts.store import ArtifactStore
from runs.limits import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_ATTACHMENTS_BYTES, MAX_URI_CHARS
from runs.messages import Attachment
from runs.text import clean_text, first_line
from starter.errors import InvalidInput, SetupError

SUPPORTED: Final = "PDF, text (also Markdown, CSV, HTML, JSON, YAML, XML), images, audio and video"

_KINDS: Final = ("text/", "image/", "audio/", "video/")

_AS_TEXT: Final = frozenset(
    {".json", ".jsonl", ".yaml", ".yml", ".toml", ".xml", ".tex", ".log", ".rst", ".sql"}
)
"""Text that a media type table calls something else, or nothing. The agent reads it as text."""

_TYPES: Final = mimetypes.MimeTypes(filenames=())
"""Without this machine's own tables: the same file is the same kind everywhere."""
_TYPES.add_type("image/webp", ".webp")
_TYPES.add_type("text/markdown", ".md")

_SAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME_CHARS: Final = 100
_MAX_SHOWN_CHARS: Final = 120


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine, read.

    Attributes:
        name: Its name without folders.
        media_type: What it is.
        content: All of it.
    """

    name: str
    media_type: str
    content: bytes


def read_attachments(given: list[str]) -> list[LocalFile | Attachment]:
    """Return what was given with ``--attach``, files read and addresses as references.

    Raises:
        InvalidInput: One cannot be attached; the message says which and why.
    """
    if len(given) > MAX_ATTACHMENTS:
        raise InvalidInput(f"{len(given)} attachments are too many, the limit is {MAX_ATTACHMENTS}")
    read: list[LocalFile | Attachment] = []
    total_bytes = 0
    for text in given:
        scheme, separator, _ = text.partition("://")
        if separator:
            read.append(_reference(text, scheme=scheme.lower()))
            continue
        local = _read(text)
        total_bytes += len(local.content)
        if total_bytes > MAX_ATTACHMENTS_BYTES:
            raise InvalidInput(
                f"the attached files have more than {MAX_ATTACHMENTS_BYTES:,} bytes together; "
                "attach large ones by address (https:// or gs://)"
            )
        read.append(local)
    return read


async def store_attachments(
    attachments: list[LocalFile | Attachment], store: ArtifactStore
) -> tuple[Attachment, ...]:
    """Keep local files in ``store`` and return references to all attachments, in their order.

    May be repeated: a file's place is made of its content.

    Raises:
        SetupError: The store cannot be written.
    """
    return tuple(
        [part if isinstance(part, Attachment) else await _stored(part, store) for part in attachments]
    )


async def _stored(local: LocalFile, store: ArtifactStore) -> Attachment:
    digest = await asyncio.to_thread(lambda: hashlib.sha256(local.content).hexdigest())
    safe_name = _SAFE.sub("_", local.name).strip("._")[-_MAX_NAME_CHARS:].lstrip("._-") or "file"
    try:
        ref = await store.put(f"attachments/{digest}/{safe_name}", local.content, local.media_type)
    except ArtifactsError as error:
        raise SetupError(f"cannot store {_shown(local.name)}: {error}; see LONGHAUL_ARTIFACTS_URL") from error
    return Attachment(
        uri=ref.uri, media_type=local.media_type, name=local.name, size_bytes=len(local.content)
    )


def _read(text: str) -> LocalFile:
    path = Path(text).expanduser()
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            raise InvalidInput(f"cannot attach {_shown(text)}: it is a folder; attach its files")
        if not stat.S_ISREG(info.st_mode):
            # A pipe might never end, and a device never does.
            raise InvalidInput(f"cannot attach {_shown(text)}: it is no regular file")
        media_type = _media_type(path.name)
        if media_type is None:
            raise InvalidInput(
                f"cannot attach {_shown(text)}: unknown kind of file; supported are {SUPPORTED}"
            )
        with path.open("rb") as file:
            # It may have grown since; one byte more than is allowed shows it.
            content = file.read(MAX_ATTACHMENT_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidInput(f"cannot attach {_shown(text)}: {reason}") from error
    if len(content) > MAX_ATTACHMENT_BYTES:
        raise InvalidInput(
            f"cannot attach {_shown(text)}: {info.st_size:,} bytes, the limit is {MAX_ATTACHMENT_BYTES:,}"
        )
    if not content:
        raise InvalidInput(f"cannot attach {_shown(text)}: it is empty")
    if media_type.startswith("text/"):
        try:
            content.decode()
        except UnicodeDecodeError:
            raise InvalidInput(f"cannot attach {_shown(text)}: it is not UTF-8 text") from None
    return LocalFile(name=clean_text(path.name)[-_MAX_NAME_CHARS:], media_type=media_type, content=content)


def _reference(text: str, *, scheme: str) -> Attachment:
    if scheme not in {"https", "gs"}:
        raise InvalidInput(f"cannot attach {_shown(text)}: only https:// and gs:// addresses, and files")
    if len(text) > MAX_URI_CHARS:
        raise InvalidInput(f"cannot attach {_shown(text)}: longer than {MAX_URI_CHARS} characters")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InvalidInput(f"cannot attach {_shown(text)}: {error}") from error
    if not parts.netloc or not text.isprintable() or " " in text:
        raise InvalidInput(f"cannot attach {_shown(text)}: it is no address")
    path = PurePosixPath(unquote(parts.path))
    media_type = _media_type(path.name)
    if media_type is None and "pdf" in path.parts:
        # As in https://arxiv.org/pdf/2401.00001: preprint servers leave the ending out.
        media_type = "application/pdf"
    if media_type is None:
        raise InvalidInput(
            f"cannot attach {_shown(text)}: its ending does not say what it is; attach it as a file, "
            "or put the address into the question"
        )
    return Attachment(uri=text, media_type=media_type, name=clean_text(path.name)[-_MAX_NAME_CHARS:])


def _media_type(name: str) -> str | None:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _AS_TEXT:
        return "text/plain"
    # `strict`: only types that are registered; a packed file is not the kind it contains.
    media_type, encoding = _TYPES.guess_type(f"name{suffix}", strict=True)
    if media_type is None or encoding is not None:
        return None
    return media_type if media_type == "application/pdf" or media_type.startswith(_KINDS) else None


def _shown(text: str) -> str:
    return repr(first_line(text, _MAX_SHOWN_CHARS))
