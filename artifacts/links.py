"""Which addresses of strangers may become links, and how they are written."""

import re
from typing import Final
from urllib.parse import quote, urlsplit

from runs.text import clean_text

_MAX_HREF_CHARS: Final = 4_096
"""Longer addresses are not pages anybody cites, and browsers begin to refuse them."""

_WEB: Final = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)

# Left as they are: what separates the parts of an address, and "%", because addresses come quoted.
# Quoted: everything that could end a Markdown link, a table cell or an attribute.
_KEPT: Final = ":/?#@!$&'*+,;=%~"


def safe_href(url: str) -> str | None:
    """Return ``url`` as it may stand in a Markdown link or an attribute, or None if it must not be one.

    Only http and https: ``javascript:``, ``data:`` and ``file:`` in a report are an attack or a mistake.
    """
    stripped = clean_text(url).strip()
    if len(stripped) > _MAX_HREF_CHARS or not _WEB.match(stripped):
        return None
    try:
        parts = urlsplit(stripped)
        host = parts.hostname
    except ValueError:
        return None
    # An IPv6 address would lose its brackets; nobody cites one.
    if not host or ":" in host:
        return None
    return quote(stripped, safe=_KEPT)


def host_of(url: str) -> str:
    """Return the host that ``url`` leads to, without ``www.``, or an empty string."""
    try:
        host = urlsplit(clean_text(url).strip()).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")
