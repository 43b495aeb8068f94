from typing import Final

import pytest
from pydantic import TypeAdapter, ValidationError

from runs.tools import Tool, callable_names, function_names, why_not

_TOOLS: TypeAdapter[tuple[Tool, ...]] = TypeAdapter(tuple[Tool, ...])

RESEARCH = "deep-research-preview-04-2026"
SANDBOX = "antigravity-preview-09-2026"


def tools(*given: dict[str, object] | str) -> tuple[Tool, ...]:
    """Return tools by their types, or whole."""
    return _TOOLS.validate_python([{"type": each} if isinstance(each, str) else each for each in given])


FUNCTION: Final[dict[str, object]] = {"type": "function", "name": "weather"}
FILES: Final[dict[str, object]] = {"type": "file_search", "stores": ["s"]}


@pytest.mark.parametrize(
    ("given", "agent", "reason"),
    [
        ((FUNCTION,), RESEARCH, "does not take the tool function"),
        (("google_maps",), RESEARCH, "does not take the tool google_maps"),
        (("computer_use",), SANDBOX, "does not take the tool computer_use"),
        ((FILES,), SANDBOX, "does not take the tool file_search"),
        ((FILES, "google_search"), None, "file_search does not go together with google_search"),
        ((FILES, "url_context"), None, "file_search does not go together with url_context"),
        ((FUNCTION, FUNCTION), None, "two tools are called 'weather'"),
        (("tool_search",), None, "there are none"),
        (({"type": "google_maps", "latitude": 1.0},), None, "together, or neither"),
        (({"type": "mcp_server", "name": "Linear", "url": "https://x.test"},), SANDBOX, "lower-case"),
    ],
)
def test_what_the_service_refuses_is_refused_before_it_is_sent(
    given: tuple[dict[str, object] | str, ...], agent: str | None, reason: str
) -> None:
    """A combination that is known not to work costs nothing."""
    why = why_not(tools(*given), agent=agent)
    assert why is not None
    assert reason in why


@pytest.mark.parametrize(
    ("given", "agent"),
    [
        (("google_search", "url_context", "code_execution"), RESEARCH),
        ((FILES,), RESEARCH),
        ((FUNCTION, "google_search", "tool_search"), None),
        (({"type": "google_maps", "latitude": 47.4, "longitude": 8.5},), None),
        ((FUNCTION,), "my-agent"),
    ],
)
def test_what_goes_together_is_let_through(
    given: tuple[dict[str, object] | str, ...], agent: str | None
) -> None:
    """Nothing is refused that is not known to fail; an agent of one's own may take anything."""
    assert why_not(tools(*given), agent=agent) is None


@pytest.mark.parametrize(
    "given",
    [
        {"type": "teleport"},
        {"type": "function", "name": "no spaces"},
        {"type": "file_search", "stores": []},
        {"type": "mcp_server", "name": "x", "url": "file:///etc/passwd"},
        {"type": "mcp_server", "name": "x", "url": "https://x.test", "secret": "sk-live-123"},
    ],
)
def test_what_is_no_tool_is_refused(given: dict[str, object]) -> None:
    """A secret is named, never given: its value would stand in history."""
    with pytest.raises(ValidationError):
        tools(given)


def test_functions_are_those_that_workers_must_have_and_those_they_may() -> None:
    """Control of a screen calls functions that nobody declared, but for those that were excluded."""
    given = tools(FUNCTION, {"type": "computer_use", "excluded": ["search"]})
    assert function_names(given) == ("weather",)
    assert "click_at" in callable_names(given)
    assert "search" not in callable_names(given)
