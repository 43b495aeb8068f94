import asyncio
import base64
import dataclasses
import json
import math
import threading
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Final

import pytest
import structlog
from pydantic import AfterValidator
from structlog.testing import capture_logs
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

import tools
from activities.tool_activities import ToolActivities
from artifacts.errors import StoreUnavailable
from artifacts.store import ArtifactStore
from interactions.redaction import Redactor
from runs.errors import ActivityErrorType
from runs.limits import MAX_CATALOG_BYTES, MAX_ERROR_CHARS, MAX_TOOL_RESULT_BYTES
from runs.quotes import Quote
from runs.tool_calls import CallTool, DescribeTools, ToolAnswer, ToolCall
from tests.tool_threads import tool_threads
from tools import Image, ToolError, tool
from tools.declaring import Tool, tool_of
from tools.registry import ToolRegistry

PREFIX = "my-run/0190f3"
FILE = "tools/1-1.json"
KEY = f"{PREFIX}/{FILE}"

MCP_WORD = 'tok-4f/9c-"e2-zq7'
SECRETS = ("AIzaKEY-0123456789", f"Bearer {MCP_WORD}")
"""Of the worker."""

_MIB = 1024 * 1024


class Setup:
    """Tools under test, their store, and what was heartbeated."""

    def __init__(self) -> None:
        self.store = ArtifactStore.open("memory://")
        self.environment = ActivityEnvironment()
        self.beats: list[Any] = []
        self.environment.on_heartbeat = lambda *details: self.beats.append(details)

    async def call(
        self,
        function: Callable[..., object],
        arguments: dict[str, Any] | None = None,
        *,
        quotes: tuple[Quote, ...] = (),
        name: str | None = None,
        **told: Any,
    ) -> ToolAnswer:
        """Carry out a call of ``function``, the only tool; what else is ``told`` goes along with it."""
        found = declared(function)
        called = CallTool(
            call=ToolCall(call_id="c1", name=name or found.name, arguments=arguments or {}),
            artifacts_prefix=PREFIX,
            file_name=FILE,
            quotes=quotes,
            **told,
        )
        activities = ToolActivities(
            ToolRegistry([found]), self.store, threads=tool_threads(), redactor=Redactor(*SECRETS)
        )
        answer: ToolAnswer = await self.environment.run(activities.call_tool, called)
        assert (answer.call_id, answer.name) == ("c1", called.call.name)
        return answer

    def attempt(self, number: int, *, heartbeat_timeout: timedelta | None = None) -> None:
        """Be attempt ``number``."""
        self.environment.info = dataclasses.replace(
            self.environment.info, attempt=number, heartbeat_timeout=heartbeat_timeout
        )

    async def stored(self) -> Any:
        """Return what the call's file says."""
        return json.loads(await self.store.get(KEY))


@pytest.fixture
def setup() -> Setup:
    """A first attempt."""
    return Setup()


def declared(function: Callable[..., object]) -> Tool:
    """Return the tool that ``function`` is, or becomes."""
    found = tool_of(function) or tool_of(tool(function))
    assert found is not None
    return found


def returning(value: object) -> Callable[[], object]:
    """Return a tool that returns ``value``."""

    def give() -> object:
        """Give it."""
        return value

    return give


def raising(error: BaseException, *, is_async: bool = False) -> Callable[[], object]:
    """Return a tool that raises ``error``."""

    def fail() -> None:
        """Fail."""
        raise error

    async def fail_later() -> None:
        """Fail."""
        raise error

    return fail_later if is_async else fail


@tool
def greet(name: str, times: int = 1) -> str:
    """Greet somebody."""
    return " ".join([f"Hello {name}!"] * times)


@tool
async def greet_later(name: str) -> dict[str, str]:
    """Greet somebody."""
    await asyncio.sleep(0)
    return {"greeting": f"Hello {name}!"}


# --- describe_tools ------------------------------------------------------------------------------------


