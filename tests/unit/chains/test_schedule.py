import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.actions import CallTool, StoreText
from chains.errors import InvalidInputs, NotPossible
from chains.limits import MAX_KEPT_BYTES, MAX_LINE_BYTES, MAX_SHOWN_BYTES, MAX_UNITS
from chains.messages import ChainPhase, ChainState, DecideStep, StepPhase, StepResult
from chains.plan import Plan
from chains.schedule import Start, Unit, run_id_of
from chains.spec import ChainSpec
from runs.budget import Spent
from runs.limits import MAX_ID_CHARS
from runs.messages import ArtifactRef, Quote
from tests.unit.chains.support import NOW, World, bad, chain, good


def test_what_does_not_depend_on_each_other_starts_together() -> None:
    """And what does, when all it refers to has ended, with their texts in it."""
    world = World(
        chain({"a": {"ask": "1"}, "b": {"ask": "2"}, "c": {"ask": "{{ steps.a.text }}+{{ steps.b.text }}"}})
    )
    world.look()
    assert world.started == ["a", "b"]
    world.end("b")
    assert world.started == ["a", "b"]
    world.end("a")
    assert world.started == ["a", "b", "c"]
    assert world.request_of("c").input == "text of a+text of b"
    assert world.end("c", good("done")).has_ended
    assert (world.schedule.phase, world.output()) == (ChainPhase.COMPLETED, "done")


def test_steps_start_in_the_order_of_the_file_as_far_as_they_can() -> None:
    """A step may be written before those it waits for."""
    world = World(chain({"last": {"ask": "{{ steps.b.text }}"}, "b": {"ask": "2"}, "a": {"ask": "1"}}))
    world.run(lambda _: good("x"))
    assert world.started == ["b", "a", "last"]


def test_a_start_is_named_once() -> None:
    """Asking twice starts nothing twice: each start may be paid for."""
    world = World(chain({"a": {"ask": "1"}}))
    assert len(world.look().starts) == 1
    assert world.look().starts == ()


def test_no_more_start_than_may_run_at_once() -> None:
    """A free place is taken by the next in the file; an approval takes none."""
    steps = {"ok": {"approve": "go?"}} | {name: {"ask": name} for name in "abcd"}
    world = World(chain(steps, max_parallel=2))
    world.look()
    assert world.started == ["a", "b"]
    world.end("b")
    assert world.started == ["a", "b", "c"]


def test_a_step_continues_the_interaction_of_another() -> None:
    """The model knows what was said, so the prompt need not repeat it."""
    world = World(chain({"a": {"research": "1"}, "b": {"ask": "and?", "continues": "a"}}))
    world.look()
    assert world.request_of("a").previous_interaction_id is None
    world.end("a", good(interaction_id="v1_a"))
    assert world.request_of("b").previous_interaction_id == "v1_a"
    assert world.request_of("b").model == "gemini-3.8-flash"


def test_a_step_that_cannot_continue_is_skipped() -> None:
    """Without an interaction there is nothing that was said."""
    steps = {"a": {"ask": "1", "on_error": "continue"}, "b": {"ask": "2", "continues": "a"}}
    world = World(chain(steps))
    world.look()
    world.end("a", bad())
    assert world.phases() == {"a": "failed", "b": "skipped"}
    assert world.schedule.status().steps[1].why == "a left no interaction to continue"
    assert world.schedule.phase is ChainPhase.INCOMPLETE


def test_a_long_text_travels_by_its_address() -> None:
    """The prompt has a placeholder, and says which file replaces it."""
    world = World(chain({"a": {"ask": "1"}, "b": {"ask": "On: {{ steps.a.text }}"}}))
    world.look()
    world.end("a", good(text_uri="s3://b/a.md"))
    request = world.request_of("b")
    assert request.input == "On: \ue0000\ue001"
    assert request.quotes == (Quote(placeholder="\ue0000\ue001", uri="s3://b/a.md"),)


def test_data_of_a_step_is_used_in_the_next() -> None:
    """Each part by its path, in prompts as text, in a tool's arguments as the value."""
    schema = {"type": "object"}
    world = World(
        chain(
            {
                "a": {"ask": {"prompt": "1", "schema": schema}},
                "b": {
                    "tool": {
                        "name": "f",
                        "arguments": {"x": "{{ steps.a.data.n }}", "y": ["{{ steps.a.text }}"]},
                    }
                },
            }
        )
    )
    world.look()
    world.end("a", good(text_uri="s3://b/a.md", data={"n": [1, 2], "unused": "x" * 9999}))
    action = world.under_way[Unit("b")].action
    assert action == CallTool(
        "f", {"x": [1, 2], "y": ["\ue0000\ue001"]}, (Quote(placeholder="\ue0000\ue001", uri="s3://b/a.md"),)
    )
    assert world.schedule.state().steps["a"].data == {"n": [1, 2]}


# Failures


