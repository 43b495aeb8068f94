import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from artifacts.inert import without_any_html, without_html

_HOSTILE = st.text(alphabet=st.sampled_from(list("<>/!?-ab `~\\\n&;:=\"'[](){}#*h")), max_size=120)


def _html_tokens(text: str) -> list[str]:
    found = []
    for token in MarkdownIt("commonmark", {"html": True}).parse(text):
        found += [each.type for each in (token, *(token.children or [])) if each.type.startswith("html_")]
    return found


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("plain <script>alert(1)</script>", "plain \\<script>alert(1)\\</script>"),
        ("<div>\n\n# kept\n</div>", "\\<div>\n\n# kept\n\\</div>"),
        ("<!-- gone -->", "\\<!-- gone -->"),
        ("`<b>` is code, <b> is not", "`<b>` is code, \\<b> is not"),
        ("```\n<b>\n```\n\n<b>", "```\n<b>\n```\n\n\\<b>"),
        ("1 < 2 and <https://example.org>", "1 < 2 and <https://example.org>"),
        ("already \\<b>", "already \\<b>"),
        ("\\\\<b>", "\\\\\\<b>"),
    ],
)
def test_html_is_shown_and_code_is_left_alone(text: str, inert: str) -> None:
    """A tag becomes text; code, comparisons and addresses stay as they were written."""
    assert without_html(text) == inert


@given(_HOSTILE)
def test_no_html_is_left_for_any_reader(text: str) -> None:
    """Whatever an agent writes, a reader that obeys HTML finds none."""
    assert _html_tokens(without_html(text)) == []


@given(_HOSTILE)
def test_it_only_ever_adds_backslashes(text: str) -> None:
    """Nothing of the text is lost."""
    assert without_html(text).replace("\\", "") == text.replace("\\", "")
    assert without_any_html(text).replace("\\", "") == text.replace("\\", "")
