from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from runs.stores import POLLER_AGE, StoreRef, stores_polling, worker_identity

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
STORE = StoreRef(store_id="1f3a9c2b" + "0" * 24, address="file:///data")


def test_a_store_is_named_for_people() -> None:
    """Enough of its identity to tell it from another, and where it is, in one line."""
    assert STORE.named == "store 1f3a9c2b (file:///data)"
    assert STORE.model_copy(update={"address": ""}).named == "store 1f3a9c2b"
    assert "\n" not in STORE.model_copy(update={"address": "file:///a\nb"}).named


def test_the_workers_of_a_queue_say_which_store_they_have() -> None:
    """Who is gone, or of a version that says nothing, is left out."""
    other = STORE.model_copy(update={"store_id": "9" * 32})
    pollers = [
        (worker_identity("12@host", STORE), NOW),
        (worker_identity("13@store:host", other), NOW - POLLER_AGE + timedelta(seconds=1)),
        (worker_identity("14@host", STORE.model_copy(update={"store_id": "8" * 32})), NOW - POLLER_AGE),
        ("15@host", NOW),
    ]
    assert stores_polling(pollers, now=NOW) == {"1f3a9c2b", "99999999"}


@pytest.mark.parametrize("store_id", ["", "1f3a9c2b", "../" * 11, "G" * 32])
def test_an_identity_is_one_that_we_make(store_id: str) -> None:
    """It is read from a file, and shown in messages."""
    with pytest.raises(ValidationError):
        StoreRef(store_id=store_id)
