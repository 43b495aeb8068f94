import asyncio
import dataclasses
from datetime import timedelta

import httpx2 as httpx
import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.claims import claim_interaction
from activities.timeouts import MISSING_GRACE
from interactions.client import InteractionsClient
from interactions.responses import Interaction
from runs.errors import ActivityErrorType
from runs.messages import CheckInteraction, Sighting, WatchInteraction
from tests.unit.activities.conftest import ACCEPTED_AT, Setup, interaction

_WATCHED = WatchInteraction(interaction_id="v1_abc", accepted_at=ACCEPTED_AT)

_STEPS = [
    {"type": "user_input", "content": [{"type": "text", "text": "Why?"}]},
    {"type": "thought", "summary": [{"type": "text", "text": "Reading\x1b[31m first"}]},
    {"type": "google_search_call", "id": "1", "arguments": {"queries": ["a", "b"]}},
    {"type": "url_context_call", "id": "2", "arguments": {"urls": ["https://example.org"]}},
    {"type": "tool_call", "id": "3"},
]


def _no(status_code: int) -> httpx.Response:
    """The service's own refusal."""
    return httpx.Response(status_code, json={"error": {"code": "some_word", "message": "no"}})


async def _looks_again(setup: Setup) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        await setup.environment.run(setup.activities().watch_interaction, _WATCHED)
    return caught.value


@pytest.mark.parametrize(
    "status",
    [
        "completed",
        "failed",
        "cancelled",
        "incomplete",
        "budget_exceeded",
        "idle",
        "requires_action",
        "requires_continuation",
    ],
)
async def test_a_turn_that_is_over_ends_the_watching(setup: Setup, status: str) -> None:
    """Every status after which the interaction does not move again is an end."""
    setup.answers(interaction(status))
    seen = await setup.environment.run(setup.activities().watch_interaction, _WATCHED)
    assert (seen.has_ended, seen.status, seen.looks) == (True, status, 1)


@pytest.mark.parametrize("status", ["in_progress", "queued", "pondering", ""])
async def test_anything_else_is_looked_at_again(setup: Setup, status: str) -> None:
    """Queued, and words nobody knows yet, are not ends; looking again is no alarm."""
    setup.answers(interaction(status))
    again = await _looks_again(setup)
    assert again.type == ActivityErrorType.STILL_RUNNING
    assert again.category is ApplicationErrorCategory.BENIGN
    assert again.next_retry_delay == timedelta(seconds=5)


async def test_the_last_sighting_is_in_the_heartbeat(setup: Setup) -> None:
    """Steps, searches, pages, thought, action and tokens of the last look can be read by anyone."""
    setup.answers(interaction("in_progress", steps=_STEPS, usage={"total_tokens": "12"}))
    await _looks_again(setup)
    (seen,) = setup.beats
    assert seen == Sighting(
        status="in_progress",
        seen_at=ACCEPTED_AT,
        looks=1,
        steps=4,
        searches=2,
        pages=1,
        latest_thought="Reading first",
        latest_action="calling a tool",
        total_tokens=12,
    )


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(502, html="<h1>Bad gateway</h1>"),
        httpx.Response(200, html="<h1>hello</h1>"),
        httpx.Response(200),
        httpx.Response(400, json={"error": {"code": "invalid_request", "message": "Multiple credentials"}}),
        httpx.Response(401),
        httpx.Response(403),
        # Whoever says this, it is not the API.
        httpx.Response(404, html="<h1>Not found</h1>"),
        httpx.Response(429),
        httpx.Response(200, json={"id": "v1_other", "status": "completed"}),
        httpx.Response(200, json={"status": "failed"}),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
    ],
)
async def test_a_failed_look_proves_nothing(setup: Setup, answer: httpx.Response | Exception) -> None:
    """Whatever a look runs into, the interaction may be fine: it is looked at again."""
    setup.attempt(9, elapsed=timedelta(hours=1), last=Sighting(looks=8, steps=3, status="in_progress"))
    setup.answers(answer)
    assert (await _looks_again(setup)).type == ActivityErrorType.STILL_RUNNING
    (seen,) = setup.beats
    assert (seen.looks, seen.steps, seen.failures, seen.missing_since) == (9, 3, 1, None)
    assert seen.problem


