"""Reviews at the consoles: providers read theirs and answer each once; operators read all and hide, with a reason, what must not stand."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web import session
from channels.web.consoles import words
from channels.web.session import Seat
from channels.web.views import page
from core import reviews
from core.errors import Invalid, NotFound, Refused

SAID = {
    "answer": ("ok", "Your answer stands below the review."),
    "hide": ("info", "The review is hidden, and its stars do not count."),
    "show": ("ok", "The review is shown again."),
}
Proof = Annotated[str, Form()]


def router(house: House) -> APIRouter:
    api = APIRouter(prefix="/reviews")
    engine = house.engine
    Reader = Annotated[Seat, Depends(session.need(house, "provider"))]
    Operator = Annotated[Seat, Depends(session.need(house, "operator"))]

    def show(request: Request, seat: Seat, *, status: int = 200, tone: str = "", told: str = "") -> Response:
        moderates = seat.person.has("operator")
        found = reviews.listed(engine, None if moderates else list(seat.person.provider_ids))
        mine = set(seat.person.provider_ids)
        return page(
            request,
            "reviews.html",
            status=status,
            seat=seat,
            reviews=[{**one, "at": words.day(one["at"]), "mine": one["provider_id"] in mine} for one in found],
            moderates=moderates,
            tone=tone,
            told=told,
        )

    def carry_out(request: Request, seat: Seat, done: str, do: Callable[[], Any]) -> Response:
        try:
            do()
        except (Refused, NotFound) as error:
            return show(request, seat, status=422 if isinstance(error, Invalid) else 409, tone="warn", told=error.message)
        return RedirectResponse(f"/reviews?done={done}", status_code=303)

    @api.get("")
    def look(request: Request, seat: Reader, done: str = "") -> Response:
        tone, told = SAID.get(done, ("", ""))
        return show(request, seat, tone=tone, told=told)

    @api.post("/{review_id}/answer")
    def answer(request: Request, seat: Reader, review_id: str, csrf: Proof = "", text: Annotated[str, Form()] = "") -> Response:
        session.check_proof(seat, request, csrf)
        return carry_out(request, seat, "answer", lambda: reviews.answer(engine, seat.actor("provider"), review_id, text))

    @api.post("/{review_id}/hide")
    def hide(request: Request, seat: Operator, review_id: str, csrf: Proof = "", reason: Annotated[str, Form()] = "") -> Response:
        session.check_proof(seat, request, csrf)
        return carry_out(request, seat, "hide", lambda: reviews.hide(engine, seat.actor("operator"), review_id, reason))

    @api.post("/{review_id}/show")
    def unhide(request: Request, seat: Operator, review_id: str, csrf: Proof = "") -> Response:
        session.check_proof(seat, request, csrf)
        return carry_out(request, seat, "show", lambda: reviews.unhide(engine, seat.actor("operator"), review_id))

    return api
