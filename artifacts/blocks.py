"""What a report is made of, in the order in which it is read."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of one span of a text.

    Attributes:
        start_byte: Where the span begins, in bytes of the text's UTF-8.
        end_byte: Where it ends, exclusive. Offsets are taken as they come: beyond the end, within a
            character, or in disorder. A span without an end (0) makes the source listed, not marked.
        url: The source's address. It is only linked if it is http or https.
        title: What to call it; often just a domain. None: its address.
    """

    start_byte: int
    end_byte: int
    url: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Markdown, as the agent wrote it."""

    text: str
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageBlock:
    """An image, stored beside the report under ``name``."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class FileBlock:
    """Any other file, such as audio, stored beside the report under ``name``.

    ``content`` is for a page that can play it; without, it is only linked.
    """

    name: str
    media_type: str
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class LinkBlock:
    """A file that is kept elsewhere.

    Attributes:
        kind: What it is: ``image``, ``audio``, ``video`` or ``document``.
        url: Where; it is only linked if it is http or https.
    """

    kind: str
    url: str


Block = TextBlock | ImageBlock | FileBlock | LinkBlock


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that was searched for, read or found.

    Attributes:
        text: What to show.
        url: Where it is; it is only linked if it is http or https.
        remark: How it went, if not as it should.
    """

    text: str
    url: str | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that was done to find the answer.

    Attributes:
        title: What was done, such as ``Searched the web``. May name what a stranger named.
        details: What was searched for, read, found.
        code: What was run, or sent to a tool.
        language: Of the code.
        output: What came of it.
        has_failed: Whether it did not work.
    """

    title: str
    details: tuple[Detail, ...] = ()
    code: str = ""
    language: str = ""
    output: str = ""
    has_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a report shows.

    Attributes:
        question: What was asked. Its first line is the title.
        agent: Which agent answered.
        run_id: Whose report this is, to people: the workflow id.
        interaction_id: Google's id of the last interaction.
        created: When the interaction was created; None if the API did not say.
        finished: When it ended; None likewise.
        blocks: The answer.
        activities: What was done to find it, in order.
        more_activities: How many more things were done than are told.
        searches: Searches made; None if unknown.
        pages: Pages read.
        tokens: Tokens billed in all.
        cost: The estimate in words, such as ``about $2.40``.
        notes: What the reader should know about this run, such as what was not understood.
        unparsed_because: Why the text is not read as Markdown, but shown as it is; None: it is read.
    """

    question: str
    agent: str
    run_id: str
    interaction_id: str
    created: datetime | None = None
    finished: datetime | None = None
    blocks: tuple[Block, ...] = ()
    activities: tuple[Activity, ...] = ()
    more_activities: int = 0
    searches: int | None = None
    pages: int | None = None
    tokens: int | None = None
    cost: str | None = None
    notes: tuple[str, ...] = ()
    unparsed_because: str | None = None
