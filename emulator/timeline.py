"""The shape of a run: which steps there are and when each begins and ends."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from emulator.wire import encode

Step = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TimedStep:
    """One step of a run.

    Attributes:
        step: Its final form on the wire.
        starts_s: When it begins, in emulated seconds since the run was created.
        ends_s: When it is complete, likewise.
    """

    step: Step
    starts_s: float
    ends_s: float


class Timeline:
    """The steps, the end and the bill of one run.

    Args:
        duration_s: When it ends, in emulated seconds since it was created.
        end_status: The status from then on.
        working: The steps before the output.
        write_output: Makes the output. Called at most once, and only when somebody looks late enough: drawing
            charts for runs that nobody has finished watching would make a look slow.
        output_starts_s: When the output begins.
        usage: The bill.
        errors: Top-level diagnostics of a failed run.
        continuation_token: What a run that stopped halfway goes on with.
    """

    def __init__(  # noqa: PLR0913 - keywords only, and each is one fact of a run
        self,
        *,
        duration_s: float,
        end_status: str,
        working: list[TimedStep],
        write_output: Callable[[], list[Step]],
        output_starts_s: float,
        usage: Callable[[], dict[str, Any]],
        errors: list[dict[str, str]] | None = None,
        continuation_token: str | None = None,
    ) -> None:
        self.duration_s = duration_s
        self.end_status = end_status
        self.working = working
        self.output_starts_s = output_starts_s
        self.errors = errors or []
        self.continuation_token = continuation_token
        self._write_output = write_output
        self._usage = usage

    @cached_property
    def output(self) -> list[TimedStep]:
        """The steps of the output, spread evenly over the time that is left."""
        return spread(self._write_output(), starts_s=self.output_starts_s, ends_s=self.duration_s)

    @cached_property
    def steps(self) -> list[TimedStep]:
        """All steps."""
        return [*self.working, *self.output]

    @cached_property
    def usage(self) -> dict[str, Any]:
        """The bill."""
        return self._usage()

    @cached_property
    def encoded_working(self) -> list[bytes]:
        """The steps before the output as JSON."""
        return [encode(each.step) for each in self.working]

    @cached_property
    def encoded(self) -> list[bytes]:
        """All steps as JSON."""
        return [*self.encoded_working, *(encode(each.step) for each in self.output)]

    @cached_property
    def working_ends_s(self) -> list[float]:
        """When each step before the output is complete, ascending."""
        return [each.ends_s for each in self.working]

    @cached_property
    def all_ends_s(self) -> list[float]:
        """When each step is complete, ascending."""
        return [each.ends_s for each in self.steps]


def spread(steps: list[Step], *, starts_s: float, ends_s: float) -> list[TimedStep]:
    """Give each step an equal share of the time."""
    share = (ends_s - starts_s) / max(1, len(steps))
    # The last end is exact, so that a finished run shows its last step whatever rounding did.
    ends = [starts_s + share * (index + 1) for index in range(len(steps) - 1)] + [ends_s]
    starts = [starts_s, *ends]
    return [TimedStep(step, start, end) for step, start, end in zip(steps, starts, ends, strict=False)]


def text_of(steps: list[TimedStep]) -> str:
    """All text of all model output, joined."""
    return "".join(
        part["text"]
        for each in steps
        if each.step["type"] == "model_output"
        for part in each.step.get("content", [])
        if part["type"] == "text"
    )
