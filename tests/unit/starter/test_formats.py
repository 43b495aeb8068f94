from datetime import UTC, datetime, timedelta

import pytest

from runs.budget import Spent
from runs.errors import RunErrorCode
from runs.messages import CancelReport, Counts, RunError, Usage
from runs.phase import Phase
from starter import formats
from starter.views import CancelOutcome
from tests.unit.starter.sample import REQUESTED_AT, call, plan, result, sighting, view

HOSTILE = "\x1b[2J\x1b]0;title\x07red\u202e [bold]text\nsecond line"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.9, "59s"), (60, "1m 00s"), (247.9, "4m 07s"), (3840, "1h 04m")]
)
def test_time_is_told_in_two_units_at_most(seconds: float, text: str) -> None:
    """What runs for hours is not told to the second."""
    assert formats.elapsed(seconds) == text


@pytest.mark.parametrize(("size_bytes", "text"), [(812, "812 B"), (14_100, "14 KB"), (2_340_000, "2.3 MB")])
def test_sizes_are_told_roughly(size_bytes: int, text: str) -> None:
    """A size has two or three digits and a unit."""
    assert formats.size(size_bytes) == text


def test_clocks_that_disagree_give_no_negative_time() -> None:
    """A server ahead of this machine must not make a run look as if it had not begun."""
    assert formats.seconds_between(datetime.now(UTC) + timedelta(hours=1), None) == 0
    assert formats.seconds_between(REQUESTED_AT, REQUESTED_AT + timedelta(minutes=1)) == 60


def test_a_local_artifact_is_shown_as_a_path() -> None:
    """A path can be pasted into a shell; the address of a bucket stays as it is."""
    assert formats.place("file:///my%20files/report.md") == "/my files/report.md"
    assert formats.place("s3://bucket/my-run/report.md") == "s3://bucket/my-run/report.md"


def test_an_unknown_cost_is_not_a_free_one() -> None:
    """Nobody reads "nothing" where the price is only not known."""
    assert formats.cost(None) == "unknown"
    assert formats.cost(0.0) == "about $0.00"
    assert formats.cost(0.004) == "under $0.01"


@pytest.mark.parametrize("phase", list(Phase))
def test_nothing_that_strangers_wrote_acts_on_a_terminal(phase: Phase) -> None:
    """Questions, thoughts, problems, errors and notes are shown without escapes, each on one line."""
    hostile = view(
        phase,
        question=HOSTILE,
        agent=HOSTILE,
        interaction_id=HOSTILE,
        problem=HOSTILE,
        sighting=sighting(latest_thought=HOSTILE, latest_action=HOSTILE),
        pending_calls=() if phase.is_end else (call(HOSTILE, "d"),),
        result=result(
            error=RunError(code=RunErrorCode.INTERNAL, message=HOSTILE),
            notes=(HOSTILE,),
            cancel=CancelReport(was_confirmed=True, detail=HOSTILE),
        )
        if phase.is_end
        else None,
    )
    values = [value for _, value in formats.summary(hostile)]
    assert any("red" in value for value in values)
    assert all(value.isprintable() and "\u202e" not in value for value in values)


def test_the_summary_of_a_report_says_where_it_is_and_what_it_took() -> None:
    """The end of a run names its report's sources, the tokens and an estimate of the cost."""
    rows = dict(formats.summary(view(Phase.COMPLETED, result=result())))
    assert rows["report"] == "24 KB, 31 sources, 70 citations, 0 images"
    assert rows["tokens"] == "310,000"
    assert rows["cost"] == "about $2.07 (estimate)"


def test_a_report_is_found_on_paper_and_on_screen() -> None:
    """A finished run names the places of both forms of its report, and of no other file."""
    assert formats.places(view(Phase.COMPLETED, result=result())) == [
        ("report.md", "/my files/report.md"),
        ("report.html", "/my files/report.html"),
    ]
    assert formats.places(view()) == []


def test_a_thought_is_shown_without_markdown_marks() -> None:
    """Models set their thoughts' headings in bold; stars are noise in a line of progress."""
    assert formats.thought(sighting(latest_thought="**Weighing** tides")) == "Weighing tides"
    assert formats.thought(None) == ""


def test_the_summary_of_a_failure_says_why() -> None:
    """A failed run names the error, and shows nothing of a report it does not have."""
    failed = result(
        Phase.FAILED,
        artifacts=(),
        counts=Counts(),
        usage=Usage(),
        cost_usd=None,
        error=RunError(code=RunErrorCode.BAD_CREDENTIALS, message="API key not valid"),
    )
    rows = dict(formats.summary(view(Phase.FAILED, result=failed)))
    assert rows["error"] == "API key not valid (bad_credentials)"
    assert not {"report", "tokens", "cost", "work"} & rows.keys()


def test_a_run_without_a_worker_says_how_to_start_one() -> None:
    """Nothing happens without a worker, so that is said before any other problem."""
    text = formats.hint(view(problem="something", has_worker=False))
    assert text == "no worker is polling task queue 'longhaul'; start one with `longhaul worker`"