@pytest.mark.parametrize(
    ("on_error", "phases", "phase"),
    [
        ("fail", {"a": "failed", "b": "skipped", "c": "skipped", "d": "skipped"}, ChainPhase.FAILED),
        (
            "continue",
            {"a": "failed", "b": "completed", "c": "completed", "d": "completed"},
            ChainPhase.INCOMPLETE,
        ),
        (
            "skip_dependents",
            {"a": "failed", "b": "skipped", "c": "skipped", "d": "completed"},
            ChainPhase.INCOMPLETE,
        ),
    ],
)
def test_what_a_failure_means_is_for_the_step_to_say(
    on_error: str, phases: dict[str, str], phase: ChainPhase
) -> None:
    """All stops, or the next steps find it empty, or only they are left out."""
    world = World(
        chain(
            {
                "a": {"ask": "1", "on_error": on_error},
                "b": {"ask": "[{{ steps.a.text }}] {{ steps.a.error }}"},
                "c": {"ask": "{{ steps.b.text }}"},
                "d": {"ask": "4"},
            },
            max_parallel=1,
        )
    )
    requests: list[str] = []

    def answer(start: Start) -> StepResult:
        requests.append(world.schedule.running()[0].unit.step)
        return bad() if start.unit.step == "a" else good("x")

    world.run(answer)
    assert world.phases() == phases
    assert world.schedule.phase is phase


def test_a_failed_step_reads_as_empty_where_the_chain_goes_on() -> None:
    """Its text is nothing, its data null, and its error can be told to the next."""
    world = World(
        chain(
            {
                "a": {"ask": {"prompt": "1", "schema": {}}, "on_error": "continue"},
                "b": {
                    "ask": "[{{ steps.a.text }}{{ steps.a.data.x }}{{ steps.a.image }}] "
                    "{{ steps.a.phase }}: {{ steps.a.error }}"
                },
            }
        )
    )
    world.look()
    world.end("a", bad())
    assert world.request_of("b").input == "[] failed: it broke"


def test_what_runs_when_the_chain_fails_is_let_finish() -> None:
    """It is paid for; but nothing more begins, and no person is asked any more."""
    steps = {
        "a": {"ask": "1"},
        "b": {"ask": "2"},
        "ok": {"approve": "go?"},
        "c": {"ask": "{{ steps.b.text }}"},
    }
    world = World(chain(steps))
    world.look()
    decision = world.end("a", bad())
    assert (decision.stops, decision.has_ended) == ((), False)
    assert world.schedule.phase is ChainPhase.STOPPING
    assert world.end("b").has_ended
    assert world.phases() == {"a": "failed", "b": "completed", "ok": "skipped", "c": "skipped"}
    failure = world.schedule.status().failure
    assert failure is not None
    assert (failure.step, failure.error.message) == ("a", "it broke")
    assert world.output() == ""


def test_the_first_failure_is_the_reason() -> None:
    """What fails while the chain stops does not hide why it does."""
    world = World(chain({"a": {"ask": "1"}, "b": {"ask": "2"}}))
    world.look()
    world.end("b", bad("lost"))
    world.end("a", bad())
    failure = world.schedule.status().failure
    assert failure is not None
    assert failure.error.code == "lost"


def test_a_failure_late_in_the_file_ends_what_waits_before_it() -> None:
    """A chain that stops without anything under way has ended: nothing else would ever end it."""
    steps = {
        "early": {"ask": "x", "after": "ok"},
        "ok": {"approve": "go?"},
        "late": {"join": ["{{ inputs.list[9] }}"]},
    }
    world = World(chain(steps, inputs={"list": ["a"]}))
    assert world.look().has_ended
    assert world.phases() == {"early": "skipped", "ok": "skipped", "late": "failed"}


def test_what_a_template_finds_missing_fails_the_step_for_free() -> None:
    """A prompt with a hole is not sent, and not tried again."""
    steps = {
        "a": {"ask": {"prompt": "1", "schema": {}}},
        "b": {"ask": "{{ steps.a.data.topics }}", "retry": {"attempts": 3}},
    }
    world = World(chain(steps))
    world.look()
    assert world.end("a", good(data={"other": 1})).has_ended
    assert world.started == ["a"]
    error = world.schedule.status().steps[1].error
    assert error is not None
    assert (error.code, error.message) == ("template", "`steps.a.data.topics`: there is no 'topics'")


def test_a_run_that_somebody_stopped_counts_as_failed() -> None:
    """The chain was not stopped, so its rule for a failure applies, but nobody tries it again."""
    world = World(chain({"a": {"ask": "1", "retry": {"attempts": 3}}}))
    world.look()
    world.end("a", StepResult(phase=StepPhase.CANCELLED))
    assert world.phases() == {"a": "cancelled"}
    assert world.schedule.phase is ChainPhase.FAILED


def test_an_incomplete_run_is_used_and_told() -> None:
    """It has a result, though it stopped early."""
    world = World(chain({"a": {"ask": "1"}, "b": {"join": ["{{ steps.a.text }}"]}}))
    world.look()
    world.end("a", good("half", phase="incomplete"))
    assert (world.schedule.phase, world.output()) == (ChainPhase.INCOMPLETE, "half")


# Retries


def test_a_step_is_tried_as_often_as_it_says() -> None:
    """With the wait between, an id of its own for each try, and the cost of all of them."""
    world = World(chain({"a": {"ask": "1", "retry": {"attempts": 2, "wait_s": 60}}}))
    world.look()
    decision = world.end("a", bad())
    assert (decision.starts, decision.wake_at) == ((), NOW + timedelta(seconds=60))
    assert world.phases() == {"a": "retrying"}
    assert world.wait(59).starts == ()
    (start,) = world.wait(1).starts
    assert (start.attempt, start.run_id) == (2, "c.a.try2")
    assert world.end("a", bad()).has_ended
    assert world.schedule.spent == Spent(interactions=2, tokens=200, cost_usd=2.0)
    assert world.phases() == {"a": "failed"}


