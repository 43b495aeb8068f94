"""Whether a create request is one that the live service would take."""

import re
from typing import Any, Final

from emulator.continuation import rest_of
from emulator.errors import ApiError, invalid, not_found
from emulator.records import Behaviour
from emulator.shapes import (
    AGENT_CONFIGS,
    CONTENTS,
    ENVIRONMENT,
    GENERATION_CONFIG,
    RESPONSE_FORMATS,
    STEPS,
    TOOL_CHOICES,
    TOOLS,
    WEBHOOK_CONFIG,
    check,
    check_tagged,
)

DEEP_RESEARCH: Final = frozenset(
    {
        "deep-research-preview-04-2026",
        "deep-research-max-preview-04-2026",
        "deep-research-pro-preview-12-2025",
    }
)

# antigravity-preview-05-2026 was shut down on 5 October 2026 and is therefore unknown.
SANDBOX_AGENTS: Final = frozenset({"antigravity-preview-09-2026"})

_MODEL_NAME: Final = re.compile(r"(models/)?(gemini|gemma|nano-banana|lyria|veo|imagen)-[a-z0-9.\-]+")

_KNOWN: Final = frozenset(
    {
        "model",
        "agent",
        "input",
        "system_instruction",
        "previous_interaction_id",
        "tools",
        "generation_config",
        "agent_config",
        "response_format",
        "background",
        "stream",
        "store",
        "webhook_config",
        "service_tier",
        "environment",
        "continuation_token",
        "labels",
        "safety_settings",
        "response_modalities",
    }
)

_BOOLEANS: Final = ("background", "stream", "store")
_STRINGS: Final = ("model", "agent", "system_instruction", "previous_interaction_id", "continuation_token")
_VERTEX_ONLY: Final = ("labels", "safety_settings")
_SERVICE_TIERS: Final = frozenset({"flex", "standard", "priority", "deferred"})
_MODALITIES: Final = frozenset({"text", "image", "audio", "video", "document"})

_LABEL: Final = re.compile(r"[a-z0-9_\-]{0,63}")
_MCP_NAME: Final = re.compile(r"[a-z0-9_\-]+")

_RESEARCH_REFUSES: Final = frozenset({"function", "computer_use", "google_maps", "retrieval", "tool_search"})
_SANDBOX_REFUSES: Final = frozenset({"file_search", "computer_use", "google_maps"})


def check_create(body: Any, *, custom_agents: dict[str, dict[str, Any]], is_vertex: bool) -> Behaviour:
    """Check a create request and say how such an interaction goes.

    Args:
        body: The decoded JSON.
        custom_agents: Agents that were created on this server, by id.
        is_vertex: Whether it came by a Vertex AI path, which takes more fields.

    Raises:
        ApiError: In the service's own words.
    """
    if not isinstance(body, dict):
        raise invalid("Request body must be a JSON object.")
    for name in body:
        if name not in _KNOWN or (name in _VERTEX_ONLY and not is_vertex):
            raise invalid(f"Unknown parameter '{name}'.")
    _check_scalars(body)
    if ("model" in body) == ("agent" in body):
        raise invalid("Exactly one of 'model' or 'agent' must be set.")
    behaviour = _behaviour(body, custom_agents)
    _check_input(body)
    if "continuation_token" in body:
        rest_of(body["continuation_token"])
    _check_storage(body)
    _check_tools(body, behaviour, is_vertex=is_vertex)
    _check_configs(body, behaviour, is_vertex=is_vertex)
    _check_formats(body, behaviour, is_vertex=is_vertex)
    _check_environment(body, behaviour)
    return behaviour


def _check_scalars(body: dict[str, Any]) -> None:
    for name in _BOOLEANS:
        if not isinstance(body.get(name, False), bool):
            raise invalid(f"Invalid value at '{name}': expected a boolean.")
    for name in _STRINGS:
        if name in body and not (isinstance(body[name], str) and body[name]):
            raise invalid(f"Invalid value at '{name}': expected a string.")
    if "service_tier" in body and body["service_tier"] not in _SERVICE_TIERS:
        raise invalid(f"Invalid value {body['service_tier']!r} at 'service_tier'.")
    labels = body.get("labels", {})
    if not isinstance(labels, dict) or not all(
        isinstance(each, str) and _LABEL.fullmatch(each) for pair in labels.items() for each in pair
    ):
        raise invalid("Invalid value at 'labels'.")


