"""Which artifact store: what tells one from another, whatever their addresses say.

Workflow code: see docs/changing.md.

Two machines may both keep theirs in ``/home/me/.longhaul``, and one bucket may be reached by two addresses.
So a store has an identity of its own, made once, at its root (`artifacts.store.ArtifactStore.identity`).
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field

from runs import limits
from runs.message import Message
from runs.text import first_line

_SHORT_CHARS: Final = 8
"""Of an id, as it is shown: as many as a commit's, and enough for the few stores that anybody has."""

_ADDRESS_CHARS: Final = 200
"""Of an address in a message for people."""

POLLER_AGE: Final = timedelta(seconds=75)
"""Workers poll in calls of 60 s at most. The server lists one that vanished for five minutes."""

_IN_IDENTITY: Final = re.compile(rf" store:([0-9a-f]{{{_SHORT_CHARS}}})\Z")


class StoreRef(Message):
    """One artifact store.

    Attributes:
        store_id: Its identity, 32 hexadecimal digits.
        address: Where the one who says so has it. For people: another may have it elsewhere.
    """

    store_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    address: str = Field(default="", max_length=limits.MAX_URI_CHARS)

    @property
    def short_id(self) -> str:
        """The beginning of its identity, to show."""
        return self.store_id[:_SHORT_CHARS]

    @property
    def named(self) -> str:
        """What to call it in a message, such as ``store 1f3a9c2b (file:///data/artifacts)``."""
        address = first_line(self.address, max_chars=_ADDRESS_CHARS)
        return f"store {self.short_id} ({address})" if address else f"store {self.short_id}"


def worker_identity(process: str, store: StoreRef) -> str:
    """Return a worker's identity in Temporal, where whoever looks at a task queue reads which store it has.

    Args:
        process: Which process it is, such as ``1234@host``.
        store: Its artifact store.
    """
    return f"{process} store:{store.short_id}"


def stores_polling(pollers: Iterable[tuple[str, datetime]], *, now: datetime) -> frozenset[str]:
    """Return the short ids of the stores of those who poll a task queue, as far as they say so.

    Args:
        pollers: Identity, and time of the last poll, of each.
        now: Whoever has not polled for longer than `POLLER_AGE` is gone.
    """
    found = (_IN_IDENTITY.search(identity) for identity, at in pollers if at > now - POLLER_AGE)
    return frozenset(match[1] for match in found if match)
