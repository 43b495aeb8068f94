"""What one interaction looks like at one moment."""

import bisect
from typing import Any, Final

from emulator.clock import Clock
from emulator.records import Behaviour, Record
from emulator.timeline import Step, Timeline
from emulator.wire import encode, rfc3339

CANCEL_LAG_S: Final = 3.0
"""Emulated seconds for which a GET still shows a cancelled run as running."""

UNKNOWN_STATUS: Final = "rebalancing"
UNKNOWN_END: Final = "archived_for_review"

TURN_OVER: Final = frozenset(
    {
        "completed",
        "failed",
        "cancelled",
        "incomplete",
        "idle",
        "requires_action",
        "requires_continuation",
        UNKNOWN_END,
    }
)
"""Statuses in which nothing more will happen to the interaction."""

_QUEUED_SHARE: Final = 0.1
_UNKNOWN_FROM: Final = 0.3
_UNKNOWN_UNTIL: Final = 0.7

_ECHOED: Final = (
    "previous_interaction_id",
    "system_instruction",
    "tools",
    "generation_config",
    "agent_config",
    "response_format",
    "service_tier",
    "labels",
    "safety_settings",
    "webhook_config",
)


def status_at(record: Record, timeline: Timeline, now_s: float) -> str:
    """The status that a GET at ``now_s`` shows."""
    if record.cancelled_s is not None and now_s >= record.cancelled_s + CANCEL_LAG_S:
        return "cancelled"
    if "zombie" in record.life:
        return "in_progress"
    elapsed_s = now_s - record.created_s
    if elapsed_s >= timeline.duration_s:
        # A run that was cancelled in time does not complete during the lag.
        return end_status_of(record, timeline) if record.cancelled_s is None else "cancelled"
    return _status_on_the_way(record, elapsed_s / timeline.duration_s)


def end_status_of(record: Record, timeline: Timeline) -> str:
    """The status in which the run ends when nobody cancels it."""
    if "unknown-end" in record.life:
        return UNKNOWN_END
    is_idle = "idle" in record.life and timeline.end_status == "completed"
    return "idle" if is_idle else timeline.end_status


def _status_on_the_way(record: Record, share: float) -> str:
    if "queued" in record.life and share < _QUEUED_SHARE:
        return "queued"
    if "unknown-status" in record.life and _UNKNOWN_FROM <= share < _UNKNOWN_UNTIL:
        return UNKNOWN_STATUS
    return "in_progress"


def is_over(record: Record, timeline: Timeline, now_s: float) -> bool:
    """Whether nothing more will happen to the interaction."""
    if "zombie" in record.life:
        return record.cancelled_s is not None
    return record.cancelled_s is not None or now_s >= record.created_s + timeline.duration_s


def is_expired(record: Record, timeline: Timeline, now_s: float) -> bool:
    """Whether the interaction has vanished for good."""
    if "expired" not in record.life:
        return False
    after_s = record.directive.expire_after_s
    return now_s >= record.created_s + (timeline.duration_s / 2 if after_s is None else after_s)


def head_of(record: Record, *, status: str, clock: Clock, ended_s: float | None) -> dict[str, Any]:
    """The resource without steps, usage and errors."""
    created = updated = rfc3339(clock.wall_of(record.created_s))
    if ended_s is not None:
        updated = rfc3339(clock.wall_of(ended_s))
        if record.behaviour is not Behaviour.MODEL:
            # Agent runs are stamped alike at their end, so the stamps carry no duration.
            created = updated
    head: dict[str, Any] = {"id": record.interaction_id, "object": "interaction", "status": status}
    head |= {key: record.body[key] for key in ("agent", "model") if key in record.body}
    head |= {"created": created, "updated": updated}
    head |= {key: record.body[key] for key in _ECHOED if key in record.body}
    if record.behaviour is Behaviour.SANDBOX:
        head["environment_id"] = environment_id_of(record)
    if not record.body.get("store", True):
        # What is not stored has no id to ask for.
        del head["id"]
    return head


def environment_id_of(record: Record) -> str:
    """The sandbox of a run: the one it was given, or its own."""
    match record.body.get("environment"):
        case str(name) if name != "remote":
            return name
        case {"environment_id": str(name)}:
            return name
        case _:
            return f"env-{record.interaction_id[-12:].lower()}"


def ended_at(record: Record, timeline: Timeline) -> float:
    """When the interaction ended or will end, in emulated time."""
    return record.created_s + timeline.duration_s if record.cancelled_s is None else record.cancelled_s


def accepted(record: Record, clock: Clock, *, interaction_id: str | None = None) -> bytes:
    """The immediate answer to a background create, under another id if one is given."""
    status = "queued" if "queued" in record.life else "in_progress"
    head = head_of(record, status=status, clock=clock, ended_s=None)
    return encode(head if interaction_id is None else head | {"id": interaction_id})


def cancelled(record: Record, clock: Clock) -> bytes:
    """The answer to a cancellation."""
    return encode(head_of(record, status="cancelled", clock=clock, ended_s=record.cancelled_s))


def resource(
    record: Record, timeline: Timeline, clock: Clock, *, now_s: float, with_input: bool = True
) -> bytes:
    """The whole resource as of ``now_s``.

    Each step is encoded once and joined from then on, so that looking at a long run a hundred times a second
    costs little more than copying it.
    """
    status = status_at(record, timeline, now_s)
    elapsed_s = now_s - record.created_s
    ended_s = ended_at(record, timeline) if status in TURN_OVER else None
    head = head_of(record, status=status, clock=clock, ended_s=ended_s)
    if ended_s is not None and status != "cancelled":
        head["usage"] = timeline.usage
        if timeline.errors:
            head["errors"] = timeline.errors
        if timeline.continuation_token is not None:
            head["continuation_token"] = timeline.continuation_token
    steps = [encode(step) for step in input_steps(record.body.get("input"))] if with_input else []
    if "zombie" not in record.life and status != "queued":
        seen_s = elapsed_s if record.cancelled_s is None else record.cancelled_s - record.created_s
        if seen_s < timeline.output_starts_s:
            steps += timeline.encoded_working[: bisect.bisect_right(timeline.working_ends_s, seen_s)]
        else:
            steps += timeline.encoded[: bisect.bisect_right(timeline.all_ends_s, seen_s)]
    elif "zombie" in record.life:
        steps = []
    return b"".join((encode(head)[:-1], b',"steps":[', b",".join(steps), b"]}"))


def input_steps(value: Any) -> list[Step]:
    """An ``input``, in any of its forms, as steps."""
    match value:
        case None:
            return []
        case str():
            return [{"type": "user_input", "content": [{"type": "text", "text": value}]}]
        case dict():
            return [{"type": "user_input", "content": [value]}]
        case [{"type": kind}, *_] if kind in CONTENT_TYPES:
            return [{"type": "user_input", "content": value}]
        case _:
            return list(value)


CONTENT_TYPES: Final = frozenset({"text", "image", "audio", "video", "document"})
