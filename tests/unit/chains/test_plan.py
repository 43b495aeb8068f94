import pytest

from chains.plan import Plan, function_names_of, unapproved_calls
from tests.unit.chains.support import chain

PAY = {"tool": {"name": "pay", "arguments": {"amount": 5}}}
NEEDING_APPROVAL = frozenset({"pay"})


def test_the_functions_of_a_chain_are_those_of_steps_and_those_given_to_models() -> None:
    """Each once, so that workers are asked for all of them before anything is paid for."""
    spec = chain(
        {
            "a": PAY,
            "b": {"ask": {"prompt": "x", "tools": ["weather", "google_search"]}},
            "c": {"for_each": {"items": ["x"], "do": PAY}},
        }
    )
    assert function_names_of(spec) == ("pay", "weather")


@pytest.mark.parametrize(
    ("steps", "unapproved"),
    [
        ({"a": PAY}, ("a",)),
        ({"ok": {"approve": "Pay?"}, "a": PAY}, ("a",)),
        ({"ok": {"approve": "Pay?"}, "a": {**PAY, "after": "ok"}}, ()),
        ({"ok": {"approve": "Pay?", "on_error": "skip_dependents"}, "a": {**PAY, "after": "ok"}}, ()),
        ({"ok": {"approve": "Pay?", "on_error": "continue"}, "a": {**PAY, "after": "ok"}}, ("a",)),
        ({"b": {"ask": "x"}, "a": {**PAY, "after": "b"}}, ("a",)),
        ({"a": {"tool": {"name": "weather"}}}, ()),
    ],
)
def test_what_needs_approval_waits_for_one_that_can_stop_it(
    steps: dict[str, object], unapproved: tuple[str, ...]
) -> None:
    """An approval whose rejection changes nothing is none."""
    assert unapproved_calls(Plan(chain(steps)), NEEDING_APPROVAL) == unapproved
