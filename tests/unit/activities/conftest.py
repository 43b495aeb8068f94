"""The activities over an API that a test writes, and a store in memory."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, cast

import httpx2 as httpx
import pytest
from pydantic import BaseModel, SecretStr
from pydantic_core import to_jsonable_python
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import ActivityEnvironment

from activities.interaction_activities import InteractionActivities
from activities.settling import SettlesWith
from activities.submitting import SubmitsWith
from artifacts.store import ArtifactStore
from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from isolation.lanes import QUICK, Lanes
from isolation.pool import Pool
from runs.messages import Announcement
from runs.pacing import Pacing
from runs.pricing import Price, PriceTable
from runs.tool_secrets import ToolSecret

if TYPE_CHECKING:
    from temporalio.client import Client

Handler = Callable[[httpx.Request], httpx.Response]

ACCEPTED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)

PRICES = PriceTable(usd_per_million={"deep-research-preview-04-2026": Price(input=2, cached=0.2, output=12)})


class FakeServer:
    """What activities use of a Temporal client: it takes heartbeats.

    Attributes:
        told: What was said in them.
        answer: What each is answered with, or fails with.
    """

    namespace = "default"
    identity = "worker"
    data_converter = pydantic_data_converter

    def __init__(self) -> None:
        self.told: list[Announcement] = []
        self.answer: RecordActivityTaskHeartbeatResponse | Exception = RecordActivityTaskHeartbeatResponse()

    @property
    def workflow_service(self) -> Self:
        """Itself."""
        return self

    async def record_activity_task_heartbeat(
        self, request: RecordActivityTaskHeartbeatRequest, *, retry: bool
    ) -> RecordActivityTaskHeartbeatResponse:
        """Take one heartbeat."""
        assert retry
        assert request.task_token == b"test"
        self.told += await self.data_converter.decode(request.details.payloads, [Announcement])
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Setup:
    """Activities under test, and what they see.

    Attributes:
        server: What they tell of it by calls of their own.
        requests: What was sent to the API, in order.
        beats: What was heartbeated.
        secrets: What tools authorize themselves with.
    """

    def __init__(self, lanes: Lanes, checks: Pool) -> None:
        self._lanes = lanes
        self._checks = checks
        self.store = ArtifactStore.open("memory://")
        self.requests: list[httpx.Request] = []
        self.beats: list[Any] = []
        self.secrets = dict[str, ToolSecret]()
        self.server = FakeServer()
        self.environment = ActivityEnvironment(client=cast("Client", self.server))
        self.environment.on_heartbeat = lambda *details: self.beats.extend(details)
        self._handler: Handler = lambda _: httpx.Response(500)

    def answers(self, handler: Handler | httpx.Response | Exception) -> None:
        """Let the API answer with ``handler``, or always with one response or transport error."""

        def answer(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            if isinstance(handler, Exception):
                raise handler
            return handler if isinstance(handler, httpx.Response) else handler(request)

        self._handler = answer

    def activities(self) -> InteractionActivities:
        """Return the activities, over the API as set up now."""
        client = InteractionsClient(
            ApiConfig(api_key=SecretStr("k")),
            secrets=[secret.value for secret in self.secrets.values()],
            transport=httpx.MockTransport(self._handler),
        )
        return self.over(client)

    def over(self, client: InteractionsClient) -> InteractionActivities:
        """Return the activities over the API that ``client`` calls."""
        return InteractionActivities(
            client,
            SubmitsWith(
                client=client, store=self.store, checks=self._checks, secrets=self.secrets, prices=PRICES
            ),
            SettlesWith(store=self.store, lanes=self._lanes, prices=PRICES),
            pacing=Pacing(poll_min_s=5, poll_max_s=30),
        )

    def attempt(
        self,
        number: int,
        *,
        elapsed: timedelta = timedelta(0),
        last: BaseModel | dict[str, Any] | None = None,
    ) -> None:
        """Be attempt ``number``, ``elapsed`` after acceptance, with ``last`` in the heartbeat details."""
        self.environment.info = dataclasses.replace(
            self.environment.info,
            attempt=number,
            current_attempt_scheduled_time=ACCEPTED_AT + elapsed,
            # As the server hands them on: plain JSON.
            heartbeat_details=[] if last is None else [to_jsonable_python(last)],
        )


@pytest.fixture(scope="session")
def lanes() -> Iterator[Lanes]:
    """Where answers are worked up: the real thing, once for all tests."""
    made = Lanes(quick=1)
    yield made
    asyncio.run(made.aclose())


@pytest.fixture(scope="session")
def checks() -> Iterator[Pool]:
    """Where schemas are checked."""
    made = Pool("checks", processes=1)
    yield made
    asyncio.run(made.aclose())


@pytest.fixture
def setup(lanes: Lanes, checks: Pool) -> Setup:
    """A first attempt, at the moment of acceptance."""
    made = Setup(lanes, checks)
    made.attempt(1)
    return made


@pytest.fixture
async def hurried(checks: Pool) -> AsyncIterator[Setup]:
    """The same, where nothing may take longer than a second."""
    limits = QUICK._replace(cpu_s=1)
    async with aclosing(Lanes(quick=1, quick_limits=limits, patient_limits=limits)) as lanes:
        made = Setup(lanes, checks)
        made.attempt(1)
        yield made


def interaction(status: str = "completed", /, **fields: Any) -> httpx.Response:
    """Return a reply with an interaction in it."""
    return httpx.Response(200, json={"id": "v1_abc", "object": "interaction", "status": status, **fields})
