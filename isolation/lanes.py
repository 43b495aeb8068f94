"""Who may use the processes when: what is quick never waits long for what is not."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

from isolation.limits import Limits
from isolation.pool import Cause, CutShort, Pool

_P = ParamSpec("_P")
_T = TypeVar("_T")

QUICK: Final = Limits(cpu_s=1, wall_s=20.0, memory_bytes=1024**3)
"""A usual report takes 0.05 s and 150 MB, a long one a quarter of a second. Past this something is huge, or
wrong; and whoever comes next has waited long enough."""

PATIENT: Final = Limits(cpu_s=20, wall_s=80.0, memory_bytes=3 * 1024**3)
"""The longest reply that the API client takes, 64 MiB of one image, takes 0.6 s and 420 MB; the longest text
that is read as Markdown takes ten seconds."""

_MAX_WAITING: Final = 3
"""Calls of the patient lane at once, the one that is carried out included. Whoever waits holds a slot of the
worker; at the worst for as long as all before it take by the clock, which is half of an activity's time."""

_MAX_SUSPECTS: Final = 1_000


class BusyError(Exception):
    """Too many calls wait for their second try already; to be tried again later."""


class Lanes:
    """Two lanes: what does not come to an end in the quick one gets one more try in the patient one.

    So a second try excludes bad luck, such as a machine without memory for a moment; and of any number of
    calls that never end, each is in the way of the others for a second, and then of its own kind.

    Args:
        quick: How many processes are quick.
        quick_limits: What a call may take in one of them.
        patient_limits: What it may take when it is tried again.
    """

    def __init__(self, *, quick: int, quick_limits: Limits = QUICK, patient_limits: Limits = PATIENT) -> None:
        self._quick_limits = quick_limits
        self._patient_limits = patient_limits
        self._quick = Pool("quick", processes=quick)
        self._patient = Pool("patient", processes=1)
        self._waiting = 0
        self._suspects: OrderedDict[str, None] = OrderedDict()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes there are."""
        return self._quick.pids + self._patient.pids

    def warm_up(self) -> None:
        """Begin to start the quick processes."""
        self._quick.warm_up()

    async def aclose(self) -> None:
        """End all processes, and with them the calls under way."""
        await self._quick.aclose()
        await self._patient.aclose()

    async def run(self, key: str, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call ``function`` in a process of its own; see `Pool.run`.

        Args:
            key: The same for the same call: one that was not quick is known from then on.
            function: Of a module.
            args: Its arguments.
            kwargs: None.

        Raises:
            CutShort: It came to no end in either lane.
            BusyError: It was not quick, and the other lane is full.
        """
        if key not in self._suspects:
            try:
                return await self._quick.run(self._quick_limits, function, *args, **kwargs)
            except CutShort as error:
                if error.cause is Cause.ERROR:
                    raise  # as it will, however often it is called
                self._suspects[key] = None
                if len(self._suspects) > _MAX_SUSPECTS:
                    self._suspects.popitem(last=False)
        if self._waiting >= _MAX_WAITING:
            raise BusyError
        self._waiting += 1
        call = asyncio.create_task(self._patient.run(self._patient_limits, function, *args, **kwargs))
        call.add_done_callback(self._ended)
        # A caller that is cancelled leaves its call in the process, so its place is taken for as long.
        return await asyncio.shield(call)

    def _ended(self, call: "asyncio.Task[Any]") -> None:
        self._waiting -= 1
        if not call.cancelled():
            call.exception()  # looked at, lest it be reported where nobody waits for it any more
