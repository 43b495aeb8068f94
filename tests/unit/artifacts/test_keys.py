import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.errors import InvalidKey
from artifacts.keys import MAX_KEY_BYTES, check_key, key_of, to_uri

BASE = "file:///var/longhaul"


@pytest.mark.parametrize(
    "key", ["report.md", "my-run/0190f3/report.md", "a b/ü/日本.png", "a%20b/c:d", "a..b/c."]
)
def test_ordinary_keys_pass(key: str) -> None:
    """A relative path of visible names is a key, and its address leads back to it."""
    assert check_key(key) == key
    assert key_of(BASE, key) == key
    assert key_of(BASE, to_uri(BASE, key)) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../secret",
        "run/../../secret",
        "run/..",
        ".",
        "run//report.md",
        "run/",
        ".unfinished/x",
        "run/.hidden",
        "run\\..\\secret",
        "run/\x00",
        "run/a\nb",
        "run/\u202efdp.exe",
        "run/\ud800",
        "x" * 256,
        "/".join(["x" * 100] * 6),
    ],
)
def test_unsafe_keys_are_refused(key: str) -> None:
    """What could leave the store, hide in it or deceive a reader is no key."""
    with pytest.raises(InvalidKey) as caught:
        check_key(key)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "file:///var/longhaul",
        "file:///var/longhaul/",
        "file:///var/longhaul/../x",
        "file:///var/longhaul/%2e%2e/x",
        "file:///var/longhaul/a%2F..%2F..%2Fx",
        "file:///var/longhaul2/x",
        "https://example.org/x",
        "s3://bucket/x",
    ],
)
def test_addresses_outside_of_the_store_are_refused(uri: str) -> None:
    """A request cannot make the worker read a file that is not an artifact."""
    with pytest.raises(InvalidKey):
        key_of(BASE, uri)


@given(st.text(max_size=40))
def test_a_key_is_safe_or_refused(text: str) -> None:
    """Whatever passes is relative, goes nowhere up, and survives the way through an address."""
    try:
        key = check_key(text)
    except InvalidKey:
        return
    assert len(key.encode()) <= MAX_KEY_BYTES
    assert not any(segment in {"", ".", ".."} for segment in key.split("/"))
    assert key_of(BASE, to_uri(BASE, key)) == key
