"""``report.html``: one file that reads well on any screen and on paper, and asks nobody for anything.

Safe by construction, in three layers: markdown-it renders with HTML off, so nothing of the agent's reaches
the page but as text; links lead only to http and https; and the page's own policy forbids scripts and every
request, in case one of these should fail.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Container, Iterator
from html import escape
from importlib import resources
from typing import Final, NamedTuple
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from artifacts.blocks import Activity, Detail, FileBlock, ImageBlock, LinkBlock, Report, TextBlock
from artifacts.facts import facts_of, headline_of, notes_of, title_of, whole_question_of
from artifacts.links import safe_href
from artifacts.marking import marked, why_plain
from artifacts.media import (
    INLINE_FILM_TYPES,
    INLINE_IMAGE_TYPES,
    INLINE_SOUND_TYPES,
    essence_of,
    may_be_linked,
)
from artifacts.running_text import OUR_PARSER, insert, write_mark
from artifacts.sources import Source, Sources
from artifacts.trail import FAILED, MAX_DETAIL_CHARS, TRAIL_TITLE, more_of, steps_of
from runs.text import clean_text, first_line

_CSS: Final = resources.files("artifacts").joinpath("page.css").read_text(encoding="utf-8")

_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "img-src data:",
        "media-src data:",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)

_MAX_INLINE_BYTES: Final = 32 * 1024 * 1024
"""Images, sound and films in one page. Browsers grow slow with more, and the files lie beside it."""

_MAX_WAYS_BACK: Final = 12
"""Ways back from one source to its marks; a source of the whole report has hundreds."""

_MIN_CONTENTS: Final = 4
"""Headings from which on a table of contents helps."""

_MAX_CONTENTS: Final = 60
"""Entries of it; with more nobody finds anything."""

_MAX_HEADING_CHARS: Final = 120
"""What one entry shows, and what stands for an image."""

_REL: Final = "noopener noreferrer nofollow"


class _Heading(NamedTuple):
    tag: str
    anchor: str
    words: str


def render_html(report: Report) -> str:
    """Return the report as a page of its own, images, sound and films included."""
    return _Page(report).render()


class _Page:
    """One rendering: what is numbered across blocks (marks, headings, room for images) is kept here."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._sources = Sources(report.blocks)
        self._titles = {source.number: source.title for source in self._sources.listed}
        self._marks: Counter[int] = Counter()
        self._headings: list[_Heading] = []
        self._room_bytes = _MAX_INLINE_BYTES
        texts = [block.text for block in report.blocks if isinstance(block, TextBlock)]
        # A text cannot contain its own digest, so it cannot forge a mark.
        digest = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()
        self._mark_href = f"#{digest}-"
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
        # markdown-it's own way to have links checked is to replace this method.
        setattr(self._markdown, "validateLink", self._is_allowed)  # noqa: B010 - mypy refuses the assignment

    def render(self) -> str:
        """Return the page."""
        title = escape(title_of(self._report))
        # First: the table of contents and the sources tell what it holds.
        answer = list(self._answer())
        return "\n".join(
            [
                "<!DOCTYPE html>",
                "<html>",
                "<head>",
                '<meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                '<meta name="referrer" content="no-referrer">',
                '<meta name="robots" content="noindex">',
                f"<title>{title}</title>",
                f"<style>{_CSS}</style>",
                "</head>",
                "<body>",
                '<header class="head">',
                f"<h1>{title}</h1>",
                f"<p>{' · '.join(map(escape, headline_of(self._report)))}</p>",
                "</header>",
                *self._table_of_contents(),
                '<main class="answer">',
                *answer,
                "</main>",
                '<footer class="back">',
                *self._source_list(),
                *_trail(self._report),
                *self._about(),
                "</footer>",
                "</body>",
                "</html>",
                "",
            ]
        )

    def _is_allowed(self, url: str) -> bool:
        return url.startswith(self._mark_href) or safe_href(url) is not None

    def _answer(self) -> Iterator[str]:
        reason = why_plain(self._report)
        if reason is not None:
            yield f"<p><em>{escape(clean_text(reason))}</em></p>"
        parsed = {
            index: self._parse(block)
            for index, block in enumerate(self._report.blocks)
            if isinstance(block, TextBlock) and reason is None
        }
        # The page's one h1 is the question, whatever level the agent begins with.
        levels = [
            int(token.tag[1])
            for tokens in parsed.values()
            for token in tokens
            if token.type == "heading_open"
        ]
        shift = 2 - min(levels, default=2)
        for index, block in enumerate(self._report.blocks):
            match block:
                case TextBlock(text=text) if index not in parsed:
                    yield f'<pre class="plain">{escape(clean_text(text))}</pre>'
                case TextBlock():
                    tokens = list(self._transformed(parsed[index], shift))
                    yield self._markdown.renderer.render(tokens, self._markdown.options, {})
                case ImageBlock():
                    yield self._image(block)
                case FileBlock():
                    yield self._playable(block)
                case LinkBlock(kind=kind, url=url):
                    yield f'<p class="file">{_link(url, url)} <span>{escape(clean_text(kind))}</span></p>'

    def _parse(self, block: TextBlock) -> list[Token]:
        text, marks = marked(block, self._sources, OUR_PARSER)
        return self._markdown.parse(
            insert(text, marks, lambda number: write_mark(number, f"{self._mark_href}{number}"))
        )

    def _transformed(self, tokens: list[Token], shift: int) -> Iterator[Token]:
        for index, token in enumerate(tokens):
            match token.type:
                case "heading_open" | "heading_close":
                    token.tag = f"h{min(int(token.tag[1]) + shift, 6)}"
                    if token.type == "heading_open":
                        self._enter_heading(token, tokens[index + 1])
                    yield token
                case "inline":
                    token.children = list(self._inline(token.children or []))
                    yield token
                case "table_open":
                    # A wide table scrolls by itself, not the page.
                    yield _raw('<div class="table">')
                    yield token
                case "table_close":
                    yield token
                    yield _raw("</div>\n")
                case "th_open" | "td_open":
                    # The page's policy forbids style attributes.
                    align = str(token.attrs.pop("style", "")).removeprefix("text-align:")
                    if align:
                        token.attrSet("class", align)
                    yield token
                case _:
                    yield token

    def _enter_heading(self, heading: Token, inline: Token) -> None:
        words = first_line("".join(_words(inline, self._mark_href)), _MAX_HEADING_CHARS)
        if words:
            entry = _Heading(heading.tag, f"section-{len(self._headings) + 1}", words)
            heading.attrSet("id", entry.anchor)
            self._headings.append(entry)

    def _inline(self, children: list[Token]) -> Iterator[Token]:
        is_in_mark = False
        for token in children:
            href = str(token.attrs.get("href", ""))
            if token.type == "link_open" and href.startswith(self._mark_href):
                is_in_mark = True
                yield _raw(self._mark(int(href.removeprefix(self._mark_href))))
            elif is_in_mark:
                is_in_mark = token.type != "link_close"
            elif token.type == "link_open":
                token.attrSet("rel", _REL)
                yield token
            elif token.type == "image":
                yield _raw(_remote_image(token))
            else:
                yield token

    def _mark(self, number: int) -> str:
        self._marks[number] += 1
        anchor = f"mark-{number}-{self._marks[number]}"
        title = escape(self._titles[number])
        link = f'<a id="{anchor}" href="#source-{number}" title="{title}">[{number}]</a>'
        # U+2060 keeps a mark on the line of the word it belongs to.
        return f'&#8288;<sup class="mark">{link}</sup>'

    def _image(self, block: ImageBlock) -> str:
        source = self._inlined(block, INLINE_IMAGE_TYPES)
        if source is None:
            return _file(block)
        name = escape(clean_text(block.name))
        return f'<figure><img src="{source}" alt="{name}"><figcaption>{name}</figcaption></figure>'

    def _playable(self, block: FileBlock) -> str:
        for tag, types in (("audio", INLINE_SOUND_TYPES), ("video", INLINE_FILM_TYPES)):
            source = self._inlined(block, types)
            if source is not None:
                return f'<figure><{tag} controls src="{source}"></{tag}></figure>{_file(block)}'
        return _file(block)

    def _inlined(self, block: ImageBlock | FileBlock, types: Container[str]) -> str | None:
        """Return the file as an address that holds it; None if it is of another type, or too long."""
        media_type = essence_of(block.media_type)
        if media_type not in types or not 0 < len(block.content) <= self._room_bytes:
            return None
        self._room_bytes -= len(block.content)
        return f"data:{media_type};base64,{base64.b64encode(block.content).decode()}"

    def _table_of_contents(self) -> Iterator[str]:
        # Of the first level that divides the answer: many answers have one heading above all others.
        levels = ([entry for entry in self._headings if entry.tag == tag] for tag in ("h2", "h3"))
        entries = next((level for level in levels if len(level) > 1), [])
        if len(entries) >= _MIN_CONTENTS:
            yield '<nav class="contents" aria-label="Contents">'
            yield "<h2>Contents</h2>"
            yield "<ol>"
            for entry in entries[:_MAX_CONTENTS]:
                yield f'<li><a href="#{entry.anchor}">{escape(entry.words)}</a></li>'
            yield "</ol>"
            yield "</nav>"

    def _source_list(self) -> Iterator[str]:
        if self._sources.listed:
            yield "<h2>Sources</h2>"
            yield '<ol class="sources">'
            for source in self._sources.listed:
                ways_back = self._ways_back(source.number)
                yield f'<li id="source-{source.number}">{_source(source)}{ways_back}</li>'
            yield "</ol>"

    def _ways_back(self, number: int) -> str:
        count = self._marks[number]
        links = [
            f'<a href="#mark-{number}-{mark}" aria-label="Back to mark {mark} of source {number}">'
            f"{mark if count > 1 else '↑'}</a>"
            for mark in range(1, min(count, _MAX_WAYS_BACK) + 1)
        ]
        if count > 1:
            links.insert(0, "↑")
        if count > _MAX_WAYS_BACK:
            links.append("…")
        return f' <span class="marks">{" ".join(links)}</span>' if links else ""

    def _about(self) -> Iterator[str]:
        yield "<h2>About this report</h2>"
        question = whole_question_of(self._report)
        if question is not None:
            yield f'<div class="question">{escape(question)}</div>'
        yield "<dl>"
        for name, value in facts_of(self._report):
            yield f"<dt>{name}</dt><dd>{escape(value)}</dd>"
        yield "</dl>"
        notes = notes_of(self._report)
        if notes:
            yield "<h3>Notes</h3>"
            yield f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>"


