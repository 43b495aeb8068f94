"""What a chain keeps of a result: as much as other steps refer to, within bounds for all steps together.

Workflow code: see docs/changing.md.
"""

import json
from dataclasses import dataclass

from pydantic import JsonValue

from chains.errors import NoRoom
from chains.limits import MAX_INLINE_BYTES, MAX_KEPT_BYTES, MAX_SHOWN_BYTES
from chains.messages import StepResult
from chains.plan import Needs


@dataclass(frozen=True)
class Kept:
    """What is kept of a result, and what it takes.

    Attributes:
        result: Without all that is not kept.
        kept_bytes: Of `chains.limits.MAX_KEPT_BYTES`.
        shown_bytes: Of `chains.limits.MAX_SHOWN_BYTES`.
    """

    result: StepResult
    kept_bytes: int
    shown_bytes: int


def keep(result: StepResult, needs: Needs, *, kept_bytes: int, shown_bytes: int, is_shown: bool) -> Kept:
    """Return what is kept of ``result``.

    Args:
        result: What came of a step or an item.
        needs: What others refer to.
        kept_bytes: What is kept of others for templates.
        shown_bytes: What is kept of others for people.
        is_shown: Whether people may want to see its files in the chain, where there is room for them.

    Raises:
        NoRoom: What others refer to is too long.
    """
    room_bytes = MAX_KEPT_BYTES - kept_bytes
    size_bytes = 0
    text, text_uri, data, interaction_id = "", None, None, None
    artifacts = result.artifacts if needs.files else ()
    if needs.data:
        data = prune(result.data, needs.data)
        size_bytes += _size_bytes(data)
    if needs.interaction_id:
        interaction_id = result.interaction_id
        size_bytes += _size_bytes(interaction_id)
    size_bytes += sum(len(artifact.model_dump_json()) for artifact in artifacts)
    if needs.text:
        text, text_uri = result.text, result.text_uri
        text_bytes = _size_bytes(text)
        if text_uri is not None and (
            not text
            or text_bytes > MAX_INLINE_BYTES
            or kept_bytes + size_bytes + text_bytes > MAX_KEPT_BYTES // 2
        ):
            # The file says the same, and half of the room stays for what no file has.
            text, text_bytes = "", _size_bytes(text_uri)
        elif text:
            text_uri = None
        size_bytes += text_bytes
    if size_bytes > room_bytes:
        raise NoRoom(
            f"what other steps refer to of it takes {size_bytes:,} bytes, and {max(room_bytes, 0):,} of the "
            f"chain's {MAX_KEPT_BYTES:,} are left; refer to less, or split the chain"
        )
    shown = result if is_shown else StepResult(phase=result.phase)
    extra_bytes = _size_bytes(shown.text_uri) + sum(len(ref.model_dump_json()) for ref in shown.artifacts)
    if extra_bytes > MAX_SHOWN_BYTES - shown_bytes:
        shown, extra_bytes = StepResult(phase=result.phase), 0
    return Kept(
        StepResult(
            phase=result.phase,
            text=text,
            text_uri=text_uri if text or text_uri else shown.text_uri,
            data=data,
            interaction_id=interaction_id,
            artifacts=artifacts or shown.artifacts,
            spent=result.spent,
            error=result.error,
        ),
        kept_bytes=kept_bytes + size_bytes,
        shown_bytes=shown_bytes + extra_bytes,
    )


def prune(data: JsonValue, paths: frozenset[tuple[str, ...]]) -> JsonValue:
    """Return ``data`` with only what lies at ``paths``; an empty path is all of it."""
    if () in paths or not isinstance(data, dict):
        return data
    pruned: dict[str, JsonValue] = {}
    for key, value in data.items():
        below = frozenset(path[1:] for path in paths if path[0] == key)
        if below:
            pruned[key] = prune(value, below)
    return pruned


def _size_bytes(value: JsonValue) -> int:
    """Return the length of ``value`` as JSON in UTF-8, which is how it stands in history."""
    return len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
