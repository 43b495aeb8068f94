"""What outlives the process: JSON values by kind and key, in one SQLite file."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any, Final, Literal

Kind = Literal["interaction", "agent", "webhook", "clock", "fired", "server_fault", "delivered", "keys"]

_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS state (kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key))"

# REPLACE would give a changed row a new place in the order.
_UPSERT: Final = (
    "INSERT INTO state VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value"
)


def _make_private(path: Path) -> None:
    """Make the file its owner's alone: it has every question. SQLite gives its other files the same mode."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


class StateFile:
    """A key-value table per kind; keeps nothing when there is no path.

    Args:
        path: The SQLite file, or None for an emulator that forgets with its process.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._db: sqlite3.Connection | None = None
        if path is not None:
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            _make_private(path)
            # Autocommit, and no fsync: the state has to outlive a killed process, not a lost machine.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.execute(_SCHEMA)

    def save(self, kind: Kind, key: str, value: Any) -> None:
        """Keep ``value``, replacing what the key had."""
        if self._db is not None:
            encoded = json.dumps(value)
            self._db.execute(_UPSERT, (kind, key, encoded))

    def drop(self, kind: Kind, key: str) -> None:
        """Forget one key."""
        if self._db is not None:
            self._db.execute("DELETE FROM state WHERE kind = ? AND key = ?", (kind, key))

    def load(self, kind: Kind) -> dict[str, Any]:
        """Every value of a kind by key, in the order in which the keys were first saved."""
        if self._db is None:
            return {}
        rows = self._db.execute("SELECT key, value FROM state WHERE kind = ? ORDER BY rowid", (kind,))
        return {key: json.loads(value) for key, value in rows}

    def clear(self) -> None:
        """Forget everything but the signing keys, which receivers may have cached."""
        if self._db is not None:
            self._db.execute("DELETE FROM state WHERE kind != 'keys'")

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
