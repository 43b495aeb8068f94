"""How a model is to generate, and what it is to answer with.

Workflow code: see docs/changing.md.

Source of the allowed values:
    https://ai.google.dev/api/interactions-api and google-genai 3.4.0, read 2026-11-22.
"""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from runs import limits
from runs.message import Message

ThinkingLevel = Literal["minimal", "low", "medium", "high", "xhigh"]
ToolChoice = Literal["auto", "any", "none", "validated"]
ServiceTier = Literal["flex", "standard", "priority", "deferred"]
AspectRatio = Literal[
    "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:8", "8:1", "1:4", "4:1"
]
ImageSize = Literal["512", "1K", "2K", "4K"]


class Generation(Message):
    """How a model generates. What is None is left to the model.

    Attributes:
        thinking_level: How long it thinks.
        thinking_summaries: Whether it says what it thinks, for people to follow.
        max_output_tokens: After this many the answer stops, and the run ends as incomplete.
        seed: For answers that resemble each other.
        stop_sequences: Texts at which the answer stops.
        tool_choice: Whether it may, must or must not use tools.
        allowed_tools: Names of the only function tools it may use; empty for all.
    """

    thinking_level: ThinkingLevel | None = None
    thinking_summaries: bool = True
    max_output_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    seed: int | None = Field(default=None, ge=-(2**31), le=2**31 - 1)
    stop_sequences: tuple[str, ...] = Field(default=(), max_length=limits.MAX_STOP_SEQUENCES)
    tool_choice: ToolChoice | None = None
    allowed_tools: tuple[str, ...] = Field(default=(), max_length=limits.MAX_TOOLS)


class TextOutput(Message):
    """Text; with a JSON Schema, JSON that follows it.

    Attributes:
        json_schema: The schema. The answer is validated against it when the run is settled.
    """

    type: Literal["text"] = "text"
    json_schema: dict[str, JsonValue] | None = None

    @field_validator("json_schema")
    @classmethod
    def _check_schema(cls, schema: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if schema is not None and len(json.dumps(schema)) > limits.MAX_SCHEMA_BYTES:
            raise ValueError(f"the JSON Schema is longer than {limits.MAX_SCHEMA_BYTES:,} bytes")
        return schema


class ImageOutput(Message):
    """An image. What is None is left to the model."""

    type: Literal["image"] = "image"
    aspect_ratio: AspectRatio | None = None
    size: ImageSize | None = None


class Speaker(Message):
    """A voice, and who of several speakers in the text has it.

    Attributes:
        voice: For example ``Kore``.
        speaker: The name in the text; None where there is one speaker.
        language: For example ``en-US``; None leaves it to the model.
    """

    voice: str = Field(min_length=1, max_length=100)
    speaker: str | None = Field(default=None, min_length=1, max_length=100)
    language: str | None = Field(default=None, min_length=1, max_length=35)


class AudioOutput(Message):
    """Speech."""

    type: Literal["audio"] = "audio"
    speakers: tuple[Speaker, ...] = Field(default=(), max_length=10)


class VideoOutput(Message):
    """A video."""

    type: Literal["video"] = "video"
    aspect_ratio: Literal["16:9", "9:16"] | None = None
    resolution: Literal["360p", "720p", "1080p", "4k"] | None = None


Output = Annotated[TextOutput | ImageOutput | AudioOutput | VideoOutput, Field(discriminator="type")]
"""One form an answer is to have; several may be asked for at once."""


class Outputs(Message):
    """What an answer is to consist of, in no order; empty leaves it to the model."""

    forms: tuple[Output, ...] = ()

    @model_validator(mode="after")
    def _check_once(self) -> Self:
        kinds = [form.type for form in self.forms]
        if len(set(kinds)) < len(kinds):
            raise ValueError("each form of output can be asked for once")
        return self

    @property
    def json_schema(self) -> dict[str, Any] | None:
        """The schema that the text has to follow, if any."""
        for form in self.forms:
            if isinstance(form, TextOutput):
                return form.json_schema
        return None
