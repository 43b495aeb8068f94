import re
import time
from collections.abc import Callable

import httpx2 as httpx
import pytest

from emulator.endpoints import WRONG_IDS
from emulator.faults import FAULTS, Moment
from emulator.foreign import FORMS
from emulator.service import Emulator
from tests.emulator_server import EmulatorServer
from tests.unit.emulator.conftest import Create, HeldClock
from tests.unit.emulator.helpers import contents, error_of, start

_HANGING_S = 0.5
"""How long a test waits for what never comes."""


def names(moment: Moment) -> list[str]:
    """The faults of one moment."""
    return [name for name, fault in FAULTS.items() if fault.moment is moment]


def outcome(send: Callable[[], httpx.Response]) -> object:
    """What a client makes of an attempt: True for an interaction, else what was there instead."""
    try:
        reply = send()
    except httpx.HTTPError as error:
        return type(error)
    if reply.status_code != 200:
        return reply.status_code
    try:
        return isinstance(reply.json()["status"], str)
    except ValueError:
        return reply.headers.get("content-type", "nothing")


@pytest.mark.parametrize("name", sorted(set(names(Moment.CREATE)) - set(WRONG_IDS)))
def test_a_create_fault_keeps_its_word_on_acceptance(
    server: EmulatorServer, create: Create, name: str
) -> None:
    """The client gets no id, the table says whether an interaction exists, and the next create works."""
    submission = f"create-{name}"
    text = f"q [[emulator submission={submission} fault={name}]]"
    timeout_s = _HANGING_S if name.startswith(("hang", "delay")) else 20
    assert outcome(lambda: create(text, timeout_s=timeout_s)) is not True
    assert server.submission(submission)["interactions"] == int(FAULTS[name].accepted)
    assert outcome(lambda: create(text)) is True
    assert server.submission(submission)["creates"] == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("429", (429, "rate_limit_exceeded")),
        ("400", (400, "invalid_request")),
        ("401", (401, "authentication")),
        ("402", (402, "payment_required")),
        ("403", (403, "permission_denied")),
        ("404", (404, "model_not_found")),
        ("501", (501, "unimplemented")),
        ("500-after", (500, "api_error")),
        ("503-before", (503, "service_unavailable")),
        ("504-after", (504, "deadline_exceeded")),
        ("rpc-error", (503, 503)),
    ],
)
def test_a_refusal_has_the_apis_form(create: Create, name: str, expected: tuple[int, object]) -> None:
    """Status and code are those of the API; only the rpc form has a number for a code."""
    assert error_of(create(f"q [[emulator submission=form-{name} fault={name}]]")) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("refused-drop", (httpx.RemoteProtocolError, 0)),
        ("accepted-then-dropped", (httpx.RemoteProtocolError, 1)),
        ("cut-body", (httpx.RemoteProtocolError, 1)),
        ("html", ("text/html; charset=UTF-8", 1)),
        ("empty-body", ("nothing", 1)),
        ("502-html", (502, 0)),
        ("408", (408, 0)),
    ],
)
def test_a_broken_answer_is_broken_in_its_own_way(
    server: EmulatorServer, create: Create, name: str, expected: tuple[object, int]
) -> None:
    """What the client sees does not tell whether an interaction exists."""
    submission = f"broken-{name}"
    seen = outcome(lambda: create(f"q [[emulator submission={submission} fault={name}]]"))
    assert (seen, server.submission(submission)["interactions"]) == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("is_created", [False, True])
def test_any_answer_can_come_in_any_form(
    server: EmulatorServer, create: Create, form: str, *, is_created: bool
) -> None:
    """Google's two forms are told from what others say, and none tells whether an interaction exists."""
    moment = "after" if is_created else "before"
    for status in (200, 204, 302, 304, 400, 413, 429, 501, 503, 521, 599):
        submission = f"reply-{moment}-{form}-{status}"
        asked = f"fault=reply-{moment} status={status} form={form} retry_after_s=3"
        reply = create(f"q [[emulator submission={submission} {asked}]]")
        assert (reply.status_code, reply.headers["retry-after"]) == (status, "3")
        assert server.submission(submission)["interactions"] == int(is_created)
        if status in (204, 304):
            continue
        match form:
            case "service":
                assert re.fullmatch("[a-z_]+", reply.json()["error"]["code"])
                assert "status" not in reply.json()["error"]
            case "frontend":
                assert reply.json()["error"]["code"] == status
                assert re.fullmatch("[A-Z_]+", reply.json()["error"]["status"])
            case "array":
                assert reply.json()[0]["error"]["code"] == status
            case "json":
                assert "error" not in reply.json()
            case "html":
                assert reply.headers["content-type"].startswith("text/html")
            case _:
                assert reply.content == b""


