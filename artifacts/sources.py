"""The numbered sources of a report: one number for one address."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from artifacts.blocks import Block, Citation, TextBlock
from artifacts.links import host_of, safe_href
from runs.text import clean_text, first_line

_MAX_TITLE_CHARS: Final = 200
"""Titles are shown in one line of a list; some pages have whole paragraphs for one."""

_SCHEME: Final = re.compile(r"^https?://(?:www\.)?", re.IGNORECASE)

_REDIRECTORS: Final = frozenset({"vertexaisearch.cloud.google.com"})
"""Hosts that only lead on to the source, and say nothing about it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source, as it is listed.

    Attributes:
        number: From 1, in the order in which a reader meets the sources.
        title: Clean text in one line.
        href: Where it links to; None if its address may not be a link.
        host: The site it is on, where the title does not say so already; else empty.
    """

    number: int
    title: str
    href: str | None
    host: str


class Sources:
    """The sources of all blocks of a report, numbered once for both of its files."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        titles: dict[str, str] = {}
        for block in blocks:
            if isinstance(block, TextBlock):
                for citation in in_reading_order(block.citations):
                    if identity := _identity(citation):
                        title = first_line(citation.title or "", _MAX_TITLE_CHARS)
                        titles[identity] = titles.get(identity) or title
        self.listed = tuple(
            _source(number, identity, title)
            for number, (identity, title) in enumerate(titles.items(), start=1)
        )
        self._numbers = {identity: number for number, identity in enumerate(titles, start=1)}

    def number_of(self, citation: Citation) -> int | None:
        """Return the number of the citation's source; None if it names no source at all."""
        return self._numbers.get(_identity(citation))


def in_reading_order(citations: Iterable[Citation]) -> list[Citation]:
    """Return ``citations`` by where their spans end, which is where readers meet them."""
    return sorted(citations, key=lambda citation: (citation.end_byte, citation.start_byte))


def _identity(citation: Citation) -> str:
    return clean_text(citation.url).strip() or first_line(citation.title or "", _MAX_TITLE_CHARS)


def _source(number: int, identity: str, title: str) -> Source:
    href = safe_href(identity)
    host = host_of(identity) if href else ""
    title = title or first_line(_SCHEME.sub("", identity), _MAX_TITLE_CHARS)
    return Source(
        number=number, title=title, href=href, host="" if host in title or host in _REDIRECTORS else host
    )
