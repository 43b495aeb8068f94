"""What a report says about its run, in words, for both of its files."""

from datetime import UTC, datetime
from typing import Final

from artifacts.blocks import Report
from runs.text import clean_text, first_line

_MAX_TITLE_CHARS: Final = 160
"""About two lines of a heading; the whole question stands at the end."""

_MAX_FACT_CHARS: Final = 500


def title_of(report: Report) -> str:
    """Return the question's first line, or a stand-in."""
    return first_line(report.question, _MAX_TITLE_CHARS) or "Report"


def whole_question_of(report: Report) -> str | None:
    """Return the question if the title is not all of it."""
    question = clean_text(report.question).strip()
    return None if question == title_of(report) else question or None


def headline_of(report: Report) -> list[str]:
    """Return what matters at first sight: who, when, from how much."""
    finished = report.finished or report.created
    return [
        fact
        for fact in (
            _short(report.agent),
            _day(finished) if finished else "",
            _count(report.searches, "search", "searches"),
            _count(report.pages, "page read", "pages read"),
            _short(report.cost or ""),
        )
        if fact
    ]


def facts_of(report: Report) -> list[tuple[str, str]]:
    """Return everything known about the run, as pairs of a name and a value."""
    facts = [
        ("Agent", _short(report.agent)),
        ("Run", _short(report.run_id)),
        ("Interaction", _short(report.interaction_id)),
        ("Created", _moment(report.created)),
        ("Finished", _moment(report.finished)),
        ("Took", _duration(report.created, report.finished)),
        ("Searches", _number(report.searches)),
        ("Pages read", _number(report.pages)),
        ("Tokens", _number(report.tokens)),
        ("Cost", _short(report.cost or "")),
    ]
    return [(name, value) for name, value in facts if value]


def notes_of(report: Report) -> list[str]:
    """Return the notes, each in one line."""
    return [note for note in map(_short, report.notes) if note]


def _short(text: str) -> str:
    return first_line(text, _MAX_FACT_CHARS)


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _count(number: int | None, one: str, many: str) -> str:
    return "" if not number else f"{number:,} {one if number == 1 else many}"


def _utc(moment: datetime) -> datetime:
    # A stamp without a zone is the API's, which speaks in UTC.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _day(moment: datetime) -> str:
    utc = _utc(moment)
    # Not %-d: it is not known everywhere.
    return f"{utc.day} {utc:%B %Y}"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{_day(moment)}, {_utc(moment):%H:%M} UTC"


def _duration(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return ""
    minutes, seconds = divmod(round((_utc(end) - _utc(start)).total_seconds()), 60)
    if minutes < 0:
        return ""
    if minutes == 0:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