@pytest.mark.parametrize("name", WRONG_IDS)
def test_a_create_may_be_answered_with_another_id(server: EmulatorServer, create: Create, name: str) -> None:
    """The interaction exists under its own id, which nobody is told."""
    before = create("the one before").json()["id"]
    answered = create(f"q [[emulator submission=wrong-{name} fault={name}]]").json()["id"]
    counted = server.submission(f"wrong-{name}")
    assert counted["interactions"] == 1
    assert answered not in counted["interaction_ids"]
    assert (answered == before) == (name == "id-taken")


def test_an_array_may_hold_the_error(create: Create) -> None:
    """Some errors come wrapped in an array."""
    (error,) = create("q [[emulator submission=array fault=array-error]]").json()
    assert error["error"]["status"] == "UNAVAILABLE"


def test_retry_after_is_sent_only_when_asked_for(create: Create) -> None:
    """A 429 says when to come back, or does not."""
    told = create("q [[emulator submission=told fault=429 retry_after_s=7]]")
    untold = create("q [[emulator submission=untold fault=429]]")
    assert (told.headers.get("retry-after"), untold.headers.get("retry-after")) == ("7", None)


def test_faults_fire_in_order_and_then_stop(create: Create) -> None:
    """Each fault of a list fires ``times`` times for its submission, one after the other."""
    text = "q [[emulator submission=order fault=429,503-before times=2]]"
    assert [create(text).status_code for _ in range(5)] == [429, 429, 503, 503, 200]


@pytest.mark.parametrize("name", ["delay-before", "delay-after"])
def test_a_client_that_waits_out_a_delay_gets_its_interaction(
    server: EmulatorServer, create: Create, name: str
) -> None:
    """A late answer is an answer, and nothing is created twice."""
    text = f"q [[emulator submission=late-{name} fault={name} delay_s=0.2]]"
    began_s = time.monotonic()
    assert outcome(lambda: create(text)) is True
    assert time.monotonic() - began_s >= 0.2
    assert server.submission(f"late-{name}")["interactions"] == 1


def test_a_create_without_a_token_is_known_by_its_body(server: EmulatorServer, create: Create) -> None:
    """The same bytes are the same submission; user metadata names one as well."""
    text = "this very question [[emulator fault=500-after]]"
    assert [create(text).status_code for _ in range(2)] == [500, 200]
    hook = {"uris": ["http://127.0.0.1:9/"], "user_metadata": {"submission": "by-metadata"}}
    create("q", webhook_config=hook)
    assert server.submission("by-metadata")["interactions"] == 1
    counts = server.admin("GET", "/stats")["submissions"].values()
    assert 2 in {each["interactions"] for each in counts}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("get-403-early", 403),
        ("get-404-early", 404),
        ("get-429", 429),
        ("get-500", 500),
        ("get-400-credentials", 400),
        ("get-html", 502),
        ("get-empty", "nothing"),
        ("get-cut", httpx.RemoteProtocolError),
        ("get-drop", httpx.RemoteProtocolError),
        ("get-hang", httpx.ReadTimeout),
        ("wrong-types", False),
        ("get-reply", 502),
    ],
)
def test_a_look_fault_ends(client: httpx.Client, create: Create, name: str, expected: object) -> None:
    """Twice the look fails in its way, then the interaction is there."""
    interaction_id = create(f"q [[emulator submission=look-{name} fault={name} times=2]]").json()["id"]
    hanging_s = _HANGING_S if name == "get-hang" else 20

    def look(timeout_s: float) -> Callable[[], httpx.Response]:
        return lambda: client.get(f"/interactions/{interaction_id}", timeout=timeout_s)

    outcomes = [outcome(look(timeout_s)) for timeout_s in (hanging_s, hanging_s, 20)]
    assert outcomes == [expected, expected, True]


async def test_a_look_may_show_another_interaction(
    api: httpx.AsyncClient, clock: HeldClock, emulator: Emulator
) -> None:
    """One that has ended: a client that does not look at the id takes its report for its own."""
    ours = await start(api, "q [[emulator fault=get-another]]")
    made_up = (await api.get(f"/interactions/{ours}")).json()
    assert (made_up["status"], made_up["id"] in emulator.records) == ("completed", False)
    other = await start(api, "somebody else's")
    clock.pass_time(721)
    shown = (await api.get(f"/interactions/{ours}")).json()
    assert (shown["status"], shown["id"]) == ("completed", other)


