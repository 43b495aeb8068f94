import base64
import json
from datetime import timedelta
from functools import partial

import httpx2 as httpx
import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError

from activities import submitting
from activities.claims import claim_interaction
from activities.journal import SubmissionJournal
from activities.timeouts import FOREGROUND_TIMEOUT
from artifacts.errors import StoreUnavailable
from artifacts.store import ArtifactStore
from interactions.client import InteractionsClient
from interactions.requests import CreateInteraction
from interactions.responses import Interaction
from isolation.pool import Cause, CutShort, Pool
from runs.budget import Budget
from runs.errors import ActivityErrorType, RunErrorCode
from runs.messages import AgentRunRequest, Attachment, FollowUp, FollowUpKind, SubmitInteraction, Submitted
from runs.tool_secrets import ToolSecret, parse_bindings
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
        *((httpx.Response(status, json=_OVERLOADED), _REFUSED) for status in (429, 503)),
        *(
            (httpx.Response(status, json=_OVERLOADED), _REJECTED)
            for status in (400, 401, 402, 403, 404, 409, 416, 422, 501)
        ),
        *((httpx.Response(status), _REJECTED) for status in (302, 308, 405, 413, 431, 521)),
        *((httpx.Response(status), _UNKNOWN) for status in (400, 401, 403, 404, 409, 429, 501, 503)),
        *((httpx.Response(status, json=_OVERLOADED), _UNKNOWN) for status in (408, 500, 502, 504)),
        (httpx.Response(503, html="<h1>no</h1>"), _UNKNOWN),
        (httpx.Response(200, html="<h1>yes</h1>"), _UNKNOWN),
        (httpx.Response(200), _UNKNOWN),
        (httpx.Response(200, json={"status": "in_progress"}), _UNKNOWN),
        # Terminates a workflow that makes it a search attribute.
        (httpx.Response(200, json={"id": "v" * 5_000, "status": "in_progress"}), _UNKNOWN),
        (httpx.Response(200, json={"id": "v1_\x1b\n", "status": "in_progress"}), _UNKNOWN),
        # Would be another address.
        (httpx.Response(200, json={"id": "..", "status": "in_progress"}), _UNKNOWN),
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
    setup.answers(httpx.Response(429, json=_OVERLOADED, headers={"retry-after": "7"}))
    assert 7.0 in (await _fails(setup)).details


async def test_what_never_left_is_told_from_a_refusal(setup: Setup) -> None:
    """Only what the API itself refused may have become something all the same."""
    setup.answers(httpx.ConnectError("refused"))
    assert RunErrorCode.NOT_SENT in (await _fails(setup)).details
    setup.store = ArtifactStore.open("memory://")
    setup.answers(httpx.Response(429, json=_OVERLOADED))
    assert RunErrorCode.NOT_SENT not in (await _fails(setup)).details


async def test_a_forbidden_page_of_a_proxy_says_nothing_of_the_key(setup: Setup) -> None:
    """Somebody's 403 is not the API's: the outcome is unknown, and the message does not mislead."""
    setup.answers(httpx.Response(403, html="<h1>Blocked</h1>"))
    failure = await _fails(setup)
    assert failure.details == (RunErrorCode.SUBMISSION_UNKNOWN,)
    assert "GEMINI_API_KEY" not in failure.message
    assert "LONGHAUL_API_BASE_URL" in failure.message


async def _submit_as(setup: Setup, *, prefix: str, number: int = 1) -> Submitted:
    submission = SubmitInteraction(request=_REQUEST, artifacts_prefix=prefix, number=number)
    return await setup.environment.run(setup.activities().submit_interaction, submission)


async def test_an_interaction_that_another_run_has_got_is_not_taken(setup: Setup) -> None:
    """A create that is answered with another's interaction has one of its own, which nobody knows."""
    setup.answers(interaction("in_progress"))
    await _submit_as(setup, prefix="run-a/1")
    for prefix, number in (("run-b/1", 1), ("run-a/1", 2)):
        with pytest.raises(ApplicationError, match="given to submission 1 of run test") as caught:
            await _submit_as(setup, prefix=prefix, number=number)
        assert caught.value.type == ActivityErrorType.SUBMISSION_UNKNOWN
        journal = SubmissionJournal(setup.store, prefix=prefix, number=number)
        # Else a recovery, or a reset of the run, would adopt it.
        assert await journal.accepted() is None


async def test_the_same_submission_may_get_its_interaction_again(setup: Setup) -> None:
    """A repetition is not another submission; nor is what a run that was reset sent before."""
    claim = partial(claim_interaction, setup.store, "v1_abc", workflow_id="run-a", artifacts_prefix="run-a/1")
    assert [await claim(number=number) for number in (1, 1)] == [None, None]
    other = await claim(number=2)
    assert other is not None
    assert (other.workflow_id, other.number) == ("run-a", 1)


