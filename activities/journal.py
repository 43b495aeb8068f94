"""The submission journal: what is known of a submission when nobody is left to ask.

Each submission of a run has three records in the artifact store. ``submission-N.sending.json`` is written
before the bytes leave, ``submission-N.accepted.json`` as soon as the interaction's id is known. So after a
crash the records say which of three things is true: nothing was sent, this interaction runs, or nobody
knows.

The sending record is written on the condition that it is not there. Whoever writes it owns the submission:
a worker in order to send, or a recovery in order that nobody ever will. A worker that was given up but
only slept finds the record taken, and sends nothing.

That a record is not there means something only in the store that the worker wrote to, with all that was
written to it. Which store it is, the worker tells the server (`activities.announcing`). That nothing is
missing, the third record shows: ``submission-N.prepared.json``, written before the server is told. A store
without it was put back from a backup.

A reset makes a run live through a number twice, perhaps with something else to say. So the record has a
digest of what was sent (`activities.digests`): under another one it is not this submission.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from artifacts.errors import ArtifactNotFound, ArtifactsError
from artifacts.store import ArtifactStore

_MAX_RECORD_BYTES: Final = 16 * 1024
"""A record is a few hundred bytes; anything larger was not written here."""


_ACCEPTED_KEY: Final = re.compile(r"/submission-([1-9]\d{0,5})\.accepted\.json\Z")

_MAX_LATER: Final = 100
"""Submissions of an earlier life that are looked at: few runs have as many to be reset."""


_Record = TypeVar("_Record", bound=BaseModel)

log = structlog.get_logger()


class DamagedRecord(ArtifactsError):
    """A record that is there and says nothing: cut short, or written over by something else."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the record {key} is damaged")


class Owner(StrEnum):
    """Who wrote the sending record, and so what became of the submission."""

    SUBMITTER = "submitter"
    RECOVERY = "recovery"


class SendingRecord(BaseModel):
    """Who has claimed a submission. ``at`` is for people; no decision compares the clocks of two machines."""

    model_config = ConfigDict(frozen=True)

    owner: Owner
    token: str
    at: datetime
    digest: str = ""
    """Of what is sent; empty in the records of recoveries, and of versions that made none."""


class PreparedRecord(BaseModel):
    """What is in the store before the server is told that a submission may be sent from it."""

    model_config = ConfigDict(frozen=True)

    token: str
    at: datetime


class AcceptedRecord(BaseModel):
    """The last record."""

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
        self._prepared = f"{prefix}/submission-{number}.prepared.json"
        self._sending = f"{prefix}/submission-{number}.sending.json"
        self._accepted = f"{prefix}/submission-{number}.accepted.json"

    async def prepare(self, token: str) -> None:
        """Record that the submission is about to be claimed. May be repeated.

        Raises:
            ArtifactsError: It was not recorded, as far as is known.
        """
        record = PreparedRecord(token=token, at=datetime.now(UTC))
        await self._store.put(self._prepared, record.model_dump_json(indent=2).encode(), "application/json")

    async def is_prepared(self, token: str) -> bool:
        """Return whether what was recorded of the submission before it could be claimed is there.

        Args:
            token: The submission's; empty for whichever was the last under its number.

        Raises:
            ArtifactsError: The store could not be read.
        """
        record = await self._read(self._prepared, PreparedRecord)
        return record is not None and token in ("", record.token)

    async def claim(self, owner: Owner, *, token: str = "", digest: str = "") -> bool:
        """Become the one who decides whether this submission is sent; False if somebody else already is.

        Raises:
            ArtifactsError: Not known; nothing may be sent.
        """
        record = SendingRecord(owner=owner, token=token, at=datetime.now(UTC), digest=digest)
        return await self._store.put_if_absent(self._sending, record.model_dump_json(indent=2).encode())

    async def sending(self) -> SendingRecord | None:
        """Return the record of who has claimed the submission; None if there is none.

        Raises:
            ArtifactsError: The store could not be read.
        """
        return await self._read(self._sending, SendingRecord)

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
        record = await self._read(self._accepted, AcceptedRecord)
        return None if record is None else record.interaction_id

    async def _read(self, key: str, kind: type[_Record]) -> _Record | None:
        try:
            raw = await self._store.get(key, max_bytes=_MAX_RECORD_BYTES)
        except ArtifactNotFound:
            return None
        try:
            return kind.model_validate_json(raw)
        except ValidationError:
            raise DamagedRecord(key) from None


async def accepted_after(store: ArtifactStore, *, prefix: str, number: int) -> tuple[str, ...]:
    """Return what submissions after ``number`` have become: those of a run that has been reset since.

    Raises:
        ArtifactsError: The store could not be read.
    """
    keys = await store.list(prefix)
    later = [int(found[1]) for key in keys if (found := _ACCEPTED_KEY.search(key)) and int(found[1]) > number]
    journals = [SubmissionJournal(store, prefix=prefix, number=each) for each in sorted(later)[:_MAX_LATER]]
    ids: list[str] = []
    for journal in journals:
        try:
            interaction_id = await journal.accepted()
        except DamagedRecord as error:
            # A report that is paid for is not held up by what stands beside it.
            log.warning("journal.damaged", error=str(error))
            continue
        if interaction_id is not None:
            ids.append(interaction_id)
    return tuple(ids)
