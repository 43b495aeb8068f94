"""What the turns of one run have come to: it takes one, an interaction, for each thing it has to say.

Workflow code: see docs/changing.md.
"""

from dataclasses import dataclass, field

from runs.budget import Spent, spent_on
from runs.messages import ArtifactRef, FollowUp, Settled, Usage


@dataclass
class TurnLog:
    """The turns of one run, in order.

    Pure and in memory: a workflow fills it again on every replay.

    Attributes:
        number: Of the turn under way, from 1.
        follow_up: What that turn says; None in the first.
        interaction_ids: Of all turns, as far as they were accepted.
        rounds: How often function calls were answered.
        continuations: How often an answer was continued that had stopped at a limit of the API.
        plans: How many plans there were.
        earlier: Stored interactions that are part of the answer under way.
    """

    number: int = 1
    follow_up: FollowUp | None = None
    interaction_ids: list[str] = field(default_factory=list)
    rounds: int = 0
    continuations: int = 0
    plans: int = 0
    earlier: tuple[str, ...] = ()
    _settled: dict[int, Settled] = field(default_factory=dict)

    def accepted(self, interaction_id: str) -> None:
        """Note which interaction the turn under way has become."""
        self.interaction_ids.append(interaction_id)

    def settled(self, settled: Settled) -> None:
        """Note what the turn under way came to; settled again, it counts once."""
        self._settled[self.number] = settled

    def begin(self, follow_up: FollowUp, *, is_same_answer: bool) -> None:
        """Begin the next turn.

        Args:
            follow_up: What it says.
            is_same_answer: Whether what the model has said so far is part of the answer to come.
        """
        before = self._settled[self.number]
        self.earlier = (*self.earlier, before.interaction_uri) if is_same_answer else ()
        self.follow_up = follow_up
        self.number += 1

    @property
    def last(self) -> Settled | None:
        """The last turn that was settled."""
        return self._settled[max(self._settled)] if self._settled else None

    @property
    def usage(self) -> Usage:
        """What the settled turns used together."""
        return self._usage_before(self.number + 1)

    @property
    def usage_before(self) -> Usage:
        """What the turns before the one under way used together."""
        return self._usage_before(self.number)

    @property
    def cost_usd(self) -> float | None:
        """The estimated cost of the settled turns; None where one has no estimate, or none is settled."""
        return self._cost_before(self.number + 1) if self._settled else None

    @property
    def cost_before_usd(self) -> float | None:
        """The estimated cost of the turns before the one under way; None where one has no estimate."""
        return self._cost_before(self.number)

    @property
    def spent(self) -> Spent:
        """The same, as budgets count: a turn that was accepted and never settled used nobody knows what."""
        unsettled = len(self.interaction_ids) - len(self._settled)
        total = Spent(interactions=unsettled, unknown_tokens=unsettled, unknown_costs=unsettled)
        for settled in self._settled.values():
            total = total.plus(spent_on(total_tokens=settled.usage.total_tokens, cost_usd=settled.cost_usd))
        return total

    @property
    def artifacts(self) -> tuple[ArtifactRef, ...]:
        """The files of all settled turns, those of the last first; of two at one address the newer."""
        newest: dict[str, ArtifactRef] = {}
        for number in sorted(self._settled, reverse=True):
            for ref in self._settled[number].artifacts:
                newest.setdefault(ref.uri, ref)
        return tuple(newest.values())

    def _usage_before(self, number: int) -> Usage:
        total = Usage()
        for turn, settled in self._settled.items():
            if turn < number:
                total = total.plus(settled.usage)
        return total

    def _cost_before(self, number: int) -> float | None:
        costs = [settled.cost_usd for turn, settled in self._settled.items() if turn < number]
        return None if None in costs else round(sum(cost for cost in costs if cost is not None), 6)
