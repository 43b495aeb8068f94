"""``longhaul ask``."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from artifacts.json_schema import InvalidSchema, check_schema
from runs.limits import MAX_SCHEMA_BYTES, MAX_SYSTEM_INSTRUCTION_BYTES
from runs.messages import DEFAULT_MODEL
from starter.arguments import parse_duration_s, read_question, read_text_file, read_text_or_file
from starter.commands.following import Ending
from starter.commands.starting import StartOptions, start
from starter.errors import ExitCode, InvalidInput
from starter.output import Output


@dataclass(frozen=True, kw_only=True)
class AskOptions(StartOptions):
    """The command's arguments as they were typed."""

    prompt: str
    model: str | None = None
    system: str | None = None
    schema: Path | None = None
    is_text: bool = False
    image: str | None = None
    image_size: str | None = None
    speech: tuple[str, ...] = ()
    video: str | None = None
    video_resolution: str | None = None
    thinking: str | None = None
    is_showing_thoughts: bool = True
    max_output_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    tool_choice: str | None = None
    max_rounds: int | None = None
    approval_expires: str | None = None
    service_tier: str | None = None
    is_background: bool | None = None


async def ask(options: AskOptions, *, output: Output) -> ExitCode:
    """Ask a model, or attach to the run with this id; print the answer unless told not to wait."""
    return await start(fields_of(options), options, ending=Ending.ANSWER, output=output)


def fields_of(options: AskOptions) -> dict[str, object]:
    """Return the fields of the request that only asking a model sets.

    Raises:
        InvalidInput: Something that was typed cannot be meant, or a file cannot be read.
    """
    fields: dict[str, object] = {
        "model": DEFAULT_MODEL if options.model is None else options.model,
        "input": read_question(options.prompt),
        "generation": _generation(options),
        "outputs": {"forms": _forms(options)},
        "service_tier": options.service_tier,
        "is_background": options.is_background,
    }
    if options.system is not None:
        fields["system_instruction"] = read_text_or_file(
            options.system, what="--system", max_bytes=MAX_SYSTEM_INSTRUCTION_BYTES
        )
    if options.max_rounds is not None:
        fields["max_tool_rounds"] = options.max_rounds
    if options.approval_expires is not None:
        fields["tool_approval_s"] = parse_duration_s(options.approval_expires, what="--approval-expires")
    return fields


def _generation(options: AskOptions) -> dict[str, object] | None:
    chosen: dict[str, object] = {
        "thinking_level": options.thinking,
        "max_output_tokens": options.max_output_tokens,
        "seed": options.seed,
        "stop_sequences": options.stop or None,
        "tool_choice": options.tool_choice,
        "thinking_summaries": None if options.is_showing_thoughts else False,
    }
    return {name: value for name, value in chosen.items() if value is not None} or None


def _forms(options: AskOptions) -> list[dict[str, object]]:
    if options.image_size is not None and options.image is None:
        raise InvalidInput("--image-size goes with --image")
    if options.video_resolution is not None and options.video is None:
        raise InvalidInput("--video-resolution goes with --video")
    forms: list[dict[str, object]] = []
    if options.schema is not None:
        forms.append({"type": "text", "json_schema": _read_schema(options.schema)})
    elif options.is_text:
        forms.append({"type": "text"})
    if options.image is not None:
        forms.append({"type": "image", "aspect_ratio": _shape(options.image), "size": options.image_size})
    if options.speech:
        forms.append({"type": "audio", "speakers": _speakers(options.speech)})
    if options.video is not None:
        forms.append(
            {"type": "video", "aspect_ratio": _shape(options.video), "resolution": options.video_resolution}
        )
    return forms


def _shape(typed: str) -> str | None:
    return None if typed == "auto" else typed


def _speakers(typed: tuple[str, ...]) -> list[dict[str, str | None]]:
    speakers: list[dict[str, str | None]] = []
    for text in typed:
        name, separator, voice = text.rpartition("=")
        if not voice or (separator and not name):
            raise InvalidInput(f"--speech {text!r}: write VOICE, or NAME=VOICE for one of several speakers")
        speakers.append({"voice": voice, "speaker": name or None})
    names = [speaker["speaker"] for speaker in speakers]
    if len(speakers) > 1 and (None in names or len(set(names)) < len(names)):
        raise InvalidInput("several speakers need a name each, as they have in the text: --speech NAME=VOICE")
    return speakers


def _read_schema(path: Path) -> dict[str, JsonValue]:
    text = read_text_file(path, what="--schema", max_bytes=MAX_SCHEMA_BYTES)
    where = f"--schema {str(path)!r}"
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where}: no valid JSON: {error}") from error
    if not isinstance(schema, dict):
        raise InvalidInput(f"{where}: a JSON Schema is an object, not {type(schema).__name__}")
    try:
        check_schema(schema)
    except InvalidSchema as error:
        raise InvalidInput(f"{where}: {error}") from error
    return schema
