"""The activities of texts that are put together from stored ones, and of functions called for their value."""

import json
from collections.abc import Callable
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import failures
from activities.failures import NotSendable
from activities.json_values import is_readable
from activities.quotes import with_quotes
from activities.tool_activities import MAX_DOCUMENT_BYTES, ToolActivities
from artifacts.errors import ArtifactsError, StoreUnavailable
from artifacts.store import ArtifactStore
from runs.errors import RunErrorCode
from runs.limits import MAX_DATA_BYTES, MAX_EXCERPT_BYTES
from runs.stored_text import StoredText, StoreText
from runs.text import excerpt_utf8
from runs.tool_calls import CallTool, ToolStepResult

_MARKDOWN: Final = "text/markdown"


class TextActivities:
    """Activities that leave a text in the store for another step to quote.

    Args:
        store: Where texts are.
        tools: Carries out the functions.
    """

    def __init__(self, store: ArtifactStore, tools: ToolActivities) -> None:
        self._store = store
        self._tools = tools

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for a worker to register."""
        return [self.store_text, self.call_tool_for_step]

    @activity.defn(name="store_text")
    async def store_text(self, stored: StoreText) -> StoredText:
        """Put quoted texts in their places and store what comes of it. May be repeated.

        Raises:
            ApplicationError: A quoted text is not there, or the store is away; the latter may be tried again.
        """
        try:
            text = await with_quotes(stored.text, stored.quotes, self._store)
            assert isinstance(text, str)  # as it came
            return await self._put(stored.key, text)
        except (ArtifactsError, NotSendable) as error:
            raise ApplicationError(
                str(error),
                RunErrorCode.ARTIFACT_STORE.value,
                # Only a store that is away comes back by itself.
                non_retryable=not (isinstance(error, StoreUnavailable) and not error.is_final),
            ) from error

    @activity.defn(name="call_tool_for_step")
    async def call_tool_for_step(self, called: CallTool) -> ToolStepResult:
        """Carry out one call as ``call_tool`` does, and return its value for other steps to refer to.

        May be repeated as far as the tool may.

        Raises:
            ApplicationError: As ``call_tool``.
        """
        answer = await self._tools.call_tool(called)
        if answer.is_error or answer.uri is None:
            return ToolStepResult(error=answer.text)
        try:
            document = json.loads(await self._store.get(answer.uri, max_bytes=MAX_DOCUMENT_BYTES))
            value = document["result"] if "result" in document else _texts_in(document)
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            stored = await self._put(f"{called.artifacts_prefix}/{called.file_name}.md", text)
        except ArtifactsError as error:
            raise failures.not_settled(
                f"{called.call.name} ran, but what it returned cannot be read back: {error}",
                code=RunErrorCode.ARTIFACT_STORE,
            ) from error
        is_small = len(text.encode(errors="replace")) <= MAX_DATA_BYTES and is_readable(value)
        return ToolStepResult(
            data=value if is_small else None,
            text=stored.text if stored.size_bytes <= MAX_EXCERPT_BYTES else "",
            text_uri=stored.uri,
        )

    async def _put(self, key: str, text: str) -> StoredText:
        content = text.encode(errors="replace")
        ref = await self._store.put(key, content, _MARKDOWN)
        return StoredText(
            uri=ref.uri, text=excerpt_utf8(text, max_bytes=MAX_EXCERPT_BYTES), size_bytes=len(content)
        )


def _texts_in(document: dict[str, Any]) -> str:
    """Return the texts of a result with images, which no other step can refer to."""
    return "\n\n".join(part["text"] for part in document["contents"] if part["type"] == "text")
