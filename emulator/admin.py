"""The emulator's own paths, apart from the API: what happened, and what shall go wrong."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.delivery import Dispatcher
from emulator.directives import DIRECTIVE_KEYS
from emulator.errors import invalid, not_found
from emulator.faults import FAULTS
from emulator.service import Emulator
from emulator.view import status_at
from emulator.wire import json_object, json_reply


class AdminEndpoints:
    """Handlers under ``/_emulator``."""

    def __init__(self, emulator: Emulator, dispatcher: Dispatcher) -> None:
        self._emulator = emulator
        self._dispatcher = dispatcher

    def routes(self) -> list[Route]:
        """The routes, relative to ``/_emulator``."""
        return [
            Route("/health", self.health),
            Route("/stats", self.stats),
            Route("/interactions", self.interactions),
            Route("/faults", self.list_faults, methods=["GET"]),
            Route("/faults", self.switch_on, methods=["POST"]),
            Route("/faults", self.switch_off, methods=["DELETE"]),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/deliveries", self.deliveries),
            Route("/clock", self.read_clock, methods=["GET"]),
            Route("/clock", self.set_clock, methods=["PUT"]),
        ]

    async def health(self, _: Request) -> Response:
        """Whether the emulator answers."""
        return json_reply({"status": "ok"})

    async def stats(self, request: Request) -> Response:
        """Requests by kind, and for each submission what it led to; ``?submission=`` picks one."""
        emulator = self._emulator
        ids: dict[str, list[str]] = {}
        for record in emulator.records.values():
            ids.setdefault(record.submission, []).append(record.interaction_id)
        wanted = request.query_params.get("submission")
        submissions = {
            name: {
                **{what: counts[what] for what in ("interactions", "creates", "looks", "cancels", "deletes")},
                "interaction_ids": ids.get(name, []),
            }
            for name, counts in emulator.by_submission.items()
            if wanted in (None, name)
        }
        if wanted is not None and not submissions:
            raise not_found(f"No submission {wanted!r}.")
        totals = {
            "interactions": len(emulator.records),
            "requests": dict(emulator.requests),
        }
        return json_reply({**totals, "submissions": submissions})

    async def interactions(self, _: Request) -> Response:
        """Every interaction in short; the API itself has no list."""
        emulator = self._emulator
        now_s = emulator.clock.now_s()
        listed = [
            {
                "id": record.interaction_id,
                "submission": record.submission,
                "status": status_at(record, emulator.timeline(record), now_s),
                "behaviour": record.behaviour,
                "age_s": round(now_s - record.created_s, 3),
                "deleted": record.deleted,
                "cancelled": record.cancelled_s is not None,
                "life": sorted(record.life),
            }
            for record in emulator.records.values()
        ]
        return json_reply({"interactions": listed})

    async def list_faults(self, _: Request) -> Response:
        """Every fault there is, the directive keys, and what is switched on for the whole server."""
        faults = [
            {
                "name": fault.name,
                "moment": fault.moment,
                "what": fault.what,
                "default_times": fault.default_times,
                "accepted": fault.accepted,
            }
            for fault in FAULTS.values()
        ]
        return json_reply(
            {"faults": faults, "directive_keys": DIRECTIVE_KEYS, "active": self._emulator.board.server_faults}
        )

    async def switch_on(self, request: Request) -> Response:
        """Let the whole server show a fault."""
        self._emulator.board.switch_on(await json_object(request))
        return json_reply({"active": self._emulator.board.server_faults})

    async def switch_off(self, _: Request) -> Response:
        """Take all faults off the whole server."""
        self._emulator.board.switch_off()
        return json_reply({"active": []})

    async def reset(self, _: Request) -> Response:
        """Forget everything."""
        self._emulator.reset()
        return json_reply({})

    async def deliveries(self, _: Request) -> Response:
        """The last attempts to deliver webhooks, oldest first."""
        return json_reply({"deliveries": [*self._dispatcher.attempts]})

    async def read_clock(self, _: Request) -> Response:
        """The time scale and emulated time."""
        clock = self._emulator.clock
        return json_reply({"time_scale": clock.scale, "now_s": clock.now_s()})

    async def set_clock(self, request: Request) -> Response:
        """Change the time scale from now on."""
        scale = (await json_object(request)).get("time_scale")
        if not isinstance(scale, (int, float)) or scale <= 0:
            raise invalid("Invalid value at 'time_scale': expected a positive number.")
        self._emulator.clock.set_scale(float(scale))
        self._emulator.keep_clock()
        return await self.read_clock(request)