def test_a_second_try_that_works_is_all_that_counts() -> None:
    """The chain goes on as if there had been no first."""
    world = World(chain({"a": {"ask": "1", "retry": {"attempts": 2, "wait_s": 0}}}))
    world.look()
    world.end("a", bad())
    world.end("a", good("x"))
    assert (world.schedule.phase, world.output()) == (ChainPhase.COMPLETED, "x")
    assert world.schedule.status().steps[0].error is None


@pytest.mark.parametrize(
    "code", ["rejected", "bad_credentials", "budget", "submission_unknown", "unknown_tool"]
)
def test_what_cannot_get_better_is_not_tried_again(code: str) -> None:
    """Nor is what may be paid for already."""
    world = World(chain({"a": {"ask": "1", "retry": {"attempts": 5}}}))
    world.look()
    assert world.end("a", bad(code)).has_ended


def test_a_step_that_waits_for_its_next_try_takes_no_place() -> None:
    """Others use the time."""
    steps = {"a": {"ask": "1", "retry": {"attempts": 2}}, "b": {"ask": "2"}}
    world = World(chain(steps, max_parallel=1))
    world.look()
    world.end("a", bad())
    assert world.started == ["a", "b"]


def test_a_chain_that_stops_tries_nothing_again() -> None:
    """The step keeps the error of its last try."""
    steps = {"a": {"ask": "1", "retry": {"attempts": 9}}, "b": {"ask": "2"}}
    world = World(chain(steps))
    world.look()
    world.end("a", bad("lost"))
    assert world.end("b", bad()).has_ended
    error = world.schedule.status().steps[0].error
    assert error is not None
    assert (world.phases()["a"], error.code) == ("failed", "lost")


# Approvals


def test_an_approval_waits_for_a_person() -> None:
    """The message names long texts by their address; what the person says is the step's text."""
    steps = {
        "a": {"ask": "1"},
        "ok": {"approve": "Publish {{ steps.a.text }}?"},
        "b": {"ask": "note: {{ steps.ok.text }}"},
    }
    world = World(chain(steps))
    world.look()
    decision = world.end("a", good(text_uri="s3://b/a.md"))
    assert decision.wake_at == NOW + timedelta(hours=24)
    assert world.schedule.phase is ChainPhase.AWAITING_APPROVAL
    assert world.schedule.status().steps[1].message == "Publish s3://b/a.md?"
    world.decide("ok", is_approved=True, note="but shorter")
    assert world.request_of("b").input == "note: but shorter"
    assert world.phases()["ok"] == "completed"


@pytest.mark.parametrize(
    ("on_error", "phase", "after"),
    [
        ("fail", ChainPhase.REJECTED, "skipped"),
        ("skip_dependents", ChainPhase.INCOMPLETE, "skipped"),
        ("continue", ChainPhase.INCOMPLETE, "completed"),
    ],
)
def test_a_no_is_heeded_as_the_step_says(on_error: str, phase: ChainPhase, after: str) -> None:
    """By default nothing follows it, and the chain has not failed but was rejected."""
    steps = {
        "ok": {"approve": "go?", "on_error": on_error},
        "b": {"join": ["{{ steps.ok.phase }}: {{ steps.ok.text }}"]},
    }
    world = World(chain(steps))
    world.look()
    assert world.decide("ok", is_approved=False, note="too long").has_ended
    assert (world.schedule.phase, world.phases()) == (phase, {"ok": "rejected", "b": after})
    assert world.output() == ("rejected: too long" if after == "completed" else "")


@pytest.mark.parametrize(("on_expiry", "phase"), [("reject", "rejected"), ("approve", "completed")])
def test_nobody_deciding_is_a_decision_in_the_end(on_expiry: str, phase: str) -> None:
    """Which one, the step says; and how long it waits."""
    world = World(chain({"ok": {"approve": {"message": "go?", "expires": "1h", "on_expiry": on_expiry}}}))
    world.look()
    assert not world.wait(3599).has_ended
    assert world.wait(1).has_ended
    assert world.phases() == {"ok": phase}
    assert world.schedule.status().steps[0].why == "nobody decided in 1h"


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("okk", "there is no step 'okk'; did you mean 'ok'?"),
        ("a", "'a' is ask, which nobody has to approve"),
        ("later", "'later' waits for no decision: it is waiting"),
        ("done", "'done' waits for no decision: it is completed"),
    ],
)
def test_a_decision_about_anything_else_is_refused(step: str, reason: str) -> None:
    """Whoever decides learns that nothing was decided."""
    steps = {
        "ok": {"approve": "go?"},
        "done": {"approve": "go?"},
        "a": {"ask": "1"},
        "later": {"approve": "go?", "after": "a"},
    }
    world = World(chain(steps))
    world.look()
    world.decide("done", is_approved=True)
    with pytest.raises(NotPossible) as caught:
        world.schedule.check_decision(DecideStep(step=step, is_approved=True))
    assert str(caught.value) == reason


# For each


def _each(**options: object) -> dict[str, object]:
    step = {"for_each": {"items": ["x", "y", "z"], "do": {"ask": "{{ item_index }}: {{ item }}"}}}
    return {"each": step | options}


