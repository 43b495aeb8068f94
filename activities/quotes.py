"""Stored texts put in the place of their placeholders, where an input or arguments leave the worker."""

from collections.abc import Iterable

from pydantic import JsonValue

from activities.failures import NotSendable
from artifacts.errors import ArtifactTooLarge, InvalidMedia
from artifacts.store import ArtifactStore
from runs.limits import MAX_QUOTED_BYTES
from runs.quotes import Quote, QuotesTooLong, fill, placeholders_in


async def with_quotes(value: JsonValue, quotes: Iterable[Quote], store: ArtifactStore) -> JsonValue:
    """Return ``value`` with the stored texts in place.

    Raises:
        ArtifactsError: A text is not there, or cannot be read.
        NotSendable: They are too long together.
    """
    texts: dict[str, str] = {}
    room = MAX_QUOTED_BYTES
    for quote in placeholders_in(value, quotes):
        try:
            stored = await store.get(quote.uri, max_bytes=room)
        except ArtifactTooLarge:
            raise NotSendable(
                f"the quoted texts have more than {MAX_QUOTED_BYTES:,} bytes together; quote less"
            ) from None
        room -= len(stored)
        try:
            texts[quote.placeholder] = stored.decode()
        except UnicodeDecodeError:
            raise InvalidMedia(f"the quoted {quote.uri} is not UTF-8 text") from None
    try:
        return fill(value, texts)
    except QuotesTooLong as error:
        raise NotSendable(str(error)) from None
