"""The submission journal: what is known of a submission when nobody is left to ask.

Each submission of a run has two records in the artifact store. ``submission-N.sending.json`` is written
before the bytes leave, ``submission-N.accepted.json`` as soon as the interaction's id is known. So after a
crash the records say which of three things is true: nothing was sent, this interaction runs, or nobody
knows.

The first record is written on the condition that it is not there. Whoever writes it owns the submission:
a worker in order to send, or a recovery in order that nobody ever will. A worker that was given up but
only slept finds the record taken, and sends nothing.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from artifacts.errors import ArtifactNotFound
from artifacts.store import ArtifactStore

_MAX_RECORD_BYTES: Final = 16 * 1024
"""A record is a few hundred bytes; anything larger was not written here."""


class Owner(StrEnum):
    """Who wrote the first record, and so what became of the submission."""

    SUBMITTER = "submitter"
    RECOVERY = "recovery"


class SendingRecord(BaseModel):
    """The first record. ``at`` is for people; no decision compares the clocks of two machines."""

    model_config = ConfigDict(frozen=True)

    owner: Owner
    token: str
    at: datetime


class AcceptedRecord(BaseModel):
    """The second record."""

    model_config = ConfigDict(frozen=True)

    interaction_id: str
    at: datetime


class SubmissionJournal:
    """The records of one submission.

    Args:
        store: Where they are kept; its writes are durable when they return.
        prefix: The run's folder.
        number: Which submission of the run, from 1.
    """

    def __init__(self, store: ArtifactStore, *, prefix: str, number: int) -> None:
        self._store = store
        self._sending = f"{prefix}/submission-{number}.sending.json"
        self._accepted = f"{prefix}/submission-{number}.accepted.json"

    async def claim(self, owner: Owner, *, token: str = "") -> bool:
        """Become the one who decides whether this submission is sent; False if somebody else already is.

        Raises:
            ArtifactsError: Not known; nothing may be sent.
        """
        record = SendingRecord(owner=owner, token=token, at=datetime.now(UTC))
        return await self._store.put_if_absent(self._sending, record.model_dump_json(indent=2).encode())

    async def owner(self) -> Owner:
        """Return who has claimed the submission.

        Raises:
            ArtifactsError: The record cannot be read, or is not there.
        """
        raw = await self._store.get(self._sending, max_bytes=_MAX_RECORD_BYTES)
        return SendingRecord.model_validate_json(raw).owner

    async def note_accepted(self, interaction_id: str) -> None:
        """Record which interaction the submission became. May be repeated.

        Raises:
            ArtifactsError: It was not recorded, as far as is known.
        """
        record = AcceptedRecord(interaction_id=interaction_id, at=datetime.now(UTC))
        await self._store.put(self._accepted, record.model_dump_json(indent=2).encode(), "application/json")

    async def accepted(self) -> str | None:
        """Return the recorded interaction's id; None if there is no record.

        Raises:
            ArtifactsError: The store could not be read.
        """
        try:
            raw = await self._store.get(self._accepted, max_bytes=_MAX_RECORD_BYTES)
        except ArtifactNotFound:
            return None
        return AcceptedRecord.model_validate_json(raw).interaction_id