def _behaviour(body: dict[str, Any], custom_agents: dict[str, dict[str, Any]]) -> Behaviour:
    if "model" in body:
        if not _MODEL_NAME.fullmatch(body["model"]):
            message = f"Model {body['model']!r} not found."
            raise ApiError(404, code="model_not_found", message=message)
        return Behaviour.MODEL
    agent = body["agent"]
    base = custom_agents.get(agent, {}).get("base_agent", agent)
    if base in DEEP_RESEARCH:
        if not body.get("background"):
            raise invalid("Agents are required to use background=true.")
        config = body.get("agent_config")
        planning = isinstance(config, dict) and config.get("collaborative_planning")
        return Behaviour.PLAN if planning else Behaviour.RESEARCH
    if base in SANDBOX_AGENTS:
        return Behaviour.SANDBOX
    raise not_found(f"Agent {agent!r} not found.")


def _check_input(body: dict[str, Any]) -> None:
    value = body.get("input")
    if value is None:
        if "continuation_token" in body:
            return
        raise invalid("Missing input.")
    if value in ("", [], {}):
        raise invalid("Request has empty input.")
    match value:
        case str():
            pass
        case dict():
            _check_content(value, "input", in_user_input=False)
        case list():
            are_steps = any(isinstance(each, dict) and each.get("type") in STEPS for each in value)
            for index, each in enumerate(value):
                if are_steps:
                    _check_step(each, f"input[{index}]")
                else:
                    _check_content(each, f"input[{index}]", in_user_input=False)
        case _:
            raise invalid("Invalid value at 'input': expected a string, an object or an array.")


def _check_content(value: Any, at: str, *, in_user_input: bool) -> None:
    if isinstance(value, dict) and "role" in value:
        raise invalid(f"Unknown parameter 'role' at '{at}'. Turns are no longer supported; send steps.")
    check_tagged(value, CONTENTS, at)
    if "processing" in value and not in_user_input:
        raise invalid(f"Unknown parameter 'processing' at '{at}'.")


def _check_step(value: Any, at: str) -> None:
    if isinstance(value, dict) and "role" in value:
        raise invalid(f"Unknown parameter 'role' at '{at}'. Turns are no longer supported; send steps.")
    check_tagged(value, STEPS, at)
    kind = value["type"]
    if kind == "function_result":
        _check_result(value["result"], f"{at}.result")
    content = value.get("content", [])
    if kind == "user_input" and not content:
        raise invalid("Request has empty input.")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise invalid(f"Invalid value at '{at}.content': expected an array.")
    for index, each in enumerate(content):
        _check_content(each, f"{at}.content[{index}]", in_user_input=kind == "user_input")


def _check_result(value: Any, at: str) -> None:
    if isinstance(value, list):
        for index, each in enumerate(value):
            if not isinstance(each, dict) or each.get("type") not in {*CONTENTS, "function"}:
                raise invalid(f"Invalid value at '{at}[{index}]': expected a content.")
    elif not isinstance(value, (str, dict)):
        raise invalid(f"Invalid value at '{at}': expected a string, an object or an array of contents.")


def _check_storage(body: dict[str, Any]) -> None:
    if body.get("store", True):
        return
    for name in ("background", "previous_interaction_id"):
        if body.get(name):
            raise invalid(f"'store' must be true when '{name}' is set.")


def _check_tools(body: dict[str, Any], behaviour: Behaviour, *, is_vertex: bool) -> None:
    tools = body.get("tools", [])
    if not isinstance(tools, list):
        raise invalid("Invalid value at 'tools': expected an array.")
    kinds = {check_tagged(tool, TOOLS, f"tools[{index}]")["type"] for index, tool in enumerate(tools)}
    if "retrieval" in kinds and not is_vertex:
        raise invalid("Tool type 'retrieval' is not supported.")
    if "file_search" in kinds and kinds & {"google_search", "url_context"}:
        raise invalid("Tool 'file_search' cannot be combined with 'google_search' or 'url_context'.")
    refused: frozenset[str] = frozenset()
    match behaviour:
        case Behaviour.RESEARCH | Behaviour.PLAN:
            refused = _RESEARCH_REFUSES
        case Behaviour.SANDBOX:
            refused = _SANDBOX_REFUSES
        case Behaviour.MODEL:
            pass
    for kind in sorted(kinds & refused):
        raise invalid(f"Tool type '{kind}' is not supported by agent {body['agent']!r}.")
    if behaviour is Behaviour.SANDBOX:
        _check_sandbox_tools(body, tools)


