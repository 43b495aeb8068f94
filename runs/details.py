"""A run's current details: the Markdown that the Temporal UI shows on its page."""

import re
from datetime import datetime, timedelta
from typing import Final

from runs.messages import AgentRunStatus, RunError, Settled
from runs.phase import Phase
from runs.text import clean_text, first_line

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+!|~<>&-])")

_WHAT_IS_GOING_ON: Final[dict[Phase, str]] = {
    Phase.REQUESTED: "Being submitted to the API.",
    Phase.SUBMISSION_UNKNOWN: (
        "**Needs a person.** The answer to the submission was lost: the API may or may not have taken it.\n\n"
        "- `longhaul resolve ID --adopt INTERACTION`: go on with an interaction you know to be this one.\n"
        "- `longhaul resolve ID --resubmit`: send again, and perhaps pay twice.\n"
        "- `longhaul resolve ID --give-up`: end the run.\n\n"
        "Until then nothing is sent, and the deadline waits, too."
    ),
    Phase.RUNNING: "The API is working on it. The pending activity's heartbeat shows what the last look saw.",
    Phase.SETTLING: "Finished at the API; fetching the result and storing its files.",
    Phase.CANCELLING: "Asking the API to stop.",
    Phase.COMPLETED: "Done.",
    Phase.INCOMPLETE: "Ended early; what there is has been stored.",
    Phase.FAILED: "Failed.",
    Phase.CANCELLED: "Cancelled.",
    Phase.TIMED_OUT: "Stopped at its deadline.",
}


def render_details(
    status: AgentRunStatus,
    *,
    question: str,
    now: datetime,
    settled: Settled | None = None,
    error: RunError | None = None,
) -> str:
    """Return what a person should know about a run, as Markdown.

    Text that people, models or servers wrote is escaped: it can neither format nor link.
    """
    lines = [
        f"### {status.phase.value.replace('_', ' ').capitalize()}",
        escape_markdown(question),
        "",
        _WHAT_IS_GOING_ON[status.phase],
        "",
        f"- **Agent:** {escape_markdown(status.agent)}",
        f"- **Requested:** {_clock(status.requested_at)}",
        f"- **Elapsed:** {_duration(now - status.requested_at)} when this was written",
    ]
    if not status.phase.is_end:
        lines.append(f"- **Deadline:** {_clock(status.deadline_at)}")
    if status.interaction_id:
        lines.append(f"- **Interaction:** {escape_markdown(status.interaction_id)}")
    if status.problem:
        lines.append(f"- **Waiting out:** {escape_markdown(status.problem)}")
    if status.next_submission_at:
        lines.append(f"- **Next submission:** {_clock(status.next_submission_at)}")
    lines += [
        f"- **Also paid for:** interaction {escape_markdown(orphan)}, of an earlier submission"
        for orphan in status.orphan_interaction_ids
    ]
    lines += _findings(status, settled)
    if error:
        lines.append(f"- **Error:** {escape_markdown(error.message)} ({error.code.value})")
    lines += _files(status, settled)
    return "\n".join(lines)


def _findings(status: AgentRunStatus, settled: Settled | None) -> list[str]:
    if settled:
        counts, usage = settled.counts, settled.usage
        found = (
            f"{counts.searches} searches, {counts.pages} pages read, {counts.sources} sources, "
            f"{counts.text_bytes:,} bytes of text, {counts.images} images"
        )
        lines = [f"- **Found:** {found}"]
        if usage.total_tokens is not None:
            cost = "" if settled.cost_usd is None else f", about ${settled.cost_usd:.2f}"
            lines.append(f"- **Used:** {usage.total_tokens:,} tokens{cost}")
        return lines + [f"- **Note:** {escape_markdown(note)}" for note in settled.notes]
    seen = status.sighting
    if seen is None:
        return []
    lines = [f"- **Seen:** {seen.steps} steps, {seen.searches} searches, {seen.pages} pages read"]
    if seen.latest_thought:
        lines.append(
            f"- **Latest thought:** {escape_markdown(first_line(seen.latest_thought, max_chars=200))}"
        )
    return lines


def _files(status: AgentRunStatus, settled: Settled | None) -> list[str]:
    lines: list[str] = []
    if status.artifacts_uri:
        label = "The report will be in" if settled is None and not status.phase.is_end else "Folder"
        lines.append(f"- **{label}:** {escape_markdown(status.artifacts_uri)}")
    if settled and settled.artifacts:
        # In one line: the UI draws a list inside a list without indenting or marking it.
        files = (f"{escape_markdown(ref.name)} ({ref.size_bytes:,} bytes)" for ref in settled.artifacts)
        lines.append(f"- **Files:** {', '.join(files)}")
    return lines


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _duration(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}"


def escape_markdown(text: str) -> str:
    """Return one line of text as Markdown that shows it as it is: it can neither format nor link."""
    # Not by entities, and only what must be: the Temporal UI (2.54.1) shows `&lt;` as these four characters,
    # and the backslash of `\\=`.
    return _MARKDOWN.sub(r"\\\1", clean_text(text))
