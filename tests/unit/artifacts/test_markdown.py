from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from artifacts import marking
from artifacts.blocks import (
    Activity,
    Block,
    Citation,
    Detail,
    FileBlock,
    ImageBlock,
    LinkBlock,
    Report,
    TextBlock,
)
from artifacts.inert import inert
from artifacts.media import may_be_linked
from artifacts.report import render_markdown
from artifacts.trail import TRAIL_TITLE
from tests.unit.artifacts.naive_readers import harm_in
from tests.unit.artifacts.test_inert import HOSTILE
from tests.unit.artifacts.test_placing import PIECES

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

HOSTILE_TEXT = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(
    st.characters(codec=None, exclude_categories=()), max_size=20
)

HOSTILE_URLS = (
    st.sampled_from(["https://a.example/", "javascript:alert(1)", "", "https://b.example/](x)\n# h"])
    | HOSTILE_TEXT
)

CITATIONS = st.builds(
    Citation,
    start_byte=st.integers(-3, 60),
    end_byte=st.integers(-3, 60),
    url=HOSTILE_URLS,
    title=st.none() | HOSTILE_TEXT,
)

REPORTS = st.builds(
    Report,
    question=HOSTILE_TEXT,
    agent=HOSTILE_TEXT,
    run_id=HOSTILE_TEXT,
    interaction_id=HOSTILE_TEXT,
    created=st.none() | st.datetimes(),
    finished=st.none() | st.datetimes(timezones=st.just(UTC)),
    blocks=st.lists(
        st.builds(TextBlock, text=HOSTILE_TEXT, citations=st.lists(CITATIONS, max_size=4).map(tuple))
        | st.builds(
            ImageBlock,
            name=HOSTILE_TEXT,
            media_type=st.sampled_from(["image/png", "image/svg+xml"]),
            content=st.binary(max_size=5),
        )
        | st.builds(
            FileBlock,
            name=HOSTILE_TEXT,
            media_type=st.sampled_from(["audio/wav", "video/mp4"]) | HOSTILE_TEXT,
            content=st.binary(max_size=5),
        )
        | st.builds(LinkBlock, kind=HOSTILE_TEXT, url=HOSTILE_URLS),
        max_size=4,
    ).map(tuple),
    activities=st.lists(
        st.builds(
            Activity,
            title=HOSTILE_TEXT,
            details=st.lists(
                st.builds(Detail, text=HOSTILE_TEXT, url=st.none() | HOSTILE_URLS, remark=HOSTILE_TEXT),
                max_size=2,
            ).map(tuple),
            code=HOSTILE_TEXT,
            language=HOSTILE_TEXT,
            output=HOSTILE_TEXT,
            has_failed=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    more_activities=st.integers(0, 2),
    cost=st.none() | HOSTILE_TEXT,
    notes=st.lists(HOSTILE_TEXT, max_size=2).map(tuple),
)


def report_of(*blocks: Block, **facts: object) -> Report:
    """A report of a plain run."""
    plain: dict[str, object] = {
        "question": "Why?",
        "agent": "agent",
        "run_id": "run-1",
        "interaction_id": "v1_abc",
    }
    return Report(**{**plain, **facts, "blocks": blocks})  # type: ignore[arg-type]  # each test gives the right ones


def test_a_whole_report() -> None:
    """The answer stands between a headline and its sources; what is known about the run is at the end."""
    text = "Costs fell by half. Demand rose!"
    citations = (
        Citation(20, 32, "https://www.b.example/q?a=1", "Demand [2026]"),
        Citation(0, 19, "https://a.example/x_(y)", None),
        Citation(0, 32, "https://a.example/x_(y)", None),
        Citation(0, 19, "notes.pdf", "notes.pdf"),
    )
    berlin = timezone(timedelta(hours=1))
    report = Report(
        question="How did costs develop?\nSince 2020 *only*.",
        agent="deep-research",
        run_id="costs-7f3a",
        interaction_id="v1_abc",
        created=datetime(2026, 11, 22, 9, 5, tzinfo=UTC),
        finished=datetime(2026, 11, 22, 11, 36, tzinfo=berlin),
        blocks=(
            TextBlock(text, citations),
            ImageBlock("image-1.png", "image/png", b"png"),
            FileBlock("audio 1.wav", "audio/wav"),
        ),
        searches=1,
        pages=1_250,
        tokens=912_345,
        cost="about $3.10",
        notes=("Something\nodd",),
    )
    assert (
        render_markdown(report)
        == r"""# How did costs develop?

*deep-research · 22 November 2026 · 1 search · 1,250 pages read · about \$3.10*

Costs fell by half.[\[1\]](https://a.example/x_%28y%29)\[2\] Demand rose! [\[1\]](https://a.example/x_%28y%29)[\[3\]](https://www.b.example/q?a=1)

![image-1.png](image-1.png)

[audio 1.wav](audio%201.wav)

## Sources

1. [a.example/x\_(y)](https://a.example/x_%28y%29)
2. notes.pdf
3. [Demand \[2026\]](https://www.b.example/q?a=1) (b.example)

## About this report

> How did costs develop?
> Since 2020 \*only\*.

- Agent: deep-research
- Run: costs-7f3a
- Interaction: v1_abc
- Created: 22 November 2026, 09:05 UTC
- Finished: 22 November 2026, 10:36 UTC
- Took: 1 h 31 min
- Searches: 1
- Pages read: 1,250
- Tokens: 912,345
- Cost: about \$3.10

### Notes

- Something
"""
    )


def test_nothing_unknown_is_shown() -> None:
    """A run of which little is known has a short report, without empty lines of facts."""
    assert render_markdown(report_of()) == (
        "# Why?\n\n*agent*\n\n## About this report\n\n- Agent: agent\n- Run: run-1\n- Interaction: v1_abc\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "```\ncode",
        "~~~~ py\n```",
        "<!-- never ended",
        "<script>\n\nx",
        "<?php",
        "<![CDATA[",
        "<!DOCTYPE",
        "<pre>",
        "- list\n  ```\n  code",
        "> ```\n> code",
        "| a |\n|---|",
        "    code",
        "text\n[a]:",
        "[",
        "<a href='",
    ],
)
def test_what_an_answer_leaves_open_ends_with_it(text: str) -> None:
    """The sources are never part of a code block, a comment or a list that somebody forgot to close."""
    written = render_markdown(report_of(TextBlock(text, (Citation(0, 0, "https://a.example/", "A"),))))
    headings = [
        inline.content
        for opened, inline in zip(READER.parse(written), READER.parse(written)[1:], strict=False)
        if opened.type == "heading_open" and opened.level == 0
    ]
    assert headings[-2:] == ["Sources", "About this report"]
    assert written.split("\n\n", 2)[2].startswith(inert(text.strip("\n")))


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_nothing_breaks_out_of_its_place(report: Report) -> None:
    """Whatever a report is made of, its own headings stand, and each line of its lists is one entry."""
    written = render_markdown(report)
    tokens = READER.parse(written)
    headings = [
        index for index, token in enumerate(tokens) if token.type == "heading_open" and token.level == 0
    ]
    assert tokens[headings[0]].tag == "h1"
    names = [tokens[index + 1].content for index in headings]
    about = headings[len(names) - 1 - names[::-1].index("About this report")]
    entries = [token for token in tokens[about:] if token.type == "list_item_open"]
    assert all(token.level == 1 for token in entries)
    assert not any(token.type in {"html_block", "fence", "table_open"} for token in tokens[about:])
    written.encode()


@settings(max_examples=200, deadline=None)
@given(REPORTS, st.lists(HOSTILE, min_size=1, max_size=3))
def test_no_reader_loads_or_runs_anything_of_a_report(report: Report, texts: list[str]) -> None:
    """In none of its parts, also where one text defines what another one uses."""
    own = {
        quote(block.name, safe="", errors="replace")
        for block in report.blocks
        if isinstance(block, ImageBlock | FileBlock) and may_be_linked(block.name, block.media_type)
    }
    assert harm_in(render_markdown(report), own) == []
    blocks = tuple(TextBlock(text) for text in texts)
    assert harm_in(render_markdown(replace(report, blocks=(*report.blocks, *blocks))), own) == []


def test_what_one_text_defines_is_inert_in_all() -> None:
    """The texts of an answer are one document to whoever reads it."""
    written = render_markdown(
        report_of(
            TextBlock("![seen][a] and [b]"),
            ImageBlock("image-1.png", "image/png", b"png"),
            TextBlock("[a]: https://t.example/1.png\n[b]: javascript:x"),
        )
    )
    assert "\\![seen][a] and [b]" in written
    assert "\\[b]: javascript:x" in written
    assert "![image-1.png](image-1.png)" in written


def test_only_what_nothing_runs_is_linked() -> None:
    """A file that a reader might run is named, with what it is."""
    written = render_markdown(
        report_of(
            ImageBlock("image-1.svg", "image/svg+xml", b"<svg/>"),
            FileBlock("document-1.html", "text/html"),
            FileBlock("document-2.txt", "text/plain"),
        )
    )
    assert (
        "image-1.svg (image/svg+xml)\n\ndocument-1.html (text/html)\n\n[document-2.txt](document-2.txt)"
        in written
    )


def test_a_report_tells_how_it_was_found() -> None:
    """Between sources and facts: each thing that was done in one entry, with what was run and came of it."""
    activities = (
        Activity("Searched the web", (Detail("tea *tannin*"), Detail("astringency"))),
        Activity(
            "Read pages",
            (
                Detail("https://a.example/x", "https://a.example/x"),
                Detail("file:///etc/passwd", "file:///etc/passwd", "unsafe"),
            ),
            has_failed=True,
        ),
        Activity("Ran Python code", code="print('```')\n\n# Tea\n", language="Python", output="```\n"),
        Activity("Called *x* <b>", (Detail('{"city": "Oslo"}'),)),
    )
    written = render_markdown(report_of(TextBlock("Tea."), activities=activities, more_activities=1_200))
    _, _, trail = written.partition("Tea.\n\n")
    assert (
        trail
        == r"""## How it was found

- **Searched the web**: tea \*tannin\*; astringency
- **Read pages** (failed): [https://a.example/x](https://a.example/x); file:///etc/passwd (unsafe)
- **Ran Python code**

  ````python
  print('```')

  # Tea
  ````

  ````
  ```
  ````
- **Called \*x\* &lt;b\>**: \{"city": "Oslo"\}
- 1,200 more; all are in interaction.json

## About this report

- Agent: agent
- Run: run-1
- Interaction: v1_abc
"""
    )


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_what_was_done_is_one_entry_each(report: Report) -> None:
    """Nothing of a stranger's ends the list, begins a heading in it, or leaves its code block."""
    tokens = READER.parse(render_markdown(replace(report, blocks=())))
    contents = [token.content for token in tokens]
    if not report.activities:
        assert TRAIL_TITLE not in contents
        return
    begin, end = contents.index(TRAIL_TITLE), contents.index("About this report")
    entries = [token for token in tokens[begin:end] if token.type == "list_item_open" and token.level == 1]
    assert len(entries) == len(report.activities) + (report.more_activities > 0)
    headings = [token for token in tokens[begin:end] if token.type == "heading_open"]
    assert [token.level for token in headings] == [0]


def test_media_kept_elsewhere_is_linked() -> None:
    """Only to the web; another address is shown."""
    written = render_markdown(
        report_of(LinkBlock("video", "https://v.example/1.mp4"), LinkBlock("image", "gs://bucket/i.png"))
    )
    assert (
        "video: [https://v.example/1.mp4](https://v.example/1.mp4)\n\nimage: gs://bucket/i.png\n" in written
    )


def test_an_answer_too_long_to_parse_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes last, because it may swallow what follows; its sources are listed without marks."""
    monkeypatch.setattr(marking, "_MAX_PARSED_CHARS", 20)
    text = "```\nA long answer. It goes on."
    written = render_markdown(report_of(TextBlock(text, (Citation(0, 9, "https://a.example/", "A"),))))
    assert written.endswith(f"## Answer\n\n{text}\n")
    assert "1. [A](https://a.example/)" in written
    assert "shown as plain text" in written


def test_five_megabytes_and_ten_thousand_citations_are_rendered() -> None:
    """What is far beyond any answer takes seconds, not hours."""
    text = "Words of an answer that does not end. " * 130_000
    citations = tuple(Citation(0, end, f"https://a.example/{end % 700}") for end in range(1, 5_000_000, 500))
    assert len(render_markdown(report_of(TextBlock(text, citations)))) > len(text)