async def test_a_store_that_cannot_tell_loses_no_interaction(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose an interaction is may be unknowable for a moment; its id is worth more than that."""

    async def fails(*_: object, **__: object) -> None:
        raise StoreUnavailable("away", is_final=False)

    monkeypatch.setattr(submitting, "claim_interaction", fails)
    setup.answers(interaction("in_progress"))
    assert (await _submit_as(setup, prefix="run-a/1")).interaction_id == "v1_abc"


async def test_a_rejected_key_says_where_to_look(setup: Setup) -> None:
    """Bad credentials are a setting of the worker, and the message says which."""
    setup.answers(httpx.Response(401, json={"error": {"code": "authentication", "message": "no"}}))
    failure = await _fails(setup)
    assert failure.details == (RunErrorCode.BAD_CREDENTIALS,)
    assert "GEMINI_API_KEY" in failure.message


_MODEL = AgentRunRequest(model="gemini-3.8-flash", input="Why?")
_CONTINUED = _MODEL.model_copy(update={"previous_interaction_id": "v1_parent"})


def _error(status: int, code: str, message: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": message}})


_INVALID = "invalid_request"


@pytest.mark.parametrize(
    ("request_", "answer", "code"),
    [
        (_MODEL, _error(400, _INVALID, "Model does not support Background execution."), "no_background"),
        (_MODEL, _error(400, _INVALID, "Unknown parameter 'x'."), "rejected"),
        (_MODEL, _error(501, "unimplemented", "background"), "rejected"),
        (_REQUEST, _error(400, _INVALID, "Agents are required to use background=true."), "rejected"),
        (
            _MODEL.model_copy(update={"is_background": False}),
            _error(400, _INVALID, "This model needs background=true."),
            "rejected",
        ),
        (_CONTINUED, _error(404, "not_found", "Interaction 'v1_parent' not found."), "parent_gone"),
        (_CONTINUED, _error(404, "not_found", "Not found."), "parent_gone"),
        (_CONTINUED, _error(404, "model_not_found", "Model not found."), "rejected"),
        (_CONTINUED, _error(404, "not_found", "gemini-3.8-flash not found."), "rejected"),
        (_CONTINUED, _error(404, "not_found", "Method not found."), "rejected"),
        (_MODEL, _error(404, "not_found", "Not found."), "rejected"),
        (_CONTINUED, _error(400, _INVALID, "Invalid previous_interaction_id: not found."), "parent_gone"),
        (_CONTINUED, _error(400, _INVALID, "Interaction v1_parent has expired."), "parent_gone"),
        (
            _CONTINUED,
            _error(400, "failed_precondition", "Previous interaction 'v1_parent' has status 'in_progress'."),
            "rejected",
        ),
        (_CONTINUED, _error(400, _INVALID, "Tool f not found."), "rejected"),
        (_MODEL, _error(400, _INVALID, "previous_interaction_id not found"), "rejected"),
    ],
)
async def test_a_rejection_says_what_else_can_be_tried(
    setup: Setup, request_: AgentRunRequest, answer: httpx.Response, code: str
) -> None:
    """A model without a background is asked without, and a conversation that was forgotten is told anew."""
    setup.answers(answer)
    failure = await _fails(setup, request_)
    assert (failure.type, failure.details) == (_REJECTED, (code,))


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (
            {"budget": {"max_cost_usd": 5}},
            RunErrorCode.BUDGET,
            (
                "no price for gemini-3.8-flash, so max_cost_usd cannot be kept; "
                "add one to LONGHAUL_PRICES_FILE or use max_tokens"
            ),
        ),
        (
            {"outputs": {"forms": [{"type": "text", "json_schema": {"type": "strin"}}]}},
            RunErrorCode.REJECTED,
            (
                'no valid JSON Schema: $.type: "strin" is not valid under any of the schemas listed in the '
                "'anyOf' keyword"
            ),
        ),
        (
            {"outputs": {"forms": [{"type": "text", "json_schema": {"$ref": "https://x.example/s"}}]}},
            RunErrorCode.REJECTED,
            "no usable JSON Schema: it refers to 'https://x.example/s'; put what that holds into $defs",
        ),
        (
            {"tools": [{"type": "mcp_server", "name": "m", "url": "https://m.example", "secret": "WIKI"}]},
            RunErrorCode.REJECTED,
            "MCP server 'm' asks for a secret: set LONGHAUL_SECRET_WIKI on the worker",
        ),
        (
            {"tools": [{"type": "mcp_server", "name": "m", "url": "https://m.example", "secret": "LOOSE"}]},
            RunErrorCode.REJECTED,
            (
                "MCP server 'm': LONGHAUL_SECRET_LOOSE is bound to no host, so it is not sent to m.example; "
                "if m.example is to have it, set LONGHAUL_SECRET_LOOSE_HOST=m.example on the worker"
            ),
        ),
    ],
)
async def test_what_cannot_be_kept_is_not_sent(
    setup: Setup, options: dict[str, object], code: RunErrorCode, reason: str
) -> None:
    """It is said before anything is paid for, and says what to do."""
    setup.secrets = {"LOOSE": ToolSecret("LOOSE", SecretStr("Bearer wiki-token-123"))}
    failure = await _fails(setup, AgentRunRequest.model_validate(_MODEL.model_dump() | options))
    assert (failure.type, failure.details) == (_REJECTED, (code,))
    assert failure.message == f"nothing was submitted: {reason}"
    assert setup.requests == []
    # No record either: a recovery would have to take it for sent.
    assert await setup.store.list("run/1") == ("run/1/request.json",)


async def test_a_schema_that_this_worker_cannot_check_is_left_to_another(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That no process can be started says nothing about the schema."""

    async def cannot(*_: object) -> None:
        raise CutShort("its process ended with 1", cause=Cause.CRASH, has_begun=False)

    monkeypatch.setattr(Pool, "run", cannot)
    forms = {"forms": [{"type": "text", "json_schema": {"type": "object"}}]}
    failure = await _fails(setup, AgentRunRequest.model_validate(_MODEL.model_dump() | {"outputs": forms}))
    assert (failure.type, failure.details[0]) == (ActivityErrorType.SUBMISSION_REFUSED, RunErrorCode.NOT_SENT)
    assert "could not be checked here" in failure.message
    assert setup.requests == []


async def test_a_cost_that_can_be_estimated_may_be_bounded(setup: Setup) -> None:
    """The price table has this agent."""
    setup.answers(interaction("in_progress"))
    request = _REQUEST.model_copy(update={"budget": Budget(max_cost_usd=5)})
    await setup.environment.run(setup.activities().submit_interaction, _submission(request))
    assert len(setup.requests) == 1


@pytest.mark.parametrize(
    ("status", "has_ended"),
    [
        ("queued", False),
        ("in_progress", False),
        ("new_word", False),
        ("completed", True),
        ("requires_action", True),
    ],
)
async def test_an_answer_says_whether_the_turn_is_over(setup: Setup, status: str, *, has_ended: bool) -> None:
    """In the foreground it is; then there is nothing to watch."""
    setup.answers(interaction(status))
    submitted = await setup.environment.run(setup.activities().submit_interaction, _submission(_MODEL))
    assert submitted.has_ended is has_ended


@pytest.mark.parametrize(
    ("request_", "is_foreground", "allowed"),
    [
        (_MODEL, False, None),
        (_MODEL, True, FOREGROUND_TIMEOUT),
        (_MODEL.model_copy(update={"is_background": False}), False, FOREGROUND_TIMEOUT),
    ],
)
async def test_the_foreground_is_given_time(
    setup: Setup,
    monkeypatch: pytest.MonkeyPatch,
    request_: AgentRunRequest,
    allowed: timedelta | None,
    *,
    is_foreground: bool,
) -> None:
    """A create that is answered at its end takes minutes, where another takes seconds."""
    given: list[float | None] = []
    create = InteractionsClient.create

    async def timed(
        client: InteractionsClient, body: CreateInteraction, *, timeout_s: float | None = None
    ) -> Interaction:
        given.append(timeout_s)
        return await create(client, body, timeout_s=timeout_s)

    monkeypatch.setattr(InteractionsClient, "create", timed)
    setup.answers(interaction("completed"))
    submission = _submission(request_).model_copy(update={"is_foreground": is_foreground})
    await setup.environment.run(setup.activities().submit_interaction, submission)
    assert given == [None if allowed is None else allowed.total_seconds()]


async def test_a_further_turn_leaves_the_request_alone(setup: Setup) -> None:
    """The file says what the run was asked; a further turn's request does not."""
    ids = iter(("v1_abc", "v1_def"))
    setup.answers(lambda _: httpx.Response(200, json={"id": next(ids), "status": "in_progress"}))
    activity = setup.activities().submit_interaction
    await setup.environment.run(activity, _submission())
    kept = await setup.store.get("run/1/request.json")
    follow_up = FollowUp(kind=FollowUpKind.PLAN_APPROVED, previous_interaction_id="v1_abc")
    shortened = _REQUEST.model_copy(update={"input": "…"})
    submitted = await setup.environment.run(
        activity,
        SubmitInteraction(request=shortened, artifacts_prefix="run/1", number=2, follow_up=follow_up),
    )
    assert await setup.store.get("run/1/request.json") == kept
    assert submitted.artifacts_uri.endswith("run/1")


async def test_a_secret_goes_into_the_request_and_nowhere_else(setup: Setup) -> None:
    """Neither the kept request nor what comes back of it has the token."""
    tool = {"type": "mcp_server", "name": "m", "url": "https://m.example", "secret": "WIKI"}
    request = AgentRunRequest.model_validate({**_MODEL.model_dump(), "tools": [tool]})
    setup.secrets = {
        "WIKI": ToolSecret("WIKI", SecretStr("Bearer wiki-token-123"), parse_bindings("m.example"))
    }
    setup.answers(lambda sent: _error(400, _INVALID, f"cannot read {sent.content.decode()}"))
    failure = await _fails(setup, request)
    assert b"wiki-token-123" in setup.requests[0].content
    assert "m.example" in failure.message
    assert "wiki-token-123" not in failure.message
    assert b"wiki-token-123" not in await setup.store.get("run/1/request.json")
