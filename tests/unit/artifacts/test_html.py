import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings

from artifacts import html, marking
from artifacts.blocks import Activity, Citation, Detail, FileBlock, ImageBlock, LinkBlock, Report, TextBlock
from artifacts.report import render_html
from tests.unit.artifacts.test_markdown import REPORTS, report_of

_VOID = {"meta", "img", "br", "hr"}

# fmt: off
_OURS = {
    "html", "head", "meta", "title", "style", "body", "header", "nav", "main", "footer", "div", "span",
    "figure", "figcaption", "img", "dl", "dt", "dd", "sup", "a", "h1", "h2", "h3", "h4", "h5", "h6", "p",
    "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "hr", "br", "table", "thead", "tbody",
    "tr", "th", "td", "audio", "video", "details", "summary",
}

_ATTRIBUTES = {
    "charset", "http-equiv", "content", "name", "class", "id", "href", "rel", "title", "src", "alt", "start",
    "aria-label", "controls",
}
# fmt: on


class _Page(HTMLParser):
    """What a browser would find: checks as it goes that tags are ours and balanced."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _OURS
        attributes = {name: value or "" for name, value in attrs}
        assert set(attributes) <= _ATTRIBUTES
        self.elements.append((tag, attributes))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    def attributes(self, name: str, tag: str | None = None) -> list[str]:
        """Every value of one attribute, of one tag or of all."""
        return [found[name] for element, found in self.elements if name in found and tag in {None, element}]


def _check(page: _Page) -> None:
    for href in page.attributes("href"):
        assert re.match(
            r"https?://[^\s\"'<>]+\Z|#[\w-]+\Z|[\w.~%-]+\.(png|gif|jpe?g|webp|wav|mp3|mp4|pdf|txt)\Z", href
        )
    kinds = r"data:(image/(png|jpeg|gif|webp)|audio/(wav|mpeg)|video/mp4);base64,"
    assert all(re.match(kinds, src) for src in page.attributes("src"))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in page.attributes("href") if href.startswith("#")} <= set(ids)


@settings(max_examples=150, deadline=None)
@given(REPORTS)
def test_a_page_is_only_what_we_made_of_it(report: Report) -> None:
    """Whatever a report is made of, the page has our elements only, links to the web, and whole anchors."""
    _check(_Page(render_html(report)))


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</title><script>alert(1)</script>",
        "</style><svg onload=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](https://tracker.example/pixel.png)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "<https://a.example/><b>",
        '[x](https://a.example/ "onmouseover=alert(1)")',
        "```html\n</code></pre><script>alert(1)</script>\n```",
        '```"onload=alert(1)\nx\n```',
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "| <script>x</script> |\n|---|\n| <img src=x> |",
        "# <script>x</script>\n# <b>a</b>\n# c\n# d",
    ],
)
def test_attacks_are_shown_and_not_obeyed(attack: str) -> None:
    """Markup in any field of a report is text."""
    cited = (Citation(0, 5, f"https://a.example/{attack}", attack), Citation(0, 5, attack, None))
    report = report_of(
        TextBlock(attack, cited),
        ImageBlock(attack, "image/png", b"png"),
        FileBlock(attack, attack),
        FileBlock(attack, "audio/wav", b"RIFF"),
        LinkBlock(attack, attack),
        question=f"{attack}\n{attack}",
        agent=attack,
        cost=attack,
        activities=(
            Activity(attack, (Detail(attack, attack, attack),), attack, attack, attack, has_failed=True),
        ),
        notes=(attack,),
    )
    page = _Page(render_html(report))
    _check(page)
    assert not page.attributes("src", "img")[1:]
    assert "tracker" not in "".join(page.attributes("src"))


def test_the_page_forbids_scripts_and_requests_by_itself() -> None:
    """Its policy allows its own style sheet, by digest, and images and sound inside of it."""
    written = render_html(report_of())
    (style,) = re.findall(r"<style>(.*?)</style>", written, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = _Page(written).attributes("content")[0]
    assert policy == (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert written.index("Content-Security-Policy") < written.index("<style>")
    assert "url(" not in style
    assert "@import" not in style


def test_marks_and_sources_lead_to_each_other() -> None:
    """A mark leads to its source, and a source back to each of its marks."""
    citations = (Citation(0, 4, "https://a.example/", "A"), Citation(0, 9, "https://a.example/", "A"))
    written = render_html(report_of(TextBlock("One. Two.", citations)))
    assert (
        'One.&#8288;<sup class="mark"><a id="mark-1-1" href="#source-1" title="A">[1]</a></sup> Two.'
        in written
    )
    assert (
        '<li id="source-1"><a href="https://a.example/" rel="noopener noreferrer nofollow">A</a>' in written
    )
    page = _Page(written)
    assert page.attributes("href").count("#source-1") == 2
    assert {"#mark-1-1", "#mark-1-2"} <= set(page.attributes("href"))


def test_a_text_cannot_forge_a_mark() -> None:
    """A link that only looks like a mark is none."""
    page = _Page(
        render_html(report_of(TextBlock(r"Trust me[\[1\]](#source-1)[\[2\]](#mark-being-placed-1).")))
    )
    assert page.attributes("href") == []
    assert "[[1]](#source-1)" in page.text


def test_images_are_in_the_page_if_they_are_pixels() -> None:
    """An image is shown without a request; what may hold a script or is too big is named."""
    written = render_html(
        report_of(
            ImageBlock("image-1.png", "image/png", b"\x89PNG"),
            ImageBlock("image-2.svg", "image/svg+xml", b"<svg/>"),
            ImageBlock("image-3.jpg", "IMAGE/JPEG; q=1", b"jpeg"),
        )
    )
    page = _Page(written)
    assert page.attributes("src") == ["data:image/png;base64,iVBORw==", "data:image/jpeg;base64,anBlZw=="]
    assert '<p class="file">image-2.svg <span>image/svg+xml</span></p>' in written


def test_sound_and_films_play_in_the_page() -> None:
    """Without a request, as images are shown; what browsers do not play is named, and all lies beside it."""
    page = _Page(
        render_html(
            report_of(
                FileBlock("audio-1.wav", "audio/wav", b"RIFF"),
                FileBlock("video-1.mp4", "video/mp4", b"mp4"),
                FileBlock("audio-2.amr", "audio/amr", b"amr"),
                FileBlock("audio-3.wav", "audio/wav"),
            )
        )
    )
    assert page.attributes("src", "audio") == ["data:audio/wav;base64,UklGRg=="]
    assert page.attributes("src", "video") == ["data:video/mp4;base64,bXA0"]
    assert page.attributes("href") == ["audio-1.wav", "video-1.mp4", "audio-3.wav"]
    assert "audio-2.amr audio/amr" in page.text


def test_media_kept_elsewhere_is_linked_and_not_loaded() -> None:
    """Only to the web; another address is shown."""
    page = _Page(
        render_html(
            report_of(LinkBlock("video", "https://v.example/1.mp4"), LinkBlock("image", "gs://bucket/i.png"))
        )
    )
    assert page.attributes("href") == ["https://v.example/1.mp4"]
    assert page.attributes("src") == []
    assert "gs://bucket/i.png image" in page.text


def test_a_page_tells_how_it_was_found() -> None:
    """Folded away: what was done, with links to pages, code and what came of it."""
    activities = (
        Activity("Read pages", (Detail("https://a.example", "https://a.example", "paywall"),)),
        Activity("Ran python code", code="print('<b>')\n", language="python", output="<b>", has_failed=True),
    )
    page = render_html(report_of(activities=activities, more_activities=1))
    (trail,) = re.findall(r"<details.*?</details>", page, re.DOTALL)
    assert trail == (
        '<details class="trail"><summary>3 steps</summary>\n<ul>\n'
        '<li><strong>Read pages</strong>: <a href="https://a.example" rel="noopener noreferrer nofollow">'
        "https://a.example</a> (paywall)</li>\n"
        "<li><strong>Ran python code</strong> (failed)<pre><code>print(&#x27;&lt;b&gt;&#x27;)</code></pre>"
        "<pre><code>&lt;b&gt;</code></pre></li>\n"
        "<li>1 more; all are in interaction.json</li>\n</ul></details>"
    )
    assert "<details" not in render_html(report_of())


def test_a_page_does_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images for which there is no more room are named instead."""
    monkeypatch.setattr(html, "_MAX_INLINE_BYTES", 5)
    images = (ImageBlock("a.png", "image/png", b"1234"), ImageBlock("b.png", "image/png", b"12"))
    page = _Page(render_html(report_of(*images)))
    assert len(page.attributes("src")) == 1
    assert "b.png" in page.attributes("href")


