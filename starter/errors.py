"""What can keep the command, or a program that uses these functions, from doing what was asked.

    StarterError
    ├── InvalidInput            what was given is no run, id, duration, label or attachment
    │   └── ConversationClosed
    ├── SetupError              this machine is not set up: a setting, the artifact store
    ├── TemporalError
    │   ├── TemporalUnreachable
    │   ├── NamespaceNotFound
    │   ├── SearchAttributesMissing
    │   └── TemporalRefused     it answered, and said no
    ├── RunNotFound
    ├── RunEndedFromOutside
    ├── RunStillRunning
    └── DevStackError           in starter.dev_stack: what `longhaul dev` runs cannot start or go on

Every message is one line for a person and says what to do; every error knows the exit code it stands for.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """How the command ends. Scripts depend on these numbers."""

    DONE = 0
    RUN_FAILED = 1
    """Also whatever nobody foresaw, as with every other command."""
    USAGE = 2
    TEMPORAL = 3
    NOT_FOUND = 4
    STILL_RUNNING = 5
    INTERRUPTED = 130
    """Ctrl-C before a run was started: 128 + SIGINT, as shells have it."""


class StarterError(Exception):
    """Base of this package's errors; never raised itself."""

    exit_code: ClassVar[ExitCode] = ExitCode.RUN_FAILED
    kind: ClassVar[str] = "internal"
    """A word for programs, in ``--json``."""


class InvalidInput(StarterError):
    """What was asked cannot be done as it was put. Nothing was started."""

    exit_code = ExitCode.USAGE
    kind = "invalid_input"


class ConversationClosed(InvalidInput):
    """The conversation takes no messages any more."""

    kind = "conversation_closed"


class SetupError(StarterError):
    """A setting or the artifact store cannot be used. Nothing was started."""

    exit_code = ExitCode.USAGE
    kind = "setup"


class TemporalError(StarterError):
    """Temporal cannot be used as configured."""

    exit_code = ExitCode.TEMPORAL
    kind = "temporal"


class TemporalUnreachable(TemporalError):
    """Nobody answers at Temporal's address."""

    kind = "temporal_unreachable"

    def __init__(self, address: str, *, reason: str) -> None:
        super().__init__(
            f"cannot reach Temporal at {address}: {reason}; "
            "start everything on this machine with `longhaul dev`, or set TEMPORAL_ADDRESS"
        )
        self.address = address
        self.reason = reason


class NamespaceNotFound(TemporalError):
    """Temporal answers and does not know the namespace."""

    kind = "namespace_not_found"

    def __init__(self, namespace: str) -> None:
        super().__init__(
            f"Temporal has no namespace {namespace!r}; set TEMPORAL_NAMESPACE, "
            f"or create it: temporal operator namespace create --namespace {namespace}"
        )
        self.namespace = namespace


class SearchAttributesMissing(TemporalError):
    """The namespace lacks search attributes that every run carries."""

    kind = "search_attributes_missing"

    def __init__(self, names: list[str], *, namespace: str, command: str) -> None:
        super().__init__(
            f"namespace {namespace!r} lacks search attributes ({', '.join(names)}); register them: {command}"
        )
        self.names = names
        self.command = command


class TemporalRefused(TemporalError):
    """Temporal answered with an error, such as missing permission."""

    kind = "temporal_refused"


class RunNotFound(StarterError):
    """No run has this id, or none any more: Temporal forgets closed runs after the retention period."""

    exit_code = ExitCode.NOT_FOUND
    kind = "not_found"


class RunEndedFromOutside(StarterError):
    """The run or chain that has this id was ended from outside, and there is nothing to attach to."""

    exit_code = ExitCode.RUN_FAILED
    kind = "ended_from_outside"


class RunStillRunning(StarterError):
    """The answer was not there in the time allowed. The run goes on."""

    exit_code = ExitCode.STILL_RUNNING
    kind = "still_running"
