"""What a command says: the answer on standard output, everything beside it on standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from starter import chain_formats, formats
from starter.errors import ExitCode, StarterError
from starter.progress import phase_style
from starter.tables import COLUMNS, ORPHAN_COLUMNS, cells_of, orphan_cells, table_of
from starter.views import ChainView, OrphanList, Problem, ProblemReport, RunList, RunRow, RunView

_MAX_PANEL_COLUMNS = 100
"""Wider lines are hard to read."""


class Output:
    """Standard output and standard error of one command.

    Args:
        as_json: The answer is one JSON document instead of text.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches standard error, on something that can be redrawn."""
        return sys.stderr.isatty() and not Console(file=sys.stderr).is_dumb_terminal

    @property
    def is_interactive(self) -> bool:
        """Whether somebody can be asked."""
        return self.is_terminal and sys.stdin.isatty() and not self.as_json

    @property
    def beside(self) -> TextIO:
        """Where everything goes that is not the answer."""
        return sys.stderr

    def say(self, text: str) -> None:
        """Tell something beside the answer, on a line of its own."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def json(self, view: BaseModel) -> None:
        """Print the answer as JSON. ASCII only: no character in it can act on a terminal."""
        self.line(json.dumps(view.model_dump(mode="json"), indent=2))

    def line(self, text: str) -> None:
        """Print a line of the answer."""
        sys.stdout.write(f"{text}\n")

    def document(self, text: str) -> None:
        """Print a document of the answer as it is; made fit to show where it is shown.

        What goes to a file or a program is not touched, and is UTF-8 whatever the terminal's language.
        """
        if sys.stdout.isatty():
            self.line(formats.shown(text))
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode(errors="replace"))
        if not text.endswith("\n"):
            sys.stdout.buffer.write(b"\n")

    def run(self, view: RunView, *, is_beside: bool = False) -> None:
        """Print where a run stands, or what it left behind.

        Args:
            view: Of the run.
            is_beside: This is not the answer: it goes to standard error.
        """
        if self.as_json:
            self.json(view)
            return
        file = sys.stderr if is_beside else sys.stdout
        rows = formats.summary(view)
        # Outside of the panel and never folded, so that they can be copied and followed.
        waiting = [line for item in view.waiting for line in formats.waiting_lines(item)]
        if not file.isatty():
            lines = [f"{name}: {value}" for name, value in (*rows, *formats.places(view))]
            file.writelines(f"{line}\n" for line in (*lines, *waiting))
            return
        grid = _grid(rows, styles={"phase": phase_style(view.phase)})
        border = phase_style(view.phase).removeprefix("bold ")
        panel = Panel(grid, border_style=border, expand=False)
        self._draw(panel, file=file, max_columns=_MAX_PANEL_COLUMNS)
        places = [place for _, place in formats.places(view)]
        file.writelines(f"{line}\n" for line in (*places, *waiting))

    def chain(self, view: ChainView) -> None:
        """Print where a chain and each of its steps stand: a tree for people, lines for programs."""
        if self.as_json:
            self.json(view)
            return
        rows = chain_formats.summary(view)
        waiting = [line for step in view.waiting for line in chain_formats.waiting_lines(step)]
        if not sys.stdout.isatty():
            for name, value in (*rows, *chain_formats.places(view)):
                self.line(f"{name}: {value}")
            if view.steps:
                self.line("steps:")
            for line in (*(f"  {line}" for line in chain_formats.lines_of(view.steps)), *waiting):
                self.line(line)
            return
        self._draw(chain_formats.tree_of(view))
        # What the tree says is not said again; what is to be copied is never folded.
        self._draw(_grid(rows, leave_out=("chain", "phase", "elapsed", "took", "decide")))
        commands = [value for name, value in rows if name == "decide"]
        for line in (*(place for _, place in chain_formats.places(view)), *waiting, *commands):
            self.line(line)

    def runs(self, rows: list[RunRow]) -> None:
        """Print a list of runs: a table for people, tab-separated lines for programs."""
        if self.as_json:
            self.json(RunList(runs=tuple(rows)))
            return
        if not sys.stdout.isatty():
            for line in (COLUMNS, *map(cells_of, rows)):
                self.line("\t".join(line))
            return
        self._draw(table_of(rows, columns=Console(file=sys.stdout).width))

    def orphans(self, listing: OrphanList) -> None:
        """Print what may be running unwatched: a table for people, tab-separated lines for programs."""
        if self.as_json:
            self.json(listing)
            return
        lines = [orphan_cells(orphan) for orphan in listing.orphans]
        if not sys.stdout.isatty():
            for line in (ORPHAN_COLUMNS, *lines):
                self.line("\t".join(line))
            return
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for name in ORPHAN_COLUMNS:
            # What is to be copied is folded rather than cut.
            table.add_column(name, overflow="fold")
        for cells in lines:
            table.add_row(*map(Text, cells))
        self._draw(table)

    def problem(self, error: StarterError) -> None:
        """Tell why a command could not do what was asked."""
        message = formats.one_line(str(error), max_chars=1_000)
        self.say(f"longhaul: {message}")
        if self.as_json:
            report = Problem(kind=error.kind, message=message, exit_code=int(error.exit_code))
            self.json(ProblemReport(error=report))

    def crash(self, error: Exception) -> ExitCode:
        """Tell of an error that nobody foresaw, in one line."""
        what = formats.one_line(f"{type(error).__name__}: {error}")
        self.say(f"longhaul: internal error: {what}; set LONGHAUL_LOG_LEVEL=debug for details")
        if self.as_json:
            code = ExitCode.RUN_FAILED
            self.json(ProblemReport(error=Problem(kind="internal", message=what, exit_code=int(code))))
        return ExitCode.RUN_FAILED

    def _draw(
        self, drawn: RenderableType, *, file: TextIO | None = None, max_columns: int | None = None
    ) -> None:
        console = Console(file=file or sys.stdout, markup=False, emoji=False, highlight=False)
        if max_columns is not None:
            console.width = min(console.width, max_columns)
        console.print(drawn)


def _grid(
    rows: list[tuple[str, str]], *, styles: Mapping[str, str] | None = None, leave_out: Sequence[str] = ()
) -> Table:
    """Return names and values, side by side."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        if name not in leave_out:
            grid.add_row(Text(name), Text(value, style=(styles or {}).get(name, "")))
    return grid