def _check_sandbox_tools(body: dict[str, Any], tools: list[dict[str, Any]]) -> None:
    for tool in tools:
        if tool["type"] == "function" and not body.get("store", True):
            raise invalid("'store' must be true when an agent has tools of type 'function'.")
        if tool["type"] == "mcp_server" and not _MCP_NAME.fullmatch(str(tool.get("name", "x"))):
            raise invalid(f"MCP server name {tool['name']!r} must be lower case.")


def _check_configs(body: dict[str, Any], behaviour: Behaviour, *, is_vertex: bool) -> None:
    if "generation_config" in body:
        if behaviour is not Behaviour.MODEL:
            raise invalid("'generation_config' cannot be used with 'agent'.")
        config = check(body["generation_config"], GENERATION_CONFIG, "generation_config")
        choice = config.get("tool_choice", "auto")
        if isinstance(choice, str) and choice not in TOOL_CHOICES:
            raise invalid(f"Invalid value {choice!r} at 'generation_config.tool_choice'.")
    if "agent_config" in body:
        _check_agent_config(body, behaviour, is_vertex=is_vertex)
    if "system_instruction" in body and behaviour in (Behaviour.RESEARCH, Behaviour.PLAN):
        raise invalid(f"'system_instruction' is not supported by agent {body['agent']!r}.")
    if "webhook_config" in body:
        if not body.get("background"):
            raise invalid("'webhook_config' requires background=true.")
        config = check(body["webhook_config"], WEBHOOK_CONFIG, "webhook_config")
        uris = config["uris"]
        if not uris or not all(isinstance(uri, str) and re.match(r"https?://", uri) for uri in uris):
            raise invalid("Invalid value at 'webhook_config.uris': expected http(s) addresses.")


def _check_agent_config(body: dict[str, Any], behaviour: Behaviour, *, is_vertex: bool) -> None:
    if behaviour is Behaviour.MODEL:
        raise invalid("'agent_config' cannot be used with 'model'.")
    config = body["agent_config"]
    if not isinstance(config, dict):
        raise invalid("Expected an object at 'agent_config'.")
    if config.get("type") == "dynamic":
        return
    kind = check_tagged(config, AGENT_CONFIGS, "agent_config")["type"]
    wanted = "antigravity" if behaviour is Behaviour.SANDBOX else "deep-research"
    if kind != wanted:
        raise invalid(f"'agent_config' of type '{kind}' does not fit agent {body['agent']!r}.")
    if "enable_bigquery_tool" in config and not is_vertex:
        raise invalid("Unknown parameter 'enable_bigquery_tool' at 'agent_config'.")


def _check_formats(body: dict[str, Any], behaviour: Behaviour, *, is_vertex: bool) -> None:
    declared = body.get("response_format", [])
    formats = declared if isinstance(declared, list) else [declared]
    if formats and behaviour is not Behaviour.MODEL:
        raise invalid(f"'response_format' is not supported by agent {body['agent']!r}.")
    for index, wanted in enumerate(formats):
        at = f"response_format[{index}]" if isinstance(declared, list) else "response_format"
        check_tagged(wanted, RESPONSE_FORMATS, at)
        if "gcs_uri" in wanted and not is_vertex:
            raise invalid(f"Unknown parameter 'gcs_uri' at '{at}'.")
    modalities = body.get("response_modalities", [])
    if not isinstance(modalities, list) or not set(modalities) <= _MODALITIES:
        raise invalid("Invalid value at 'response_modalities'.")


def _check_environment(body: dict[str, Any], behaviour: Behaviour) -> None:
    environment = body.get("environment")
    if environment is None:
        if behaviour is Behaviour.SANDBOX:
            raise invalid(f"'environment' is required by agent {body['agent']!r}.")
        return
    if behaviour in (Behaviour.RESEARCH, Behaviour.PLAN):
        raise invalid(f"'environment' is not supported by agent {body['agent']!r}.")
    if isinstance(environment, dict):
        check(environment, ENVIRONMENT, "environment")
    elif not (isinstance(environment, str) and environment):
        raise invalid("Invalid value at 'environment': expected a string or an object.")