async def test_a_look_may_leave_out_the_id_or_end_early(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """Both are whole answers, and both are wrong."""
    nameless = await start(api, "q [[emulator fault=get-no-id]]")
    assert "id" not in (await api.get(f"/interactions/{nameless}")).json()
    early = await start(api, "q [[emulator fault=get-ended-early times=1]]")
    shown = (await api.get(f"/interactions/{early}")).json()
    assert (shown["id"], shown["status"], shown["steps"]) == (early, "completed", [])
    assert (await api.get(f"/interactions/{early}")).json()["status"] == "in_progress"
    clock.pass_time(721)
    assert (await api.get(f"/interactions/{early}")).json()["status"] == "completed"


async def test_a_run_may_end_as_idle(api: httpx.AsyncClient, clock: HeldClock) -> None:
    """With everything that a completed one has."""
    interaction_id = await start(api, "q [[emulator fault=idle]]")
    clock.pass_time(721)
    shown = (await api.get(f"/interactions/{interaction_id}")).json()
    assert shown["status"] == "idle"
    assert shown["usage"]
    assert contents(shown)


def test_cookies_that_are_sent_back_are_too_long(client: httpx.Client, create: Create) -> None:
    """Five large ones are taken for a while, and then no request gets through."""
    reply = create("q [[emulator fault=big-cookies]]")
    cookies = "; ".join(value.partition(";")[0] for value in reply.headers.get_list("set-cookie"))
    client.cookies.clear()
    headers = {"cookie": cookies}
    refused = client.get(f"/interactions/{reply.json()['id']}", headers=headers)
    assert (refused.status_code, refused.headers["content-type"][:9]) == (431, "text/html")


async def test_an_early_refusal_lasts_a_minute(
    api: httpx.AsyncClient, emulator: Emulator, clock: HeldClock
) -> None:
    """Without ``times`` the refusal ends by itself; with it, it comes however late the look is."""
    interaction_id = await start(api, "q [[emulator fault=get-404-early]]")
    assert error_of(await api.get(f"/interactions/{interaction_id}")) == (404, "not_found")
    clock.pass_time(61)
    assert (await api.get(f"/interactions/{interaction_id}")).status_code == 200
    emulator.board.switch_on({"fault": "get-403-early", "times": 1})
    assert error_of(await api.get(f"/interactions/{interaction_id}")) == (403, "permission_denied")
    assert (await api.get(f"/interactions/{interaction_id}")).status_code == 200


def test_a_giant_body_is_valid_and_giant(client: httpx.Client, create: Create) -> None:
    """Its size is what was asked for, and every byte of it is JSON."""
    text = "q [[emulator fault=giant-body result_bytes=5000000]]"
    reply = client.get(f"/interactions/{create(text).json()['id']}")
    assert 4_900_000 < len(reply.content) < 5_100_000
    assert reply.json()["status"] == "completed"


@pytest.mark.parametrize("query", ["", "?stream=true"])
def test_an_endless_reply_has_no_end(client: httpx.Client, create: Create, query: str) -> None:
    """However much a client reads, there is more."""
    interaction_id = create("q [[emulator fault=endless-stream]]").json()["id"]
    with client.stream("GET", f"/interactions/{interaction_id}{query}") as reply:
        read = 0
        for chunk in reply.iter_raw():
            read += len(chunk)
            if read > 2_000_000:
                break
    assert read > 2_000_000


@pytest.fixture
def own_server() -> EmulatorServer:
    """A process of one test, for what concerns the whole server."""
    return EmulatorServer(time_scale=1_000)


def test_the_whole_server_can_be_unlucky(own_server: EmulatorServer) -> None:
    """A server-wide fault fires for any submission, as often as said, until it is taken back."""
    with (
        own_server,
        httpx.Client(base_url=f"{own_server.base_url}/v1", headers={"x-goog-api-key": "k"}) as client,
    ):

        def statuses(count: int) -> list[int]:
            body = {"agent": "deep-research-preview-04-2026", "background": True}
            return [
                client.post("/interactions", json={**body, "input": f"q {n}"}).status_code
                for n in range(count)
            ]

        own_server.set_faults("429", times=2, retry_after_s=1)
        assert statuses(3) == [429, 429, 200]
        own_server.set_faults("503-before", times=100)
        assert statuses(2) == [503, 503]
        own_server.set_faults()
        assert statuses(1) == [200]
        own_server.set_faults("zombie")
        assert statuses(1) == [200]
        listed = own_server.admin("GET", "/interactions")["interactions"]
        assert [each["life"] for each in listed] == [[], [], ["zombie"]]
        own_server.admin("POST", "/reset")
        assert own_server.admin("GET", "/stats") == {"interactions": 0, "requests": {}, "submissions": {}}
        assert own_server.stop() == 0


def test_every_fault_is_listed(server: EmulatorServer) -> None:
    """The table is there for whoever asks."""
    listed = server.admin("GET", "/faults")
    assert {each["name"] for each in listed["faults"]} == set(FAULTS)
    assert all(each["what"] for each in listed["faults"])
