from runs.messages import ArtifactRef, FollowUp, FollowUpKind, Outcome, Settled, Usage
from runs.turns import TurnLog

RESULTS = FollowUp(kind=FollowUpKind.TOOL_RESULTS, previous_interaction_id="v1_1")
APPROVED = FollowUp(kind=FollowUpKind.PLAN_APPROVED, previous_interaction_id="v1_1")


def settled(
    tokens: int | None, cost_usd: float | None, *, uri: str = "file:///1", name: str = "a"
) -> Settled:
    """A turn that was settled."""
    ref = ArtifactRef(name=name, uri=f"{uri}/{name}", media_type="text/plain", size_bytes=1, sha256="0" * 64)
    return Settled(
        outcome=Outcome.NEEDS_TOOLS,
        usage=Usage(total_tokens=tokens),
        cost_usd=cost_usd,
        interaction_uri=uri,
        artifacts=(ref,),
    )


def two_turns(first: Settled, second: Settled, *, follow_up: FollowUp = RESULTS) -> TurnLog:
    """A log of two turns."""
    log = TurnLog()
    log.accepted("v1_1")
    log.settled(first)
    log.begin(follow_up, is_same_answer=follow_up is RESULTS)
    log.accepted("v1_2")
    log.settled(second)
    return log


def test_turns_add_up() -> None:
    """Tokens, costs and interactions are those of all turns."""
    log = two_turns(settled(10, 0.1), settled(5, 0.2))
    assert (log.usage.total_tokens, log.cost_usd) == (15, 0.3)
    assert (log.usage_before.total_tokens, log.cost_before_usd) == (10, 0.1)
    assert (log.spent.interactions, log.spent.tokens, log.spent.unknown_tokens) == (2, 15, 0)


def test_an_unknown_cost_is_not_a_free_one() -> None:
    """One turn without an estimate leaves the whole without, and budgets are told."""
    log = two_turns(settled(10, 0.1), settled(None, None))
    assert log.cost_usd is None
    assert (log.spent.cost_usd, log.spent.unknown_costs, log.spent.unknown_tokens) == (0.1, 1, 1)


def test_a_turn_settled_again_counts_once() -> None:
    """Settling may be done anew, as the end of the run, without the turn being paid for twice."""
    log = TurnLog()
    log.accepted("v1_1")
    log.settled(settled(10, 0.1))
    log.settled(settled(10, 0.1))
    assert log.spent.tokens == 10


def test_a_turn_that_was_never_settled_used_nobody_knows_what() -> None:
    """An interaction that was lost may have cost something."""
    log = TurnLog()
    log.accepted("v1_1")
    assert (log.spent.interactions, log.spent.unknown_tokens) == (1, 1)


def test_one_answer_is_what_rounds_of_calls_belong_to() -> None:
    """What the model said before is part of the answer; a plan is not part of the report."""
    assert two_turns(settled(1, 0.1), settled(1, 0.1)).earlier == ("file:///1",)
    assert two_turns(settled(1, 0.1), settled(1, 0.1), follow_up=APPROVED).earlier == ()


def test_files_of_all_turns_are_kept_the_last_first() -> None:
    """Of two files at one address the newer counts."""
    log = two_turns(settled(1, 0.1, name="plan-1.md"), settled(1, 0.1, uri="file:///2", name="report.md"))
    assert [ref.name for ref in log.artifacts] == ["report.md", "plan-1.md"]
