"""The files that settling leaves in the artifact store."""

import asyncio
from typing import Final, NamedTuple

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json

from activities.failures import NotSendable
from activities.quotes import with_quotes
from activities.reports import Output
from activities.transcripts import StoredTurn, write_turn
from artifacts.blocks import Report
from artifacts.errors import ArtifactNotFound, ArtifactTooLarge
from artifacts.json_schema import InvalidAnswer, validate
from artifacts.report import render_html, render_markdown
from artifacts.store import ArtifactStore
from runs.limits import MAX_ERROR_CHARS
from runs.messages import AgentRunRequest, ArtifactRef, SettleInteraction, TranscriptTurn
from runs.text import clean_text

_MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""A stored request: less than a payload may have, where JSON writes each character as six."""

_RAW: Final = "interaction.json"


class TextFile(NamedTuple):
    """The text of an answer, as a file.

    Attributes:
        data: Its JSON, where it is the JSON that was asked for.
        objection: Why it is not; None if none was asked for.
    """

    name: str
    content: bytes
    media_type: str
    data: JsonValue = None
    objection: str | None = None


class Stored(NamedTuple):
    """Where an answer, or a turn before it, is kept."""

    artifacts: tuple[ArtifactRef, ...]
    interaction_uri: str
    text_uri: str | None = None


def text_file_of(output: Output) -> TextFile | None:
    """Return the answer's text alone, as it was written; None if there is none.

    Where JSON was asked for it is the text of the last round, since before its tools' results a model has
    nothing but talk.
    """
    if not output.text.strip():
        return None
    markdown = TextFile("answer.md", _encoded(output.text), "text/markdown")
    schema = output.settling.json_schema
    if schema is None:
        return markdown
    data: JsonValue = None
    objection: str | None = None
    try:
        data = validate(output.last_text, schema)
    except InvalidAnswer as error:
        objection = clean_text(f"the answer is not the JSON that was asked for: {error}")[:MAX_ERROR_CHARS]
        if not _is_json(output.last_text):
            return markdown._replace(objection=objection)
    return TextFile("answer.json", _encoded(output.last_text), "application/json", data, objection)


async def store_turn(output: Output, *, is_plan: bool, store: ArtifactStore) -> Stored:
    """Store what the next turn needs of this one: the interaction, and the plan if it is one.

    The interaction is not among the artifacts: a run may have hundreds of turns, and a result stays small.

    Raises:
        ArtifactsError: A file could not be stored.
    """
    settling = output.settling
    raw = await store.put(
        f"{settling.artifacts_prefix}/turns/{settling.turn}/{_RAW}",
        output.answer.latest.raw_json,
        "application/json",
    )
    if not is_plan:
        return Stored((), raw.uri)
    plan = await store.put(
        f"{settling.artifacts_prefix}/plan-{settling.turn}.md", _encoded(output.text), "text/markdown"
    )
    return Stored((plan,), raw.uri, plan.uri)


async def store_answer(
    output: Output, text: TextFile | None, report: Report | None, *, store: ArtifactStore
) -> Stored:
    """Store the answer as people and programs read it, and the last interaction as it was received.

    Args:
        output: What was answered.
        text: Its text alone.
        report: It as a report; None if there is nothing to show.
        store: Files are written whole, so repeating this leaves the same files.

    Raises:
        ArtifactsError: A file could not be stored.
    """
    prefix = output.settling.artifacts_prefix
    refs: list[ArtifactRef] = []
    if report is not None:
        markdown = await asyncio.to_thread(render_markdown, report)
        refs.append(await store.put(f"{prefix}/report.md", markdown.encode(), "text/markdown"))
        page = await asyncio.to_thread(render_html, report)
        refs.append(await store.put(f"{prefix}/report.html", page.encode(), "text/html"))
    text_uri: str | None = None
    if text is not None:
        refs.append(await store.put(f"{prefix}/{text.name}", text.content, text.media_type))
        text_uri = refs[-1].uri
    refs += [
        await store.put(f"{prefix}/{media.name}", media.content, media.media_type) for media in output.media
    ]
    # Whatever this version does not understand is in here.
    raw = await store.put(f"{prefix}/{_RAW}", output.answer.latest.raw_json, "application/json")
    return Stored((*refs, raw), raw.uri, text_uri)


async def leave_in_transcript(
    place: TranscriptTurn,
    answer: str,
    settling: SettleInteraction,
    *,
    environment_id: str | None,
    store: ArtifactStore,
) -> None:
    """Leave what was asked and answered at its ``place`` in the conversation, and in which sandbox.

    Raises:
        ArtifactsError: It was not stored, as far as is known.
    """
    try:
        raw = await store.get(f"{settling.artifacts_prefix}/request.json", max_bytes=_MAX_REQUEST_BYTES)
        asked = AgentRunRequest.model_validate_json(raw)
        question = str(await with_quotes(asked.input, asked.quotes, store))
    except (ArtifactNotFound, ArtifactTooLarge, NotSendable, ValidationError):
        # Tidied away, or of another version: the first line is better than no turn.
        question = settling.question
    turn = StoredTurn(question=question, answer=answer, environment_id=environment_id)
    await write_turn(store, place, turn)


def _is_json(text: str) -> bool:
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError:
        return False
    return True


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")
