import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.json_values import MAX_DEPTH
from activities.text_activities import TextActivities
from activities.tool_activities import ToolActivities
from artifacts.errors import StoreUnavailable
from artifacts.store import ArtifactStore
from interactions.redaction import Redactor
from runs.errors import ActivityErrorType, RunErrorCode
from runs.limits import MAX_DATA_BYTES, MAX_EXCERPT_BYTES, MAX_QUOTED_BYTES
from runs.quotes import Quote
from runs.stored_text import StoredText, StoreText
from runs.tool_calls import CallTool, ToolCall, ToolStepResult
from tests.tool_threads import tool_threads
from tools import Image, ToolError, tool
from tools.declaring import Tool, tool_of
from tools.registry import ToolRegistry

KEY = "my-chain/0190f3/all.md"


class Setup:
    """Activities under test, and their store."""

    def __init__(self) -> None:
        self.store = ArtifactStore.open("memory://")
        self.environment = ActivityEnvironment()

    async def quoted(self, text: str, *, placeholder: str) -> Quote:
        """A stored text to quote."""
        ref = await self.store.put(f"quoted/{ord(placeholder)}.md", text.encode(), "text/markdown")
        return Quote(placeholder=placeholder, uri=ref.uri)

    async def put(self, text: str, *quotes: Quote) -> StoredText:
        """Store a text."""
        activities = TextActivities(
            self.store,
            ToolActivities(ToolRegistry(), self.store, threads=tool_threads(), redactor=Redactor()),
        )
        return await self.environment.run(activities.store_text, StoreText(text=text, quotes=quotes, key=KEY))

    def _activities(self, *found: Tool) -> TextActivities:
        tools = ToolActivities(ToolRegistry(found), self.store, threads=tool_threads(), redactor=Redactor())
        return TextActivities(self.store, tools)

    async def call(self, function: Callable[..., object], *quotes: Quote, **arguments: Any) -> ToolStepResult:
        """Carry out a call of ``function``."""
        found = tool_of(tool(function))
        assert found is not None
        activities = TextActivities(
            self.store,
            ToolActivities(ToolRegistry([found]), self.store, threads=tool_threads(), redactor=Redactor()),
        )
        call = ToolCall(call_id="c", name=found.name, arguments=arguments)
        return await self.environment.run(
            activities.call_tool_for_step,
            CallTool(
                call=call, quotes=quotes, artifacts_prefix="my-chain/0190f3", file_name="tools.now.json"
            ),
        )

    async def text_at(self, uri: str | None) -> str:
        """What is stored there."""
        assert uri is not None
        return (await self.store.get(uri)).decode()


@pytest.fixture
def setup() -> Setup:
    """A first attempt."""
    return Setup()


async def test_quoted_texts_are_put_in_their_places(setup: Setup) -> None:
    """Each as often as it stands there; what is stored is the whole, and a short one is returned, too."""
    one = await setup.quoted("ONE", placeholder="\ue000")
    two = await setup.quoted("ZWEI ü", placeholder="\ue001")
    stored = await setup.put("# \ue000\n\ue001 and \ue000", one, two)
    assert stored.text == "# ONE\nZWEI ü and ONE" == await setup.text_at(stored.uri)
    assert stored.size_bytes == len(stored.text.encode())
    assert stored.uri.endswith(KEY)


async def test_a_long_text_is_returned_as_its_beginning(setup: Setup) -> None:
    """History takes an excerpt; the file has all."""
    text = "ü" * MAX_EXCERPT_BYTES
    stored = await setup.put(text)
    assert len(stored.text.encode()) <= MAX_EXCERPT_BYTES
    assert stored.size_bytes == 2 * MAX_EXCERPT_BYTES
    assert await setup.text_at(stored.uri) == text


async def test_storing_may_be_repeated(setup: Setup) -> None:
    """The same key holds the same text."""
    assert await setup.put("tea") == await setup.put("tea")


async def test_a_quoted_text_that_is_gone_is_not_tried_again(setup: Setup) -> None:
    """It will not come back; the message says which it was."""
    with pytest.raises(ApplicationError, match=r"no artifact quoted/1\.md") as caught:
        await setup.put("\ue000", Quote(placeholder="\ue000", uri="memory:///quoted/1.md"))
    assert caught.value.non_retryable
    assert caught.value.details == (RunErrorCode.ARTIFACT_STORE,)