def test_headings_follow_the_question() -> None:
    """The question is the page's one h1, wherever the agent begins; levels stay apart and in range."""
    text = "# A\n\n## B\n\n###### F"
    page = _Page(render_html(report_of(TextBlock(text))))
    tags = [tag for tag, _ in page.elements if re.match(r"h\d\Z", tag)]
    assert tags == ["h1", "h2", "h3", "h6", "h2"]
    deeper = _Page(render_html(report_of(TextBlock("### C\n\n#### D"))))
    assert [tag for tag, _ in deeper.elements if re.match(r"h\d\Z", tag)] == ["h1", "h2", "h3", "h2"]


def test_a_long_answer_has_contents() -> None:
    """They list the headings that divide it, without marks, and lead there."""
    text = "# Title\n\n" + "\n\n".join(f"## Part *{number}*\n\nText." for number in range(1, 5))
    end = text.encode().index(b"*1*") + 3
    page = render_html(report_of(TextBlock(text, (Citation(0, end, "https://a.example/"),))))
    (contents,) = re.findall(r"<nav.*?</nav>", page, re.DOTALL)
    assert re.findall(r'<a href="#(.*?)">(.*?)</a>', contents) == [
        (f"section-{number + 1}", f"Part {number}") for number in range(1, 5)
    ]
    assert "<nav" not in render_html(report_of(TextBlock("## A\n\n## B")))


def test_tables_are_aligned_without_styles() -> None:
    """The policy forbids style attributes, so columns are aligned by class."""
    page = render_html(report_of(TextBlock("|a|b|\n|-:|:-:|\n|1|2|")))
    assert '<td class="right">1</td>' in page
    assert '<td class="center">2</td>' in page
    assert '<div class="table"><table>' in page


def test_an_answer_too_long_to_parse_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown as it was written, with its sources listed."""
    monkeypatch.setattr(marking, "_MAX_PARSED_CHARS", 10)
    text = "**long** answer <b>"
    page = render_html(report_of(TextBlock(text, (Citation(0, 4, "https://a.example/", "A"),))))
    assert '<pre class="plain">**long** answer &lt;b&gt;</pre>' in page
    assert '<li id="source-1">' in page


def test_an_answer_that_could_not_be_parsed_is_plain() -> None:
    """The report says why, whatever words the reason has in it."""
    page = render_html(replace(report_of(TextBlock("**it**")), unparsed_because="more than <2 s>"))
    assert '<pre class="plain">**it**</pre>' in page
    assert "could not be read as Markdown: more than &lt;2 s&gt;" in page
