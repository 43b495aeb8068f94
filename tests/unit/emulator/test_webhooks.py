import base64
import hashlib
import hmac
import json
import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import httpx2 as httpx
import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.emulator_server import EmulatorServer
from tests.unit.emulator.conftest import Create
from tests.unit.emulator.helpers import error_of

_SOON_S = 10.0
"""Deliveries are due after a fraction of a second; the rest is a slow machine."""


class Delivery(NamedTuple):
    """What a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        """The key by which a receiver drops duplicates."""
        return self.headers["webhook-id"]

    @property
    def signed_text(self) -> bytes:
        """What ``v1`` and ``v1a`` sign."""
        return f"{self.message_id}.{self.headers['webhook-timestamp']}.".encode() + self.body

    @property
    def event(self) -> dict[str, Any]:
        """The decoded body."""
        event: dict[str, Any] = json.loads(self.body)
        return event


class Receiver:
    """A web server that keeps what it gets and answers as told."""

    def __init__(self) -> None:
        self._got: dict[str, queue.Queue[Delivery]] = {}
        self.failures: dict[str, int] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.queue(self.path).put(Delivery(self.path, headers, body))
                failing = receiver.failures.get(self.path, 0)
                receiver.failures[self.path] = max(0, failing - 1)
                self.send_response(500 if failing else 200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def queue(self, path: str) -> "queue.Queue[Delivery]":
        """What arrived at one path."""
        return self._got.setdefault(path, queue.Queue())

    def url(self, path: str) -> str:
        """The address of one path."""
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def next(self, path: str) -> Delivery:
        """The next delivery to one path."""
        return self.queue(path).get(timeout=_SOON_S)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """A receiver; each test has paths of its own."""
    receiver = Receiver()
    yield receiver
    receiver.close()


def keys_of(server: EmulatorServer) -> dict[str, dict[str, str]]:
    """The service's public keys by algorithm."""
    served = httpx.get(f"{server.base_url}/.well-known/jwks.json").json()["keys"]
    return {key["alg"]: key for key in served}


def hook(receiver: Receiver, path: str, **user_metadata: Any) -> dict[str, Any]:
    """A dynamic webhook."""
    return {"uris": [receiver.url(path)], "user_metadata": user_metadata}


def check_v1a(server: EmulatorServer, delivery: Delivery) -> None:
    """Check the Ed25519 signature of a delivery."""
    raw = base64.urlsafe_b64decode(keys_of(server)["EdDSA"]["x"] + "=")
    form, _, signature = delivery.headers["webhook-signature"].partition(",")
    assert form == "v1a"
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(signature), delivery.signed_text)


def v1_signatures(delivery: Delivery) -> list[str]:
    """The HMAC signatures of a delivery."""
    forms = [each.partition(",") for each in delivery.headers["webhook-signature"].split(" ")]
    assert {form for form, _, _ in forms} == {"v1"}
    return [signature for _, _, signature in forms]


def hmac_of(secret: str, delivery: Delivery) -> str:
    """The signature that a receiver with this secret expects."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return base64.b64encode(hmac.new(key, delivery.signed_text, hashlib.sha256).digest()).decode()


def test_a_dynamic_webhook_tells_of_the_end(
    server: EmulatorServer, receiver: Receiver, create: Create
) -> None:
    """One thin, signed event with the metadata; the GET has the rest."""
    reply = create("q", webhook_config=hook(receiver, "/end", run="r-17")).json()
    assert reply["webhook_config"]["user_metadata"] == {"run": "r-17"}
    delivery = receiver.next("/end")
    assert delivery.event["type"] == "interaction.completed"
    assert delivery.event["version"] == "v1"
    assert delivery.event["data"] == {"id": reply["id"], "user_metadata": {"run": "r-17"}}
    assert abs(time.time() - int(delivery.headers["webhook-timestamp"])) < 60
    check_v1a(server, delivery)


def test_the_documented_jwt_form(server: EmulatorServer, receiver: Receiver, create: Create) -> None:
    """On request the signature is an RS256 JWT for the receiver's address."""
    reply = create(
        "q [[emulator webhook_signature=jwt]]", webhook_config=hook(receiver, "/jwt", run="r")
    ).json()
    delivery = receiver.next("/jwt")
    token = delivery.headers["webhook-signature"]
    key = keys_of(server)["RS256"]
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience=receiver.url("/jwt"))
    assert claims["data"] == {"id": reply["id"], "user_metadata": {"run": "r"}}
    assert claims["body_sha256"] == hashlib.sha256(delivery.body).hexdigest()


