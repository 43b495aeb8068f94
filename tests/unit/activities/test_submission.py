import json
from typing import Any

import pytest

from activities.failures import NotSendable
from activities.submission import build_submission
from activities.transcripts import StoredTurn, write_turn
from artifacts.errors import ArtifactNotFound, InvalidMedia
from artifacts.store import ArtifactStore
from runs.budget import Budget
from runs.messages import AgentRunRequest, FollowUp, FollowUpKind, SubmitInteraction, TranscriptTurn
from runs.tool_calls import ToolAnswer, ToolDescription

_MODEL = {"model": "gemini-3.8-flash", "input": "Why?"}
_RESEARCH = {"agent": "deep-research-preview-04-2026", "input": "Why?"}
_SANDBOX = {"agent": "antigravity-preview-09-2026", "input": "Why?"}

_PLAIN: dict[str, Any] = {"model": "gemini-3.8-flash", "input": "Why?", "background": True}


@pytest.fixture
def store() -> ArtifactStore:
    """An empty store in memory."""
    return ArtifactStore.open("memory://")


async def _sent(store: ArtifactStore, request: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the JSON that goes to the API for ``request``."""
    submission = SubmitInteraction(
        request=AgentRunRequest.model_validate(request), artifacts_prefix="run/1", **fields
    )
    create = await build_submission(submission, store, {})
    body: dict[str, Any] = json.loads(create.to_body(stream=False))
    return body


async def test_a_question_alone_goes_as_it_is(store: ArtifactStore) -> None:
    """What a request does not say is left to the API."""
    assert await _sent(store, _MODEL) == _PLAIN


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"system_instruction": "Be brief."}, {"system_instruction": "Be brief."}),
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"previous_interaction_id": "v1_p"}, {"previous_interaction_id": "v1_p"}),
        ({"is_background": True}, {"background": True}),
        ({"is_background": False}, {"background": False}),
        ({"generation": {}}, {"generation_config": {"thinking_summaries": "auto"}}),
        (
            {"generation": {"thinking_summaries": False}},
            {"generation_config": {"thinking_summaries": "none"}},
        ),
        (
            {
                "generation": {
                    "thinking_level": "low",
                    "max_output_tokens": 100,
                    "seed": 7,
                    "stop_sequences": ["END"],
                    "tool_choice": "validated",
                }
            },
            {
                "generation_config": {
                    "thinking_level": "low",
                    "thinking_summaries": "auto",
                    "max_output_tokens": 100,
                    "seed": 7,
                    "stop_sequences": ["END"],
                    "tool_choice": "validated",
                }
            },
        ),
        (
            {"generation": {"tool_choice": "any", "allowed_tools": ["f"]}},
            {
                "generation_config": {
                    "thinking_summaries": "auto",
                    "tool_choice": {"allowed_tools": {"mode": "any", "tools": ["f"]}},
                }
            },
        ),
        (
            {"generation": {"allowed_tools": ["f", "g"]}},
            {
                "generation_config": {
                    "thinking_summaries": "auto",
                    "tool_choice": {"allowed_tools": {"mode": "auto", "tools": ["f", "g"]}},
                }
            },
        ),
        ({"outputs": {"forms": [{"type": "text"}]}}, {"response_format": {"type": "text"}}),
        (
            {"outputs": {"forms": [{"type": "text", "json_schema": {"default": None}}]}},
            {
                "response_format": {
                    "type": "text",
                    "mime_type": "application/json",
                    "schema": {"default": None},
                }
            },
        ),
        (
            {"outputs": {"forms": [{"type": "image", "aspect_ratio": "16:9", "size": "2K"}]}},
            {"response_format": {"type": "image", "aspect_ratio": "16:9", "image_size": "2K"}},
        ),
        ({"outputs": {"forms": [{"type": "audio"}]}}, {"response_format": {"type": "audio"}}),
        (
            {
                "outputs": {
                    "forms": [
                        {
                            "type": "audio",
                            "speakers": [
                                {"voice": "Kore", "speaker": "A", "language": "en-US"},
                                {"voice": "Puck"},
                            ],
                        }
                    ]
                },
                "generation": {"seed": 1},
            },
            {
                "response_format": {"type": "audio"},
                "generation_config": {
                    "seed": 1,
                    "thinking_summaries": "auto",
                    "speech_config": {
                        "speakers": [
                            {"speaker": "A", "voice": "Kore", "language": "en-US"},
                            {"voice": "Puck"},
                        ]
                    },
                },
            },
        ),
        (
            {"outputs": {"forms": [{"type": "audio", "speakers": [{"voice": "Kore"}]}]}},
            {
                "response_format": {"type": "audio"},
                "generation_config": {"speech_config": {"speakers": [{"voice": "Kore"}]}},
            },
        ),
        (
            {"outputs": {"forms": [{"type": "video", "aspect_ratio": "9:16", "resolution": "720p"}]}},
            {"response_format": {"type": "video", "aspect_ratio": "9:16", "resolution": "720p"}},
        ),
        (
            {"outputs": {"forms": [{"type": "image"}, {"type": "text"}]}},
            {"response_format": [{"type": "image"}, {"type": "text"}]},
        ),
        ({"tools": [{"type": "url_context"}]}, {"tools": [{"type": "url_context"}]}),
        # Bounds that the run keeps itself, and what only people look at.
        ({"budget": {"max_tokens": 5}, "labels": ["x"], "tenant": "t", "deadline_s": 60}, {}),
    ],
)
async def test_what_a_model_is_asked_for(
    store: ArtifactStore, option: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Each option of a request becomes one of the API's."""
    assert await _sent(store, _MODEL | option) == _PLAIN | expected


@pytest.mark.parametrize(
    ("request_fields", "config"),
    [
        (_RESEARCH, {"visualization": "auto"}),
        (_RESEARCH | {"visualization": False}, {"visualization": "off"}),
        (_RESEARCH | {"planning": {}}, {"visualization": "auto", "collaborative_planning": True}),
    ],
)
async def test_what_research_is_asked_for(
    store: ArtifactStore, request_fields: dict[str, Any], config: dict[str, Any]
) -> None:
    """Deep Research says what it thinks, and begins with a plan where one is wanted."""
    sent = await _sent(store, request_fields)
    assert sent["agent_config"] == {"type": "deep-research", "thinking_summaries": "auto", **config}


async def test_an_agent_in_a_sandbox_keeps_to_the_tokens_by_itself(store: ArtifactStore) -> None:
    """Antigravity is the one that can be told a bound; as the wire writes 64-bit integers."""
    sent = await _sent(store, _SANDBOX | {"budget": Budget(max_tokens=5_000), "is_background": False})
    assert sent == {
        "agent": "antigravity-preview-09-2026",
        "input": "Why?",
        "background": False,
        "agent_config": {"type": "antigravity", "max_total_tokens": "5000"},
        "environment": "remote",
    }


async def test_a_model_that_has_no_background_is_asked_without(store: ArtifactStore) -> None:
    """The second try holds the connection."""
    assert (await _sent(store, _MODEL, is_foreground=True))["background"] is False


def _follow_up(kind: FollowUpKind, **fields: Any) -> FollowUp:
    return FollowUp(kind=kind, previous_interaction_id="v1_before", **fields)


@pytest.mark.parametrize(
    ("follow_up", "said", "wants_plan"),
    [
        (_follow_up(FollowUpKind.PLAN_REVISED, text="Only Europe."), "Only Europe.", True),
        (_follow_up(FollowUpKind.PLAN_APPROVED, text="Be quick."), "Be quick.", False),
        (_follow_up(FollowUpKind.PLAN_APPROVED, text=" "), "Go ahead.", False),
    ],
)
async def test_a_plan_is_answered(
    store: ArtifactStore, follow_up: FollowUp, said: str, *, wants_plan: bool
) -> None:
    """Research begins with the turn that switches planning off, whatever its words are."""
    sent = await _sent(store, _RESEARCH | {"planning": {}}, follow_up=follow_up)
    assert (sent["input"], sent["previous_interaction_id"]) == (said, "v1_before")
    assert sent["agent_config"]["collaborative_planning"] is wants_plan


async def test_results_go_back_with_the_tools_again(store: ArtifactStore) -> None:
    """The API inherits neither tools nor instructions; and a tool that had to be used has been."""
    sent = await _sent(
        store,
        _MODEL
        | {
            "tools": [{"type": "function", "name": "f"}],
            "system_instruction": "Be brief.",
            "generation": {"tool_choice": "any", "allowed_tools": ["f"]},
            "previous_interaction_id": "v1_long_ago",
        },
        functions=(ToolDescription(name="f"),),
        follow_up=_follow_up(
            FollowUpKind.TOOL_RESULTS, answers=(ToolAnswer(call_id="c1", name="f", text="4"),)
        ),
    )
    assert sent == {
        "model": "gemini-3.8-flash",
        "input": [{"type": "function_result", "call_id": "c1", "name": "f", "result": "4"}],
        "previous_interaction_id": "v1_before",
        "system_instruction": "Be brief.",
        "tools": [{"type": "function", "name": "f"}],
        "generation_config": {
            "thinking_summaries": "auto",
            "tool_choice": {"allowed_tools": {"mode": "auto", "tools": ["f"]}},
        },
        "background": True,
    }


async def _kept(store: ArtifactStore, **fields: Any) -> str:
    document = json.dumps({"id": "v1_before", "status": "requires_continuation", **fields})
    return (await store.put("run/1/turns/1/interaction.json", document.encode(), "application/json")).uri


async def test_a_stopped_answer_goes_on_from_its_token(store: ArtifactStore) -> None:
    """The API has the input already, and takes none."""
    uri = await _kept(store, continuation_token="t-1")
    sent = await _sent(store, _MODEL, follow_up=_follow_up(FollowUpKind.CONTINUATION, interaction_uri=uri))
    assert sent == {
        "model": "gemini-3.8-flash",
        "previous_interaction_id": "v1_before",
        "continuation_token": "t-1",
        "background": True,
    }


async def test_without_a_token_nothing_is_sent(store: ArtifactStore) -> None:
    """An answer that cannot be continued is not asked for anew."""
    uri = await _kept(store)
    for interaction_uri in (uri, None):
        follow_up = _follow_up(FollowUpKind.CONTINUATION, interaction_uri=interaction_uri)
        with pytest.raises(NotSendable, match="no continuation token"):
            await _sent(store, _MODEL, follow_up=follow_up)


async def test_an_interaction_that_is_none_is_not_continued(store: ArtifactStore) -> None:
    """A file that is gone, or something else, is an error of the store."""
    other = await store.put("x.json", b"[]", "application/json")
    for uri, error in ((other.uri, InvalidMedia), (f"{store.base_uri}/gone.json", ArtifactNotFound)):
        with pytest.raises(error):
            await _sent(store, _MODEL, follow_up=_follow_up(FollowUpKind.CONTINUATION, interaction_uri=uri))


async def test_a_sandbox_is_gone_on_with(store: ArtifactStore) -> None:
    """Further turns of a run find the files of those before them."""
    uri = await _kept(store, environment_id="env-1")
    answers = (ToolAnswer(call_id="c1", name="f", text="4"),)
    follow_up = _follow_up(FollowUpKind.TOOL_RESULTS, interaction_uri=uri, answers=answers)
    assert (await _sent(store, _SANDBOX, follow_up=follow_up))["environment"] == "env-1"


@pytest.mark.parametrize(
    ("left", "is_retold", "expected"),
    [("env-1", False, "env-1"), (None, False, "remote"), ("env-1", True, "remote")],
)
async def test_a_conversation_goes_on_in_its_sandbox(
    store: ArtifactStore, left: str | None, *, is_retold: bool, expected: str
) -> None:
    """Unless it had none, or the API has forgotten all about it."""
    place = TranscriptTurn(folder="talk/1", number=3, is_retold=is_retold)
    earlier = StoredTurn(question="q", answer="a", environment_id=left)
    # The second turn failed, and left nothing.
    await write_turn(store, place.model_copy(update={"number": 1}), earlier)
    request = _SANDBOX | {"previous_interaction_id": "v1_p", "transcript": place}
    assert (await _sent(store, request))["environment"] == expected


async def test_a_conversation_is_told_anew(store: ArtifactStore) -> None:
    """Then the API is not asked for what it has forgotten."""
    place = TranscriptTurn(folder="talk/1", number=2, is_retold=True)
    await write_turn(
        store, place.model_copy(update={"number": 1}), StoredTurn(question="Who?", answer="Ada.")
    )
    sent = await _sent(store, _MODEL | {"previous_interaction_id": "v1_gone", "transcript": place})
    assert sent == {
        "model": "gemini-3.8-flash",
        "background": True,
        "input": [
            {"type": "user_input", "content": [{"type": "text", "text": "Who?"}]},
            {"type": "model_output", "content": [{"type": "text", "text": "Ada."}]},
            {"type": "user_input", "content": [{"type": "text", "text": "Why?"}]},
        ],
    }


async def test_a_conversation_that_the_api_knows_is_not_told_again(store: ArtifactStore) -> None:
    """The API has what was said, and counts its tokens once."""
    place = TranscriptTurn(folder="talk/1", number=2)
    await write_turn(
        store, place.model_copy(update={"number": 1}), StoredTurn(question="Who?", answer="Ada.")
    )
    sent = await _sent(store, _MODEL | {"previous_interaction_id": "v1_p", "transcript": place})
    assert sent == _PLAIN | {"previous_interaction_id": "v1_p"}


async def test_results_within_a_conversation_follow_the_call(store: ArtifactStore) -> None:
    """A run that told the conversation anew does so once: its later turns have a previous interaction."""
    place = TranscriptTurn(folder="talk/1", number=2, is_retold=True)
    answers = (ToolAnswer(call_id="c1", name="f", text="4"),)
    sent = await _sent(
        store,
        _MODEL | {"transcript": place},
        follow_up=_follow_up(FollowUpKind.TOOL_RESULTS, answers=answers),
    )
    assert sent["previous_interaction_id"] == "v1_before"
    assert [step["type"] for step in sent["input"]] == ["function_result"]