async def described(*found: Tool, names: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> Any:
    """Return what a worker with the tools ``found`` says of what a run wants."""
    activities = ToolActivities(
        ToolRegistry(found),
        ArtifactStore.open("memory://"),
        threads=tool_threads(),
        redactor=Redactor(*SECRETS),
    )
    wanted = DescribeTools(names=names, optional=optional)
    return await ActivityEnvironment().run(activities.describe_tools, wanted)


async def test_tools_are_described_in_the_order_they_were_asked_for() -> None:
    """What is there is described, once; what is not is named, with all there are."""
    catalog = await described(
        declared(greet),
        declared(greet_later),
        names=("greet_later", "dance", "greet"),
        optional=("greet", "x"),
    )
    assert [tool.name for tool in catalog.tools] == ["greet_later", "greet"]
    assert catalog.tools[1] == declared(greet).description
    assert catalog.missing == ("dance",)
    assert catalog.available == ("greet", "greet_later")


async def test_a_worker_without_tools_has_none() -> None:
    """Asked all the same, since the run may have been meant for other workers."""
    catalog = await described(names=("greet",))
    assert (catalog.tools, catalog.missing, catalog.available) == ((), ("greet",), ())


def many(count: int, *, docstring: str) -> list[Tool]:
    """Return tools that differ in their names."""
    found = []
    for number in range(count):

        def do() -> None: ...

        do.__doc__ = docstring
        do.__name__ = f"do_{number}"
        found.append(declared(do))
    return found


async def test_descriptions_that_history_cannot_hold_are_refused() -> None:
    """Before anything is submitted, and not to be tried again: nothing would change."""
    found = many(MAX_CATALOG_BYTES // 30_000 + 1, docstring="word " * 6_000)
    with pytest.raises(ApplicationError, match="give the run fewer tools") as caught:
        await described(*found, names=tuple(tool.name for tool in found))
    assert caught.value.type == ActivityErrorType.CATALOG_TOO_LONG
    assert caught.value.non_retryable


async def test_not_every_name_is_told() -> None:
    """The list of all there are is for a message."""
    catalog = await described(*many(200, docstring="Do it."), names=("greet",))
    assert len(catalog.available) == 128


# --- call_tool: results --------------------------------------------------------------------------------


async def test_a_result_is_a_file_and_its_address_the_answer(setup: Setup) -> None:
    """History keeps the address and the beginning."""
    answer = await setup.call(greet, {"name": "Ada"})
    assert await setup.stored() == {"result": "Hello Ada!"}
    assert answer.uri == f"{setup.store.base_uri}/{KEY}"
    assert answer.size_bytes == len(await setup.store.get(KEY))
    assert (answer.text, answer.is_error) == ("Hello Ada!", False)


async def test_asynchronous_tools_are_awaited(setup: Setup) -> None:
    """They share the worker's event loop."""
    await setup.call(greet_later, {"name": "Ada"})
    assert await setup.stored() == {"result": {"greeting": "Hello Ada!"}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", ""),
        ([1, (2, {3: "x"})], [1, [2, {"3": "x"}]]),
        ([math.nan, math.inf], [None, None]),
        (timedelta(minutes=1), "PT1M"),
        (b"text", "text"),
        (Quote(placeholder="p", uri="u"), {"placeholder": "p", "uri": "u"}),
        ([], []),
    ],
)
async def test_values_become_json(setup: Setup, value: object, expected: object) -> None:
    """As pydantic writes them; what is no number is null, since JSON has no other word."""
    await setup.call(returning(value))
    assert await setup.stored() == {"result": expected}


async def test_images_are_stored_with_their_texts(setup: Setup) -> None:
    """A screenshot is what most tools that drive a computer return."""
    answer = await setup.call(
        returning(["before", Image(b"\x89PNG"), Image(b"\xff", media_type="image/jpeg")])
    )
    assert await setup.stored() == {
        "contents": [
            {"type": "text", "text": "before"},
            {"type": "image", "media_type": "image/png", "data": base64.b64encode(b"\x89PNG").decode()},
            {"type": "image", "media_type": "image/jpeg", "data": base64.b64encode(b"\xff").decode()},
        ]
    }
    assert answer.text == "before [image/png] [image/jpeg]"


async def test_one_image_is_a_result(setup: Setup) -> None:
    """Alone, without a list."""
    await setup.call(returning(Image(b"\x89PNG")))
    assert [part["type"] for part in (await setup.stored())["contents"]] == ["image"]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: "x" * 50 * _MIB, "returned 52,428,800 characters; the limit is 4,194,304 bytes; ask for"),
        (lambda: b"x" * 50 * _MIB, "returned 52,428,800 bytes; the limit is 4,194,304 bytes; ask for less"),
        (lambda: "é" * (MAX_TOOL_RESULT_BYTES // 2), "returned 4,194,306 bytes"),
        (lambda: ["x" * MAX_TOOL_RESULT_BYTES], "returned 4,194,308 bytes"),
        (lambda: Image(b"x" * (MAX_TOOL_RESULT_BYTES + 1)), "returned 4,194,305 bytes in one image"),
        (lambda: [Image(b"x" * _MIB)] * 4, "bytes with its images as base64"),
    ],
    ids=["text", "bytes", "encoded", "list", "image", "images"],
)
async def test_a_result_longer_than_a_model_reads_is_refused(
    setup: Setup, make: Callable[[], object], complaint: str
) -> None:
    """The model is told how long it was and what to do; nothing is stored."""
    answer = await setup.call(returning(make()))
    assert answer.is_error
    assert complaint in answer.text
    assert await setup.store.list(PREFIX) == ()


