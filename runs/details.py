"""A run's current details: the Markdown that the Temporal UI shows on its page.

Workflow code: see docs/changing.md.
"""

import re
from datetime import datetime, timedelta
from typing import Final

from runs.messages import AgentRunStatus, RunError, Settled
from runs.phase import Phase
from runs.pricing import in_words
from runs.text import clean_text, excerpt_utf8, first_line

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+!|~<>&-])")

_MAX_WAITING_BYTES: Final = 4_096
"""Of a plan or of a call's arguments: enough to know them by. `longhaul status` shows more."""

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
    Phase.CALLING_TOOLS: "Carrying out the functions that the model asked for; their results go back to it.",
    Phase.AWAITING_APPROVAL: "**Needs a person.**",
    Phase.CALLING_TOOLS: "Carrying out the functions that the model asked for.",
    Phase.AWAITING_APPROVAL: "**Needs a person.** Decide with `longhaul approve ID`.",
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
        *_waiting(status),
        f"- **Asked:** {escape_markdown(status.agent)}",
        f"- **Requested:** {_clock(status.requested_at)}",
        f"- **Elapsed:** {_duration(now - status.requested_at)} when this was written",
    ]
    if not status.phase.is_end and status.phase is not Phase.AWAITING_APPROVAL:
        # While it waits for a person, its clock stands still.
        lines.append(f"- **Deadline:** {_clock(status.deadline_at)}")
    if status.turn > 1:
        lines.append(f"- **Turn:** {status.turn}")
    if status.running_calls:
        lines.append(f"- **Calls running:** {status.running_calls}")
    if status.interaction_id:
        lines.append(f"- **Interaction:** {escape_markdown(status.interaction_id)}")
    if status.refusals:
        lines.append(f"- **Refused by the API:** {_times(status.refusals)}")
    if status.problem:
        lines.append(f"- **Waiting out:** {escape_markdown(status.problem)}")
    if status.next_submission_at:
        lines.append(f"- **Next submission:** {_clock(status.next_submission_at)}")
    lines += [
        f"- **Also paid for:** interaction {escape_markdown(orphan)}, of an earlier submission"
        for orphan in status.orphan_interaction_ids
    ]
    lines += _findings(status, settled)
    lines += _spent(status, settled)
    if error:
        lines.append(f"- **Error:** {escape_markdown(error.message)} ({error.code.value})")
    lines += _files(status, settled)
    return "\n".join(lines)


def _findings(status: AgentRunStatus, settled: Settled | None) -> list[str]:
    if settled:
        counts = settled.counts
        found = (
            f"{counts.searches} searches, {counts.pages} pages read, {counts.sources} sources, "
            f"{counts.code_runs} code runs, {counts.tool_calls} tool calls, "
            f"{counts.text_bytes:,} bytes of text, {counts.images} images"
        )
        lines = [f"- **Found:** {found}"]
        return lines + [f"- **Note:** {escape_markdown(note)}" for note in settled.notes]
    seen = status.sighting
    if seen is None:
        return []
    lines = [f"- **Seen:** {seen.steps} steps, {seen.searches} searches, {seen.pages} pages read"]
    if seen.latest_action:
        lines.append(f"- **Latest action:** {_shortened(seen.latest_action)}")
    if seen.latest_thought:
        lines.append(f"- **Latest thought:** {_shortened(seen.latest_thought)}")
    return lines


def _spent(status: AgentRunStatus, settled: Settled | None) -> list[str]:
    """Return what the run has used: of all turns where there are several, else of the one that is settled."""
    spent = status.spent
    if spent.interactions > 1:
        cost = "" if spent.unknown_costs else f", {in_words(spent.cost_usd)}"
        return [f"- **Used:** {spent.interactions} interactions, {spent.tokens:,} tokens{cost}"]
    if settled is None or settled.usage.total_tokens is None:
        return []
    cost = "" if settled.cost_usd is None else f", {in_words(settled.cost_usd)}"
    return [f"- **Used:** {settled.usage.total_tokens:,} tokens{cost}"]


def _waiting(status: AgentRunStatus) -> list[str]:
    """Return what waits for a person, and how to decide about it."""
    if status.phase is not Phase.AWAITING_APPROVAL:
        return []
    lines: list[str] = []
    if plan := status.plan:
        until = "approved by itself" if plan.approves_itself else "expires"
        lines += [f"**Plan, revision {plan.revision}** ({until} at {_clock(plan.expires_at)}):", ""]
        lines += _quoted(plan.text)
        if plan.uri:
            lines += [f"The whole plan: {escape_markdown(plan.uri)}", ""]
        lines += [
            "- `longhaul approve ID`: begin with it.",
            '- `longhaul revise ID "FEEDBACK"`: ask for another one.',
            "- `longhaul cancel ID`: end the run.",
            "",
        ]
    for call in status.pending_calls:
        lines += [
            f"**Call of {escape_markdown(call.name)}** (expires at {_clock(call.expires_at)}):",
            "",
            *_quoted(call.arguments),
        ]
    if status.pending_calls:
        lines += [
            "- `longhaul approve ID`: carry it out.",
            '- `longhaul deny ID --reason "WHY"`: do not, and tell the model why.',
            "",
        ]
    return lines


def _quoted(text: str) -> list[str]:
    """Return text as Markdown that shows it line by line, shortened."""
    lines = excerpt_utf8(clean_text(text), max_bytes=_MAX_WAITING_BYTES).splitlines()
    # An empty line between: lines that follow each other would be joined.
    return [
        part for line in lines if line.strip() for part in (f"> {escape_markdown(line.strip())}", ">")
    ] + [""]


def _shortened(text: str) -> str:
    return escape_markdown(first_line(text, max_chars=200))


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


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


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
