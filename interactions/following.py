"""Following an interaction as it happens, whatever becomes of the streams that tell it.

Streams are for progress, a GET is for the truth. Live streams are cut after 600 s, sometimes with an error
in place of the end; a resumed one has been seen to repeat two events and then hang for good; and the service
may have forgotten the event to resume after. So each stream that ends, however it ends, is followed by a GET
that says whether the interaction has ended. Then the next stream is resumed; after a resume that brought
nothing, it is replayed from the start; and what a stream should have told and did not, the GET tells. What
has been told already is never told again: see `interactions.transcript`.

Source:
    https://ai.google.dev/gemini-api/docs/background-execution, read 2026-11-22.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from interactions.client import InteractionsClient
from interactions.errors import InteractionsError, InvalidCall, ResponseTooLarge, StreamBroken
from interactions.statuses import Standing
from interactions.transcript import Piece, PieceKind, Transcript

__all__ = ["Patience", "Piece", "PieceKind", "follow", "is_credential_refused"]

_MAX_RETRY_AFTER_S: Final = 60.0
"""The longest ``Retry-After`` heeded: somebody is waiting, and one GET a minute burdens nobody."""

_CONTRADICTED: Final = "what was streamed is not quite what the answer has become; the stored answer counts"

_MAX_DOUBLINGS: Final = 16
"""Past any sensible ``reconnect_at_most_s``, and short of what a float can hold."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for what.

    Attributes:
        reconnect_after_s: Between a stream and the next. Doubled for each that tells nothing new.
        reconnect_at_most_s: Up to this: as often as the service's guide looks at a research.
        missing_for_s: How long the interaction may be unknown or forbidden, without a good answer in
            between. Right after a create it is, for a while (googleapis/js-genai#1389).
    """

    reconnect_after_s: float = 0.5
    reconnect_at_most_s: float = 10.0
    missing_for_s: float = 120.0

    def delay_s(self, *, fruitless: int, fault: InteractionsError | None) -> float:
        """Return how long to wait after so many streams in a row that told nothing new."""
        delay_s = self.reconnect_after_s * 2.0 ** min(fruitless, _MAX_DOUBLINGS)
        asked_s = 0.0 if fault is None else fault.retry_after_s or 0.0
        return max(min(delay_s, self.reconnect_at_most_s), min(asked_s, _MAX_RETRY_AFTER_S))


async def follow(
    client: InteractionsClient, interaction_id: str, *, patience: Patience | None = None
) -> AsyncGenerator[Piece, None]:
    """Yield what an interaction thinks, does and says, from its start until it has ended.

    Nothing is told twice and nothing is left out, however streams break; without any stream at all,
    everything comes from GETs. Only reads, so it may be left and called again, and does not matter to the
    interaction. Close it when leaving early (``contextlib.aclosing``).

    Goes on for as long as the service says that the interaction runs, or does not answer: whoever calls
    keeps a deadline.

    Args:
        client: Its ``stream_idle_timeout_s`` is how long a stream may be silent.
        interaction_id: Of any interaction, running or over, or about to be known.
        patience: How long to wait for what; None for the defaults.

    Raises:
        InteractionsError: It cannot be read: the credential is refused, it has been unknown for too long
            (see ``patience``), or its text has no end.
    """
    following = _Following(client, interaction_id, patience or Patience())
    while True:
        async with aclosing(following.listen()) as pieces:
            async for piece in pieces:
                yield piece
        for piece in await following.look():
            yield piece
        if following.has_ended:
            return
        await asyncio.sleep(following.delay_s)


class _Following:
    """What `follow` does, one request at a time."""

    def __init__(self, client: InteractionsClient, interaction_id: str, patience: Patience) -> None:
        self.has_ended = False
        self._client = client
        self._interaction_id = interaction_id
        self._patience = patience
        self._transcript = Transcript()
        self._clock = asyncio.get_running_loop().time
        self._answered_s = self._clock()
        self._fruitless = 0
        self._fault: InteractionsError | None = None

    @property
    def delay_s(self) -> float:
        """How long to wait before the next stream."""
        return self._patience.delay_s(fruitless=self._fruitless, fault=self._fault)

    async def listen(self) -> AsyncGenerator[Piece, None]:
        """Yield what is new in one stream."""
        mark = self._transcript.resume()
        told_chars = self._transcript.size_chars
        is_done = False
        self._fault = None
        try:
            async with self._client.stream(self._interaction_id, last_event_id=mark) as events:
                async for event in events:
                    piece = self._transcript.hear(event)
                    if piece is not None:
                        yield piece
                is_done = events.is_done
        except InteractionsError as error:
            if _is_final(error):
                raise
            self._fault = error
        if self._transcript.size_chars > told_chars:
            self._fruitless = 0
            return
        self._fruitless += 1
        if mark is not None and not is_done and not _never_began(self._fault):
            # The mark may be unknown, or the resume have hung; only a replay tells.
            self._transcript.start_over()

    async def look(self) -> list[Piece]:
        """Return what the last stream should have told and did not, as far as one GET shows it."""
        try:
            interaction = await self._client.get(self._interaction_id)
        except InteractionsError as error:
            silent_s = self._clock() - self._answered_s
            is_lost = not error.is_transient and silent_s > self._patience.missing_for_s
            if is_lost or _is_final(error):
                raise
            self._fault = error
            return []
        self._answered_s = self._clock()
        self.has_ended = interaction.standing is not Standing.RUNNING
        if not self.has_ended and not self._fruitless:
            # While streams work, they alone tell, so that everything comes in its order.
            return []
        pieces = [*self._transcript.compare(interaction)]
        if self.has_ended and self._transcript.is_contradicted:
            pieces.append(self._transcript.remark(_CONTRADICTED))
        return pieces


def is_credential_refused(error: InteractionsError) -> bool:
    """Whether the service does not take our key or token; waiting does not change that."""
    # Google's gateway answers a key that is none with 400, and one that leaked with 403.
    return error.status_code == 401 or (  # noqa: PLR2004 - Unauthorized
        error.status_code in {400, 403} and "api key" in error.message.lower()
    )


def _is_final(error: InteractionsError) -> bool:
    return isinstance(error, InvalidCall | ResponseTooLarge) or is_credential_refused(error)


def _never_began(fault: InteractionsError | None) -> bool:
    """Whether there was no stream at all, for a reason that will pass: the mark is as good as before."""
    return fault is not None and fault.is_transient and not isinstance(fault, StreamBroken)
