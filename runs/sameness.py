"""Whether two requests ask for the same.

Workflow code: see docs/changing.md.
"""

import hashlib
from typing import Final

from runs.messages import AgentRunRequest

_BESIDE: Final = frozenset(
    {
        "budget",
        "deadline_s",
        "labels",
        "may_read",
        "on_unknown_submission",
        "pacing",
        "tenant",
        "tool_approval_s",
    }
)
"""What a run may use and read, how it is watched and how it is found: it makes no other question of the same
words."""


def digest_of(request: AgentRunRequest) -> str:
    """Return a digest of what ``request`` asks for.

    Defaults are left out, so that a version that knows more fields finds the same for a request that has none
    of them.
    """
    asked = request.model_dump_json(exclude=set(_BESIDE), exclude_defaults=True)
    return hashlib.sha256(asked.encode(errors="replace")).hexdigest()
