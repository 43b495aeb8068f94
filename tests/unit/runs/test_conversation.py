"""What a conversation may be started with, and what may be said in it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from runs import limits
from runs.budget import Budget, Spent
from runs.conversation import (
    ConversationPhase,
    ConversationRequest,
    ConversationState,
    ConversationStatus,
    Origin,
    PendingMessage,
    SendMessage,
    Turn,
)
from runs.conversation_details import render_conversation
from runs.errors import RunErrorCode
from runs.mailbox import Mailbox
from runs.messages import AgentRunRequest, Attachment, RunError, TranscriptTurn

_NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
_PAYLOAD_BYTES = 2 * 1024 * 1024
"""Temporal's limit, past which a workflow cannot continue as new and is stuck."""

_FIELDS_OF_A_TURN = {
    "input", "quotes", "attachments", "previous_interaction_id", "transcript", "budget", "planning",
    "may_read",
}  # fmt: skip
"""What a conversation does not say for all its turns."""


def test_a_conversation_takes_what_a_run_takes() -> None:
    """A field that a run gains is either the conversation's, too, or a turn's own."""
    assert set(AgentRunRequest.model_fields) - _FIELDS_OF_A_TURN <= set(ConversationRequest.model_fields)


def test_all_of_a_conversation_goes_into_each_turn() -> None:
    """None of its options is dropped on the way."""
    given: dict[str, Any] = {
        "model": "m",
        "system_instruction": "Be brief.",
        "generation": {"seed": 1},
        "outputs": {"forms": [{"type": "image"}]},
        "tools": [{"type": "google_search"}],
        "max_tool_rounds": 3,
        "tool_approval_s": 60.0,
        "service_tier": "flex",
        "is_background": False,
        "visualization": False,
        "labels": ["a"],
        "tenant": "t",
        "deadline_s": 60.0,
        "pacing": {"poll_min_s": 1.0, "poll_max_s": 2.0},
        "on_unknown_submission": "hold",
    }
    request = ConversationRequest.model_validate(given)
    place = TranscriptTurn(folder="f", number=2)
    turn = request.turn(
        SendMessage(message_id="a", text="hello", attachments=(ATTACHMENT,)),
        transcript=place,
        previous_interaction_id="v1_1",
        budget=Budget(max_tokens=5),
    )
    run = AgentRunRequest.model_validate(
        given
        | {
            "input": "hello",
            "attachments": [ATTACHMENT],
            "transcript": place,
            "previous_interaction_id": "v1_1",
            "budget": {"max_tokens": 5},
            "may_read": (),
        }
    )
    assert turn == run
    assert set(AgentRunRequest.model_fields) - _FIELDS_OF_A_TURN - {"agent"} == set(given)


ATTACHMENT = Attachment(uri="https://example.org/a.pdf", media_type="application/pdf", name="a.pdf")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "give exactly one of agent and model"),
        ({"model": "m", "max_tool_rounds": 0}, "max_tool_rounds: Input should be greater than or equal to 1"),
        ({"model": "m", "labels": [""]}, "at least 1 character"),
        ({"model": "m", "idle_timeout_s": limits.MAX_IDLE_S + 1}, "less than or equal to"),
        (
            {"model": "m", "outputs": {"forms": [{"type": "text", "json_schema": {"x": "y" * 70_000}}]}},
            "the JSON Schema is longer",
        ),
        (
            {"model": "m", "generation": {"stop_sequences": ["x" * limits.MAX_CONVERSATION_BYTES]}},
            "the request has",
        ),
        ({"model": "m", "origin": {"run_id": "r"}}, "give the interaction_id or the text_uri"),
    ],
)
def test_a_conversation_that_no_turn_could_follow_from_is_refused(given: dict[str, Any], reason: str) -> None:
    """Before it is started, and in one line."""
    with pytest.raises(ValidationError) as caught:
        ConversationRequest.model_validate(given)
    message = caught.value.errors()[0]["msg"]
    assert reason in message
    assert "\n" not in message


