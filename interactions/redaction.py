"""The one place that knows how a secret may be spelled, and takes it out.

Services echo what they were sent, tools return what they read, libraries log what they do. Whatever comes
from any of these passes by here before it is kept, shown or told to a model.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from html import escape
from typing import Final, TypeAlias
from urllib.parse import quote, quote_plus

BLOT: Final = "[redacted]"
"""What stands in a secret's place."""

MIN_SECRET_CHARS: Final = 8
"""A shorter value is not looked for: it is a stand-in such as ``local``, and blotting it out would hit the
words of reports. The shortest keys and passwords that services give out have this many."""

_STAND_INS: Final = frozenset({"emulator"})
"""What this project itself sends where no key is needed (`settings`, ``docker-compose.yml``)."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Redactor:
    """Takes secrets out of texts, bodies and JSON.

    A secret is found as it is, and as JSON, ``repr``, HTML, URLs, hexadecimal and base64 (alone or within
    something longer) spell it. It is not found where it was cut, split over lines, compressed or encrypted.

    Args:
        secrets: Whole values; of one with a scheme before it, such as ``Bearer …``, the rest counts, too, and
            of ``Basic …`` what it encodes. Surrounding white space is not part of one.
    """

    def __init__(self, *secrets: str) -> None:
        values = {value for secret in secrets for value in _values_of(secret.strip())}
        spellings = {
            spelling
            for value in values
            if len(value) >= MIN_SECRET_CHARS and value not in _STAND_INS
            for spelling in _spellings_of(value)
        }
        # The longest first: one may be part of another.
        self._spellings = [
            (spelling, spelling.encode("utf-8", "surrogatepass"))
            for spelling in sorted(spellings, key=len, reverse=True)
        ]

    @property
    def longest_chars(self) -> int:
        """Length of the longest text that is looked for; 0 where there is none."""
        return len(self._spellings[0][0]) if self._spellings else 0

    def finds(self, text: str) -> bool:
        """Return whether there is a secret in ``text``."""
        return any(spelling in text for spelling, _ in self._spellings)

    def text(self, text: str) -> str:
        """Return ``text`` without the secrets. To be called before it is cut: a part is not found."""
        for spelling, _ in self._spellings:
            text = text.replace(spelling, BLOT)
        return text

    def body(self, body: bytes) -> bytes:
        """Return ``body`` without the secrets."""
        for _, spelling in self._spellings:
            body = body.replace(spelling, BLOT.encode())
        return body

    def json(self, value: Json) -> Json:
        """Return ``value`` with the secrets taken out of its texts, names and numbers."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(name): self.json(part) for name, part in value.items()}
            case list():
                return [self.json(part) for part in value]
            case bool() | None:
                return value
            case int() | float():
                shown = json.dumps(value)
                return value if self.text(shown) == shown else BLOT


def _values_of(secret: str) -> Iterator[str]:
    """Yield what of ``secret`` is secret by itself."""
    yield secret
    scheme, _, rest = secret.rpartition(" ")
    yield rest
    if scheme.lower() == "basic":
        try:
            user_and_password = base64.b64decode(rest, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield user_and_password
        yield user_and_password.partition(":")[2]


def _spellings_of(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "surrogatepass")
    yield from (value, repr(value)[1:-1], escape(value), escape(value, quote=False))
    yield from (json.dumps(value, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield quoted
        yield _with_small_escapes(quoted)
    yield from (raw.hex(), raw.hex().upper())
    for before in range(3):
        yield from _in_base64(raw, before=before)


def _with_small_escapes(quoted: str) -> str:
    """Return a quoted text with its escapes as ``%2f`` instead of ``%2F``."""
    first, *escaped = quoted.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in escaped)])


def _in_base64(raw: bytes, *, before: int) -> Iterator[str]:
    """Yield the characters that stand for ``raw`` alone where ``before`` bytes, modulo 3, precede it."""
    encoded = base64.b64encode(bytes(before) + raw)
    # Six bits a character; those that also hold bits of a neighbour can be anything.
    whole = encoded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6].decode()
    yield whole
    yield whole.replace("+", "-").replace("/", "_")
