"""Planning: the agent proposes a plan, and somebody approves or revises it before it starts.

Workflow code: see docs/changing.md.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from runs import limits
from runs.asked import Asked
from runs.message import Message


class PlanMode(StrEnum):
    """Who approves a plan."""

    ASK = "ask"
    """A person; the plan expires when nobody does."""
    AUTO = "auto"
    """A person may; after the grace period the run does it by itself."""


class Planning(Message):
    """That a run begins with a plan.

    Attributes:
        mode: Who approves it.
        grace_s: How long ``auto`` waits for a person to object, in seconds; each revision waits anew.
        expires_s: How long ``ask`` waits for a person, in seconds.
    """

    mode: PlanMode = PlanMode.ASK
    grace_s: float = Field(default=60.0, ge=0, le=limits.MAX_DEADLINE_S)
    expires_s: float = Field(
        default=limits.DEFAULT_APPROVAL_S, ge=limits.MIN_DEADLINE_S, le=limits.MAX_APPROVAL_S
    )


class ApprovePlan(Asked):
    """Argument of the ``approve_plan`` update.

    Attributes:
        note: A last word to the agent, if any.
    """

    what = "an approval"

    note: str = Field(default="", max_length=limits.MAX_FEEDBACK_CHARS)


class RevisePlan(Asked):
    """Argument of the ``revise_plan`` update: what is to be different."""

    what = "a revision"

    feedback: str = Field(min_length=1, max_length=limits.MAX_FEEDBACK_CHARS, pattern=r"\S")


class PlanView(Message):
    """A plan that waits for somebody.

    Attributes:
        revision: From 1.
        text: Its beginning; the whole is the artifact at ``uri``.
        uri: Where the whole plan is.
        expires_at: When it is approved by itself, or the run ends.
        approves_itself: Which of the two.
    """

    revision: int
    text: str
    uri: str | None = None
    expires_at: datetime
    approves_itself: bool = False
