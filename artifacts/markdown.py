"""``report.md``: the answer as the agent wrote it, its citations marked and its sources listed."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from markdown_it import MarkdownIt

from artifacts.blocks import Activity, Detail, FileBlock, ImageBlock, LinkBlock, Report, TextBlock
from artifacts.facts import facts_of, headline_of, notes_of, title_of, whole_question_of
from artifacts.inert import inert, inert_unparsed
from artifacts.links import safe_href
from artifacts.marking import marked, why_plain
from artifacts.media import INLINE_IMAGE_TYPES, essence_of, may_be_linked
from artifacts.running_text import OTHERS_PARSER, insert, write_mark
from artifacts.sources import Source, Sources
from artifacts.trail import FAILED, MAX_DETAIL_CHARS, TRAIL_TITLE, language_of, more_of
from runs.text import clean_text, first_line

_SPECIAL: Final = re.compile(r"[\\`*{}\[\]<>#|~$&!^]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What means something in the middle of a line, to some reader of Markdown. Not the underscores of an id."""

_START: Final = re.compile(r"^(\d*)([-+=.)])")
"""What means something at the beginning of a line: lists, rules, underlines."""

_BLOCKS: Final = MarkdownIt("commonmark").disable("inline")


def render_markdown(report: Report) -> str:
    """Return the report as Markdown.

    The agent's own text stays as it is, but for characters that nobody can see and for what a reader would
    load or run, which is escaped; only marks are put in, and what it left open at its end is closed.
    """
    sources = Sources(report.blocks)
    head = [f"# {_escape(title_of(report))}"]
    if headline := headline_of(report):
        head.append(f"*{' · '.join(map(_escape, headline))}*")
    back = [*_source_list(sources), *_trail(report), *_about(report)]
    if (reason := why_plain(report)) is not None:
        # Last, because nobody has looked whether it would swallow what follows.
        parts = [
            *head,
            _escape(first_line(reason, len(reason))),
            *back,
            "## Answer",
            *_unmarked_answer(report),
        ]
    else:
        parts = [*head, *_answer(report, sources), *back]
    return "\n\n".join(parts) + "\n"


def _answer(report: Report, sources: Sources) -> Iterator[str]:
    hrefs = {source.number: source.href for source in sources.listed}

    def write(number: int) -> str:
        href = hrefs[number]
        return f"\\[{number}\\]" if href is None else write_mark(number, href)

    own = {
        address
        for block in report.blocks
        if isinstance(block, ImageBlock | FileBlock) and (address := _address_of(block)) is not None
    }
    parts = []
    for block in report.blocks:
        if isinstance(block, TextBlock):
            text, marks = marked(block, sources, OTHERS_PARSER)
            parts.append(_closed(inert(insert(text, marks, write), own).strip("\n")))
        else:
            parts.append(_file(block))
    if len(parts) > 1 and any("]:" in part for part in parts):
        # What is defined in one text holds in all.
        yield inert("\n\n".join(parts), own)
    else:
        yield from parts


def _unmarked_answer(report: Report) -> Iterator[str]:
    for block in report.blocks:
        yield inert_unparsed(clean_text(block.text)) if isinstance(block, TextBlock) else _file(block)


def _closed(text: str) -> str:
    """Return ``text`` such that what follows after a blank line is not part of it any more."""
    if _is_closed(text):
        return text
    ends = [token.markup for token in _BLOCKS.parse(text)[-1:] if token.type == "fence"]
    return next((f"{text}\n{end}" for end in ends if _is_closed(f"{text}\n{end}")), text)


def _is_closed(text: str) -> bool:
    *_, paragraph, inline, _ = [None, None, None, *_BLOCKS.parse(f"{text}\n\nfollowing")]
    return (
        paragraph is not None
        and inline is not None
        and (paragraph.type, paragraph.level, inline.content) == ("paragraph_open", 0, "following")
    )


def _file(block: ImageBlock | FileBlock | LinkBlock) -> str:
    if isinstance(block, LinkBlock):
        return f"{_escape(first_line(block.kind, MAX_DETAIL_CHARS))}: {_link(block.url, block.url)}"
    name = _escape(clean_text(block.name))
    address = _address_of(block)
    if address is None:
        return f"{name} ({_escape(first_line(block.media_type, MAX_DETAIL_CHARS))})"
    is_image = isinstance(block, ImageBlock) and essence_of(block.media_type) in INLINE_IMAGE_TYPES
    return f"{'!' if is_image else ''}[{name}]({address})"


def _address_of(block: ImageBlock | FileBlock) -> str | None:
    """Return where the file is, seen from the report; None if it must not be linked."""
    if not may_be_linked(block.name, block.media_type):
        return None
    # Beside the report, so the name is the address; quoted whole, it cannot be any other.
    return quote(block.name, safe="", errors="replace")


def _source_list(sources: Sources) -> Iterator[str]:
    if sources.listed:
        yield "## Sources"
        yield "\n".join(f"{source.number}. {_source(source)}" for source in sources.listed)


def _source(source: Source) -> str:
    title = _escape(source.title)
    if source.href is None:
        return title
    host = f" ({_escape(source.host)})" if source.host else ""
    return f"[{title}]({source.href}){host}"


def _trail(report: Report) -> Iterator[str]:
    if report.activities:
        yield f"## {TRAIL_TITLE}"
        more = [f"- {more_of(report)}"] if report.more_activities else []
        yield "\n".join([*map(_activity, report.activities), *more])


def _activity(activity: Activity) -> str:
    title = _escape(first_line(activity.title, MAX_DETAIL_CHARS))
    failed = f" ({FAILED})" if activity.has_failed else ""
    details = "; ".join(_detail(detail) for detail in activity.details)
    lines = [f"- **{title}**{failed}{': ' if details else ''}{details}"]
    for language, content in ((language_of(activity), activity.code), ("", activity.output)):
        shown = clean_text(content).strip("\n")
        if shown:
            lines += ["", *_fenced(shown, language)]
    return "\n".join(lines)


def _detail(detail: Detail) -> str:
    remark = first_line(detail.remark, MAX_DETAIL_CHARS)
    return _link(detail.text, detail.url) + (f" ({_escape(remark)})" if remark else "")


def _link(text: str, url: str | None) -> str:
    shown = _escape(first_line(text, MAX_DETAIL_CHARS))
    href = None if url is None else safe_href(url)
    return shown if href is None else f"[{shown}]({href})"


def _fenced(content: str, language: str) -> list[str]:
    """Return ``content`` as a code block that belongs to the list entry before it."""
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * max(longest + 1, 3)
    return [f"  {line}".rstrip() for line in (f"{fence}{language}", *content.split("\n"), fence)]


def _about(report: Report) -> Iterator[str]:
    yield "## About this report"
    question = whole_question_of(report)
    if question is not None:
        yield "\n".join(f"> {_escape(line.strip())}".rstrip() for line in question.split("\n"))
    yield "\n".join(f"- {name}: {_escape(value)}" for name, value in facts_of(report))
    notes = notes_of(report)
    if notes:
        yield "### Notes"
        yield "\n".join(f"- {_escape(note)}" for note in notes)


def _escape(text: str) -> str:
    """Return one line of clean ``text`` as Markdown that shows just this."""
    # See `artifacts.inert` on "<".
    escaped = _SPECIAL.sub(lambda special: "&lt;" if special[0] == "<" else f"\\{special[0]}", text)
    return _START.sub(r"\1\\\2", escaped)