async def test_the_longest_result_is_stored(setup: Setup) -> None:
    """Up to the limit, with what stands around it; history keeps the beginning."""
    answer = await setup.call(returning("x" * (MAX_TOOL_RESULT_BYTES - 2)))
    assert not answer.is_error
    assert answer.size_bytes == MAX_TOOL_RESULT_BYTES + len('{"result":}')
    assert len(answer.text.encode()) <= MAX_ERROR_CHARS


# --- call_tool: what the model is told -----------------------------------------------------------------


async def test_a_tool_that_is_not_there_is_told_with_those_that_are(setup: Setup) -> None:
    """A model that made a name up can choose another."""
    answer = await setup.call(greet, name="dance")
    assert answer.is_error
    assert answer.text == "there is no tool 'dance'; there are: greet"


async def test_arguments_that_do_not_fit_are_told(setup: Setup) -> None:
    """Per parameter; the tool does not run."""
    answer = await setup.call(greet, {"times": "often", "loud": True})
    assert answer.is_error
    assert answer.text == (
        "greet does not take these arguments: name: is missing; "
        "times: Input should be a valid integer, unable to parse string as an integer; "
        "loud: there is no such parameter"
    )


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_tools_own_word_is_told_as_it_is(setup: Setup, *, is_async: bool) -> None:
    """That is what `ToolError` is for: no retry, no wrapping."""
    answer = await setup.call(raising(ToolError("no such city"), is_async=is_async))
    assert (answer.is_error, answer.text) == (True, "no such city")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "fail failed and gave no reason"),
        ("\x1b[31mred", "red"),
        ("x" * 2 * MAX_ERROR_CHARS, "x" * MAX_ERROR_CHARS),
    ],
)
async def test_what_is_told_can_be_shown_and_kept(setup: Setup, said: str, told: str) -> None:
    """It stands in history and in people's terminals."""
    assert (await setup.call(raising(ToolError(said)))).text == told


# --- call_tool: what is tried again --------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("broken"), "failed: ValueError: broken"),
        (TimeoutError("no answer"), "failed: TimeoutError: no answer"),
        # They would end the worker, and leave whoever waits for the thread waiting.
        (SystemExit(1), "failed: SystemExit: 1"),
        (StopIteration(), "failed: RuntimeError: "),
        (asyncio.CancelledError(), "failed: asyncio.exceptions.CancelledError"),
        (ValueError("x" * 3 * 1024 * 1024), "failed: ValueError: xxx"),
    ],
    ids=["exception", "time-out", "exit", "stop", "cancelled", "long"],
)
async def test_any_other_exception_is_tried_again(
    setup: Setup, error: BaseException, message: str, *, is_async: bool
) -> None:
    """It comes to Temporal as one that may be retried, whatever it was, and small enough for history."""
    with pytest.raises(ApplicationError) as caught:
        await setup.call(raising(error, is_async=is_async))
    assert caught.value.type == ActivityErrorType.TOOL_FAILED
    assert not caught.value.non_retryable
    assert message in caught.value.message
    assert len(caught.value.message) <= MAX_ERROR_CHARS
    assert caught.value.__cause__ is None