def test_a_server_that_is_away_hides_what_was_last_seen() -> None:
    """While Temporal is away nothing else is known."""
    text = formats.hint(view(problem="something", has_worker=False, is_temporal_away=True))
    assert text is not None
    assert text.startswith("Temporal is away")


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (CancelOutcome(run_id="r", phase=Phase.COMPLETED, had_ended=True), "already ended (completed)"),
        (CancelOutcome(run_id="r", phase=Phase.CANCELLING), "still cancelling; see `longhaul watch r`"),
        (CancelOutcome(run_id="r", phase=Phase.CANCELLED), "nothing was running at the API"),
        (
            CancelOutcome(run_id="r", phase=Phase.CANCELLED, report=CancelReport(was_confirmed=True)),
            "ended as cancelled; at the API: confirmed as stopped.",
        ),
        (
            CancelOutcome(run_id="r", phase=Phase.CANCELLED, report=CancelReport(was_confirmed=False)),
            "NOT confirmed as stopped: it may go on, and bill",
        ),
    ],
)
def test_a_cancel_says_whether_the_api_stopped(outcome: CancelOutcome, text: str) -> None:
    """A run that is cancelled here may go on there; the difference is money."""
    assert text in formats.cancel_line(outcome)


def test_a_run_that_waits_for_a_person_says_what_to_type() -> None:
    """Whoever looks at a held run is shown the command that decides it."""
    held = view(Phase.SUBMISSION_UNKNOWN)
    decide = dict(formats.summary(held))["decide"]
    assert decide == f"longhaul resolve {held.run_id} --adopt INTERACTION, --resubmit or --give-up"


def test_a_plan_is_shown_with_when_it_ends_and_where_all_of_it_is() -> None:
    """Nobody has to look for what is to be approved, nor to guess for how long."""
    lines = formats.waiting_lines(plan(text=f"1. Look\n{HOSTILE}", uri="file:///my%20files/plan.md"))
    assert lines[0].startswith("Plan (revision 1, expires at 2026-11-")
    assert lines[2] == "  1. Look"
    assert lines[-1] == "The whole plan: /my files/plan.md"
    assert all(line.isprintable() and "\u202e" not in line for line in lines)
    assert "goes on by itself at" in formats.waiting_lines(plan(approves_itself=True))[0]


def test_a_call_is_shown_with_all_that_is_approved() -> None:
    """Name, arguments and digest are what an approval is for."""
    lines = formats.waiting_lines(call("c1", "d1", arguments=f"{{\n{HOSTILE}"))
    assert lines[0].startswith("Call of send_mail (digest d1, expires at ")
    assert lines[2] == "  {"
    assert all(line.isprintable() and "\u202e" not in line for line in lines)


def test_whoever_has_to_decide_is_shown_what_to_type() -> None:
    """Each plan and each call comes with its commands, which a shell takes as they are."""
    waits = view(Phase.AWAITING_APPROVAL, pending_calls=(call("c 1", "d1"),))
    decide = [value for name, value in formats.summary(waits) if name == "decide"]
    assert decide == [
        "longhaul approve research-tides-abc --call 'c 1'",
        "longhaul deny research-tides-abc --call 'c 1' --reason \"WHY\"",
    ]
    unasked = view(Phase.AWAITING_APPROVAL)
    assert dict(formats.summary(unasked))["decide"] == "longhaul approve research-tides-abc"


def test_a_run_of_several_turns_says_so() -> None:
    """While it goes on, what it has used so far; at the end, how many interactions it took."""
    going_on = view(
        Phase.CALLING_TOOLS,
        turn=3,
        running_calls=2,
        spent=Spent(interactions=2, tokens=1_200, cost_usd=0.25),
        sighting=sighting(latest_action="searching: tides"),
    )
    rows = dict(formats.summary(going_on))
    assert (rows["turn"], rows["calls"]) == ("3", "2 running")
    # What was seen of the turn before is no news.
    assert "action" not in rows
    acting = dict(formats.summary(view(sighting=sighting(latest_action="searching: tides"))))
    assert acting["action"] == "searching: tides"
    assert rows["spent"] == "2 interactions, 1,200 tokens, about $0.25"
    unpriced = view(spent=Spent(interactions=1, tokens=5, unknown_costs=1))
    assert dict(formats.summary(unpriced))["spent"] == "1 interaction, 5 tokens"
    ended = result(spent=Spent(interactions=3), counts=Counts(steps=9, code_runs=1, tool_calls=4))
    rows = dict(formats.summary(view(Phase.COMPLETED, result=ended)))
    assert rows["interactions"] == "3"
    assert rows["work"] == "0 searches, 0 pages read, 1 code run, 4 tool calls"


def test_an_answer_is_followed_by_what_it_took() -> None:
    """One line: time, interactions where there were several, tokens, and an estimate where there is one."""
    assert formats.used(view(Phase.COMPLETED, result=result())) == "4m 07s, 310,000 tokens, about $2.07"
    several = result(spent=Spent(interactions=3), cost_usd=None)
    assert formats.used(view(Phase.COMPLETED, result=several)) == "4m 07s, 3 interactions, 310,000 tokens"
    assert formats.used(view(Phase.FAILED)) == ""
