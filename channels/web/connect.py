"""Going on elsewhere: a signed-in account, or a chat's visitor, gets a link that works once and makes a chat theirs."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Form, Header, Request
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web import session
from channels.web.errors import SignInNeeded
from channels.web.session import Seat
from channels.web.views import page
from core import identities, people
from core.errors import NotFound

ANYBODY = ("provider", "expert", "operator", "traveler")


def router(house: House, link: Callable[[str], Awaitable[str]] | None) -> APIRouter:
    """`link` makes the messenger's own address for a token; None where no messenger is set up."""
    api = APIRouter()
    engine = house.engine
    Signed = Annotated[Seat, Depends(session.need(house, *ANYBODY))]

    @api.post("/chat/v1/link")
    async def from_chat(authorization: Annotated[str, Header()] = "") -> dict[str, str]:
        """The same conversation in Telegram: {"channel", "url"}; the link works once, for 15 minutes."""
        if link is None:
            raise NotFound("Telegram is not set up here.")
        person = await to_thread.run_sync(_who, authorization)
        if person is None or not person.conversation_id:
            raise SignInNeeded("This chat session is over. A new one starts by itself.")
        conversation_id = person.conversation_id
        token = await to_thread.run_sync(lambda: identities.invite(engine, person.account_id, conversation_id=conversation_id))
        return {"channel": "telegram", "url": await link(token)}

    def _who(authorization: str) -> people.Person | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        with engine.db.read() as tx:
            return people.who(tx, token.strip(), "chat", engine.clock())

    @api.get("/connect/telegram")
    def show(request: Request, seat: Signed, done: str = "") -> Response:
        with engine.db.read() as tx:
            linked = [_shown(row) for row in identities.of_account(tx, seat.person.account_id, "telegram")]
        return page(request, "connect.html", seat=seat, linked=linked, done=done, url="", on=link is not None)

    @api.post("/connect/telegram")
    async def make(request: Request, seat: Signed, csrf: Annotated[str, Form()] = "") -> Response:
        """The link is made by a POST and shown once; nobody who only looks at the page gets one."""
        session.check_proof(seat, request, csrf)
        if link is None:
            raise NotFound("Telegram is not set up here.")
        token = await to_thread.run_sync(lambda: identities.invite(engine, seat.person.account_id))
        url = await link(token)
        return page(request, "connect.html", seat=seat, linked=[], done="", url=url, on=True, headers={"referrer-policy": "no-referrer"})

    @api.post("/connect/telegram/{identity_id}/remove")
    def remove(request: Request, seat: Signed, identity_id: str, csrf: Annotated[str, Form()] = "") -> Response:
        session.check_proof(seat, request, csrf)
        with engine.db.write() as tx:
            identities.unlink(tx, identity_id, seat.person.account_id, engine.clock())
        return RedirectResponse("/connect/telegram?done=removed", status_code=303)

    return api


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.display_name or "Telegram",
        "since": row.linked_at.strftime("%d %b %Y"),
        "quiet": row.blocked_at is not None,
    }
