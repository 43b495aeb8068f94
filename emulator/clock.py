"""Emulated time: wall time, run faster or slower, that survives a restart.

Everything the emulator shows is a function of a record and of ``Clock.now_s()``, so a twelve-minute research
takes twelve seconds at scale 60 and nothing has to run in the background while nobody looks.
"""

import bisect
import time
from dataclasses import dataclass
from typing import Final

DEFAULT_SCALE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """A moment from which emulated time runs at one scale until the next anchor."""

    wall_s: float
    emulated_s: float
    scale: float


class Clock:
    """Emulated seconds since the epoch.

    Args:
        scale: Emulated seconds per wall second.
        anchors: The anchors of an earlier process; emulated time went on while that process was down, as
            Google's does.
    """

    def __init__(self, scale: float = DEFAULT_SCALE, *, anchors: list[Anchor] | None = None) -> None:
        # The wall clock may be set back; only its value at start is used, the monotonic clock does the rest.
        self._wall_minus_monotonic_s = time.time() - time.monotonic()
        if anchors:
            self._anchors = list(anchors)
            self.set_scale(scale)
        else:
            wall_s = self.wall_s()
            self._anchors = [Anchor(wall_s=wall_s, emulated_s=wall_s, scale=scale)]

    @property
    def scale(self) -> float:
        """Emulated seconds per wall second, now."""
        return self._anchors[-1].scale

    @property
    def anchors(self) -> list[Anchor]:
        """What a later process needs to continue this clock."""
        return list(self._anchors)

    def wall_s(self) -> float:
        """Wall seconds since the epoch, never going back within one process."""
        return self._wall_minus_monotonic_s + time.monotonic()

    def now_s(self) -> float:
        """Emulated seconds since the epoch."""
        last = self._anchors[-1]
        return last.emulated_s + (self.wall_s() - last.wall_s) * last.scale

    def set_scale(self, scale: float) -> None:
        """Let emulated time run at ``scale`` from now on."""
        if scale <= 0:
            raise ValueError(f"The time scale must be positive, not {scale!r}.")
        now_s, wall_s = self.now_s(), self.wall_s()
        if scale != self.scale:
            self._anchors.append(Anchor(wall_s=wall_s, emulated_s=now_s, scale=scale))

    def wall_of(self, emulated_s: float) -> float:
        """The wall time at which emulated time was, or will be, ``emulated_s``.

        Time stamps on the wire are wall times: a client compares them with its own clock.
        """
        index = bisect.bisect_right(self._anchors, emulated_s, key=lambda anchor: anchor.emulated_s) - 1
        anchor = self._anchors[max(index, 0)]
        return anchor.wall_s + (emulated_s - anchor.emulated_s) / anchor.scale

    def wall_until(self, emulated_s: float) -> float:
        """Wall seconds to wait until emulated time is ``emulated_s``; zero when it has passed."""
        return max(0.0, (emulated_s - self.now_s()) / self.scale)
