"""Numbers and defaults that workflows decide by.

A replay asks them again. Where one has changed, a run that was once on this side of it may find itself on
the other, give other commands than its history has, and be stuck. Some of them no history of a bearable
size can hold, so all are written down here: whoever changes one changes workflow code, and finds out.
"""

from types import ModuleType
from typing import Final

import pytest
from pydantic import BaseModel

import chains.limits
import runs.limits
import workflows.chain
import workflows.conversation
from chains.spec import Approve, ChainSpec, ForEach, Join, OnError, OnExpiry, Retry, Step
from runs.conversation import ConversationRequest
from runs.messages import AgentRunRequest, CancelReport, Recovered, Sighting, Submitted
from runs.phase import UnknownPolicy
from runs.planning import PlanMode, Planning
from runs.tool_calls import ToolDescription

_KB: Final = 1024
_MB: Final = 1024 * 1024
_DAY_S: Final = 24 * 3600

DECIDING: Final[dict[ModuleType, dict[str, int]]] = {
    runs.limits: {
        "DEFAULT_APPROVAL_S": _DAY_S,
        "DEFAULT_DEADLINE_S": 75 * 60,
        "DEFAULT_IDLE_S": _DAY_S,
        "DEFAULT_TOOL_ROUNDS": 25,
        "MAX_ARGUMENTS_BYTES": 64 * _KB,
        "MAX_CONTINUATIONS": 50,
        "MAX_EXCERPT_BYTES": 4 * _KB,
        "MAX_ID_CHARS": 200,
        "MAX_QUOTES": 100,
        "MAX_RECENT_BYTES": 128 * _KB,
        "MAX_RECENT_TEXT_BYTES": 400,
        "MAX_RECENT_TURNS": 100,
        "MAX_RESUBMISSIONS": 3,
        "MAX_RUN_EVENTS": 40_000,
        "MAX_RUN_HISTORY_BYTES": 40 * _MB,
        "MAX_WAKES": 100,
        "MESSAGES_PER_EXECUTION": 250,
    },
    chains.limits: {
        "DEFAULT_PARALLEL": 8,
        "MAX_INLINE_BYTES": 4 * _KB,
        "MAX_ITEMS": 500,
        "MAX_KEPT_BYTES": 320 * _KB,
        "MAX_SHOWN_BYTES": 96 * _KB,
        "MAX_UNITS": 1_000,
    },
    workflows.chain: {"_MAX_EVENTS": 2_000},
    workflows.conversation: {"_MAX_OVERDUE_TURNS": 20},
}
"""What a workflow decides by while it runs: to start, to stop, to wait, to continue as new."""

BOUNDS_OF_STORED: Final[dict[ModuleType, dict[str, int]]] = {
    runs.limits: {
        "MAX_APPROVAL_S": 30 * _DAY_S,
        "MAX_ATTACHMENTS": 50,
        "MAX_ATTACHMENTS_BYTES": 70 * _MB,
        "MAX_CONVERSATION_BYTES": 512 * _KB,
        "MAX_DEADLINE_S": 7 * _DAY_S,
        "MAX_ERROR_CHARS": 1_000,
        "MAX_FEEDBACK_CHARS": 16_000,
        "MAX_IDLE_S": 55 * _DAY_S,
        "MAX_INDEXED_BYTES": 2_000,
        "MAX_INPUT_BYTES": 256 * _KB,
        "MAX_INTERACTION_ID_CHARS": 1_024,
        "MAX_LABELS": 20,
        "MAX_LABEL_CHARS": 100,
        "MAX_MESSAGE_ID_CHARS": 200,
        "MAX_ORIGIN_CHARS": 4_000,
        "MAX_SCHEMA_BYTES": 64 * _KB,
        "MAX_STOP_SEQUENCES": 5,
        "MAX_SYSTEM_INSTRUCTION_BYTES": 64 * _KB,
        "MAX_TOOLS": 128,
        "MAX_TOOLS_BYTES": 128 * _KB,
        "MAX_TOOL_ROUNDS": 200,
        "MAX_URI_CHARS": 2_048,
        "MIN_DEADLINE_S": 10,
        "MIN_IDLE_S": 1,
    },
    chains.limits: {
        "MAX_ATTEMPTS": 10,
        "MAX_INPUTS": 100,
        "MAX_INPUTS_BYTES": 128 * _KB,
        "MAX_LINE_BYTES": 200,
        "MAX_NAME_CHARS": 64,
        "MAX_NOTE_CHARS": 2_000,
        "MAX_PARALLEL": 100,
        "MAX_PATH_PARTS": 20,
        "MAX_REFERENCES": 200,
        "MAX_RETRY_WAIT_S": _DAY_S,
        "MAX_SPEC_BYTES": 256 * _KB,
        "MAX_STEPS": 1_000,
    },
}
"""What is asked of something stored each time a replay decodes it: what was within them has to stay so."""

