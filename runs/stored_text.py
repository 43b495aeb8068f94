"""Texts that are put together from stored ones, and stored themselves.

Workflow code: see docs/changing.md.
"""

from pydantic import Field

from runs import limits
from runs.message import Message
from runs.quotes import Quote


class StoreText(Message):
    """Input of ``store_text``.

    Attributes:
        text: With placeholders where the quoted texts belong.
        quotes: The stored texts.
        key: Where it goes in the artifact store; the same on every attempt.
    """

    text: str
    quotes: tuple[Quote, ...] = ()
    key: str = Field(max_length=limits.MAX_URI_CHARS)


class StoredText(Message):
    """A text in the artifact store.

    Attributes:
        uri: Where it is.
        text: The whole of it where it is short (``limits.MAX_EXCERPT_BYTES``), else its beginning.
        size_bytes: Its length.
    """

    uri: str
    text: str = ""
    size_bytes: int = 0
