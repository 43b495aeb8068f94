"""Which faults are switched on, and how often each has fired."""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

from starlette.responses import Response

from emulator.directives import Directive, directive_of
from emulator.errors import invalid
from emulator.faults import FAULTS, Fault, Moment
from emulator.foreign import reply_of
from emulator.state import StateFile


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that fires now.

    Attributes:
        fault: Which one.
        directive: The directive, of the request or of the server, that asked for it.
    """

    fault: Fault
    directive: Directive

    def reply(self) -> Response:
        """The answer that the directive's ``status`` and ``form`` say."""
        asked = self.directive
        return reply_of(asked.status or 502, asked.form or "html", retry_after_s=asked.retry_after_s)


class FaultBoard:
    """The faults of single submissions and of the whole server.

    Args:
        state: Where counts that have a limit are kept, so that a restart does not fire a fault again.
    """

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self._fired: Counter[str] = Counter(state.load("fired"))
        self._server: dict[str, Directive] = {
            key: directive_of(kept) for key, kept in state.load("server_fault").items()
        }

    @property
    def server_faults(self) -> list[dict[str, Any]]:
        """The faults of the whole server, with what is left of each."""
        return [
            {"fault": directive.fault[0], "times": directive.times, "fired": self._fired[f"server/{key}"]}
            for key, directive in self._server.items()
        ]

    def switch_on(self, settings: dict[str, Any]) -> None:
        """Let the whole server show a fault.

        Args:
            settings: The keys of a directive; ``fault`` is one name or a list of names.

        Raises:
            ApiError: There is no fault in it, or something unknown.
        """
        asked = directive_of(settings)
        if not asked.fault:
            raise invalid("Missing fault.")
        for name in asked.fault:
            key = f"{self._next_number()}-{name}"
            self._server[key] = replace(asked, fault=(name,))
            kept = {field: value for field, value in asdict(asked).items() if value is not None}
            self._state.save("server_fault", key, {**kept, "fault": name})

    def _next_number(self) -> int:
        return max((int(key.partition("-")[0]) for key in self._server), default=0) + 1

    def switch_off(self) -> None:
        """Take all faults off the whole server; those of single submissions stay."""
        for key in self._server:
            self._state.drop("server_fault", key)
            self._fired.pop(f"server/{key}", None)
        self._server.clear()

    def clear(self) -> None:
        """Forget everything; the state file is the caller's to clear."""
        self._server.clear()
        self._fired.clear()

    def fire(
        self, moment: Moment, *, submission: str, directive: Directive, unless: frozenset[str] = frozenset()
    ) -> ActiveFault | None:
        """The next fault for this moment, counted as fired; None when luck is good.

        Args:
            moment: What is happening.
            submission: Whose counts to use.
            directive: What the interaction's input asked for; goes before the server's faults.
            unless: Faults that are over by now, unless they were asked for a number of ``times``.
        """
        for fault, asked, key in self._candidates(submission, directive):
            is_over = asked.times is None and fault.name in unless
            if fault.moment is moment and not is_over and self._take(fault, asked, key):
                return ActiveFault(fault, asked)
        return None

    def choose_life(self, *, submission: str, directive: Directive) -> list[ActiveFault]:
        """The faults of a whole life: how the run, its streams and its webhooks will go."""
        chosen: list[ActiveFault] = []
        for fault, asked, key in self._candidates(submission, directive):
            if fault.moment in (Moment.LIFE, Moment.STREAM, Moment.WEBHOOK) and self._take(fault, asked, key):
                chosen.append(ActiveFault(fault, asked))
        return chosen

    def _candidates(self, submission: str, directive: Directive) -> list[tuple[Fault, Directive, str]]:
        own = [(FAULTS[name], directive, f"{submission}/{name}") for name in directive.fault]
        return own + [(FAULTS[each.fault[0]], each, f"server/{key}") for key, each in self._server.items()]

    def _take(self, fault: Fault, asked: Directive, key: str) -> bool:
        limit = fault.default_times if asked.times is None else asked.times
        if limit is None:
            return True
        if self._fired[key] >= limit:
            return False
        self._fired[key] += 1
        self._state.save("fired", key, self._fired[key])
        return True
