"""Calls that the client carries out: its own functions, and actions on a screen."""

import re
from collections.abc import Sequence
from typing import Any, Final

from emulator.records import Record
from emulator.schema import example_of, misfit_of
from emulator.server_tools import signature_of
from emulator.timeline import Step

UNDECLARED: Final = "undeclared_function"
"""What a model calls when it makes a function up."""

_POINTER: Final = (
    ("click_at", {"x": 371, "y": 470}),
    ("type_text_at", {"x": 371, "y": 470, "text": "{topic}", "press_enter": True}),
)
_ACTIONS: Final[dict[str, tuple[tuple[str, dict[str, Any]], ...]]] = {
    "browser": (*_POINTER, ("scroll_document", {"direction": "down"})),
    "mobile": (*_POINTER, ("long_press_at", {"x": 500, "y": 500})),
    "desktop": (*_POINTER, ("key_combination", {"keys": "control+s"})),
}
"""What computer_use does, one action a round. Coordinates are thousandths of the screen."""


def function_calls(record: Record) -> list[Step]:
    """The calls that the model asks for now; empty when it can answer."""
    choice = (record.body.get("generation_config") or {}).get("tool_choice", "auto")
    done = rounds_done(record)
    if choice == "none" or done >= (record.directive.tool_rounds or 1):
        return []
    allowed = choice.get("allowed_tools", {}).get("tools", []) if isinstance(choice, dict) else []
    chosen = [*_chosen_functions(record, allowed), *_actions(record, done)]
    if chosen and "unknown-function" in record.life:
        chosen[0] = (UNDECLARED, chosen[0][1])
    if "bad-arguments" in record.life:
        chosen = [(name, misfit_of(arguments)) for name, arguments in chosen]
    return [
        {
            "type": "function_call",
            # Of this interaction alone, so that a result for another one's call is found out.
            "id": f"fc_{record.interaction_id[-8:]}_{done + 1}_{number}",
            "name": name,
            "arguments": arguments if isinstance(arguments, dict) else {},
            "signature": signature_of(record.interaction_id, number),
        }
        for number, (name, arguments) in enumerate(chosen, start=1)
    ]


def callable_functions(record: Record) -> list[dict[str, Any]]:
    """The functions that the client declares, among them its own search for tools."""
    return [
        {**tool, "name": tool.get("name", "tool_search")}
        for tool in record.body.get("tools") or []
        if tool["type"] == "function" or (tool["type"] == "tool_search" and tool.get("execution") == "client")
    ]


def _chosen_functions(record: Record, allowed: Sequence[str]) -> list[tuple[str, Any]]:
    declared = callable_functions(record)
    declared = [tool for tool in declared if tool["name"] in allowed] or declared
    question = asked_first(record)
    chosen = [tool for tool in declared if _is_about(tool, question)] or declared[:1]
    return [
        (tool["name"], example_of(tool.get("parameters") or {"type": "object"}, text=question))
        for tool in chosen
    ]


def _is_about(tool: dict[str, Any], question: str) -> bool:
    words = {word for word in re.split(r"[\W_]+", tool["name"].lower()) if len(word) > 3}  # noqa: PLR2004 - skips get, set
    return any(word in question.lower() for word in words)


def _actions(record: Record, done: int) -> list[tuple[str, Any]]:
    for tool in record.body.get("tools") or []:
        if tool["type"] == "computer_use":
            excluded = tool.get("excluded_predefined_functions") or []
            known = _ACTIONS[tool.get("environment", "browser")]
            left = [(name, arguments) for name, arguments in known if name not in excluded]
            if left:
                name, arguments = left[done % len(left)]
                return [(name, {key: _filled(each, record) for key, each in arguments.items()})]
    return []


def _filled(value: Any, record: Record) -> Any:
    return asked_first(record)[:60] if value == "{topic}" else value


def rounds_done(record: Record) -> int:
    """How often in this conversation the model has had results since a person last spoke."""
    results = _result_groups(record.body.get("input"))
    if not results:
        return 0
    rounds = results - 1
    for turn in reversed(record.turns):
        if not turn.calls:
            break
        rounds += 1
    # Without stored turns (store=false) the groups in the input are all there is.
    return rounds if record.turns else results


def _result_groups(value: Any) -> int:
    groups, inside = 0, False
    for step in value if isinstance(value, list) else []:
        kind = step.get("type")
        if kind == "function_result":
            groups += not inside
        elif kind == "user_input":
            groups = 0
        inside = kind == "function_result"
    return groups


def asked_first(record: Record) -> str:
    """What a person asked last, however many rounds of functions ago."""
    if _result_groups(record.body.get("input")):
        for turn in reversed(record.turns):
            if turn.user and not turn.user.startswith("{"):
                return turn.user
    return record.question
