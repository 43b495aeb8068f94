import base64

import httpx2 as httpx
import pytest

from emulator.service import Emulator
from emulator.view import CANCEL_LAG_S, UNKNOWN_END, UNKNOWN_STATUS
from tests.unit.emulator.conftest import RESEARCH, HeldClock
from tests.unit.emulator.helpers import MODEL, contents, error_of, look, start, text_of


@pytest.mark.parametrize(
    "prefix", ["/v1", "/v1beta", "/v1beta1/projects/p/locations/global", "/v1beta1/projects/p-1/locations/eu"]
)
async def test_every_prefix_is_the_same_service(api: httpx.AsyncClient, prefix: str) -> None:
    """An interaction created under one version is seen under each."""
    interaction_id = await start(api)
    reply = await api.get(f"http://emulator{prefix}/interactions/{interaction_id}")
    assert reply.json()["id"] == interaction_id


async def test_there_is_no_list(api: httpx.AsyncClient) -> None:
    """Whoever loses the id loses the run."""
    assert (await api.get("/interactions")).json()["error"]["status"] == "NOT_FOUND"


async def test_the_revision_header_is_ignored(api: httpx.AsyncClient) -> None:
    """``Api-Revision`` selects nothing any more."""
    reply = await api.post(
        "/interactions", json={**RESEARCH, "input": "q"}, headers={"api-revision": "2026-05-20"}
    )
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({}, "", (403, "permission_denied")),
        ({"x-goog-api-key": "rejected"}, "", (401, "authentication")),
        ({"x-goog-api-key": "bad-key"}, "", (401, "authentication")),
        ({"authorization": "Bearer bad-token"}, "", (401, "authentication")),
        ({"x-goog-api-key": "k"}, "?key=k", (400, "invalid_request")),
        ({"x-goog-api-key": "k", "authorization": "Bearer t"}, "", (400, "invalid_request")),
        ({"x-goog-api-key": "k"}, "", (404, "not_found")),
        ({"authorization": "Bearer t"}, "", (404, "not_found")),
        ({}, "?key=k", (404, "not_found")),
    ],
)
async def test_exactly_one_credential(
    api: httpx.AsyncClient, headers: dict[str, str], query: str, expected: tuple[int, str]
) -> None:
    """One credential of any of the three kinds lets a caller in; none, two or a rejected one do not."""
    del api.headers["x-goog-api-key"]
    assert error_of(await api.get(f"/interactions/v1_none{query}", headers=headers)) == expected


async def test_bad_json_is_a_bad_request(api: httpx.AsyncClient) -> None:
    """What cannot be decoded is refused as invalid."""
    assert error_of(await api.post("/interactions", content=b"{")) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?fields=status", {}),
        ("", {"x-goog-fieldmask": "status"}),
        ("?last_event_id=e", {}),
        ("?stream=maybe", {}),
    ],
)
async def test_a_look_has_few_options(api: httpx.AsyncClient, query: str, headers: dict[str, str]) -> None:
    """Field masks, and a resume point without a stream, are refused."""
    reply = await api.get(f"/interactions/{await start(api)}{query}", headers=headers)
    assert error_of(reply) == (400, "invalid_request")


async def test_cancelling_is_seen_late(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """The reply says cancelled at once, looks say so only after a lag, and the run never completes."""
    interaction_id = await start(api)
    clock.pass_time(300)
    before = await look(api, interaction_id)
    reply = await api.post(f"/interactions/{interaction_id}/cancel")
    assert (reply.status_code, reply.json()["status"]) == (200, "cancelled")
    assert (await look(api, interaction_id))["status"] == "in_progress"
    clock.pass_time(CANCEL_LAG_S)
    after = await look(api, interaction_id)
    assert (after["status"], after["steps"]) == ("cancelled", before["steps"])
    clock.pass_time(1_000)
    assert (await look(api, interaction_id))["status"] == "cancelled"
    again = await api.post(f"/interactions/{interaction_id}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")


async def test_only_running_background_interactions_can_be_cancelled(
    api: httpx.AsyncClient, clock: HeldClock
) -> None:
    """Cancelling what is over, or unknown, is refused."""
    interaction_id = await start(api)
    clock.pass_time(720)
    assert error_of(await api.post(f"/interactions/{interaction_id}/cancel")) == (400, "failed_precondition")
    assert error_of(await api.post("/interactions/v1_none/cancel")) == (404, "not_found")


async def test_a_deleted_interaction_is_gone(api: httpx.AsyncClient) -> None:
    """Delete answers 200 with an empty object; then every path answers 404."""
    interaction_id = await start(api)
    reply = await api.delete(f"/interactions/{interaction_id}")
    assert (reply.status_code, reply.json()) == (200, {})
    assert error_of(await api.get(f"/interactions/{interaction_id}")) == (404, "not_found")
    assert error_of(await api.delete(f"/interactions/{interaction_id}")) == (404, "not_found")
    follow_up = {**MODEL, "input": "q", "previous_interaction_id": interaction_id}
    assert error_of(await api.post("/interactions", json=follow_up)) == (404, "not_found")


async def test_a_running_parent_cannot_be_continued(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """A follow-up needs its parent to be over."""
    interaction_id = await start(api)
    follow_up = {**MODEL, "input": "q", "previous_interaction_id": interaction_id, "background": True}
    assert error_of(await api.post("/interactions", json=follow_up)) == (400, "failed_precondition")
    clock.pass_time(720)
    assert (await api.post("/interactions", json=follow_up)).status_code == 200


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("zombie", ["in_progress", "in_progress", "in_progress"]),
        ("queued", ["queued", "in_progress", "completed"]),
        ("unknown-status", ["in_progress", UNKNOWN_STATUS, "completed"]),
        ("unknown-end", ["in_progress", "in_progress", UNKNOWN_END]),
        ("failed", ["in_progress", "failed", "failed"]),
        ("incomplete", ["in_progress", "in_progress", "incomplete"]),
        ("no-text", ["in_progress", "in_progress", "completed"]),
    ],
)
async def test_a_life_takes_its_course(
    api: httpx.AsyncClient, clock: HeldClock, fault: str, seen: list[str]
) -> None:
    """Near the start, in the middle and after the end, the status is what the fault says."""
    interaction_id = await start(api, f"q [[emulator fault={fault} duration_s=100]]")
    statuses = []
    for pause_s in (5, 50, 50):
        clock.pass_time(pause_s)
        statuses.append((await look(api, interaction_id))["status"])
    assert statuses == seen


