"""The order and the memory of a conversation's messages."""

import pytest

from runs import limits
from runs.conversation import SendMessage, Turn
from runs.mailbox import Mailbox
from runs.messages import ArtifactRef


def message(name: str, *, text: str = "hello") -> SendMessage:
    """A message whose id is its name."""
    return SendMessage(message_id=name, text=text)


def turn(name: str, *, number: int = 1, text: str = "answer") -> Turn:
    """The answer to the message of this name."""
    return Turn(number=number, message_id=name, run_id=f"chat-turn-{number}", text=text)


def test_messages_are_taken_in_the_order_in_which_they_came() -> None:
    """Those carried over from an earlier execution before all others."""
    mailbox = Mailbox(waiting=[message("a"), message("b")])
    mailbox.put(message("c"))
    taken = []
    while mailbox.waiting:
        taken.append(mailbox.take().message_id)
        mailbox.answer(turn(taken[-1]))
    assert taken == ["a", "b", "c"]


def test_a_message_is_known_from_when_it_comes() -> None:
    """While it waits, while it is answered, and afterwards."""
    mailbox = Mailbox()
    assert not mailbox.knows("a")
    mailbox.put(message("a"))
    assert mailbox.knows("a")
    assert mailbox.is_pending("a")
    mailbox.take()
    assert (mailbox.knows("a"), mailbox.is_pending("a"), mailbox.turn_of("a")) == (True, True, None)
    mailbox.answer(turn("a"))
    assert (mailbox.knows("a"), mailbox.is_pending("a")) == (True, False)
    assert mailbox.turn_of("a") == turn("a")
    assert (mailbox.current, mailbox.pending) == (None, ())


def test_an_answer_is_remembered_by_its_beginning() -> None:
    """The whole is in the artifact store; what is carried along stays small."""
    mailbox = Mailbox(waiting=[message("a")])
    mailbox.take()
    file = ArtifactRef(name="f", uri="file:///f", media_type="text/plain", size_bytes=1, sha256="0")
    mailbox.answer(turn("a", text="word " * 1_000).model_copy(update={"artifacts": (file,)}))
    [remembered] = mailbox.recent
    assert remembered.text.startswith("word word")
    assert len(remembered.text.encode()) <= limits.MAX_RECENT_TEXT_BYTES
    assert remembered.is_excerpt
    assert remembered.artifacts == ()


@pytest.mark.parametrize(
    ("uri_chars", "at_most"), [(20, limits.MAX_RECENT_TURNS), (limits.MAX_URI_CHARS, 60)]
)
def test_the_oldest_turns_are_forgotten(uri_chars: int, at_most: int) -> None:
    """By number, and by length where turns are long."""
    turns = [
        turn(f"m{number}", number=number).model_copy(update={"text_uri": "u" * uri_chars})
        for number in range(1, 301)
    ]
    mailbox = Mailbox(recent=turns)
    assert mailbox.recent == tuple(turns[-len(mailbox.recent) :])
    assert 10 < len(mailbox.recent) <= at_most
    assert sum(len(each.model_dump_json()) for each in mailbox.recent) <= limits.MAX_RECENT_BYTES
    assert not mailbox.knows("m1")
    assert mailbox.knows("m300")


def test_a_full_mailbox_takes_no_more() -> None:
    """By number."""
    mailbox = Mailbox(waiting=[message(str(number)) for number in range(limits.MAX_WAITING - 1)])
    assert mailbox.why_full(message("one")) is None
    mailbox.put(message("one"))
    assert "send it again later" in (mailbox.why_full(message("two")) or "")


def test_long_messages_fill_a_mailbox_sooner() -> None:
    """By length, as JSON: they are carried along in one payload, which has a limit."""
    text = "\x00" * (limits.MAX_WAITING_BYTES // 6 // 3)
    mailbox = Mailbox(waiting=[message("a", text=text), message("b", text=text)])
    assert mailbox.why_full(message("c")) is None
    assert "bytes together; send it again later" in (mailbox.why_full(message("d", text=text)) or "")
