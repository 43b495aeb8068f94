import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from artifacts.placing import place
from artifacts.running_text import OTHERS_PARSER, OUR_PARSER, insert, write_mark

PARSERS = {"others": OTHERS_PARSER, "ours": OUR_PARSER}

READERS = {
    name: MarkdownIt("commonmark", {"html": name == "others"}).enable(["table", "strikethrough"])
    for name in PARSERS
}
"""Parsers as anybody would make them, to judge ours by."""


def _placed(wanted: str, parser: MarkdownIt) -> str:
    """Return a text in which each ``¦`` asks for a mark, with a ``«`` where it was placed."""
    parts = wanted.split("¦")
    positions = [(len("".join(parts[: count + 1])), 1) for count in range(len(parts) - 1)]
    text = "".join(parts)
    return insert(text, place(text, positions, parser), lambda _: "«")


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        # Running text
        ("One.¦ Two.¦", "One.« Two.«"),
        ("One. ¦Two. ¦\n\n¦Three", "One.« Two.« \n\nThree"),
        ("**bold¦** and *both¦*¦ ~~gone¦~~¦", "**bold**« and *both*« ~~gone~~«"),
        ("***x¦** y*¦", "***x**« y*«"),
        ("see `a ¦b` and ``¦c``", "see `a b`« and ``c``«"),
        ("[te¦xt](http://a.b/¦c)¦ ![al¦t](x.png)", "[text](http://a.b/c)« ![alt](x.png)«"),
        ("<http://a¦.b> &am¦p; \\¦*", "<http://a.b>« &amp;« \\*«"),
        # What would make something else of a mark
        ("Wow!¦ Yes", "Wow! « Yes"),
        ("see http://a.b/c¦ and www.a.b¦.", "see http://a.b/c « and www.a.b «."),
        ("[note]¦\n\n[note]: http://a.b", "[note] «\n\n[note]: http://a.b"),
        # Lines
        ("hard  ¦\nbreak\\¦\nend", "hard«  \nbreak«\\\nend"),
        ("# Title¦ ##¦\n¦text", "# Title« ##\ntext"),
        ("Title¦\n==¦=\n", "Title«\n===\n"),
        ("> quote¦\n> ¦more¦\n", "> quote«\n> more«\n"),
        ("- one¦\n- ¦two\n  1. ¦three¦\n", "- one«\n- two«\n  1. three«\n"),
        ("text\n\n---¦\n\ntext", "text«\n\n---\n\ntext"),
        # Code
        ("text\n\n```py\nx = 1¦\n```¦\nmore", "text«\n\n```py\nx = 1\n```\nmore"),
        ("text\n\n    code¦\n", "text«\n\n    code\n"),
        ("text\n\n```\nnever closed¦", "text«\n\n```\nnever closed"),
        # Tables
        ("|a¦|b¦|¦\n|-¦|-|\n|`x\\|y¦`|¦ |¦\n", "|a«|b«|\n|-|-|\n|`x\\|y`«| |\n"),
        ("a | b¦\n-|-\nc¦ | d¦\n", "a | b«\n-|-\nc« | d«\n"),
        ("> |a¦|b|\n> |-|-|\n> |c|d¦|\n", "> |a«|b|\n> |-|-|\n> |c|d«|\n"),
    ],
)
def test_marks_go_to_the_end_of_what_they_follow(parser: MarkdownIt, wanted: str, placed: str) -> None:
    """A mark stands behind the words of its span, outside of everything that it would break."""
    assert _placed(wanted, parser) == placed


@pytest.mark.parametrize("wanted", ["```\nx¦\n```", "# # #¦", "[a]: http://b¦", "---¦", "text\\¦", "¦"])
def test_where_there_is_no_safe_place_there_is_no_mark(wanted: str) -> None:
    """A source of something that cannot be marked is only listed."""
    assert "«" not in _placed(wanted, OTHERS_PARSER)


def test_html_is_marked_where_it_is_text() -> None:
    """Other readers take ``<b>`` for a tag; our page shows it."""
    assert _placed("a <b ti¦tle='x'>b", OTHERS_PARSER) == "a <b title='x'>«b"
    assert _placed("a <b ti¦tle='x'>b", OUR_PARSER) == "a <b ti«tle='x'>b"


def test_overlapping_spans_are_marked_once_each() -> None:
    """Spans that end together have their marks side by side, by number; the same one stands once."""
    marks = place("One two.", [(8, 3), (8, 1), (3, 1), (8, 3), (7, 2)], OTHERS_PARSER)
    assert insert("One two.", marks, lambda number: f"[{number}]") == "One[1] two[2].[1][3]"


# fmt: off
PIECES = [
    "a", "word", "Wow!", " ", "  ", "\n", "\n\n", "é", "日本", "\xa0", ".", "^", "$", "{", "(", ")",
    "*", "**", "_", "__", "~~", "`", "``", "```\n", "~~~\n", "[", "]", "](http://x.y)", "![", "[a]",
    "[a]: /u\n",
    "<", "<b>", "</b>", "<!--", "-->", "<div>\n", "<http://x.y>", "http://x.y", "www.x", "&amp;", "&", "\\",
    "---\n", "===\n", "# ", "- ", "1. ", "> ", "    ", "\t", "\\\n", "  \n", "+ ",
    "|", "\\|", "|a|b|\n|-|-|\n|c|d|\n", "x|y\n-|-\n", "|-|-|\n",
]
# fmt: on
"""What Markdown is made of; whole words and single characters alike, so that structures meet."""

_HREF = "https://mark.example/"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.data(), st.sampled_from(sorted(PARSERS))
)
def test_marks_change_nothing_else(text: str, data: st.DataObject, name: str) -> None:
    """Whatever the text, it renders as without marks but for the marks, and each of them is a link."""
    wanted = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(1, 3)), max_size=5))
    marks = place(text, wanted, PARSERS[name])
    written = insert(text, marks, lambda number: write_mark(number, f"{_HREF}{number}"))
    rendered = READERS[name].render(written)
    for number in (1, 2, 3):
        mark = f'<a href="{_HREF}{number}">[{number}]</a>'
        assert rendered.count(mark) == sum(placed.number == number for placed in marks)
        rendered = rendered.replace(mark, "")
        written = written.replace(write_mark(number, f"{_HREF}{number}"), "")
    # A mark may bring one space along.
    assert "".join(rendered.split()) == "".join(READERS[name].render(text).split())
    assert "".join(written.split()) == "".join(text.split())
    assert len(written) - len(text) == sum(len(placed.before) for placed in marks)
