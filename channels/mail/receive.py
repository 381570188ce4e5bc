"""The way in: a mail server posts each letter whole, with a secret; it is kept, and only then is the server told so.

A letter counts as an answer where it was sent to a sealed address of ours. What else comes here is thanked for and dropped:
nobody is answered who only guessed an address.
"""

from __future__ import annotations

import hmac
import re
from datetime import datetime
from typing import Annotated, Any

import structlog
from anyio import to_thread
from fastapi import APIRouter, Header, Request
from sqlalchemy import Connection, Row, select, update
from starlette.responses import JSONResponse, Response

from channels import inbox
from channels.house import House
from channels.mail import address
from channels.mail.compose import MailComposer, choices
from channels.mail.parse import Letter, NotALetter, parse
from channels.message import Event, Sender
from core import identities
from core.engine import Engine
from core.schema import booking, booking_request, outbound

log = structlog.get_logger()

PATH = "/webhooks/mail"
LARGEST = 10 * 1024 * 1024
LONGEST_ADDRESS = 120  # characters; longer ones are answered by nobody
SENT = ("sent", "uncertain", "sending")


def router(house: House, composer: MailComposer, secret: str) -> APIRouter:
    api = APIRouter()

    @api.post(PATH)
    async def mail(
        request: Request, authorization: Annotated[str, Header()] = "", x_envelope_to: Annotated[str, Header()] = ""
    ) -> Response:
        """The raw letter as the body. 403 without the secret, 413 for one that is too big, 400 for what is no letter."""
        if not hmac.compare_digest(authorization.encode(), f"Bearer {secret}".encode()):
            return Response(status_code=403)
        body = await request.body()
        if len(body) > LARGEST:
            return Response(status_code=413)
        try:
            became = await to_thread.run_sync(take, house.engine, composer, body, x_envelope_to[:400])
        except NotALetter as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"became": became})

    return api


def take(engine: Engine, composer: MailComposer, raw: bytes, recipient: str = "") -> str:
    """Keep a letter; returns what it became: "answer", "again" (known already), "machine", "bounce" or "nothing". Raises NotALetter."""
    letter = parse(raw, recipient)
    now = engine.clock()
    with engine.db.write() as tx:
        found = address.find_row(tx, letter.recipients)
        if found is None:
            log.info("mail_not_for_us", kind=letter.kind)
            return "nothing"
        row, to = found
        if letter.kind == "bounce":
            return _bounced(tx, row, letter)
        if letter.kind == "machine" or not letter.sender or len(letter.sender) > LONGEST_ADDRESS:
            return "machine"
        if letter.sender == address.same(to):
            _vouch(tx, row, to, now)
        event = _event(tx, composer, row, to, letter)
    return "answer" if inbox.receive(engine, [event]) else "again"


def _bounced(tx: Connection, row: Row[Any], letter: Letter) -> str:
    """It came back for good: the outbox says so. A report that something takes longer changes nothing."""
    if letter.status.startswith("5"):
        told = {"state": "failed", "error": f"it came back: {letter.status}"}
        tx.execute(update(outbound).where(outbound.c.id == row.id, outbound.c.state.in_(SENT)).values(**told))
        log.info("mail_bounced", notice=row.notice, status=letter.status)
    return "bounce"


def _vouch(tx: Connection, row: Row[Any], to: str, now: datetime) -> None:
    """Whose address it is, as far as this message says: the people of the provider it was about."""
    provider_id = _provider_of(tx, row)
    if provider_id is None:
        return
    account_id = identities.mail_account(tx, address.same(to), provider_id, now)
    key = address.key_of(to)
    identities.vouch(tx, now, channel=address.CHANNEL, workspace=address.WORKSPACE, user_id=key, name=to, account_id=account_id)


def _provider_of(tx: Connection, row: Row[Any]) -> str | None:
    """The provider a message to a provider was about; None for what went to a traveler."""
    content, subject = row.content, str(row.content.get("subject", ""))
    if "links" in content:
        return None
    request_id = content.get("request_id") or (subject.removeprefix("request:") if subject.startswith("request:") else "")
    if request_id:
        asked = select(booking_request.c.provider_id).where(booking_request.c.id == request_id)
        return tx.execute(asked).scalar_one_or_none()
    booking_id = content.get("booking_id") or (subject.removeprefix("letter:") if subject.startswith("letter:") else "")
    return tx.execute(select(booking.c.provider_id).where(booking.c.id == booking_id)).scalar_one_or_none() if booking_id else None


def _event(tx: Connection, composer: MailComposer, row: Row[Any], to: str, letter: Letter) -> Event:
    """The answer as an event like all others: a number is a press, everything else are words. From any other address than the
    one we wrote to it names no message, so that it can decide nothing."""
    key = address.key_of(letter.sender)
    known = letter.sender == address.same(to)
    words = letter.text
    common: dict[str, Any] = {
        "channel": address.CHANNEL,
        "workspace": address.WORKSPACE,
        "event_id": letter.event_id,
        "chat_id": key,
        "sender": Sender(key, letter.sender),
        "message_id": letter.message_id,
        "reply_to": row.external_id or "" if known else "",
    }
    number = re.fullmatch(r"\s*(\d)[.)]?\s*", words)
    if known and number is not None:
        composed = [choice for out in composer(tx, row) for choice in choices(out.parts)]
        if 1 <= int(number[1]) <= len(composed):
            return Event(kind="press", action=composed[int(number[1]) - 1][0], press_id=letter.event_id, **common)
    return Event(kind="text", text=words, fields={} if known else {"stranger": "yes"}, **common)
