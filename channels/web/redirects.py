"""Short links to partners: the address comes from our own row, is checked again, and only a person's click is counted."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web.limits import Limits
from core.affiliates import links

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

    return api
