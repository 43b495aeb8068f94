"""What an interaction answered, as blocks of a report and files beside it."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from artifacts.blocks import Block, Citation, FileBlock, ImageBlock, Report, TextBlock
from artifacts.errors import InvalidMedia
from artifacts.media import decode_base64, playable, suffix_of
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
from interactions.responses import Interaction
from interactions.steps import ModelOutputStep
from runs.limits import MAX_NOTE_CHARS, MAX_NOTES
from runs.messages import Counts, SettleInteraction, Usage
from runs.text import clean_text

_MAX_MEDIA_BYTES: Final = 64 * 1024 * 1024
"""One decoded file; the whole body of a reply is not longer than this either."""

_MAX_MEDIA: Final = 150
"""Files beside a report; below the bound on a result's artifacts, with room for the report itself."""

_ANY_TYPE: Final = "application/octet-stream"

_MEDIA_TYPE: Final = re.compile(r"[!-~][ -~]{0,254}")
"""What a bucket takes as a header. One file with a line end in its type must not keep the report from
being stored."""

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
    """What an interaction answered.

    Attributes:
        blocks: The answer in the order it is read; neighbouring texts are one block.
        media: The files among it.
        notes: What could not be taken over, for people.
    """

    interaction: Interaction
    settling: SettleInteraction
    blocks: tuple[Block, ...]
    media: tuple[MediaFile, ...]
    notes: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read, look at or listen to."""
        return not self.media and not self.text.strip()

    @property
    def text(self) -> str:
        """All text of the answer."""
        return "".join(block.text for block in self.blocks if isinstance(block, TextBlock))

    def report(self, *, counts: Counts, usage: Usage, cost_usd: float | None) -> Report:
        """Return the report to render."""
        return Report(
            question=self.settling.question,
            agent=self.settling.agent,
            run_id=self.settling.workflow_id,
            interaction_id=self.interaction.id,
            # The API stamps agent runs only at their end, so the beginning is ours.
            created=self.settling.requested_at,
            finished=_moment(self.interaction.updated),
            blocks=self.blocks,
            searches=counts.searches,
            pages=counts.pages,
            tokens=usage.total_tokens,
            cost=None if cost_usd is None else f"about ${cost_usd:.2f}",
            notes=self.notes,
        )


def output_of(interaction: Interaction, settling: SettleInteraction) -> Output:
    """Return the answer of this turn: every text and file after the last input, in order.

    All of it, not the last text alone: reports come in several parts with charts between them.
    """
    blocks: list[Block] = []
    media: list[MediaFile] = []
    notes: list[str] = []
    used: Counter[str] = Counter()
    for part in _parts(interaction):
        match part:
            case TextContent():
                _append_text(blocks, part)
            case MediaContent() if part.data is None:
                notes.append(f"{_KINDS[type(part)]} kept at {part.uri}")
            case MediaContent() if len(media) == _MAX_MEDIA:
                notes.append(f"only the first {_MAX_MEDIA} files were stored; all are in interaction.json")
            case MediaContent():
                kind = _KINDS[type(part)]
                used[kind] += 1
                try:
                    file = _file_of(part, name=f"{kind}-{used[kind]}")
                except InvalidMedia as error:
                    notes.append(f"{kind} {used[kind]} is unusable: {error}")
                else:
                    media.append(file)
                    blocks.append(_block_of(file))
            case _:
                pass  # unknown contents are named by `sightings.notes_on`
    return Output(
        interaction=interaction,
        settling=settling,
        blocks=tuple(blocks),
        media=tuple(media),
        notes=tuple(clean_text(note)[:MAX_NOTE_CHARS] for note in dict.fromkeys(notes))[:MAX_NOTES],
    )


def _parts(interaction: Interaction) -> Iterator[Content]:
    for step in interaction.turn_steps:
        if isinstance(step, ModelOutputStep):
            yield from step.content


def _append_text(blocks: list[Block], part: TextContent) -> None:
    before = blocks.pop() if blocks and isinstance(blocks[-1], TextBlock) else TextBlock("")
    assert isinstance(before, TextBlock)
    # Offsets count from the beginning of their own part.
    shift = len(before.text.encode(errors="replace"))
    citations = tuple(_citations(part, shift=shift))
    blocks.append(TextBlock(before.text + part.text, before.citations + citations))


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


def _file_of(part: MediaContent, *, name: str) -> MediaFile:
    assert part.data is not None
    content, media_type = playable(
        decode_base64(part.data, max_bytes=_MAX_MEDIA_BYTES), part.mime_type or _ANY_TYPE
    )
    if _MEDIA_TYPE.fullmatch(media_type) is None:
        media_type = _ANY_TYPE
    return MediaFile(name=f"{name}{suffix_of(media_type)}", media_type=media_type, content=content)


def _block_of(file: MediaFile) -> Block:
    if file.media_type.startswith("image/"):
        return ImageBlock(name=file.name, media_type=file.media_type, content=file.content)
    return FileBlock(name=file.name, media_type=file.media_type)


def _moment(stamp: str | None) -> datetime | None:
    try:
        return None if stamp is None else datetime.fromisoformat(stamp)
    except ValueError:
        return None