async def test_the_author_finds_where_it_failed(setup: Setup) -> None:
    """The log and the Temporal UI show the stack down to the tool's own line."""
    with pytest.raises(ApplicationError) as caught:
        await setup.call(raising(ValueError("broken")))
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "fail"


async def test_a_tool_is_held_to_its_time(setup: Setup) -> None:
    """The activity says so by itself, where a time-out of Temporal's would only say that nobody answered."""

    @tool(timeout_s=0.01)
    async def wait() -> None:
        """Wait."""
        await asyncio.Event().wait()

    with pytest.raises(ApplicationError, match=r"wait took longer than its 0\.01 seconds$"):
        await setup.call(wait)


async def test_a_thread_is_given_up_after_its_time(setup: Setup) -> None:
    """It cannot be stopped, but nobody waits for it."""
    release = threading.Event()

    @tool(timeout_s=0.01)
    def block() -> None:
        """Block."""
        release.wait()

    try:
        with pytest.raises(ApplicationError, match="took longer"):
            await setup.call(block)
    finally:
        release.set()


_TOLD_WITHIN_S: Final = 30.0
"""It takes a millisecond; the rest is for a busy machine."""


async def test_a_cancelled_call_is_cancelled(setup: Setup) -> None:
    """The tool is told, and can clean up; it is no failure of its own."""
    # Of threads: the tool runs in an event loop of its own, and nobody waits for it to be told.
    began, told = threading.Event(), threading.Event()

    @tool
    async def wait() -> None:
        """Wait."""
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.set()
            raise

    call = asyncio.create_task(setup.call(wait))
    await asyncio.to_thread(began.wait)
    setup.environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(told.wait, _TOLD_WITHIN_S)


# --- call_tool: running --------------------------------------------------------------------------------


async def test_a_blocking_tool_does_not_block_the_worker(setup: Setup) -> None:
    """It runs in a thread: only because the event loop goes on does it ever end."""
    release = threading.Event()

    @tool
    def block() -> bool:
        """Block."""
        asyncio.run_coroutine_threadsafe(_set(release), loop).result(timeout=30)
        return release.wait(timeout=30)

    loop = asyncio.get_running_loop()
    await setup.call(block)
    assert await setup.stored() == {"result": True}


async def _set(event: threading.Event) -> None:
    event.set()


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_call_has_an_id_that_outlives_its_attempts(setup: Setup, *, is_async: bool) -> None:
    """The same on every attempt and for no other call: an idempotency key."""
    ids: list[str] = []

    def note() -> None:
        """Note."""
        ids.append(tools.call_id())
        raise ToolError

    async def note_later() -> None:
        """Note."""
        note()

    for number in (1, 2):
        setup.attempt(number)
        await setup.call(note_later if is_async else note)
    assert ids[0] == ids[1]
    assert len(ids[0]) == 32


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_tool_can_show_how_far_it_is(setup: Setup, *, is_async: bool) -> None:
    """From its thread, too; in one line, bounded, since heartbeats are stored."""

    def work() -> None:
        """Work."""
        tools.heartbeat("half\nway" + "." * 1_000)

    async def work_later() -> None:
        """Work."""
        work()
        await asyncio.sleep(0)

    await setup.call(work_later if is_async else work)
    assert setup.beats == [("half",)]


async def test_a_worker_beats_for_its_tools(setup: Setup) -> None:
    """With a heartbeat time-out the worker is heard of, and what the tool last said is repeated."""
    setup.attempt(1, heartbeat_timeout=timedelta(seconds=0.03))
    heard = threading.Event()

    def hear(*details: object) -> None:
        setup.beats.append(details)
        if len(setup.beats) > 4:
            heard.set()

    setup.environment.on_heartbeat = hear

    @tool(heartbeat_timeout_s=1)
    async def work() -> None:
        """Work."""
        tools.heartbeat("half way")
        await asyncio.to_thread(heard.wait)

    await setup.call(work)
    assert setup.beats[-1] == ("half way",)


