"""What the server is told of a submission before it may be sent: which store has its journal.

A journal proves that nothing was sent only in the store that the submitting worker writes to. So that worker
says which one this is, and waits until the server has heard it, before it claims the submission. From then on
the activity's last heartbeat has the store; one without it proves that nothing was claimed.

Two things make that hold. The SDK's heartbeats only queue, so the last step before the claim is the call to
the server itself: a server that has given the worker up meanwhile answers it with "not found", and nothing is
sent. And every beat before and after says the same, since the last one to arrive is what the server keeps.
"""

import asyncio
from datetime import timedelta
from typing import Final

from temporalio import activity
from temporalio.api.common.v1 import Payloads
from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatRequest
from temporalio.service import RPCError

from runs.messages import Announcement
from runs.stores import StoreRef

_TELL_TIMEOUT: Final = timedelta(seconds=5)
"""Milliseconds where all is well. Half of the time after which a silent worker is given up."""


class NotAnnounced(Exception):
    """The server was not told, or does not wait for this submission any more: it must not be sent."""


class Announcing:
    """The heartbeat of one submission.

    Args:
        store: The artifact store that has its journal.

    Attributes:
        announcement: What every beat says.
    """

    def __init__(self, store: StoreRef) -> None:
        self.announcement = Announcement(store=store)

    def beat(self) -> None:
        """Heartbeat, some time soon."""
        activity.heartbeat(self.announcement)

    async def tell(self, digest: str) -> None:
        """Tell the server, also what is about to be sent, and return once it knows.

        Raises:
            NotAnnounced: It does not, as far as is known, or it has given this worker up.
        """
        self.announcement = self.announcement.model_copy(update={"digest": digest})
        # In the place of one without the digest that may wait in the SDK, and would be sent after this.
        self.beat()
        client = activity.client()
        request = RecordActivityTaskHeartbeatRequest(
            namespace=client.namespace,
            task_token=activity.info().task_token,
            details=Payloads(payloads=await client.data_converter.encode([self.announcement])),
            identity=client.identity,
        )
        try:
            async with asyncio.timeout(_TELL_TIMEOUT.total_seconds()):
                answer = await client.workflow_service.record_activity_task_heartbeat(request, retry=True)
        except (RPCError, TimeoutError) as error:
            reason = str(error) or "no answer"
            raise NotAnnounced(f"Temporal could not be told of it: {reason}") from error
        if answer.cancel_requested:
            raise NotAnnounced("Temporal does not wait for it any more")
