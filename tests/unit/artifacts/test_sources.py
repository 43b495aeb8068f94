from artifacts.blocks import Citation, FileBlock, TextBlock
from artifacts.sources import Sources


def _cite(end: int, url: str, title: str | None = None) -> Citation:
    return Citation(0, end, url, title)


def test_sources_are_numbered_as_a_reader_meets_them() -> None:
    """The first number in the text is 1, in whatever order citations were sent."""
    late, early = _cite(9, "https://late.example/", "Late"), _cite(3, "https://early.example/", "Early")
    other = _cite(1, "https://other.example/", "Other")
    sources = Sources(
        [TextBlock("text", (late, early)), FileBlock("a.wav", "audio/wav"), TextBlock("", (other,))]
    )
    assert [(source.number, source.title) for source in sources.listed] == [
        (1, "Early"),
        (2, "Late"),
        (3, "Other"),
    ]
    assert [sources.number_of(citation) for citation in (late, early, other)] == [2, 1, 3]


def test_one_address_is_one_source() -> None:
    """Cited again, a source keeps its number, and has the first title that says something."""
    citations = (
        _cite(1, "https://a.example/x"),
        _cite(2, " https://a.example/x", " \n"),
        _cite(3, "https://a.example/x", "A\nB"),
    )
    (source,) = Sources([TextBlock("text", citations)]).listed
    assert (source.number, source.title, source.href) == (1, "A", "https://a.example/x")


def test_a_source_without_title_is_its_address() -> None:
    """There is always something to read; the site is not said twice."""
    (source,) = Sources([TextBlock("text", (_cite(1, "https://www.a.example/x"),))]).listed
    assert (source.title, source.host) == ("a.example/x", "")


def test_a_source_names_its_site() -> None:
    """A title alone does not say whose it is; a redirector's name would not either."""
    citations = (
        _cite(1, "https://www.a.example/x", "Prices rise"),
        _cite(2, "https://vertexaisearch.cloud.google.com/grounding-api-redirect/A", "b.example"),
    )
    assert [source.host for source in Sources([TextBlock("text", citations)]).listed] == ["a.example", ""]


def test_an_address_that_may_not_be_linked_is_still_a_source() -> None:
    """A document of one's own has no web address, and is a source all the same."""
    citations = (_cite(1, "javascript:alert(1)", "Trick"), _cite(2, "", "notes.pdf"), _cite(3, "files/abc"))
    sources = Sources([TextBlock("text", citations)]).listed
    assert [(source.title, source.href, source.host) for source in sources] == [
        ("Trick", None, ""),
        ("notes.pdf", None, ""),
        ("files/abc", None, ""),
    ]


def test_a_citation_of_nothing_is_none() -> None:
    """Without address and title there is nothing to list."""
    nothing = _cite(1, " ", "\x1b[0m")
    sources = Sources([TextBlock("text", (nothing,))])
    assert sources.listed == ()
    assert sources.number_of(nothing) is None
