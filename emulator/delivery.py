"""Telling the world that a run has ended: at least once, in no promised order, and not always well."""

import asyncio
import contextlib
import hashlib
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx2 as httpx

from emulator.hooks import StaticHook
from emulator.records import Record
from emulator.service import Emulator
from emulator.signing import Signer, sign_v1, signed_text
from emulator.wire import encode, rfc3339

ANSWER_WITHIN_S: Final = 10.0
"""Wall seconds a receiver has to answer; a real receiver is not faster for emulated time being."""

FIRST_RETRY_S: Final = 5.0
GIVE_UP_S: Final = 24 * 3600.0
"""Emulated seconds: the first pause, doubled after each failure, and when no more is tried."""

SHORTEST_PAUSE_S: Final = 0.02
"""Wall seconds: at a high time scale the pauses would otherwise vanish and the retries be one long burst."""

HELD_BACK_S: Final = 3_600.0
STALE_BY_S: Final = 600
DUPLICATES: Final = 3

_AT_ONCE: Final = 32
_WAKE_EVERY_S: Final = 0.25
"""Wall seconds between two glances at a changed time scale."""

_KEPT_ATTEMPTS: Final = 1_000

_EVENTS: Final = {
    "completed": "interaction.completed",
    "failed": "interaction.failed",
    "requires_action": "interaction.requires_action",
}
"""Final status → event. Nothing is sent for cancelled or incomplete runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One delivery to one address.

    Attributes:
        message_id: The ``webhook-id``, the same for every attempt and duplicate.
        uri: Where to.
        body: The JSON.
        sign: From message id, wall time stamp and body to the ``webhook-signature``.
        life: The faults chosen for the run.
        hook: The static webhook, if it is one.
    """

    message_id: str
    uri: str
    body: bytes
    sign: Callable[[str, int, bytes], str]
    life: frozenset[str] = frozenset()
    hook: StaticHook | None = None


