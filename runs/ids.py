"""The id of a run: what people type and what keeps a question from being paid for twice."""

import base64
import re
import unicodedata
from typing import Final

from runs.limits import MAX_ID_CHARS

_ID: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_ID_CHARS - 1}}}")

_MAX_SLUG_CHARS: Final = 40
"""Enough to tell runs apart in a table of 80 columns, together with what surrounds it."""

_SUFFIX_CHARS: Final = 6
"""30 bits: ids of one question meet after some ten thousand runs."""


class InvalidRunId(ValueError):
    """An id that no run can have. The message says what one looks like."""


def make_run_id(question: str, *, entropy: bytes, kind: str = "research") -> str:
    """Return a readable id for a new run: ``research-<words of the question>-<6 characters>``.

    Args:
        question: The words are taken from its start; a question without Latin letters or digits gives none.
        entropy: At least four random bytes, which keep two runs of one question apart.
        kind: The word it begins with.
    """
    ascii_text = unicodedata.normalize("NFKD", question[:400]).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", ascii_text.lower().replace("'", ""))
    slug = ""
    for word in words:
        longer = f"{slug}-{word}" if slug else word[:_MAX_SLUG_CHARS]
        if len(longer) > _MAX_SLUG_CHARS:
            break
        slug = longer
    suffix = base64.b32encode(entropy[:5]).decode().lower()[:_SUFFIX_CHARS]
    return "-".join(part for part in (kind, slug, suffix) if part)


def check_run_id(run_id: str) -> str:
    """Return ``run_id`` if a run can have it.

    The characters are those that need no quoting in a shell, a URL or a file name.

    Raises:
        InvalidRunId: It is empty, too long or has other characters.
    """
    if _ID.fullmatch(run_id) is None:
        raise InvalidRunId(
            f"{run_id[:60]!r} is no run id: 1 to {MAX_ID_CHARS} letters, digits, '.', '_' or '-', "
            "the first a letter or digit"
        )
    return run_id
