"""The webhooks resource: who is told about the runs of this project."""

import secrets
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.credentials import check_credentials
from emulator.delivery import Dispatcher
from emulator.errors import invalid, not_found
from emulator.hooks import StaticHook
from emulator.paging import page_of
from emulator.service import Emulator
from emulator.shapes import Shape, check
from emulator.wire import json_object, json_reply

EVENTS: Final = frozenset(
    {
        "batch.succeeded",
        "batch.expired",
        "batch.failed",
        "interaction.requires_action",
        "interaction.completed",
        "interaction.failed",
        "video.generated",
    }
)

_UPDATE: Final = Shape(
    known=frozenset({"name", "uri", "subscribed_events", "state"}),
    enums={"subscribed_events": EVENTS, "state": frozenset({"enabled", "disabled"})},
    types={"name": str, "uri": str, "subscribed_events": list},
)
_CREATE: Final = Shape(
    known=_UPDATE.known - {"state"},
    required=("uri", "subscribed_events"),
    enums=_UPDATE.enums,
    types=_UPDATE.types,
)

_REVOCATIONS: Final = frozenset({"revoke_previous_secrets_after_h24", "revoke_previous_secrets_immediately"})
_ROTATE: Final = Shape(known=frozenset({"revocation_behavior"}), enums={"revocation_behavior": _REVOCATIONS})


class WebhookEndpoints:
    """Handlers over one emulator."""

    def __init__(self, emulator: Emulator, dispatcher: Dispatcher) -> None:
        self._emulator = emulator
        self._dispatcher = dispatcher

    def routes(self) -> list[Route]:
        """The routes, relative to a version prefix."""
        return [
            Route("/webhooks", self.create, methods=["POST"]),
            Route("/webhooks", self.list, methods=["GET"]),
            Route("/webhooks/{webhook_id}:ping", self.ping, methods=["POST"]),
            Route("/webhooks/{webhook_id}:rotateSigningSecret", self.rotate, methods=["POST"]),
            Route("/webhooks/{webhook_id}", self.get, methods=["GET"]),
            Route("/webhooks/{webhook_id}", self.update, methods=["PATCH"]),
            Route("/webhooks/{webhook_id}", self.delete, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> Response:
        """``POST /webhooks``: the only answer that holds the secret."""
        check_credentials(request)
        body = check(await json_object(request), _CREATE, "webhook")
        now_s = self._emulator.clock.now_s()
        hook = StaticHook(
            webhook_id=f"wh_{secrets.token_hex(8)}",
            uri=_address(body["uri"]),
            subscribed_events=body["subscribed_events"],
            name=body.get("name"),
            created_s=now_s,
            updated_s=now_s,
        )
        secret = hook.rotate(now_s, at_once=True)
        self._emulator.hooks[hook.webhook_id] = hook
        self._keep(hook)
        return json_reply({**hook.resource(self._emulator.clock), "new_signing_secret": secret})

    async def list(self, request: Request) -> Response:
        """``GET /webhooks``."""
        check_credentials(request)
        hooks = [hook.resource(self._emulator.clock) for hook in self._emulator.hooks.values()]
        return json_reply(page_of(request, "webhooks", hooks))

    async def get(self, request: Request) -> Response:
        """``GET /webhooks/{id}``."""
        check_credentials(request)
        return json_reply(self._find(request).resource(self._emulator.clock))

    async def update(self, request: Request) -> Response:
        """``PATCH /webhooks/{id}``; the live service ignores ``update_mask``, and so does this."""
        check_credentials(request)
        hook = self._find(request)
        body = check(await json_object(request), _UPDATE, "webhook")
        if "uri" in body:
            hook.uri = _address(body["uri"])
        hook.name = body.get("name", hook.name)
        hook.subscribed_events = body.get("subscribed_events", hook.subscribed_events)
        hook.state = body.get("state", hook.state)
        hook.updated_s = self._emulator.clock.now_s()
        self._keep(hook)
        return json_reply(hook.resource(self._emulator.clock))

    async def delete(self, request: Request) -> Response:
        """``DELETE /webhooks/{id}``."""
        check_credentials(request)
        hook = self._find(request)
        del self._emulator.hooks[hook.webhook_id]
        self._emulator.state.drop("webhook", hook.webhook_id)
        return json_reply({})

    async def ping(self, request: Request) -> Response:
        """``POST /webhooks/{id}:ping``; answers ``{}`` whether or not the target can be reached."""
        check_credentials(request)
        self._dispatcher.ping(self._find(request))
        return json_reply({})

    async def rotate(self, request: Request) -> Response:
        """``POST /webhooks/{id}:rotateSigningSecret``."""
        check_credentials(request)
        hook = self._find(request)
        body = check(await json_object(request), _ROTATE, "request")
        at_once = body.get("revocation_behavior") == "revoke_previous_secrets_immediately"
        secret = hook.rotate(self._emulator.clock.now_s(), at_once=at_once)
        self._keep(hook)
        return json_reply({"secret": secret})

    def _keep(self, hook: StaticHook) -> None:
        self._emulator.state.save("webhook", hook.webhook_id, hook.to_json())

    def _find(self, request: Request) -> StaticHook:
        webhook_id = request.path_params["webhook_id"]
        if webhook_id not in self._emulator.hooks:
            raise not_found(f"Webhook {webhook_id!r} not found.")
        return self._emulator.hooks[webhook_id]


def _address(uri: Any) -> str:
    if not str(uri).startswith(("http://", "https://")):
        raise invalid("Invalid value at 'webhook.uri': expected an http(s) address.")
    return str(uri)