def test_every_item_is_a_run_of_its_own() -> None:
    """With its value and number in the prompt; all their texts are one for what follows."""
    world = World(
        chain(_each() | {"all": {"join": ["{{ steps.each.texts }}", "{{ steps.each.items[1].text }}"]}})
    )
    world.look()
    assert world.started == ["each[0]", "each[1]", "each[2]"]
    assert world.request_of("each[1]").input == "1: y"
    assert world.under_way[Unit("each", 2)].run_id == "c.each.2"
    for number in (2, 0, 1):
        world.end(f"each[{number}]", good(f"T{number}"))
    assert world.output() == "T0\n\nT1\n\nT2\n\nT1"
    step = world.schedule.status().steps[0]
    assert (step.phase, step.spent.interactions) == ("completed", 3)
    assert [item.name for item in step.items] == ["[0]", "[1]", "[2]"]
    assert [item.run_id for item in step.items] == ["c.each.0", "c.each.1", "c.each.2"]


def test_a_list_may_come_from_a_step() -> None:
    """The research that a plan asks for; an item may be an object."""
    steps = {
        "plan": {"ask": {"prompt": "1", "schema": {}}},
        "each": {"for_each": {"items": "{{ steps.plan.data.t }}", "do": {"research": "{{ item.title }}"}}},
    }
    world = World(chain(steps))
    world.look()
    world.end("plan", good(data={"t": [{"title": "a"}, {"title": "b"}]}))
    assert world.request_of("each[1]").input == "b"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"t": "no list"}, "`items` did not become a list"),
        ({"t": list(range(501))}, "501 items are too many"),
        ({}, "there is no 't'"),
        (None, "the step left no data"),
    ],
)
def test_a_list_that_is_none_fails_the_step(data: object, reason: str) -> None:
    """Nothing is started for it."""
    steps = {
        "plan": {"ask": {"prompt": "1", "schema": {}}},
        "each": {"for_each": {"items": "{{ steps.plan.data.t }}", "do": {"ask": "{{ item }}"}}},
    }
    world = World(chain(steps))
    world.look()
    assert world.end("plan", good(data=data)).has_ended
    error = world.schedule.status().steps[1].error
    assert error is not None
    assert reason in error.message


def test_an_item_cannot_be_a_long_text() -> None:
    """It would have to stand in history; what is done with it may refer to it."""
    each = {"for_each": {"items": ["{{ steps.a.text }}"], "do": {"ask": "{{ item }}"}}}
    world = World(chain({"a": {"ask": "1"}, "each": each}))
    world.look()
    assert world.end("a", good(text_uri="s3://b/a.md")).has_ended
    error = world.schedule.status().steps[1].error
    assert error is not None
    assert error.message == "an item is a long text; refer to it in `do` instead"


def test_an_empty_list_is_done_at_once() -> None:
    """What follows finds no texts."""
    steps = {
        "each": {"for_each": {"items": [], "do": {"ask": "x"}}},
        "all": {"join": ["[{{ steps.each.texts }}]"]},
    }
    world = World(chain(steps))
    assert world.look().has_ended
    assert (world.schedule.phase, world.output()) == (ChainPhase.COMPLETED, "[]")


def test_items_have_a_bound_of_their_own() -> None:
    """Beside the chain's, and others may use the places that are left."""
    each = {"for_each": {"items": [1, 2, 3], "do": {"ask": "{{ item }}"}, "max_parallel": 1}}
    world = World(chain({"each": each, "b": {"ask": "x"}}))
    world.look()
    assert world.started == ["each[0]", "b"]
    world.end("each[0]")
    assert world.started == ["each[0]", "b", "each[1]"]


def test_the_first_item_that_fails_stops_the_others_from_starting() -> None:
    """With `fail`; those that run are let finish."""
    world = World(chain(_each(), max_parallel=2))
    world.look()
    world.end("each[0]", bad())
    assert world.end("each[1]").has_ended
    assert world.started == ["each[0]", "each[1]"]
    step = world.schedule.status().steps[0]
    assert [item.phase.value for item in step.items] == ["failed", "completed", "skipped"]
    assert step.error is not None
    assert step.error.message == "of 3 items 1 failed and 1 not started"


def test_failed_items_are_left_out_where_the_chain_goes_on() -> None:
    """With `continue` all are tried, and what follows has the texts of those that worked."""
    steps = _each(on_error="continue") | {"all": {"join": ["{{ steps.each.texts }}"]}}
    world = World(chain(steps))
    world.run(lambda start: bad() if start.unit.item == 1 else good(f"T{start.unit.item}"))
    assert world.output() == "T0\n\nT2"
    assert world.phases() == {"each": "failed", "all": "completed"}


def test_each_item_is_tried_again_by_itself() -> None:
    """The tries of one do not use up those of another."""
    world = World(chain(_each(retry={"attempts": 2, "wait_s": 5})))
    world.look()
    world.end("each[0]", bad())
    world.end("each[1]", bad())
    world.end("each[2]")
    starts = world.wait(5).starts
    assert [(start.run_id, start.attempt) for start in starts] == [("c.each.0.try2", 2), ("c.each.1.try2", 2)]


