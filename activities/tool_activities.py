"""The activities of function tools: what the worker has, and one call of one of them."""

import asyncio
import contextvars
import hashlib
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import NotSendable
from activities.heartbeat import beating
from activities.quotes import with_quotes
from activities.tool_results import UnusableResult, beginning_of, result_of
from activities.tool_threads import ToolThreads
from artifacts.errors import ArtifactNotFound, ArtifactsError, StoreUnavailable
from artifacts.keys import to_uri
from artifacts.store import ArtifactStore
from interactions.redaction import Redactor
from runs.errors import ActivityErrorType, RunErrorCode
from runs.limits import (
    MAX_CATALOG_BYTES,
    MAX_ERROR_CHARS,
    MAX_THOUGHT_CHARS,
    MAX_TOOL_RESULT_BYTES,
    MAX_TOOLS,
)
from runs.stores import StoreRef
from runs.text import clean_text, first_line
from runs.tool_calls import CallTool, DescribeTools, ToolAnswer, ToolCall, ToolCatalog, ToolDescription
from tools.context import calling
from tools.declaring import Tool
from tools.errors import ToolError
from tools.parameters import InvalidArguments
from tools.registry import ToolRegistry

log = structlog.get_logger()

_MAKES_DO_FROM: Final = 4
"""From this attempt on, or its last, a tool runs where the run's store is not: the model waits for it."""

MAX_DOCUMENT_BYTES: Final = MAX_TOOL_RESULT_BYTES + 1024
"""A stored result with what is around it."""

_MAX_READ_CHARS: Final = 1024 * 1024
"""Of an exception's message; a longer one is cut before secrets are looked for in it. What may be left of one
there is far beyond what is shown."""