async def test_a_result_that_is_stored_is_not_asked_for_again(setup: Setup) -> None:
    """A worker may be lost after it has stored the result: the next one finds it."""
    calls: list[str] = []

    def order(item: str) -> dict[str, str]:
        """Order."""
        calls.append(item)
        return {"ordered": item}

    first = await setup.call(order, {"item": "umbrella"})
    setup.attempt(2)
    assert await setup.call(order, {"item": "umbrella"}) == first.model_copy(
        update={"text": '{"ordered": "umbrella"}'}
    )
    assert calls == ["umbrella"]


async def test_a_result_from_before_a_reset_is_found_by_its_call(setup: Setup) -> None:
    """The first attempt does not run the tool then; a file that is named by number alone says nothing."""
    calls: list[str] = []

    def order(item: str) -> dict[str, str]:
        """Order."""
        calls.append(item)
        return {"ordered": item}

    for is_named_by_call, expected in ((True, 1), (True, 1), (False, 2)):
        answer = await setup.call(order, {"item": "umbrella"}, is_named_by_call=is_named_by_call)
        assert (answer.is_error, len(calls)) == (False, expected)


async def test_a_tool_runs_in_another_store_only_on_its_last_attempts(setup: Setup) -> None:
    """A worker with the run's files may have what an attempt before has stored."""
    there = await ArtifactStore.open("memory://").identity()
    calls: list[str] = []

    @tool(max_attempts=2)
    def order() -> str:
        """Order."""
        calls.append("order")
        return "ordered"

    with pytest.raises(ApplicationError, match=r"the run's files are in store [0-9a-f]{8} \(memory://\)"):
        await setup.call(order, store=there)
    assert calls == []
    setup.attempt(2)
    answer = await setup.call(order, store=there)
    assert (answer.store, calls) == (await setup.store.identity(), ["order"])


async def test_a_second_attempt_without_a_result_runs_the_tool(setup: Setup) -> None:
    """What was not stored did not happen, as far as the run is concerned."""
    setup.attempt(2)
    assert not (await setup.call(greet, {"name": "Ada"})).is_error


async def test_logs_say_that_and_not_what(setup: Setup) -> None:
    """Arguments and results are the run's own."""
    with capture_logs() as logs:
        await setup.call(greet, {"name": "secret"})
    assert [line["event"] for line in logs] == ["tool.called"]
    assert "secret" not in repr(logs)


# --- call_tool: the store, and quotes ------------------------------------------------------------------


