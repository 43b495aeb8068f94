"""Texts made fit to show, with the places of their citations' marks."""

from typing import Final

from markdown_it import MarkdownIt

from artifacts.blocks import Report, TextBlock
from artifacts.offsets import clean_with_positions
from artifacts.placing import place
from artifacts.running_text import Mark
from artifacts.sources import Sources

_MAX_PARSED_CHARS: Final = 400_000
"""How much Markdown is parsed: ten seconds of one core for both files, a minute if it was made to be slow.
Reports are tens of thousands of characters long."""


def why_plain(report: Report) -> str | None:
    """Return a note on why the report's text is shown as it is instead of parsed; None: it is parsed."""
    shown = "It is shown as plain text, and its sources are listed but not marked."
    if report.unparsed_because is not None:
        return f"This answer could not be read as Markdown: {report.unparsed_because}. {shown}"
    if sum(len(block.text) for block in report.blocks if isinstance(block, TextBlock)) > _MAX_PARSED_CHARS:
        return f"This answer is longer than {_MAX_PARSED_CHARS:,} characters. {shown}"
    return None


def marked(block: TextBlock, sources: Sources, parser: MarkdownIt) -> tuple[str, list[Mark]]:
    """Return the block's text, clean, and the marks to insert into it."""
    cited = [(citation.end_byte, sources.number_of(citation)) for citation in block.citations]
    text, positions = clean_with_positions(block.text, [end for end, _ in cited])
    wanted = [(positions[end], number) for end, number in cited if number is not None and end > 0]
    return text, place(text, wanted, parser)
