import io

from rich.console import Console
from rich.live import Live

from chains.messages import ChainPhase, StepPhase
from starter.chain_progress import ChainLines, ChainTree, shown_chain
from tests.unit.starter.chain_sample import chain_view, step


def test_only_changes_are_told() -> None:
    """A line for each step and item that stands elsewhere; time alone is no news, nor is waiting."""
    shown = io.StringIO()
    lines = ChainLines(shown)
    waiting, running = step("b", StepPhase.WAITING), step("b", StepPhase.RUNNING)
    items = (step("[0]", StepPhase.RUNNING), step("[1]", StepPhase.WAITING))
    each = step("each", StepPhase.RUNNING, items=items)
    lines.show(chain_view(waiting))
    lines.show(chain_view(running))
    lines.show(chain_view(running, elapsed_s=300))
    lines.pause()
    lines.resume()
    lines.show(chain_view(running, each))
    told = [line.split(",")[0:2] for line in shown.getvalue().splitlines()]
    assert told == [
        ["[4m 07s] b: ask", " running"],
        ["[4m 07s] each: ask", " running"],
        ["[4m 07s] each[0]: ask", " running"],
    ]


def test_what_keeps_a_chain_is_told_once() -> None:
    """And again only after it had gone."""
    shown = io.StringIO()
    lines = ChainLines(shown)
    for has_worker in (False, False, True, False):
        lines.show(chain_view(has_worker=has_worker))
    assert shown.getvalue().count("no worker") == 2


def test_a_terminal_shows_the_tree_and_how_to_come_back() -> None:
    """Until the end, when the tree is part of the answer."""
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Live(console=console, auto_refresh=False) as live:
        tree = ChainTree(live)
        tree.show(chain_view(step("brew", StepPhase.RUNNING), has_worker=False))
        assert isinstance(console.file, io.StringIO)
        running = console.file.getvalue()
        tree.pause()
        tree.resume()
        console.file.truncate(0)
        tree.show(chain_view(step("brew"), phase=ChainPhase.COMPLETED))
        ended = console.file.getvalue()
    for said in ("brew", "longhaul watch tea-abc", "no worker is polling"):
        assert said in running
    assert "brew" in ended
    assert "longhaul watch" not in ended


def test_a_log_gets_lines() -> None:
    """Without a terminal nothing is redrawn."""
    stream = io.StringIO()
    with shown_chain(stream, is_terminal=False) as progress:
        progress.show(chain_view(step("a", StepPhase.RUNNING)))
    assert "\x1b" not in stream.getvalue()
    with shown_chain(io.StringIO(), is_terminal=True) as progress:
        assert isinstance(progress, ChainTree)
