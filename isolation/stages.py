"""What a call is about to do, so that whoever stops it can tell what it was stopped in."""

from collections.abc import Callable

_report: Callable[[str], None] | None = None


def begin(stage: str) -> None:
    """Say that ``stage`` begins. In a process that is not isolated nobody is told."""
    if _report is not None:
        _report(stage)


def report_to(report: Callable[[str], None]) -> None:
    """Have ``report`` called at the beginning of every stage from now on."""
    global _report  # noqa: PLW0603 - one process carries out one call at a time
    _report = report