def test_the_target_is_the_model_or_the_agent() -> None:
    """Whichever was given."""
    assert [ConversationRequest(model="m").target, ConversationRequest(agent="a").target] == ["m", "a"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (SendMessage(message_id="a", text="hello"), None),
        (SendMessage(message_id="a", text=" \n"), "input: the question is empty"),
        (
            SendMessage(message_id="a", text="\x01" * (limits.MAX_MESSAGE_BYTES // 6)),
            f"the limit is {limits.MAX_MESSAGE_BYTES:,}",
        ),
        (
            SendMessage(
                message_id="a",
                text="?",
                attachments=(ATTACHMENT.model_copy(update={"size_bytes": limits.MAX_ATTACHMENTS_BYTES + 1}),),
            ),
            "attachments: the attached files have",
        ),
    ],
)
def test_a_message_is_judged_before_it_is_accepted(message: SendMessage, reason: str | None) -> None:
    """An accepted message can always be made a run."""
    objection = ConversationRequest(model="m").why_not(message)
    assert objection is None if reason is None else reason in (objection or "")


def test_what_is_carried_along_always_fits_one_payload() -> None:
    """The longest request, a full mailbox and the longest memory are far from where Temporal refuses them."""
    filler = "\x00" * ((limits.MAX_CONVERSATION_BYTES - 2_000) // 6)
    request = ConversationRequest.model_validate({"model": "m", "generation": {"stop_sequences": [filler]}})
    mailbox = Mailbox(recent=[_longest_turn(number) for number in range(200)])
    number = 0
    while mailbox.why_full(long := _longest_message(number)) is None:
        assert request.why_not(long) is None
        mailbox.put(long)
        number += 1
    state = ConversationState(started_at=_NOW, active_at=_NOW, waiting=mailbox.waiting, recent=mailbox.recent)
    carried = len(request.model_copy(update={"state": state}).model_dump_json().encode())
    assert limits.MAX_WAITING_BYTES < carried < 0.9 * _PAYLOAD_BYTES
    idle = ConversationState(started_at=_NOW, active_at=_NOW, recent=mailbox.recent)
    assert len(idle.model_dump_json().encode()) < 200_000


def _longest_turn(number: int) -> Turn:
    return Turn(
        number=number,
        message_id=f"{number:0{limits.MAX_MESSAGE_ID_CHARS}}",
        question="\x00" * 120,
        run_id="r" * limits.MAX_ID_CHARS,
        text="\x00" * 10_000,
        text_uri="u" * limits.MAX_URI_CHARS,
        interaction_id="i" * limits.MAX_INTERACTION_ID_CHARS,
        error=RunError(code=RunErrorCode.REJECTED, message="\x00" * limits.MAX_ERROR_CHARS),
    )


def _longest_message(number: int) -> SendMessage:
    return SendMessage(message_id=str(number), text="\x00" * (limits.MAX_MESSAGE_BYTES // 6 - 100))


STATUS = ConversationStatus(
    phase=ConversationPhase.OPEN,
    target="gemini-3.8-flash",
    started_at=_NOW,
    idle_at=_NOW,
    turns=2,
    spent=Spent(interactions=2, tokens=1_234, cost_usd=0.5),
    recent=(
        Turn(number=1, message_id="a", question="Why *tea*?", text="Tannins.\nMore."),
        Turn(
            number=2,
            message_id="b",
            question="And?",
            error=RunError(code=RunErrorCode.REJECTED, message="no [such](http://x) model"),
        ),
    ),
)


def test_the_details_show_what_was_said_and_what_it_used() -> None:
    """As Markdown in which nobody else's text formats or links."""
    shown = render_conversation(STATUS)
    for part in (
        "### Open",
        "**Turns:** 2",
        "1,234 tokens, about $0.50",
        "**Closes:** 2026-01-02 03:04 UTC",
        r"**1. Why \*tea\*?**",
        "Tannins.",
        r"Failed: no \[such\]\(http://x\) model",
    ):
        assert part in shown
    assert "More." not in shown


def test_the_details_show_what_is_going_on() -> None:
    """What is answered, what waits, where it came from, and why it takes no more."""
    shown = render_conversation(
        STATUS.model_copy(
            update={
                "phase": ConversationPhase.BUSY,
                "origin": Origin(run_id="research-tea", interaction_id="v1"),
                "why_no_more": "the budget is used up",
                "pending": (
                    PendingMessage(message_id="c", question="now?", run_id="r"),
                    PendingMessage(message_id="d", question="then?"),
                ),
            }
        )
    )
    for part in (
        "### Busy",
        r"**Follows up on:** research\-tea",
        "**No further message:** the budget is used up",
        "**Being answered:** now?",
        "**Waits:** then?",
    ):
        assert part in shown
    assert "Closes" not in shown


def test_the_details_of_a_long_conversation_stay_short() -> None:
    """Temporal refuses more than 20,000 bytes."""
    turns = tuple(
        Turn(
            number=n,
            message_id=str(n),
            question="😀" * 120,
            text="😀" * 10_000,
            error=RunError(code=RunErrorCode.REJECTED, message="😀" * 1_000) if n % 2 else None,
        )
        for n in range(100)
    )
    pending = tuple(PendingMessage(message_id=str(n), question="😀" * 120) for n in range(limits.MAX_WAITING))
    shown = render_conversation(STATUS.model_copy(update={"recent": turns, "pending": pending}))
    assert len(shown.encode()) < 20_000
    assert "40 more" in shown
