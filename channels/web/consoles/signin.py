"""Coming in and going out: a link shows one button, and only pressing it uses the link up."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.mail.address import key_of
from channels.web import session
from channels.web.chat import address
from channels.web.limits import Limits
from channels.web.views import page
from core import links, people, signin
from core.errors import Invalid, NotAllowed


def router(house: House, limits: Limits) -> APIRouter:
    api = APIRouter()
    secure = house.settings.base_url.startswith("https://")

    @api.get("/signin")
    def ask_for_link(request: Request) -> Response:
        return page(request, "signin_ask.html", sent=False, email="", message="")

    @api.post("/signin")
    def send_link(request: Request, email: Annotated[str, Form()] = "") -> Response:
        """The same answer for everybody's address, known or not."""
        limits.check("sign_ins", address(request))
        if not session.same_site(request):
            raise NotAllowed("Please use the form on our own page.")
        given = email.strip()[:300]
        limits.check("sign_ins", f"mail:{key_of(given)}")
        try:
            signin.ask(house.engine, given)
        except Invalid as error:
            return page(request, "signin_ask.html", status=422, sent=False, email=given, message=error.message)
        return page(request, "signin_ask.html", sent=True, email=given, message="")

    @api.get("/signin/{token}")
    def show(request: Request, token: str) -> Response:
        """Mail scanners follow links, so following one does nothing yet."""
        return page(request, "signin.html", state="ready", token=token, headers={"referrer-policy": "no-referrer"})

    @api.post("/signin/{token}")
    def use(request: Request, token: str) -> Response:
        limits.check("sign_ins", address(request))
        if not session.same_site(request):
            raise NotAllowed("Please open your sign-in link again.")
        try:
            opened = _redeem(token)
        except NotAllowed as error:
            return page(request, "signin.html", status=403, state="used", message=error.message)
        with house.engine.db.read() as tx:
            person = people.who(tx, opened, "console", house.engine.clock())
        seat = None if person is None else session.Seat(person, session.csrf_of(opened))
        response = RedirectResponse(_home(seat), status_code=303, headers={"referrer-policy": "no-referrer"})
        session.enter(response, opened, secure=secure)
        return response

    def _redeem(token: str) -> str:
        """A link that was made for somebody, or one that was sent to a mail address."""
        email = signin.email_of(house.engine, token)
        if not email:
            return people.redeem_sign_in(house.engine, token)
        return signin.redeem(house.engine, token, identity_key=key_of(email))

    def _home(seat: session.Seat | None) -> str:
        """Where somebody goes first: their console, or a traveler their trips."""
        if seat is None or seat.areas:
            return seat.home if seat is not None else "/"
        with house.engine.db.read() as tx:
            return links.trips_path(tx, seat.person.account_id, house.engine.clock())

    @api.post("/signout")
    def leave(request: Request, csrf: Annotated[str, Form()] = "") -> Response:
        seat = session.find(house, request)
        if seat is not None:
            session.check_proof(seat, request, csrf)
            with house.engine.db.write() as tx:
                people.revoke_session(tx, seat.person.session_id, house.engine.clock())
        response = page(request, "signin.html", state="out")
        session.leave(response, secure=secure)
        return response

    @api.get("/signout")
    def ask(request: Request) -> Response:
        seat = session.find(house, request)
        return page(request, "signin.html", state="leaving" if seat is not None else "out", csrf=seat.csrf if seat is not None else "")

    return api
