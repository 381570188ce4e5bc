"""Bolt at the door: it verifies what came, and before anything is acknowledged the event is committed. The rest is the lane's work.

The commit is in a global middleware, because Bolt acknowledges before its listeners run. A repeated delivery is the same event
and is never dropped for its retry header alone: the first one may have been lost on the way.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from fastapi import APIRouter, Request
from slack_bolt.adapter.fastapi.async_handler import AsyncSlackRequestHandler
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackClientError
from sqlalchemy import Connection, Row, select
from starlette.responses import Response

from channels import inbox
from channels.compose import Composer, door_words
from channels.house import House
from channels.message import Event
from channels.slack import forms
from channels.slack.deliver import SlackDoor, SlackDown, quiet
from channels.slack.parse import parse
from core.schema import channel_identity, conversation, message_ref

log = structlog.get_logger()

PATH = "/webhooks/slack"
COMMAND = "/traveloure"
LARGEST = 1_000_000
AGAIN = 5.0  # seconds between two tries to connect

Body = Mapping[str, Any]


class SlackApp:
    """One door's events. With `signing_secret` requests over HTTP are verified; without one there is only the socket."""

    def __init__(self, house: House, door: SlackDoor, signing_secret: str = "") -> None:
        self._house = house
        self._door = door
        self._compose = Composer(house.settings.base_url)

        async def authorize(team_id: str | None) -> AuthorizeResult:
            """Whose bot it is was asked once, at the start. Where Slack does not answer yet, the event comes again."""
            await door.open()
            return AuthorizeResult(enterprise_id=None, team_id=door.workspace, bot_user_id=door.bot_user, bot_id=door.bot_id)

        self.bolt = AsyncApp(
            client=door.client(),
            signing_secret=signing_secret or None,
            authorize=authorize,
            request_verification_enabled=bool(signing_secret),
            logger=quiet,
        )
        self.bolt.middleware(self._keep)
        self.bolt.action(re.compile(".*"))(self._pressed)
        self.bolt.view(re.compile(".*"))(self._sent)
        self.bolt.command(COMMAND)(self._commanded)
        self.bolt.error(self._failed)

    async def _failed(self, error: Exception) -> BoltResponse:
        """Not acknowledged: Slack delivers it again."""
        log.error("slack_event_not_kept", cause=type(error).__name__, exc_info=error)
        return BoltResponse(status=500, body="")

    async def _keep(self, body: Body, next: Callable[[], Awaitable[None]]) -> BoltResponse | None:
        await self._door.open()
        event = self._read(body)
        if event is not None:
            said = await asyncio.to_thread(self._commit, event)
            if said:
                return BoltResponse(status=200, body={"response_action": "errors", "errors": said})
        if body.get("type") == "event_callback" or (event is None and not body.get("command")):
            return BoltResponse(status=200, body="")
        await next()
        return None

    def _read(self, body: Body) -> Event | None:
        try:
            return parse(body, self._door.workspace, self._door.bot_user)
        except (KeyError, TypeError, ValueError, AttributeError):
            log.exception("slack_payload_not_read", kind=str(body.get("type"))[:40])
            return None

    def _commit(self, event: Event) -> Mapping[str, str]:
        """Keep it; a form that is plainly wrong is not kept but sent back, with what is wrong at each field."""
        engine = self._house.engine
        with engine.db.read() as tx:
            event = in_its_thread(tx, event)
            if event.kind == "form":
                part = self._part(tx, event, int(event.action))
                wrong = forms.wrong(part, event.fields) if part is not None else {}
                if wrong:
                    return wrong
        inbox.receive(engine, [event])
        return {}

    def _part(self, tx: Connection, event: Event, number: int) -> Mapping[str, Any] | None:
        """The form that hangs on a message of ours."""
        ref = ref_of(tx, event, event.message_id)
        parts = self._compose.parts_of(tx, ref.conversation_id, ref.seq) if ref is not None and ref.seq else []
        return parts[number] if 0 <= number < len(parts) and parts[number].get("type") == "form" else None

    # what has to be answered at once

    async def _pressed(self, ack: Callable[..., Awaitable[Any]], body: Body) -> None:
        await ack()
        event = self._read(body)
        if event is not None and event.action.startswith("modal:"):
            view = await asyncio.to_thread(self._view, event)
            if view is not None:
                await self._door.open_view(str(body.get("trigger_id")), view)

    def _view(self, event: Event) -> dict[str, Any] | None:
        """The modal a button opens, for whose trip it is: what others may not send they need not read either."""
        number = event.action.partition(":")[2]
        with self._house.engine.db.read() as tx:
            event = in_its_thread(tx, event)
            part = self._part(tx, event, int(number)) if number.isdigit() else None
            if part is None or not self._owns(tx, event):
                return None
            return forms.view(
                part,
                chat=event.chat_id,
                thread=event.thread_id,
                message=event.message_id,
                number=int(number),
                locale=event.sender.locale,
            )

    def _owns(self, tx: Connection, event: Event) -> bool:
        here = inbox.find_place(tx, event)
        if here is None or not event.sender.person:
            return False
        mine = (channel_identity.c.channel == event.channel, channel_identity.c.workspace == event.workspace)
        query = (
            select(conversation.c.id)
            .join(channel_identity, channel_identity.c.account_id == conversation.c.account_id)
            .where(conversation.c.id == here.conversation_id, *mine, channel_identity.c.external_user_id == event.sender.user_id)
        )
        return tx.execute(query).first() is not None

    async def _sent(self, ack: Callable[..., Awaitable[Any]]) -> None:
        await ack()

    async def _commanded(self, ack: Callable[..., Awaitable[Any]], body: Body) -> None:
        """Seen by whoever typed it alone."""
        elsewhere = not str(body.get("channel_id") or "").startswith("D") and not str(body.get("text") or "").strip().startswith("desk")
        await (ack(door_words("answered_in_private")) if elsewhere else ack())

    # the two ways in

    async def socket(self, app_token: str) -> None:
        """Listen on a socket until cancelled; no public address is needed. Slack deals events out among open sockets, each once."""
        while True:
            try:
                await self._door.open()
                await self._listen(app_token)
            except (SlackDown, SlackClientError, OSError, TimeoutError) as error:
                log.warning("slack_down", cause=str(error) if isinstance(error, SlackDown) else type(error).__name__)
            await asyncio.sleep(AGAIN)

    async def _listen(self, app_token: str) -> None:
        handler = AsyncSocketModeHandler(self.bolt, app_token, web_client=self._door.client(), logger=quiet)
        try:
            await handler.connect_async()  # type: ignore[no-untyped-call]
            log.info("slack_listening", team=self._door.team)
            await asyncio.Event().wait()  # the client connects again by itself
        finally:
            await handler.close_async()  # type: ignore[no-untyped-call]

    def router(self) -> APIRouter:
        """Events, buttons, forms and commands over HTTP, signed, for any number of processes."""
        api = APIRouter()
        handler = AsyncSlackRequestHandler(self.bolt)

        @api.post(PATH)
        async def slack(request: Request) -> Response:
            """401 unless Slack signed it within the last five minutes."""
            if int(request.headers.get("content-length") or 0) > LARGEST:
                return Response(status_code=413)
            return await handler.handle(request)

        return api


def ref_of(tx: Connection, event: Event, ts: str) -> Row[Any] | None:
    """Which of our messages a ts is."""
    return tx.execute(
        select(message_ref).where(
            message_ref.c.channel == event.channel,
            message_ref.c.workspace == event.workspace,
            message_ref.c.chat_id == event.chat_id,
            message_ref.c.external_id == ts,
        )
    ).one_or_none()


def in_its_thread(tx: Connection, event: Event) -> Event:
    """In direct messages a thread is either an assistant's, and a conversation of its own, or hangs on a message of ours: then what is
    written there is a reply to that message, and is answered there."""
    if not event.private or not event.thread_id or ref_of(tx, event, event.thread_id) is None:
        return event
    reply = event.thread_id if event.kind in ("text", "media") else ""
    return replace(event, thread_id="", hangs_on=event.thread_id, reply_to=reply)
