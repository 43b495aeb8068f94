"""What was answered, as blocks of a report and files beside it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from activities.answers import Answer
from activities.trail import trail_of
from artifacts.blocks import Block, Citation, FileBlock, ImageBlock, LinkBlock, Report, TextBlock
from artifacts.errors import InvalidMedia
from artifacts.media import decode_base64, essence_of, inert_type, playable, suffix_of
from interactions.contents import (
    AudioContent,
    Content,
    DocumentContent,
    FileCitation,
    ImageContent,
    MediaContent,
    PlaceCitation,
    TextContent,
    UrlCitation,
    VideoContent,
)
from interactions.steps import ModelOutputStep
from runs.limits import MAX_NOTE_CHARS, MAX_NOTES
from runs.messages import Counts, SettleInteraction, Usage
from runs.pricing import in_words
from runs.text import clean_text, first_line

_MAX_MEDIA_BYTES: Final = 64 * 1024 * 1024
"""One decoded file; the whole body of a reply is not longer than this either."""

_MAX_MEDIA: Final = 150
"""Files beside a report; below the bound on a result's artifacts, with room for the report itself."""

_MAX_LINKS: Final = 150
"""Media that the API keeps, by their addresses, likewise."""

_ANY_TYPE: Final = "application/octet-stream"

_SHOWN_TYPE_CHARS: Final = 100

_KINDS: Final[dict[type[MediaContent], str]] = {
    ImageContent: "image",
    AudioContent: "audio",
    VideoContent: "video",
    DocumentContent: "document",
}