def _raw(html: str) -> Token:
    """Return a token that is rendered as it is. Only for what this module wrote."""
    return Token("html_inline", "", 0, content=html)


def _words(inline: Token, mark_href: str) -> Iterator[str]:
    is_in_mark = False
    for token in inline.children or []:
        if token.type == "link_open":
            is_in_mark = str(token.attrs.get("href", "")).startswith(mark_href)
        elif token.type == "link_close":
            is_in_mark = False
        elif not is_in_mark:
            yield token.content or " "


def _remote_image(image: Token) -> str:
    """Return a link: showing the image would tell its server who reads this, and when."""
    alt = escape(first_line(image.content, _MAX_HEADING_CHARS) or "without description")
    href = safe_href(str(image.attrs.get("src", "")))
    shown = f"[image: {alt}]"
    return shown if href is None else f'<a href="{escape(href)}" rel="{_REL}">{shown}</a>'


def _trail(report: Report) -> Iterator[str]:
    if report.activities:
        yield f"<h2>{TRAIL_TITLE}</h2>"
        yield f'<details class="trail"><summary>{steps_of(report)}</summary>'
        yield "<ul>"
        for activity in report.activities:
            yield f"<li>{_activity(activity)}</li>"
        if report.more_activities:
            yield f"<li>{more_of(report)}</li>"
        yield "</ul></details>"


