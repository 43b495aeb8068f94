"""A workflow's input, decoded where a failure to do so ends the run instead of stalling it.

Temporal decodes arguments before any code of a workflow runs, and a payload that does not decode fails the
workflow task, which is tried again for ever. So the input is taken as it came, and decoded here.
"""

from typing import Final

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from runs.errors import WorkflowErrorType
    from runs.messages import AgentRunRequest

NO_INPUT: Final = RawValue(Payload())
"""Stands for an input that was not given."""


def decode_request(raw: RawValue) -> AgentRunRequest:
    """Return the request in ``raw``.

    Raises:
        ApplicationError: type ``InvalidRequest``: it is none; the message says why, in one line.
    """
    try:
        request = workflow.payload_converter().from_payload(raw.payload, AgentRunRequest)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "input"
        reason = f"{where}: {first['msg']}; give at least an agent and an input"
    except Exception:  # noqa: BLE001 - a converter may raise anything over a payload of somebody else's making
        reason = "sent in a form that this version cannot read; send one JSON object"
    else:
        if isinstance(request, AgentRunRequest):
            return request
        reason = "sent in a form that this version cannot read; send one JSON object"
    raise ApplicationError(f"not a run: {reason}", type=WorkflowErrorType.INVALID_REQUEST, non_retryable=True)
