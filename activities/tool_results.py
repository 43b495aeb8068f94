"""What a tool returned, as the file that is stored of it.

The file is JSON: ``{"result": VALUE}``, where a text is a JSON string; or, with images,
``{"contents": [{"type": "text", "text": …}, {"type": "image", "media_type": …, "data": BASE64}]}``.
"""

import base64
import json
from typing import Final, NamedTuple

from pydantic import JsonValue
from pydantic_core import to_json

from interactions.redaction import Redactor
from runs.limits import MAX_ERROR_CHARS, MAX_TOOL_RESULT_BYTES
from runs.text import clean_text, excerpt_utf8, first_line
from tools.contents import Image

_REASON_CHARS: Final = 200


class UnusableResult(Exception):
    """A result that cannot be told to a model. The message is what the model is told instead."""


class StoredResult(NamedTuple):
    """A result, ready to be stored.

    Attributes:
        document: The file.
        beginning: Of what it says, for people.
    """

    document: bytes
    beginning: str


def result_of(value: object, redactor: Redactor) -> StoredResult:
    """Return what to store of ``value``, without secrets. Takes time for a long one: not for the event loop.

    Raises:
        UnusableResult: It is no JSON, or too long; or an image with a secret in its file.
    """
    if isinstance(value, Image) or (isinstance(value, list | tuple) and _has_image(value)):
        return _contents(value, redactor)
    if isinstance(value, str | bytes | bytearray) and len(value) > MAX_TOOL_RESULT_BYTES:
        raise _too_long(len(value), "characters" if isinstance(value, str) else "bytes")
    try:
        # As null, not NaN, which is no JSON.
        body = to_json(value, inf_nan_mode="null")
    except (ValueError, TypeError, RecursionError) as error:
        raise UnusableResult(
            f"the tool returned a {type(value).__qualname__}, which is no JSON: "
            f"{first_line(redactor.text(str(error)), _REASON_CHARS)}"
        ) from None
    if len(body) <= MAX_TOOL_RESULT_BYTES:
        value, body = _without_secrets(value, body, redactor)
    if len(body) > MAX_TOOL_RESULT_BYTES:
        raise _too_long(len(body), "bytes")
    shown = value if isinstance(value, str) else body[: 4 * MAX_ERROR_CHARS].decode(errors="ignore")
    return StoredResult(b'{"result":' + body + b"}", _beginning(shown))


def _without_secrets(value: object, body: bytes, redactor: Redactor) -> tuple[object, bytes]:
    """Return ``value`` and its JSON as they were, or the JSON's parts with secrets taken out of them.

    Part by part, since a text may be JSON itself, and since what looks like a secret with an escape of JSON
    in it must not break the file.
    """
    try:
        told = json.loads(body)
        clean = redactor.json(told)
    except (ValueError, RecursionError):
        raise UnusableResult(
            "the tool returned JSON that cannot be read back: it is nested too deeply"
        ) from None
    return (value, body) if clean == told else (clean, to_json(clean))


def beginning_of(document: bytes) -> str:
    """Return what `result_of` said of a file that it made."""
    stored = json.loads(document)
    if "contents" in stored:
        return _beginning(" ".join(map(_shown, stored["contents"])))
    result = stored["result"]
    return _beginning(result if isinstance(result, str) else json.dumps(result, ensure_ascii=False))


def _has_image(values: list[object] | tuple[object, ...]) -> bool:
    return any(isinstance(value, Image) for value in values)


def _contents(value: object, redactor: Redactor) -> StoredResult:
    parts: list[JsonValue] = []
    for part in value if isinstance(value, list | tuple) else [value]:
        match part:
            case str():
                parts.append({"type": "text", "text": redactor.text(part)})
            case Image(data=data, media_type=media_type):
                if len(data) > MAX_TOOL_RESULT_BYTES:
                    raise _too_long(len(data), "bytes in one image")
                if redactor.body(data) != data:
                    # Taken out, it would leave a broken file.
                    raise UnusableResult(
                        "the tool returned an image whose file has a secret of the worker in it"
                    )
                encoded = base64.b64encode(data).decode()
                parts.append({"type": "image", "media_type": media_type, "data": encoded})
            case _:
                raise UnusableResult(
                    f"the tool returned a list with an image and a {type(part).__qualname__}; "
                    "beside images there can only be texts"
                )
    try:
        document = to_json({"contents": parts})
    except ValueError as error:
        raise UnusableResult(
            f"the tool returned no text: {first_line(redactor.text(str(error)), _REASON_CHARS)}"
        ) from None
    if len(document) > MAX_TOOL_RESULT_BYTES:
        raise _too_long(len(document), "bytes with its images as base64")
    return StoredResult(document, _beginning(" ".join(map(_shown, parts))))


def _shown(part: JsonValue) -> str:
    assert isinstance(part, dict)
    return str(part["text"]) if part["type"] == "text" else f"[{part['media_type']}]"


def _beginning(text: str) -> str:
    # Of a part of the text: cleaning megabytes takes a while, and a character is at least one byte.
    return excerpt_utf8(clean_text(text[: 2 * MAX_ERROR_CHARS]), max_bytes=MAX_ERROR_CHARS)


def _too_long(size: int, unit: str) -> UnusableResult:
    return UnusableResult(
        f"the tool returned {size:,} {unit}; the limit is {MAX_TOOL_RESULT_BYTES:,} bytes; "
        "ask for less, or have it stored and its address returned"
    )
