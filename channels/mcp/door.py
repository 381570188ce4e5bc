"""MCP over streamable HTTP at /mcp: a bearer token opens it, every request by itself (no session is kept between two)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from channels.house import House
from channels.mcp.server import build_server
from channels.web.errors import RateLimited
from channels.web.limits import Limits
from core.errors import NotAllowed
from core.programs import Program, find

PATH = "/mcp"
METHODS = ("GET", "POST", "DELETE")
HELD = "traveloure.program"
NO_TOKEN = {"error": "invalid_token", "error_description": "A token for programs is needed here: Authorization: Bearer tvp_..."}


def speaker_of(context: Any) -> Program:
    """Whose request it is, as the door found out before it let the request in."""
    program = context.request.scope.get(HELD) if context.request is not None else None
    if not isinstance(program, Program):
        raise NotAllowed("This request has no token.")
    return program


class McpDoor:
    """An ASGI application. `run` has to be entered once a process before the first request."""

    def __init__(self, house: House, limits: Limits) -> None:
        self._engine = house.engine
        self._limits = limits
        server = build_server(house.engine, house.settings.base_url, speaker_of)
        self._manager = StreamableHTTPSessionManager(app=server, json_response=True, stateless=True)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        program = await to_thread.run_sync(find, self._engine, token.strip()) if scheme.lower() == "bearer" else None
        if program is None:
            await JSONResponse(NO_TOKEN, status_code=401, headers={"www-authenticate": 'Bearer error="invalid_token"'})(
                scope, receive, send
            )
            return
        try:
            self._limits.check("calls", program.session_id)
        except RateLimited as error:
            said = {"error": "rate_limited", "error_description": error.message}
            await JSONResponse(said, status_code=429, headers={"retry-after": str(error.retry_after)})(scope, receive, send)
            return
        await self._manager.handle_request({**scope, HELD: program}, receive, send)
