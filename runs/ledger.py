"""What a run knows of its submissions: which there were, what each is said to have become, what is open.

Workflow code: see docs/changing.md.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field


@dataclass
class SubmissionLedger:
    """The submissions of one run, each known by its secret token.

    Pure and in memory: a workflow fills it again on every replay.

    Attributes:
        refusals: How often the API refused what is to be said now.
        postponements: How often one could not leave, for want of a connection or of the artifact store.
        unsent: How often a worker vanished before it had begun to send one.
        resubmissions: How often the request's policy sent again after an unknown outcome.
    """

    refusals: int = 0
    postponements: int = 0
    unsent: int = 0
    resubmissions: int = 0
    _tokens: list[str] = field(default_factory=list)
    _first_of_turn: int = 0
    _unknown: set[str] = field(default_factory=set)
    _announced: dict[str, str] = field(default_factory=dict)
    _aliases: dict[str, str] = field(default_factory=dict)
    _inherited: list[str] = field(default_factory=list)
    _named: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there were; also the number of the latest, from 1."""
        return len(self._tokens)

    @property
    def latest_token(self) -> str:
        """The secret of the latest submission."""
        return self._tokens[-1]

    def begin_turn(self) -> None:
        """Note that what is sent from now on says something else: news of earlier ones is not its answer."""
        self._first_of_turn = len(self._tokens)
        self.refusals = 0

    def begin(self, token: str) -> None:
        """Note that a submission is about to be sent."""
        self._tokens.append(token)

    def announce(self, token: str, interaction_id: str) -> None:
        """Note what a submission is said to have become; a token that is not ours says nothing."""
        token = self._aliases.get(token, token)
        if token in self._tokens or token in self._inherited:
            self._announced[token] = interaction_id

    def know_latest_as(self, token: str) -> None:
        """Note that the latest was sent under another token, before the run was reset."""
        self._aliases[token] = self.latest_token

    def inherit(self, token: str, interaction_id: str | None) -> None:
        """Note something else that was sent before the run was reset, and may have been paid for.

        Args:
            token: Its secret.
            interaction_id: What it became; None if that is not known.
        """
        self._inherited.append(token)
        if interaction_id is None:
            self._unknown.add(token)
        else:
            self._announced[token] = interaction_id

    def name(self, interaction_ids: Iterable[str]) -> None:
        """Note interactions that the run has paid for, by its journal."""
        self._named.extend(interaction_ids)

    def leave_open(self) -> None:
        """Note that nobody can say what became of the latest."""
        self._unknown.add(self.latest_token)

    def settle_latest(self) -> None:
        """Note that a person has said what became of the latest."""
        self._unknown.discard(self.latest_token)

    def found(self) -> str | None:
        """Return what the turn's latest announced submission has become; None without news."""
        of_turn = self._tokens[self._first_of_turn :]
        return next((self._announced[token] for token in reversed(of_turn) if token in self._announced), None)

    @property
    def unnamed(self) -> int:
        """How many submissions may have become an interaction that nobody has named."""
        return sum(token not in self._announced for token in self._unknown)

    def orphans(self, *, own: Collection[str]) -> tuple[str, ...]:
        """Return the interactions that submissions turned out to have become, but for the run's ``own``."""
        announced = (self._announced.get(token) for token in (*self._tokens, *self._inherited))
        found = dict.fromkeys((*(each for each in announced if each is not None), *self._named))
        return tuple(each for each in found if each not in own)