def test_all_items_continue_the_same_step() -> None:
    """Several questions about one report, at once."""
    world = World(chain({"a": {"research": "1"}} | _each(continues="a")))
    world.look()
    world.end("a", good(interaction_id="v1_a"))
    assert {world.request_of(f"each[{n}]").previous_interaction_id for n in range(3)} == {"v1_a"}


def test_a_chain_has_only_so_many_steps_and_items() -> None:
    """Its state is what it remembers of each."""
    each = {"for_each": {"items": list(range(400)), "do": {"ask": "{{ item }}"}}, "on_error": "continue"}
    world = World(chain({"a": each, "b": each, "c": each}))
    world.run(lambda _: good())
    assert world.phases() == {"a": "completed", "b": "completed", "c": "failed"}


# Joins


def test_a_short_join_costs_nothing_and_is_there_at_once() -> None:
    """Nobody is asked, and nothing is stored."""
    world = World(
        chain({"j": {"join": {"parts": ["{{ inputs.a }}", "y"], "separator": "-"}}}, inputs={"a": "x"})
    )
    decision = world.look()
    assert (decision.starts, decision.has_ended, world.output()) == ((), True, "x-y")


def test_a_long_join_is_stored() -> None:
    """The file is put together where the texts are; after that it is a long text like any."""
    world = World(chain({"a": {"ask": "1"}, "j": {"join": ["# T", "{{ steps.a.text }}"]}}))
    world.look()
    world.end("a", good(text_uri="s3://b/a.md"))
    action = world.under_way[Unit("j")].action
    assert action == StoreText(
        "# T\n\n\ue0000\ue001", (Quote(placeholder="\ue0000\ue001", uri="s3://b/a.md"),)
    )
    assert world.end("j", StepResult(phase=StepPhase.COMPLETED, text_uri="s3://b/j.md")).has_ended
    assert world.schedule.output().stored_at == "s3://b/j.md"


def test_a_text_that_is_stored_already_is_not_stored_again() -> None:
    """A join of one long text is that text."""
    world = World(chain({"a": {"ask": "1"}, "j": {"join": ["{{ steps.a.text }}"]}}))
    world.look()
    assert world.end("a", good(text_uri="s3://b/a.md")).has_ended
    assert world.schedule.output().stored_at == "s3://b/a.md"


# Budgets


def test_a_chain_stops_when_its_budget_is_used_up() -> None:
    """Whatever its steps say about errors: nothing else could be paid for. What is free is left out, too."""
    steps = {name: {"ask": name, "on_error": "continue"} for name in "abc"}
    world = World(chain(steps, max_parallel=1, budget={"max_cost_usd": 2}))
    world.run(lambda _: good())
    assert world.started == ["a", "b"]
    assert world.phases() == {"a": "completed", "b": "completed", "c": "skipped"}
    failure = world.schedule.status().failure
    assert failure is not None
    assert (failure.step, failure.error.code) == ("c", "budget")
    assert world.schedule.phase is ChainPhase.FAILED


def test_each_run_is_told_what_is_left() -> None:
    """The narrower of what the chain and the step may still use, so that a run ends itself."""
    steps = {
        "a": {"ask": "1"},
        "b": {"ask": "{{ steps.a.text }}", "budget": {"max_cost_usd": 3, "max_tokens": 50}},
    }
    world = World(chain(steps, budget={"max_cost_usd": 2.5, "max_interactions": 9}))
    world.look()
    world.end("a")
    budget = world.request_of("b").budget
    assert budget is not None
    assert (budget.max_cost_usd, budget.max_tokens, budget.max_interactions) == (1.5, 50, 8)


def test_no_more_run_at_once_than_there_are_interactions_left() -> None:
    """Each takes one at least, and waits for what the others use."""
    world = World(chain({name: {"ask": name} for name in "abc"}, budget={"max_interactions": 2}))
    world.look()
    assert world.started == ["a", "b"]
    world.end("a", StepResult(phase=StepPhase.COMPLETED))
    assert world.started == ["a", "b", "c"]
    assert world.request_of("c").budget is not None


def test_a_step_has_a_budget_for_all_its_items_and_tries() -> None:
    """What is over it fails the items that are left."""
    world = World(chain(_each(budget={"max_interactions": 2}, on_error="continue")))
    world.run(lambda _: good())
    assert world.started == ["each[0]", "each[1]"]
    step = world.schedule.status().steps[0]
    assert [item.phase.value for item in step.items] == ["completed", "completed", "failed"]
    assert step.items[2].error is not None
    assert step.items[2].error.code == "budget"


def test_tools_and_joins_go_on_without_budget() -> None:
    """They cost nothing."""
    steps = {"a": {"ask": "1"}, "t": {"tool": "f", "after": "a"}, "j": {"join": ["{{ steps.t.text }}"]}}
    world = World(chain(steps, budget={"max_interactions": 1}))
    world.run(
        lambda start: good() if start.unit.step == "a" else StepResult(phase=StepPhase.COMPLETED, text="t")
    )
    assert (world.schedule.phase, world.output()) == (ChainPhase.COMPLETED, "t")


# Cancelling