async def test_too_much_to_quote_is_refused(setup: Setup) -> None:
    """A text is put together in memory, so it has a bound."""
    half = await setup.quoted("x" * (MAX_QUOTED_BYTES // 2 + 1), placeholder="\ue000")
    other = await setup.quoted("y" * (MAX_QUOTED_BYTES // 2 + 1), placeholder="\ue001")
    with pytest.raises(ApplicationError, match="quote less") as caught:
        await setup.put("\ue000\ue001", half, other)
    assert caught.value.non_retryable


@pytest.mark.parametrize("is_final", [True, False])
async def test_a_store_that_is_away_is_waited_for(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, *, is_final: bool
) -> None:
    """As long as it may come back by itself."""

    async def put(*_: object) -> None:
        raise StoreUnavailable("it is full", is_final=is_final)

    monkeypatch.setattr(setup.store, "put", put)
    with pytest.raises(ApplicationError, match="it is full") as caught:
        await setup.put("tea")
    assert caught.value.non_retryable is is_final


def weather(city: str) -> dict[str, object]:
    """Say how the weather is."""
    if city == "Atlantis":
        raise ToolError("no such city")
    return {"city": city, "degrees": 4}


async def test_what_a_function_returns_is_data_and_text(setup: Setup) -> None:
    """Other steps refer to its keys; in a prompt it is JSON."""
    result = await setup.call(weather, city="Málaga")
    assert result.data == {"city": "Málaga", "degrees": 4}
    assert result.text == '{"city": "Málaga", "degrees": 4}' == await setup.text_at(result.text_uri)
    assert result.error is None


async def test_a_text_is_itself(setup: Setup) -> None:
    """Not JSON of it, with quotes around."""

    def greet(name: str) -> str:
        """Greet."""
        return f'Hello "{name}"'

    result = await setup.call(greet, name="Ada")
    assert result.data == result.text == 'Hello "Ada"'


async def test_quoted_texts_reach_the_function(setup: Setup) -> None:
    """An argument may be a whole report."""

    def length(text: str) -> int:
        """Count."""
        return len(text)

    quote = await setup.quoted("x" * 100_000, placeholder="\ue000")
    assert (await setup.call(length, quote, text="\ue000")).data == 100_000


async def test_a_value_that_is_too_long_for_history_is_a_file(setup: Setup) -> None:
    """Its text can be quoted; its keys cannot be referred to."""

    def report() -> str:
        """Write."""
        return "x" * (MAX_DATA_BYTES + 1)

    result = await setup.call(report)
    assert (result.data, result.text) == (None, "")
    assert await setup.text_at(result.text_uri) == "x" * (MAX_DATA_BYTES + 1)


async def test_a_value_that_history_cannot_give_back_is_a_text(setup: Setup) -> None:
    """A payload nested too deeply to be read would leave the chain stuck."""

    def nested() -> object:
        """Nest."""
        value: object = 0
        for _ in range(MAX_DEPTH + 1):
            value = [value]
        return value

    result = await setup.call(nested)
    assert result.data is None
    assert result.text == "[" * (MAX_DEPTH + 1) + "0" + "]" * (MAX_DEPTH + 1)


async def test_of_images_the_texts_are_kept(setup: Setup) -> None:
    """A step can quote texts only."""

    def picture() -> list[object]:
        """Draw."""
        return ["A cat.", Image(b"\x89PNG\r\n\x1a\n", "image/png"), "Asleep."]

    assert (await setup.call(picture)).text == "A cat.\n\nAsleep."


async def test_a_function_that_says_no_is_an_answer(setup: Setup) -> None:
    """As for a model: it is not tried again, and the step fails with its words."""
    result = await setup.call(weather, city="Atlantis")
    assert (result.error, result.data, result.text_uri) == ("no such city", None, None)


async def test_a_function_that_breaks_is_tried_again(setup: Setup) -> None:
    """As often as it may be; that is said by how the workflow asks."""

    def broken() -> str:
        """Break."""
        raise RuntimeError("boom")

    with pytest.raises(ApplicationError) as caught:
        await setup.call(broken)
    assert caught.value.type == ActivityErrorType.TOOL_FAILED
    assert not caught.value.non_retryable


async def test_a_function_that_ran_is_not_run_again(setup: Setup) -> None:
    """A second attempt, after a worker was lost, finds what the first has stored."""
    calls = []

    def pay() -> str:
        """Pay."""
        calls.append(1)
        return "paid"

    first = await setup.call(pay)
    setup.environment.info = dataclasses.replace(setup.environment.info, attempt=2)
    assert await setup.call(pay) == first
    assert calls == [1]