async def test_a_zombie_shows_nothing(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Days later there are no steps and no sign of change; it can be cancelled all the same."""
    interaction_id = await start(api, "q [[emulator fault=zombie]]")
    clock.pass_time(3 * 24 * 3600)
    found = await look(api, interaction_id)
    assert (found["steps"], found["updated"]) == ([], found["created"])
    await api.post(f"/interactions/{interaction_id}/cancel")
    clock.pass_time(CANCEL_LAG_S)
    assert (await look(api, interaction_id))["status"] == "cancelled"


async def test_a_failed_run_says_why(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """The reason is in ``errors`` and in the output step."""
    interaction_id = await start(api, "q [[emulator fault=failed]]")
    clock.pass_time(720)
    found = await look(api, interaction_id)
    assert found["errors"][0]["code"] == "api_error"
    assert found["steps"][-1]["error"]["message"] == found["errors"][0]["message"]


async def test_completed_does_not_mean_text(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """A run may complete with thoughts and searches only."""
    interaction_id = await start(api, "q [[emulator fault=no-text]]")
    clock.pass_time(720)
    found = await look(api, interaction_id)
    assert (found["status"], contents(found)) == ("completed", [])
    assert len(found["steps"]) > 10


async def test_an_expired_run_is_gone_for_good(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """It is there, and then it never was."""
    interaction_id = await start(api, "q [[emulator fault=expired expire_after_s=1000]]")
    clock.pass_time(999)
    assert (await look(api, interaction_id))["status"] == "completed"
    clock.pass_time(1)
    assert error_of(await api.get(f"/interactions/{interaction_id}")) == (404, "not_found")


async def test_unknown_things_appear(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Steps, contents and annotations of unheard-of types lie among the known ones."""
    interaction_id = await start(api, "q [[emulator fault=unknown-step]]")
    clock.pass_time(720)
    found = await look(api, interaction_id)
    assert {"tool_call", "holographic_note"} <= {step["type"] for step in found["steps"]}
    assert {content["type"] for content in contents(found)} == {"text", "image", "hologram"}
    assert {a["type"] for c in contents(found) for a in c.get("annotations", [])} == {
        "url_citation",
        "rumour",
    }


async def test_hostile_texts_are_delivered_as_they_are(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Scripts, addresses that run code and terminal escapes reach the client unharmed."""
    interaction_id = await start(api, "q [[emulator fault=html-title,control-characters]]")
    clock.pass_time(720)
    found = await look(api, interaction_id)
    cited = [a for c in contents(found) for a in c.get("annotations", [])]
    assert any("<script>" in a["title"] for a in cited)
    assert any(a["url"].startswith("javascript:") for a in cited)
    assert all(mark in text_of(found) for mark in ("<script>", "\x1b[2J", "\x00", "\u202e"))


async def test_results_can_be_large(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """A report of any size, and a run of any number of steps."""
    long_report = await start(api, "q [[emulator result_bytes=1500000]]")
    many_steps = await start(api, "q [[emulator steps=10000]]")
    clock.pass_time(720)
    assert len(text_of(await look(api, long_report)).encode()) >= 1_500_000
    assert len((await look(api, many_steps))["steps"]) > 10_000


async def test_a_cancel_may_be_ignored(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """A refused or ignored cancel leaves the run running."""
    for fault, expected in (("cancel-404", 404), ("cancel-ignored", 200), ("cancel-500", 500)):
        interaction_id = await start(api, f"q [[emulator fault={fault}]]")
        reply = await api.post(f"/interactions/{interaction_id}/cancel")
        assert reply.status_code == expected
        clock.pass_time(720)
        assert (await look(api, interaction_id))["status"] == "completed"


async def test_a_delete_may_be_unimplemented(api: httpx.AsyncClient) -> None:
    """A 501 leaves the interaction."""
    interaction_id = await start(api, "q [[emulator fault=delete-501]]")
    assert error_of(await api.delete(f"/interactions/{interaction_id}")) == (501, "unimplemented")
    await look(api, interaction_id)


async def test_ids_look_like_the_services_own(api: httpx.AsyncClient, emulator: Emulator) -> None:
    """``v1_`` and URL-safe base64, never the same twice."""
    ids = {await start(api) for _ in range(20)}
    assert len(ids) == len(emulator.records) == 20
    for each in ids:
        base64.urlsafe_b64decode(each.removeprefix("v1_") + "==")
