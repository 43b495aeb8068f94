"""The Markdown report of a research run, in parts, with citations at byte offsets and a chart."""

# ruff: noqa: RUF001 - typographic dashes and quotes are the point of these texts

import base64
import random
from dataclasses import dataclass, field
from typing import Any, Final

from emulator.media import draw_chart
from emulator.prose import Writer, topic_of
from emulator.timeline import Step

SECTIONS: Final = (
    "Background and scope",
    "Where things stand",
    "What drives the change",
    "Costs, prices and who pays",
    "Regional differences – from Zürich to 日本",
    "Risks and open questions",
    "What practitioners say",
    "Outlook",
)

_HOSTS: Final = (
    "www.example.org",
    "data.example.org",
    "journal.example.com",
    "news.example.com",
    "stats.example.net",
    "archive.example.org",
)

_KINDS: Final = (
    "Annual review",
    "Working paper",
    "Statistics",
    "Field study",
    "Market note",
    "Évaluation",
    "白書",
)

_HOSTILE_SOURCES: Final = (
    ('<script>alert("title")</script>', "javascript:alert(1)"),
    ("](https://example.org/steal) [click", "https://example.org/a)b](c"),
    ('"><img src=x onerror=alert(1)>', "data:text/html;base64,PHNjcmlwdD4="),
    ("\x1b]8;;https://example.org\x07link\x1b[31m red", "https://example.org/\x1b[2J"),
)

_HOSTILE_TEXT: Final = (
    "<script>document.title='owned'</script> <img src=x onerror=alert(1)> [click](javascript:alert(1)) "
    "![x](data:text/html;base64,PHNjcmlwdD4=) ]]> --> ```\x1b[31mred\x1b[0m``` | broken | table\n\n"
)

_CONTROLS: Final = "\x00\x07\x1b[2J\u202egnp.exe\u202c\u200b\ufeff\x85\u2028 "


@dataclass(frozen=True, slots=True)
class Source:
    """Something a report cites."""

    url: str
    title: str


@dataclass(slots=True)
class TextPart:
    """One text content in the making; counts its length in UTF-8 bytes, as citations do."""

    pieces: list[str] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    length_bytes: int = 0

    def add(self, text: str) -> None:
        """Append text that cites nothing."""
        self.pieces.append(text)
        self.length_bytes += len(text.encode())

    def cite(self, text: str, source: Source) -> None:
        """Append text that ``source`` supports."""
        self.annotate(text, {"type": "url_citation", "url": source.url, "title": source.title})

    def annotate(self, text: str, annotation: dict[str, Any]) -> None:
        """Append text and say something about it: the annotation, without offsets."""
        start = self.length_bytes
        self.add(text)
        self.annotations.append({**annotation, "start_index": start, "end_index": self.length_bytes})

    def content(self) -> dict[str, Any]:
        """The content on the wire."""
        content: dict[str, Any] = {"type": "text", "text": "".join(self.pieces)}
        if self.annotations:
            content["annotations"] = self.annotations
        return content


def sources_for(topic: str, *, seed: str, count: int = 24, hostile: bool = False) -> list[Source]:
    """The pages that a run on ``topic`` reads."""
    chance = random.Random(f"{seed} sources")  # noqa: S311 - repeatable, not secret
    slug = "-".join("".join(c for c in word.lower() if c.isascii() and c.isalnum()) for word in topic.split())
    sources = [
        Source(
            url=f"https://{chance.choice(_HOSTS)}/{chance.randrange(2018, 2027)}/{slug or 'page'}/{number}",
            title=f"{chance.choice(_KINDS)} {chance.randrange(2018, 2027)} – {topic}",
        )
        for number in range(1, count + 1)
    ]
    if hostile:
        sources[: len(_HOSTILE_SOURCES)] = [Source(url, title) for title, url in _HOSTILE_SOURCES]
    return sources


