"""Chains as people read them: a summary, and a tree of steps, as lines or drawn."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.text import Text
from rich.tree import Tree

from chains.messages import ChainPhase, ChainResult, StepPhase, StepView
from runs.budget import Spent
from starter import formats
from starter.views import CancelledChain, ChainView

_STYLES: Final[dict[StepPhase, tuple[str, str]]] = {
    StepPhase.WAITING: ("○", "dim"),
    StepPhase.RUNNING: ("●", "bold cyan"),
    StepPhase.AWAITING_APPROVAL: ("?", "bold yellow"),
    StepPhase.RETRYING: ("↻", "bold yellow"),
    StepPhase.COMPLETED: ("✓", "bold green"),
    StepPhase.INCOMPLETE: ("✓", "bold yellow"),
    StepPhase.FAILED: ("✗", "bold red"),
    StepPhase.REJECTED: ("✗", "bold red"),
    StepPhase.SKIPPED: ("-", "dim"),
    StepPhase.CANCELLED: ("✗", "bold yellow"),
}
"""A sign for each phase, so that nobody depends on the colour, and its style."""

_CHAIN_STYLES: Final[dict[ChainPhase, str]] = {
    ChainPhase.AWAITING_APPROVAL: "bold yellow",
    ChainPhase.COMPLETED: "bold green",
    ChainPhase.INCOMPLETE: "bold yellow",
    ChainPhase.FAILED: "bold red",
    ChainPhase.REJECTED: "bold red",
    ChainPhase.CANCELLED: "bold yellow",
}

OUTPUT: Final = "output"
"""What a chain's result is called among its files."""

_MAX_REASON_CHARS: Final = 200


def words_of(phase: ChainPhase | StepPhase) -> str:
    """Return a phase in words."""
    return phase.value.replace("_", " ")


def chain_style(phase: ChainPhase) -> str:
    """Return how rich is to write ``phase``."""
    return _CHAIN_STYLES.get(phase, "bold cyan")


def summary(view: ChainView) -> list[tuple[str, str]]:
    """Return what is to be said about a chain, but for its steps, as names and values, in their order."""
    rows = [("chain", view.chain_id), ("phase", words_of(view.phase))]
    if view.subject:
        rows.append(("subject", formats.one_line(view.subject)))
    rows.append(("took" if view.phase.is_end else "elapsed", formats.elapsed(view.elapsed_s)))
    known = view.result or view.status
    if known is not None and known.spent.interactions:
        rows.append(("spent", spent(known.spent)))
    if view.result is not None:
        rows += _output_rows(view.result)
    if known is not None and known.failure is not None:
        failure = known.failure
        rows.append(("because of", f"{failure.step}: {formats.one_line(failure.error.message)}"))
    if reason := hint(view):
        rows.append(("problem", reason))
    if known is None and view.running_run_ids:
        # Nobody answers who knows the steps.
        rows += [("running", run_id) for run_id in view.running_run_ids]
    for run in view.waiting_runs:
        rows.append(("decide", f"longhaul status {run.run_id}  # {run.phase.value.replace('_', ' ')}"))
    for step in view.waiting:
        rows += [("decide", command) for command in deciding_commands(view, step)]
    return rows


def spent(used: Spent) -> str:
    """Return what was used, and that it is not all where that is not known."""
    parts = [
        formats.count(used.interactions, "interaction"),
        formats.count(used.tokens, "token"),
        formats.cost(used.cost_usd),
    ]
    if used.unknown_costs:
        parts.append(f"and what {formats.count(used.unknown_costs, 'interaction')} cost that nobody knows")
    return ", ".join(parts)


def hint(view: ChainView) -> str | None:
    """Return what keeps the chain from going on, if anything."""
    if view.is_temporal_away:
        return "Temporal is away; waiting for it. The chain is safe there."
    if view.is_paused:
        return formats.paused(view.chain_id)
    if view.has_worker is False and not view.phase.is_end:
        return f"no worker is polling task queue {view.task_queue!r}; start one with `longhaul worker`"
    if view.problem:
        return formats.one_line(view.problem)
    if view.waiting_runs:
        waiting = ", ".join(run.run_id for run in view.waiting_runs)
        return f"{formats.count(len(view.waiting_runs), 'run')} of it needs a person: {waiting}"
    return None


def step_text(step: StepView) -> str:
    """Return where a step or an item stands, in one line without its name."""
    parts = [step.kind.value, words_of(step.phase), *_facts_of(step)]
    if step.run_id is not None:
        parts.append(step.run_id)
    return ", ".join(parts) + (f": {reason}" if (reason := _reason_of(step)) else "")


def lines_of(steps: Iterable[StepView]) -> Iterator[str]:
    """Yield steps, and below each its items, as lines."""
    for step in steps:
        yield f"{step.name}: {step_text(step)}"
        for item in step.items:
            yield f"  {step.name}{item.name}: {step_text(item)}"


