from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from markdown_it import MarkdownIt

from runs.budget import Spent
from runs.details import escape_markdown, render_details
from runs.messages import AgentRunStatus, ArtifactRef, Counts, Outcome, Settled, Sighting, Usage
from runs.phase import Phase
from runs.planning import PlanView
from runs.tool_calls import PendingToolCall

_NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_FOLDER: Final = "file:///reports/tea"


def details(phase: Phase = Phase.RUNNING, *, settled: Settled | None = None, **changes: Any) -> str:
    """The details of a run in ``phase`` with one thing changed."""
    status = AgentRunStatus(
        phase=phase,
        agent="gemini-3.8-flash",
        requested_at=_NOW,
        deadline_at=_NOW + timedelta(hours=1),
    )
    return render_details(status.model_copy(update=changes), question="Why?", now=_NOW, settled=settled)


@pytest.mark.parametrize(
    "text",
    [
        "Is List<int> faster than Vec<T>? & why",
        "<script>alert(1)</script>",
        "*a* _b_ `c` ~~d~~ # e | f",
        "[click](javascript:alert(1)) ![x](https://example.org/x.png) <https://example.org>",
        "&lt; stays as it was written",
        r"back\slash \<b>",
    ],
)
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    """A stranger's text is one paragraph of that text; nothing in it formats, links or is HTML."""
    paragraph, inline, _ = MarkdownIt("commonmark").enable("strikethrough").parse(escape_markdown(text))
    assert paragraph.type == "paragraph_open"
    kinds = {token.type for token in inline.children or ()}
    assert kinds <= {"text", "text_special"}, kinds
    assert "".join(token.content for token in inline.children or ()) == text


def test_escaping_needs_no_entities() -> None:
    """The Temporal UI shows `&lt;` as these four characters, where Markdown would show one."""
    assert "&lt;" not in escape_markdown("<b>")


def test_the_folder_is_named_before_and_after() -> None:
    """While a run goes on, people see where the report will be; afterwards, where it is and which files."""
    running = AgentRunStatus(
        phase=Phase.RUNNING,
        agent="a",
        artifacts_uri=_FOLDER,
        requested_at=_NOW,
        deadline_at=_NOW + timedelta(hours=1),
    )
    assert f"The report will be in:** {_FOLDER}" in render_details(running, question="Why?", now=_NOW)
    report = ArtifactRef(
        name="report.md",
        uri=f"{_FOLDER}/report.md",
        media_type="text/markdown",
        size_bytes=25_729,
        sha256="0",
    )
    details = render_details(
        running.model_copy(update={"phase": Phase.COMPLETED}),
        question="Why?",
        now=_NOW,
        settled=Settled(outcome=Outcome.COMPLETED, artifacts=(report,)),
    )
    assert f"- **Folder:** {_FOLDER}\n- **Files:** report.md (25,729 bytes)" in details


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_says_what_is_going_on(phase: Phase) -> None:
    """Whoever opens a run's page learns what it is about, whom it was given to, and when it has to end."""
    text = details(phase)
    assert text.splitlines()[0] == f"### {phase.value.replace('_', ' ').capitalize()}"
    assert "- **Asked:** gemini\\-3.8\\-flash" in text
    # While a person decides, the clock stands still.
    assert ("**Deadline:**" in text) is not (phase.is_end or phase is Phase.AWAITING_APPROVAL)


def test_a_plan_is_shown_with_the_ways_to_decide() -> None:
    """A plan is text, whatever the agent writes; below it stands what can be typed, and until when."""
    plan = PlanView(
        revision=2, text="1. <b>Search</b>\n\n2. Write", uri=f"{_FOLDER}/plan.md", expires_at=_NOW
    )
    text = details(Phase.AWAITING_APPROVAL, plan=plan)
    assert "**Plan, revision 2** (expires at 2026-11-22 12:00:00 UTC):" in text
    assert "> 1. \\<b\\>Search\\</b\\>\n>\n> 2. Write" in text
    assert f"The whole plan: {_FOLDER}/plan.md" in text
    assert "`longhaul approve ID`" in text
    assert "`longhaul revise ID" in text
    assert "`longhaul deny ID" not in text
    by_itself = plan.model_copy(update={"approves_itself": True})
    assert "(approved by itself at" in details(Phase.AWAITING_APPROVAL, plan=by_itself)


def test_a_long_plan_is_cut() -> None:
    """The page shows a plan's beginning; all of it is in a file."""
    plan = PlanView(revision=1, text="word " * 10_000, expires_at=_NOW)
    assert len(details(Phase.AWAITING_APPROVAL, plan=plan)) < 6_000


def test_a_call_is_shown_with_its_arguments() -> None:
    """Nobody has to approve what the page does not show."""
    call = PendingToolCall(
        call_id="c1", name="send_mail", arguments='{"to": "*all*"}', digest="d", expires_at=_NOW
    )
    text = details(Phase.AWAITING_APPROVAL, pending_calls=(call,), running_calls=2)
    assert "**Call of send\\_mail** (expires at 2026-11-22 12:00:00 UTC):" in text
    assert r'> \{"to": "\*all\*"\}' in text
    assert "`longhaul deny ID" in text
    assert "- **Calls running:** 2" in text
    assert "`longhaul revise ID" not in text


def test_a_run_of_several_turns_says_what_all_of_them_used() -> None:
    """The bill is that of the run, not that of its last interaction."""
    settled = Settled(
        outcome=Outcome.COMPLETED,
        usage=Usage(total_tokens=5),
        cost_usd=0.5,
        counts=Counts(code_runs=2, tool_calls=7),
    )
    assert "- **Used:** 5 tokens, about $0.50" in details(Phase.COMPLETED, settled=settled)
    spent = Spent(interactions=3, tokens=12_000, cost_usd=1.25)
    text = details(Phase.COMPLETED, settled=settled, spent=spent, turn=3)
    assert "- **Used:** 3 interactions, 12,000 tokens, about $1.25" in text
    assert "- **Turn:** 3" in text
    assert "2 code runs, 7 tool calls" in text
    unpriced = spent.model_copy(update={"unknown_costs": 1})
    assert "12,000 tokens\n" in details(Phase.RUNNING, spent=unpriced) + "\n"


def test_what_a_tool_was_last_used_for_is_shown() -> None:
    """The latest action stands beside the latest thought, as text."""
    seen = Sighting(latest_action="searching: *tea*", latest_thought="Hm")
    assert "- **Latest action:** searching: \\*tea\\*\n- **Latest thought:** Hm" in details(sighting=seen)
