"""Which submission an interaction belongs to, so that nobody takes another's for his own.

Two creates that are answered with the same id cannot both have told the truth: something on the way gave one
the other's answer. Whoever gets an id first leaves a marker for it in the store; whoever finds it there knows
that his own interaction has another id, which nobody has told him.
"""

import hashlib
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from artifacts.store import ArtifactStore

_MAX_MARKER_BYTES: Final = 16 * 1024
"""A marker is a few hundred bytes; anything larger was not written here."""


class Marker(BaseModel):
    """Whose an interaction is. ``at`` is for people; no decision compares the clocks of two machines."""

    model_config = ConfigDict(frozen=True)

    workflow_id: str
    artifacts_prefix: str
    number: int
    at: datetime

    def is_of(self, *, artifacts_prefix: str, number: int) -> bool:
        """Return whether it belongs to this submission. A run that was reset has the folder it had."""
        return (self.artifacts_prefix, self.number) == (artifacts_prefix, number)


async def claim_interaction(
    store: ArtifactStore, interaction_id: str, *, workflow_id: str, artifacts_prefix: str, number: int
) -> Marker | None:
    """Mark an interaction as a submission's, and return whose it is if it is another's. May be repeated.

    Raises:
        ArtifactsError: Nobody knows.
    """
    marker = Marker(
        workflow_id=workflow_id, artifacts_prefix=artifacts_prefix, number=number, at=datetime.now(UTC)
    )
    # Hashed, since an id may hold whatever the service likes, and be longer than a file's name.
    key = f"interactions/{hashlib.sha256(interaction_id.encode()).hexdigest()}.json"
    if await store.put_if_absent(key, marker.model_dump_json(indent=2).encode()):
        return None
    raw = await store.get(key, max_bytes=_MAX_MARKER_BYTES)
    try:
        found = Marker.model_validate_json(raw)
    except ValidationError:
        # Of another version, or no marker: it proves nothing against us.
        return None
    return None if found.is_of(artifacts_prefix=artifacts_prefix, number=number) else found