def test_a_cancel_stops_what_runs_and_begins_nothing() -> None:
    """Each stop is named once, and the chain ends when all that ran has ended."""
    steps = {"a": {"ask": "1"}, "ok": {"approve": "go?"}, "b": {"ask": "{{ steps.a.text }}"}} | _each()
    world = World(chain(steps, max_parallel=2))
    world.look()
    decision = world.cancel()
    assert decision.stops == (Unit("a"), Unit("each", 0))
    assert world.look().stops == ()
    world.end("a", StepResult(phase=StepPhase.CANCELLED))
    assert world.end("each[0]", good("just in time")).has_ended
    assert world.schedule.phase is ChainPhase.CANCELLED
    assert world.phases() == {"a": "cancelled", "ok": "cancelled", "b": "cancelled", "each": "cancelled"}
    assert world.schedule.status().failure is None


def test_a_cancel_after_the_end_changes_nothing() -> None:
    """What was paid for is kept."""
    world = World(chain({"j": {"join": ["x"]}}))
    world.look()
    world.cancel()
    assert world.schedule.phase is ChainPhase.COMPLETED


# The result


def test_the_result_is_the_last_step_that_nothing_waits_for() -> None:
    """Where the file does not say."""
    world = World(chain({"a": {"ask": "1"}, "b": {"ask": "2"}, "c": {"ask": "{{ steps.b.text }}"}}))
    world.run(lambda start: good(start.unit.step))
    assert world.output() == "c"


@pytest.mark.parametrize(
    ("output", "text"),
    [("a", "A"), ("{{ steps.a.text }}!", "A!"), ("{{ inputs.x }}", "tea"), ("each", "E\n\nE\n\nE")],
)
def test_the_file_may_say_what_the_result_is(output: str, text: str) -> None:
    """A step, or a template."""
    world = World(chain({"a": {"ask": "1"}} | _each(), output=output, inputs={"x": "tea"}))
    world.run(lambda start: good(start.unit.step[0].upper()))
    assert world.output() == text


def test_a_result_that_cannot_be_filled_in_is_a_failure() -> None:
    """It must not look as if there were one."""
    world = World(chain({"a": {"ask": {"prompt": "1", "schema": {}}}}, output="{{ steps.a.data.x }}"))
    world.run(lambda _: good(data={}))
    assert world.schedule.phase is ChainPhase.FAILED


def test_the_result_names_every_step_and_its_run() -> None:
    """So that whoever wants more finds it there."""
    ref = ArtifactRef(
        name="report.md", uri="s3://b/r.md", media_type="text/markdown", size_bytes=9, sha256=""
    )
    world = World(chain({"a": {"research": "1"}}))
    world.run(lambda _: good(text_uri="s3://b/t.md", artifacts=(ref,)))
    result = world.schedule.result(NOW, output="begins", output_uri="s3://b/t.md")
    assert (result.phase, result.output, result.output_uri) == (ChainPhase.COMPLETED, "begins", "s3://b/t.md")
    assert result.artifacts == (ref,)
    assert [(step.name, step.run_id) for step in result.steps] == [("a", "c.a")]


def test_a_file_of_a_step_can_be_linked_and_attached() -> None:
    """A picture by its kind, any file by its name."""
    ref = ArtifactRef(name="image-1.png", uri="s3://b/i.png", media_type="image/png", size_bytes=9, sha256="")
    steps = {
        "a": {"ask": {"prompt": "1", "image": "16:9"}},
        "b": {
            "ask": {"prompt": "![]({{ steps.a.image }})", "attach": ["{{ steps.a.artifacts.image-1.png }}"]}
        },
    }
    world = World(chain(steps))
    world.look()
    world.end("a", good(artifacts=(ref,)))
    request = world.request_of("b")
    assert request.input == "![](s3://b/i.png)"
    assert [(one.uri, one.media_type, one.size_bytes) for one in request.attachments] == [
        ("s3://b/i.png", "image/png", 9)
    ]


def test_facts_of_a_step_can_be_told() -> None:
    """What it cost, and which interaction it was."""
    prompt = (
        "{{ steps.a.interaction_id }} {{ steps.a.cost_usd }} {{ steps.a.tokens }} {{ steps.a.interactions }}"
    )
    world = World(chain({"a": {"ask": "1"}, "b": {"ask": prompt + "{{ steps.a.error }}"}}))
    world.look()
    world.end("a", good(interaction_id="v1_a"))
    assert world.request_of("b").input == "v1_a 1.0 100 1"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ steps.a.image }}", "there is no such file; there are report.md"),
        ("{{ steps.a.artifacts.x.md }}", "there is no such file; there are report.md"),
        ("{{ steps.each.items[7].text }}", "is not there"),
    ],
)
def test_what_a_step_did_not_leave_fails_who_wants_it(template: str, reason: str) -> None:
    """The message says what there is instead."""
    ref = ArtifactRef(name="report.md", uri="s3://b/r", media_type="text/markdown", size_bytes=9, sha256="")
    world = World(chain({"a": {"ask": "1"}} | _each() | {"b": {"ask": template}}))
    world.run(lambda _: good(artifacts=(ref,)))
    error = world.schedule.status().steps[2].error
    assert error is not None
    assert reason in error.message


# Inputs and ids


def test_a_chain_without_its_inputs_is_refused() -> None:
    """Before anything is started."""
    with pytest.raises(InvalidInputs, match="'topic' is missing"):
        World(chain({"a": {"ask": "{{ inputs.topic }}"}}, inputs={"topic": None}))


