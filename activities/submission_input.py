"""What a submission says: question, quotes and attachments, earlier turns, results of tools."""

import asyncio
import base64
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from activities.failures import NotSendable
from activities.quotes import with_quotes
from activities.rights import is_stored
from activities.transcripts import read_earlier_turns
from artifacts.errors import ArtifactTooLarge, InvalidMedia
from artifacts.store import ArtifactStore
from interactions import inputs
from runs.limits import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS_BYTES
from runs.messages import AgentRunRequest, Attachment, FollowUp, FollowUpKind, TranscriptTurn
from runs.tool_calls import ToolAnswer

_MEDIA: Final[dict[str, type[inputs.Image | inputs.Audio | inputs.Video]]] = {
    "image": inputs.Image,
    "audio": inputs.Audio,
    "video": inputs.Video,
}

_SHORTENED: Final = (
    "[The earlier turns of this conversation are too long to repeat; the oldest are left out.]"
)

_GO_AHEAD: Final = "Go ahead."


async def input_of(
    request: AgentRunRequest, follow_up: FollowUp | None, store: ArtifactStore
) -> str | tuple[inputs.Content, ...] | tuple[inputs.Step, ...]:
    """Return what to say, in the shortest form that the API takes.

    Raises:
        ArtifactsError: Something cannot be read from the store, or is not what it says.
        NotSendable: It is longer than may be sent.
    """
    if follow_up is not None:
        if follow_up.kind is FollowUpKind.TOOL_RESULTS:
            return await _results_of(follow_up.answers, store)
        return follow_up.text.strip() or _GO_AHEAD
    text = str(await with_quotes(request.input, request.quotes, store))
    contents: tuple[inputs.Content, ...] = (inputs.Text(text=text),)
    for attachment in request.attachments:
        contents += await _contents_of(attachment, store)
    if request.transcript is not None and request.transcript.is_retold:
        return await _retold(request.transcript, contents, store)
    return text if len(contents) == 1 else contents


async def _contents_of(attachment: Attachment, store: ArtifactStore) -> tuple[inputs.Content, ...]:
    kind, _, _ = attachment.media_type.partition("/")
    media = _MEDIA.get(kind, inputs.Document)
    if not is_stored(attachment.uri, store):
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


async def _retold(
    place: TranscriptTurn, contents: tuple[inputs.Content, ...], store: ArtifactStore
) -> tuple[inputs.Step, ...]:
    retold = await read_earlier_turns(store, place)
    notice = (inputs.Text(text=_SHORTENED),) if retold.is_shortened else ()
    steps: list[inputs.Step] = []
    for turn in retold.turns:
        said = (inputs.Text(text=turn.question),) if turn.question else ()
        if notice or said:
            steps.append(inputs.UserInput(content=(*notice, *said)))
            notice = ()
        if turn.answer:
            steps.append(inputs.ModelOutput(content=(inputs.Text(text=turn.answer),)))
    return (*steps, inputs.UserInput(content=(*notice, *contents)))


class _TextPart(BaseModel):
    model_config = ConfigDict(frozen=True)

    type: Literal["text"]
    text: str


class _ImagePart(BaseModel):
    model_config = ConfigDict(frozen=True)

    type: Literal["image"]
    media_type: str
    data: str


class _Value(BaseModel):
    """What a tool returned, as JSON."""

    model_config = ConfigDict(frozen=True)

    result: JsonValue


class _Contents(BaseModel):
    """What a tool returned, as texts and images."""

    model_config = ConfigDict(frozen=True)

    contents: tuple[Annotated[_TextPart | _ImagePart, Field(discriminator="type")], ...]


_STORED_RESULT: Final[TypeAdapter[_Value | _Contents]] = TypeAdapter(_Value | _Contents)


async def _results_of(answers: tuple[ToolAnswer, ...], store: ArtifactStore) -> tuple[inputs.Step, ...]:
    room = MAX_ATTACHMENTS_BYTES
    steps: list[inputs.Step] = []
    for answer in answers:
        stored: _Value | _Contents = _Value(result=answer.text)
        if answer.uri is not None:
            try:
                raw = await store.get(answer.uri, max_bytes=room)
            except ArtifactTooLarge:
                raise NotSendable(
                    f"the results of the tools have more than {MAX_ATTACHMENTS_BYTES:,} bytes together"
                ) from None
            room -= len(raw)
            try:
                stored = await asyncio.to_thread(_STORED_RESULT.validate_json, raw)
            except ValidationError:
                raise InvalidMedia(f"{answer.uri} holds no result of a tool") from None
        steps.append(
            inputs.FunctionResult(
                call_id=answer.call_id,
                name=answer.name,
                result=_result_of(stored),
                is_error=answer.is_error or None,
            )
        )
    return tuple(steps)


def _result_of(
    stored: _Value | _Contents,
) -> str | tuple[inputs.Text | inputs.Image, ...] | dict[str, JsonValue]:
    match stored:
        case _Value(result=str() | dict() as value):
            return value
        case _Value(result=value):
            # The API takes a text, an object or contents, and would take a list for contents.
            return {"result": value}
        case _Contents(contents=parts):
            # No contents at all would be refused.
            return tuple(map(_content_of, parts)) or ""


def _content_of(part: _TextPart | _ImagePart) -> inputs.Text | inputs.Image:
    match part:
        case _TextPart():
            return inputs.Text(text=part.text)
        case _ImagePart():
            return inputs.Image(data=part.data, mime_type=part.media_type)
