"""Words for how an answer was found, the same in both of a report's files."""

import re
from typing import Final

from artifacts.blocks import Activity, Report

TRAIL_TITLE: Final = "How it was found"
FAILED: Final = "failed"

MAX_DETAIL_CHARS: Final = 300
"""What one detail shows: a query, a page, the arguments of a call."""

_LANGUAGE: Final = re.compile(r"[a-z0-9+-]{1,20}")


def language_of(activity: Activity) -> str:
    """Return the language of the activity's code as readers of Markdown know it; empty if it is none."""
    language = activity.language.lower()
    return language if _LANGUAGE.fullmatch(language) else ""


def steps_of(report: Report) -> str:
    """Return how many things were done."""
    count = len(report.activities) + report.more_activities
    return f"{count:,} step{'' if count == 1 else 's'}"


def more_of(report: Report) -> str:
    """Return that more was done than is told."""
    return f"{report.more_activities:,} more; all are in interaction.json"
