import io
import re

import pytest
from rich.console import Console
from rich.live import Live

from runs.phase import Phase
from starter.progress import LineProgress, LiveProgress, progress_text, shown_progress
from starter.views import RunView
from tests.unit.starter.sample import call, plan, sighting, view

LONG_THOUGHT = "Comparing the tidal range of the Bay of Fundy with that of the Severn estuary. " * 5


def drawn(shown: RunView, *, columns: int) -> list[str]:
    """The lines that one frame of live progress fills on a terminal of this width."""
    console = Console(file=io.StringIO(), width=columns, height=24, force_terminal=True, color_system=None)
    live = Live(console=console, auto_refresh=False)
    LiveProgress(live).show(shown)
    console.print(live.get_renderable())
    output = console.file
    assert isinstance(output, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue()).splitlines()


def test_a_line_is_printed_for_every_change_and_none_for_time_alone() -> None:
    """A log of an hour's run holds what happened in it, not its seconds."""
    stream = io.StringIO()
    progress = LineProgress(stream)
    progress.show(view(Phase.REQUESTED, elapsed_s=0.2))
    for elapsed_s in range(1, 60):
        progress.show(view(elapsed_s=elapsed_s, sighting=sighting(looks=elapsed_s)))
    progress.show(view(elapsed_s=61, sighting=sighting(searches=13)))
    progress.show(view(Phase.COMPLETED, elapsed_s=62))
    assert stream.getvalue().splitlines() == [
        "[0s] requested",
        "[1s] running · 12 searches, 1 page",
        "[1m 01s] running · 13 searches, 1 page",
        "[1m 02s] completed",
    ]


def test_plain_lines_hold_nothing_that_acts_on_a_terminal() -> None:
    """What goes to a log is text alone, whatever the model thinks."""
    text = progress_text(view(sighting=sighting(latest_thought="\x1b[31mred\x1b[0m\nsecond")))
    assert text == "running · 12 searches, 1 page · red"


def test_a_problem_is_told_in_passing() -> None:
    """What a run waits out stands in its line while it lasts."""
    assert progress_text(view(problem="HTTP 503")) == "running · (HTTP 503)"


def test_what_a_run_is_about_is_told_in_every_phase() -> None:
    """Searches while the API works, calls while functions run, and what waits for a person."""
    acting = sighting(latest_action="searching: tides", latest_thought="Hm")
    assert progress_text(view(sighting=acting)) == "running · 12 searches, 1 page · searching: tides · Hm"
    calling = view(Phase.CALLING_TOOLS, running_calls=2, sighting=acting)
    assert progress_text(calling) == "calling tools · 2 calls running"
    assert progress_text(view(Phase.AWAITING_APPROVAL, plan=plan())) == "awaiting approval · its plan"
    waits = view(Phase.AWAITING_APPROVAL, pending_calls=(call("c1", "d1"),))
    assert progress_text(waits) == "awaiting approval · 1 call"
    # Until the run could be asked.
    assert progress_text(view(Phase.AWAITING_APPROVAL)) == "awaiting approval"


def test_a_pause_leaves_the_screen_to_something_else() -> None:
    """A question stands where the lines were; they come back with the next view."""
    stream = io.StringIO()
    console = Console(file=stream, width=80, height=24, force_terminal=True, color_system=None)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        progress = LiveProgress(live)
        progress.show(view())
        progress.pause()
        assert not live.is_started
        stream.truncate(0)
        progress.resume()
        progress.show(view())
        assert "running" in stream.getvalue()


def test_where_nobody_watches_lines_are_plain() -> None:
    """Without a terminal nothing is redrawn."""
    stream = io.StringIO()
    with shown_progress(stream, is_terminal=False) as progress:
        progress.show(view())
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().endswith("running\n")


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 200])
def test_a_frame_fits_its_terminal(columns: int) -> None:
    """No line is wider than the terminal, and the frame is far lower than any."""
    shown = view(
        sighting=sighting(latest_thought=LONG_THOUGHT, total_tokens=120_000), problem="HTTP 503: busy"
    )
    lines = drawn(shown, columns=columns)
    assert all(len(line) <= columns for line in lines)
    assert len(lines) <= 20


def test_a_frame_says_what_a_person_wants_to_know() -> None:
    """Phase, time, findings, the latest thought, and how to leave without ending the run."""
    text = " ".join(drawn(view(sighting=sighting(latest_thought="[b]Weighing[/b] tides")), columns=100))
    for part in ("running", "4m 07s", "12 searches, 1 page", "[b]Weighing[/b] tides", "Ctrl-C detaches"):
        assert part in text
