"""A request of ours as the API's create request."""

import asyncio
import base64
from typing import Final

from artifacts.errors import InvalidMedia
from artifacts.store import ArtifactStore
from interactions import inputs
from interactions.requests import AntigravityConfig, CreateInteraction, DeepResearchConfig
from runs.limits import MAX_ATTACHMENT_BYTES
from runs.messages import AgentRunRequest, Attachment

_FETCHED_BY_THE_API: Final = ("https://", "http://", "gs://")

_MEDIA: Final[dict[str, type[inputs.Image | inputs.Audio | inputs.Video]]] = {
    "image": inputs.Image,
    "audio": inputs.Audio,
    "video": inputs.Video,
}


async def build_submission(request: AgentRunRequest, store: ArtifactStore) -> CreateInteraction:
    """Return the create request for ``request``, with stored attachments inlined.

    Raises:
        ArtifactsError: An attachment cannot be read from the store, or is not what it says.
    """
    contents: tuple[inputs.Content, ...] = (inputs.Text(text=request.input),)
    for attachment in request.attachments:
        contents += await _contents_of(attachment, store)
    return CreateInteraction(
        agent=request.agent,
        input=request.input if len(contents) == 1 else contents,
        # An agent run is watched, not held on a connection; Deep Research accepts nothing else.
        background=True,
        agent_config=_config_for(request),
        # Antigravity works in a sandbox and refuses to start without one.
        environment="remote" if request.agent.startswith("antigravity-") else None,
    )


def _config_for(request: AgentRunRequest) -> DeepResearchConfig | AntigravityConfig | None:
    if request.agent.startswith("deep-research-"):
        return DeepResearchConfig(
            # What `longhaul watch` shows while it works; off by default in the API.
            thinking_summaries="auto",
            visualization="auto" if request.visualization else "off",
        )
    if request.agent.startswith("antigravity-"):
        return AntigravityConfig()
    # A custom agent brings its own configuration.
    return None


async def _contents_of(attachment: Attachment, store: ArtifactStore) -> tuple[inputs.Content, ...]:
    kind, _, _ = attachment.media_type.partition("/")
    media = _MEDIA.get(kind, inputs.Document)
    if attachment.uri.startswith(_FETCHED_BY_THE_API):
        return (media(uri=attachment.uri, mime_type=attachment.media_type),)
    stored = await store.get(attachment.uri, max_bytes=MAX_ATTACHMENT_BYTES)
    if kind == "text":
        try:
            return (inputs.Text(text=f"{attachment.name}:\n\n{stored.decode()}"),)
        except UnicodeDecodeError:
            raise InvalidMedia(f"attachment {attachment.name!r} is not UTF-8 text") from None
    # Base64 of 50 MB takes long enough to make other activities miss a heartbeat.
    encoded = await asyncio.to_thread(lambda: base64.b64encode(stored).decode())
    return (media(data=encoded, mime_type=attachment.media_type),)
