"""A chain's progress on standard error: a tree redrawn in place, or one line for each change."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from chains.messages import StepPhase, StepView
from starter import chain_formats, formats
from starter.progress import Shows
from starter.views import ChainView

_MAX_ITEMS: Final = 8
"""Drawn of one step, so that the tree of an ordinary chain fits a terminal."""


class ChainLines:
    """One plain line per step and change, for logs and pipes.

    Args:
        stream: Where the lines go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: dict[str, StepPhase] = {}
        self._hint: str | None = None

    def show(self, view: ChainView) -> None:
        """Print the steps and items that stand elsewhere than before."""
        at = formats.elapsed(view.elapsed_s)
        for step in view.steps:
            self._show(step, name=step.name, at=at)
            for item in step.items:
                self._show(item, name=f"{step.name}{item.name}", at=at)
        hint = chain_formats.hint(view)
        if hint != self._hint:
            self._hint = hint
            if hint is not None:
                print(f"[{at}] {hint}", file=self._stream, flush=True)

    def pause(self) -> None:
        """Do nothing: lines are only ever added."""

    def resume(self) -> None:
        """Do nothing."""

    def _show(self, step: StepView, *, name: str, at: str) -> None:
        if step.phase is self._shown.get(name, StepPhase.WAITING):
            return
        self._shown[name] = step.phase
        print(f"[{at}] {name}: {chain_formats.step_text(step)}", file=self._stream, flush=True)


class ChainTree:
    """The tree of all steps, redrawn in place.

    Args:
        live: Where it is drawn.
    """

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, view: ChainView) -> None:
        """Redraw."""
        below: list[Text] = []
        if not view.phase.is_end:
            if hint := chain_formats.hint(view):
                below.append(Text(hint, style="yellow"))
            come_back = f"Ctrl-C detaches, the chain goes on: longhaul watch {view.chain_id}"
            below.append(Text(come_back, style="dim"))
        tree = chain_formats.tree_of(view, max_items=_MAX_ITEMS)
        # Empty last line: there the terminal shows its ^C.
        padded = (Padding(line, (0, 0, 0, 2)) for line in below)
        self._live.update(Group(tree, *padded, Text()), refresh=True)

    def pause(self) -> None:
        """Take the tree away."""
        self._live.update(Group())
        self._live.stop()

    def resume(self) -> None:
        """Draw again."""
        self._live.start()


@contextmanager
def shown_chain(stream: TextIO, *, is_terminal: bool) -> Iterator[Shows[ChainView]]:
    """Show a chain's progress on ``stream`` while the block lasts."""
    if not is_terminal:
        yield ChainLines(stream)
        return
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    # Transient: what stays on the screen is the last tree, which is part of the answer.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield ChainTree(live)
