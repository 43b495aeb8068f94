"""Stored texts that stand in for placeholders, so that long ones stay out of history.

Workflow code: see docs/changing.md.
"""

import re
from collections.abc import Iterable, Mapping

from pydantic import Field, JsonValue

from runs import limits
from runs.message import Message


class Quote(Message):
    """A stored text that takes the place of a placeholder, when what holds it is sent or called.

    So an input may hold the whole report of another run, and history only its address.
    """

    placeholder: str = Field(min_length=1, max_length=32)
    uri: str = Field(min_length=1, max_length=limits.MAX_URI_CHARS)


class QuotesTooLong(ValueError):
    """The texts would be longer in place than anything is allowed to be."""


def placeholders_in(value: JsonValue, quotes: Iterable[Quote]) -> tuple[Quote, ...]:
    """Return those of ``quotes`` whose placeholder stands in a string of ``value``."""
    strings = list(_strings_in(value))
    return tuple(quote for quote in quotes if any(quote.placeholder in text for text in strings))


def fill(value: JsonValue, texts: Mapping[str, str]) -> JsonValue:
    """Return ``value`` with every placeholder in its strings replaced; keys of objects stay as they are.

    In one pass: a text that happens to hold another's placeholder is not searched again.

    Args:
        value: Any JSON.
        texts: By placeholder.

    Raises:
        QuotesTooLong: In place, the texts together would have more characters than
            ``limits.MAX_QUOTED_BYTES``.
    """
    if not texts:
        return value
    # The longest first: one placeholder may be the beginning of another.
    pattern = re.compile("|".join(re.escape(name) for name in sorted(texts, key=len, reverse=True)))
    # Counted before anything is built: a placeholder may stand there any number of times.
    total_chars = sum(
        len(texts[found[0]]) for string in _strings_in(value) for found in pattern.finditer(string)
    )
    if total_chars > limits.MAX_QUOTED_BYTES:
        raise QuotesTooLong(
            f"the quoted texts have {total_chars:,} characters in place; "
            f"the limit is {limits.MAX_QUOTED_BYTES:,}"
        )
    return _replaced(value, pattern, texts)


def _strings_in(value: JsonValue) -> Iterable[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _strings_in(item)
        case dict():
            for item in value.values():
                yield from _strings_in(item)
        case int() | float() | None:
            pass


def _replaced(value: JsonValue, pattern: re.Pattern[str], texts: Mapping[str, str]) -> JsonValue:
    match value:
        case str():
            return pattern.sub(lambda found: texts[found[0]], value)
        case list():
            return [_replaced(item, pattern, texts) for item in value]
        case dict():
            return {key: _replaced(item, pattern, texts) for key, item in value.items()}
        case int() | float() | None:
            return value
