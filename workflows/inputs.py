"""A workflow's input, decoded where a failure to do so ends the run instead of stalling it.

Workflow code: see docs/changing.md.

Temporal decodes arguments before any code of a workflow runs, and a payload that does not decode fails the
workflow task, which is tried again for ever. So the input is taken as it came, and decoded here.
"""

from typing import Final, TypeVar

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, ValidationError

    from runs.asked import Asked
    from runs.errors import WorkflowErrorType
    from runs.messages import AgentRunRequest
    from workflows.parents import is_ours, was_continued

_Input = TypeVar("_Input", bound=BaseModel)

_REFUSED_FIELDS: Final = "refuse-unknown-fields"
"""What began with fields that nobody knows, when they were ignored, goes on without them."""

_REFUSED_STATE: Final = "refuse-given-state"
"""What began with a state that somebody wrote goes on with it."""

_UNREADABLE: Final = "sent in a form that this version cannot read; send one JSON object"

NO_INPUT: Final = RawValue(Payload())
"""Stands for an input that was not given."""


def decode_request(raw: RawValue) -> AgentRunRequest:
    """Return the run's request in ``raw``.

    Raises:
        ApplicationError: type ``InvalidRequest``: it is none; the message says why, in one line.
    """
    return decode_input(
        raw, AgentRunRequest, what="run", hint="give at least an agent or a model, and an input"
    )


def decode_input(raw: RawValue, kind: type[_Input], *, what: str, hint: str) -> _Input:
    """Return the input in ``raw``.

    Args:
        raw: As it came.
        kind: What it has to be.
        what: What it is to start, for the message.
        hint: What makes a valid one.

    Raises:
        ApplicationError: type ``InvalidRequest``: it is none; the message says why, in one line.
    """
    reason: str | None
    try:
        decoded = workflow.payload_converter().from_payload(raw.payload, kind)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "input"
        reason = f"{where}: {first['msg'].removeprefix('Value error, ')}; {hint}"
    except Exception:  # noqa: BLE001 - a converter may raise anything over a payload of somebody else's making
        reason = _UNREADABLE
    else:
        reason = _why_refused(decoded) if isinstance(decoded, kind) else _UNREADABLE
        if isinstance(decoded, kind) and reason is None:
            return decoded
    raise ApplicationError(
        f"not a {what}: {reason}", type=WorkflowErrorType.INVALID_REQUEST, non_retryable=True
    )


def _why_refused(decoded: BaseModel) -> str | None:
    """Return what is wrong with an input that can be decoded; None where nothing is.

    Patches are asked for only where something is, so that a sound input has no marker in its history.
    """
    if not isinstance(decoded, Asked) or is_ours(decoded):
        # A run of a parent of ours may be of a newer version, and have fields that this one does not know.
        return None
    if getattr(decoded, "state", None) is not None:
        # It names files that the chain may read, so nobody else may write it.
        is_given = not was_continued() and workflow.patched(_REFUSED_STATE)
        return "state: only the workflow gives itself one; leave it out" if is_given else None
    return decoded.unknown if decoded.unknown and workflow.patched(_REFUSED_FIELDS) else None
