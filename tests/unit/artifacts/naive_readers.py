"""Readers of Markdown that trust whatever they read, to judge by what is made of hostile texts."""

import re
from collections.abc import Callable, Container
from html.parser import HTMLParser
from typing import Final

from markdown_it import MarkdownIt


def _naive(*, has_tables: bool, is_normalizing: bool) -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": True, "maxNesting": 400})
    if has_tables:
        reader.enable(["table", "strikethrough"])
    replacements: dict[str, Callable[[str], object]] = {"validateLink": lambda _: True}
    if not is_normalizing:
        replacements |= {"normalizeLink": lambda url: url}
    for name, replacement in replacements.items():
        setattr(reader, name, replacement)
    return reader


READERS: Final = tuple(
    _naive(has_tables=has_tables, is_normalizing=is_normalizing)
    for has_tables in (False, True)
    for is_normalizing in (False, True)
)

# fmt: off
_OF_MARKDOWN: Final = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p",
    "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}
# fmt: on

_HARMLESS: Final = re.compile(r"\s*(?:https?://|mailto:|#)", re.IGNORECASE)


class _Harm(HTMLParser):
    """Finds what a browser would load by itself, or run."""

    def __init__(self, own: Container[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._own = own

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _OF_MARKDOWN:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            address = value or ""
            if name not in {"href", "src", "alt", "title", "class", "start", "style"}:
                self.found.append(f"{tag}: {name}")
            elif (name == "src" and address not in self._own) or (
                name == "href" and address not in self._own and address and not _HARMLESS.match(address)
            ):
                self.found.append(f"{name} {address}")

    handle_startendtag = handle_starttag

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.found.append(f"<?{data}>")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"<!--{data}-->")


def harm_in(text: str, own: Container[str] = ()) -> list[str]:
    """Return what any reader would load or run of the Markdown ``text``, but for files named in ``own``."""
    found = []
    for reader in READERS:
        harm = _Harm(own)
        harm.feed(reader.render(text))
        harm.close()
        found += harm.found
    return found


def links_in(text: str) -> list[str]:
    """Return where the links of ``text`` lead, as the first reader sees them."""
    return [
        str(child.attrs["href"])
        for token in READERS[-1].parse(text)
        for child in token.children or []
        if child.type == "link_open"
    ]
