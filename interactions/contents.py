"""What a step carries, as received: text with annotations, images, audio, video, documents.

Every field is optional, because the service leaves out empty ones and a stream starts with little. A
variant that is unknown or carries a field of an unexpected type becomes an ``Unknown…`` with its raw
value, so that new kinds of content are kept and shown instead of being lost or stopping a run.

Source:
    https://ai.google.dev/api/interactions-api and google-genai 3.4.0, read 2026-11-22.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from interactions.wire import LenientMany, Many, Unknown, WireModel


class _Span(WireModel):
    """A place in the text: UTF-8 byte offsets, end exclusive."""

    start_index: int | None = None
    end_index: int | None = None


class UrlCitation(_Span):
    """A web page as the source of a span."""

    type: Literal["url_citation"] = "url_citation"
    url: str | None = None
    title: str | None = None


class FileCitation(_Span):
    """A file of a file search store as the source of a span."""

    type: Literal["file_citation"] = "file_citation"
    document_uri: str | None = None
    file_name: str | None = None
    source: str | None = None
    page_number: int | None = None
    media_id: str | None = None
    custom_metadata: dict[str, Any] | None = None


class ReviewSnippet(WireModel):
    """One review of a place."""

    review_id: str | None = None
    title: str | None = None
    url: str | None = None


class PlaceCitation(_Span):
    """A place on the map as the source of a span."""

    type: Literal["place_citation"] = "place_citation"
    place_id: str | None = None
    name: str | None = None
    url: str | None = None
    review_snippets: Many[ReviewSnippet] = ()


class SpeechMetadata(_Span):
    """Who speaks a span, and how."""

    type: Literal["speech_metadata"] = "speech_metadata"
    speaker: str | None = None
    style: str | None = None


class WordInfo(_Span):
    """When a transcribed word was said; offsets are durations such as ``"1.5s"``."""

    type: Literal["word_info"] = "word_info"
    text: str | None = None
    start_offset: str | None = None
    end_offset: str | None = None
    speaker: str | None = None


class UnknownAnnotation(Unknown):
    """An annotation this client does not know."""


Annotation = Annotated[
    Annotated[
        UrlCitation | FileCitation | PlaceCitation | SpeechMetadata | WordInfo,
        Field(discriminator="type"),
    ]
    | UnknownAnnotation,
    Field(union_mode="left_to_right"),
]


class TextContent(WireModel):
    """A part of an answer in text."""

    type: Literal["text"] = "text"
    text: str = ""
    # Unreadable annotations must not cost the text they decorate.
    annotations: LenientMany[Annotation] = ()


class MediaContent(WireModel):
    """Bytes as base64 in ``data``, or an address in ``uri``."""

    data: str | None = Field(default=None, repr=False)
    uri: str | None = None
    mime_type: str | None = None


class ImageContent(MediaContent):
    """An image."""

    type: Literal["image"] = "image"
    resolution: str | None = None


class AudioContent(MediaContent):
    """A sound."""

    type: Literal["audio"] = "audio"
    sample_rate: int | None = None
    channels: int | None = None
    processing: Any = None


class VideoContent(MediaContent):
    """A video."""

    type: Literal["video"] = "video"
    resolution: str | None = None
    name: str | None = None
    processing: Any = None


class DocumentContent(MediaContent):
    """A document, for example a PDF."""

    type: Literal["document"] = "document"
    resolution: str | None = None
    processing: Any = None


class UnknownContent(Unknown):
    """Content this client does not know."""


Content = Annotated[
    Annotated[
        TextContent | ImageContent | AudioContent | VideoContent | DocumentContent,
        Field(discriminator="type"),
    ]
    | UnknownContent,
    Field(union_mode="left_to_right"),
]
