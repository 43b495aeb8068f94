"""A conversation's messages: which wait, which is being answered, and which answers are remembered.

Workflow code: see docs/changing.md.
"""

from collections import deque
from collections.abc import Iterable

from runs import limits
from runs.conversation import SendMessage, Turn
from runs.text import excerpt_utf8


class Mailbox:
    """The messages of one conversation, in the order in which they were sent.

    Pure and in memory: a workflow fills it again on every replay.

    Args:
        waiting: Messages that an earlier execution left unanswered.
        recent: Turns that it remembered.
    """

    def __init__(self, waiting: Iterable[SendMessage] = (), recent: Iterable[Turn] = ()) -> None:
        self._waiting = deque(waiting)
        self._current: SendMessage | None = None
        self._recent: dict[str, Turn] = {}
        self._recent_bytes: dict[str, int] = {}
        for turn in recent:
            self._remember(turn)

    @property
    def waiting(self) -> tuple[SendMessage, ...]:
        """Those that wait for their turn."""
        return tuple(self._waiting)

    @property
    def current(self) -> SendMessage | None:
        """The one that is being answered."""
        return self._current

    @property
    def recent(self) -> tuple[Turn, ...]:
        """The latest turns, shortened, the last one last."""
        return tuple(self._recent.values())

    @property
    def pending(self) -> tuple[SendMessage, ...]:
        """Those that are not answered yet: the current one, then those that wait."""
        return (*([] if self._current is None else [self._current]), *self._waiting)

    def knows(self, message_id: str) -> bool:
        """Return whether a message with this id waits, is being answered, or has been lately."""
        return message_id in self._recent or self.is_pending(message_id)

    def is_pending(self, message_id: str) -> bool:
        """Return whether the message waits or is being answered."""
        return any(message.message_id == message_id for message in self.pending)

    def turn_of(self, message_id: str) -> Turn | None:
        """Return the shortened answer to a message; None while there is none, or none any more."""
        return self._recent.get(message_id)

    def why_full(self, message: SendMessage) -> str | None:
        """Return why ``message`` cannot wait, too; None when it can."""
        if len(self._waiting) >= limits.MAX_WAITING:
            return f"{len(self._waiting)} messages wait for an answer already; send it again later"
        waiting_bytes = sum(waiting.size_bytes for waiting in self._waiting)
        if waiting_bytes + message.size_bytes > limits.MAX_WAITING_BYTES:
            return (
                f"the messages that wait for an answer would have more than {limits.MAX_WAITING_BYTES:,} "
                "bytes together; send it again later"
            )
        return None

    def put(self, message: SendMessage) -> None:
        """Add a message, behind all others."""
        self._waiting.append(message)

    def take(self) -> SendMessage:
        """Return the message whose turn it is now; there must be one, and `answer` follows."""
        self._current = self._waiting.popleft()
        return self._current

    def answer(self, turn: Turn) -> None:
        """Note the answer to the message that was taken."""
        self._current = None
        self._remember(turn)

    def _remember(self, turn: Turn) -> None:
        text = excerpt_utf8(turn.text, max_bytes=limits.MAX_RECENT_TEXT_BYTES)
        short = turn.model_copy(
            update={"text": text, "is_excerpt": turn.is_excerpt or text != turn.text, "artifacts": ()}
        )
        self._recent[turn.message_id] = short
        self._recent_bytes[turn.message_id] = len(short.model_dump_json().encode())
        while (
            len(self._recent) > limits.MAX_RECENT_TURNS
            or sum(self._recent_bytes.values()) > limits.MAX_RECENT_BYTES
        ):
            oldest = next(iter(self._recent))
            del self._recent[oldest], self._recent_bytes[oldest]
