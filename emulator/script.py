"""From a record to its timeline, with whatever fate was chosen for it."""

from collections import OrderedDict
from typing import Any, Final

from emulator.answers import plan_answer
from emulator.records import Behaviour, Record
from emulator.research import plan_research
from emulator.timeline import Step, Timeline

_KEPT: Final = 512
"""Timelines kept in memory. A running one takes some 40 kB, one whose report was read some 150 kB."""

_FAILED_SHARE: Final = 0.5
_INCOMPLETE_SHARE: Final = 0.9


class Timelines:
    """Timelines by interaction, made when first looked at."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Timeline] = OrderedDict()

    def of(self, record: Record) -> Timeline:
        """The timeline of ``record``; the same one for as long as it is remembered."""
        timeline = self._kept.get(record.interaction_id)
        if timeline is None:
            timeline = self._kept[record.interaction_id] = write_timeline(record)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(record.interaction_id)
        return timeline

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()


def write_timeline(record: Record) -> Timeline:
    """Decide how a run goes."""
    match record.behaviour:
        case Behaviour.RESEARCH | Behaviour.PLAN:
            timeline = plan_research(record)
        case Behaviour.MODEL | Behaviour.SANDBOX:
            timeline = plan_answer(record)
    if "failed" in record.life:
        return _failed(timeline)
    if "no-text" in record.life:
        return _ended(timeline, status="completed", output=[])
    if "incomplete" in record.life:
        return _incomplete(timeline)
    if "unknown-step" in record.life:
        return _with_unknown_content(timeline)
    return timeline


def _ended(
    timeline: Timeline,
    *,
    status: str,
    output: list[Step],
    share: float = 1.0,
    errors: list[dict[str, str]] | None = None,
) -> Timeline:
    ends_s = timeline.duration_s * share
    return Timeline(
        duration_s=ends_s,
        end_status=status,
        working=[each for each in timeline.working if each.ends_s <= ends_s],
        write_output=lambda: output,
        output_starts_s=min(timeline.output_starts_s, ends_s),
        usage=lambda: timeline.usage,
        errors=errors,
    )


def _failed(timeline: Timeline) -> Timeline:
    message = "The agent stopped: an internal error has occurred."
    error: dict[str, Any] = {"code": 13, "message": message}
    return _ended(
        timeline,
        status="failed",
        output=[{"type": "model_output", "content": [], "error": error}],
        share=_FAILED_SHARE,
        errors=[{"code": "api_error", "message": message}],
    )


def _incomplete(timeline: Timeline) -> Timeline:
    output = [each.step for each in timeline.output]
    return _ended(timeline, status="incomplete", output=output[:1], share=_INCOMPLETE_SHARE)


def _with_unknown_content(timeline: Timeline) -> Timeline:
    output = [each.step for each in timeline.output]
    strange = {"type": "hologram", "data": "AAAA", "depth": 3}
    for step in output:
        for part in step.get("content", []):
            if part["type"] == "text":
                part.setdefault("annotations", []).append(
                    {"type": "rumour", "start_index": 0, "end_index": 1}
                )
    output.append({"type": "model_output", "content": [strange]})
    return _ended(timeline, status=timeline.end_status, output=output)
