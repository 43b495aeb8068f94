import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.links import host_of, safe_href


@pytest.mark.parametrize(
    ("url", "href"),
    [
        ("https://example.org/a?b=c&d=%20e#f", "https://example.org/a?b=c&d=%20e#f"),
        (" HTTPS://Example.org ", "HTTPS://Example.org"),
        ("https://example.org/a_(b)|c", "https://example.org/a_%28b%29%7Cc"),
        ('https://example.org/"><script>', "https://example.org/%22%3E%3Cscript%3E"),
        ("https://example.org/a b\\c`d", "https://example.org/a%20b%5Cc%60d"),
        ("https://example.org/über", "https://example.org/%C3%BCber"),
        ("https://exa\u202emple.org/", "https://example.org/"),
    ],
)
def test_web_addresses_are_quoted(url: str, href: str) -> None:
    """What could end a link, a cell or an attribute is quoted; the rest stays as it is."""
    assert safe_href(url) == href


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        " javascript:alert(1)//https://example.org",
        "data:text/html,<script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//example.org",
        "/relative",
        "https:///nohost",
        "https://",
        "http:evil",
        "https://[::1",
        "https://example.org/" + "x" * 5_000,
        "",
    ],
)
def test_other_addresses_are_no_links(url: str) -> None:
    """Only http and https with a host, of a length that browsers take."""
    assert safe_href(url) is None


@given(st.text(max_size=60).map("https://h".__add__))
def test_a_link_never_breaks_what_it_stands_in(url: str) -> None:
    """No link holds a character that means something to Markdown or HTML around it."""
    href = safe_href(url)
    assert href is None or (href.isascii() and not set(href) & set(' \t\n()<>"\\`|[]{}'))


def test_hosts_are_read_without_raising() -> None:
    """A host is named without www; where there is none, there is nothing."""
    assert [host_of(url) for url in ("https://www.example.org:8/x", "https://[bad", "text")] == [
        "example.org",
        "",
        "",
    ]