class Dispatcher:
    """Sends webhooks while it runs.

    Args:
        emulator: Whose interactions.
        signer: The service's keys.
    """

    def __init__(self, emulator: Emulator, signer: Signer) -> None:
        self._emulator = emulator
        self._signer = signer
        self._due: list[tuple[float, str]] = []
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._client: httpx.AsyncClient | None = None
        self._sent = asyncio.Condition()
        self.attempts: deque[dict[str, Any]] = deque(maxlen=_KEPT_ATTEMPTS)
        delivered = emulator.state.load("delivered")
        for record in emulator.records.values():
            if record.interaction_id not in delivered:
                self.expect(record)

    def expect(self, record: Record) -> None:
        """Send what is to be sent when this run ends."""
        if record.is_background and "zombie" not in record.life:
            ends_s = record.created_s + self._emulator.timeline(record).duration_s
            heapq.heappush(self._due, (ends_s, record.interaction_id))
            self._news.set()

    def ping(self, hook: StaticHook) -> None:
        """Send a test event, once, and forget how that went."""
        now_s = self._emulator.clock.wall_s()
        body = encode({"type": "webhook.ping", "version": "v1", "timestamp": rfc3339(now_s), "data": {}})
        message = self._static(hook, f"ping-{now_s}", body, frozenset())
        self._spawn(self._post(message, attempt=1))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver until the context ends; what is under way then is dropped and sent by the next process."""
        async with httpx.AsyncClient(timeout=ANSWER_WITHIN_S) as self._client:
            loop = asyncio.create_task(self._watch())
            try:
                yield
            finally:
                for task in (loop, *self._tasks):
                    task.cancel()
                await asyncio.gather(loop, *self._tasks, return_exceptions=True)

    async def _watch(self) -> None:
        clock = self._emulator.clock
        while True:
            self._news.clear()
            while self._due and self._due[0][0] <= clock.now_s():
                _, interaction_id = heapq.heappop(self._due)
                record = self._emulator.records.get(interaction_id)
                if record is not None and record.cancelled_s is None:
                    self._spawn(self._tell(record))
            wait_s = min(clock.wall_until(self._due[0][0]), _WAKE_EVERY_S) if self._due else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), wait_s)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, record: Record) -> None:
        messages = self._messages(record)
        if "webhook-lost" not in record.life:
            await asyncio.gather(*(self._deliver(message) for message in messages))
        self._emulator.state.save("delivered", record.interaction_id, value=True)

    def _messages(self, record: Record) -> list[Message]:
        timeline = self._emulator.timeline(record)
        event = _EVENTS.get(timeline.end_status)
        if event is None or "unknown-end" in record.life:
            return []
        config = record.body.get("webhook_config") or {}
        data: dict[str, Any] = {"id": record.interaction_id}
        if "user_metadata" in config:
            data["user_metadata"] = config["user_metadata"]
        if timeline.errors:
            data["error_code"] = timeline.errors[0]["code"]
            data["error_message"] = timeline.errors[0]["message"]
        ended = rfc3339(self._emulator.clock.wall_of(record.created_s + timeline.duration_s))
        body = encode({"type": event, "version": "v1", "timestamp": ended, "data": data})
        if config:
            return [self._dynamic(uri, record, body) for uri in config["uris"]]
        return [
            self._static(hook, record.interaction_id, body, record.life)
            for hook in self._emulator.hooks.values()
            if hook.state == "enabled" and event in hook.subscribed_events
        ]

    def _dynamic(self, uri: str, record: Record, body: bytes) -> Message:
        def sign(message_id: str, timestamp: int, body: bytes) -> str:
            if record.directive.webhook_signature == "jwt":
                return self._signer.sign_jwt(body, message_id=message_id, timestamp=timestamp, audience=uri)
            return self._signer.sign_v1a(signed_text(message_id, timestamp, body))

        message_id = _message_id(record.interaction_id, uri)
        return Message(message_id=message_id, uri=uri, body=body, sign=sign, life=record.life)

    def _static(self, hook: StaticHook, about: str, body: bytes, life: frozenset[str]) -> Message:
        def sign(message_id: str, timestamp: int, body: bytes) -> str:
            secrets = hook.valid_secrets(self._emulator.clock.now_s())
            return sign_v1(secrets, signed_text(message_id, timestamp, body))

        message_id = _message_id(about, hook.webhook_id)
        return Message(message_id=message_id, uri=hook.uri, body=body, sign=sign, life=life, hook=hook)

    async def _deliver(self, message: Message) -> None:
        clock = self._emulator.clock
        if "webhook-reordered" in message.life:
            await self._hold_back()
        deadline_s, pause_s, attempt = clock.now_s() + GIVE_UP_S, FIRST_RETRY_S, 1
        while not await self._post(message, attempt=attempt):
            if "webhook-forged" in message.life:
                return
            next_s = clock.now_s() + pause_s
            if next_s > deadline_s:
                if message.hook is not None:
                    message.hook.state = "disabled_due_to_failed_deliveries"
                return
            await asyncio.sleep(max(SHORTEST_PAUSE_S, clock.wall_until(next_s)))
            pause_s, attempt = pause_s * 2, attempt + 1
        if "webhook-duplicate" in message.life:
            for copy in range(1, DUPLICATES):
                await self._post(message, attempt=attempt + copy)
        async with self._sent:
            self._sent.notify_all()

    async def _hold_back(self) -> None:
        clock = self._emulator.clock
        limit_s = max(SHORTEST_PAUSE_S, clock.wall_until(clock.now_s() + HELD_BACK_S))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s), self._sent:
                await self._sent.wait()

    async def _post(self, message: Message, *, attempt: int) -> bool:
        """Send once; whether the receiver took it."""
        timestamp = int(self._emulator.clock.wall_s())
        if "webhook-stale" in message.life:
            timestamp -= STALE_BY_S
        signature = message.sign(message.message_id, timestamp, message.body)
        if "webhook-forged" in message.life:
            signature = message.sign(message.message_id, timestamp, message.body + b" ")
        headers = {
            "content-type": "application/json",
            "webhook-id": message.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature,
        }
        assert self._client is not None
        status: int | str
        try:
            async with self._slots:
                reply = await self._client.post(message.uri, content=message.body, headers=headers)
            status = reply.status_code
        except httpx.HTTPError as error:
            status = type(error).__name__
        self.attempts.append(
            {"webhook_id": message.message_id, "uri": message.uri, "attempt": attempt, "status": status}
        )
        return isinstance(status, int) and httpx.codes.is_success(status)


def _message_id(about: str, target: str) -> str:
    # The same after a restart, so that a receiver recognises what it has had before.
    return f"msg_{hashlib.sha256(f'{about} {target}'.encode()).hexdigest()[:24]}"
