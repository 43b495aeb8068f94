"""The activities over an API that a test writes, and a store in memory."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
import pytest
from pydantic import BaseModel, SecretStr
from pydantic_core import to_jsonable_python
from temporalio.testing import ActivityEnvironment

from activities.interaction_activities import InteractionActivities
from artifacts.store import ArtifactStore
from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from runs.pacing import Pacing
from runs.pricing import Price, PriceTable
from runs.tool_secrets import ToolSecret

Handler = Callable[[httpx.Request], httpx.Response]

ACCEPTED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)

PRICES = PriceTable(usd_per_million={"deep-research-preview-04-2026": Price(input=2, cached=0.2, output=12)})


class Setup:
    """Activities under test, and what they see.

    Attributes:
        requests: What was sent to the API, in order.
        beats: What was heartbeated.
        secrets: What tools authorize themselves with.
    """

    def __init__(self) -> None:
        self.store = ArtifactStore.open("memory://")
        self.requests: list[httpx.Request] = []
        self.beats: list[Any] = []
        self.secrets = dict[str, ToolSecret]()
        self.environment = ActivityEnvironment()
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
        return InteractionActivities(
            client,
            self.store,
            secrets=self.secrets,
            prices=PRICES,
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


@pytest.fixture
def setup() -> Setup:
    """A first attempt, at the moment of acceptance."""
    made = Setup()
    made.attempt(1)
    return made


def interaction(status: str = "completed", /, **fields: Any) -> httpx.Response:
    """Return a reply with an interaction in it."""
    return httpx.Response(200, json={"id": "v1_abc", "object": "interaction", "status": status, **fields})