FREE: Final[dict[ModuleType, frozenset[str]]] = {
    runs.limits: frozenset(
        {
            "MAX_ATTACHMENT_BYTES",
            "MAX_CALLS_PER_ROUND",
            "MAX_CATALOG_BYTES",
            "MAX_DATA_BYTES",
            "MAX_KEYWORD_CHARS",
            "MAX_MESSAGE_BYTES",
            "MAX_NOTES",
            "MAX_NOTE_CHARS",
            "MAX_PLAN_BYTES",
            "MAX_QUOTED_BYTES",
            "MAX_ROUND_ARGUMENTS_BYTES",
            "MAX_THOUGHT_CHARS",
            "MAX_TOKENS",
            "MAX_TOOL_RESULT_BYTES",
            "MAX_TURN_TEXT_BYTES",
            "MAX_WAITING",
            "MAX_WAITING_BYTES",
        }
    ),
    chains.limits: frozenset({"MAX_DEPTH", "MAX_FILE_BYTES", "MAX_MESSAGES_BYTES", "MAX_MESSAGE_BYTES"}),
}
"""What only activities, starters and the validators of updates ask, which no replay runs; and what only
shortens what is shown."""

DEFAULTS: Final[dict[type[BaseModel], dict[str, object]]] = {
    AgentRunRequest: {
        "budget": None,
        "deadline_s": 75 * 60,
        "is_background": None,
        "max_tool_rounds": 25,
        "on_unknown_submission": None,
        "planning": None,
        "tool_approval_s": _DAY_S,
    },
    Planning: {"mode": PlanMode.ASK, "grace_s": 60.0, "expires_s": _DAY_S},
    ConversationRequest: {"budget": None, "idle_timeout_s": _DAY_S, "messages_per_execution": 250},
    ChainSpec: {"budget": None, "max_parallel": 8},
    Step: {"budget": None, "on_error": OnError.FAIL, "retry": Retry(attempts=1, wait_s=60.0)},
    Retry: {"attempts": 1, "wait_s": 60.0},
    ForEach: {"max_parallel": None},
    Approve: {"expires": "24h", "on_expiry": OnExpiry.REJECT},
    Join: {"separator": "\n\n"},
    Submitted: {"has_ended": False},
    Recovered: {"interaction_id": None},
    Sighting: {"has_ended": False},
    CancelReport: {"had_ended": False},
    ToolDescription: {"needs_approval": False},
}
"""What a workflow reads where whoever started it, or an activity of an older version, said nothing."""

_SEE: Final = "workflows in flight are replayed with it: see docs/changing.md, Numbers"


@pytest.mark.parametrize(
    ("module", "name", "recorded"),
    [(module, name, value) for module, row in DECIDING.items() for name, value in row.items()],
)
def test_a_number_that_workflows_decide_by_stays(module: ModuleType, name: str, recorded: int) -> None:
    """Changing it needs a patch, or to be read from a request that says which it was started with."""
    assert getattr(module, name) == recorded, _SEE


@pytest.mark.parametrize(
    ("module", "name", "recorded"),
    [(module, name, value) for module, row in BOUNDS_OF_STORED.items() for name, value in row.items()],
)
def test_a_bound_of_what_is_stored_only_widens(module: ModuleType, name: str, recorded: int) -> None:
    """What was within it when it was stored must not come to be refused when it is decoded again."""
    bound = getattr(module, name)
    assert bound <= recorded if name.startswith("MIN") else bound >= recorded, _SEE


@pytest.mark.parametrize("module", [runs.limits, chains.limits])
def test_every_limit_is_sorted(module: ModuleType) -> None:
    """Of a new one, it is known what changing it later will mean."""
    numbers = {name for name, value in vars(module).items() if name.isupper() and isinstance(value, int)}
    assert numbers == DECIDING[module].keys() | BOUNDS_OF_STORED[module].keys() | FREE[module]


@pytest.mark.parametrize(
    ("model", "name", "recorded"),
    [(model, name, value) for model, row in DEFAULTS.items() for name, value in row.items()],
)
def test_a_default_that_workflows_read_stays(model: type[BaseModel], name: str, recorded: object) -> None:
    """A start from another program says two fields; all the rest is decided anew by each replay."""
    assert model.model_fields[name].get_default(call_default_factory=True, validated_data={}) == recorded, (
        _SEE
    )


@pytest.mark.parametrize(
    ("target", "policy"), [("agent", UnknownPolicy.HOLD), ("model", UnknownPolicy.RESUBMIT)]
)
def test_what_an_unknown_submission_means_by_default_stays(target: str, policy: UnknownPolicy) -> None:
    """It decides whether a run in flight sends again or waits."""
    request = AgentRunRequest.model_validate({target: "x", "input": "Why?"})
    assert request.unknown_policy is policy, _SEE
