"""What a run leaves open that was ended from outside, read from its history.

A workflow that is terminated decides nothing any more, and tells nobody. Its history still says which
interactions there were, which of them are over, and of which submission nobody has learned what became of
it. It is read as plain JSON and leniently: another version may have written it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from runs.errors import ActivityErrorType

_SUBMIT: Final = "submit_interaction"
_RECOVER: Final = "recover_submission"
_ABOUT_ONE: Final = frozenset({"watch_interaction", "settle_interaction", "cancel_interaction"})
"""Activities whose input names the interaction that they are about."""

_NOT_RUN: Final = frozenset({ActivityErrorType.SUBMISSION_REFUSED, ActivityErrorType.SUBMISSION_REJECTED})
"""Failures of a submission after which there is no interaction."""


@dataclass
class Submission:
    """One submission of a run.

    Attributes:
        number: Which of the run's, from 1.
        token: Its secret.
        prefix: The run's folder in the artifact store, where its journal is.
        is_open: Whether nobody has learned what became of it.
        interaction_id: What it became, as far as that is known.
    """

    number: int
    token: str
    prefix: str
    is_open: bool = True
    interaction_id: str | None = None

    @property
    def journal(self) -> str:
        """Where its records begin in the artifact store."""
        return f"{self.prefix}/submission-{self.number}"


@dataclass
class Remains:
    """What a run's history knows.

    Attributes:
        submissions: All of them, in order.
        interaction_ids: All interactions that it was about, in order.
        over: Those of them that were seen to be over.
        reason: Why the workflow was ended from outside, in the words of whoever did it; None if it was not.
        unreadable: Payloads that could not be read, so that something may be missing here.
    """

    submissions: list[Submission] = field(default_factory=list)
    interaction_ids: list[str] = field(default_factory=list)
    over: set[str] = field(default_factory=set)
    reason: str | None = None
    unreadable: int = 0

    @property
    def running(self) -> tuple[str, ...]:
        """Interactions that may be running still."""
        return tuple(each for each in self.interaction_ids if each not in self.over)

    @property
    def unnamed(self) -> tuple[Submission, ...]:
        """Submissions that may have become an interaction that nobody has named."""
        return tuple(each for each in self.submissions if each.is_open and each.interaction_id is None)


async def remains_of(events: AsyncIterator[HistoryEvent], *, converter: DataConverter) -> Remains:
    """Read a history to its end.

    Args:
        events: Of the history.
        converter: Reads its payloads.
    """
    reader = _Reader(converter)
    async for event in events:
        await reader.read(event)
    return reader.remains


class _Reader:
    """Reads a history event by event."""

    def __init__(self, converter: DataConverter) -> None:
        self.remains = Remains()
        self._converter = converter
        self._offered: object = None
        self._asked: dict[int, tuple[str, Mapping[str, Any]]] = {}
        self._after: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], None]] = {
            _SUBMIT: self._submitted,
            _RECOVER: self._recovered,
            "watch_interaction": self._watched,
            "settle_interaction": self._settled,
            "cancel_interaction": self._cancelled,
        }

    async def read(self, event: HistoryEvent) -> None:
        """Read one event; what it is about is told by which of its attributes are there, not by a number."""
        await self._read_activity(event)
        await self._read_news(event)
        if event.HasField("workflow_execution_terminated_event_attributes"):
            reason = event.workflow_execution_terminated_event_attributes.reason
            self.remains.reason = f"terminated ({reason})" if reason else "terminated"
        elif event.HasField("workflow_execution_timed_out_event_attributes"):
            self.remains.reason = "ended by Temporal's own time-out"

    async def _read_activity(self, event: HistoryEvent) -> None:
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled = event.activity_task_scheduled_event_attributes
            name = scheduled.activity_type.name
            given = await self._decoded(scheduled.input.payloads)
            self._asked[event.event_id] = (name, given)
            self._begun(name, given)
        elif event.HasField("activity_task_completed_event_attributes"):
            completed = event.activity_task_completed_event_attributes
            name, given = self._asked.get(completed.scheduled_event_id, ("", {}))
            if (take := self._after.get(name)) is not None:
                take(given, await self._decoded(completed.result.payloads))
        elif event.HasField("activity_task_failed_event_attributes"):
            failed = event.activity_task_failed_event_attributes
            name, given = self._asked.get(failed.scheduled_event_id, ("", {}))
            if name == _SUBMIT and failed.failure.application_failure_info.type in _NOT_RUN:
                self._submission(given).is_open = False

    async def _read_news(self, event: HistoryEvent) -> None:
        if event.HasField("workflow_execution_signaled_event_attributes"):
            signal = event.workflow_execution_signaled_event_attributes
            if signal.signal_name == "notified":
                self._announced(await self._decoded(signal.input.payloads))
        elif event.HasField("workflow_execution_update_accepted_event_attributes"):
            update = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
            if update.name == "resolve_submission":
                self._offered = (await self._decoded(update.args.payloads)).get("interaction_id")
                self._know(self._offered)

    def _begun(self, name: str, given: Mapping[str, Any]) -> None:
        if name == _SUBMIT:
            self.remains.submissions.append(
                Submission(
                    number=_number(given.get("number")),
                    token=str(given.get("token", "")),
                    prefix=str(given.get("artifacts_prefix", "")),
                )
            )
        elif name in _ABOUT_ONE:
            self._know(given.get("interaction_id"))
            submissions = self.remains.submissions
            if self._offered is not None and given.get("interaction_id") == self._offered and submissions:
                # A person has said what became of the latest, and the API knew it.
                self._named(submissions[-1], self._offered)
                self._offered = None

    def _submitted(self, given: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        self._named(self._submission(given), answer.get("interaction_id"))
        if answer.get("has_ended") is True:
            self._end(answer.get("interaction_id"))

    def _recovered(self, given: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        submission = self._submission(given)
        if answer.get("was_sent") is False:
            submission.is_open = False
        self._named(submission, answer.get("interaction_id"))

    def _watched(self, given: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if answer.get("has_ended") is True:
            self._end(given.get("interaction_id"))

    def _settled(self, given: Mapping[str, Any], _: Mapping[str, Any]) -> None:
        self._end(given.get("interaction_id"))

    def _cancelled(self, given: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if answer.get("was_confirmed") is True or answer.get("had_ended") is True:
            self._end(given.get("interaction_id"))

    def _announced(self, news: Mapping[str, Any]) -> None:
        for submission in self.remains.submissions:
            if news.get("token") and news.get("token") == submission.token:
                self._named(submission, news.get("interaction_id"))

    def _submission(self, given: Mapping[str, Any]) -> Submission:
        """Return the latest submission of this number, since a reset may have been there before."""
        number = _number(given.get("number"))
        found = (each for each in reversed(self.remains.submissions) if each.number == number)
        return next(found, Submission(number=number, token="", prefix=""))

    def _named(self, submission: Submission, interaction_id: object) -> None:
        if isinstance(interaction_id, str) and interaction_id:
            submission.interaction_id = interaction_id
            submission.is_open = False
            self._know(interaction_id)

    def _know(self, interaction_id: object) -> None:
        known = self.remains.interaction_ids
        if isinstance(interaction_id, str) and interaction_id and interaction_id not in known:
            known.append(interaction_id)

    def _end(self, interaction_id: object) -> None:
        if isinstance(interaction_id, str):
            self.remains.over.add(interaction_id)

    async def _decoded(self, payloads: Any) -> Mapping[str, Any]:
        """Return the first payload, where that is an object; nothing where it cannot be read."""
        try:
            decoded = await self._converter.decode(list(payloads)[:1])
        except (ValueError, RuntimeError, KeyError):
            self.remains.unreadable += 1
            return {}
        return decoded[0] if decoded and isinstance(decoded[0], dict) else {}


def _number(given: object) -> int:
    return given if isinstance(given, int) else 1
