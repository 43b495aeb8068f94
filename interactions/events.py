"""The events of a stream, as received.

A delta carries a piece of the step that the last ``step.start`` with its ``index`` began. Deltas of media
have the fields of that content, deltas of calls and results those of that step without its ids.

Source:
    https://ai.google.dev/gemini-api/docs/streaming and google-genai 3.4.0, read 2026-11-22.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from interactions.contents import (
    Annotation,
    AudioContent,
    Content,
    DocumentContent,
    ImageContent,
    VideoContent,
)
from interactions.responses import ApiProblem, Interaction, Usage
from interactions.steps import KnownCallOrResult, Step
from interactions.wire import Lenient, Many, Unknown, WireDocument, WireModel


class TextDelta(WireModel):
    """More text; append it."""

    type: Literal["text"] = "text"
    text: str = ""


class TextAnnotationDelta(WireModel):
    """Annotations of the text so far."""

    type: Literal["text_annotation_delta"] = "text_annotation_delta"
    annotations: Many[Annotation] = ()


class ThoughtSummaryDelta(WireModel):
    """More of a thought's summary; append it."""

    type: Literal["thought_summary"] = "thought_summary"
    content: Content | None = None


class ThoughtSignatureDelta(WireModel):
    """The signature of a thought."""

    type: Literal["thought_signature"] = "thought_signature"
    signature: str | None = Field(default=None, repr=False)


class ArgumentsDelta(WireModel):
    """A fragment of JSON text; the arguments are whole at ``step.stop``."""

    type: Literal["arguments_delta"] = "arguments_delta"
    arguments: str = ""


class UnknownDelta(Unknown):
    """A delta this client does not know."""


Delta = Annotated[
    Annotated[
        TextDelta
        | TextAnnotationDelta
        | ThoughtSummaryDelta
        | ThoughtSignatureDelta
        | ArgumentsDelta
        | ImageContent
        | AudioContent
        | VideoContent
        | DocumentContent
        | KnownCallOrResult,
        Field(discriminator="type"),
    ]
    | UnknownDelta,
    Field(union_mode="left_to_right"),
]


class _Event(WireDocument):
    event_id: Lenient[str] = None
    """Opaque mark to resume after; only some events carry one."""


class InteractionCreated(_Event):
    """The run exists and this is its id: the first event of a stream."""

    event_type: Literal["interaction.created"] = "interaction.created"
    interaction: Interaction = Interaction()


class InteractionStatusUpdate(_Event):
    """The status changed, or is told again."""

    event_type: Literal["interaction.status_update"] = "interaction.status_update"
    interaction_id: str = ""
    status: str = ""
    continuation_token: str | None = None
    usage: Lenient[Usage] = None


class StepStart(_Event):
    """A step begins."""

    event_type: Literal["step.start"] = "step.start"
    index: int = 0
    step: Step


class DeltaMetadata(WireModel):
    """What the run consumed so far."""

    total_usage: Lenient[Usage] = None


class StepDelta(_Event):
    """A step grows."""

    event_type: Literal["step.delta"] = "step.delta"
    index: int = 0
    delta: Delta
    metadata: Lenient[DeltaMetadata] = None


class StepStop(_Event):
    """A step is whole."""

    event_type: Literal["step.stop"] = "step.stop"
    index: int = 0
    usage: Lenient[Usage] = None
    step_usage: Lenient[Usage] = None


class InteractionCompleted(_Event):
    """The turn is over, in whatever way: read ``interaction.status``. Normally without steps."""

    event_type: Literal["interaction.completed"] = "interaction.completed"
    interaction: Interaction = Interaction()


class ErrorEvent(_Event):
    """The stream, or the run, failed; only a GET says which."""

    event_type: Literal["error"] = "error"
    error: Lenient[ApiProblem] = None


class UnknownEvent(_Event):
    """An event this client does not know, or one whose data is not what its type promises."""

    event_type: str = ""
    raw: Any = None
    """The event's JSON, or its text when it is no JSON object."""


KnownEvent = Annotated[
    InteractionCreated
    | InteractionStatusUpdate
    | StepStart
    | StepDelta
    | StepStop
    | InteractionCompleted
    | ErrorEvent,
    Field(discriminator="event_type"),
]

StreamEvent = KnownEvent | UnknownEvent

KNOWN_EVENT: Final[TypeAdapter[KnownEvent]] = TypeAdapter(KnownEvent)