def test_what_does_not_run_cannot_end() -> None:
    """A bug in the workflow shows at once."""
    world = World(chain({"a": {"ask": "1"}}))
    with pytest.raises(NotPossible):
        world.schedule.finished(Unit("a"), good(), NOW)


def test_ids_fit_and_differ() -> None:
    """However long the chain's own id is; each try has its own."""
    long = "x" * MAX_ID_CHARS
    ids = {
        run_id_of(long + end, Unit("a" * 64, item), attempt)
        for end in "12"
        for item in (None, 499)
        for attempt in (1, 10)
    }
    assert len(ids) == 8
    assert all(len(run_id) <= MAX_ID_CHARS for run_id in ids)


# Continuing as new


def test_a_chain_goes_on_where_it_was() -> None:
    """All it needs is in its state: what runs is found again, and what follows is the same."""
    steps = {
        "a": {"ask": {"prompt": "1", "schema": {}}},
        "each": {
            "for_each": {"items": "{{ steps.a.data.t }}", "do": {"ask": "{{ item }} {{ steps.a.text }}"}}
        },
        "ok": {"approve": "{{ steps.a.text }}?"},
        "all": {"join": ["{{ steps.each.texts }} {{ steps.ok.text }}"]},
    }
    world = World(chain(steps))
    world.look()
    world.end("a", good("A", data={"t": ["x", "y"]}))
    world.end("each[0]", good("X"))
    before = world.schedule.status()
    world = world.again()
    assert world.schedule.status() == before
    assert [start.run_id for start in world.schedule.running()] == ["c.each.1"]
    assert world.request_of("each[1]").input == "y A"
    assert world.look().starts == ()
    world = world.again()
    world.decide("ok", is_approved=True, note="!")
    world.end("each[1]", good("Y"))
    assert world.again().output() == "" or world.output() == "X\n\nY !"


def test_what_nobody_refers_to_is_not_kept() -> None:
    """The steps' own runs have it."""
    steps = {"a": {"ask": {"prompt": "1", "schema": {}}}, "b": {"join": ["{{ steps.a.data.x.y }}"]}}
    world = World(chain(steps))
    world.look()
    world.end("a", good("text", data={"x": {"y": 1, "z": 2}, "w": 3}))
    state = world.schedule.state().steps["a"]
    assert (state.text, state.data, state.interaction_id) == ("", {"x": {"y": 1}}, None)


def test_more_than_a_chain_can_keep_fails_the_step() -> None:
    """It is said, and not lost; the run has it all."""
    steps = {"a": {"ask": {"prompt": "1", "schema": {}}}, "b": {"ask": "{{ steps.a.data }}"}}
    world = World(chain(steps))
    world.look()
    world.end("a", good(data="x" * MAX_KEPT_BYTES))
    error = world.schedule.status().steps[0].error
    assert error is not None
    assert error.code == "limit"


def test_short_texts_leave_room_for_what_no_file_has() -> None:
    """A text that is in a file, too, gives way to data, which is nowhere else."""
    each = {"for_each": {"items": list(range(200)), "do": {"ask": "{{ item }}"}}}
    steps = {
        "each": each,
        "a": {"ask": {"prompt": "1", "schema": {}}, "after": "each"},
        "b": {"ask": "{{ steps.each.texts }}"},
        "c": {"tool": {"name": "f", "arguments": {"x": "{{ steps.a.data }}"}}},
    }
    world = World(chain(steps))
    world.run(lambda _: good("x" * 4000, text_uri="s3://b/t.md", data="y" * 50_000))
    items = world.schedule.state().steps["each"].items
    assert items[0].text == "x" * 4000
    assert (items[-1].text, items[-1].text_uri) == ("", "s3://b/t.md")
    assert world.phases()["c"] == "completed"


def test_files_that_nobody_refers_to_are_only_kept_while_there_is_room() -> None:
    """They are for people, who find them in the step's own run, too."""
    ref = ArtifactRef(
        name="r.md", uri="s3://" + "u" * 2000, media_type="text/markdown", size_bytes=9, sha256=""
    )
    world = World(chain({f"s{number}": {"ask": "x"} for number in range(100)}))
    world.run(lambda _: good(artifacts=(ref,)))
    state = world.schedule.state()
    assert state.steps["s0"].artifacts == (ref,)
    assert state.steps["s99"].artifacts == ()
    assert state.shown_bytes <= MAX_SHOWN_BYTES
    assert world.schedule.phase is ChainPhase.COMPLETED


def test_the_state_of_the_largest_chain_fits() -> None:
    """A thousand steps and items, each with the longest of everything, are about a megabyte."""
    each = {"for_each": {"items": list(range(498)), "do": {"ask": "{{ item }}"}}, "on_error": "continue"}
    world = World(chain({"a": each, "b": each, "all": {"ask": "{{ steps.a.texts }}{{ steps.b.texts }}"}}))
    files = tuple(
        ArtifactRef(
            name=f"f{n}",
            uri="s3://" + "u" * 300,
            media_type="text/markdown",
            size_bytes=10**6,
            sha256="0" * 64,
        )
        for n in range(20)
    )

    def answer(start: Start) -> StepResult:
        long = {"text": "ü" * 2000, "text_uri": "s3://" + "u" * 150, "interaction_id": "v1_" + "i" * 200}
        if start.unit.item is not None and start.unit.item % 2:
            error = {"code": "interaction_failed", "message": "é" * 99}
            return StepResult.model_validate({"phase": "failed", "error": error, "spent": good().spent})
        return good(artifacts=files, **long)

    world.run(answer)
    state = world.schedule.state()
    assert len(world.schedule.status().steps[0].items) + len(world.schedule.status().steps[1].items) == 996
    assert state.kept_bytes <= MAX_KEPT_BYTES
    assert state.shown_bytes <= MAX_SHOWN_BYTES
    assert len(state.model_dump_json().encode()) < 1_200_000
    assert ChainState.model_validate_json(state.model_dump_json()) == state


