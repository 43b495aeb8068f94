import base64
import json

import httpx2 as httpx
import pytest
from temporalio.exceptions import ApplicationError

from artifacts.store import ArtifactStore
from runs.errors import ActivityErrorType, RunErrorCode
from runs.messages import AgentRunRequest, Attachment, SubmitInteraction
from tests.unit.activities.conftest import Setup, interaction

_REQUEST = AgentRunRequest(agent="deep-research-preview-04-2026", input="Why?")


def _submission(request: AgentRunRequest = _REQUEST) -> SubmitInteraction:
    return SubmitInteraction(request=request, artifacts_prefix="run/1")


async def _fails(setup: Setup, request: AgentRunRequest = _REQUEST) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        await setup.environment.run(setup.activities().submit_interaction, _submission(request))
    return caught.value


async def test_one_background_create_is_sent(setup: Setup) -> None:
    """A submission is one request, in the background, with thoughts on: there is something to watch."""
    setup.answers(interaction("in_progress"))
    submitted = await setup.environment.run(setup.activities().submit_interaction, _submission())
    assert submitted.interaction_id == "v1_abc"
    assert submitted.artifacts_uri.endswith("run/1")
    assert [json.loads(request.content) for request in setup.requests] == [
        {
            "agent": "deep-research-preview-04-2026",
            "input": "Why?",
            "background": True,
            "agent_config": {"type": "deep-research", "thinking_summaries": "auto", "visualization": "auto"},
        }
    ]


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("antigravity-preview-09-2026", {"agent_config": {"type": "antigravity"}, "environment": "remote"}),
        ("my-own-agent", {}),
    ],
)
async def test_each_agent_gets_the_configuration_it_takes(
    setup: Setup, agent: str, expected: dict[str, object]
) -> None:
    """Antigravity needs a sandbox; a custom agent brings its own configuration."""
    setup.answers(interaction("queued"))
    await setup.environment.run(
        setup.activities().submit_interaction, _submission(AgentRunRequest(agent=agent, input="Why?"))
    )
    sent = json.loads(setup.requests[0].content)
    assert sent == {"agent": agent, "input": "Why?", "background": True, **expected}


async def test_attachments_travel_with_the_question(setup: Setup) -> None:
    """Addresses pass through, stored files go inline, and text stays text."""
    pdf = await setup.store.put("attachments/a.pdf", b"%PDF", "application/pdf")
    txt = await setup.store.put("attachments/b.txt", "é".encode(), "text/plain")
    request = AgentRunRequest(
        agent="a",
        input="Why?",
        attachments=(
            Attachment(uri="https://example.org/c.png", media_type="image/png", name="c.png"),
            Attachment(uri=pdf.uri, media_type="application/pdf", name="a.pdf", size_bytes=4),
            Attachment(uri=txt.uri, media_type="text/plain", name="b.txt", size_bytes=2),
        ),
    )
    setup.answers(interaction("in_progress"))
    await setup.environment.run(setup.activities().submit_interaction, _submission(request))
    assert json.loads(setup.requests[0].content)["input"] == [
        {"type": "text", "text": "Why?"},
        {"type": "image", "uri": "https://example.org/c.png", "mime_type": "image/png"},
        {"type": "document", "data": base64.b64encode(b"%PDF").decode(), "mime_type": "application/pdf"},
        {"type": "text", "text": "b.txt:\n\né"},
    ]


@pytest.mark.parametrize(
    ("uri", "media_type"),
    [("file:///etc/passwd", "text/plain"), ("memory:///attachments/gone.pdf", "application/pdf")],
)
async def test_what_is_not_in_the_store_is_not_sent(setup: Setup, uri: str, media_type: str) -> None:
    """An attachment that cannot be read, or that lies outside of the store, costs nothing."""
    attachment = Attachment(uri=uri, media_type=media_type, name="x")
    failure = await _fails(setup, AgentRunRequest(agent="a", input="q", attachments=(attachment,)))
    assert failure.type == ActivityErrorType.SUBMISSION_REJECTED
    assert failure.message.startswith("nothing was submitted:")
    assert setup.requests == []


async def test_bytes_that_claim_to_be_text_are_not_sent(setup: Setup) -> None:
    """A text attachment has to be UTF-8."""
    ref = await setup.store.put("attachments/b.txt", b"\xff\xfe", "text/plain")
    attachment = Attachment(uri=ref.uri, media_type="text/plain", name="b.txt")
    failure = await _fails(setup, AgentRunRequest(agent="a", input="q", attachments=(attachment,)))
    assert "not UTF-8 text" in failure.message


async def test_a_store_that_takes_nothing_is_found_before_anything_is_paid(setup: Setup) -> None:
    """A full or unwritable store ends the run before the submission, with one clear line."""
    setup.store = ArtifactStore.open("file:///proc/nowhere")
    failure = await _fails(setup)
    assert failure.type == ActivityErrorType.SUBMISSION_REJECTED
    assert failure.details == (RunErrorCode.ARTIFACT_STORE,)
    assert setup.requests == []


_REFUSED = ActivityErrorType.SUBMISSION_REFUSED
_REJECTED = ActivityErrorType.SUBMISSION_REJECTED
_UNKNOWN = ActivityErrorType.SUBMISSION_UNKNOWN
_OVERLOADED = {"error": {"code": "service_unavailable", "message": "later"}}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.ConnectError("refused"), _REFUSED),
        (httpx.Response(429), _REFUSED),
        (httpx.Response(503, json=_OVERLOADED), _REFUSED),
        *((httpx.Response(status), _REJECTED) for status in (400, 401, 402, 403, 404, 409, 416, 422, 501)),
        *((httpx.Response(status, json=_OVERLOADED), _UNKNOWN) for status in (408, 500, 502, 504)),
        (httpx.Response(503, html="<h1>no</h1>"), _UNKNOWN),
        (httpx.Response(200, html="<h1>yes</h1>"), _UNKNOWN),
        (httpx.Response(200), _UNKNOWN),
        (httpx.Response(200, json={"status": "in_progress"}), _UNKNOWN),
        # Terminates a workflow that makes it a search attribute.
        (httpx.Response(200, json={"id": "v" * 5_000, "status": "in_progress"}), _UNKNOWN),
        (httpx.Response(200, json={"id": "v1_\x1b\n", "status": "in_progress"}), _UNKNOWN),
        (httpx.ReadTimeout("slow"), _UNKNOWN),
        (httpx.RemoteProtocolError("cut"), _UNKNOWN),
        (httpx.ReadError("reset"), _UNKNOWN),
    ],
)
async def test_the_outcome_of_a_submission_is_classified(
    setup: Setup, answer: httpx.Response | Exception, kind: ActivityErrorType
) -> None:
    """Only what the API certainly did not run may be sent again; the table of design is this one."""
    setup.answers(answer)
    failure = await _fails(setup)
    assert (failure.type, failure.non_retryable) == (kind, True)
    assert len(setup.requests) == 1


async def test_a_refusal_carries_the_wait_the_api_asked_for(setup: Setup) -> None:
    """Retry-After reaches the workflow, which does the waiting."""
    setup.answers(httpx.Response(429, headers={"retry-after": "7"}))
    assert 7.0 in (await _fails(setup)).details


async def test_a_rejected_key_says_where_to_look(setup: Setup) -> None:
    """Bad credentials are a setting of the worker, and the message says which."""
    setup.answers(httpx.Response(401, json={"error": {"code": "authentication", "message": "no"}}))
    failure = await _fails(setup)
    assert failure.details == (RunErrorCode.BAD_CREDENTIALS,)
    assert "GEMINI_API_KEY" in failure.message
