"""What a create may carry as ``input``: text, one content, a list of contents, or a list of steps.

Source:
    https://ai.google.dev/api/interactions-api and google-genai 3.4.0, read 2026-11-22.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Tag, model_serializer, model_validator

from interactions.tools import Function
from interactions.wire import RequestModel

Resolution = Literal["low", "medium", "high", "ultra_high"]


class Text(RequestModel):
    """Text."""

    type: Literal["text"] = "text"
    text: str


class _Media(RequestModel):
    """Bytes as base64 in ``data``, or the address of a file in ``uri``; one of them."""

    data: str | None = Field(default=None, repr=False)
    uri: str | None = None
    mime_type: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.data is None) == (self.uri is None):
            raise ValueError("give exactly one of data and uri")
        return self


class Image(_Media):
    """An image."""

    type: Literal["image"] = "image"
    resolution: Resolution | None = None


class AudioProcessing(RequestModel):
    """Which stretch of a sound to read; offsets are durations such as ``"1.5s"``."""

    type: Literal["static"] = "static"
    start_offset: str | None = None
    end_offset: str | None = None


class VideoProcessing(RequestModel):
    """Which stretch and layers of a video to read, and how densely."""

    type: Literal["static"] = "static"
    start_offset: str | None = None
    end_offset: str | None = None
    fps: float | None = None
    content_layers: tuple[Literal["frames", "audio", "transcript"], ...] | None = None


class PageOptions(RequestModel):
    """Which pages of a document to read."""

    start_page: int | None = None
    end_page: int | None = None
    content_layers: tuple[Literal["page_image", "page_text"], ...] | None = None


class SpreadsheetOptions(RequestModel):
    """Which part of a spreadsheet to read."""

    sheet_index: int | None = None
    visible_cells: str | None = None
    content_layers: tuple[Literal["visual", "data", "formulas"], ...] | None = None


class DocumentProcessing(RequestModel):
    """Which part of a document to read."""

    type: Literal["static"] = "static"
    page_options: PageOptions | None = None
    spreadsheet_options: SpreadsheetOptions | None = None


class Audio(_Media):
    """A sound. ``processing`` is accepted only inside a ``UserInput`` step."""

    type: Literal["audio"] = "audio"
    sample_rate: int | None = None
    channels: int | None = None
    processing: AudioProcessing | str | None = None


class Video(_Media):
    """A video. ``processing`` is accepted only inside a ``UserInput`` step."""

    type: Literal["video"] = "video"
    resolution: Resolution | None = None
    name: str | None = None
    processing: VideoProcessing | str | None = None


class Document(_Media):
    """A document. ``processing`` is accepted only inside a ``UserInput`` step."""

    type: Literal["document"] = "document"
    resolution: Resolution | None = None
    processing: DocumentProcessing | str | None = None


Content = Annotated[Text | Image | Audio | Video | Document, Field(discriminator="type")]


class UserInput(RequestModel):
    """What a person says."""

    type: Literal["user_input"] = "user_input"
    content: tuple[Content, ...]


class ModelOutput(RequestModel):
    """What a model is said to have answered, for a history kept by the caller."""

    type: Literal["model_output"] = "model_output"
    content: tuple[Content, ...]


class FunctionCall(RequestModel):
    """A function call of an earlier turn, for a history kept by the caller."""

    type: Literal["function_call"] = "function_call"
    id: str
    name: str
    arguments: dict[str, JsonValue]
    signature: str | None = Field(default=None, repr=False)


class FunctionResult(RequestModel):
    """The answer to a function call: text, an object, or contents."""

    type: Literal["function_result"] = "function_result"
    call_id: str
    result: (
        str
        | tuple[
            Annotated[Text | Image | Audio | Video | Document | Function, Field(discriminator="type")], ...
        ]
        | dict[str, JsonValue]
    )
    name: str | None = None
    is_error: bool | None = None


class ReplayedStep(RequestModel):
    """Any step, word for word as the service sent it.

    A history kept by the caller (``store=false``) must be sent back unaltered, signatures and undeclared
    fields included, or the service answers ``missing_thought_signature``.
    """

    raw: dict[str, JsonValue] = Field(repr=False)

    @model_validator(mode="before")
    @classmethod
    def _take_whole(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            return {"raw": value}
        return value

    @model_serializer
    def _as_received(self) -> dict[str, JsonValue]:
        return self.raw


_STEP_CLASSES = {
    "user_input": UserInput,
    "model_output": ModelOutput,
    "function_call": FunctionCall,
    "function_result": FunctionResult,
}


def _step_tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if kind in _STEP_CLASSES else "replayed"


Step = Annotated[
    Annotated[UserInput, Tag("user_input")]
    | Annotated[ModelOutput, Tag("model_output")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[FunctionResult, Tag("function_result")]
    | Annotated[ReplayedStep, Tag("replayed")],
    Discriminator(_step_tag),
]

_CONTENT_KINDS = frozenset({"text", "image", "audio", "video", "document"})


def _input_tag(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if not isinstance(value, list | tuple):
        return "content"
    first = value[0] if value else None
    kind = first.get("type") if isinstance(first, dict) else getattr(first, "type", None)
    return "contents" if kind in _CONTENT_KINDS else "steps"


Input = Annotated[
    Annotated[str, Field(min_length=1), Tag("text")]
    | Annotated[Content, Tag("content")]
    | Annotated[tuple[Content, ...], Field(min_length=1), Tag("contents")]
    | Annotated[tuple[Step, ...], Field(min_length=1), Tag("steps")],
    Discriminator(_input_tag),
]
"""The four forms. An empty one is refused here: the service would answer 400."""
