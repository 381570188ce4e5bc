"""The traveler's chat over HTTP: POST up, server-sent events down, one durable log between them. See docs/chat.md."""

import functools
import re
from typing import Annotated, Any
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends, File, Form, Header, Query, Request, UploadFile
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from channels import inbox
from channels.house import House
from channels.web import session, uploads
from channels.web.errors import SignInNeeded
from channels.web.limits import Limits
from channels.web.stream import MOST_SEQ, EventStream, Reader, follow, read_page
from core import conversations, handoff, identities, links, people
from core.engine import Actor, new_id
from core.errors import Invalid, NotFound
from core.schema import site

LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
CLIENT_ID = r"(?!b-)[A-Za-z0-9-]{1,64}"  # never one of the house's own names ("b-<turn>", "confirmed:<payment>")


class Opening(BaseModel):
    site: str = Field("", max_length=64)
    locale: str = Field("en", max_length=35)
    time_zone: str = Field("UTC", max_length=64)
    token: str = Field("", max_length=64)  # to go on with a conversation that began elsewhere: works once


class Said(BaseModel):
    """`id` is the client's own uuid: sent twice, it is one line and one answer."""

    id: str
    text: str | None = None
    action: str | None = Field(None, max_length=64)
    fields: dict[str, Any] = Field(default_factory=dict, max_length=60)


class Wanted(BaseModel):
    want: bool = True


