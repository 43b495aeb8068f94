"""Where in the artifact store a run's files go.

Workflow code: see docs/changing.md.
"""

import re
from typing import Final
from urllib.parse import unquote

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")

_MAX_FOLDER_CHARS: Final = 120
"""Temporal allows ids of a thousand bytes, file systems names of 255."""


_UPLOADS: Final = "attachments"
_UPLOAD: Final = re.compile(rf"(?:^|/){_UPLOADS}/[0-9a-f]{{64}}/[^/]+$")


def upload_key(*, sha256: str, name: str) -> str:
    """Return where a file is stored to be attached.

    Its content makes its place: whoever can name it has had the file, or was given its address.
    """
    return f"{_UPLOADS}/{sha256}/{name}"


def is_upload(key: str) -> bool:
    """Return whether ``key`` is the place of a file that was stored to be attached."""
    return key.startswith(f"{_UPLOADS}/") and _UPLOAD.match(key) is not None


def may_be_upload(uri: str) -> bool:
    """Return whether ``uri``, an address or a key, can be that of such a file, in whatever store."""
    return _UPLOAD.search(unquote(uri)) is not None


def artifacts_prefix(*, workflow_id: str, run_id: str) -> str:
    """Return the folder for the files of one execution, such as ``my-run/0190f3…``.

    The workflow id, made safe for any store, comes first because people look for it; the run id keeps
    a later execution under the same workflow id, and ids that look alike once made safe, apart.
    """
    folder = _UNSAFE.sub("_", workflow_id)[:_MAX_FOLDER_CHARS]
    # No hidden folders, and no way up.
    return f"{folder.lstrip('.') or '_'}/{run_id}"
