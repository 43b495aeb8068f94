"""The contents of a model's answer: text, JSON, pictures, sound and video, inline or behind an address."""

import base64
import json
import math
import re
from collections import Counter
from typing import Any, Final

from emulator.functions import asked_first
from emulator.media import draw_picture
from emulator.prose import Writer, topic_of
from emulator.records import Behaviour, Record, Turn
from emulator.report import TextPart
from emulator.schema import example_of, misfit_of
from emulator.server_tools import ToolUse
from emulator.sound import SAMPLE_RATE_HZ, duration_of, encode_sound, rate_of
from emulator.video import draw_video

VIDEO_S: Final = 8
"""Seconds of a video when the request does not say."""

_FACT: Final = re.compile(r"\bmy ([\w ]{2,30}?) is ([^.!?\n,]{1,60})", re.IGNORECASE)
_ASKED: Final = re.compile(r"\bwhat(?:['\u2019]s| is| was) my ([\w ]{2,30}?)\s*[?.!]", re.IGNORECASE)

_TOKENS_AN_IMAGE: Final = 1_120
_AUDIO_TOKENS_A_SECOND: Final = 32
_VIDEO_TOKENS_A_SECOND: Final = 258


def contents_of(record: Record, uses: list[ToolUse], *, is_inline: bool = False) -> list[dict[str, Any]]:
    """The contents that were asked for, in that order; text and image together come interleaved.

    Args:
        record: The interaction.
        uses: What its tools did.
        is_inline: Whether media are inside the answer even where the request wants an address.
    """
    formats = _formats(record)
    if [each.get("type") for each in formats] == ["text", "image"]:
        formats = [*formats, {"type": "text"}]
    writer = Writer(topic_of(asked_first(record)), seed=record.interaction_id)
    contents: list[dict[str, Any]] = []
    for number, wanted in enumerate(formats):
        match wanted.get("type"):
            case "image":
                content = _image(record, wanted)
            case "audio":
                content = _audio(record, wanted)
            case "video":
                content = _video(record, wanted)
            case _ if any(each["type"] == "text" for each in contents):
                content = {"type": "text", "text": writer.paragraph(2)}
            case _:
                content = _text(record, wanted, writer, uses)
        # Of what is not stored there is nothing that an address could lead to.
        if wanted.get("delivery") == "uri" and record.body.get("store", True) and not is_inline:
            content["uri"] = wanted.get("gcs_uri") or address_of(record, number)
            del content["data"]
        contents.append(content)
    return contents


def address_of(record: Record, number: int) -> str:
    """Where the content with this number in an answer can be fetched, with the same key."""
    return f"{record.base_url}/v1beta/files/{record.interaction_id}.{number}:download?alt=media"


def file_at(record: Record, number: int) -> tuple[str, bytes] | None:
    """What :func:`address_of` leads to: its MIME type and its bytes; None when it leads nowhere."""
    contents = contents_of(record, [], is_inline=True)
    if number >= len(contents) or "data" not in contents[number]:
        return None
    return contents[number]["mime_type"], base64.b64decode(contents[number]["data"])


def media_tokens(record: Record, contents: list[dict[str, Any]]) -> dict[str, int]:
    """What contents other than text cost, by modality."""
    tokens: Counter[str] = Counter()
    for content in contents:
        match content["type"]:
            case "image":
                tokens["image"] += _TOKENS_AN_IMAGE
            case "audio":
                tokens["audio"] += math.ceil(duration_of(record.question) * _AUDIO_TOKENS_A_SECOND)
            case "video":
                tokens["video"] += VIDEO_S * _VIDEO_TOKENS_A_SECOND
            case _:
                pass
    return dict(tokens)


def _formats(record: Record) -> list[dict[str, Any]]:
    declared = record.body.get("response_format") or []
    formats = list(declared) if isinstance(declared, list) else [declared]
    formats += [{"type": kind} for kind in record.body.get("response_modalities") or []]
    name = str(record.body.get("model", ""))
    for kind, marks in _BY_NAME.items():
        if not formats and any(mark in name for mark in marks):
            return [{"type": kind}]
    return formats or [{"type": "text"}]


_BY_NAME: Final = {"image": ("image", "banana"), "audio": ("tts", "lyria"), "video": ("veo", "video")}
"""What a model answers with unless asked for something else, by a part of its name."""


def _image(record: Record, wanted: dict[str, Any]) -> dict[str, Any]:
    mime_type = wanted.get("mime_type", "image/png")
    picture = draw_picture(
        record.question,
        aspect_ratio=wanted.get("aspect_ratio", "1:1"),
        image_size=wanted.get("image_size", "512"),
        file_format="JPEG" if mime_type == "image/jpeg" else "PNG",
    )
    return {"type": "image", "mime_type": mime_type, "data": base64.b64encode(picture).decode()}


def _audio(record: Record, wanted: dict[str, Any]) -> dict[str, Any]:
    mime_type = wanted.get("mime_type", "audio/wav")
    rate_hz = rate_of(mime_type, wanted.get("sample_rate", SAMPLE_RATE_HZ))
    sound = encode_sound(record.question, mime_type, sample_rate_hz=rate_hz)
    return {
        "type": "audio",
        "mime_type": mime_type,
        "sample_rate": rate_hz,
        "channels": 1,
        "data": base64.b64encode(sound).decode(),
    }


