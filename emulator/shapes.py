"""The nested objects of a create request: which fields each has and which values those take.

The live service names an unknown parameter and where it is, for instance
``Unknown parameter 'x' at 'input[1]'``; a bad enum value is refused as well.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from emulator.errors import invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The fields of one object.

    Attributes:
        known: Every field it may have, besides ``type``.
        required: Those it must have.
        enums: The values a string field, or each string of an array field, may take.
        types: The JSON type a field must have.
    """

    known: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    enums: dict[str, frozenset[str]] = field(default_factory=dict)
    types: dict[str, type | tuple[type, ...]] = field(default_factory=dict)


def _shape(
    known: str = "",
    *,
    required: str = "",
    enums: dict[str, str] | None = None,
    types: dict[str, type | tuple[type, ...]] | None = None,
) -> Shape:
    return Shape(
        known=frozenset((known + " " + required).split()),
        required=tuple(required.split()),
        enums={name: frozenset(values.split()) for name, values in (enums or {}).items()},
        types=types or {},
    )


_RESOLUTIONS: Final = "low medium high ultra_high"
_DELIVERY: Final = "inline uri"
_MEDIA: Final = "data uri mime_type resolution processing"

CONTENTS: Final[dict[str, Shape]] = {
    "text": _shape("annotations", required="text", types={"text": str, "annotations": list}),
    "image": _shape(_MEDIA, enums={"resolution": _RESOLUTIONS}),
    "audio": _shape("data uri mime_type sample_rate channels processing"),
    "video": _shape(f"{_MEDIA} name", enums={"resolution": _RESOLUTIONS}),
    "document": _shape(_MEDIA, enums={"resolution": _RESOLUTIONS}),
}

_CALL: Final = "arguments signature"
_RESULT: Final = "result is_error signature name server_name"

STEPS: Final[dict[str, Shape]] = {
    "user_input": _shape("content"),
    "model_output": _shape("content error"),
    "thought": _shape("summary signature"),
    "function_call": _shape("signature", required="id name arguments", types={"arguments": dict}),
    "function_result": _shape("name is_error signature", required="call_id result"),
    "mcp_server_tool_call": _shape("signature", required="id name server_name arguments"),
    "mcp_server_tool_result": _shape(_RESULT, required="call_id"),
    **{
        f"{kind}_call": _shape(f"{_CALL} search_type retrieval_type", required="id")
        for kind in (
            "code_execution",
            "google_search",
            "url_context",
            "google_maps",
            "file_search",
            "retrieval",
            "tool_search",
            "processing",
        )
    },
    **{
        f"{kind}_result": _shape(_RESULT, required="call_id")
        for kind in (
            "code_execution",
            "google_search",
            "url_context",
            "google_maps",
            "file_search",
            "retrieval",
            "tool_search",
            "processing",
        )
    },
}

_SAFETY_POLICIES: Final = (
    "financial_transactions sensitive_data_modification communication_tool account_creation "
    "data_modification user_consent_management legal_terms_and_agreements"
)

TOOLS: Final[dict[str, Shape]] = {
    "function": _shape(
        "description parameters defer_loading short_description",
        required="name",
        types={"name": str, "parameters": dict, "defer_loading": bool},
    ),
    "google_search": _shape(
        "search_types", enums={"search_types": "web_search image_search enterprise_web_search"}
    ),
    "url_context": _shape(),
    "code_execution": _shape(),
    "file_search": _shape("file_search_store_names top_k metadata_filter", types={"top_k": int}),
    "google_maps": _shape("enable_widget latitude longitude"),
    "mcp_server": _shape("name headers allowed_tools", required="url", types={"url": str, "headers": dict}),
    "computer_use": _shape(
        "environment excluded_predefined_functions enable_prompt_injection_detection "
        "disabled_safety_policies",
        enums={"environment": "browser mobile desktop", "disabled_safety_policies": _SAFETY_POLICIES},
    ),
    "retrieval": _shape(
        "retrieval_types vertex_ai_search_config rag_store_config exa_ai_search_config "
        "parallel_ai_search_config",
        enums={"retrieval_types": "vertex_ai_search rag_store exa_ai_search parallel_ai_search"},
    ),
    "tool_search": _shape("execution name description parameters", enums={"execution": "server client"}),
}

