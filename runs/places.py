"""Where in the artifact store a run's files go."""

import re
from typing import Final

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")

_MAX_FOLDER_CHARS: Final = 120
"""Temporal allows ids of a thousand bytes, file systems names of 255."""


def artifacts_prefix(*, workflow_id: str, run_id: str) -> str:
    """Return the folder for the files of one execution, such as ``my-run/0190f3…``.

    The workflow id, made safe for any store, comes first because people look for it; the run id keeps
    a later execution under the same workflow id, and ids that look alike once made safe, apart.
    """
    folder = _UNSAFE.sub("_", workflow_id)[:_MAX_FOLDER_CHARS]
    # No hidden folders, and no way up.
    return f"{folder.lstrip('.') or '_'}/{run_id}"
