"""Calls of function tools: what the workers have, what was asked for, what came of it.

Workflow code: see docs/changing.md.

History holds what decides: names, arguments and digests. What a tool returns is a file in the artifact
store, and only its address travels.
"""

import hashlib
import json
from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from runs import limits
from runs.asked import Asked
from runs.message import Message
from runs.quotes import Quote
from runs.stores import StoreRef


class ToolDescription(Message):
    """A function tool as the workers have it, and how its calls are to be run.

    Attributes:
        name: What the model calls it.
        description: What it is for, to the model.
        parameters: JSON Schema of its arguments.
        needs_approval: Whether a person decides about each call.
        timeout_s: One attempt takes no longer.
        heartbeat_timeout_s: A worker silent for this long counts as gone; None: only ``timeout_s`` tells.
        max_attempts: Attempts of a call that fails; then the model is told.
    """

    name: str
    description: str = ""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    needs_approval: bool = False
    timeout_s: float = Field(default=60.0, gt=0)
    heartbeat_timeout_s: float | None = Field(default=None, gt=0)
    max_attempts: int = Field(default=3, ge=1)


class DescribeTools(Message):
    """Input of ``describe_tools``.

    Attributes:
        names: The tools that a run wants; the workers must have them.
        optional: Tools that a model may call by itself, described if the workers have them.
    """

    names: tuple[str, ...]
    optional: tuple[str, ...] = ()


class ToolCatalog(Message):
    """What the workers have of what a run wants.

    Attributes:
        tools: Those that are there.
        missing: Names of those that are not.
        available: All there are, for the message that says so.
    """

    tools: tuple[ToolDescription, ...] = ()
    missing: tuple[str, ...] = ()
    available: tuple[str, ...] = ()

    @property
    def why_incomplete(self) -> str | None:
        """What to do about those that are missing; None when none is."""
        if not self.missing:
            return None
        return (
            f"the workers have no function tool {', '.join(self.missing)}; "
            f"they have: {', '.join(self.available) or 'none'}. "
            "LONGHAUL_TOOLS on the worker names the modules it takes them from"
        )


class ToolCall(Message):
    """One call that a model asked for.

    Attributes:
        call_id: The API's id, by which the result is matched.
        name: Of the function.
        arguments: As the model gave them.
        digest: Of name and arguments; an approval names it, so that it cannot be for another call.
        problem: Why the call cannot be carried out at all, to tell the model; None when it can.
    """

    call_id: str = Field(max_length=limits.MAX_INTERACTION_ID_CHARS)
    name: str = Field(max_length=200)
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    digest: str = ""
    problem: str | None = None


def file_digest_of(call: ToolCall) -> str:
    """Return a digest of one call in the world, for the name of the file that its result goes into.

    The API's id of a call is its own, but a reset of the run leads to other calls under the same number.
    """
    canonical = json.dumps([call.call_id, call.name, call.arguments], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def digest_of(name: str, arguments: dict[str, JsonValue]) -> str:
    """Return a short digest of a call: the same for the same name and arguments, in any order of keys."""
    canonical = json.dumps([name, arguments], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class CallTool(Message):
    """Input of ``call_tool``.

    Attributes:
        call: What to do.
        artifacts_prefix: Where the run's files go.
        file_name: The result's name among them; the same on every attempt.
        is_named_by_call: Whether no other call has a file of this name, so that one that is there is the
            result of this very call, on whichever attempt, also from before the run was reset.
        quotes: Stored texts to put into the arguments' strings.
        store: Which store has the run's files so far; None if that is not known.
    """

    call: ToolCall
    artifacts_prefix: str
    file_name: str
    is_named_by_call: bool = False
    quotes: tuple[Quote, ...] = Field(default=(), max_length=limits.MAX_QUOTES)
    store: StoreRef | None = None


class ToolAnswer(Message):
    """What the model is told of one call: the file at ``uri``, or ``text``.

    Attributes:
        is_error: Whether it is told that the call failed, and why.
        uri: The stored result; None where ``text`` is all.
        text: A short answer, or the beginning of a stored one, for people.
        size_bytes: Length of the stored result.
        store: Which store has it; None where ``text`` is all, or from a version that did not say.
    """

    call_id: str
    name: str
    is_error: bool = False
    uri: str | None = Field(default=None, max_length=limits.MAX_URI_CHARS)
    text: str = Field(default="", max_length=limits.MAX_ERROR_CHARS)
    size_bytes: int = 0
    store: StoreRef | None = None


class ToolStepResult(Message):
    """What a function that a chain calls has left for other steps.

    Attributes:
        data: Its value, where that is small enough for history.
        text: Its value as text, where that is short.
        text_uri: Where the whole text is stored.
        error: Why there is none of it; None when there is.
    """

    data: JsonValue = None
    text: str = ""
    text_uri: str | None = None
    error: str | None = None


class ToolDecision(StrEnum):
    """What a person decides about a call."""

    APPROVE = "approve"
    DENY = "deny"


class DecideToolCall(Asked):
    """Argument of the ``decide_tool_call`` update.

    Attributes:
        call_id: Which call.
        digest: Of its name and arguments, as `PendingToolCall` shows it.
        decision: What to do.
        reason: Told to the model when it is denied.
    """

    what = "a decision"

    call_id: str
    digest: str
    decision: ToolDecision
    reason: str = Field(default="", max_length=limits.MAX_ERROR_CHARS)


class PendingToolCall(Message):
    """A call that waits for a person.

    Attributes:
        arguments: As JSON, shortened for display.
        expires_at: When it counts as denied.
    """

    call_id: str
    name: str
    arguments: str
    digest: str
    expires_at: datetime
