"""A conversation's current details: the Markdown that the Temporal UI shows on its page.

Workflow code: see docs/changing.md.
"""

from typing import Final

from runs.conversation import ConversationPhase, ConversationStatus, Turn
from runs.details import escape_markdown
from runs.pricing import in_words
from runs.text import first_line

_SHOWN_TURNS: Final = 5
_SHOWN_PENDING: Final = 10
_SHOWN_CHARS: Final = 200
"""Together well below the 20,000 bytes of details that Temporal takes."""

_WHAT_IS_GOING_ON: Final[dict[ConversationPhase, str]] = {
    ConversationPhase.OPEN: "Waits for the next message: `longhaul chat ID`.",
    ConversationPhase.BUSY: "Answers a message; the run that does is a child of this workflow.",
    ConversationPhase.CLOSED: "Closed.",
}


def render_conversation(status: ConversationStatus) -> str:
    """Return what a person should know about a conversation, as Markdown.

    Text that people, models or servers wrote is escaped: it can neither format nor link.
    """
    lines = [
        f"### {status.phase.value.capitalize()}",
        _WHAT_IS_GOING_ON[status.phase],
        "",
        f"- **With:** {escape_markdown(status.target)}",
        f"- **Turns:** {status.turns:,}",
        f"- **Used:** {status.spent.tokens:,} tokens, {in_words(status.spent.cost_usd)}",
    ]
    if status.origin is not None:
        lines.append(f"- **Follows up on:** {escape_markdown(status.origin.run_id)}")
    if status.why_no_more is not None:
        lines.append(f"- **No further message:** {escape_markdown(status.why_no_more)}")
    for message in status.pending[:_SHOWN_PENDING]:
        what = "Waits" if message.run_id is None else "Being answered"
        lines.append(f"- **{what}:** {escape_markdown(message.question)}")
    if len(status.pending) > _SHOWN_PENDING:
        lines.append(f"- **Waiting, too:** {len(status.pending) - _SHOWN_PENDING} more")
    if status.phase is ConversationPhase.OPEN:
        lines.append(f"- **Closes:** {status.idle_at:%Y-%m-%d %H:%M} UTC, unless somebody writes")
    for turn in status.recent[-_SHOWN_TURNS:]:
        lines += ["", *_turn(turn)]
    return "\n".join(lines)


def _turn(turn: Turn) -> list[str]:
    lines = [f"**{turn.number}. {escape_markdown(turn.question)}**", ""]
    if turn.error is not None:
        return [*lines, f"Failed: {escape_markdown(first_line(turn.error.message, _SHOWN_CHARS))}"]
    return [*lines, escape_markdown(first_line(turn.text, _SHOWN_CHARS)) or "(no text)"]
