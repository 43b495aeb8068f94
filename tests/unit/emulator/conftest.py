"""An emulator whose time stands still, and one that is a real process."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest

from emulator.app import build_app
from emulator.clock import Clock
from emulator.service import Emulator
from emulator.state import StateFile
from tests.emulator_server import EmulatorServer

RESEARCH = {"agent": "deep-research-preview-04-2026", "background": True}
"""A create that needs only an input."""

Create = Callable[..., httpx.Response]


class HeldClock(Clock):
    """A clock that moves only when a test moves it."""

    wall = 1_795_000_000.0

    def wall_s(self) -> float:
        """The wall time a test has set."""
        return self.wall

    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        self.wall += seconds


@pytest.fixture
def clock() -> HeldClock:
    """The clock of ``emulator``."""
    return HeldClock(1.0)


@pytest.fixture
def emulator(clock: Clock) -> Emulator:
    """An emulator in memory."""
    emulator = Emulator(StateFile(), time_scale=1.0)
    emulator.clock = clock
    return emulator


@pytest.fixture
async def api(emulator: Emulator) -> AsyncIterator[httpx.AsyncClient]:
    """A client of ``emulator`` with a key, without a socket."""
    transport = httpx.ASGITransport(app=build_app(emulator))
    headers = {"x-goog-api-key": "any"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://emulator/v1beta", headers=headers
    ) as client:
        yield client


@pytest.fixture(scope="session")
def server() -> Iterator[EmulatorServer]:
    """A real process; shared, so tests name their own submissions and leave no server-wide fault behind."""
    with EmulatorServer(time_scale=1_000) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: EmulatorServer) -> Iterator[httpx.Client]:
    """A client of ``server`` with a key."""
    headers = {"x-goog-api-key": "any"}
    with httpx.Client(base_url=f"{server.base_url}/v1beta", headers=headers, timeout=20) as client:
        yield client


@pytest.fixture
def create(client: httpx.Client) -> Create:
    """Create a research on ``server``."""

    def create(text: str, *, timeout_s: float = 20, **fields: Any) -> httpx.Response:
        return client.post("/interactions", json={**RESEARCH, "input": text, **fields}, timeout=timeout_s)

    return create