@dataclass(slots=True, kw_only=True)
class ReportWriter:
    """Writes one report.

    Args:
        question: What the research was about.
        seed: The same seed gives the same report.
        plan: The points of an approved plan; the report follows them.
        wishes: What the plan's revisions asked for.
        with_chart: Whether to draw a chart.
        hostile: Whether titles, addresses and text try to break out of where they are shown.
        controls: Whether the text is full of control characters.
        files: Citations of files that were searched, without offsets.
        at_least_bytes: Size to fill the report up to.
    """

    question: str
    seed: str
    plan: list[str] = field(default_factory=list)
    wishes: list[str] = field(default_factory=list)
    with_chart: bool = True
    hostile: bool = False
    controls: bool = False
    files: list[dict[str, Any]] = field(default_factory=list)
    at_least_bytes: int = 0

    def steps(self) -> list[Step]:
        """The output: text, then text, chart, text, with a thought between.

        Reports come split like this from the live service; a client that takes the last text loses most.
        """
        writer = Writer(topic_of(self.question), seed=self.seed)
        sources = sources_for(writer.topic, seed=self.seed, hostile=self.hostile)
        headings = [*(self.plan or SECTIONS)]
        third = max(1, len(headings) // 3)
        first, middle, last = TextPart(), TextPart(), TextPart()
        self._opening(first, writer, sources)
        self._sections(first, headings[:third], writer, sources)
        self._sections(middle, headings[third : 2 * third], writer, sources)
        self._table(middle, writer)
        self._sections(last, headings[2 * third :], writer, sources)
        self._closing(last, writer, sources)
        while first.length_bytes + middle.length_bytes + last.length_bytes < self.at_least_bytes:
            self._paragraphs(last, writer, sources, count=8)
        rest = [middle.content(), last.content()]
        if self.with_chart:
            rest.insert(1, self._chart(writer))
        return [
            {"type": "model_output", "content": [first.content()]},
            {"type": "thought", "signature": _signature(self.seed)},
            {"type": "model_output", "content": rest},
        ]

    def _opening(self, part: TextPart, writer: Writer, sources: list[Source]) -> None:
        part.add(f"# {writer.topic[:1].upper()}{writer.topic[1:]}: a research report\n\n")
        part.add(f"**Question.** {self.question}\n\n")
        if self.plan:
            part.add(f"This report follows the approved plan of {len(self.plan)} points.\n\n")
        for wish in self.wishes:
            part.add(f"As requested in review: {wish}\n\n")
        if self.hostile:
            part.add(_HOSTILE_TEXT)
        part.add("## Summary\n\n")
        for source in sources[:4]:
            part.add("- ")
            part.cite(writer.sentence(), source)
            part.add("\n")
        part.add("\n")

    def _sections(self, part: TextPart, headings: list[str], writer: Writer, sources: list[Source]) -> None:
        for heading in headings:
            part.add(f"## {heading}\n\n")
            self._paragraphs(part, writer, sources, count=3)
            part.add(f"### What this means for {writer.topic}\n\n")
            for number in range(1, writer.chance.randrange(4, 6)):
                part.add(f"{number}. {writer.sentence()}\n")
            part.add("\n")

    def _paragraphs(self, part: TextPart, writer: Writer, sources: list[Source], *, count: int) -> None:
        for _ in range(count):
            for _ in range(writer.chance.randrange(3, 6)):
                if self.controls:
                    part.add(_CONTROLS)
                if writer.chance.random() < 0.4:  # noqa: PLR2004 - about two sentences in five cite something
                    part.cite(writer.sentence(), writer.chance.choice(sources))
                else:
                    part.add(writer.sentence())
                part.add(" ")
            part.add("\n\n")

    def _table(self, part: TextPart, writer: Writer) -> None:
        part.add(
            "## Key figures\n\n| Region | 2022 | 2024 | Change | Cost |\n"
            "| --- | ---: | ---: | ---: | ---: |\n"
        )
        for region in ("Europe", "Japan (日本)", "São Paulo", "Québec", "Elsewhere"):
            before = writer.chance.randrange(20, 400)
            after = before + writer.chance.randrange(-10, 200)
            change = (after - before) * 100 // before
            part.add(f"| {region} | {before} | {after} | {change:+d} % | €{before * 3 // 2} m |\n")
        part.add("\n")

    def _closing(self, part: TextPart, writer: Writer, sources: list[Source]) -> None:
        part.add("## Conclusion\n\n")
        self._paragraphs(part, writer, sources, count=2)
        for file in self.files:
            part.annotate(writer.sentence(), file)
            part.add("\n\n")
        part.add("> “In the end it is a question of patience – and of who pays the first €100.”\n\n")
        part.add("```text\nconfidence = sources × agreement ÷ age\n```\n")

    def _chart(self, writer: Writer) -> dict[str, Any]:
        labels = [str(year) for year in range(2020, 2027)]
        values = [float(writer.chance.randrange(20, 100)) for _ in labels]
        png = draw_chart(f"Index: {writer.topic}", labels=labels, values=values)
        return {"type": "image", "mime_type": "image/png", "data": base64.b64encode(png).decode()}


def _signature(seed: str) -> str:
    return base64.b64encode(f"signature {seed}".encode()).decode()
