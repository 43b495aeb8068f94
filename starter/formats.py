"""Numbers, times and places as people read them. Nothing here is read by programs."""

import shlex
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from runs.messages import AgentRunResult, Sighting
from runs.phase import Phase
from runs.planning import PlanView
from runs.pricing import in_words
from runs.text import clean_text, first_line
from starter.temporal import unpause_command
from starter.views import CancelOutcome, RunView, Waiting

_MAX_TEXT_CHARS: Final = 300


def elapsed(seconds: float) -> str:
    """Return ``7s``, ``4m 07s`` or ``1h 04m``."""
    whole = int(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{whole}s"
    if whole < 3600:  # noqa: PLR2004 - seconds in an hour
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def size(size_bytes: int) -> str:
    """Return ``812 B``, ``14 KB`` or ``2.3 MB``."""
    if size_bytes < 1_000:  # noqa: PLR2004 - a kilobyte
        return f"{size_bytes} B"
    if size_bytes < 1_000_000:  # noqa: PLR2004 - a megabyte
        return f"{size_bytes / 1_000:.0f} KB"
    return f"{size_bytes / 1_000_000:.1f} MB"


def cost(cost_usd: float | None) -> str:
    """Return ``about $2.07``, ``under $0.01``, or that nobody knows."""
    if cost_usd is None:
        return "unknown"
    return in_words(cost_usd)


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 page`` or ``2 pages``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def place(uri: str) -> str:
    """Return the path of a local file's address; other addresses as they are, fit to show."""
    parts = urlsplit(uri)
    return one_line(unquote(parts.path) if parts.scheme == "file" else uri)


def clock(moment: datetime) -> str:
    """Return a time of this machine's clock, to the minute."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def seconds_between(since: datetime, until: datetime | None) -> float:
    """Return the seconds from ``since`` until ``until`` or now; 0 where clocks disagree about the order."""
    return max(0.0, ((until or datetime.now(UTC)) - since).total_seconds())


def shown(text: str) -> str:
    """Return what strangers wrote, line ends kept, fit for a terminal."""
    return clean_text(text)


def one_line(text: str, *, max_chars: int = _MAX_TEXT_CHARS) -> str:
    """Return what strangers wrote, fit for one line of a terminal."""
    return first_line(text, max_chars)


def thought(sighting: Sighting | None, *, max_chars: int = _MAX_TEXT_CHARS) -> str:
    """Return the latest thought, without the marks of Markdown's bold; empty if there is none."""
    if sighting is None or sighting.latest_thought is None:
        return ""
    return one_line(sighting.latest_thought.replace("**", ""), max_chars=max_chars)


def action(sighting: Sighting | None, *, max_chars: int = _MAX_TEXT_CHARS) -> str:
    """Return what a tool was last used for; empty if none was."""
    if sighting is None or sighting.latest_action is None:
        return ""
    return one_line(sighting.latest_action, max_chars=max_chars)


def seen_now(view: RunView) -> Sighting | None:
    """Return what the last look saw, while the API works; what it saw of an earlier turn is no news."""
    return None if view.phase in {Phase.CALLING_TOOLS, Phase.AWAITING_APPROVAL} else view.sighting


def findings(sighting: Sighting | None) -> str:
    """Return how far the agent has come; empty before the first look."""
    if sighting is None or sighting.seen_at is None:
        return ""
    parts = [
        count(number, one, many)
        for number, one, many in (
            (sighting.searches, "search", "searches"),
            (sighting.pages, "page", "pages"),
            (sighting.total_tokens or 0, "token", "tokens"),
        )
        if number
    ]
    return ", ".join(parts) or "nothing yet"


def doings(view: RunView) -> str:
    """Return how far the run has come, or what it is about; empty when there is nothing to say."""
    match view.phase:
        case Phase.CALLING_TOOLS:
            return f"{count(view.running_calls, 'call')} running"
        case Phase.AWAITING_APPROVAL:
            calls = len(view.pending_calls)
            return "its plan" if view.plan else count(calls, "call") if calls else ""
        case _:
            return findings(seen_now(view))


def hint(view: RunView) -> str | None:
    """Return what keeps the run from going on, if anything."""
    if view.is_temporal_away:
        return "Temporal is away; waiting for it. The run is safe there."
    if view.is_paused:
        return paused(view.run_id)
    if view.has_worker is False and not view.phase.is_end:
        return f"no worker is polling task queue {view.task_queue!r}; start one with `longhaul worker`"
    return one_line(view.problem) if view.problem else None


def paused(workflow_id: str) -> str:
    """Return that somebody has paused a workflow, and how to let it go on."""
    return (
        "paused in Temporal: what runs at the API goes on, this does not until "
        f"`{unpause_command(workflow_id)}`"
    )


def summary(view: RunView) -> list[tuple[str, str]]:
    """Return what is to be said about a run, as names and values, in their order."""
    rows = [("run", view.run_id), ("phase", view.phase.value.replace("_", " "))]
    if view.question:
        rows.append(("question", one_line(view.question)))
    if view.agent:
        rows.append(("asked", one_line(view.agent)))
    rows.append(("took" if view.phase.is_end else "elapsed", elapsed(view.elapsed_s)))
    if view.interaction_id:
        rows.append(("interaction", one_line(view.interaction_id)))
    if view.result is not None:
        rows += _result_rows(view.result)
    elif not view.phase.is_end:
        rows += _progress_rows(view)
    error = view.result.error if view.result else None
    if error is not None:
        rows.append(("error", f"{one_line(error.message)} ({error.code.value})"))
    elif reason := hint(view):
        rows.append(("problem", reason))
    return rows + _decision(view)


def _progress_rows(view: RunView) -> list[tuple[str, str]]:
    """Return how far a run that goes on has come, and what it has used."""
    sighting = seen_now(view)
    seen = (
        ("found", findings(sighting)),
        ("action", action(sighting)),
        ("thought", thought(sighting)),
    )
    rows = [(name, text) for name, text in seen if text]
    if view.turn > 1:
        rows.append(("turn", str(view.turn)))
    if view.running_calls:
        rows.append(("calls", f"{view.running_calls} running"))
    if view.spent is not None and view.spent.interactions:
        spent = f"{count(view.spent.interactions, 'interaction')}, {count(view.spent.tokens, 'token')}"
        rows.append(("spent", spent if view.spent.unknown_costs else f"{spent}, {cost(view.spent.cost_usd)}"))
    return rows


def _decision(view: RunView) -> list[tuple[str, str]]:
    """Return what a person has to do, if the run waits for one."""
    if view.phase is Phase.SUBMISSION_UNKNOWN:
        return [("decide", f"longhaul resolve {view.run_id} --adopt INTERACTION, --resubmit or --give-up")]
    if view.phase is Phase.AWAITING_APPROVAL:
        commands = [command for item in view.waiting for command in deciding_commands(view.run_id, item)]
        return [("decide", command) for command in commands or [f"longhaul approve {view.run_id}"]]
    return []


def waiting_lines(item: Waiting) -> list[str]:
    """Return what waits for a person, as lines for a terminal."""
    if isinstance(item, PlanView):
        until = "goes on by itself at" if item.approves_itself else "expires at"
        lines = [f"Plan (revision {item.revision}, {until} {clock(item.expires_at)}):", ""]
        lines += [f"  {line}".rstrip() for line in shown(item.text).splitlines()]
        return [*lines, ""] if item.uri is None else [*lines, "", f"The whole plan: {place(item.uri)}"]
    return [
        f"Call of {one_line(item.name)} (digest {item.digest}, expires at {clock(item.expires_at)}):",
        "",
        *(f"  {line}".rstrip() for line in shown(item.arguments).splitlines()),
        "",
    ]


def deciding_commands(run_id: str, item: Waiting) -> list[str]:
    """Return the commands that decide about ``item``, approval first."""
    if isinstance(item, PlanView):
        return [f"longhaul approve {run_id}", f'longhaul revise {run_id} "WHAT IS TO BE DIFFERENT"']
    call_id = shlex.quote(one_line(item.call_id))
    return [
        f"longhaul approve {run_id} --call {call_id}",
        f'longhaul deny {run_id} --call {call_id} --reason "WHY"',
    ]


def places(view: RunView) -> list[tuple[str, str]]:
    """Return where a run's report is, as names and places."""
    artifacts = view.result.artifacts if view.result else ()
    return [(ref.name, place(ref.uri)) for ref in artifacts if ref.name in {"report.md", "report.html"}]


def _result_rows(result: AgentRunResult) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    counts, usage = result.counts, result.usage
    if counts.text_bytes:
        parts = [
            size(counts.text_bytes),
            count(counts.sources, "source"),
            count(counts.citations, "citation"),
            count(counts.images, "image"),
        ]
        rows.append(("report", ", ".join(parts)))
    if counts.steps:
        parts = [count(counts.searches, "search", "searches"), f"{count(counts.pages, 'page')} read"]
        if counts.code_runs:
            parts.append(count(counts.code_runs, "code run"))
        if counts.tool_calls:
            parts.append(count(counts.tool_calls, "tool call"))
        rows.append(("work", ", ".join(parts)))
    if result.spent.interactions > 1:
        rows.append(("interactions", f"{result.spent.interactions:,}"))
    if usage.total_tokens is not None:
        rows.append(("tokens", f"{usage.total_tokens:,}"))
        rows.append(("cost", f"{cost(result.cost_usd)} (estimate)"))
    if result.cancel is not None:
        rows.append(("at the API", cancelled_at_api(is_confirmed=result.cancel.was_confirmed)))
    rows += [("note", one_line(note)) for note in result.notes]
    return rows


def used(view: RunView) -> str:
    """Return what a finished run took, for one line beside its answer; empty if it is not known."""
    if view.result is None:
        return ""
    parts = [elapsed(view.elapsed_s)]
    if view.result.spent.interactions > 1:
        parts.append(count(view.result.spent.interactions, "interaction"))
    if view.result.usage.total_tokens is not None:
        parts.append(count(view.result.usage.total_tokens, "token"))
        if view.result.cost_usd is not None:
            parts.append(cost(view.result.cost_usd))
    return ", ".join(parts)


def cancelled_at_api(*, is_confirmed: bool) -> str:
    """Return what a cancel came to where the money is spent."""
    return "confirmed as stopped" if is_confirmed else "NOT confirmed as stopped: it may go on, and bill"


def cancel_line(outcome: CancelOutcome) -> str:
    """Return what came of a cancel, in one sentence."""
    phase = outcome.phase.value.replace("_", " ")
    if outcome.had_ended:
        return f"{outcome.run_id} had already ended ({phase}); nothing to cancel."
    if not outcome.phase.is_end:
        return (
            f"{outcome.run_id} was asked to stop and is still {phase}; see `longhaul watch {outcome.run_id}`."
        )
    if outcome.report is None:
        return f"{outcome.run_id} ended as {phase}; nothing was running at the API."
    detail = f" ({one_line(outcome.report.detail)})" if outcome.report.detail else ""
    return (
        f"{outcome.run_id} ended as {phase}; at the API: "
        f"{cancelled_at_api(is_confirmed=outcome.report.was_confirmed)}{detail}."
    )
