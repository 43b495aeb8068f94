"""Failures of Temporal's as the SDK's errors, also those of a server that is newer than the SDK.

Workflow code: see docs/changing.md.

The SDK names what a failure says with closed enums, and raises over a number that is not in them. Raised in a
workflow, that stalls it for ever; raised in a client, a result cannot be read. What such a number says is not
needed for any decision here, so it is read as not said.
"""

from typing import Final

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationErrorCategory, RetryState, TimeoutType

_ENUMS: Final = (
    ("application_failure_info", "category", frozenset(map(int, ApplicationErrorCategory))),
    ("timeout_failure_info", "timeout_type", frozenset(map(int, TimeoutType))),
    ("activity_failure_info", "retry_state", frozenset(map(int, RetryState))),
    ("child_workflow_execution_failure_info", "retry_state", frozenset(map(int, RetryState))),
)
"""Where a failure says something as a number, and which of them the SDK knows. 0 is "not said" to it."""


class TolerantFailureConverter(DefaultFailureConverter):
    """Reads a failure whatever numbers are in it."""

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        """Return ``failure`` as an error; its causes come here one by one, too."""
        for part, name, known in _ENUMS:
            if not failure.HasField(part):  # type: ignore[arg-type]  # one of the literals, by its table
                continue
            if getattr(getattr(failure, part), name) not in {0, *known}:
                failure = _without(failure, part, name)
        return super().from_failure(failure, payload_converter)


def _without(failure: Failure, part: str, name: str) -> Failure:
    # A copy: what was received is somebody else's.
    copy = Failure()
    copy.CopyFrom(failure)
    getattr(copy, part).ClearField(name)
    return copy