@dataclass(frozen=True)
class MediaFile:
    """A file that the interaction carried inline."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Output:
    """What was answered.

    Attributes:
        blocks: The answer in the order it is read; neighbouring texts of one round are one block.
        media: The files among it.
        texts: The text of each round, from the first.
        is_empty: Whether the last round left nothing to read, look at or listen to.
        notes: What could not be taken over, for people.
    """

    answer: Answer
    settling: SettleInteraction
    blocks: tuple[Block, ...]
    media: tuple[MediaFile, ...]
    texts: tuple[str, ...]
    is_empty: bool
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """All text of the answer, as it was written."""
        return "\n\n".join(text for text in self.texts if text.strip())

    @property
    def last_text(self) -> str:
        """The text of the last round: where JSON was asked for, that alone is the JSON."""
        return self.texts[-1]

    def report(self, *, counts: Counts, usage: Usage, cost_usd: float | None) -> Report:
        """Return the report to render.

        Args:
            counts: What the answer is made of.
            usage: What the whole run used.
            cost_usd: What that is estimated to cost; None where there is no estimate.
        """
        latest = self.answer.latest
        activities, more_activities = trail_of(self.answer.steps)
        return Report(
            question=self.settling.question,
            agent=self.settling.agent,
            run_id=self.settling.workflow_id,
            interaction_id=latest.id,
            # The API stamps agent runs only at their end, so the beginning is ours.
            created=self.settling.requested_at,
            finished=_moment(latest.updated),
            blocks=self.blocks,
            activities=activities,
            more_activities=more_activities,
            searches=counts.searches,
            pages=counts.pages,
            tokens=usage.total_tokens,
            cost=None if cost_usd is None else in_words(cost_usd),
            notes=self.notes,
        )


def output_of(answer: Answer, settling: SettleInteraction) -> Output:
    """Return the answer: every text and file after the last input of each interaction, in order.

    All of it, not the last text alone: reports come in several parts with charts between them.
    """
    taken = _Taken()
    for steps in answer.rounds:
        taken.begin_round()
        for step in steps:
            if isinstance(step, ModelOutputStep):
                for part in step.content:
                    taken.take(part)
    taken.end_text()
    return Output(
        answer=answer,
        settling=settling,
        blocks=tuple(taken.blocks),
        media=tuple(taken.media),
        texts=tuple("".join(pieces) for pieces in taken.texts),
        is_empty=taken.is_round_empty,
        notes=tuple(
            clean_text(note)[:MAX_NOTE_CHARS] for note in dict.fromkeys((*answer.notes, *taken.notes))
        )[:MAX_NOTES],
    )


class _Taken:
    """What has been taken over so far.

    Attributes:
        blocks: All but the text that is being taken.
        texts: The pieces of each round's text.
        is_round_empty: Whether this round has left nothing yet.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.media: list[MediaFile] = []
        self.texts: list[list[str]] = []
        self.notes: list[str] = []
        self.is_round_empty = True
        self._pieces: list[str] = []
        self._citations: list[Citation] = []
        self._length_bytes = 0
        self._links = 0
        self._used: Counter[str] = Counter()

    def begin_round(self) -> None:
        """Begin with what came after a round of function calls: its text is a paragraph of its own."""
        self.end_text()
        self.texts.append([])
        self.is_round_empty = True

    def end_text(self) -> None:
        """Make a block of the text so far."""
        if self._pieces:
            self.blocks.append(TextBlock("".join(self._pieces), tuple(self._citations)))
        self._pieces, self._citations, self._length_bytes = [], [], 0

    def take(self, part: Content) -> None:
        """Take over one part of the answer."""
        match part:
            case TextContent():
                self._take_text(part)
            case MediaContent() if part.data is not None:
                self._take_file(part, part.data)
            case MediaContent():
                self._take_link(part)
            case _:
                pass  # unknown contents are named by `sightings.notes_on`

    def _take_text(self, part: TextContent) -> None:
        # Offsets count from the beginning of their own part.
        self._citations += _citations(part, shift=self._length_bytes)
        self._pieces.append(part.text)
        self._length_bytes += len(part.text.encode(errors="replace"))
        self.texts[-1].append(part.text)
        self.is_round_empty = self.is_round_empty and not part.text.strip()

    def _take_file(self, part: MediaContent, data: str) -> None:
        if len(self.media) == _MAX_MEDIA:
            self.notes.append(f"only the first {_MAX_MEDIA} files were stored; all are in interaction.json")
            return
        kind = _KINDS[type(part)]
        self._used[kind] += 1
        try:
            content, media_type = _playable(part, data)
        except InvalidMedia as error:
            self.notes.append(f"{kind} {self._used[kind]} is unusable: {error}")
            return
        kept_as = inert_type(content, media_type)
        file = MediaFile(f"{kind}-{self._used[kind]}{suffix_of(kept_as)}", kept_as, content)
        if part.mime_type and kept_as != essence_of(media_type):
            came_as = first_line(media_type, _SHOWN_TYPE_CHARS)
            self.notes.append(
                f"{kind} {self._used[kind]} came as {came_as} and is kept as {kept_as} ({file.name}), "
                "so that nothing runs it"
            )
        self.media.append(file)
        self._append(_block_of(file))

    def _take_link(self, part: MediaContent) -> None:
        if part.uri is None:
            return
        kind = _KINDS[type(part)]
        self.notes.append(f"{kind} kept at {part.uri}")
        if self._links < _MAX_LINKS:
            self._links += 1
            self._append(LinkBlock(kind=kind, url=part.uri))

    def _append(self, block: Block) -> None:
        self.end_text()
        self.blocks.append(block)
        self.is_round_empty = False


def _citations(part: TextContent, *, shift: int) -> Iterator[Citation]:
    for annotation in part.annotations:
        match annotation:
            case UrlCitation(url=str(url), title=title):
                pass
            case FileCitation(document_uri=str(url), file_name=title):
                pass
            case PlaceCitation(url=str(url), name=title):
                pass
            case _:
                continue
        yield Citation(
            start_byte=(annotation.start_index or 0) + shift,
            end_byte=annotation.end_index + shift if annotation.end_index else 0,
            url=url,
            title=title,
        )


def _playable(part: MediaContent, data: str) -> tuple[bytes, str]:
    sound = part if isinstance(part, AudioContent) else None
    return playable(
        decode_base64(data, max_bytes=_MAX_MEDIA_BYTES),
        part.mime_type or _ANY_TYPE,
        rate_hz=sound.sample_rate if sound else None,
        channels=sound.channels if sound else None,
    )


def _block_of(file: MediaFile) -> Block:
    if file.media_type.startswith("image/"):
        return ImageBlock(name=file.name, media_type=file.media_type, content=file.content)
    return FileBlock(name=file.name, media_type=file.media_type, content=file.content)


def _moment(stamp: str | None) -> datetime | None:
    try:
        return None if stamp is None else datetime.fromisoformat(stamp)
    except ValueError:
        return None