def test_a_failure_says_why(receiver: Receiver, create: Create) -> None:
    """A failed run's event carries code and message."""
    create("q [[emulator fault=failed]]", webhook_config=hook(receiver, "/failed"))
    event = receiver.next("/failed").event
    assert event["type"] == "interaction.failed"
    assert event["data"]["error_code"] == "api_error"
    assert event["data"]["error_message"]


def test_a_call_for_functions_is_told(receiver: Receiver, client: httpx.Client) -> None:
    """A background turn that needs functions sends its own event."""
    body = {"model": "gemini-3.8-flash", "input": "q", "background": True}
    body |= {"tools": [{"type": "function", "name": "f"}], "webhook_config": hook(receiver, "/action")}
    client.post("/interactions", json=body).raise_for_status()
    assert receiver.next("/action").event["type"] == "interaction.requires_action"


def test_a_failed_delivery_is_repeated(receiver: Receiver, create: Create) -> None:
    """Every attempt has the same id, until the receiver takes it."""
    receiver.failures["/retry"] = 2
    create("q", webhook_config=hook(receiver, "/retry"))
    deliveries = [receiver.next("/retry") for _ in range(3)]
    assert len({each.message_id for each in deliveries}) == 1


def test_a_delivery_may_come_several_times(receiver: Receiver, create: Create) -> None:
    """Duplicates have one id."""
    create("q [[emulator fault=webhook-duplicate]]", webhook_config=hook(receiver, "/dup"))
    deliveries = [receiver.next("/dup") for _ in range(3)]
    assert len({each.message_id for each in deliveries}) == 1


def test_deliveries_may_overtake_each_other(receiver: Receiver, create: Create) -> None:
    """A run that ended first may be told of last."""
    first = create("q [[emulator fault=webhook-reordered]]", webhook_config=hook(receiver, "/order")).json()[
        "id"
    ]
    second = create("q [[emulator duration_s=900]]", webhook_config=hook(receiver, "/order")).json()["id"]
    told = [receiver.next("/order").event["data"]["id"] for _ in range(2)]
    assert told == [second, first]


def test_a_forged_delivery_is_seen_through(
    server: EmulatorServer, receiver: Receiver, create: Create
) -> None:
    """The signature does not fit the body."""
    create("q [[emulator fault=webhook-forged]]", webhook_config=hook(receiver, "/forged"))
    with pytest.raises(InvalidSignature):
        check_v1a(server, receiver.next("/forged"))


def test_a_stale_delivery_is_rightly_signed(
    server: EmulatorServer, receiver: Receiver, create: Create
) -> None:
    """Only its time stamp gives a replay away."""
    create("q [[emulator fault=webhook-stale]]", webhook_config=hook(receiver, "/stale"))
    delivery = receiver.next("/stale")
    assert time.time() - int(delivery.headers["webhook-timestamp"]) > 500
    check_v1a(server, delivery)


