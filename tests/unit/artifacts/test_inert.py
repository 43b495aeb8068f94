import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from artifacts.inert import inert, inert_unparsed
from tests.unit.artifacts.naive_readers import harm_in, links_in

_PIECES = (
    *("![", "!", "[", "]", "](", ")", "(", "[a]", "[a]: ", "[a][b]", "\n[b]: ", "[^1]", "][a]", "[]"),
    *(
        "https://t.example/",
        "javascript:alert(1)",
        "JaVaScRiPt:x",
        "data:text/html,x",
        "vbscript:x",
        "//t.example",
    ),
    *(
        "java\nscript:x",
        "&#106;avascript:x",
        "javascript&colon;x",
        "java&Tab;script:x",
        "%6aavascript:x",
        "file:///x",
    ),
    *(
        "image-1.png",
        "../x.html",
        "mailto:a@b.example",
        "#part",
        ' "title"',
        " 'x'",
        "<",
        ">",
        "</",
        "<!--",
        "-->",
    ),
    *(
        "<img src=x onerror=y>",
        "<script>",
        "</script>",
        "<svg onload=x>",
        "<a href='javascript:x'>",
        "<?",
        "<![CDATA[",
    ),
    *(
        "<https://t.example>",
        "<javascript:x>",
        "<a@b.example>",
        "`",
        "``",
        "```\n",
        "~~~",
        "    ",
        "\t",
        "\n",
        "\n\n",
    ),
    *(
        "> ",
        "- ",
        "1. ",
        "# ",
        "\n===\n",
        "| ",
        " | ",
        "|-|-|\n",
        "\n|-|\n",
        "\\",
        "\\\\",
        "\\|",
        "*",
        "**",
        "_",
        "~~",
    ),
    *("a", "word ", "&lt;", "&amp;", "ä", " ", "  \n", "\u00a0"),
)

HOSTILE = st.lists(st.sampled_from(_PIECES), max_size=25).map("".join)

_CHARACTERS = st.text(alphabet=st.sampled_from(list("<>/!?-ab `~\\\n&;:=\"'[](){}#*h|\t")), max_size=120)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # HTML
        ("plain <script>alert(1)</script>", "plain &lt;script>alert(1)&lt;/script>"),
        ("<div>\n\n# kept\n</div>", "&lt;div>\n\n# kept\n&lt;/div>"),
        ("<!-- gone -->", "&lt;!-- gone -->"),
        ("`<b>` is code, <b> is not", "`<b>` is code, &lt;b> is not"),
        ("```\n<b>\n```\n\n<b>", "```\n<b>\n```\n\n&lt;b>"),
        ("1 < 2 and <https://example.org>", "1 < 2 and <https://example.org>"),
        ("already \\<b>", "already \\<b>"),
        ("\\\\<b>", "\\\\&lt;b>"),
        # Images: a link is left
        ("![x](https://t.example/1.png)", "\\![x](https://t.example/1.png)"),
        ("> - ![x](https://t.example/1.png) y", "> - \\![x](https://t.example/1.png) y"),
        ("![x][a]\n\n[a]: https://t.example", "\\![x][a]\n\n[a]: https://t.example"),
        ("![a]\n\n[a]: https://t.example", "\\![a]\n\n[a]: https://t.example"),
        (
            "[![x](https://t.example/1)](https://t.example)",
            "[\\![x](https://t.example/1)](https://t.example)",
        ),
        ("# ![x](https://t.example) #", "# \\![x](https://t.example) #"),
        ("|a|b|\n|-|-|\n|\\||![x](https://t.example)|", "|a|b|\n|-|-|\n|\\||\\![x](https://t.example)|"),
        ("|a|\n|-|\n|`\\|` ![x](https://t.example) c|", "|a|\n|-|\n|`\\|` \\![x](https://t.example) c|"),
        ("`![x](https://t.example)`", "`![x](https://t.example)`"),
        ("    ![x](https://t.example)", "    ![x](https://t.example)"),
        ("wow![1] \\![x](https://t.example)", "wow![1] \\![x](https://t.example)"),
        ("![x](image-1.png)", "![x](image-1.png)"),
        ("![x](../image-1.png)", "\\!\\[x](../image-1.png)"),
        ("![x](data:image/png;base64,AA==)", "\\!\\[x](data:image/png;base64,AA==)"),
        # Links
        ("[x](https://a.example) and [y](javascript:z)", "[x](https://a.example) and \\[y](javascript:z)"),
        ("[x](  <javascript:z> 'y')", "\\[x](  &lt;javascript:z> 'y')"),
        ("[x](&#x6A;avascript&colon;z)", "\\[x](&#x6A;avascript&colon;z)"),
        ("[x](java&Tab;script:z)", "\\[x](java&Tab;script:z)"),
        ("[x](java\\script:z)", "\\[x](java\\script:z)"),
        ("[x][a]\n\n[a]: javascript:z", "\\[x][a]\n\n\\[a]: javascript:z"),
        ("> [a]: javascript:y\n> [a]: data:z\n\n[a]", "> \\[a]: javascript:y\n> \\[a]: data:z\n\n\\[a]"),
        (
            "<javascript:z> <https://a.example> <a@b.example>",
            "&lt;javascript:z> <https://a.example> <a@b.example>",
        ),
        ("[x](#y) [x](mailto:a@b.example) [x]()", "[x](#y) [x](mailto:a@b.example) [x]()"),
        ("[x](//t.example) [x](file:///x)", "\\[x](//t.example) \\[x](file:///x)"),
        ("[x](report.html)", "\\[x](report.html)"),
        ("[x](<javascript:<b>)", "\\[x](&lt;javascript:&lt;b>)"),
        # What the first hides
        ("![a ![b](https://t.example)](javascript:x)", "\\!\\[a \\![b](https://t.example)](javascript:x)"),
        ("<div>\n![x](https://t.example)\n</div>", "&lt;div>\n\\![x](https://t.example)\n&lt;/div>"),
        # What readers that link bare addresses would make of it
        ("https://a.example/\\<svg onload=x>", "https://a.example/&lt;svg onload=x>"),
        ("https://a.example/`<svg onload=x>`", "https://a.example/\\`&lt;svg onload=x>`"),
        ("www.a.example/``<svg onload=x>``", "www.a.example/\\`\\`&lt;svg onload=x>``"),
        ("see `<b>` at https://a.example/ `<b>`", "see `<b>` at https://a.example/ `<b>`"),
        # What readers differ in: addresses of definitions, and where a table begins
        ("[a]: javascript:x(\n\n[a]", "\\[a]: javascript:x(\n\n[a]"),
        ("[^1]: A note, see https://a.example", "[^1]: A note, see https://a.example"),
        ("```\n[a]: javascript:x(\n```", "```\n[a]: javascript:x(\n```"),
        ("x `\n<b>\n|-|\n`", "x \\`\n&lt;b>\n|-|\n`"),
        ("x `\n<b>\n`", "x `\n<b>\n`"),
    ],
)
def test_what_loads_or_runs_is_shown(text: str, expected: str) -> None:
    """Code, comparisons and plain links stay as they were written."""
    assert inert(text, {"image-1.png"}) == expected
    assert harm_in(expected, {"image-1.png"}) == []


