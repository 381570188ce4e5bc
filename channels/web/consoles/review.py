"""The operators' look at who wants to sell here and what: published, or sent back with words."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web import session
from channels.web.consoles import listings as shown
from channels.web.consoles import words
from channels.web.session import Seat
from channels.web.views import page
from core import listings, signups
from core.errors import Invalid, NotFound, Refused, TryAgain

SAID = {
    "published": ("ok", "It is on sale. The provider has been told."),
    "returned": ("info", "It went back to the provider with your words."),
    "approved": ("ok", "They can sell now, and have been told."),
    "refused": ("info", "They have been told."),
}


def router(house: House) -> APIRouter:
    api = APIRouter(prefix="/review")
    engine = house.engine
    Operator = Annotated[Seat, Depends(session.need(house, "operator"))]
    Text = Annotated[str, Form(max_length=1000)]

    def show(request: Request, seat: Seat, *, status: int = 200, tone: str = "", told: str = "", said: str = "") -> Response:
        now = engine.clock()
        waiting = [{**one, "since": words.moment(one["since"])} for one in signups.waiting(engine)]
        asked = [_asked(one, seat) for one in listings.waiting(engine)]
        return page(
            request, "review.html", status=status, seat=seat, signups=waiting, listings=asked, now=now, tone=tone, told=told, said=said
        )

    def _asked(one: dict[str, Any], seat: Seat) -> dict[str, Any]:
        try:
            preview = shown.preview_of(listings.preview(engine, seat.actor("operator"), one["id"]))
            fault = ""
        except Invalid as error:
            preview, fault = None, f"It is not complete any more: {', '.join(error.facts.get('problems', {}))}."
        before = listings.seen(one["live"]) if one["live"] else {}
        changed = [name for name, value in listings.seen(one["record"]).items() if one["live"] and before.get(name) != value]
        return {**one, "preview": preview, "fault": fault, "changed": changed, "since": words.moment(one["submitted_at"])}

    @api.get("")
    def look(request: Request, seat: Operator, done: str = "") -> Response:
        tone, told = SAID.get(done, ("", ""))
        return show(request, seat, tone=tone, told=told)

    def carry_out(request: Request, seat: Seat, csrf: str, done: str, do: Callable[[], None], said: str) -> Response:
        session.check_proof(seat, request, csrf)
        try:
            do()
        except (Refused, NotFound, TryAgain) as error:
            status = 404 if isinstance(error, NotFound) else 503 if isinstance(error, TryAgain) else 409
            return show(request, seat, status=status, tone="warn", told=error.message, said=said)
        return RedirectResponse(f"/review?done={done}", status_code=303)

    @api.post("/listings/{listing_id}")
    def decide(
        request: Request,
        seat: Operator,
        listing_id: str,
        csrf: Text = "",
        do: Text = "",
        said: Text = "",
        version: Annotated[int, Form()] = 0,
    ) -> Response:
        actor = seat.actor("operator")
        if do == "publish":
            return carry_out(request, seat, csrf, "published", lambda: listings.approve(engine, actor, listing_id, version), said)
        return carry_out(request, seat, csrf, "returned", lambda: listings.send_back(engine, actor, listing_id, version, said), said)

    @api.post("/providers/{provider_id}")
    def admit(request: Request, seat: Operator, provider_id: str, csrf: Text = "", do: Text = "", said: Text = "") -> Response:
        actor, approve = seat.actor("operator"), do == "approve"
        done = "approved" if approve else "refused"
        return carry_out(request, seat, csrf, done, lambda: signups.decide(engine, actor, provider_id, approve=approve, said=said), said)

    return api
