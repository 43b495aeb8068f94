"""What a history leaves open is read from it, wherever it breaks off."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from starter.remains import Remains, remains_of

_HISTORIES = Path(__file__).parents[2] / "replay" / "histories"


def history(name: str) -> list[HistoryEvent]:
    """The events of a recorded run."""
    return list(WorkflowHistory.from_json(name, (_HISTORIES / f"{name}.json").read_text()).events)


async def read(events: Iterable[HistoryEvent]) -> Remains:
    """What they leave open."""

    async def each() -> AsyncIterator[HistoryEvent]:
        for event in events:
            yield event

    return await remains_of(each(), converter=pydantic_data_converter)


async def test_a_run_leaves_open_what_it_has_not_come_to() -> None:
    """Broken off anywhere, it is nothing, then a submission, then an interaction, and at its end nothing."""
    events = history("completed")
    stages: list[tuple[tuple[str, ...], int]] = []
    for length in range(len(events) + 1):
        remains = await read(events[:length])
        stage = (remains.running, len(remains.unnamed))
        if not stages or stages[-1] != stage:
            stages.append(stage)
    assert stages == [((), 0), ((), 1), (("v1_abc",), 0), ((), 0)]


@pytest.mark.parametrize(
    ("name", "running", "unnamed"),
    [
        ("completed", (), 0),
        ("rejected", (), 0),
        ("refused_then_completed", (), 0),
        ("recovered_not_sent", (), 0),
        ("recovered_accepted", (), 0),
        ("tools_called", (), 0),
        ("plan_revised_and_approved", (), 0),
        ("foreground", (), 0),
        ("cancelled", (), 0),
        ("cancelled_too_late", (), 0),
        ("lost", ("v1_abc",), 0),
        ("held_then_cancelled", (), 1),
        ("held_then_resubmitted", (), 1),
        ("held_then_adopted_by_hand", (), 0),
        ("held_then_adopted", (), 0),
    ],
)
async def test_what_is_left_of_a_run(name: str, running: tuple[str, ...], unnamed: int) -> None:
    """Of each kind of run, as recorded: what was given up, and what was never named, may be running."""
    remains = await read(history(name))
    assert (remains.running, len(remains.unnamed)) == (running, unnamed)
    assert remains.unreadable == 0


async def test_a_submission_says_where_its_journal_is() -> None:
    """And by which secret news of it can be told."""
    remains = await read(history("held_then_cancelled"))
    [submission] = remains.unnamed
    assert submission.journal == f"{submission.prefix}/submission-1"
    assert submission.token


async def test_what_cannot_be_read_leaves_the_rest_readable() -> None:
    """Payloads of an unknown encoding, as of workers with a codec of their own, are counted."""
    events = history("completed")
    for event in events:
        for payload in event.activity_task_completed_event_attributes.result.payloads:
            payload.metadata["encoding"] = b"of/tomorrow"
    remains = await read(events)
    assert remains.unreadable == 3
    # What was settled, the input names.
    assert (remains.running, remains.interaction_ids) == ((), ["v1_abc"])


async def test_who_ended_it_is_told() -> None:
    """In the words that whoever did it gave."""
    terminated = HistoryEvent()
    terminated.workflow_execution_terminated_event_attributes.reason = "by hand"
    assert (await read([terminated])).reason == "terminated (by hand)"
    timed_out = HistoryEvent()
    timed_out.workflow_execution_timed_out_event_attributes.SetInParent()
    assert (await read([timed_out])).reason == "ended by Temporal's own time-out"
