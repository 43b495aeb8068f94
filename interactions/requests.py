"""The create request: everything that may be asked of a model or an agent.

The models refuse what can only be a mistake (unknown fields, two targets, no input). Rules that the
service may lift any day, such as which tools an agent takes, are left to its 400: an answer that is
clear, free and final.

Source:
    https://ai.google.dev/api/interactions-api and google-genai 3.4.0, read 2026-11-22.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, field_serializer, model_validator
from pydantic_core import to_json

from interactions.inputs import Input
from interactions.tools import AllowedTools, JsonObject, Tool, ToolChoiceMode
from interactions.wire import RequestModel

ThinkingSummaries = Literal["auto", "none"]
Delivery = Literal["inline", "uri"]
AspectRatio = Literal[
    "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:8", "8:1", "1:4", "4:1"
]


# --- generation_config


class ToolChoice(RequestModel):
    """A tool choice limited to some tools."""

    allowed_tools: AllowedTools


class Speaker(RequestModel):
    """A voice for a speaker."""

    speaker: str | None = None
    voice: str | None = None
    language: str | None = None


class Speakers(RequestModel):
    """Voices for several speakers."""

    speakers: tuple[Speaker, ...]


class VerbatimTranscription(RequestModel):
    """Transcription word for word."""

    type: Literal["verbatim"] = "verbatim"
    diarization_mode: str | None = None
    timestamp_granularities: tuple[str, ...] | None = None


class SmartTranscription(RequestModel):
    """Transcription that may tidy up, along a source text."""

    type: Literal["smart"] = "smart"
    source_text: str | None = None


class TranscriptionConfig(RequestModel):
    """How speech is transcribed. The last four fields are deprecated by the service."""

    mode: (
        Literal["verbatim", "smart"]
        | Annotated[VerbatimTranscription | SmartTranscription, Field(discriminator="type")]
        | None
    ) = None
    language_codes: tuple[str, ...] | None = None
    custom_vocabulary: tuple[str, ...] | None = None
    language_hints: tuple[str, ...] | None = None
    adaptation_phrases: tuple[str, ...] | None = None
    diarization_mode: str | None = None
    timestamp_granularities: tuple[str, ...] | None = None


class VideoConfig(RequestModel):
    """What to do to make a video."""

    task: Literal["text_to_video", "image_to_video", "reference_to_video", "edit", "extend", "upscale"]


class ImageConfig(RequestModel):
    """Deprecated by the service in favour of ``ImageFormat``."""

    aspect_ratio: AspectRatio | None = None
    image_size: Literal["512", "1K", "2K", "4K"] | None = None


class GenerationConfig(RequestModel):
    """How a model generates. The last three fields are deprecated by the service."""

    max_output_tokens: int | None = None
    seed: int | None = None
    stop_sequences: tuple[str, ...] | None = None
    thinking_level: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    thinking_summaries: ThinkingSummaries | None = None
    tool_choice: ToolChoiceMode | ToolChoice | None = None
    speech_config: Speakers | tuple[Speaker, ...] | None = None
    transcription_config: TranscriptionConfig | None = None
    video_config: VideoConfig | None = None
    temperature: float | None = None
    top_p: float | None = None
    image_config: ImageConfig | None = None


# --- agent_config


class DeepResearchConfig(RequestModel):
    """Deep Research. With ``collaborative_planning`` the run ends with a plan instead of a report."""

    type: Literal["deep-research"] = "deep-research"
    thinking_summaries: ThinkingSummaries | None = None
    visualization: Literal["auto", "off"] | None = None
    collaborative_planning: bool | None = None
    enable_bigquery_tool: bool | None = None


class AntigravityConfig(RequestModel):
    """Antigravity. ``max_total_tokens`` ends the run as ``incomplete``."""

    type: Literal["antigravity"] = "antigravity"
    max_total_tokens: int | None = None
    model: str | None = None

    @field_serializer("max_total_tokens")
    def _int64(self, value: int | None) -> str | None:
        # The wire writes 64-bit integers as strings.
        return None if value is None else str(value)


class SourceFile(RequestModel):
    """A file and its text."""

    path: str | None = None
    content: str | None = None


class FindRequest(RequestModel):
    """Vulnerabilities to look for, or one to verify."""

    mode: Literal["scan", "verify"] | None = None
    description: str | None = None
    finding_id: str | None = None
    source_files: tuple[SourceFile, ...] | None = None


class FixRequest(RequestModel):
    """A vulnerability to fix."""

    description: str | None = None
    finding_id: str | None = None
    source_files: tuple[SourceFile, ...] | None = None


class SessionConfig(RequestModel):
    """Bounds of a CodeMender session."""

    max_rounds: int | None = None


class CodeMenderConfig(RequestModel):
    """CodeMender."""

    type: Literal["code-mender"] = "code-mender"
    session_id: str | None = None
    session_config: SessionConfig | None = None
    model: str | None = None
    find_request: FindRequest | None = None
    fix_request: FixRequest | None = None


class DynamicConfig(RequestModel):
    """Any agent: free-form keys."""

    # The only request model that takes unknown fields, because the service defines it so.
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    type: Literal["dynamic"] = "dynamic"


AgentConfig = Annotated[
    DeepResearchConfig | AntigravityConfig | CodeMenderConfig | DynamicConfig, Field(discriminator="type")
]


# --- response_format


class TextFormat(RequestModel):
    """Text, or JSON that follows a schema."""

    type: Literal["text"] = "text"
    mime_type: Literal["application/json", "text/plain"] | None = None
    # Named so because BaseModel already has a ``schema``.
    schema_: JsonObject | None = Field(default=None, alias="schema")

    model_config = ConfigDict(populate_by_name=True)


class ImageFormat(RequestModel):
    """An image."""

    type: Literal["image"] = "image"
    mime_type: str | None = None
    aspect_ratio: AspectRatio | None = None
    image_size: Literal["512", "1K", "2K", "4K"] | None = None
    delivery: Delivery | None = None


class AudioFormat(RequestModel):
    """A sound."""

    type: Literal["audio"] = "audio"
    mime_type: (
        Literal["audio/mp3", "audio/ogg_opus", "audio/l16", "audio/wav", "audio/alaw", "audio/mulaw"] | None
    ) = None
    sample_rate: int | None = None
    bit_rate: int | None = None
    delivery: Delivery | None = None


class VideoFormat(RequestModel):
    """A video; ``gcs_uri`` on Vertex only."""

    type: Literal["video"] = "video"
    aspect_ratio: Literal["16:9", "9:16"] | None = None
    resolution: Literal["360p", "720p", "1080p", "4k"] | None = None
    duration: str | None = None
    delivery: Delivery | None = None
    gcs_uri: str | None = None


def _format_tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if kind in ("text", "image", "audio", "video") else "free"


# The service also takes any other object, for example a bare JSON Schema.
ResponseFormat = Annotated[
    Annotated[TextFormat, Tag("text")]
    | Annotated[ImageFormat, Tag("image")]
    | Annotated[AudioFormat, Tag("audio")]
    | Annotated[VideoFormat, Tag("video")]
    | Annotated[JsonObject, Tag("free")],
    Discriminator(_format_tag),
]


# --- environment


class EnvironmentSource(RequestModel):
    """Something placed into the sandbox."""

    type: Literal["gcs", "inline", "repository", "skill_registry"] | None = None
    source: str | None = None
    content: str | None = Field(default=None, repr=False)
    encoding: str | None = None
    target: str | None = None


class AllowedDomain(RequestModel):
    """A domain that the sandbox may reach."""

    domain: str
    credential: str | None = Field(default=None, repr=False)
    transform: tuple[dict[str, str], ...] | dict[str, str] | None = Field(default=None, repr=False)


class Egress(RequestModel):
    """Which domains the sandbox may reach."""

    allowlist: Literal["disabled"] | tuple[AllowedDomain, ...]


class EnvironmentVariable(RequestModel):
    """A value, or the id of a stored credential."""

    value: str | None = Field(default=None, repr=False)
    credential: str | None = Field(default=None, repr=False)


class Environment(RequestModel):
    """A sandbox to make, or one to go on with."""

    type: Literal["remote"] = "remote"
    environment_id: str | None = None
    sources: tuple[EnvironmentSource, ...] | None = None
    network: Literal["disabled"] | Egress | None = None
    env: dict[str, str | EnvironmentVariable] | None = Field(default=None, repr=False)


# --- the request itself


class WebhookConfig(RequestModel):
    """Where this run announces its end; needs ``background``."""

    uris: tuple[str, ...]
    user_metadata: JsonObject | None = None


class SafetySetting(RequestModel):
    """A threshold for one kind of harm; Vertex only."""

    type: Literal[
        "hate_speech",
        "dangerous_content",
        "harassment",
        "sexually_explicit",
        "civic_integrity",
        "image_hate",
        "image_dangerous_content",
        "image_harassment",
        "image_sexually_explicit",
        "jailbreak",
    ]
    threshold: Literal[
        "block_low_and_above", "block_medium_and_above", "block_only_high", "block_none", "off"
    ]
    method: Literal["severity", "probability"] | None = None


class CreateInteraction(RequestModel):
    """One create: exactly one of ``model`` and ``agent``, and what to do.

    What is left None is not sent. ``stream`` is no field: ``InteractionsClient.stream_create`` sets it.
    """

    model: str | None = Field(default=None, min_length=1)
    agent: str | None = Field(default=None, min_length=1)
    input: Input | None = Field(default=None, repr=False)
    """May be left out only together with ``continuation_token``."""
    system_instruction: str | None = Field(default=None, repr=False)
    previous_interaction_id: str | None = None
    tools: tuple[Tool, ...] | None = None
    generation_config: GenerationConfig | None = None
    agent_config: AgentConfig | None = None
    response_format: ResponseFormat | tuple[ResponseFormat, ...] | None = None
    background: bool | None = None
    store: bool | None = None
    webhook_config: WebhookConfig | None = None
    service_tier: Literal["flex", "standard", "priority", "deferred"] | None = None
    environment: str | Environment | None = None
    """``"remote"``, the bare id of an environment, or a description of one."""
    continuation_token: str | None = Field(default=None, repr=False)
    labels: dict[str, str] | None = None
    safety_settings: tuple[SafetySetting, ...] | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.model is None) == (self.agent is None):
            raise ValueError("give exactly one of model and agent")
        if self.agent is not None and self.generation_config is not None:
            raise ValueError("generation_config goes with a model, agent_config with an agent")
        if self.model is not None and self.agent_config is not None:
            raise ValueError("agent_config goes with an agent, generation_config with a model")
        if self.input is None and self.continuation_token is None:
            raise ValueError("input may be left out only together with continuation_token")
        return self

    def to_body(self, *, stream: bool) -> bytes:
        """Return the JSON to send."""
        # None means "not said". It is dropped from our models only: inside free-form objects, such as a
        # JSON Schema's ``default``, null is a value and stays.
        body = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        if stream:
            body["stream"] = True
        return to_json(body)
