"""A chain's current details: the Markdown that the Temporal UI shows on its page.

Workflow code: see docs/changing.md.
"""

from datetime import datetime, timedelta
from typing import Final

from chains.messages import ChainPhase, ChainStatus, StepPhase, StepView
from runs.details import escape_markdown
from runs.pricing import in_words
from runs.text import first_line

_SHOWN_BYTES: Final = 19_000
"""Of all lines. Temporal's UI is made for 20,000 bytes of details; the ``status`` query has every step."""

_LINE_CHARS: Final = 150

_WHAT_IS_GOING_ON: Final[dict[ChainPhase, str]] = {
    ChainPhase.RUNNING: "Each agent or model step is a child of this workflow, with a page of its own.",
    ChainPhase.AWAITING_APPROVAL: "**Needs a person:** `longhaul approve ID`, or `longhaul deny ID`.",
    ChainPhase.STOPPING: "Nothing more is started; what still runs is waited for.",
    ChainPhase.COMPLETED: "Done.",
    ChainPhase.INCOMPLETE: "Came to its end, though not every step did.",
    ChainPhase.FAILED: "Failed.",
    ChainPhase.REJECTED: "A person said no, or nobody decided in time.",
    ChainPhase.CANCELLED: "Cancelled.",
}


def render_chain(status: ChainStatus, *, now: datetime) -> str:
    """Return what a person should know about a chain, as Markdown.

    Text that people, models or servers wrote is escaped: it can neither format nor link.
    """
    spent = status.spent
    used = f"{spent.interactions:,} interactions, {spent.tokens:,} tokens"
    lines = [
        f"### {escape_markdown(status.name)}: {status.phase.value.replace('_', ' ')}",
        _WHAT_IS_GOING_ON[status.phase],
        "",
        f"- **Used:** {used}, {in_words(spent.cost_usd)}",
    ]
    if status.failure is not None:
        failure = status.failure
        lines.append(
            f"- **Because of** {escape_markdown(failure.step)}**:** {escape_markdown(failure.error.message)}"
        )
    room_bytes = _SHOWN_BYTES - sum(len(line.encode()) + 1 for line in lines)
    for number, step in enumerate(status.steps):
        line = _line(step, now=now)
        room_bytes -= len(line.encode()) + 1
        if room_bytes < 0:
            lines.append(f"- … and {len(status.steps) - number} more: `longhaul chain show ID`")
            break
        lines.append(line)
    return "\n".join(lines)


def _line(step: StepView, *, now: datetime) -> str:
    words = [f"- {escape_markdown(step.name)} ({step.kind.value}): {step.phase.value.replace('_', ' ')}"]
    if step.started_at is not None and step.phase is not StepPhase.SKIPPED:
        words.append(_duration((step.ended_at or now) - step.started_at))
    if step.items:
        ended = sum(item.phase.is_end for item in step.items)
        words.append(f"{ended} of {len(step.items)} items")
    if step.spent.cost_usd:
        words.append(in_words(step.spent.cost_usd))
    reason = step.error.message if step.error else step.why or step.message
    if reason:
        words.append(escape_markdown(first_line(reason, _LINE_CHARS)))
    return ", ".join(words)


def _duration(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
