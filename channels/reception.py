"""What an event from a messenger means, and what is done about it: talk, a tap, a command, a provider's answer, the desk.

Channel-neutral: doors turn their platform's events into ours, and this decides. Everything here may run twice for one
event (a crash before it was ticked off), so every write is keyed by the event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, Row, select, update

from bot import presses
from bot.replies import Asked, Reading, code_in, read_reply
from channels import inbox, mirror
from channels.compose import door_words, known_locales
from channels.house import House
from channels.message import Event
from channels.phrases import phrase
from channels.render import Words
from channels.web import uploads
from core import carts, conversations, handoff, identities, letters, notices, offers, requests
from core.engine import Actor
from core.errors import AlreadyDecided, CoreError, Invalid, NotAllowed, NotFound, Refused
from core.redact import plain, redact
from core.schema import (
    account,
    account_role,
    action,
    booking,
    booking_request,
    channel_identity,
    conversation,
    destination,
    message_ref,
    outbound,
    place,
    provider,
)

log = structlog.get_logger()

NEAR_DEGREES = 1.5  # a shared location counts for a destination that is about 150 km away at most
SHARED_VERBS = ("details", "alternatives", "cart", "say", "keep", "add", "quote", "human", "trips")  # what anybody in a group may press
NAMES = {"telegram": "Telegram", "slack": "Slack", "sms": "SMS"}
CODE_IN_FRONT = re.compile(r"^#?TRV-[0-9A-Z]{6}[\s:,.-]*|^#[0-9A-Z]{4,8}[\s:,.-]*", re.IGNORECASE)
BY_LETTER = ("mail", "sms")  # doors that only take answers to what we sent


class Reception:
    """One for all messengers."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._engine = house.engine

    def handle(self, event: Event, media: bytes | None = None) -> None:
        """Deal with one event. `media` is the file it brought, fetched by the door."""
        match event.kind:
            case "blocked" | "unblocked":
                self._hush(event, event.kind == "blocked")
            case "joined":
                self._joined(event)
            case "edit":
                return  # an edited message decides nothing
            case "opened":
                self._opened(event)
            case "press":
                self._press(event)
            case _ if event.channel in BY_LETTER:
                self._by_letter(event)
            case "form":
                self._form(event)
            case _ if not event.sender.person or (event.forwarded and self._at_desk(event)):
                return  # bots, channels and anonymous administrators have no say
            case "command":
                if not event.forwarded:  # somebody else's words are no order
                    self._command(event)
            case _:
                self._words(event, media)

    # who, and where

    def _meet(self, tx: Connection, event: Event) -> Row[Any]:
        sender = event.sender
        return identities.meet(
            tx,
            self._engine.clock(),
            channel=event.channel,
            workspace=event.workspace,
            user_id=sender.user_id,
            name=sender.name,
            locale=sender.locale,
            chat_id=event.chat_id if event.private else "",
        )

    def _arrive(self, event: Event) -> tuple[Row[Any], Row[Any]]:
        """The sender's identity and the place, with a conversation behind it; made at the first word."""
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            identity = self._meet(tx, event)
            here = inbox.find_place(tx, event)
            if here is None:
                here = inbox.open_place(tx, event, "private" if event.private else "group", now)
            if here.conversation_id is None and here.kind in ("private", "group"):
                conversation_id = conversations.begin(
                    tx,
                    identity.account_id,
                    now,
                    channel=event.channel,
                    locale=identity.locale,
                    watched=True,
                    welcome=inbox.welcome(identity.locale) if event.private else (),
                )
                tx.execute(update(place).where(place.c.id == here.id).values(conversation_id=conversation_id))
            if identity.blocked_at is not None and event.kind != "command":  # they speak to us again
                identities.set_quiet(tx, identity.id, None)
            here = inbox.find_place(tx, event)
            if here is None:
                raise NotFound("The place is gone.")
            return self._meet(tx, event), here

    def _at_desk(self, event: Event) -> bool:
        with self._engine.db.read() as tx:
            here = inbox.find_place(tx, event) or inbox.find_place(tx, replace(event, thread_id=""))
        return here is not None and here.kind in ("desk", "topic")

    def _actor(self, identity: Row[Any], here: Row[Any]) -> Actor:
        """The traveler of this place: in a group the cart's owner, on whose behalf the others only look around."""
        with self._engine.db.read() as tx:
            owner = conversations.get(tx, here.conversation_id).account_id
        return Actor(owner, conversation_id=here.conversation_id, channel=identity.channel)

    def _lane(self, event: Event) -> str:
        return identities.lane_of(event.channel, event.workspace, event.chat_id, event.thread_id)

    def _say(self, event: Event, parts: Sequence[Mapping[str, Any]], name: str = "say", **more: Any) -> None:
        now = self._engine.clock()
        more |= {"hangs_on": event.hangs_on} if event.hangs_on else {}
        more |= {"reply_to": event.message_id} if event.channel in BY_LETTER else {}
        with self._engine.db.write() as tx:
            mirror.tell(tx, lane=self._lane(event), key=f"{event.client_id}:{name}", parts=parts, now=now, **more)

    def _text(self, event: Event, phrase_name: str, **facts: Any) -> None:
        self._say(event, [{"type": "text", "text": door_words(phrase_name, event.sender.locale, **facts)}])

    def _answer_press(self, event: Event, text: str = "", *, alert: bool = False) -> None:
        """Tell the platform that the press has arrived; `text` is shown to the presser alone."""
        if not event.press_id:
            return
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            notices.send(
                tx,
                channel=event.channel,
                address=event.chat_id,
                notice="answer",
                content={"press_id": event.press_id, "text": text[:190], "alert": alert},
                now=now,
                key=f"{event.client_id}:answer",
                lane=f"{self._lane(event)}#{event.event_id}",
            )

    # coming and going

    def _hush(self, event: Event, quiet: bool) -> None:
        now = self._engine.clock()
        if not event.sender.user_id:  # the whole workspace: the app was removed
            with self._engine.db.write() as tx:
                identities.forget_workspace(tx, event.channel, event.workspace, now)
            return
        with self._engine.db.write() as tx:
            identity = self._meet(tx, event)
            identities.set_quiet(tx, identity.id, now if quiet else None)

    def _joined(self, event: Event) -> None:
        """Added to a group: stay where one of our own people did it, else say goodbye."""
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            identity = self._meet(tx, event)
            ours = identity.linked_at is not None
            text = door_words("group_hello" if ours else "group_bye", event.sender.locale)
            mirror.tell(tx, lane=self._lane(event), key=f"{event.client_id}:hello", parts=[{"type": "text", "text": text}], now=now)
            if not ours:
                notices.send(
                    tx,
                    channel=event.channel,
                    address=event.chat_id,
                    notice="leave",
                    content={},
                    now=now,
                    key=f"{event.client_id}:leave",
                    lane=self._lane(event),
                )

    def _opened(self, event: Event) -> None:
        """A new thread with the assistant, or a person's own page: neither is a word, both are answered."""
        now = self._engine.clock()
        if event.command == "home":
            with self._engine.db.write() as tx:
                identity = self._meet(tx, event)
                notices.send(
                    tx,
                    channel=event.channel,
                    address=event.sender.user_id,
                    notice="home",
                    content={"account_id": identity.account_id, "user": event.sender.user_id, "locale": identity.locale},
                    now=now,
                    key=f"{event.client_id}:home",
                    lane=f"{identities.lane_of(event.channel, event.workspace, event.sender.user_id)}#home",
                )
            return
        identity, _ = self._arrive(event)
        with self._engine.db.write() as tx:
            notices.send(
                tx,
                channel=event.channel,
                address=event.chat_id,
                notice="prompts",
                content={"prompts": list(phrase(identity.locale, "welcome", "ideas"))},
                now=now,
                key=f"{event.client_id}:prompts",
                lane=f"{self._lane(event)}#prompts",
            )

    # commands

    def _command(self, event: Event) -> None:
        name = event.command
        if self._at_desk(event) and name != "desk":
            return
        if name == "start" and event.text.startswith(identities.PREFIX):
            self._link(event)
            return
        if name == "desk":
            self._make_desk(event)
            return
        identity, here = self._arrive(event)
        with self._engine.db.write() as tx:
            if here.state:
                tx.execute(update(place).where(place.c.id == here.id).values(state={}))
        staff = self._provider(identity)
        match name:
            case "start":
                with self._engine.db.write() as tx:
                    identities.set_quiet(tx, identity.id, None)
                    first = conversations.get(tx, here.conversation_id).last_seq <= 1
                if not first or not event.private:
                    self._text(event, "welcome_back")
            case "help":
                self._text(event, "help_provider" if staff is not None else "help")
            case "trips" | "cart" | "human":
                presses.run(self._engine, self._actor(identity, here), event.client_id, f"/{name}", name)
            case "requests":
                self._list_requests(event, staff) if staff is not None else self._text(event, "unknown_command")
            case "language":
                self._language(event, identity, here)
            case "stop":
                now = self._engine.clock()
                self._text(event, "stopped")
                with self._engine.db.write() as tx:
                    identities.set_quiet(tx, identity.id, now)
            case "unlink":
                self._unlink(event, identity)
            case "web":
                self._to_web(event, identity, here)
            case _:
                self._text(event, "unknown_command")

    def _language(self, event: Event, identity: Row[Any], here: Row[Any]) -> None:
        wanted = event.text.strip().lower()[:8]
        if wanted not in known_locales():
            self._text(event, "language_unknown", known=", ".join(known_locales()))
            return
        with self._engine.db.write() as tx:
            identities.set_locale(tx, identity, wanted)
            tx.execute(update(conversation).where(conversation.c.id == here.conversation_id).values(locale=wanted))
        self._text(event, "language_set")

    def _link(self, event: Event) -> None:
        """A single-use link was opened: this chat becomes that account, with the conversation it was made in."""
        if not event.private:
            self._text(event, "only_private")
            return
        now = self._engine.clock()
        try:
            with self._engine.db.write() as tx:
                identity = self._meet(tx, event)
                here = inbox.find_place(tx, event)
                done = identities.link(tx, identity, event.text, now)
                if here is None:
                    here = inbox.open_place(tx, event, "private", now)
                before = here.conversation_id
                wanted = done["conversation_id"] or conversations.latest_of(tx, done["account_id"])
                if wanted is None:
                    wanted = conversations.begin(tx, done["account_id"], now, channel=event.channel, locale=identity.locale, watched=True)
                mirror.attach(tx, here, wanted, now)
                person = tx.execute(select(account).where(account.c.id == done["account_id"])).one()
                text = self._linked_text(tx, event, done["account_id"], person.display_name or event.sender.name)
                mirror.tell(tx, lane=self._lane(event), key=f"{event.client_id}:linked", parts=[{"type": "text", "text": text}], now=now)
                notices.tell(
                    tx,
                    wanted,
                    "channel_linked",
                    {"channel": NAMES.get(event.channel, event.channel), "name": event.sender.name},
                    now,
                    key=f"linked:{event.client_id}",
                    actions=[{"label": "not_me", "press": {"verb": "not_me", "params": {"identity_id": identity.id}}}],
                )
        except (NotAllowed, Refused) as error:
            if not self._is_linked_by(event):  # the same event again, after a crash, is no second person
                self._say(event, [{"type": "text", "text": error.message}])
            return
        if before and before != wanted:
            self._move_cart(event, before, wanted, done["account_id"])

    def _is_linked_by(self, event: Event) -> bool:
        with self._engine.db.read() as tx:
            here = inbox.find_place(tx, event)
            if here is None or here.conversation_id is None:
                return False
            return any(
                row.client_id == f"linked:{event.client_id}"[:80]
                for row in conversations.log_after(tx, here.conversation_id, 0, limit=1000)
            )

    def _linked_text(self, tx: Connection, event: Event, account_id: str, name: str) -> str:
        held = identities.roles_of(tx, account_id)
        if any(role == "provider" for role, _ in held):
            ids = [one for role, one in held if role == "provider"]
            names = tx.execute(select(provider.c.name).where(provider.c.id.in_(ids)).order_by(provider.c.name)).scalars().all()
            what = ", ".join(names[:3]) + (f" +{len(names) - 3}" if len(names) > 3 else "")
            return door_words("linked_staff", event.sender.locale, name=name, what=what)
        if any(role in ("expert", "operator") for role, _ in held):
            return door_words("linked_expert", event.sender.locale, name=name)
        return door_words("linked", event.sender.locale, name=name or "you")

    def _move_cart(self, event: Event, before: str, after: str, account_id: str) -> None:
        """What was put into the visitor's cart here comes along, priced anew; what cannot is said."""
        engine = self._engine
        with engine.db.read() as tx:
            cart = carts.find_cart(tx, before)
            asks = [carts.ask_of(line) for line in carts.items(tx, cart.id) if line.kind == "own"] if cart is not None else []
        for number, ask in enumerate(asks):
            actor = Actor(account_id, conversation_id=after, channel=event.channel, key=f"{event.client_id}:move:{number}")
            try:
                carts.add(engine, actor, ask)
            except CoreError as error:
                self._say(event, [{"type": "text", "text": error.message}], f"move{number}")

    def _unlink(self, event: Event, identity: Row[Any]) -> None:
        now = self._engine.clock()
        if identity.linked_at is None:
            self._text(event, "not_linked")
            return
        with self._engine.db.write() as tx:
            identities.unlink(tx, identity.id, identity.account_id, now)
        self._text(event, "unlinked")

    def _to_web(self, event: Event, identity: Row[Any], here: Row[Any]) -> None:
        """The same conversation in a browser: a link that works once. Only for whose conversation it is, and never in a group."""
        with self._engine.db.read() as tx:
            owner = conversations.get(tx, here.conversation_id).account_id
        if not event.private or owner != identity.account_id:
            self._text(event, "only_private")
            return
        token = identities.invite(self._engine, identity.account_id, conversation_id=here.conversation_id, purpose="web")
        part = {
            "type": "status",
            "tone": "info",
            "title": door_words("continue_web", event.sender.locale),
            "text": "",
            "lines": [],
            "buttons": [
                {
                    "label": door_words("continue_button", event.sender.locale),
                    "url": f"{self._house.settings.base_url}/chat#continue={token}",
                    "style": "primary",
                }
            ],
        }
        self._say(event, [part])

    # words

    def _words(self, event: Event, media: bytes | None) -> None:
        if self._at_desk(event):
            self._desk_words(event)
            return
        identity, here = self._arrive(event)
        event = self._located(event)
        if event.media is not None:
            self._file(event, identity, here, media)
            if not event.text:
                return
        if not event.text:
            return
        actor = self._actor(identity, here)
        if here.state.get("form") and identity.account_id == actor.account_id:
            self._fill(event, here)
            return
        staff = self._provider(identity) if event.private else None
        if staff is not None and not event.forwarded and self._provider_words(event, staff):
            return
        if identity.account_id == actor.account_id and not event.forwarded and self._answers_letter(event, actor):
            return
        try:
            if identity.account_id == actor.account_id:
                inbox.say(self._engine, actor, event.client_id, event.text)
            else:  # somebody else in the group: talk, and never a yes
                conversations.say(self._engine, actor, event.client_id, event.text)
        except Invalid as error:
            self._say(event, [{"type": "text", "text": error.message}])

    def _located(self, event: Event) -> Event:
        """A shared location becomes words about the nearest place we know."""
        if event.location is None:
            return event
        latitude, longitude = event.location
        with self._engine.db.read() as tx:
            rows = tx.execute(select(destination.c.name, destination.c.latitude, destination.c.longitude)).all()
        near = sorted((abs(row.latitude - latitude) + abs(row.longitude - longitude), row.name) for row in rows)
        if not near or near[0][0] > NEAR_DEGREES:
            self._text(event, "place_unknown")
            return replace(event, location=None)
        return replace(event, location=None, text=door_words("here", event.sender.locale, city=near[0][1]))

    def _file(self, event: Event, identity: Row[Any], here: Row[Any], data: bytes | None) -> None:
        kind = uploads.sniff(data) if data is not None and len(data) <= uploads.MOST else None
        if data is None or kind is None or event.media is None:
            self._text(event, "file_bad")
            return
        mid = f"f-{event.client_id}"[:64]
        name = uploads.clean_name(event.media.name or "photo", kind)
        uploads.keep(self._house.settings.data_dir, here.conversation_id, uploads.stored_name(mid), data)
        url = f"/chat/v1/uploads/{here.conversation_id}/{mid}"
        part = {"type": "file", "name": name, "size": len(data), "media_type": kind, "url": url}
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            conversations.put_traveler_line(tx, self._actor(identity, here), mid, [part], now, wants_answer=False)
        self._text(event, "file_kept")

    # answers by letter

    def _by_letter(self, event: Event) -> None:
        """An answer to something we sent: to a request, or to the other side of a booking. It opens no conversation of its own."""
        if event.kind == "command":
            self._link_phone(event) if event.command == "start" else self._text(event, "sms_help")
            return
        with self._engine.db.write() as tx:
            identity = self._meet(tx, event)
            if event.fields.get("stranger"):
                identities.refused(tx, self._engine.clock(), identity, "answer", f"identity:{identity.id}")
        if event.fields.get("stranger"):
            self._text(event, "stranger")
            return
        if not event.text.strip():
            self._text(event, "nothing_said")
            return
        staff = self._provider(identity)
        if staff is not None and self._provider_words(event, staff):
            return
        if not self._guest_words(event):
            self._text(event, "no_answer_here")

    def _link_phone(self, event: Event) -> None:
        """A phone that sent the words of a single-use link: what is urgent for this account comes there from now on."""
        now = self._engine.clock()
        try:
            with self._engine.db.write() as tx:
                identity = self._meet(tx, event)
                done = identities.link(tx, identity, event.text, now)
                name = tx.execute(select(account.c.display_name).where(account.c.id == done["account_id"])).scalar_one()
                text = door_words("sms_linked", event.sender.locale, name=name or "you")
                mirror.tell(tx, lane=self._lane(event), key=f"{event.client_id}:linked", parts=[{"type": "text", "text": text}], now=now)
        except (NotAllowed, Refused) as error:
            with self._engine.db.read() as tx:
                again = tx.execute(select(outbound.c.id).where(outbound.c.key == f"{event.client_id}:linked")).first()
            if again is None:  # the same event again, after a crash, is no second use
                self._say(event, [{"type": "text", "text": error.message}])

    def _guest_words(self, event: Event) -> bool:
        """A traveler's answer to a mail about their booking goes to whom they booked with."""
        subject = self._replied_subject(event)
        if not subject.startswith("booking:"):
            return False
        with self._engine.db.read() as tx:
            row = tx.execute(select(booking).where(booking.c.id == subject.removeprefix("booking:"))).one_or_none()
        if row is None or str((row.contact or {}).get("email", "")).lower() != event.sender.name:
            return False
        self._write(event, lambda: letters.to_provider(self._engine, self._guest(row, event), row.id, event.text, key=event.client_id))
        return True

    def _answers_letter(self, event: Event, actor: Actor) -> bool:
        """A traveler's reply, in a chat, to what their provider wrote after the booking."""
        if not event.reply_to:
            return False
        with self._engine.db.read() as tx:
            ref = tx.execute(
                select(message_ref.c.conversation_id, message_ref.c.seq).where(
                    message_ref.c.channel == event.channel,
                    message_ref.c.workspace == event.workspace,
                    message_ref.c.chat_id == event.chat_id,
                    message_ref.c.external_id == event.reply_to,
                )
            ).one_or_none()
            if ref is None or not ref.seq or ref.conversation_id != actor.conversation_id:
                return False
            line = next(iter(conversations.log_after(tx, ref.conversation_id, ref.seq - 1, limit=1)), None)
        booking_id = next((part["letter"] for part in line.data.get("parts", ()) if part.get("letter")), "") if line is not None else ""
        if not booking_id:
            return False
        self._write(event, lambda: letters.to_provider(self._engine, actor, booking_id, event.text, key=event.client_id))
        return True

    def _guest(self, row: Row[Any], event: Event) -> Actor:
        return Actor(row.account_id, conversation_id=row.conversation_id, channel=event.channel)

    def _write(self, event: Event, send: Callable[[], str]) -> None:
        try:
            name = send()
        except CoreError as error:
            self._say(event, [{"type": "text", "text": error.message}])
            return
        self._text(event, "letter_passed_on", name=name or "them")

    # a form, line by line

    def _fill(self, event: Event, here: Row[Any]) -> None:
        """An answer to the question that the form for name and e-mail asks at this moment."""
        form = dict(here.state["form"])
        values = dict(form["values"])
        asked = form.get("ask") or next((name for name in ("name", "email") if not values.get(name)), "")
        if not asked:
            self._show_form(event, here, form)
            return
        text = redact(plain(" ".join(event.text.split())))
        try:
            if asked == "email":
                from core.people import check_email

                values["email"] = check_email(text)
            elif not 2 <= len(text) <= 120:
                raise Invalid("name", "Please give the name the booking should be under.")
            else:
                values["name"] = text
        except Invalid as error:
            self._say(event, [{"type": "text", "text": error.message}])
            return
        self._show_form(event, here, {**form, "values": values, "ask": ""})

    def _show_form(self, event: Event, here: Row[Any], form: Mapping[str, Any]) -> None:
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            tx.execute(update(place).where(place.c.id == here.id).values(state={"form": dict(form)}))
            notices.send(
                tx,
                channel=event.channel,
                address=event.chat_id,
                notice="contact",
                content={
                    "conversation_id": form["conversation_id"],
                    "seq": form["seq"],
                    "part": form["part"],
                    "form": {"given": form["values"], "ask": form.get("ask", "")},
                },
                now=now,
                key=f"{event.client_id}:form",
                lane=self._lane(event),
            )

    def _press_form(self, event: Event, identity: Row[Any], here: Row[Any], word: str) -> None:
        form = here.state.get("form")
        if not form:
            self._answer_press(event, door_words("form_over", event.sender.locale), alert=True)
            return
        actor = self._actor(identity, here)
        if identity.account_id != actor.account_id:
            self._refuse(event, identity, here, "contact")
            return
        self._answer_press(event)
        if word in ("name", "email"):
            self._show_form(event, here, {**form, "ask": word})
            return
        with self._engine.db.write() as tx:
            tx.execute(update(place).where(place.c.id == here.id).values(state={}))
        if word == "ok":
            fields = {**form["values"], "terms": True}
            try:
                inbox.press(self._engine, actor, event.client_id, form["action"], fields)
            except Invalid as error:
                self._show_form(event, here, {**form, "ask": error.field})
            except CoreError as error:
                self._say(event, [{"type": "text", "text": error.message}])
            return
        self._text(event, "later")

    # taps

    def _press(self, event: Event) -> None:
        if not event.sender.person:
            self._answer_press(event, door_words("not_yours", event.sender.locale), alert=True)
            return
        word, _, rest = event.action.partition(":")
        if word in ("page", "pick", "contact"):
            self._press_door(event, word, rest)
            return
        if word == "modal":
            self._press_modal(event)
            return
        if event.action == "nothing":
            self._answer_press(event)
            return
        with self._engine.db.write() as tx:
            identity = self._meet(tx, event)
            found = tx.execute(select(action).where(action.c.id == event.action)).one_or_none()
        if found is None:
            self._answer_press(event, "That button no longer exists. Please ask again.", alert=True)
        elif found.account_id is not None and found.account_id != identity.account_id:
            with self._engine.db.write() as tx:
                identities.refused(tx, self._engine.clock(), identity, found.verb, f"action:{found.id}")
            self._answer_press(event, door_words("not_yours", event.sender.locale), alert=True)
        elif found.verb.startswith("request."):
            self._press_request(event, identity, found)
        elif found.verb.startswith("desk."):
            self._press_desk(event, identity, found)
        else:
            self._press_traveler(event, identity, found)

    def _press_door(self, event: Event, word: str, rest: str) -> None:
        """A page to turn or a day to pick: nothing of the house changes, only what the message shows."""
        identity, here = self._arrive(event)
        if word == "contact":
            self._press_form(event, identity, here, rest)
            return
        with self._engine.db.read() as tx:
            ref = tx.execute(
                select(message_ref).where(
                    message_ref.c.channel == event.channel,
                    message_ref.c.workspace == event.workspace,
                    message_ref.c.chat_id == event.chat_id,
                    message_ref.c.external_id == event.message_id,
                )
            ).one_or_none()
        fields = rest.split(":")
        if ref is None or not ref.seq or not fields[0].isdigit():
            self._answer_press(event, door_words("form_over", event.sender.locale), alert=True)
            return
        shown = {"conversation_id": ref.conversation_id, "seq": ref.seq, "part": int(fields[0]), "replaces": event.message_id}
        if word == "pick" and fields[-1] == "ok":
            self._send_form(event, identity, here, ref, fields)
            return
        self._answer_press(event)
        content = {**shown, "at": int(fields[1])} if word == "page" else {**shown, "picked": fields[1:]}
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            notices.send(
                tx,
                channel=event.channel,
                address=event.chat_id,
                notice=word,
                content=content,
                now=now,
                key=f"{event.client_id}:{word}",
                lane=self._lane(event),
            )

    def _send_form(self, event: Event, identity: Row[Any], here: Row[Any], ref: Row[Any], fields: Sequence[str]) -> None:
        """The picked days and people, sent as the form's fields."""
        if here.conversation_id != ref.conversation_id:
            self._answer_press(event, door_words("form_over", event.sender.locale), alert=True)
            return
        with self._engine.db.read() as tx:
            line = next(iter(conversations.log_after(tx, ref.conversation_id, ref.seq - 1, limit=1)))
        part = line.data["parts"][int(fields[0])]
        people = [*fields[3].split("."), "0", "0", "0"][:3]
        values = {"date": fields[1].strip("-") and fields[1], "end_date": fields[2].strip("-") and fields[2]}
        values |= dict(zip(("adults", "children", "infants"), people, strict=True))
        try:
            inbox.press(self._engine, self._actor(identity, here), event.client_id, part["submit"]["action"], values)
        except CoreError as error:
            self._answer_press(event, error.message, alert=True)
            return
        self._answer_press(event)

    def _press_modal(self, event: Event) -> None:
        """The door has opened the form by itself, for whose trip it is; all others are told so."""
        identity, here = self._arrive(event)
        if here.conversation_id is None or identity.account_id != self._actor(identity, here).account_id:
            self._refuse(event, identity, here, "form")

    def _form(self, event: Event) -> None:
        """A form that was filled in as one, sent from where it was opened."""
        identity, here = self._arrive(event)
        with self._engine.db.read() as tx:
            ref = tx.execute(
                select(message_ref).where(
                    message_ref.c.channel == event.channel,
                    message_ref.c.workspace == event.workspace,
                    message_ref.c.chat_id == event.chat_id,
                    message_ref.c.external_id == event.message_id,
                )
            ).one_or_none()
            line = None
            if ref is not None and ref.seq and ref.conversation_id == here.conversation_id:
                line = next(iter(conversations.log_after(tx, ref.conversation_id, ref.seq - 1, limit=1)), None)
        if line is None:
            self._answer_press(event, door_words("form_over", event.sender.locale), alert=True)
            return
        actor = self._actor(identity, here)
        if not event.sender.person or identity.account_id != actor.account_id:
            self._refuse(event, identity, here, "form")
            return
        part = line.data["parts"][int(event.action)]
        try:
            inbox.press(self._engine, actor, event.client_id, part["submit"]["action"], event.fields)
        except CoreError as error:
            self._say(event, [{"type": "text", "text": error.message}])

    def _press_traveler(self, event: Event, identity: Row[Any], found: Row[Any]) -> None:
        _, here = self._arrive(event)
        if here.conversation_id is None or here.conversation_id != found.conversation_id:
            self._answer_press(event, "That button belongs to another trip. Please ask again.", alert=True)
            return
        actor = self._actor(identity, here)
        if identity.account_id != actor.account_id and (event.private or found.verb not in SHARED_VERBS):
            self._refuse(event, identity, here, found.verb)
            return
        try:
            inbox.press(self._engine, actor, event.client_id, found.id, {})
        except CoreError as error:
            self._answer_press(event, error.message, alert=True)
            return
        self._answer_press(event)

    def _refuse(self, event: Event, identity: Row[Any], here: Row[Any], verb: str) -> None:
        """Only whose trip it is may commit to anything."""
        with self._engine.db.write() as tx:
            owner = conversations.get(tx, here.conversation_id).account_id
            name = tx.execute(select(account.c.display_name).where(account.c.id == owner)).scalar_one()
            identities.refused(tx, self._engine.clock(), identity, verb, f"conversation:{here.conversation_id}")
        self._answer_press(event, door_words("only_owner", event.sender.locale, name=name or "the person"), alert=True)

    # providers

    def _provider(self, identity: Row[Any]) -> Actor | None:
        """This person as their providers' hand, where the chat is linked; None for everybody else."""
        if identity.linked_at is None:
            return None
        with self._engine.db.read() as tx:
            try:
                actor = identities.actor_of(tx, identity, "provider")
            except NotAllowed:
                return None
        return actor if actor.provider_ids else None

    def _provider_words(self, event: Event, staff: Actor) -> bool:
        """A provider's own words about a request; False where they are about something else."""
        subject = self._replied_subject(event)
        if subject.startswith("letter:"):
            booking_id = subject.removeprefix("letter:")
            self._write(event, lambda: letters.to_traveler(self._engine, staff, booking_id, event.text, key=event.client_id))
            return True
        pending = requests.pending(self._engine, staff.provider_ids)
        threaded = self._replied_request(event)
        if threaded is not None:
            self._answered(event, staff, threaded)
            return True
        code = code_in(event.text)
        named = [one for one in pending if code and one["reference"] in (code, f"TRV-{code}")]
        if len(named) == 1:
            self._answered(event, staff, named[0]["request_id"])
            return True
        booked = self._booked_with(staff, code) if code and event.channel == "sms" else ""
        if booked:  # a text answers nothing by itself, so it names the booking it is about
            words = CODE_IN_FRONT.sub("", event.text).strip() or event.text
            self._write(event, lambda: letters.to_traveler(self._engine, staff, booked, words, key=event.client_id))
            return True
        if not pending:
            return False
        if len(pending) == 1:
            self._answered(event, staff, pending[0]["request_id"])
            return True
        self._list_requests(event, staff, which=True)
        return True

    def _booked_with(self, staff: Actor, code: str) -> str:
        """The confirmed booking of these providers with that code; "" where there is none."""
        mine = (
            booking.c.reference.in_((code, f"TRV-{code}")),
            booking.c.provider_id.in_(staff.provider_ids),
            booking.c.status.in_(letters.OPEN),
        )
        with self._engine.db.read() as tx:
            return str(tx.execute(select(booking.c.id).where(*mine)).scalar_one_or_none() or "")

    def _replied_request(self, event: Event) -> str | None:
        subject = self._replied_subject(event)
        return subject.removeprefix("request:") if subject.startswith("request:") else None

    def _replied_subject(self, event: Event) -> str:
        """What the message of ours was about that this answers; "" where it answers none."""
        if not event.reply_to:
            return ""
        with self._engine.db.read() as tx:
            subject = tx.execute(
                select(message_ref.c.subject).where(
                    message_ref.c.channel == event.channel,
                    message_ref.c.workspace == event.workspace,
                    message_ref.c.chat_id == event.chat_id,
                    message_ref.c.external_id == event.reply_to,
                )
            ).scalar_one_or_none()
        return str(subject or "")

    def _answered(self, event: Event, staff: Actor, request_id: str) -> None:
        """Act alone only where every word was understood; otherwise read it back with buttons."""
        with self._engine.db.read() as tx:
            asked = tx.execute(select(booking_request).where(booking_request.c.id == request_id)).one_or_none()
            row = None if asked is None else tx.execute(select(booking).where(booking.c.id == asked.booking_id)).one()
        if asked is None or row is None or asked.provider_id not in staff.provider_ids:
            self._text(event, "not_yours")
            return
        if asked.status != "open":
            self._say_decided(event, asked, row)
            return
        today = self._engine.clock().astimezone(ZoneInfo(row.time_zone)).date()
        wanted = Asked(row.reference, row.amount, row.currency, row.local_date, row.local_start, today)
        reading = read_reply(event.text, wanted)
        if reading.decision in ("approve", "decline"):
            self._decide(event, staff, request_id, reading.decision, row, event.text)
        else:
            self._read_back(event, staff, request_id, row, reading)

    def _decide(self, event: Event, staff: Actor, request_id: str, verdict: str, row: Row[Any], answer: str) -> str:
        """Returns what was said to the provider."""
        words = Words(self._house.settings.base_url, event.sender.locale)
        try:
            requests.decide(self._engine, staff, request_id, verdict, answer=answer)
            said = words.say("request", f"done_{verdict}", reference=row.reference)
        except AlreadyDecided as error:
            mine = error.facts["status"] == {"approve": "approved", "decline": "declined"}[verdict] and self._decided_here(
                event, request_id, staff
            )
            if mine:  # the same event again, after a crash
                said = words.say("request", f"done_{verdict}", reference=row.reference)
            else:
                said = self._decided_words(words, request_id, row)
        except CoreError as error:
            said = error.message
        self._say(event, [{"type": "text", "text": said}], "decided")
        return said

    def _decided_here(self, event: Event, request_id: str, staff: Actor) -> bool:
        with self._engine.db.read() as tx:
            asked = tx.execute(select(booking_request).where(booking_request.c.id == request_id)).one()
        return bool(asked.decided_by == staff.account_id and asked.answer == redact(plain(event.text)) and event.text)

    def _decided_words(self, words: Words, request_id: str, row: Row[Any]) -> str:
        with self._engine.db.read() as tx:
            asked = tx.execute(select(booking_request).where(booking_request.c.id == request_id)).one()
            name = tx.execute(select(account.c.display_name).where(account.c.id == asked.decided_by)).scalar_one_or_none()
        by = ""
        if asked.decided_at is not None and name:
            by = " " + words.say("request", "by", name=name, at=words.moment(asked.decided_at.isoformat(), row.time_zone))
        status = words.say("request", asked.status).lower() if asked.status in ("approved", "declined") else asked.status
        return words.say("request", "already", reference=row.reference, status=status, by=by)

    def _say_decided(self, event: Event, asked: Row[Any], row: Row[Any]) -> None:
        words = Words(self._house.settings.base_url, event.sender.locale)
        self._say(event, [{"type": "text", "text": self._decided_words(words, asked.id, row)}])

    def _read_back(self, event: Event, staff: Actor, request_id: str, row: Row[Any], reading: Reading) -> None:
        """What was understood and what was not, and every way on as a button. Nothing has changed yet."""
        words = Words(self._house.settings.base_url, event.sender.locale)
        facts = {"title": row.title, "reference": row.reference}
        params: dict[str, Any] = {"request_id": request_id, "text": redact(plain(event.text))[:1000]}
        verbs = ["approve", "decline", "ask"]
        if reading.decision == "offer":
            terms = {"amount": reading.amount, "day": reading.day.isoformat() if reading.day else None, "start": reading.start}
            params |= {"terms": terms}
            asked = _terms_text(words, {"amount": row.amount, "day": row.local_date.isoformat(), "start": row.local_start}, row.currency)
            text = words.say("request", "offer", terms=_terms_text(words, terms, row.currency), asked=asked, **facts)
            verbs.insert(0, "send_offer")
        else:
            text = words.say("request", "unclear", **facts)
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            buttons = [
                {
                    "label": words.say("request", verb),
                    "style": "plain",
                    "action": conversations.mint_action(
                        tx, row.conversation_id, f"request.{verb}", params, now, account_id=staff.account_id
                    ),
                }
                for verb in verbs
            ]
            parts: list[Mapping[str, Any]] = [{"type": "text", "text": text}, {"type": "quick_replies", "items": buttons}]
            mirror.tell(
                tx,
                lane=self._lane(event),
                key=f"{event.client_id}:readback",
                parts=parts,
                now=now,
                reply_to=event.message_id,
                hangs_on=event.hangs_on,
                subject=f"request:{request_id}",
            )

    def _press_request(self, event: Event, identity: Row[Any], found: Row[Any]) -> None:
        staff = self._provider(identity)
        request_id = found.params["request_id"]
        with self._engine.db.read() as tx:
            asked = tx.execute(select(booking_request).where(booking_request.c.id == request_id)).one_or_none()
            row = None if asked is None else tx.execute(select(booking).where(booking.c.id == asked.booking_id)).one()
        if staff is None or asked is None or row is None or asked.provider_id not in staff.provider_ids:
            with self._engine.db.write() as tx:
                identities.refused(tx, self._engine.clock(), identity, found.verb, f"request:{request_id}")
            self._answer_press(event, door_words("not_yours", event.sender.locale), alert=True)
            return
        verb = found.verb.removeprefix("request.")
        words = Words(self._house.settings.base_url, event.sender.locale)
        if asked.status != "open" and not (
            verb in ("approve", "decline") and asked.decided_by == staff.account_id and self._made_by(event)
        ):
            self._answer_press(event, self._decided_words(words, request_id, row), alert=True)
            return
        if verb in ("approve", "decline"):
            said = self._decide(event, staff, request_id, verb, row, "")
        elif verb == "ask":
            said = self._relay(event, staff, row, str(found.params.get("text", "")), words)
        elif verb == "which":
            said = ""
            self._read_back(event, staff, request_id, row, Reading("ask"))
        else:
            said = self._offer(event, staff, request_id, row, found.params, words)
        self._answer_press(event, said)

    def _made_by(self, event: Event) -> bool:
        """Was this very press carried out before (a crash came between the act and its being ticked off)?"""
        with self._engine.db.read() as tx:
            known = tx.execute(select(outbound.c.id).where(outbound.c.key == f"{event.client_id}:decided")).first()
            answered = tx.execute(select(outbound.c.id).where(outbound.c.key == f"{event.client_id}:answer")).first()
        return known is not None and answered is None

    def _relay(self, event: Event, staff: Actor, row: Row[Any], text: str, words: Words) -> str:
        """A provider's question or remark, in the traveler's conversation; the request still waits."""
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            name = tx.execute(select(provider.c.name).where(provider.c.id == row.provider_id)).scalar_one()
            conversations.append(
                tx,
                row.conversation_id,
                "provider",
                [{"type": "text", "text": text}],
                now=now,
                client_id=f"p-{event.client_id}"[:80],
                author_id=staff.account_id,
                name=words.say("door", "provider_says", name=name, title=row.title),
            )
        said = words.say("request", "asked", reference=row.reference)
        self._say(event, [{"type": "text", "text": said}])
        return said

    def _offer(self, event: Event, staff: Actor, request_id: str, row: Row[Any], params: Mapping[str, Any], words: Words) -> str:
        terms = params["terms"]
        day = datetime.fromisoformat(terms["day"]).date() if terms.get("day") else None
        try:
            offers.counter(
                self._engine,
                staff,
                request_id,
                amount=terms.get("amount"),
                local_date=day,
                local_start=terms.get("start"),
                message=str(params.get("text", "")),
            )
            said = words.say("request", "offered", reference=row.reference)
        except CoreError as error:
            said = error.message
        self._say(event, [{"type": "text", "text": said}])
        return said

    def _list_requests(self, event: Event, staff: Actor, *, which: bool = False) -> None:
        """What waits, each with a button; never guessed by which came last."""
        words = Words(self._house.settings.base_url, event.sender.locale)
        pending = requests.pending(self._engine, staff.provider_ids)
        if not pending:
            self._say(event, [{"type": "text", "text": words.say("request", "none")}])
            return
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            homes = dict(
                tx.execute(
                    select(booking_request.c.id, booking.c.conversation_id)
                    .join(booking, booking.c.id == booking_request.c.booking_id)
                    .where(booking_request.c.id.in_([one["request_id"] for one in pending[:8]]))
                ).all()
            )
            items = [
                {
                    "label": f"{one['reference']} \u00b7 {one['title']}, {words.when(one)}"[:60],
                    "style": "plain",
                    "action": conversations.mint_action(
                        tx,
                        homes[one["request_id"]],
                        "request.which",
                        {"request_id": one["request_id"], "text": redact(plain(event.text))[:1000]},
                        now,
                        account_id=staff.account_id,
                    ),
                }
                for one in pending[:8]
            ]
            text = words.say("request", "which" if which else "pending")
            parts: list[Mapping[str, Any]] = [{"type": "text", "text": text}, {"type": "quick_replies", "items": items}]
            mirror.tell(tx, lane=self._lane(event), key=f"{event.client_id}:which", parts=parts, now=now)

    # the experts' desk

    def _expert(self, event: Event) -> tuple[Row[Any], Actor | None]:
        with self._engine.db.write() as tx:
            identity = self._meet(tx, event)
            if identity.linked_at is None or not event.sender.person:
                return identity, None
            try:
                return identity, identities.actor_of(tx, identity, "expert")
            except NotAllowed:
                return identity, None

    def _desk_text(self, event: Event, name: str) -> None:
        text = Words(self._house.settings.base_url, "en").say("desk", name)
        self._say(event, [{"type": "text", "text": text}], name)

    def _make_desk(self, event: Event) -> None:
        """This group is where experts work from now on."""
        _, expert = self._expert(event)
        if event.private or expert is None:
            self._desk_text(event, "not_staff")
            return
        now = self._engine.clock()
        with self._engine.db.write() as tx:
            here = inbox.open_place(tx, replace(event, thread_id=""), "desk", now)
            tx.execute(update(place).where(place.c.id == here.id).values(kind="desk", conversation_id=None))
        self._desk_text(event, "set_up")
        for one in handoff.queue(self._engine):
            mirror.mirror(self._engine, one["conversation_id"])

    def _desk_words(self, event: Event) -> None:
        """An expert's line in a topic: a note, or a line to the traveler where the writer holds the conversation."""
        with self._engine.db.read() as tx:
            here = inbox.find_place(tx, event)
        if here is None or here.kind != "topic" or not event.text:
            return
        _, expert = self._expert(event)
        if expert is None:
            self._desk_text(event, "not_staff")
            return
        text = event.text.strip()
        client_id = event.client_id
        lowered = text.lower()
        if text.startswith("//") or lowered.startswith("note:"):
            note = text[2:].strip() if text.startswith("//") else text[5:].strip()
            if note:
                handoff.note(self._engine, expert, here.conversation_id, note, client_id=client_id)
            return
        with self._engine.db.read() as tx:
            home = conversations.get(tx, here.conversation_id)
        if home.controller != "human" or home.controller_expert_id != expert.account_id:
            self._desk_text(event, "not_held")
            return
        handoff.reply(self._engine, expert, here.conversation_id, text, client_id=client_id)

    def _press_desk(self, event: Event, identity: Row[Any], found: Row[Any]) -> None:
        _, expert = self._expert(event)
        words = Words(self._house.settings.base_url, "en")
        if expert is None or not self._at_desk(event):
            with self._engine.db.write() as tx:
                identities.refused(tx, self._engine.clock(), identity, found.verb, f"conversation:{found.conversation_id}")
            self._answer_press(event, words.say("desk", "not_staff"), alert=True)
            return
        try:
            match found.verb:
                case "desk.claim":
                    handoff.claim(self._engine, expert, found.conversation_id)
                    said = words.say("desk", "claimed")
                case "desk.return":
                    handoff.give_back(self._engine, expert, found.conversation_id)
                    said = words.say("desk", "returned")
                case _:
                    handoff.give_back(self._engine, expert, found.conversation_id, outcome="resolved")
                    with self._engine.db.write() as tx:
                        mirror.close_topic(tx, found.conversation_id, self._engine.clock())
                    said = words.say("desk", "returned")
        except CoreError as error:
            self._answer_press(event, error.message, alert=True)
            return
        self._answer_press(event, said)


def _terms_text(words: Words, terms: Mapping[str, Any], currency: str) -> str:
    shown = [words.day(terms["day"])] if terms.get("day") else []
    shown += [str(terms["start"])] if terms.get("start") else []
    shown += [words.price(terms["amount"], currency)] if terms.get("amount") is not None else []
    return ", ".join(shown)


def staff_of(tx: Connection, provider_id: str) -> Sequence[str]:
    """The accounts that answer for a provider."""
    query = select(account_role.c.account_id).where(account_role.c.role == "provider", account_role.c.provider_id == provider_id)
    return tx.execute(query).scalars().all()


def chat_of(tx: Connection, account_id: str, channel: str) -> str | None:
    """Where a linked account can be written to on a channel."""
    row = tx.execute(
        select(channel_identity.c.chat_id).where(
            channel_identity.c.account_id == account_id, channel_identity.c.channel == channel, channel_identity.c.linked_at.is_not(None)
        )
    ).first()
    return None if row is None else str(row.chat_id)
