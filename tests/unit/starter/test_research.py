from typing import Any

import pytest

from runs.planning import PlanMode, Planning
from starter.commands import research as command
from starter.commands.research import ResearchOptions, research
from starter.errors import ExitCode, InvalidInput
from starter.output import Output
from starter.requests import check_request


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The fields of each request that is started, without anything being started."""
    fields_of_all: list[dict[str, object]] = []

    async def start(fields: dict[str, object], *_: object, **__: object) -> ExitCode:
        fields_of_all.append(fields)
        return ExitCode.DONE

    monkeypatch.setattr(command, "start", start)
    return fields_of_all


@pytest.mark.parametrize(
    ("options", "planning"),
    [
        ({}, None),
        ({"plan": "ask"}, Planning()),
        ({"plan": "ask", "plan_expires": "2h"}, Planning(expires_s=7_200)),
        ({"plan": "auto"}, Planning(mode=PlanMode.AUTO)),
        ({"plan": "auto", "plan_grace": "0"}, Planning(mode=PlanMode.AUTO, grace_s=0)),
    ],
)
async def test_a_plan_is_made_if_it_is_asked_for(
    asked: list[dict[str, object]], options: dict[str, Any], planning: Planning | None
) -> None:
    """Research begins at once, or with a plan that somebody approves, or may object to."""
    await research(ResearchOptions(question="q", **options), output=Output(as_json=False))
    assert check_request(asked[0]).planning == planning


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"plan": "later"}, "ask, or auto"),
        ({"plan_grace": "1m"}, "go with --plan"),
        ({"plan": "ask", "plan_grace": "1m"}, "--plan-grace goes with --plan auto"),
        ({"plan": "auto", "plan_expires": "1h"}, "--plan-expires goes with --plan ask"),
        ({"plan": "auto", "plan_grace": "soon"}, "--plan-grace 'soon' is no duration"),
        ({"is_max": True, "agent": "a"}, "both choose the agent"),
    ],
)
async def test_options_that_contradict_each_other_are_refused(
    asked: list[dict[str, object]], options: dict[str, Any], reason: str
) -> None:
    """An option without effect is a misunderstanding, and told before anything is started."""
    with pytest.raises(InvalidInput, match=reason):
        await research(ResearchOptions(question="q", **options), output=Output(as_json=False))
    assert not asked
