"""What is lost of a stream that is cut every second: a minute of Deep Research, followed to its end.

Run::

    python -m benchmarks.stream_cuts               # a minute, a cut every second
    python -m benchmarks.stream_cuts --worst       # in other pieces each time, and few events to resume after
    python -m benchmarks.stream_cuts --seconds 10

The emulator runs in a process of its own and cuts every connection in the middle of an event, one second
after it was opened; half a second passes between a cut and the next stream. What was told
is compared with the finished interaction, thought by thought and text by text; ends with 1 if they differ.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from interactions.errors import StreamBroken
from interactions.following import PieceKind, follow
from interactions.requests import CreateInteraction, DeepResearchConfig
from interactions.stream import EventStream
from tests.emulator_server import EmulatorServer

_RESEARCH_S = 720
"""Emulated seconds that a research takes."""

_CUT = "stream-cut"
_WORST = f"{_CUT},stream-rechunked,stream-few-ids"

_Told = dict[tuple[PieceKind, int], str]


class _CountingClient(InteractionsClient):
    """Counts the streams that it opened, and those that broke."""

    streams = cuts = 0

    @asynccontextmanager
    async def stream(
        self, interaction_id: str, *, last_event_id: str | None = None
    ) -> AsyncIterator[EventStream]:
        """Follow an interaction."""
        self.streams += 1
        try:
            async with super().stream(interaction_id, last_event_id=last_event_id) as events:
                yield events
        except StreamBroken:
            self.cuts += 1
            raise


async def _told(client: InteractionsClient, interaction_id: str) -> _Told:
    told: defaultdict[tuple[PieceKind, int], str] = defaultdict(str)
    async for piece in follow(client, interaction_id):
        if piece.kind is not PieceKind.ACTIVITY:
            told[piece.kind, piece.index] += piece.text
    return dict(told)


async def _truth(client: InteractionsClient, interaction_id: str) -> _Told:
    """Return the same from the JSON of the finished interaction."""
    found: _Told = {}
    counts: Counter[PieceKind] = Counter()
    for step in json.loads((await client.get(interaction_id)).raw_json)["steps"]:
        match step:
            case {"type": "thought"}:
                kind, parts = PieceKind.THOUGHT, step.get("summary", [])
            case {"type": "model_output"}:
                kind, parts = PieceKind.TEXT, step["content"]
            case _:
                continue
        if text := "".join(part.get("text", "") for part in parts):
            found[kind, counts[kind]] = text
        counts[kind] += 1
    return found


def _excess(these: _Told, those: _Told) -> int:
    """Count the characters that ``these`` have more often than ``those``."""
    return sum((Counter(these[key]) - Counter(those.get(key, ""))).total() for key in these)


async def _run(base_url: str, faults: str) -> bool:
    config = ApiConfig.model_validate({"api_key": "benchmark", "base_url": base_url})
    async with _CountingClient(config) as client:
        request = CreateInteraction(
            agent="deep-research-preview-04-2026",
            input=f"Why is black tea astringent? [[emulator fault={faults} cut_s=1]]",
            background=True,
            agent_config=DeepResearchConfig(thinking_summaries="auto"),
        )
        began_s = time.perf_counter()
        interaction_id = (await client.create(request)).id
        told = await _told(client, interaction_id)
        took_s = time.perf_counter() - began_s
        truth = await _truth(client, interaction_id)
    rows = {
        "seconds": round(took_s),
        "streams opened": client.streams,
        "cuts": client.cuts,
        "characters told": sum(map(len, told.values())),
        "characters lost": _excess(truth, told),
        "characters doubled": _excess(told, truth),
        "out of order": "no" if told == truth else "yes",
    }
    for name, value in rows.items():
        print(f"{name:<20}{value:>8}")  # noqa: T201 - a report
    return told == truth


def main() -> None:
    """Start an emulator, follow a research on it, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long the research takes")
    parser.add_argument("--worst", action="store_true", help="with replays in other pieces and few ids")
    arguments = parser.parse_args()
    with EmulatorServer(time_scale=_RESEARCH_S / arguments.seconds) as emulator:
        is_whole = asyncio.run(_run(emulator.base_url, _WORST if arguments.worst else _CUT))
    sys.exit(0 if is_whole else 1)


if __name__ == "__main__":
    main()
