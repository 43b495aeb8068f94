"""Google's words for where an interaction stands, and what each means for whoever waits.

Source:
    https://ai.google.dev/gemini-api/docs/background-execution and google-genai 3.4.0, read 2026-11-22;
    ``idle`` from google-genai 3.6.1, read 2026-11-28.
"""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """The status words known today. The wire may carry others; see :func:`standing`."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    REQUIRES_ACTION = "requires_action"
    REQUIRES_CONTINUATION = "requires_continuation"
    COMPLETED = "completed"
    IDLE = "idle"
    """Everything is processed, and the next input is waited for."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"
    BUDGET_EXCEEDED = "budget_exceeded"


class Standing(StrEnum):
    """What a status means for a watcher."""

    RUNNING = "running"
    """The service is still working, or says something we do not know: look again."""
    TURN_OVER = "turn_over"
    """This interaction will never move again, but a new create may carry on from it."""
    TERMINAL = "terminal"
    """Over for good."""


_STANDINGS: Final[dict[str, Standing]] = {
    Status.QUEUED: Standing.RUNNING,
    Status.IN_PROGRESS: Standing.RUNNING,
    Status.REQUIRES_ACTION: Standing.TURN_OVER,
    Status.REQUIRES_CONTINUATION: Standing.TURN_OVER,
    Status.IDLE: Standing.TURN_OVER,
    Status.COMPLETED: Standing.TERMINAL,
    Status.FAILED: Standing.TERMINAL,
    Status.CANCELLED: Standing.TERMINAL,
    Status.INCOMPLETE: Standing.TERMINAL,
    Status.BUDGET_EXCEEDED: Standing.TERMINAL,
}


def standing(status: str) -> Standing:
    """Return what ``status`` means for a watcher.

    A word this client does not know counts as running: to call a live run finished would abandon
    something that was paid for, while to look once more costs one GET. Whoever looks must therefore
    keep a deadline of its own.
    """
    return _STANDINGS.get(status, Standing.RUNNING)


def is_known(status: str) -> bool:
    """Whether this client knows the word ``status``; one that it does not know should be reported."""
    return status in _STANDINGS
