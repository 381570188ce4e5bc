"""The registry's verbs as an MCP server. Who speaks is bound by the token; what commits ends with a link the person opens.

Nothing a program calls books, pays, changes or cancels: the answer to a proposal holds `confirm_url`, our own page with the exact
terms and a button. Where the program's host can open a page for its person (URL elicitation), it is asked to; that it did is no
yes, only the tap on our page is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from anyio import to_thread
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from core import links
from core.engine import Engine
from core.programs import Program, note_call
from prompts import read
from tools import registry
from tools.outcome import Desk, Outcome

log = structlog.get_logger()
Context = ServerRequestContext[Any, Any]
Speaker = Callable[[Context], Program]

CONFIRMED_ON_A_PAGE = ("proposal", "cancellation", "change")
LED_BACK = ("bookings", "event")
MODERN = "2026"  # from this year's protocol on, a result may ask for input itself


def build_server(engine: Engine, base_url: str, speaker: Speaker) -> Server[Any]:
    """`speaker` says whose program a request comes from; it is asked anew each time, so a token that was taken back counts no more."""

    async def list_tools(context: Context, _params: Any) -> types.ListToolsResult:
        program = await to_thread.run_sync(speaker, context)
        return types.ListToolsResult(tools=[_described(one) for one in held_by(program.actor.role)])

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult | types.InputRequiredResult:
        program = await to_thread.run_sync(speaker, context)
        tool = next((one for one in held_by(program.actor.role) if one.name == params.name), None)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name[:60]!r} here.")
        data = await to_thread.run_sync(_carry_out, engine, base_url, program, tool, params.arguments or {})
        asked = await _ask_to_open(context, params, data)
        return asked or types.CallToolResult(
            content=[types.TextContent(text=json.dumps(data, ensure_ascii=False, default=str))],
            structured_content=json.loads(json.dumps(data, default=str)),
            is_error=not data["ok"],
        )

    return Server(
        "traveloure",
        title="Traveloure",
        instructions=read("programs"),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def held_by(role: str) -> list[registry.Tool]:
    """What a program of this role may call: a traveler's verbs, and of a provider's only those that read. A provider's answer
    gives places away, so it stays their own tap."""
    return [one for one in registry.tools_for(role) if not one.for_chat and (role == "traveler" or one.access == "READ")]


def _described(tool: registry.Tool) -> types.Tool:
    reads = tool.access == "READ"
    hints = types.ToolAnnotations(
        read_only_hint=reads,
        destructive_hint=tool.takes_away,
        idempotent_hint=reads or tool.again,
        open_world_hint=False,
    )
    return types.Tool(name=tool.name, description=tool.description, input_schema=tool.schema, annotations=hints)


def _carry_out(engine: Engine, base_url: str, program: Program, tool: registry.Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        outcome = registry.call(tool, Desk(engine, program.actor), arguments)
    except Exception as error:
        log.error("mcp_tool_failed", tool=tool.name, cause=type(error).__name__, exc_info=error)
        outcome = Outcome({"ok": False, "error": "internal", "message": "That did not work just now. Try again later."})
    if tool.access == "WRITE":
        note_call(engine, program, tool.name, arguments, ok=bool(outcome.data["ok"]))
    return {**outcome.data, **_links(engine, base_url, program, outcome.parts)}


def _links(engine: Engine, base_url: str, program: Program, parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Where the person goes on by themselves. Addresses and amounts come from code, so a program has nothing to make up."""
    found: dict[str, Any] = {}
    with engine.db.read() as tx:
        for part in parts:
            if part["type"] in CONFIRMED_ON_A_PAGE:
                found["confirm_url"] = base_url + links.confirm_path(tx, part["proposal_id"])
                found["confirm_by"] = part.get("expires_at")
            elif part["type"] == "event" and part["facts"].get("url"):
                found.setdefault("pay_urls", []).append(part["facts"]["url"])
            elif part["type"] == "partners":
                found["partner_links"] = [
                    {"name": one["name"], "url": one["url"], "paid_for": bool(one["commission"])} for one in part["items"]
                ]
            if part["type"] in LED_BACK and program.actor.role == "traveler":
                found["trips_url"] = base_url + links.trips_path(tx, program.actor.account_id, engine.clock())
    return {name: value for name, value in found.items() if value}


async def _ask_to_open(context: Context, params: types.CallToolRequestParams, data: Mapping[str, Any]) -> types.InputRequiredResult | None:
    """Have the page opened by the person where their program can do that; a program that cannot has the link in the answer."""
    url = data.get("confirm_url") or next(iter(data.get("pay_urls") or ()), None)
    can = context.session.client_capabilities
    if url is None or can is None or can.elicitation is None or can.elicitation.url is None or params.input_responses is not None:
        return None
    message = (
        "Please look at the exact terms and confirm them on Traveloure's page." if "confirm_url" in data else "Please pay on this page."
    )
    if context.session.protocol_version >= MODERN:
        asked = types.ElicitRequest(params=types.ElicitRequestURLParams(message=message, url=url))
        return types.InputRequiredResult(input_requests={"open": asked})
    if context.session.can_send_request:
        await context.session.elicit_url(message, url, elicitation_id=url.rpartition(".")[2][:64], related_request_id=context.request_id)
    return None
