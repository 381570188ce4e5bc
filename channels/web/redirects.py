"""Short links to partners: the address comes from our own row, is checked again, and only a person's click is counted."""

import json
from typing import Annotated
from urllib.parse import parse_qsl

from anyio import to_thread
from fastapi import APIRouter, Header, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web.limits import Limits
from core.affiliates import conversions, links

HEADERS = {
    "Cache-Control": "no-store, private",
    "Referrer-Policy": "no-referrer-when-downgrade",
    "X-Robots-Tag": "noindex, nofollow",
}


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter()

    @api.api_route("/r/{link_id}", methods=["GET", "HEAD"], include_in_schema=False)
    def follow(request: Request, link_id: str) -> Response:
        """On to the partner. What is not known is 404, what is no longer offered 410."""
        address = request.client.host if request.client else ""
        limits.check("links", address)
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = links.follow(house.engine, link_id, links.Visit(request.method, headers, address))
        return RedirectResponse(target, status_code=302, headers=HEADERS)

    @api.post("/affiliate/postback/{partner}", include_in_schema=False)
    async def postback(request: Request, partner: str, x_signature: Annotated[str, Header(max_length=200)] = "") -> dict[str, int]:
        """A sale a partner tells of, as JSON or a form; the body is signed (docs/affiliates.md)."""
        limits.check("calls", f"postback:{partner[:40]}")
        body = await request.body()
        return await to_thread.run_sync(conversions.take_postback, house.engine, partner, _fields(body), body, x_signature)

    return api


def _fields(body: bytes) -> dict[str, str]:
    """Text fields of a JSON object or a form; nothing where it is neither, which no signature makes right."""
    try:
        text = body.decode()
        read = json.loads(text) if text.lstrip().startswith("{") else dict(parse_qsl(text))
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in read.items()} if isinstance(read, dict) else {}
