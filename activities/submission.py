"""A submission of ours as the API's create request."""

import asyncio
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from activities.failures import NotSendable
from activities.rights import check_rights
from activities.submission_input import input_of
from activities.submission_tools import tools_of
from activities.transcripts import read_environment_id
from artifacts.errors import InvalidMedia
from artifacts.store import ArtifactStore
from interactions.documents import parse_interaction, parse_object
from interactions.requests import (
    AntigravityConfig,
    AudioFormat,
    CreateInteraction,
    DeepResearchConfig,
    GenerationConfig,
    ImageFormat,
    ResponseFormat,
    Speaker,
    Speakers,
    TextFormat,
    ToolChoice,
    VideoFormat,
)
from interactions.responses import Interaction
from interactions.tools import AllowedTools, ToolChoiceMode
from runs.generation import AudioOutput, Generation, ImageOutput, Output, TextOutput, VideoOutput
from runs.messages import AgentRunRequest, FollowUp, FollowUpKind, SubmitInteraction
from runs.tool_secrets import ToolSecret

_MAX_INTERACTION_BYTES: Final = 64 * 1024 * 1024
"""A stored interaction, which is as long as the API's reply was."""


async def build_submission(
    submission: SubmitInteraction,
    store: ArtifactStore,
    secrets: Mapping[str, ToolSecret],
    *,
    is_vertex: bool = False,
) -> CreateInteraction:
    """Return the create request for ``submission``, with what is stored put into it.

    Args:
        submission: What is asked for.
        store: Has attachments, quotes, earlier turns and results of tools.
        secrets: What tools authorize themselves with, by the names that requests use.
        is_vertex: Whether it goes to Vertex AI, which takes more.

    Raises:
        ArtifactsError: Something cannot be read from the store, or is not what it says.
        NotSendable: It cannot be sent as it is.
    """
    try:
        return await _create_of(submission, store, secrets, is_vertex=is_vertex)
    except ValidationError as error:
        # What passes as a request of ours and not in the API's own words comes to the same every time.
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NotSendable(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


async def _create_of(
    submission: SubmitInteraction,
    store: ArtifactStore,
    secrets: Mapping[str, ToolSecret],
    *,
    is_vertex: bool,
) -> CreateInteraction:
    await check_rights(submission, store)
    request, follow_up = submission.request, submission.follow_up
    previous = None if follow_up is None else await _stored_interaction(follow_up, store)
    is_continued = follow_up is not None and follow_up.kind is FollowUpKind.CONTINUATION
    return CreateInteraction(
        model=request.model,
        agent=request.agent,
        # The API continues a stored interaction from its token, and takes no input then.
        input=None if is_continued else await input_of(request, follow_up, store),
        continuation_token=_continuation_token(previous) if is_continued else None,
        previous_interaction_id=_previous_interaction_id(request, follow_up),
        # Neither this nor the tools are inherited from the previous interaction.
        system_instruction=request.system_instruction,
        tools=tools_of(submission, secrets, is_vertex=is_vertex),
        generation_config=_generation_config_of(request, follow_up),
        agent_config=_agent_config_of(request, follow_up),
        response_format=_response_format_of(request),
        # What works in the background is watched, and survives every broken connection.
        background=not submission.holds_connection,
        service_tier=request.service_tier,
        environment=await _environment_of(request, previous, store),
    )


def _previous_interaction_id(request: AgentRunRequest, follow_up: FollowUp | None) -> str | None:
    if follow_up is not None:
        return follow_up.previous_interaction_id
    if request.transcript is not None and request.transcript.is_retold:
        # The API has forgotten it; that is why the conversation is told anew.
        return None
    return request.previous_interaction_id


async def _stored_interaction(follow_up: FollowUp, store: ArtifactStore) -> Interaction | None:
    if follow_up.interaction_uri is None:
        return None
    raw = await store.get(follow_up.interaction_uri, max_bytes=_MAX_INTERACTION_BYTES)
    try:
        document = await asyncio.to_thread(parse_object, raw)
    except ValueError:
        raise InvalidMedia(f"{follow_up.interaction_uri} holds no interaction") from None
    return parse_interaction(document, raw)


def _continuation_token(previous: Interaction | None) -> str:
    if previous is None or previous.continuation_token is None:
        raise NotSendable("there is no continuation token to go on from")
    return previous.continuation_token


def _agent_config_of(
    request: AgentRunRequest, follow_up: FollowUp | None
) -> DeepResearchConfig | AntigravityConfig | None:
    agent = request.agent or ""
    if agent.startswith("deep-research-"):
        return DeepResearchConfig(
            # What `longhaul watch` shows while it works; off by default in the API.
            thinking_summaries="auto",
            visualization="auto" if request.visualization else "off",
            collaborative_planning=_wants_plan(request, follow_up),
        )
    if agent.startswith("antigravity-"):
        return AntigravityConfig(
            max_total_tokens=None if request.budget is None else request.budget.max_tokens
        )
    # A custom agent brings its own configuration.
    return None


def _wants_plan(request: AgentRunRequest, follow_up: FollowUp | None) -> bool | None:
    if request.planning is None:
        return None
    # Approval is to switch it off: with it on, the agent answers even "go ahead" with a plan.
    return follow_up is None or follow_up.kind is FollowUpKind.PLAN_REVISED


async def _environment_of(
    request: AgentRunRequest, previous: Interaction | None, store: ArtifactStore
) -> str | None:
    if not (request.agent or "").startswith("antigravity-"):
        return None
    environment_id = None if previous is None else previous.environment_id
    place = request.transcript
    if previous is None and place is not None and not place.is_retold:
        environment_id = await read_environment_id(store, place)
    # Antigravity works in a sandbox and refuses to start without one: the one it had, or a new one.
    return environment_id or "remote"


def _generation_config_of(request: AgentRunRequest, follow_up: FollowUp | None) -> GenerationConfig | None:
    speakers = tuple(
        Speaker(speaker=each.speaker, voice=each.voice, language=each.language)
        for form in request.outputs.forms
        if isinstance(form, AudioOutput)
        for each in form.speakers
    )
    wanted = request.generation
    if wanted is None:
        return GenerationConfig(speech_config=Speakers(speakers=speakers)) if speakers else None
    return GenerationConfig(
        thinking_level=wanted.thinking_level,
        thinking_summaries="auto" if wanted.thinking_summaries else "none",
        max_output_tokens=wanted.max_output_tokens,
        seed=wanted.seed,
        stop_sequences=wanted.stop_sequences or None,
        tool_choice=_tool_choice_of(wanted, follow_up),
        speech_config=Speakers(speakers=speakers) if speakers else None,
    )


def _tool_choice_of(wanted: Generation, follow_up: FollowUp | None) -> ToolChoiceMode | ToolChoice | None:
    mode = wanted.tool_choice
    if mode == "any" and follow_up is not None and follow_up.kind is FollowUpKind.TOOL_RESULTS:
        # It has used one. Told that it must again, it would never come to an answer.
        mode = "auto"
    if not wanted.allowed_tools:
        return mode
    return ToolChoice(allowed_tools=AllowedTools(mode=mode or "auto", tools=wanted.allowed_tools))


def _response_format_of(request: AgentRunRequest) -> ResponseFormat | tuple[ResponseFormat, ...] | None:
    formats = tuple(map(_format_of, request.outputs.forms))
    return formats[0] if len(formats) == 1 else formats or None


def _format_of(form: Output) -> ResponseFormat:
    match form:
        case TextOutput(json_schema=None):
            return TextFormat()
        case TextOutput(json_schema=schema):
            return TextFormat(mime_type="application/json", schema_=schema)
        case ImageOutput():
            return ImageFormat(aspect_ratio=form.aspect_ratio, image_size=form.size)
        case AudioOutput():
            return AudioFormat()
        case VideoOutput():
            return VideoFormat(aspect_ratio=form.aspect_ratio, resolution=form.resolution)
