"""The slots for activities, in a worker of our make on a real server."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client

from settings import Settings
from worker import build_worker

_COUNT = 40
_SLOTS = 6


@workflow.defn(name="Many", sandboxed=False)
class Many:
    """Asks for many activities at once."""

    @workflow.run
    async def run(self) -> int:
        """Return how many there were."""
        asked: list[Awaitable[int]] = [
            workflow.start_activity("work", result_type=int, start_to_close_timeout=timedelta(seconds=60))
            for _ in range(_COUNT)
        ]
        return sum(await asyncio.gather(*asked))


class Work:
    """Counts what is under way."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.all_at_work = asyncio.Event()

    def all(self) -> list[Callable[[], Awaitable[int]]]:
        """Return the activity."""
        return [self.work]

    @activity.defn(name="work")
    async def work(self) -> int:
        """Be under way until all slots are."""
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == _SLOTS:
            self.all_at_work.set()
        await self.all_at_work.wait()
        self.now -= 1
        return 1


async def test_every_slot_is_used_and_none_twice(client: Client) -> None:
    """As many activities as there are slots are under way at once, never more, and all come to their end."""
    work = Work()
    task_queue = f"test-{uuid.uuid4()}"
    settings = Settings.from_env({"LONGHAUL_TASK_QUEUE": task_queue, "LONGHAUL_MAX_ACTIVITIES": str(_SLOTS)})
    async with build_worker(
        client, settings=settings, task_queue=settings.task_queue, workflows=[Many], activities=work.all()
    ):
        done = await client.execute_workflow(Many.run, id=task_queue, task_queue=task_queue)
    assert (done, work.most) == (_COUNT, _SLOTS)
