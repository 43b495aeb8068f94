"""The table of runs, for programs and for terminals of any width."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from starter import formats
from starter.progress import phase_style
from starter.views import AtApi, Orphan, OrphanReason, RunRow

COLUMNS: Final = ("RUN", "KIND", "PHASE", "AGENT", "STARTED", "TOOK", "TOKENS", "COST", "QUESTION")

_BY_IMPORTANCE: Final = ("RUN", "PHASE", "TOOK", "STARTED", "QUESTION", "KIND", "COST", "TOKENS", "AGENT")
"""Where a terminal is narrow, columns are left out from the end of this."""

_QUESTION_COLUMNS: Final = 20
"""A question is cut to this, rather than left out or putting others out."""

_GAP: Final = 2
_TO_THE_RIGHT: Final = frozenset({"TOOK", "TOKENS", "COST"})


ORPHAN_COLUMNS: Final = ("INTERACTION", "NOW", "RUN", "ENDED", "WHY", "QUESTION")

_REASONS: Final = {
    OrphanReason.TERMINATED: "the run was terminated in Temporal",
    OrphanReason.TIMED_OUT: "a time-out of Temporal's ended the run",
    OrphanReason.SECOND: "the run paid for another, too",
    OrphanReason.NOT_CONFIRMED: "its cancel was not confirmed",
    OrphanReason.LOST: "the API did not know it for minutes",
    OrphanReason.NEVER_NAMED: "a submission whose outcome the run never learned",
    OrphanReason.IN_STORE: "of a run that this namespace does not have",
}

_STANDINGS: Final = {
    AtApi.RUNNING: "running",
    AtApi.ENDED: "ended",
    AtApi.GONE: "not there",
    AtApi.UNKNOWN: "no answer",
}


def cells_of(row: RunRow) -> tuple[str, ...]:
    """Return what stands in a run's line, a cell for each of `COLUMNS`."""
    return (
        row.run_id,
        row.kind.value,
        row.phase.value.replace("_", " ") + _remark(row),
        formats.one_line(row.agent or "-"),
        formats.clock(row.requested_at),
        formats.elapsed(formats.seconds_between(row.requested_at, row.ended_at)),
        "-" if row.tokens is None else f"{row.tokens:,}",
        "-" if row.cost_usd is None else f"${row.cost_usd:.2f}",
        formats.one_line(row.question or "-"),
    )


def _remark(row: RunRow) -> str:
    """Return what Temporal has to say about a run's phase."""
    if row.is_paused:
        return ", paused"
    return ", ended from outside" if row.is_ended_from_outside else ""


def orphan_cells(orphan: Orphan) -> tuple[str, ...]:
    """Return what stands in the line of an interaction, a cell for each of `ORPHAN_COLUMNS`."""
    why = _REASONS[orphan.reason]
    remarks = [why, *((orphan.detail,) if orphan.detail else ())]
    if orphan.interaction_id is None and orphan.place:
        remarks.append(f"see {orphan.place}")
    return (
        formats.one_line(orphan.interaction_id or "?"),
        _now(orphan),
        formats.one_line(orphan.run_id),
        formats.clock(orphan.ended_at) if orphan.ended_at else "-",
        formats.one_line("; ".join(remarks)),
        formats.one_line(orphan.question or "-", max_chars=60),
    )


def _now(orphan: Orphan) -> str:
    if orphan.was_stopped is not None:
        return "stopped" if orphan.was_stopped else "NOT confirmed as stopped"
    if orphan.interaction_id is None:
        return "nobody knows"
    if orphan.at_api is None:
        return "not asked"
    status = f" ({formats.one_line(orphan.status)})" if orphan.at_api is AtApi.ENDED and orphan.status else ""
    return _STANDINGS[orphan.at_api] + status


def columns_that_fit(cells: Sequence[tuple[str, ...]], *, columns: int) -> dict[str, int]:
    """Return the columns, in their order, for which a terminal of this width has room, and their widths."""
    room = columns
    widths: dict[str, int] = {}
    for name in _BY_IMPORTANCE:
        place = COLUMNS.index(name)
        width = max(len(name), *(len(line[place]) for line in cells))
        if name == "QUESTION":
            width = min(width, _QUESTION_COLUMNS)
        # Without the first two a table says nothing; they are folded where they must be.
        if width + _GAP > room and len(widths) > 1:
            break
        widths[name] = width
        room -= width + _GAP
    if "QUESTION" in widths:
        widths["QUESTION"] += room
    return {name: widths[name] for name in COLUMNS if name in widths}


def table_of(rows: list[RunRow], *, columns: int) -> Table:
    """Return the runs as a table for a terminal of this width."""
    cells = [cells_of(row) for row in rows]
    widths = columns_that_fit(cells, columns=columns)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for name, width in widths.items():
        is_cut = name == "QUESTION"
        table.add_column(
            name,
            # An id that is cut off is of no use; a question still is.
            overflow="ellipsis" if is_cut else "fold",
            no_wrap=is_cut,
            max_width=width,
            justify="right" if name in _TO_THE_RIGHT else "left",
        )
    for row, line in zip(rows, cells, strict=True):
        texts = dict(zip(COLUMNS, map(Text, line), strict=True))
        texts["PHASE"].stylize(phase_style(row.phase))
        table.add_row(*(texts[name] for name in widths))
    return table