AGENT_CONFIGS: Final[dict[str, Shape]] = {
    "deep-research": _shape(
        "thinking_summaries visualization collaborative_planning enable_bigquery_tool",
        enums={"thinking_summaries": "auto none", "visualization": "auto off"},
        types={"collaborative_planning": bool, "enable_bigquery_tool": bool},
    ),
    "antigravity": _shape("max_total_tokens model", types={"max_total_tokens": (str, int)}),
    "code-mender": _shape("session_id session_config model find_request fix_request"),
}

_ASPECT_RATIOS: Final = "1:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9 1:8 8:1 1:4 4:1"

RESPONSE_FORMATS: Final[dict[str, Shape]] = {
    "text": _shape(
        "mime_type schema", enums={"mime_type": "application/json text/plain"}, types={"schema": dict}
    ),
    "image": _shape(
        "mime_type aspect_ratio image_size delivery",
        enums={
            "mime_type": "image/jpeg image/png",
            "aspect_ratio": _ASPECT_RATIOS,
            "image_size": "512 1K 2K 4K",
            "delivery": _DELIVERY,
        },
    ),
    "audio": _shape(
        "mime_type sample_rate bit_rate delivery",
        enums={
            "mime_type": "audio/mp3 audio/ogg_opus audio/l16 audio/wav audio/alaw audio/mulaw",
            "delivery": _DELIVERY,
        },
    ),
    "video": _shape(
        "aspect_ratio resolution duration delivery gcs_uri",
        enums={"aspect_ratio": "9:16 16:9", "resolution": "360p 720p 1080p 4k", "delivery": _DELIVERY},
    ),
}

GENERATION_CONFIG: Final = _shape(
    "max_output_tokens seed stop_sequences thinking_level thinking_summaries tool_choice speech_config "
    "transcription_config video_config temperature top_p image_config",
    enums={"thinking_level": "minimal low medium high xhigh", "thinking_summaries": "auto none"},
    types={
        "max_output_tokens": int,
        "seed": int,
        "stop_sequences": list,
        "tool_choice": (str, dict),
        "temperature": (int, float),
        "top_p": (int, float),
    },
)

TOOL_CHOICES: Final = frozenset({"auto", "any", "none", "validated"})

WEBHOOK_CONFIG: Final = _shape("user_metadata", required="uris", types={"uris": list, "user_metadata": dict})

ENVIRONMENT: Final = _shape("environment_id sources network env", types={"sources": list})

_WORDS: Final = {str: "a string", int: "an integer", bool: "a boolean", dict: "an object", list: "an array"}


def check(value: Any, shape: Shape, at: str) -> dict[str, Any]:
    """Check one object.

    Args:
        value: What was sent.
        shape: What it should be.
        at: Where it was, for the message.

    Raises:
        ApiError: 400 ``invalid_request``.
    """
    if not isinstance(value, dict):
        raise invalid(f"Expected an object at '{at}'.")
    for name, each in value.items():
        if name != "type" and name not in shape.known:
            raise invalid(f"Unknown parameter '{name}' at '{at}'.")
        _check_type(each, shape.types.get(name), f"{at}.{name}")
        _check_enum(each, shape.enums.get(name), f"{at}.{name}")
    for name in shape.required:
        if name not in value:
            raise invalid(f"Missing parameter '{name}' at '{at}'.")
    return value


def check_tagged(value: Any, shapes: dict[str, Shape], at: str) -> dict[str, Any]:
    """Check one object whose ``type`` says which shape it has.

    Raises:
        ApiError: 400 ``invalid_request``.
    """
    if not isinstance(value, dict):
        raise invalid(f"Expected an object at '{at}'.")
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in shapes:
        raise invalid(f"Unknown type {kind!r} at '{at}'.")
    return check(value, shapes[kind], at)


def _check_type(value: Any, wanted: type | tuple[type, ...] | None, at: str) -> None:
    if wanted is None:
        return
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    # Python takes a bool for an int; JSON does not.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        words = " or ".join(_WORDS.get(kind, "a number") for kind in kinds)
        raise invalid(f"Invalid value at '{at}': expected {words}.")


def _check_enum(value: Any, allowed: frozenset[str] | None, at: str) -> None:
    if allowed is None:
        return
    for each in value if isinstance(value, list) else [value]:
        if each not in allowed:
            raise invalid(f"Invalid value {each!r} at '{at}'. Expected one of: {', '.join(sorted(allowed))}.")
