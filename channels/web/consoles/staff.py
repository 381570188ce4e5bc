"""A provider's people: who may answer and check in, who decides, who was invited and has not come yet."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web import session
from channels.web.consoles import words
from channels.web.limits import Limits
from channels.web.session import Seat
from channels.web.views import page
from core import reports, staff
from core.errors import NotFound, Refused

SAID = {
    "invited": ("ok", "The invitation is on its way by mail. Its link works once, for three days."),
    "removed": ("info", "Done. They have no access from this moment on."),
}


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter(prefix="/staff")
    engine = house.engine
    Owner = Annotated[Seat, Depends(session.need_owner(house))]
    Text = Annotated[str, Form(max_length=320)]

    def show(request: Request, seat: Seat, *, status: int = 200, tone: str = "", told: str = "", email: str = "") -> Response:
        actor = seat.actor("provider")
        own = list(seat.person.owned_ids) if seat.person.has("provider") else reports.provider_ids(engine)
        shown = []
        for provider_id in own:
            found = staff.of(engine, actor, provider_id)
            invited = [{**one, "until": words.moment(one["until"])} for one in found["invited"]]
            with engine.db.read() as tx:
                name = reports.party_name(tx, "provider", provider_id)
            shown.append({"id": provider_id, "name": name, "people": found["people"], "invited": invited})
        return page(request, "staff.html", status=status, seat=seat, businesses=shown, tone=tone, told=told, email=email)

    @api.get("")
    def look(request: Request, seat: Owner, done: str = "") -> Response:
        tone, told = SAID.get(done, ("", ""))
        return show(request, seat, tone=tone, told=told)

    @api.post("/{provider_id}/invite")
    def invite(
        request: Request, seat: Owner, provider_id: str, csrf: Text = "", email: Text = "", name: Text = "", level: Text = "staff"
    ) -> Response:
        session.check_proof(seat, request, csrf)
        limits.check("joins", seat.person.account_id)
        try:
            staff.invite(engine, seat.actor("provider"), provider_id, email, name=name, level="owner" if level == "owner" else "staff")
        except (Refused, NotFound) as error:
            return show(request, seat, status=404 if isinstance(error, NotFound) else 422, tone="warn", told=error.message, email=email)
        return RedirectResponse("/staff?done=invited", status_code=303)

    @api.post("/{provider_id}/remove")
    def remove(request: Request, seat: Owner, provider_id: str, csrf: Text = "", account: Text = "") -> Response:
        session.check_proof(seat, request, csrf)
        try:
            staff.remove(engine, seat.actor("provider"), provider_id, account)
        except (Refused, NotFound) as error:
            return show(request, seat, status=404 if isinstance(error, NotFound) else 409, tone="warn", told=error.message)
        return RedirectResponse("/staff?done=removed", status_code=303)

    return api