def tree_of(view: ChainView, *, max_items: int | None = None) -> Tree:
    """Return a chain drawn as a tree.

    Args:
        view: Of the chain.
        max_items: How many items of a step are drawn, those that matter most now; None for all.
    """
    head = Text(view.chain_id)
    head.append(f"  {words_of(view.phase)}", style=chain_style(view.phase))
    head.append(f"  {formats.elapsed(view.elapsed_s)}")
    known = view.result or view.status
    if known is not None and known.spent.interactions:
        head.append(f"  {formats.cost(known.spent.cost_usd)}")
    tree = Tree(head, guide_style="dim")
    for step in view.steps:
        branch = tree.add(_drawn(step))
        items = _that_matter(step.items, max_items)
        for item in items:
            branch.add(_drawn(item))
        if len(items) < len(step.items):
            branch.add(Text(f"… and {len(step.items) - len(items)} more", style="dim"))
    if known is None:
        for run_id in view.running_run_ids:
            tree.add(Text(run_id))
    return tree


def waiting_lines(step: StepView) -> list[str]:
    """Return what a person is asked, as lines for a terminal."""
    until = f", until {formats.clock(step.expires_at)}" if step.expires_at else ""
    message = formats.shown(step.message).splitlines()
    return [f"{step.name} asks{until}:", "", *(f"  {line}".rstrip() for line in message), ""]


def deciding_commands(view: ChainView, step: StepView) -> list[str]:
    """Return the commands that decide about ``step``, approval first."""
    which = f" --step {shlex.quote(step.name)}" if len(view.waiting) > 1 else ""
    return [
        f"longhaul approve {view.chain_id}{which}",
        f'longhaul deny {view.chain_id}{which} --reason "WHY"',
    ]


def places(view: ChainView) -> list[tuple[str, str]]:
    """Return where the chain's result is, as names and places."""
    if view.result is None:
        return []
    found = [(OUTPUT, view.result.output_uri)] if view.result.output_uri else []
    found += [(ref.name, ref.uri) for ref in view.result.artifacts if not _is_for_programs(ref.name)]
    return [(name, formats.place(uri)) for name, uri in found]


def cancel_line(outcome: CancelledChain) -> str:
    """Return what came of a cancel, in one sentence."""
    phase = words_of(outcome.phase)
    if outcome.had_ended:
        return f"{outcome.chain_id} had already ended ({phase}); nothing to cancel."
    if not outcome.phase.is_end:
        return (
            f"{outcome.chain_id} was asked to stop and is still {phase}; "
            f"see `longhaul watch {outcome.chain_id}`."
        )
    return f"{outcome.chain_id} ended as {phase}; `longhaul chain show {outcome.chain_id}` shows each step."


def _output_rows(result: ChainResult) -> list[tuple[str, str]]:
    text = formats.one_line(result.output)
    return [(OUTPUT, text)] if text and result.output_uri is None else []


def _is_for_programs(name: str) -> bool:
    return name.endswith(".json")


def _facts_of(step: StepView) -> list[str]:
    facts = []
    if step.items:
        ended = sum(item.phase.is_end for item in step.items)
        facts.append(f"{ended} of {formats.count(len(step.items), 'item')}")
    if step.started_at is not None and step.phase is not StepPhase.SKIPPED:
        took_s = formats.seconds_between(step.started_at, step.ended_at)
        if took_s >= 1 or not step.phase.is_end:
            facts.append(formats.elapsed(took_s))
    if step.attempts > 1:
        facts.append(f"try {step.attempts}")
    if step.retry_at is not None:
        facts.append(f"again at {_time(step.retry_at)}")
    if step.expires_at is not None:
        facts.append(f"until {formats.clock(step.expires_at)}")
    if step.spent.cost_usd:
        facts.append(formats.cost(step.spent.cost_usd))
    return facts


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}"


def _reason_of(step: StepView) -> str:
    reason = step.error.message if step.error else step.why
    return formats.one_line(reason, max_chars=_MAX_REASON_CHARS)


def _drawn(step: StepView) -> Text:
    sign, style = _STYLES[step.phase]
    line = Text()
    line.append(f"{sign} ", style=style)
    line.append(step.name, style="" if step.phase is not StepPhase.WAITING else "dim")
    line.append(f" {step.kind.value}", style="dim")
    line.append(f"  {words_of(step.phase)}", style=style)
    for fact in _facts_of(step):
        line.append(f"  {fact}")
    if step.run_id is not None:
        line.append(f"  {step.run_id}", style="dim")
    if reason := _reason_of(step):
        line.append(f"  {reason}", style="" if step.phase.is_good else "yellow")
    return line


_BY_IMPORTANCE: Final = (
    StepPhase.RUNNING,
    StepPhase.RETRYING,
    StepPhase.FAILED,
    StepPhase.CANCELLED,
    StepPhase.INCOMPLETE,
    StepPhase.SKIPPED,
    StepPhase.WAITING,
    StepPhase.COMPLETED,
)


def _that_matter(items: Sequence[StepView], max_items: int | None) -> Sequence[StepView]:
    """Return the items that matter most, in their own order."""
    if max_items is None or len(items) <= max_items:
        return items
    ranked = sorted(range(len(items)), key=lambda number: _BY_IMPORTANCE.index(items[number].phase))
    return [items[number] for number in sorted(ranked[:max_items])]