def router(house: House, limits: Limits, onward: tuple[str, ...] = ()) -> APIRouter:
    """`onward` names the messengers in which a conversation can go on."""
    api = APIRouter(prefix="/chat/v1")
    engine = house.engine

    def traveler(authorization: Annotated[str, Header()] = "") -> Actor:
        person = _bearer(authorization)
        if person is None:
            raise SignInNeeded("This chat session is over. A new one starts by itself.")
        return Actor(account_id=person.account_id, conversation_id=person.conversation_id or "", channel="web")

    def _bearer(authorization: str) -> people.Person | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        with engine.db.read() as tx:
            person = people.who(tx, token.strip(), "chat", engine.clock())
        return person if person is not None and person.conversation_id else None

    Traveler = Annotated[Actor, Depends(traveler)]

    @api.post("/session")
    def open_session(request: Request, opening: Opening, authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
        made = opened(request, opening, authorization)
        return {**made, "onward": list(onward)} if onward else dict(made)

    def opened(request: Request, opening: Opening, authorization: str) -> dict[str, str]:
        known = _bearer(authorization)
        if known is not None and known.conversation_id and not opening.token:
            limits.check("sessions", known.conversation_id)
            now = engine.clock()
            with engine.db.write() as tx:
                token = people.open_session(tx, known.account_id, "chat", now, conversation_id=known.conversation_id)
            return {"token": token, "conversation": known.conversation_id}
        limits.check("sessions", address(request))
        if opening.token:
            now = engine.clock()
            with engine.db.write() as tx:
                row = identities.use_token(tx, opening.token, "web", now)
                conversation_id = str(row.params["conversation_id"])
                token = people.open_session(tx, row.account_id, "chat", now, conversation_id=conversation_id)
            return {"token": token, "conversation": conversation_id}
        with engine.db.read() as tx:
            ours = tx.execute(select(site.c.id).where(site.c.id == opening.site)).first() is not None
        locale = opening.locale if LOCALE.fullmatch(opening.locale) else "en"
        conversation_id, token = conversations.start(
            engine,
            channel="web",
            site_id=opening.site if ours else "",
            locale=locale,
            time_zone=opening.time_zone if opening.time_zone in available_timezones() else "UTC",
            welcome=inbox.welcome(locale),
        )
        return {"token": token, "conversation": conversation_id}

    @api.post("/messages", status_code=202)
    def post_message(said: Said, actor: Traveler) -> dict[str, int]:
        limits.check("messages", actor.conversation_id)
        _check_id(said.id)
        if said.action is not None:
            return {"seq": inbox.press(engine, actor, said.id, said.action, said.fields)}
        return {"seq": inbox.say(engine, actor, said.id, said.text or "")}

    def _check_id(client_id: str) -> None:
        if not re.fullmatch(CLIENT_ID, client_id):
            raise Invalid("id", "A message needs an id of its own: at most 64 letters, digits and dashes.")

    @api.post("/person")
    def person(wanted: Wanted, actor: Traveler) -> dict[str, Any]:
        """Ask for a person, or go back to the assistant."""
        limits.check("messages", actor.conversation_id)
        if wanted.want:
            return handoff.ask_for_person(engine, actor, "asked_for_human")
        return handoff.leave_person(engine, actor)

    @api.post("/typing", status_code=204)
    def typing(actor: Traveler) -> Response:
        limits.check("typing", actor.conversation_id)
        house.bus.publish(f"desk:{actor.conversation_id}", {"kind": "typing", "data": {"who": "traveler", "on": True}})
        return Response(status_code=204)

    @api.get("/history")
    def history(actor: Traveler, after: Annotated[int, Query(ge=0, le=MOST_SEQ)] = 0) -> list[dict[str, Any]]:
        """One page of events after a number, oldest first; ask again until the page is empty."""
        return [line for _, line in read_page(house, actor.conversation_id, after, _reader(actor.conversation_id))]

    @api.get("/events")
    def events(
        actor: Traveler,
        after: Annotated[int, Query(ge=0, le=MOST_SEQ)] = 0,
        last_event_id: Annotated[str, Header()] = "",
    ) -> EventStream:
        limits.check("streams", actor.conversation_id)
        start = int(last_event_id) if re.fullmatch(r"\d{1,9}", last_event_id) else after
        read = functools.partial(_read, actor.conversation_id, _reader(actor.conversation_id))
        return EventStream(house.bus, (f"conversation:{actor.conversation_id}",), lambda heard: follow(read, heard, start))

    def _read(conversation_id: str, reader: Reader, after: int) -> list[tuple[int, dict[str, Any]]]:
        return read_page(house, conversation_id, after, reader)

    def _reader(conversation_id: str) -> Reader:
        with engine.db.read() as tx:
            row = conversations.get(tx, conversation_id)
            own = links.trips_path(tx, row.account_id, engine.clock())
        return Reader(row.locale, row.time_zone, own)

    @api.post("/uploads", status_code=201)
    def upload(actor: Traveler, file: Annotated[UploadFile, File()], id: Annotated[str, Form(max_length=64)] = "") -> dict[str, Any]:
        limits.check("uploads", actor.conversation_id)
        data = file.file.read(uploads.MOST + 1)
        if len(data) > uploads.MOST:
            raise HTTPException(413)
        kind = uploads.sniff(data)
        if kind is None:
            raise HTTPException(415)
        mid = id or new_id()
        _check_id(mid)
        with engine.db.read() as tx:
            known = conversations.message_by_mid(tx, actor.conversation_id, mid)
        if known is not None:
            return {"seq": known.seq}
        kept = uploads.Kept(uploads.clean_name(file.filename or "", kind), kind, len(data))
        uploads.keep(house.settings.data_dir, actor.conversation_id, uploads.stored_name(mid), data)
        part = {
            "type": "file",
            "name": kept.name,
            "size": kept.size,
            "media_type": kind,
            "url": f"/chat/v1/uploads/{actor.conversation_id}/{mid}",
        }
        with engine.db.write() as tx:
            seq = conversations.put_traveler_line(tx, actor, mid, [part], engine.clock(), wants_answer=False)
        return {"seq": seq, "url": part["url"]}

    @api.get("/uploads/{conversation_id}/{mid}")
    def download(request: Request, conversation_id: str, mid: str, authorization: Annotated[str, Header()] = "") -> Response:
        """For the same conversation's traveler by token, for the staff by their console session."""
        person = _bearer(authorization)
        allowed = person is not None and person.conversation_id == conversation_id
        if not allowed and not session.is_staff(house, request):
            raise NotFound("There is no such file.")
        with engine.db.read() as tx:
            row = conversations.message_by_mid(tx, conversation_id, mid)
        part = next((one for one in row.data.get("parts", []) if one.get("type") == "file"), None) if row is not None else None
        path = uploads.place(house.settings.data_dir, conversation_id, uploads.stored_name(mid))
        if part is None or not path.is_file():
            raise NotFound("There is no such file.")
        headers = {"content-security-policy": "sandbox; default-src 'none'", "cache-control": "private, no-store"}
        return FileResponse(path, media_type=part["media_type"], filename=part["name"], headers=headers)

    @api.post("/sign-out", status_code=204)
    def sign_out(authorization: Annotated[str, Header()] = "") -> Response:
        """Forget this browser: the token stops counting at once."""
        known = _bearer(authorization)
        if known is not None:
            with engine.db.write() as tx:
                people.revoke_session(tx, known.session_id, engine.clock())
        return Response(status_code=204)

    return api


def address(request: Request) -> str:
    return request.client.host if request.client else "unknown"