async def test_a_result_that_cannot_be_stored_is_tried_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says that the tool has run."""

    async def put(*_: object) -> None:
        raise StoreUnavailable("full", is_final=True)

    monkeypatch.setattr(setup.store, "put", put)
    with pytest.raises(ApplicationError, match="greet ran, but what it returned could not be stored: full"):
        await setup.call(greet, {"name": "Ada"})


async def test_quotes_take_their_place_before_the_arguments_are_checked(setup: Setup) -> None:
    """Long texts are kept out of history; a text that looks like a placeholder is left alone."""
    one = await setup.store.put("one.txt", b"Ada <2>", "text/plain")
    two = await setup.store.put("two.txt", b"3", "text/plain")
    quotes = (Quote(placeholder="<1>", uri=one.uri), Quote(placeholder="<2>", uri=two.uri))
    await setup.call(greet, {"name": "<1>", "times": "<2>"}, quotes=quotes)
    assert await setup.stored() == {"result": "Hello Ada <2>! Hello Ada <2>! Hello Ada <2>!"}


async def test_a_quote_that_is_not_there_is_told(setup: Setup) -> None:
    """It will not be there the next time either."""
    quote = Quote(placeholder="<1>", uri=f"{setup.store.base_uri}/gone.txt")
    answer = await setup.call(greet, {"name": "<1>"}, quotes=(quote,))
    assert answer.is_error
    assert "no artifact gone.txt" in answer.text


# --- secrets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        f"the header is Bearer {MCP_WORD}",
        f"the token is {MCP_WORD}",
        json.dumps({"Authorization": f"Bearer {MCP_WORD}"}),
        {"environment": [{"KEY": SECRETS[0], MCP_WORD: 1}]},
        base64.b64encode(f"user:{MCP_WORD}".encode()).decode(),
        [Image(b"png"), f"seen with {SECRETS[0]}"],
    ],
    ids=["header", "token", "json", "nested", "base64", "beside an image"],
)
async def test_a_secret_is_neither_stored_nor_told(setup: Setup, value: object) -> None:
    """A tool sees what the worker was started with, and returns what it sees."""
    answer = await setup.call(returning(value))
    written = f"{answer.model_dump_json()} {(await setup.store.get(KEY)).decode()}"
    assert "[redacted]" in written
    assert not Redactor(*SECRETS).finds(written)
    # Not hexadecimal, as the ids are that stand in it.
    assert "zq7" not in written
    assert not answer.is_error


async def test_an_image_with_a_secret_in_it_is_refused(setup: Setup) -> None:
    """Taken out of the file, it would leave a picture that nobody can open."""
    answer = await setup.call(returning([Image(b"png" + SECRETS[0].encode())]))
    assert (answer.is_error, answer.text) == (
        True,
        "the tool returned an image whose file has a secret of the worker in it",
    )
    assert await setup.store.list(PREFIX) == ()


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_model_is_not_told_a_secret_in_an_error(setup: Setup, is_async: bool) -> None:
    """Whole, or as the part before which the text was cut."""
    text = "x" * (MAX_ERROR_CHARS - 5) + SECRETS[0]
    answer = await setup.call(raising(ToolError(text), is_async=is_async))
    assert answer.is_error
    assert "AIza" not in answer.text


async def test_a_failure_has_no_secret_in_it(setup: Setup) -> None:
    """Its message goes into history, with every attempt."""
    for text in (f"401 for Bearer {MCP_WORD}", "x" * (MAX_ERROR_CHARS - 30) + SECRETS[0]):
        with pytest.raises(ApplicationError) as caught:
            await setup.call(raising(ValueError(text)))
        assert not Redactor(*SECRETS).finds(str(caught.value))
        assert "AIza" not in str(caught.value)


async def test_a_validator_tells_no_secret(setup: Setup) -> None:
    """What a parameter's own type objects is told to the model."""

    def check(_: str) -> str:
        raise ValueError("y" * 180 + SECRETS[0])

    @tool
    def look_up(name: Annotated[str, AfterValidator(check)]) -> str:
        """Look it up."""
        return name

    answer = await setup.call(look_up, {"name": "x"})
    assert answer.is_error
    assert "AIza" not in answer.text


async def test_a_heartbeat_has_no_secret_in_it(setup: Setup) -> None:
    """Heartbeats are in history and in the Temporal UI."""

    @tool
    def work() -> None:
        """Work."""
        tools.heartbeat(f"at page 3 with {MCP_WORD}")

    setup.attempt(1, heartbeat_timeout=timedelta(seconds=30))
    await setup.call(work)
    assert ("at page 3 with [redacted]",) in setup.beats


async def test_a_default_value_is_described_without_its_secret() -> None:
    """It stands in the schema that the model is told, and that history keeps."""

    @tool
    def connect(token: str = MCP_WORD, key: str = SECRETS[0]) -> str:
        """Connect."""
        return token + key

    catalog = await described(declared(connect), names=("connect",))
    assert not Redactor(*SECRETS).finds(catalog.model_dump_json())
    assert catalog.tools[0].parameters["properties"]["token"]["default"] == "[redacted]"


async def test_what_a_tool_logs_names_it(setup: Setup) -> None:
    """So that its lines can be told from those of a call beside it."""
    seen: list[dict[str, Any]] = []

    @tool
    def say() -> None:
        """Say."""
        seen.append(structlog.contextvars.get_contextvars())

    await setup.call(say)
    assert seen == [{"tool": "say"}]
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_end_of_a_tool_is_announced_in_its_context(is_async: bool) -> None:
    """What it printed without a line end is shown then, even if it failed."""
    ended: list[str] = []
    activities = ToolActivities(
        ToolRegistry([declared(raising(ToolError("no"), is_async=is_async))]),
        ArtifactStore.open("memory://"),
        threads=tool_threads(),
        redactor=Redactor(),
        on_called=lambda: ended.append(structlog.contextvars.get_contextvars()["tool"]),
    )
    name = "fail_later" if is_async else "fail"
    called = CallTool(
        call=ToolCall(call_id="c1", name=name, arguments={}), artifacts_prefix=PREFIX, file_name=FILE
    )
    await ActivityEnvironment().run(activities.call_tool, called)
    assert ended == [name]