def _activity(activity: Activity) -> str:
    title = escape(first_line(activity.title, MAX_DETAIL_CHARS))
    failed = f" ({FAILED})" if activity.has_failed else ""
    details = "; ".join(_detail(detail) for detail in activity.details)
    contents = (clean_text(content).strip("\n") for content in (activity.code, activity.output))
    blocks = "".join(f"<pre><code>{escape(content)}</code></pre>" for content in contents if content)
    return f"<strong>{title}</strong>{failed}{': ' if details else ''}{details}{blocks}"


def _detail(detail: Detail) -> str:
    remark = first_line(detail.remark, MAX_DETAIL_CHARS)
    return _link(detail.text, detail.url) + (f" ({escape(remark)})" if remark else "")


def _link(text: str, url: str | None) -> str:
    shown = escape(first_line(text, MAX_DETAIL_CHARS))
    href = None if url is None else safe_href(url)
    return shown if href is None else f'<a href="{escape(href)}" rel="{_REL}">{shown}</a>'


def _file(block: ImageBlock | FileBlock) -> str:
    name = escape(clean_text(block.name))
    media_type = escape(clean_text(block.media_type))
    if not may_be_linked(block.name, block.media_type):
        return f'<p class="file">{name} <span>{media_type}</span></p>'
    # Beside the page, so the name is the address; quoted whole, it cannot be any other.
    address = quote(block.name, safe="", errors="replace")
    return f'<p class="file"><a href="{address}">{name}</a> <span>{media_type}</span></p>'


def _source(source: Source) -> str:
    title = escape(source.title)
    if source.href is None:
        return title
    host = f' <span class="host">{escape(source.host)}</span>' if source.host else ""
    return f'<a href="{escape(source.href)}" rel="{_REL}">{title}</a>{host}'
