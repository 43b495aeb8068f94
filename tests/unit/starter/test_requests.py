import pytest

from runs.messages import DEFAULT_AGENT
from starter.errors import InvalidInput
from starter.requests import check_request


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": ""}, "--model: "),
        ({"model": "m", "generation": {"thinking_level": "hard"}}, "--thinking: .*'minimal'"),
        ({"model": "m", "generation": {"seed": 2**40}}, "--seed: "),
        (
            {"model": "m", "outputs": {"forms": [{"type": "image", "aspect_ratio": "7:1"}]}},
            "--image: .*'16:9'",
        ),
        ({"model": "m", "outputs": {"forms": [{"type": "image", "size": "9K"}]}}, "--image-size: .*'2K'"),
        (
            {"model": "m", "outputs": {"forms": [{"type": "video", "aspect_ratio": "1:1"}]}},
            "--video: .*'9:16'",
        ),
        ({"model": "m", "budget": {"max_tokens": 0}}, "--max-tokens: "),
        ({"model": "m", "labels": ["x" * 101]}, "--label: "),
        ({"model": "m", "service_tier": "cheap"}, "--service-tier: .*'flex'"),
        ({"model": "m", "max_tool_rounds": 0}, "--max-rounds: "),
        ({"agent": "a", "model": "m"}, "give exactly one of agent and model"),
        ({"agent": DEFAULT_AGENT, "system_instruction": "Be brief"}, f"{DEFAULT_AGENT} takes no system"),
        ({"model": "m", "planning": {}}, "planning is what Deep Research does"),
    ],
)
def test_what_is_wrong_is_told_by_its_option(fields: dict[str, object], message: str) -> None:
    """Whoever typed an option reads its name, and what it could be, not where it stands in a request."""
    with pytest.raises(InvalidInput, match=f"^{message}"):
        check_request({"input": "q", **fields})
