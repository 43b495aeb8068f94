"""The agents resource: enough for an agent id of one's own to work."""

import secrets
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.credentials import check_credentials
from emulator.errors import ApiError, invalid, not_found
from emulator.paging import page_of
from emulator.service import Emulator
from emulator.shapes import TOOLS, check_tagged
from emulator.validation import DEEP_RESEARCH, SANDBOX_AGENTS
from emulator.wire import json_object, json_reply

_KNOWN: Final = frozenset(
    {"id", "base_agent", "agent_config", "base_environment", "description", "system_instruction", "tools"}
)

_TOOLS: Final = {
    kind: TOOLS[kind] for kind in ("code_execution", "url_context", "google_search", "mcp_server", "function")
}

_DEFAULT_BASE: Final = "antigravity-preview-09-2026"


class AgentEndpoints:
    """Handlers over one emulator; there is no update."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """The routes, relative to a version prefix."""
        return [
            Route("/agents", self.create, methods=["POST"]),
            Route("/agents", self.list, methods=["GET"]),
            Route("/agents/{agent_id}", self.get, methods=["GET"]),
            Route("/agents/{agent_id}", self.delete, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> Response:
        """``POST /agents``."""
        check_credentials(request)
        agent = await json_object(request)
        for name in agent:
            if name not in _KNOWN:
                raise invalid(f"Unknown parameter '{name}'.")
        for index, tool in enumerate(agent.get("tools", [])):
            check_tagged(tool, _TOOLS, f"tools[{index}]")
        base = agent.setdefault("base_agent", _DEFAULT_BASE) or _DEFAULT_BASE
        if base not in DEEP_RESEARCH | SANDBOX_AGENTS:
            raise not_found(f"Agent {base!r} not found.")
        agent_id = agent.setdefault("id", f"agent-{secrets.token_hex(4)}")
        if agent_id in self._emulator.agents or agent_id in DEEP_RESEARCH | SANDBOX_AGENTS:
            raise ApiError(409, code="already_exists", message=f"Agent {agent_id!r} already exists.")
        self._emulator.agents[agent_id] = agent
        self._emulator.state.save("agent", agent_id, agent)
        return json_reply(agent)

    async def list(self, request: Request) -> Response:
        """``GET /agents``."""
        check_credentials(request)
        return json_reply(page_of(request, "agents", [*self._emulator.agents.values()]))

    async def get(self, request: Request) -> Response:
        """``GET /agents/{id}``."""
        check_credentials(request)
        return json_reply(self._find(request))

    async def delete(self, request: Request) -> Response:
        """``DELETE /agents/{id}``."""
        check_credentials(request)
        agent_id = self._find(request)["id"]
        del self._emulator.agents[agent_id]
        self._emulator.state.drop("agent", agent_id)
        return json_reply({})

    def _find(self, request: Request) -> dict[str, Any]:
        agent_id = request.path_params["agent_id"]
        if agent_id not in self._emulator.agents:
            raise not_found(f"Agent {agent_id!r} not found.")
        return self._emulator.agents[agent_id]
