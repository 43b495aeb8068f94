"""The interaction as the service describes it, and how to read it.

Source:
    https://ai.google.dev/api/interactions-api and google-genai 3.4.0, read 2026-11-22.
"""

from typing import Any

from interactions.contents import TextContent
from interactions.statuses import Standing, standing
from interactions.steps import ModelOutputStep, Step
from interactions.wire import Lenient, LenientMany, LenientText, WireDocument, WireModel


class ModalityTokens(WireModel):
    """Tokens of one modality: text, image, audio, video or document."""

    modality: str | None = None
    tokens: Lenient[int] = None


class GroundingToolCount(WireModel):
    """How often one grounding tool was used."""

    type: str | None = None
    count: Lenient[int] = None


class Usage(WireModel):
    """What an interaction consumed so far. Any figure may be missing, and may appear on a later look."""

    total_input_tokens: Lenient[int] = None
    total_output_tokens: Lenient[int] = None
    total_thought_tokens: Lenient[int] = None
    total_cached_tokens: Lenient[int] = None
    total_tool_use_tokens: Lenient[int] = None
    total_tokens: Lenient[int] = None
    initial_input_tokens: Lenient[int] = None
    input_tokens_by_modality: LenientMany[ModalityTokens] = ()
    output_tokens_by_modality: LenientMany[ModalityTokens] = ()
    cached_tokens_by_modality: LenientMany[ModalityTokens] = ()
    tool_use_tokens_by_modality: LenientMany[ModalityTokens] = ()
    grounding_tool_count: LenientMany[GroundingToolCount] = ()


class ApiProblem(WireModel):
    """One diagnostic of a run, or the error of a stream."""

    code: str | None = None
    message: str | None = None


class Interaction(WireDocument):
    """One interaction as it stood when the service answered.

    Echoes of the request (``tools``, ``agent_config``, ``webhook_config`` …) are kept as extra fields;
    what the service echoes varies.
    """

    id: LenientText = ""
    """Empty when the service gave none, as it does for ``store=false``."""
    status: LenientText = ""
    """Google's word; see ``statuses``. Empty when the service gave none, which counts as unknown."""
    model: Lenient[str] = None
    agent: Lenient[str] = None
    created: Lenient[str] = None
    """RFC 3339. Agent runs stamp ``created`` and ``updated`` alike at their end: no duration in them."""
    updated: Lenient[str] = None
    steps: LenientMany[Step] = ()
    usage: Lenient[Usage] = None
    errors: LenientMany[ApiProblem] = ()
    previous_interaction_id: Lenient[str] = None
    environment_id: Lenient[str] = None
    continuation_token: Lenient[str] = None
    service_tier: Lenient[str] = None
    labels: Lenient[dict[str, Any]] = None

    @property
    def standing(self) -> Standing:
        """Whether to look again, carry on with a new create, or settle."""
        return standing(self.status)

    @property
    def turn_steps(self) -> tuple[Step, ...]:
        """The steps after the last ``user_input``: what this turn did."""
        for position in range(len(self.steps) - 1, -1, -1):
            # By the word, not the class: an unreadable question still separates two turns.
            if self.steps[position].type == "user_input":
                return self.steps[position + 1 :]
        return self.steps

    @property
    def texts(self) -> tuple[TextContent, ...]:
        """Every text part of every model output of this turn, in order."""
        return tuple(
            part
            for step in self.turn_steps
            if isinstance(step, ModelOutputStep)
            for part in step.content
            if isinstance(part, TextContent)
        )

    @property
    def text(self) -> str:
        """The whole answer in text.

        Not the official SDK's ``output_text``, which keeps only the last run of text and so drops what
        comes before an image or a search: Deep Research splits its reports and puts charts between.
        """
        return "".join(part.text for part in self.texts)
