"""Twilio's two webhooks: a text that came in, and what became of one that went out. Both count only with Twilio's signature."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import structlog
from anyio import to_thread
from fastapi import APIRouter, Request
from sqlalchemy import Connection, select, update
from starlette.responses import Response
from twilio.request_validator import RequestValidator

from channels import inbox
from channels.house import House
from channels.mail.compose import choices
from channels.message import Event, Sender
from channels.sms.compose import SmsComposer
from channels.sms.deliver import CHANNEL, STATUS_PATH, Account
from core import identities
from core.engine import Engine
from core.schema import outbound

log = structlog.get_logger()

PATH = "/webhooks/sms"
TWIML = "<?xml version='1.0' encoding='UTF-8'?><Response/>"  # we answer by a message of our own, if at all
NUMBER = re.compile(r"\+[1-9]\d{6,14}")
STOP = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout")  # Twilio blocks the number at these by itself
START = ("start", "unstop")  # not "yes", which is a provider's answer
DONE = {"delivered": ("delivered", None), "undelivered": ("failed", "not delivered"), "failed": ("failed", "not sent")}


def router(house: House, composer: SmsComposer, account: Account) -> APIRouter:
    api = APIRouter()
    validator = RequestValidator(account.token)

    async def read(request: Request, path: str) -> dict[str, str] | None:
        """The signed form; None where the signature is not Twilio's for exactly this address and form."""
        async with request.form() as form:
            given = {name: value for name, value in form.items() if isinstance(value, str)}
        query = f"?{request.url.query}" if request.url.query else ""
        signed = request.headers.get("x-twilio-signature", "")
        return given if validator.validate(f"{house.settings.base_url}{path}{query}", given, signed) else None

    @api.post(PATH)
    async def text(request: Request) -> Response:
        given = await read(request, PATH)
        if given is None:
            return Response(status_code=403)
        if not NUMBER.fullmatch(given.get("From", "")) or not given.get("MessageSid"):
            return Response(status_code=400)
        await to_thread.run_sync(take, house.engine, composer, account, given)
        return Response(TWIML, media_type="text/xml")

    @api.post(STATUS_PATH)
    async def status(request: Request, row: int = 0) -> Response:
        given = await read(request, STATUS_PATH)
        if given is None:
            return Response(status_code=403)
        await to_thread.run_sync(settle, house.engine, row, given)
        return Response(status_code=204)

    return api


def take(engine: Engine, composer: SmsComposer, account: Account, given: Mapping[str, str]) -> int:
    """Keep a text; returns 1 where it is new."""
    number, words = given["From"], given.get("Body", "").strip()
    common: dict[str, Any] = {
        "channel": CHANNEL,
        "workspace": account.sender,
        "event_id": given["MessageSid"][:64],
        "chat_id": number,
        "sender": Sender(number, number),
        "message_id": given["MessageSid"][:64],
    }
    said = words.lower().rstrip(".!")
    linked = re.fullmatch(r"link\s+(l_[\w-]{20,80})", words, re.IGNORECASE)
    if said in STOP:
        return inbox.receive(engine, [Event(kind="blocked", **common)])
    if said in START:
        return inbox.receive(engine, [Event(kind="unblocked", **common)])
    if linked is not None:
        return inbox.receive(engine, [Event(kind="command", command="start", text=linked[1], **common)])
    if said in ("help", "info"):
        return inbox.receive(engine, [Event(kind="command", command="help", **common)])
    with engine.db.read() as tx:
        pressed = _pressed(tx, composer, account, number, words)
    if pressed:
        return inbox.receive(engine, [Event(kind="press", action=pressed, press_id=given["MessageSid"][:64], **common)])
    return inbox.receive(engine, [Event(kind="text", text=words, **common)])


def _pressed(tx: Connection, composer: SmsComposer, account: Account, number: str, words: str) -> str:
    """What a number alone chooses: of the newest message to this phone, and of no older one."""
    chosen = re.fullmatch(r"(\d)[.)]?", words)
    if chosen is None:
        return ""
    lane = identities.lane_of(CHANNEL, account.sender, number)
    sent = (outbound.c.lane.startswith(lane, autoescape=True), outbound.c.state.in_(("sent", "uncertain", "delivered", "sending")))
    last = tx.execute(
        select(outbound).where(*sent, outbound.c.notice != "request.card").order_by(outbound.c.id.desc()).limit(1)
    ).one_or_none()
    if last is None or last.notice != "parts":
        return ""
    offered = [choice for out in composer(tx, last) for choice in choices(out.parts)]
    at = int(chosen[1])
    return offered[at - 1][0] if 1 <= at <= len(offered) else ""


def settle(engine: Engine, row_id: int, given: Mapping[str, str]) -> None:
    """What became of a message that was taken; a later report of less changes nothing."""
    state, error = DONE.get(given.get("MessageStatus", ""), ("", None))
    if not state:
        return
    code = given.get("ErrorCode", "")
    told = f"{error} ({code})" if error and code else error
    known = (outbound.c.id == row_id, outbound.c.channel == CHANNEL, outbound.c.state.in_(("sending", "sent", "uncertain")))
    with engine.db.write() as tx:
        tx.execute(update(outbound).where(*known).values(state=state, error=told, external_id=given.get("MessageSid", "")[:64] or None))
    if error:
        log.info("sms_not_delivered", code=code)
