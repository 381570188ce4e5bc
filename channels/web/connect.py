"""Going on elsewhere: a signed-in account, or a chat's visitor, gets a link that works once and makes a chat theirs."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Form, Header, Request
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response

from channels.house import House
from channels.web import session
from channels.web.errors import SignInNeeded
from channels.web.session import Seat
from channels.web.views import page
from core import identities, people
from core.errors import NotFound

ANYBODY = ("provider", "expert", "operator", "traveler")
NAMES = {"telegram": "Telegram", "slack": "Slack", "sms": "SMS", "mail": "Mail"}
CHATS = ("telegram", "slack")  # where a whole conversation goes on; the others only tell and take answers
Link = Callable[[str], Awaitable[str]]


class Onward(BaseModel):
    """Where to go on; the first that is set up unless it says so."""

    channel: str = ""


def router(house: House, links: Mapping[str, Link]) -> APIRouter:
    """`links` make each messenger's own address for a token; empty where no messenger is set up."""
    api = APIRouter()
    engine = house.engine
    Signed = Annotated[Seat, Depends(session.need(house, *ANYBODY))]

    @api.post("/chat/v1/link")
    async def from_chat(wanted: Onward | None = None, authorization: Annotated[str, Header()] = "") -> dict[str, str]:
        """The same conversation in a messenger: {"channel", "url"}; the link works once, for 15 minutes."""
        channel = (wanted.channel if wanted is not None else "") or next((one for one in links if one in CHATS), "telegram")
        if channel not in CHATS:
            raise NotFound("A conversation cannot go on there.")
        link = _link(channel)
        person = await to_thread.run_sync(_who, authorization)
        if person is None or not person.conversation_id:
            raise SignInNeeded("This chat session is over. A new one starts by itself.")
        conversation_id = person.conversation_id
        token = await to_thread.run_sync(lambda: identities.invite(engine, person.account_id, conversation_id=conversation_id))
        return {"channel": channel, "url": await link(token)}

    def _link(channel: str) -> Link:
        if channel not in links:
            raise NotFound(f"{NAMES.get(channel, 'That messenger')} is not set up here.")
        return links[channel]

    def _who(authorization: str) -> people.Person | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        with engine.db.read() as tx:
            return people.who(tx, token.strip(), "chat", engine.clock())

    @api.get("/connect/slack/open")
    def hand_over(request: Request) -> Response:
        """How to give Slack the link's token, which is in the fragment and never reaches us."""
        return page(request, "connect_slack.html", headers={"referrer-policy": "no-referrer"})

    @api.get("/connect/{channel}")
    def show(request: Request, seat: Signed, channel: str, done: str = "") -> Response:
        if channel not in NAMES:
            raise NotFound("There is no such messenger.")
        with engine.db.read() as tx:
            linked = [_shown(row) for row in identities.of_account(tx, seat.person.account_id, channel)]
        about: dict[str, Any] = {
            "channel": channel,
            "name": NAMES[channel],
            "others": [(one, NAMES[one]) for one in links if one != channel],
        }
        return page(request, "connect.html", seat=seat, linked=linked, done=done, url="", on=channel in links or channel == "mail", **about)

    @api.post("/connect/{channel}")
    async def make(request: Request, seat: Signed, channel: str, csrf: Annotated[str, Form()] = "") -> Response:
        """The link is made by a POST and shown once; nobody who only looks at the page gets one."""
        session.check_proof(seat, request, csrf)
        link = _link(channel)
        token = await to_thread.run_sync(lambda: identities.invite(engine, seat.person.account_id))
        about: dict[str, Any] = {"channel": channel, "name": NAMES[channel], "others": []}
        kept = {"referrer-policy": "no-referrer"}
        return page(request, "connect.html", seat=seat, linked=[], done="", url=await link(token), on=True, headers=kept, **about)

    @api.post("/connect/{channel}/{identity_id}/remove")
    def remove(request: Request, seat: Signed, channel: str, identity_id: str, csrf: Annotated[str, Form()] = "") -> Response:
        session.check_proof(seat, request, csrf)
        with engine.db.write() as tx:
            identities.unlink(tx, identity_id, seat.person.account_id, engine.clock())
        return RedirectResponse(f"/connect/{channel if channel in NAMES else 'telegram'}?done=removed", status_code=303)

    return api


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.display_name or NAMES.get(row.channel, row.channel),
        "since": row.linked_at.strftime("%d %b %Y"),
        "quiet": row.blocked_at is not None,
    }