def test_nothing_is_told_of_some_ends(receiver: Receiver, create: Create, client: httpx.Client) -> None:
    """Cancelled, incomplete and lost runs send nothing; what is sent later arrives alone."""
    create("q [[emulator fault=webhook-lost]]", webhook_config=hook(receiver, "/silent"))
    create("q [[emulator fault=incomplete]]", webhook_config=hook(receiver, "/silent"))
    cancelled = create("q", webhook_config=hook(receiver, "/silent")).json()["id"]
    client.post(f"/interactions/{cancelled}/cancel")
    last = create("q [[emulator duration_s=1500]]", webhook_config=hook(receiver, "/silent")).json()["id"]
    assert receiver.next("/silent").event["data"]["id"] == last
    assert receiver.queue("/silent").empty()


def test_a_static_webhook_hears_of_every_run(
    receiver: Receiver, client: httpx.Client, create: Create
) -> None:
    """It is signed with the secret told at its creation; rotation signs with both until the old one ends."""
    body = {"uri": receiver.url("/static"), "subscribed_events": ["interaction.completed"], "name": "n"}
    made = client.post("/webhooks", json=body).json()
    secret = made["new_signing_secret"]
    path = f"/webhooks/{made['id']}"
    assert "new_signing_secret" not in client.get(path).json()

    interaction_id = create("q [[emulator duration_s=1]]").json()["id"]
    delivery = receiver.next("/static")
    assert delivery.event["data"] == {"id": interaction_id}
    assert v1_signatures(delivery) == [hmac_of(secret, delivery)]

    newer = client.post(f"{path}:rotateSigningSecret").json()["secret"]
    create("q [[emulator duration_s=1]]")
    delivery = receiver.next("/static")
    assert v1_signatures(delivery) == [hmac_of(newer, delivery), hmac_of(secret, delivery)]
    assert [("expire_time" in each) for each in client.get(path).json()["signing_secrets"]] == [False, True]

    at_once = {"revocation_behavior": "revoke_previous_secrets_immediately"}
    newest = client.post(f"{path}:rotateSigningSecret", json=at_once).json()["secret"]
    assert client.post(f"{path}:ping").json() == {}
    delivery = receiver.next("/static")
    assert v1_signatures(delivery) == [hmac_of(newest, delivery)]

    create("q [[emulator duration_s=1]]", webhook_config=hook(receiver, "/instead"))
    receiver.next("/instead")
    client.patch(f"{path}?update_mask=state", json={"state": "disabled"}).raise_for_status()
    create("q [[emulator duration_s=1]]")
    assert client.delete(path).json() == {}
    assert error_of(client.get(path)) == (404, "not_found")
    assert receiver.queue("/static").empty()


def test_a_ping_need_not_arrive(client: httpx.Client) -> None:
    """The answer is the same whether or not anybody is there."""
    body = {"uri": "http://127.0.0.1:9/", "subscribed_events": ["interaction.failed"]}
    webhook_id = client.post("/webhooks", json=body).json()["id"]
    assert client.post(f"/webhooks/{webhook_id}:ping").json() == {}
    client.delete(f"/webhooks/{webhook_id}")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"uri": "https://h"},
        {"uri": "nowhere", "subscribed_events": []},
        {"uri": "https://h", "subscribed_events": ["interaction.cancelled"]},
        {"uri": "https://h", "subscribed_events": [], "secret": "s"},
    ],
)
def test_a_bad_webhook_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    """Address and events are required, and there is no event for a cancelled run."""
    assert error_of(client.post("/webhooks", json=body)) == (400, "invalid_request")


def test_webhooks_come_in_pages(client: httpx.Client) -> None:
    """A list is told in pages, each naming the next."""
    body = {"uri": "http://127.0.0.1:9/", "subscribed_events": ["batch.failed"]}
    made = [client.post("/webhooks", json=body).json()["id"] for _ in range(3)]
    first = client.get("/webhooks", params={"page_size": 2}).json()
    second = client.get("/webhooks", params={"page_size": 2, "page_token": first["next_page_token"]}).json()
    assert [each["id"] for each in first["webhooks"] + second["webhooks"]] == made
    assert "next_page_token" not in second
    for webhook_id in made:
        client.delete(f"/webhooks/{webhook_id}")
