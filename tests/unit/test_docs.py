import re
from pathlib import Path

import pytest

from runs.diagram import state_diagram
from settings import Settings

_ROOT = Path(__file__).parents[2]


def test_the_diagram_in_the_docs_is_the_table() -> None:
    """The picture people read is drawn from the table the workflow obeys."""
    assert f"```mermaid\n{state_diagram()}\n```" in (_ROOT / "docs/architecture.md").read_text()


def test_every_setting_is_documented() -> None:
    """Each variable that Longhaul or its compose file reads stands in .env.example, and no other of ours."""
    documented = set(re.findall(r"^(\w+)=", (_ROOT / ".env.example").read_text(), re.MULTILINE))
    read = {field.alias for field in Settings.model_fields.values() if field.alias}
    assert read <= documented
    compose = set(re.findall(r"\bLONGHAUL_\w+", (_ROOT / "docker-compose.yml").read_text()))
    assert {name for name in documented if name.startswith("LONGHAUL_")} <= read | compose


@pytest.mark.parametrize(
    "page", [*sorted(_ROOT.glob("docs/*.md")), _ROOT / "README.md"], ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A relative link in the docs names a file that is there."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
