"""MCP over standard input and output: a program on this machine starts us, and its token is in the environment."""

from __future__ import annotations

from typing import Any

from mcp.server.stdio import stdio_server

from channels.house import House
from channels.mcp.server import build_server
from core.errors import NotAllowed
from core.programs import Program, find


async def serve(house: House, token: str) -> None:
    """Until the other side hangs up. Raises NotAllowed for a token that does not count, now or at a later call."""

    def speaker(_context: Any = None) -> Program:
        program = find(house.engine, token)
        if program is None:
            raise NotAllowed("This token does not count (any more). `traveloure mcp give` makes one.")
        return program

    speaker()
    server = build_server(house.engine, house.settings.base_url, speaker)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