@settings(max_examples=600, deadline=None)
@given(HOSTILE | _CHARACTERS)
@example("> " * 60 + "![x](https://t.example)")
@example("- " * 130 + "![x](https://t.example)")
@example("![" * 30 + "x" + "](https://t.example)" * 30)
@example("\n".join(f"[{number}]: javascript:x" for number in range(50)))
@example("[a]: javascript:x\n" * 50 + "[a]")
def test_no_reader_loads_or_runs_anything(text: str) -> None:
    """Whatever an agent writes, and whether tables, HTML or all addresses are heeded."""
    assert harm_in(inert(text, {"image-1.png"}), {"image-1.png"}) == []
    assert harm_in(inert_unparsed(text)) == []


@settings(max_examples=300, deadline=None)
@given(HOSTILE | _CHARACTERS)
def test_nothing_of_a_text_is_lost(text: str) -> None:
    """Only backslashes come and go, and ``<`` is written out."""
    for written in (inert(text), inert_unparsed(text)):
        assert _without_escapes(written) == _without_escapes(text)


def _without_escapes(text: str) -> str:
    return text.replace("&lt;", "<").replace("\\", "")


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_what_is_inert_stays_as_it_is(text: str) -> None:
    """Once is enough, and what needs nothing gets nothing."""
    once = inert(text)
    assert inert(once) == once
    # What begins HTML, or an address for others to follow, may be without effect so far.
    if harm_in(text) == [] and "<" not in text and "]:" not in text:
        assert once == text


@pytest.mark.parametrize("bad", ["![i](https://t.example/i)", "[j](javascript:x)", "<b>", "<javascript:x>"])
def test_links_beside_it_stay_links(bad: str) -> None:
    """In the same paragraph, list or table."""
    for text in (
        "[a](https://a.example) {} [b](https://b.example)",
        "- [a](https://a.example)\n- {}\n  [b](https://b.example)",
        "|[a](https://a.example)|{}|\n|-|-|\n|[b](https://b.example)|{}|",
    ):
        links = links_in(inert(text.replace("{}", bad)))
        assert {"https://a.example", "https://b.example"} <= set(links)
