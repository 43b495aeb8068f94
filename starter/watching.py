"""Looking at something again and again until it has ended, through whatever happens to Temporal meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from temporalio.client import Client

from starter.errors import TemporalError, TemporalUnreachable
from starter.temporal import has_worker
from starter.views import ChainView, RunView

_View = TypeVar("_View", RunView, ChainView)

_YOUNG_S: Final = 60.0
_LOOK_EVERY_YOUNG_S: Final = 0.3
_LOOK_EVERY_S: Final = 1.0
"""A look is one request that reads memory. In its first minute a run changes fast, or is being tried out."""

_ASK_FOR_WORKER_EVERY_S: Final = 10.0
"""A worker that is gone is noticed by what does not happen; asking more often would not tell sooner."""

_REFUSED_FOR_S: Final = 30.0
"""A server that has just come back may not know its namespaces for some seconds."""


async def watched(client: Client, look: Callable[[_View | None], Awaitable[_View]]) -> AsyncIterator[_View]:
    """Yield what ``look`` sees until that has ended; the first and the last view are among them.

    Args:
        client: Of the namespace.
        look: Takes one look; is given the view before, or None.

    Raises:
        RunNotFound: It is not there (any more).
        TemporalError: Temporal could not be asked at the first look, or refuses from now on.
    """
    view = await look(None)
    asked_at = seen_at = time.monotonic()
    view = view.model_copy(update={"has_worker": await _has_worker(client, view.task_queue)})
    while True:
        yield view
        if view.phase.is_end:
            return
        await asyncio.sleep(_LOOK_EVERY_YOUNG_S if view.elapsed_s < _YOUNG_S else _LOOK_EVERY_S)
        try:
            now = await look(view)
            worker = view.has_worker
            if time.monotonic() - asked_at > _ASK_FOR_WORKER_EVERY_S or worker is False:
                asked_at = time.monotonic()
                worker = await _has_worker(client, view.task_queue)
        except TemporalError as error:
            is_away = isinstance(error, TemporalUnreachable)
            if not is_away and time.monotonic() - seen_at > _REFUSED_FOR_S:
                raise
            view = view.model_copy(update={"is_temporal_away": True})
        else:
            seen_at = time.monotonic()
            view = now.model_copy(update={"has_worker": worker})


async def last_of(views: AsyncIterator[_View], *, wait_timeout_s: float | None) -> _View | None:
    """Return the last view, or the newest after this time; None where there was none in that time."""
    view: _View | None = None
    try:
        async with asyncio.timeout(wait_timeout_s):
            async for view in views:  # noqa: B007 - the last one is what is wanted
                pass
    except TimeoutError:
        pass
    return view


async def _has_worker(client: Client, task_queue: str) -> bool | None:
    """Say whether a worker polls ``task_queue``; None when Temporal does not tell."""
    try:
        return await has_worker(client, task_queue=task_queue)
    except TemporalError:
        return None