@pytest.mark.parametrize("attempt", [1, 500])
async def test_a_look_that_breaks_is_looked_at_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    """A bug of ours carries a delay of its own, and is shown; what was seen before stays to be seen."""

    def broken(*_: object, **__: object) -> Sighting:
        raise KeyError("steps")

    monkeypatch.setattr("activities.interaction_activities.sighting_of", broken)
    setup.attempt(attempt, last=Sighting(looks=8, steps=3, status="in_progress"))
    setup.answers(interaction("in_progress"))
    again = await _looks_again(setup)
    assert (again.type, again.next_retry_delay) == (ActivityErrorType.STILL_RUNNING, timedelta(seconds=10))
    (seen,) = setup.beats
    assert (seen.looks, seen.steps, seen.failures) == (9, 3, 1)
    assert seen.problem == "the look itself broke: KeyError: 'steps'"


async def test_a_long_look_beats_with_what_was_seen_before(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that waits for the API shows that it lives; most looks are over before that costs a beat."""
    setup.attempt(9, last=Sighting(looks=8, steps=3))
    setup.environment.info = dataclasses.replace(
        setup.environment.info, heartbeat_timeout=timedelta(seconds=0.3)
    )
    setup.answers(interaction("in_progress"))
    await _looks_again(setup)
    assert [seen.looks for seen in setup.beats] == [9]

    setup.beats.clear()
    get = InteractionsClient.get
    beaten = asyncio.Event()

    def beat(*details: Sighting) -> None:
        setup.beats.extend(details)
        beaten.set()

    async def get_slowly(self: InteractionsClient, interaction_id: str) -> Interaction:
        await beaten.wait()
        return await get(self, interaction_id)

    setup.environment.on_heartbeat = beat
    monkeypatch.setattr(InteractionsClient, "get", get_slowly)
    await _looks_again(setup)
    assert [seen.looks for seen in setup.beats] == [8, 9]


async def test_failed_looks_back_off_and_a_good_one_forgives(setup: Setup) -> None:
    """An API in trouble is left alone for longer, until it answers."""
    setup.attempt(4, last=Sighting(looks=3, failures=1, problem="HTTP 500"))
    setup.answers(httpx.Response(500))
    assert (await _looks_again(setup)).next_retry_delay == timedelta(seconds=20)
    setup.answers(interaction("in_progress"))
    assert (await _looks_again(setup)).next_retry_delay == timedelta(seconds=5)
    assert (setup.beats[-1].failures, setup.beats[-1].problem) == (0, None)


async def test_a_look_waits_as_long_as_the_api_asks(setup: Setup) -> None:
    """Retry-After on a look is honoured."""
    setup.answers(httpx.Response(429, headers={"retry-after": "90"}))
    assert (await _looks_again(setup)).next_retry_delay == timedelta(seconds=90)


async def test_a_404_is_only_believed_after_the_grace_period(setup: Setup) -> None:
    """Right after a create, and now and then later, a GET says 404; only minutes of it mean it is lost."""
    setup.answers(_no(404))
    setup.attempt(1)
    assert (await _looks_again(setup)).type == ActivityErrorType.STILL_RUNNING
    setup.attempt(2, elapsed=MISSING_GRACE - timedelta(seconds=1), last=setup.beats[-1])
    assert (await _looks_again(setup)).type == ActivityErrorType.STILL_RUNNING
    setup.attempt(3, elapsed=MISSING_GRACE, last=setup.beats[-1])
    gone = await _looks_again(setup)
    assert (gone.type, gone.non_retryable) == (ActivityErrorType.INTERACTION_LOST, True)
    assert "v1_abc" in gone.message


async def test_a_failure_of_another_kind_is_no_absence(setup: Setup) -> None:
    """A service that cannot answer has not said that it does not know."""
    setup.attempt(5, elapsed=timedelta(hours=1), last=Sighting(missing_since=ACCEPTED_AT))
    setup.answers(httpx.Response(503))
    assert (await _looks_again(setup)).type == ActivityErrorType.STILL_RUNNING
    assert setup.beats[-1].missing_since is None


@pytest.mark.parametrize(
    ("answer", "kind", "is_final"),
    [
        (_no(404), ActivityErrorType.INTERACTION_LOST, True),
        (_no(403), None, True),
        (_no(500), None, False),
        (httpx.Response(404, html="<h1>no</h1>"), None, False),
        (httpx.Response(200, json={"id": "v1_other", "status": "completed"}), None, False),
    ],
)
async def test_an_interaction_to_adopt_is_only_unknown_if_the_api_says_so(
    setup: Setup, answer: httpx.Response, kind: ActivityErrorType | None, is_final: bool
) -> None:
    """A key that may not read is not a slip of the keyboard, and is not tried again either."""
    setup.answers(answer)
    with pytest.raises(ApplicationError) as caught:
        await setup.environment.run(
            setup.activities().check_interaction, CheckInteraction(interaction_id="v1_abc")
        )
    assert (caught.value.type, caught.value.non_retryable) == (kind, is_final)


async def test_what_is_another_runs_is_not_adopted(setup: Setup) -> None:
    """Whoever holds it is named; one that nobody holds is held from then on, and may be checked again."""
    setup.answers(interaction("in_progress"))

    async def check(prefix: str, number: int) -> None:
        checked = CheckInteraction(interaction_id="v1_abc", artifacts_prefix=prefix, number=number)
        await setup.environment.run(setup.activities().check_interaction, checked)

    for _ in range(2):
        await check("run-a/1", 2)
    with pytest.raises(ApplicationError, match="v1_abc is submission 2 of run test") as caught:
        await check("run-b/1", 2)
    assert caught.value.type == ActivityErrorType.INTERACTION_TAKEN
    assert caught.value.non_retryable
    # An earlier submission of the same run may have become what is missed.
    await check("run-a/1", 3)
    # And a create that is answered with it is noticed.
    claimed = await claim_interaction(
        setup.store, "v1_abc", workflow_id="b", artifacts_prefix="run-b/1", number=1
    )
    assert claimed is not None
    assert claimed.artifacts_prefix == "run-a/1"


async def test_a_look_that_shows_another_interaction_is_remembered(setup: Setup) -> None:
    """A cache that mixes things up is worth a person's eye, also after it has got over that."""
    setup.answers(httpx.Response(200, json={"id": "v1_other", "status": "completed"}))
    await _looks_again(setup)
    setup.attempt(2, last=setup.beats[-1])
    setup.answers(interaction("completed"))
    seen = await setup.environment.run(setup.activities().watch_interaction, _WATCHED)
    assert (seen.has_ended, seen.failures) == (True, 0)
    assert seen.notes == ("a look was answered with another interaction, v1_other",)


async def test_a_sighting_of_another_version_stops_no_look(setup: Setup) -> None:
    """Heartbeat details outlive a deployment; what cannot be read is forgotten."""
    setup.attempt(5)
    setup.environment.info = dataclasses.replace(
        setup.environment.info, heartbeat_details=[{"looks": "many"}]
    )
    setup.answers(interaction("in_progress"))
    await _looks_again(setup)
    assert setup.beats[-1].looks == 1


async def test_an_interaction_that_comes_back_starts_a_new_grace_period(setup: Setup) -> None:
    """Two hiccups far apart are not minutes of absence."""
    setup.attempt(5, elapsed=timedelta(hours=1), last=Sighting(missing_since=ACCEPTED_AT))
    setup.answers(interaction("in_progress"))
    await _looks_again(setup)
    assert setup.beats[-1].missing_since is None
