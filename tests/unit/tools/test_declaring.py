import functools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import InvalidTool, tool
from tools.declaring import Tool, tool_of


def declared(function: object) -> Tool:
    """Return the tool that ``function`` has become."""
    found = tool_of(function)
    assert found is not None
    return found


def lookup(city: str) -> str:
    """Look up a city."""
    return city


def test_a_function_becomes_a_tool_and_stays_a_function() -> None:
    """Name, docstring and hints say it all; tests call the function as before."""
    decorated = tool(lookup)
    description = declared(decorated).description
    assert decorated("Bergen") == "Bergen"
    assert (description.name, description.description) == ("lookup", "Look up a city.")
    assert description.parameters["required"] == ["city"]
    assert not description.needs_approval
    assert description.heartbeat_timeout_s is None


def test_options_are_what_the_workflow_is_told() -> None:
    """Each option of the decorator is a field of the description."""

    @tool(name="look.up", needs_approval=True, timeout_s=300, heartbeat_timeout_s=30, max_attempts=1)
    async def lookup() -> None:
        """Look up."""

    found = declared(lookup)
    assert found.is_async
    assert found.description.model_dump(exclude={"parameters", "description"}) == {
        "name": "look.up",
        "needs_approval": True,
        "timeout_s": 300,
        "heartbeat_timeout_s": 30,
        "max_attempts": 1,
    }


def test_what_is_no_tool_is_none() -> None:
    """Whatever else a module holds is left alone."""
    assert [tool_of(value) for value in (lambda: 1, 1, Tool, None)] == [None] * 4


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"name": "look up"}, "the service does not take the name 'look up'"),
        ({"name": ""}, "the service does not take the name ''"),
        ({"name": "x" * 65}, "64 at the most"),
        ({"timeout_s": 0}, "timeout_s: "),
        ({"timeout_s": float("nan")}, "timeout_s: "),
        ({"timeout_s": float("inf")}, "a week"),
        ({"timeout_s": 8 * 24 * 3600}, "a week"),
        ({"max_attempts": 0}, "max_attempts: "),
        ({"heartbeat_timeout_s": 0.5}, "heartbeat_timeout_s: 0.5 is not between 1 and timeout_s, 60"),
        ({"heartbeat_timeout_s": 61}, "heartbeat_timeout_s: 61 is not between 1 and timeout_s, 60"),
    ],
)
def test_an_option_that_cannot_be_kept_is_refused(options: dict[str, Any], complaint: str) -> None:
    """A slip is found when the module is imported, not in a run that waits for the tool."""
    with pytest.raises(InvalidTool) as caught:
        tool(**options)(lookup)
    assert complaint in str(caught.value)


def no_docstring(city: str) -> None:  # noqa: D103
    del city


def only_sections(city: str) -> None:
    """
    Args:
        city: Its name.
    """  # noqa: D205, D212
    del city


def yields() -> Iterator[int]:
    """Yield."""
    yield 1


async def yields_later() -> AsyncIterator[int]:
    """Yield."""
    yield 1


def described_wrongly(city: str) -> None:  # noqa: D417 - the point
    """Look up.

    Args:
        citty: Its name.
    """
    del city


def long_winded() -> None:
    """Replaced below."""


long_winded.__doc__ = "word " * 8_000


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (no_docstring, "it has no docstring; say what it does"),
        (only_sections, "it has no docstring; say what it does"),
        (yields, "it yields; return the whole result"),
        (yields_later, "it yields; return the whole result"),
        (described_wrongly, "its docstring describes 'citty', which is no parameter"),
        (long_winded, "its description and schema have 40,"),
        (lambda: None, "it has no docstring"),
        (functools.partial(lookup, "Bergen"), "it is no function"),
        (Tool, "it is no function"),
    ],
)
def test_what_cannot_be_a_tool_is_refused(function: Callable[..., object], complaint: str) -> None:
    """What the model would have to guess is refused, with what to do about it."""
    with pytest.raises(InvalidTool) as caught:
        tool(function)
    assert complaint in str(caught.value)


def test_a_refusal_says_where() -> None:
    """File and line of the function, as editors and terminals link them."""
    with pytest.raises(InvalidTool) as caught:
        tool(no_docstring)
    place = f"{Path(__file__)}:{no_docstring.__code__.co_firstlineno}"
    assert str(caught.value).startswith(f"{place}: no_docstring cannot be a tool: ")