class ToolActivities:
    """Activities that share the worker's tools, and threads for those that are not asynchronous.

    Whatever comes from a tool (a result, an error, a heartbeat, a default value) passes by the redactor
    before it is stored, goes into history or is told to the model: a tool sees the worker's secrets.

    Args:
        registry: The tools.
        store: Where results go.
        threads: Where they run. As many as there are activities: a call that waited for a thread would use up
            its time for nothing.
        redactor: Of the worker's secrets.
        on_called: Called when a tool has ended, in the context in which it ran.
    """

    def __init__(
        self,
        registry: ToolRegistry,
        store: ArtifactStore,
        *,
        threads: ToolThreads,
        redactor: Redactor,
        on_called: Callable[[], None] = lambda: None,
    ) -> None:
        self._registry = registry
        self._store = store
        self._redactor = redactor
        self._on_called = on_called
        self._threads = threads

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for a worker to register."""
        return [self.describe_tools, self.call_tool]

    @activity.defn(name="describe_tools")
    async def describe_tools(self, wanted: DescribeTools) -> ToolCatalog:
        """Say which of the tools that a run wants are here. May be repeated.

        Raises:
            ApplicationError: type ``CatalogTooLong``: their descriptions do not fit into history.
        """
        names = dict.fromkeys((*wanted.names, *wanted.optional))
        described = [
            self._redacted(tool.description)
            for name in names
            if (tool := self._registry.get(name)) is not None
        ]
        catalog = ToolCatalog(
            tools=tuple(described),
            missing=tuple(name for name in wanted.names if self._registry.get(name) is None),
            available=self._registry.names[:MAX_TOOLS],
        )
        size_bytes = len(catalog.model_dump_json().encode())
        if size_bytes > MAX_CATALOG_BYTES:
            raise ApplicationError(
                f"the descriptions of {len(described)} tools have {size_bytes:,} bytes together; "
                f"the limit is {MAX_CATALOG_BYTES:,}; give the run fewer tools, or shorten their docstrings",
                RunErrorCode.REJECTED.value,
                type=ActivityErrorType.CATALOG_TOO_LONG,
                non_retryable=True,
            )
        return catalog

    @activity.defn(name="call_tool")
    async def call_tool(self, called: CallTool) -> ToolAnswer:
        """Carry out one call, store what it returned and return where.

        May be repeated as far as the tool may. What the model can do something about is an answer, not an
        error: no such tool, arguments that do not fit, a `ToolError`, a result that is no JSON or too long.

        Raises:
            ApplicationError: type ``ToolFailed``: the tool failed otherwise, or took longer than its
                ``timeout_s``; or the store is away. May be tried again.
        """
        call = called.call
        tool = self._registry.get(call.name)
        if tool is None:
            return _error(call, f"there is no tool {call.name!r}; there are: {self._there()}")
        key = f"{called.artifacts_prefix}/{called.file_name}"
        # A worker that was lost sight of, or the run before it was reset, may have got as far as this: then
        # the tool need not run again.
        may_be_there = called.is_named_by_call or activity.info().attempt > 1
        if may_be_there and (answer := await self._stored(call, key)) is not None:
            return answer
        store = await self._where(called, tool)
        try:
            arguments = await self._arguments(called, tool)
            value = await self._carry_out(tool, arguments, call_id=_call_id(key))
            # Megabytes of JSON would make other activities miss a heartbeat.
            result = await self._threads.call(result_of, value, self._redactor)
        except InvalidArguments as error:
            return _error(call, f"{call.name} does not take these arguments: {error}")
        except (ToolError, UnusableResult) as error:
            return _error(call, self._said_by(error) or f"{call.name} failed and gave no reason")
        try:
            kept = await self._store.put(key, result.document, "application/json")
        except ArtifactsError as error:
            raise _failed(f"{call.name} ran, but what it returned could not be stored: {error}") from error
        log.info("tool.called", tool=call.name, result_bytes=kept.size_bytes)
        return ToolAnswer(
            call_id=call.call_id,
            name=call.name,
            uri=kept.uri,
            text=result.beginning,
            size_bytes=kept.size_bytes,
            store=store,
        )

    async def _where(self, called: CallTool, tool: Tool) -> StoreRef:
        """Return where the result will be, before the tool runs.

        Raises:
            ApplicationError: type ``ToolFailed``: the store is away, or is not the run's and the tool has
                attempts left, which a worker that finds what was stored before may take.
        """
        try:
            here = await self._store.identity()
        except ArtifactsError as error:
            raise _failed(f"the store cannot say which it is: {error}") from error
        there, attempt = called.store, activity.info().attempt
        if there is None or there.store_id == here.store_id:
            return here
        if attempt < min(tool.description.max_attempts, _MAKES_DO_FROM):
            raise _failed(f"the run's files are in {there.named}, and this worker has {here.named}")
        log.warning("store.differs", store=here.named, run_store=there.named, tool=tool.name)
        return here

    def _there(self) -> str:
        return first_line(", ".join(self._registry.names), MAX_ERROR_CHARS // 2) or "none"

    async def _stored(self, call: ToolCall, key: str) -> ToolAnswer | None:
        """Return the answer of an earlier attempt, if one got as far as storing it."""
        try:
            document = await self._store.get(key, max_bytes=MAX_DOCUMENT_BYTES)
        except ArtifactNotFound:
            return None
        except ArtifactsError as error:
            raise _failed(f"the store cannot say whether {call.name} has run already: {error}") from error
        return ToolAnswer(
            call_id=call.call_id,
            name=call.name,
            uri=to_uri(self._store.base_uri, key),
            text=await self._threads.call(beginning_of, document),
            size_bytes=len(document),
            store=await self._store.identity(),
        )

    async def _arguments(self, called: CallTool, tool: Tool) -> Mapping[str, Any]:
        try:
            filled = await with_quotes(called.call.arguments, called.quotes, self._store)
        except StoreUnavailable as error:
            raise _failed(f"a text that belongs into the arguments cannot be read: {error}") from error
        except (ArtifactsError, NotSendable) as error:
            raise InvalidArguments(str(error)) from None
        assert isinstance(filled, dict)  # as it came
        try:
            # In a thread: the types are the user's, and so are their validators.
            return await self._threads.call(tool.parameters.check, filled, redact=self._redactor.text)
        except InvalidArguments:
            raise
        except Exception as error:  # noqa: BLE001 - a validator of the user's may raise anything
            raise self._failed_with(tool, error) from None

    async def _carry_out(self, tool: Tool, arguments: Mapping[str, Any], *, call_id: str) -> object:
        """Call the function and return what it returns.

        Raises:
            ToolError: The tool's own word to the model.
            ApplicationError: type ``ToolFailed``.
        """
        timeout_s = tool.description.timeout_s
        timeout = asyncio.timeout(timeout_s)
        progress = _Progress(self._redactor)
        try:
            async with beating(progress.beat), timeout:
                with (
                    calling(call_id, heartbeat=progress.show),
                    structlog.contextvars.bound_contextvars(tool=tool.name),
                ):
                    if tool.is_async:
                        return await self._threads.run(self._in_loop, tool=tool, arguments=arguments)
                    return await self._threads.call(self._in_thread, tool, arguments)
        except ToolError:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Out of something that the tool itself cancelled.
            raise self._failed_with(tool, error) from None
        # SystemExit as well: it would end the worker, and with it everything else that it does.
        except (Exception, SystemExit) as error:  # noqa: BLE001 - and so may a tool
            if timeout.expired():
                raise _failed(f"{tool.name} took longer than its {timeout_s:g} seconds") from None
            raise self._failed_with(tool, error) from None

    async def _in_loop(self, tool: Tool, arguments: Mapping[str, Any]) -> object:
        try:
            return await tool.function(**arguments)
        finally:
            self._on_called()

    def _in_thread(self, tool: Tool, arguments: Mapping[str, Any]) -> object:
        try:
            return tool.function(**arguments)
        finally:
            self._on_called()

    def _redacted(self, description: ToolDescription) -> ToolDescription:
        # The default of a parameter may be a secret, and stands in the schema.
        parameters = self._redactor.json(description.parameters)
        return description.model_copy(update={"parameters": parameters})

    def _said_by(self, error: BaseException) -> str:
        return self._redactor.text(str(error)[:_MAX_READ_CHARS])

    def _failed_with(self, tool: Tool, error: BaseException) -> ApplicationError:
        reason = "".join(traceback.format_exception_only(error))[:_MAX_READ_CHARS]
        failed = _failed(f"{tool.name} failed: {self._redactor.text(reason).strip()}")
        # With the stack that helps the tool's author, in the log and in the Temporal UI. Not as a cause,
        # which would go into history whole, and an exception of somebody else's may be of any length.
        return failed.with_traceback(error.__traceback__)


class _Progress:
    """What a tool last said of how far it is, for the heartbeats of its call."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._detail: str | None = None

    def show(self, detail: str) -> None:
        """Take ``detail`` and send it on. From any thread."""
        self._detail = first_line(self._redactor.text(detail), MAX_THOUGHT_CHARS)
        self._loop.call_soon_threadsafe(self.beat, context=self._context)

    def beat(self) -> None:
        """Heartbeat the last detail."""
        activity.heartbeat(*(() if self._detail is None else (self._detail,)))


def _call_id(key: str) -> str:
    # Where the result goes is what is the same on every attempt, and of no other call in the world.
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _error(call: ToolCall, text: str) -> ToolAnswer:
    return ToolAnswer(
        call_id=call.call_id, name=call.name, is_error=True, text=clean_text(text[:MAX_ERROR_CHARS])
    )


def _failed(message: str) -> ApplicationError:
    return ApplicationError(clean_text(message[:MAX_ERROR_CHARS]), type=ActivityErrorType.TOOL_FAILED)
