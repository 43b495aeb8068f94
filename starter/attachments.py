"""What is given with ``--attach``: checked, read, and kept where the worker finds it."""

import asyncio
import errno
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from artifacts.errors import ArtifactsError
from artifacts.store import ArtifactStore
from regular_files import NotRegular, OutsideFolders, open_below, open_regular
from runs.limits import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_ATTACHMENTS_BYTES, MAX_URI_CHARS
from runs.messages import Attachment
from runs.places import upload_key
from runs.text import clean_text, first_line
from starter import media_types
from starter.errors import InvalidInput, SetupError

_VIDEO_SITES: Final = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})
"""Their pages are videos to the API
(https://ai.google.dev/gemini-api/docs/video-understanding, read 2026-11-22)."""

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
        local = read_attachment(text)
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
        ref = await store.put(upload_key(sha256=digest, name=safe_name), local.content, local.media_type)
    except ArtifactsError as error:
        raise SetupError(f"cannot store {shown(local.name)}: {error}; see LONGHAUL_ARTIFACTS_URL") from error
    return Attachment(
        uri=ref.uri, media_type=local.media_type, name=local.name, size_bytes=len(local.content)
    )


def read_attachment(text: str, *, below: Sequence[Path] | None = None) -> LocalFile:
    """Return the file of this machine at ``text``.

    Args:
        text: Its path.
        below: Folders, in or below one of which it has to be once links are followed; None for any.

    Raises:
        OutsideFolders: It is in none of the folders. It was not read.
        InvalidInput: It cannot be attached; the message says why.
    """
    try:
        path = Path(text).expanduser()
        with open_regular(path) if below is None else open_below(below, path) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            # It may have grown since; one byte more than is allowed shows it.
            content = file.read(MAX_ATTACHMENT_BYTES + 1)
    except OutsideFolders:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if isinstance(error, NotRegular) and error.errno == errno.EISDIR:
            reason = "it is a folder; attach its files"
        raise InvalidInput(f"cannot attach {shown(text)}: {reason}") from error
    if len(content) > MAX_ATTACHMENT_BYTES:
        raise InvalidInput(
            f"cannot attach {shown(text)}: {size_bytes:,} bytes, the limit is {MAX_ATTACHMENT_BYTES:,}"
        )
    if not content:
        raise InvalidInput(f"cannot attach {shown(text)}: it is empty")
    media_type = media_types.by_name(path.name) or media_types.by_content(content)
    if media_type is None:
        raise InvalidInput(
            f"cannot attach {shown(text)}: unknown kind of file; supported are {media_types.SUPPORTED}"
        )
    if not media_types.fits(content, media_type):
        found = media_types.by_content(content) or "something else"
        raise InvalidInput(
            f"cannot attach {shown(text)}: a file of the wrong type: its ending says {media_type}, "
            f"its content is {found}"
        )
    if media_type.startswith("text/"):
        try:
            content.decode()
        except UnicodeDecodeError:
            raise InvalidInput(f"cannot attach {shown(text)}: it is not UTF-8 text") from None
    return LocalFile(name=clean_text(path.name)[-_MAX_NAME_CHARS:], media_type=media_type, content=content)


def _reference(text: str, *, scheme: str) -> Attachment:
    if scheme not in {"https", "gs"}:
        raise InvalidInput(f"cannot attach {shown(text)}: only https:// and gs:// addresses, and files")
    if len(text) > MAX_URI_CHARS:
        raise InvalidInput(f"cannot attach {shown(text)}: longer than {MAX_URI_CHARS} characters")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InvalidInput(f"cannot attach {shown(text)}: {error}") from error
    if not parts.netloc or not text.isprintable() or " " in text:
        raise InvalidInput(f"cannot attach {shown(text)}: it is no address")
    path = PurePosixPath(unquote(parts.path))
    media_type = media_types.by_name(path.name)
    if media_type is None and parts.hostname in _VIDEO_SITES:
        media_type = "video/mp4"
    if media_type is None and "pdf" in path.parts:
        # As in https://arxiv.org/pdf/2401.00001: preprint servers leave the ending out.
        media_type = "application/pdf"
    if media_type is None:
        raise InvalidInput(
            f"cannot attach {shown(text)}: its ending does not say what it is; supported are "
            f"{media_types.SUPPORTED}; put the address of a page into the question"
        )
    name = clean_text(path.name)[-_MAX_NAME_CHARS:] or "attachment"
    return Attachment(uri=text, media_type=media_type, name=name)


def shown(text: str) -> str:
    """Return ``text`` as messages quote it."""
    return repr(first_line(text, _MAX_SHOWN_CHARS))