def _video(record: Record, wanted: dict[str, Any]) -> dict[str, Any]:
    seconds = re.match(r"\d+", str(wanted.get("duration", VIDEO_S)))
    video = draw_video(
        record.question,
        aspect_ratio=wanted.get("aspect_ratio", "16:9"),
        resolution=wanted.get("resolution", "720p"),
        duration_s=int(seconds.group()) if seconds else VIDEO_S,
    )
    return {"type": "video", "mime_type": "video/mp4", "data": base64.b64encode(video).decode()}


def _text(record: Record, wanted: dict[str, Any], writer: Writer, uses: list[ToolUse]) -> dict[str, Any]:
    if record.directive.says is not None:
        return {"type": "text", "text": record.directive.says}
    if wanted.get("mime_type") == "application/json" or wanted.get("schema"):
        return {"type": "text", "text": _json(record, wanted.get("schema") or {"type": "object"})}
    part = TextPart()
    for sentence in [*_with_history(record), *(each for use in uses for each in use.says)]:
        part.add(f"{sentence} ")
    # So that a reader can tell one answer from another, whatever sentences chance writes.
    part.add(f"Here is what there is to say about {writer.topic}. ")
    cites = [annotation for use in uses for annotation in use.cites]
    for annotation in cites:
        part.annotate(writer.sentence(), annotation)
        part.add(" ")
    if not cites:
        part.add(writer.paragraph(3))
    while part.length_bytes < (record.directive.result_bytes or 0):
        part.add(f"\n\n{writer.paragraph(8)}")
    return part.content()


def _json(record: Record, schema: dict[str, Any]) -> str:
    value = example_of(schema, text=record.question)
    if "wrong-json" in record.life:
        value = misfit_of(value)
    text = json.dumps(value, ensure_ascii=False)
    return text[: len(text) // 2] if "cut-json" in record.life else text


def _with_history(record: Record) -> list[str]:
    """Sentences that only an answer that knows the conversation can contain."""
    said: list[str] = []
    results = [step for step in _steps_in(record) if step.get("type") == "function_result"]
    for step in results:
        name = step.get("name") or _name_of_call(record, step["call_id"])
        verb = "failed with" if step.get("is_error") else "returned"
        said.append(f"The function {name} {verb} {_told(step['result'])}.")
    said += [f"Attached: {each}." for each in _attached(record.body.get("input"))]
    facts = {
        name.strip().lower(): value.strip()
        for text in [*(turn.user for turn in record.turns), record.question]
        for name, value in _FACT.findall(text)
    }
    for name in _ASKED.findall(record.question + "?"):
        known = facts.get(name.strip().lower())
        said.append(f"Your {name} is {known}." if known else f"You have not told me what your {name} is.")
    if record.turns:
        first = record.turns[0]
        said.append(
            f"This is turn {len(record.turns) + 1} of a conversation that began with “{first.user[:200]}”."
        )
        said += [_about_report(turn) for turn in record.turns[-1:] if turn.behaviour is Behaviour.RESEARCH]
    return said


def _told(result: Any) -> str:
    """A function's result in words; what is not text, by what it is."""
    if not isinstance(result, list):
        return json.dumps(result, ensure_ascii=False)
    texts = [json.dumps(each.get("text"), ensure_ascii=False) for each in result if each["type"] == "text"]
    return ", ".join([*texts, *_attached(result)]) or "nothing"


def _attached(value: Any) -> list[str]:
    """What media are in an input, each in a few words, so that a test sees that they arrived whole."""
    match value:
        case {"type": "image" | "audio" | "video" | "document" as kind}:
            return [_described(kind, value)]
        case {"type": "user_input", "content": contents}:
            return _attached(contents)
        case list():
            return [each for part in value for each in _attached(part)]
        case _:
            return []


def _described(kind: str, content: dict[str, Any]) -> str:
    mime_type = content.get("mime_type", "unknown type")
    if "data" not in content:
        return f"{kind} ({mime_type}) at {content.get('uri')}"
    try:
        raw = base64.b64decode(content["data"])
    except ValueError:
        return f"{kind} ({mime_type}) that cannot be decoded"
    return f"{kind} ({mime_type}, {len(raw):,} bytes)"


def _steps_in(record: Record) -> list[dict[str, Any]]:
    value = record.body.get("input")
    return [step for step in value if isinstance(step, dict)] if isinstance(value, list) else []


def _name_of_call(record: Record, call_id: str) -> str:
    for turn in reversed(record.turns):
        if call_id in turn.calls:
            return turn.calls[call_id]
    return call_id


def _about_report(turn: Turn) -> str:
    headings = re.findall(r"^## (.+)$", turn.model, re.MULTILINE)[:4]
    finding = re.search(r"^- (.+)$", turn.model, re.MULTILINE)
    return (
        f"The report on “{turn.user[:200]}” has the sections {', '.join(f'“{each}”' for each in headings)}; "
        f"its first finding was: {finding.group(1) if finding else 'none'}"
    )
