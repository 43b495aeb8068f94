"""What was typed as a request, and what is wrong with it in words of the command line."""

from typing import Final

from pydantic import ValidationError

from runs.messages import AgentRunRequest
from starter.errors import InvalidInput

_OPTIONS: Final = {
    "agent": "--agent",
    "model": "--model",
    "system_instruction": "--system",
    "thinking_level": "--thinking",
    "max_output_tokens": "--max-output-tokens",
    "seed": "--seed",
    "stop_sequences": "--stop",
    "tool_choice": "--tool-choice",
    "json_schema": "--schema",
    "size": "--image-size",
    "image": "--image",
    "audio": "--speech",
    "resolution": "--video-resolution",
    "video": "--video",
    "tools": "--tool",
    "max_tool_rounds": "--max-rounds",
    "tool_approval_s": "--approval-expires",
    "service_tier": "--service-tier",
    "grace_s": "--plan-grace",
    "expires_s": "--plan-expires",
    "max_cost_usd": "--max-cost-usd",
    "max_tokens": "--max-tokens",
    "max_interactions": "--max-interactions",
    "labels": "--label",
    "tenant": "--tenant",
    "deadline_s": "--deadline",
    "attachments": "--attach",
}
"""The option that a field of the request comes from; the innermost field that is here is the one named."""


def check_request(fields: dict[str, object]) -> AgentRunRequest:
    """Return the request that ``fields`` make.

    Raises:
        InvalidInput: They make none; the message names the option and what is wrong with it.
    """
    try:
        return AgentRunRequest.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(objection(error)) from error


def objection(error: ValidationError) -> str:
    """Return the first thing that is wrong, with the option that it is about."""
    first = error.errors(include_input=False, include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    names = [str(part) for part in first["loc"]]
    option = next((_OPTIONS[name] for name in reversed(names) if name in _OPTIONS), ".".join(names))
    return f"{option}: {message}" if option else message
