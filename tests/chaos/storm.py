"""Questions in a steady stream, and the processes that answer them killed all the while."""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.contenders import Contender, Victim
from tests.chaos.waiting import holds

_RUN_S: Final = 120
"""Emulated length of a research; two wall seconds at the scale of these tests."""

_STARTS: Final = 5
"""Attempts to start a process again before that is an error of its own."""

_AIM_WITHIN_S: Final = 3.0
"""A kill that waits for its moment goes ahead after this long without one."""

_WATCH_EVERY_S: Final = 0.001
"""A submission passes through each of its moments within a few milliseconds."""


def fortunes(rng: random.Random, count: int) -> list[str]:
    """Return a directive for each question: most creates take some time, before or after acceptance."""
    found = []
    for _ in range(count):
        fault = rng.choice(("delay-before", "delay-after", "delay-after", None))
        delay_s = rng.uniform(0.1, 3.0)
        delay = f" fault={fault} delay_s={delay_s:.2f}" if fault else ""
        found.append(f"duration_s={_RUN_S}{delay}")
    return found


class Moments:
    """Watches the workers' traces for the moments at which a crash hurts most.

    Args:
        home: Of the workers.
    """

    def __init__(self, home: Path) -> None:
        self._artifacts = home / "artifacts"
        self._log = home / "worker.log"

    async def next(self, moment: str) -> None:
        """Return at the next such moment, or when it is long in coming.

        Args:
            moment: ``about to send``: a run's folder was made, the record of sending is next. ``just
                answered``: the id was recorded, and Temporal is about to be told.
        """
        count = self._sent if moment == "about to send" else self._answered
        before = count()
        await holds(lambda: count() != before, within_s=_AIM_WITHIN_S, every_s=_WATCH_EVERY_S)

    def _sent(self) -> int:
        return sum(1 for _ in self._artifacts.iterdir()) if self._artifacts.exists() else 0

    def _answered(self) -> int:
        return self._log.read_bytes().count(b"interaction.submitted") if self._log.exists() else 0


@dataclass(frozen=True, kw_only=True)
class Storm:
    """What comes down.

    Attributes:
        questions: How many in all, spread evenly over the kills.
        kills: How many.
        prefix: Of the questions' names.
        pause_s: Between two kills, at the least and at the most.
    """

    questions: int
    kills: int
    prefix: str
    pause_s: tuple[float, float] = (0.2, 1.5)


async def storm(
    contender: Contender, size: Storm, *, rng: random.Random, moments: Moments | None = None
) -> Counter[str]:
    """Hand in the questions and kill; return how many kills came at which moment.

    Args:
        contender: Running.
        size: What comes down.
        rng: Decides everything.
        moments: With it, about two of three kills wait for a moment instead of a while.
    """
    directives = fortunes(rng, size.questions)
    taken: Counter[str] = Counter()
    victims = contender.victims()
    revivals: dict[int, asyncio.Task[None]] = {}
    asked = 0
    for kill in range(size.kills):
        aim = rng.choice(("any", "about to send", "just answered")) if moments else "any"
        chosen = rng.randrange(len(victims))
        if chosen in revivals:
            await revivals[chosen]
        watch = asyncio.create_task(
            moments.next(aim) if moments and aim != "any" else asyncio.sleep(rng.uniform(*size.pause_s))
        )
        due = round(size.questions * (kill + 1) / size.kills)
        for number in range(asked, due):
            await contender.ask(f"{size.prefix}-{number}", directive=directives[number])
        asked = due
        await watch
        await asyncio.to_thread(victims[chosen].kill)
        taken[aim] += 1
        revivals[chosen] = asyncio.create_task(_revive(victims[chosen]))
    await asyncio.gather(*revivals.values())
    return taken


async def _revive(victim: Victim) -> None:
    """Start a process again and again, as its supervisor would: on a busy machine one may be slow to come."""
    for _ in range(_STARTS):
        with contextlib.suppress(RuntimeError):
            await asyncio.to_thread(victim.start)
            return
    await asyncio.to_thread(victim.start)
