"""What a submission says, as a digest: by it a journal tells one submission from another."""

import hashlib
import json
from typing import Any, Final

from interactions.requests import CreateInteraction

_SCHEME: Final = "1"
"""Of the digests made here. To be raised whenever the body of one and the same submission changes from one
version to the next: digests of different schemes say nothing about each other."""

_UNSAID: Final = (
    # A model that refuses to work in the background is asked the same without.
    "background",
    # Where the end is announced, with a secret of each submission; nothing of what is asked.
    "webhook_config",
    # For finding it again.
    "labels",
)
"""Fields of a create that do not change what is asked."""


def digest_of(create: CreateInteraction) -> str:
    """Return a digest of what ``create`` asks and of what it follows, the same for the same question.

    Takes time for a long one: not for the event loop.
    """
    said = create.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(_UNSAID))
    if "tools" in said:
        said["tools"] = [_tool(tool) for tool in said["tools"]]
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return f"{_SCHEME}:{hashlib.sha256(canonical.encode()).hexdigest()}"


def is_another(one: str, other: str) -> bool:
    """Return whether two digests are certainly those of two submissions.

    One without a digest is of a version that made none, or of a scheme that is not ours: it may be the same.
    """
    return one != other and one.partition(":")[0] == other.partition(":")[0] == _SCHEME


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    match tool["type"]:
        case "mcp_server":
            # Secrets are the worker's, and are exchanged now and then.
            return {name: value for name, value in tool.items() if name != "headers"}
        case "function":
            # The rest is the worker's code: a reworded description is no other question.
            return {"type": "function", "name": tool["name"]}
        case _:
            return tool
