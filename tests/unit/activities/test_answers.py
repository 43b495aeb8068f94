import json
from typing import Any

from activities.answers import Answer, answer_of
from activities.storing import read_earlier
from artifacts.store import ArtifactStore
from interactions.responses import Interaction
from interactions.steps import ModelOutputStep


def _turn(status: str, *texts: str) -> dict[str, Any]:
    asked = {"type": "user_input", "content": [{"type": "text", "text": "Why?"}]}
    said = [{"type": "model_output", "content": [{"type": "text", "text": text}]} for text in texts]
    return {"id": "v1", "status": status, "steps": [asked, *said]}


def _rounds(*turns: dict[str, Any]) -> list[str]:
    answer = Answer(tuple(Interaction.model_validate(turn) for turn in turns))
    return [
        "".join(
            part.text
            for step in steps
            if isinstance(step, ModelOutputStep)
            for part in step.content
            if part.type == "text" and hasattr(part, "text")
        )
        for steps in answer.rounds
    ]


def test_a_continued_answer_is_one_round() -> None:
    """However often it stopped, nothing comes between its parts; function calls come between rounds."""
    assert _rounds(
        _turn("requires_continuation", "One, t"),
        _turn("requires_continuation", "wo, th"),
        _turn("requires_action", "ree."),
        _turn("requires_continuation", "Fo"),
        _turn("completed", "ur."),
    ) == ["One, two, three.", "Four."]


async def test_what_is_left_of_an_answer_is_read() -> None:
    """An earlier part that is gone, is elsewhere or is no interaction is noted, and the rest is used."""
    store = ArtifactStore.open("memory://")
    kept = await store.put("run/a.json", json.dumps(_turn("completed", "A.")).encode(), "application/json")
    broken = await store.put("run/b.json", b"[]", "application/json")
    uris = (kept.uri, broken.uri, f"{store.base_uri}/run/gone.json", "file:///etc/passwd")
    answer = answer_of(json.dumps(_turn("completed", "Z.")).encode(), *await read_earlier(uris, store))
    assert [turn.text for turn in answer.turns] == ["A.", "Z."]
    assert len(answer.notes) == 3
