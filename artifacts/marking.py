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

TOO_LONG_NOTE: Final = (
    f"This answer is longer than {_MAX_PARSED_CHARS:,} characters. It is shown as plain text, and its "
    "sources are listed but not marked."
)


def is_longer_than_parsed(report: Report) -> bool:
    """Return whether the report's text is more than gets parsed."""
    return sum(len(block.text) for block in report.blocks if isinstance(block, TextBlock)) > _MAX_PARSED_CHARS


def marked(block: TextBlock, sources: Sources, parser: MarkdownIt) -> tuple[str, list[Mark]]:
    """Return the block's text, clean, and the marks to insert into it."""
    cited = [(citation.end_byte, sources.number_of(citation)) for citation in block.citations]
    text, positions = clean_with_positions(block.text, [end for end, _ in cited])
    wanted = [(positions[end], number) for end, number in cited if number is not None and end > 0]
    return text, place(text, wanted, parser)