def test_a_unit_of_the_state_is_small() -> None:
    """Besides what is kept by other bounds: times, costs, and the longest reasons."""
    world = World(chain({"ok": {"approve": "go?"}, "b": {"ask": "x", "after": "ok"}}))
    world.look()
    world.decide("ok", is_approved=False, note="é" * 2000)
    step = world.schedule.state().steps["ok"]
    assert len(step.why.encode()) <= MAX_LINE_BYTES
    assert len(step.model_dump_json().encode()) * MAX_UNITS < 750_000


# Laws

_NAMES = "abcdefgh"


@st.composite
def _chains(draw: st.DrawFn) -> ChainSpec:
    """Any small chain without circles."""
    steps: dict[str, object] = {}
    for number, name in enumerate(_NAMES[: draw(st.integers(1, len(_NAMES)))]):
        before = draw(st.sets(st.sampled_from(_NAMES[:number]))) if number else set()
        kind = draw(st.sampled_from(["ask", "join", "approve", "tool", "for_each"]))
        bodies: dict[str, object] = {
            "ask": "x",
            "join": ["x"],
            "approve": {
                "message": "x",
                "expires": "1h",
                "on_expiry": draw(st.sampled_from(["reject", "approve"])),
            },
            "tool": "f",
            "for_each": {
                "items": list(range(draw(st.integers(0, 4)))),
                "do": {"ask": "{{ item }}"},
                "max_parallel": draw(st.none() | st.integers(1, 3)),
            },
        }
        steps[name] = {
            kind: bodies[kind],
            "after": sorted(before),
            "on_error": draw(st.sampled_from(["fail", "continue", "skip_dependents"])),
            "retry": {
                "attempts": draw(st.integers(1, 3)) if kind in ("ask", "tool", "for_each") else 1,
                "wait_s": 5,
            },
        }
    budget = draw(st.none() | st.integers(1, 6))
    options = {"budget": None if budget is None else {"max_interactions": budget}}
    order = draw(st.permutations(sorted(steps)))
    return chain({name: steps[name] for name in order}, max_parallel=draw(st.integers(1, 4)), **options)


@given(_chains(), st.randoms(use_true_random=False))
def test_every_chain_ends_and_keeps_its_bounds(spec: ChainSpec, rng: random.Random) -> None:
    """In whatever order things end, and however they do.

    Nothing starts before what it waits for has ended, no more run than may, nothing is tried too often, a
    chain that is continued as new goes on the same, and there is an end.
    """
    world = World(spec)
    waits_for = Plan(spec).waits_for
    tries: dict[Unit, int] = {}
    for _ in range(2_000):
        is_over = world.schedule.status().failure is not None
        decision = world.look()
        ended = {step.name for step in world.schedule.status().steps if step.phase.is_end}
        for start in decision.starts:
            assert not is_over
            assert set(waits_for[start.unit.step]) <= ended
            tries[start.unit] = tries.get(start.unit, 0) + 1
            assert tries[start.unit] == start.attempt <= spec.steps[start.unit.step].retry.attempts
        assert len(world.under_way) <= spec.max_parallel
        for name, step in spec.steps.items():
            if step.for_each is not None and step.for_each.max_parallel is not None:
                assert sum(unit.step == name for unit in world.under_way) <= step.for_each.max_parallel
        if decision.has_ended:
            break
        _something_happens(world, rng)
        if rng.random() < 0.2:
            started = world.started
            world = world.again()
            world.started = started
    else:
        pytest.fail("it does not end")
    assert not world.under_way
    assert world.schedule.phase.is_end
    assert all(step.phase.is_end for step in world.schedule.status().steps)
    if spec.budget is not None and spec.budget.max_interactions is not None:
        assert world.schedule.spent.interactions <= spec.budget.max_interactions


def _something_happens(world: World, rng: random.Random) -> None:
    """One of all that could happen next."""
    choices = [*world.under_way, *world.schedule.awaiting, *([None] if world.wake_at else [])]
    assert choices, "nothing runs, nobody is asked, and there is no time to wait for"
    match rng.choice(choices):
        case None:
            assert world.wake_at is not None
            world.now = max(world.now, world.wake_at)
        case str() as step:
            world.schedule.decide(DecideStep(step=step, is_approved=rng.random() < 0.7), world.now)
        case unit:
            cost = Spent(interactions=int(world.schedule._spec.steps[unit.step].kind != "tool"))
            result = rng.choice([good(), bad(), bad("rejected"), bad(phase=StepPhase.CANCELLED)])
            del world.under_way[unit]
            world.schedule.finished(unit, result.model_copy(update={"spent": cost}), world.now)
    if rng.random() < 0.02:
        world.schedule.cancel()
