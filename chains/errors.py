"""What can be wrong with a chain.

Workflow code: see docs/changing.md.

ChainsError
 ├── InvalidChain      the file, or a spec sent without one, is no chain; nothing was started
 ├── InvalidInputs     the values given for its inputs do not fit; nothing was started
 ├── TemplateError     a template is not well formed
 ├── RenderError       a template cannot be filled in with what the steps have come to
 ├── NoRoom            what other steps refer to would make the chain's state too large
 └── NotPossible       an event or a decision that the chain, as it stands, has no place for
"""

from enum import StrEnum


class ChainsError(Exception):
    """Base of all; the message is for people."""


class InvalidChain(ChainsError):
    """Not a chain.

    Attributes:
        problems: One line each, in the order of the file: ``FILE:LINE:COLUMN: what, and what to do``.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class InvalidInputs(ChainsError):
    """The values do not fit the chain's inputs.

    Attributes:
        problems: One line each.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class TemplateError(ChainsError):
    """A template that is not well formed.

    Attributes:
        reason: What is wrong, without where.
        opening: Which ``{{`` of the text it is, from 0.
    """

    def __init__(self, reason: str, *, opening: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.opening = opening


class RenderError(ChainsError):
    """What a template refers to is not there, or is too long to stand where it is to go."""


class NoRoom(ChainsError):
    """What other steps refer to would make the chain's state too large. The message says what to do."""


class NotPossible(ChainsError):
    """Not in this state of the chain. Nothing was changed."""


class StepErrorCode(StrEnum):
    """Why a step of a chain failed by itself; where its run failed, the run's own code stands instead."""

    TEMPLATE = "template"
    """A template could not be filled in, or what it gave is no request."""
    LIMIT = "limit"
    """More than a chain may hold."""
    BUDGET = "budget"
    """The step's or the chain's budget is used up."""
    ITEMS_FAILED = "items_failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    """Nobody decided in time."""
    TOOL = "tool"
    """The function raised, or no worker has it."""
    CANCELLED = "cancelled"
    """Somebody stopped the step's run, but not the chain."""
