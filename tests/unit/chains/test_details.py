from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from markdown_it import MarkdownIt

from chains.details import render_chain
from chains.errors import StepErrorCode
from chains.messages import ChainFailure, ChainPhase, ChainStatus, StepPhase, StepView, step_error
from chains.spec import StepKind
from runs.budget import Spent

_NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)


def step(name: str = "a", phase: StepPhase = StepPhase.RUNNING, **fields: Any) -> StepView:
    """A step, begun a minute and a half ago."""
    began_at = {"started_at": _NOW - timedelta(seconds=90)}
    return StepView(**{"name": name, "kind": StepKind.ASK, "phase": phase, **began_at, **fields})


def details(*steps: StepView, phase: ChainPhase = ChainPhase.RUNNING, **fields: Any) -> str:
    """The details of a chain of these steps."""
    return render_chain(
        ChainStatus(name="tea", phase=phase, started_at=_NOW, steps=steps, **fields), now=_NOW
    )


def test_each_step_has_a_line() -> None:
    """What it is, where it stands, how long it has taken, and what it cost."""
    text = details(
        step("a", StepPhase.COMPLETED, ended_at=_NOW, spent=Spent(interactions=1, cost_usd=2.07)),
        step("b"),
        step("c", StepPhase.WAITING, started_at=None),
        spent=Spent(interactions=2, tokens=1_234, cost_usd=2.07),
    )
    assert text.splitlines() == [
        "### tea: running",
        "Each agent or model step is a child of this workflow, with a page of its own.",
        "",
        "- **Used:** 2 interactions, 1,234 tokens, about $2.07",
        "- a (ask): completed, 0:01:30, about $2.07",
        "- b (ask): running, 0:01:30",
        "- c (ask): waiting",
    ]


def test_a_list_says_how_far_it_is() -> None:
    """Of the items of a for_each, those that have ended are counted."""
    items = (step("[0]", StepPhase.FAILED), step("[1]"), step("[2]", StepPhase.COMPLETED))
    assert "0:01:30, 2 of 3 items" in details(step("each", kind=StepKind.FOR_EACH, items=items))


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (step(phase=StepPhase.FAILED, error=step_error(StepErrorCode.TOOL, "no such city")), "no such city"),
        (step(phase=StepPhase.SKIPPED, why="b failed"), "skipped, b failed"),
        (step(phase=StepPhase.AWAITING_APPROVAL, message="Publish?\nReally?"), "0:01:30, Publish?"),
    ],
)
def test_a_line_says_why(view: StepView, reason: str) -> None:
    """An error, what a skipped step was skipped for, or the first line of what a person is asked."""
    assert details(view).splitlines()[-1].endswith(reason)


@pytest.mark.parametrize("phase", ChainPhase)
def test_every_phase_is_explained(phase: ChainPhase) -> None:
    """The heading names it, and a sentence below says what it means."""
    heading, sentence, *_ = details(step(), phase=phase).splitlines()
    assert heading == f"### tea: {phase.value.replace('_', ' ')}"
    assert sentence


def test_the_step_that_ended_the_chain_is_named() -> None:
    """With its reason, above all steps."""
    failure = ChainFailure(step="b", error=step_error(StepErrorCode.BUDGET, "used up"))
    assert "- **Because of** b**:** used up" in details(step(), failure=failure)


def test_nothing_that_strangers_wrote_formats_or_links() -> None:
    """Whatever a model or a person says in an error or a message is one line of text."""
    evil = "*x* [click](javascript:alert(1)) <b>y</b>\n# heading"
    text = details(
        step("a_b_c", StepPhase.AWAITING_APPROVAL, message=evil),
        step("d", StepPhase.FAILED, error=step_error("tool", evil)),
        failure=ChainFailure(step="d", error=step_error("tool", evil)),
    )
    tokens = MarkdownIt("commonmark").parse(text)
    inline = [child.type for token in tokens for child in token.children or ()]
    assert not {"link_open", "html_inline", "em_open", "image"} & set(inline)
    assert next(token.content for token in tokens if token.type == "inline").startswith("tea")
    assert sum(token.type == "heading_open" for token in tokens) == 1


def test_a_long_chain_fits() -> None:
    """However many steps there are, and whatever they say, the whole has at most 20,000 bytes."""
    failed = [
        step(f"{number}_" * 9, StepPhase.FAILED, error=step_error("tool", "*" * 500)) for number in range(999)
    ]
    text = details(*failed)
    assert len(text.encode()) < 20_000
    assert "more: `longhaul chain show ID`" in text.splitlines()[-1]
