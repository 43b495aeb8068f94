import base64
import json
from collections.abc import Callable
from html import escape
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interactions.redaction import BLOT, MIN_SECRET_CHARS, Json, Redactor

KEY = 'AIza/"quoted"+& key'

_PRINTABLE = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=MIN_SECRET_CHARS, max_size=40
).filter(lambda secret: len(secret.strip()) >= MIN_SECRET_CHARS)

_JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=10), parts, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        json.dumps(KEY),
        repr(KEY),
        escape(KEY),
        escape(KEY, quote=False),
        quote(KEY),
        quote(KEY, safe=""),
        quote(KEY, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
        quote_plus(KEY),
        urlencode({"key": KEY}),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
    ],
)
def test_a_secret_is_found_however_it_is_spelled(spelling: str) -> None:
    """Alone or within something longer, as text and as bytes."""
    redactor = Redactor(KEY)
    assert BLOT in redactor.text(f"<{spelling}>")
    assert BLOT.encode() in redactor.body(f"<{spelling}>".encode())
    assert "quoted" not in redactor.text(f"<{spelling}>")


@given(
    st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
    _PRINTABLE,
    st.binary(max_size=20),
    st.binary(max_size=20),
)
def test_a_secret_is_found_in_base64(
    encode: Callable[[bytes], bytes], secret: str, before: bytes, after: bytes
) -> None:
    """Wherever in what is encoded it stands, in either alphabet."""
    encoded = encode(before + secret.strip().encode() + after)
    assert BLOT.encode() in Redactor(secret).body(encoded)


@given(_PRINTABLE, st.text(max_size=20), st.text(max_size=20))
def test_no_secret_is_left(secret: str, before: str, after: str) -> None:
    """Whatever it is and whatever stands around it."""
    text = before + secret.strip() + after
    redactor = Redactor(secret)
    assert secret.strip() not in redactor.text(text).replace(BLOT, "")
    assert redactor.body(text.encode(errors="replace")).decode() == redactor.text(
        text.encode(errors="replace").decode()
    )


@pytest.mark.parametrize("said", ["no: Bearer abcdefghijkl", "no: abcdefghijkl", "no: abcdefghijkl-longer"])
def test_a_secret_is_found_with_and_without_its_scheme(said: str) -> None:
    """Whoever repeats one may have cut the scheme off; and one secret may begin with another."""
    assert Redactor("Bearer abcdefghijkl", "abcdefghijkl-longer").text(said) == "no: [redacted]"


@pytest.mark.parametrize("said", ["Basic dXNlcjpvcGVuLXNlc2FtZQ==", "user:open-sesame", "open-sesame"])
def test_a_password_is_found_in_and_out_of_its_header(said: str) -> None:
    """What a ``Basic`` header encodes is as secret as the header."""
    assert Redactor("Basic dXNlcjpvcGVuLXNlc2FtZQ==").text(said) in {BLOT, f"{BLOT}=="}


def test_what_is_too_short_to_be_a_secret_is_a_word() -> None:
    """Blotting it out would shred reports and lines; so would our own stand-in for a key."""
    redactor = Redactor("local", "k", "", "Bearer abc", "emulator")
    text = "keep the local key of the emulator: abc"
    assert redactor.text(text) == text
    assert redactor.body(text.encode()) == text.encode()


def test_a_secret_is_found_without_its_line_break() -> None:
    """Keys read from a file end with a newline, which is not sent and so not repeated."""
    assert Redactor("12345678\n").text("<12345678>") == "<[redacted]>"


def test_names_and_numbers_of_json_are_looked_through() -> None:
    """A secret may be all digits, and a name as well as a value."""
    value: Json = {"12345678": [12345678, 1.5, True, None, {"a": "is 12345678"}]}
    assert Redactor("12345678").json(value) == {BLOT: [BLOT, 1.5, True, None, {"a": f"is {BLOT}"}]}


@given(_JSON)
def test_json_without_secrets_stays_as_it_is(value: Json) -> None:
    """Nothing else is changed, whatever its shape."""
    assert Redactor(KEY).json(value) == value


def test_the_longest_spelling_is_known() -> None:
    """For whoever has to cut a text before it is looked through."""
    assert Redactor().longest_chars == 0
    assert Redactor("é" * 10).longest_chars == max(len(quote("é" * 10)), len(json.dumps("é" * 10)) - 2)
