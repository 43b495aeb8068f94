from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from markdown_it import MarkdownIt

from runs.details import escape_markdown, render_details
from runs.messages import AgentRunStatus, ArtifactRef, Outcome, Settled
from runs.phase import Phase

_NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_FOLDER: Final = "file:///reports/tea"


@pytest.mark.parametrize(
    "text",
    [
        "Is List<int> faster than Vec<T>? & why",
        "<script>alert(1)</script>",
        "*a* _b_ `c` ~~d~~ # e | f",
        "[click](javascript:alert(1)) ![x](https://example.org/x.png) <https://example.org>",
        "&lt; stays as it was written",
        r"back\slash \<b>",
    ],
)
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    """A stranger's text is one paragraph of that text; nothing in it formats, links or is HTML."""
    paragraph, inline, _ = MarkdownIt("commonmark").enable("strikethrough").parse(escape_markdown(text))
    assert paragraph.type == "paragraph_open"
    kinds = {token.type for token in inline.children or ()}
    assert kinds <= {"text", "text_special"}, kinds
    assert "".join(token.content for token in inline.children or ()) == text


def test_escaping_needs_no_entities() -> None:
    """The Temporal UI shows `&lt;` as these four characters, where Markdown would show one."""
    assert "&lt;" not in escape_markdown("<b>")


def test_the_folder_is_named_before_and_after() -> None:
    """While a run goes on, people see where the report will be; afterwards, where it is and which files."""
    running = AgentRunStatus(
        phase=Phase.RUNNING,
        agent="a",
        artifacts_uri=_FOLDER,
        requested_at=_NOW,
        deadline_at=_NOW + timedelta(hours=1),
    )
    assert f"The report will be in:** {_FOLDER}" in render_details(running, question="Why?", now=_NOW)
    report = ArtifactRef(
        name="report.md",
        uri=f"{_FOLDER}/report.md",
        media_type="text/markdown",
        size_bytes=25_729,
        sha256="0",
    )
    details = render_details(
        running.model_copy(update={"phase": Phase.COMPLETED}),
        question="Why?",
        now=_NOW,
        settled=Settled(outcome=Outcome.COMPLETED, artifacts=(report,)),
    )
    assert f"- **Folder:** {_FOLDER}\n- **Files:** report.md (25,729 bytes)" in details
