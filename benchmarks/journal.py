"""What the submission journal costs: the same submission with and without it, in turns.

Run::

    python -m benchmarks.journal                 # records in a folder of this disk
    python -m benchmarks.journal --home /mnt/x   # of another

The emulator runs in a process of its own and answers at once, so the ratio is the worst there is: the real
API takes a second to accept what then runs for minutes.
"""

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from temporalio.testing import ActivityEnvironment

from activities import submitting
from activities.announcing import Announcing
from activities.journal import Owner
from activities.submitting import SubmitsWith
from artifacts.store import ArtifactStore
from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from isolation.pool import Pool
from runs.messages import DEFAULT_AGENT, AgentRunRequest, SubmitInteraction
from runs.pricing import PriceTable
from telemetry import configure_logging
from tests.emulator_server import EmulatorServer
from tests.unit.activities.conftest import FakeServer

if TYPE_CHECKING:
    from temporalio.client import Client

_WARM_UP = 20


class _NoJournal:
    """Stands in for the journal, and neither writes nor reads."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    async def prepare(self, _: str) -> None:
        pass

    async def claim(self, _: Owner, *, token: str = "", digest: str = "") -> bool:
        del token, digest
        return True

    async def note_accepted(self, _: str) -> None:
        pass


async def _no_claim(*_: object, **__: object) -> None:
    pass


async def _submit(means: SubmitsWith, environment: ActivityEnvironment) -> float:
    request = AgentRunRequest(agent=DEFAULT_AGENT, input="Why is black tea astringent?")
    submission = SubmitInteraction(
        request=request, artifacts_prefix=f"benchmark/{secrets.token_hex(8)}", number=1
    )
    announcing = Announcing(await means.store.identity())
    began_s = time.perf_counter()
    await environment.run(submitting.submit, submission, means, announcing)
    return 1e3 * (time.perf_counter() - began_s)


async def _measure(base_url: str, home: Path, pairs: int) -> None:
    store = ArtifactStore.open(home.as_uri())
    with_ms, without_ms = [], []
    # The server is told at no cost: what is measured is the store.
    environment = ActivityEnvironment(client=cast("Client", FakeServer()))
    async with (
        InteractionsClient(ApiConfig(api_key="benchmark", base_url=base_url)) as client,
        aclosing(Pool("checks", processes=1)) as checks,
    ):
        means = SubmitsWith(
            client=client, store=store, checks=checks, secrets={}, prices=PriceTable(usd_per_million={})
        )
        for number in range(_WARM_UP + pairs):
            with (
                patch.object(submitting, "SubmissionJournal", _NoJournal),
                patch.object(submitting, "claim_interaction", _no_claim),
            ):
                without = await _submit(means, environment)
            journalled = await _submit(means, environment)
            if number >= _WARM_UP:
                without_ms.append(without)
                with_ms.append(journalled)
    cost_ms = statistics.median(a - b for a, b in zip(with_ms, without_ms, strict=True))
    ratio = statistics.median(with_ms) / statistics.median(without_ms)
    for name, each in (("without journal", without_ms), ("with journal", with_ms)):
        print(f"{name:<18}{statistics.median(each):>8.2f} ms median of {pairs}")  # noqa: T201 - a report
    print(f"{'the journal':<18}{cost_ms:>8.2f} ms a submission, ratio {ratio:.2f}")  # noqa: T201 - a report


def main() -> None:
    """Start an emulator and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="where to write; a temporary folder without")
    parser.add_argument("--pairs", type=int, default=300)
    arguments = parser.parse_args()
    # Each submission logs one line, here as in a worker, but nobody wants to read six hundred.
    configure_logging(level="error", log_format="json")
    with tempfile.TemporaryDirectory(dir=arguments.home) as folder, EmulatorServer() as emulator:
        asyncio.run(_measure(emulator.base_url, Path(folder), arguments.pairs))


if __name__ == "__main__":
    main()
