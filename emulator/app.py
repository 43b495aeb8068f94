"""The ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from emulator.admin import AdminEndpoints
from emulator.agents import AgentEndpoints
from emulator.delivery import Dispatcher
from emulator.endpoints import InteractionEndpoints
from emulator.errors import ApiError, method_not_found
from emulator.files import FileEndpoints
from emulator.service import Emulator
from emulator.signing import Signer
from emulator.webhooks import WebhookEndpoints
from emulator.wire import Droppable, HeaderLimit, error_reply, json_reply

PREFIXES = ("/v1", "/v1beta", "/v1beta1/projects/{project}/locations/{location}")


def build_app(emulator: Emulator) -> ASGIApp:
    """The application that serves ``emulator``; its lifespan delivers webhooks."""
    signer = Signer(emulator.state)
    dispatcher = Dispatcher(emulator, signer)
    resources = [
        *InteractionEndpoints(emulator, dispatcher).routes(),
        *AgentEndpoints(emulator).routes(),
        *FileEndpoints(emulator).routes(),
        *WebhookEndpoints(emulator, dispatcher).routes(),
    ]

    async def jwks(_: Request) -> Response:
        return json_reply(signer.jwks())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with dispatcher.running():
            yield

    app = Starlette(
        routes=[
            Mount("/_emulator", routes=AdminEndpoints(emulator, dispatcher).routes()),
            Route("/.well-known/jwks.json", jwks),
            *(Mount(prefix, routes=resources) for prefix in PREFIXES),
        ],
        exception_handlers={ApiError: _api_error, HTTPException: _no_route, ClientDisconnect: _nobody},
        lifespan=lifespan,
    )
    return Droppable(HeaderLimit(app))


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_reply(error)


async def _no_route(_: Request, __: Exception) -> Response:
    # Wrong paths and wrong verbs look the same from outside, as they do at Google's front end.
    return error_reply(method_not_found())


async def _nobody(_: Request, __: Exception) -> Response:
    # A client that dies in the middle of its request is what this server is for, and no error of its own.
    return Response(status_code=499)
