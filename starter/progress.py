"""Progress on standard error: redrawn in place on a terminal, one line per change elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO, TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from runs.phase import Phase
from starter import formats
from starter.views import RunView

_View_contra = TypeVar("_View_contra", contravariant=True)

_MAX_ACTION_CHARS: Final = 60
"""Of a search or an address, beside the thought: what it is about, on a line that a terminal shows whole."""

_MAX_THOUGHT_CHARS: Final = 240
"""Three lines of a terminal of 80 columns."""

_NARROW_COLUMNS: Final = 60
"""Below this, the agent's name would take the line that says how far it has come."""

_STYLES: Final[dict[str, str]] = {
    Phase.COMPLETED: "bold green",
    Phase.INCOMPLETE: "bold yellow",
    Phase.FAILED: "bold red",
    Phase.CANCELLED: "bold yellow",
    Phase.TIMED_OUT: "bold red",
}


def phase_style(phase: str) -> str:
    """Return how rich is to write ``phase``, of a run or of a chain."""
    return _STYLES.get(phase, "bold cyan")


class Shows(Protocol[_View_contra]):
    """Shows where something stands while somebody waits."""

    def show(self, view: _View_contra) -> None:
        """Show the newest view."""

    def pause(self) -> None:
        """Leave the screen to something else."""

    def resume(self) -> None:
        """Go on after a pause, with the next view."""


class Progress(Shows[RunView], Protocol):
    """Shows where a run stands while somebody waits."""


class LineProgress:
    """One plain line per change, for logs and pipes.

    Args:
        stream: Where the lines go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: str | None = None

    def show(self, view: RunView) -> None:
        """Print a line if the view says something new; elapsed time alone is nothing new."""
        text = progress_text(view)
        if text != self._last:
            self._last = text
            print(f"[{formats.elapsed(view.elapsed_s)}] {text}", file=self._stream, flush=True)

    def pause(self) -> None:
        """Do nothing: lines are only ever added."""

    def resume(self) -> None:
        """Do nothing."""


class LiveProgress:
    """A few lines redrawn in place.

    Args:
        live: Where they are drawn.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._spinner = Spinner("dots", style="cyan")

    def show(self, view: RunView) -> None:
        """Redraw."""
        self._live.update(self._drawn(view), refresh=True)

    def pause(self) -> None:
        """Take the lines away."""
        self._live.update(Group())
        self._live.stop()

    def resume(self) -> None:
        """Draw again."""
        self._live.start()

    def _drawn(self, view: RunView) -> Group:
        head = Table.grid(padding=(0, 1))
        if view.phase.is_end:
            head.add_row(Text("●", style=phase_style(view.phase)), _headline(view, self._live.console.width))
        else:
            head.add_row(self._spinner, _headline(view, self._live.console.width))
        below: list[Text] = []
        if (reason := formats.hint(view)) and not view.phase.is_end:
            below.append(Text(reason, style="yellow"))
        if not view.phase.is_end:
            if action := formats.action(formats.seen_now(view), max_chars=_MAX_ACTION_CHARS):
                below.append(Text(action))
            if thought := formats.thought(formats.seen_now(view), max_chars=_MAX_THOUGHT_CHARS):
                below.append(Text(thought, style="italic"))
            below.append(Text(f"Ctrl-C detaches, the run goes on: longhaul watch {view.run_id}", style="dim"))
        # Empty last line: there the terminal shows its ^C, and a frame that has not moved can be taken away.
        return Group(head, *(Padding(line, (0, 0, 0, 2)) for line in below), Text())


@contextmanager
def shown_progress(stream: TextIO, *, is_terminal: bool) -> Iterator[Progress]:
    """Show progress on ``stream`` while the block lasts."""
    if not is_terminal:
        yield LineProgress(stream)
        return
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    # Transient: what stays on the screen is the summary, not the last frame above it.
    with Live(console=console, auto_refresh=True, refresh_per_second=8, transient=True) as live:
        yield LiveProgress(live)


def progress_text(view: RunView) -> str:
    """Return where a run stands in one line, without what changes at every look."""
    parts = [view.phase.value.replace("_", " ")]
    if not view.phase.is_end:
        parts.append(formats.doings(view))
        parts.append(formats.action(formats.seen_now(view), max_chars=_MAX_ACTION_CHARS))
        parts.append(formats.thought(formats.seen_now(view), max_chars=_MAX_THOUGHT_CHARS))
        if reason := formats.hint(view):
            parts.append(f"({reason})")
    return " · ".join(part for part in parts if part)


def _headline(view: RunView, columns: int) -> Text:
    line = Text()
    line.append(view.phase.value.replace("_", " "), style=phase_style(view.phase))
    line.append(f"  {formats.elapsed(view.elapsed_s)}")
    if doings := formats.doings(view):
        line.append(f"  {doings}")
    if view.agent and columns >= _NARROW_COLUMNS:
        line.append(f"  {formats.one_line(view.agent, max_chars=60)}", style="dim")
    return line
