"""What a row of the outbox shows at the moment it goes out: a line of a conversation, a request card, the state of a booking.

Read from the tables each time, so a card that was waiting is never older than the thing it shows. One status message a
booking: where it has been shown already it is edited, and a short reply to it brings it back to the bottom of the chat.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from channels.message import WITH_FILES, Outgoing
from channels.phrases import phrase
from channels.render import Words, wire
from core import bookings, handoff, itinerary, links, requests
from core.schema import account, booking, booking_request, conversation, message, message_ref, place, provider

STATUS_EVENTS = (
    "request_sent",
    "request_approved",
    "request_declined",
    "request_expired",
    "payment_ready",
    "card_reserved",
    "payment_expired",
    "paid_too_late",
    "booking_confirmed",
    "booking_cancelled",
)  # fmt: skip
TONE_OF = {"open": "info", "approved": "ok", "declined": "bad", "expired": "warn", "withdrawn": "info", "countered": "info"}

TONE_OF_BOOKING = {"ON_HOLD": "warn", "PENDING": "info", "CONFIRMED": "ok", "REDEEMED": "ok"}
ON_THE_PAGE = tuple(TONE_OF_BOOKING)
MOST_TRIPS = 40  # a page has at most a hundred blocks

PROVIDER_NOTICES = {
    "booking_received": ("received_booking", "ok"),
    "booking_cancelled": ("cancelled_booking", "bad"),
    "booking_changed": ("changed_booking", "info"),
    "offer_accepted": ("offer_accepted_title", "ok"),
    "offer_declined": ("offer_declined_title", "bad"),
}


class Composer:
    """`base_url` is where links lead; `offers` says whether other terms can be sent to the traveler."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._by_notice: Mapping[str, Callable[[Connection, Row[Any]], list[Outgoing]]] = {
            "line": self._line,
            "page": self._page,
            "pick": self._pick,
            "contact": self._contact,
            "parts": self._parts,
            "answer": self._act,
            "topic": self._act,
            "close_topic": self._act,
            "reopen_topic": self._act,
            "leave": self._act,
            "prompts": self._act,
            "home": self._home,
            "request_received": self._request,
            "request.card": self._request_again,
            "booking_received": self._provider_notice,
            "booking_cancelled": self._provider_notice,
            "booking_changed": self._provider_notice,
            "offer_accepted": self._provider_notice,
            "offer_declined": self._provider_notice,
            "offer_countered": self._request,
            "payout_sent": self._payout,
            "payouts_state": self._payout_state,
            "desk.card": self._desk_card,
            "letter": self._letter,
        }

    def __call__(self, tx: Connection, row: Row[Any]) -> Sequence[Outgoing]:
        make = self._by_notice.get(row.notice)
        return make(tx, row) if make else []

    def words(self, locale: str, time_zone: str | None = None) -> Words:
        return Words(self._base_url, locale, time_zone)

    # lines of a conversation

    def parts_of(self, tx: Connection, conversation_id: str, seq: int) -> list[dict[str, Any]]:
        """A line's drawn parts, as they are shown."""
        return self._read(tx, conversation_id, seq)[2]

    def _read(self, tx: Connection, conversation_id: str, seq: int) -> tuple[Row[Any], Row[Any], list[dict[str, Any]]]:
        row = tx.execute(select(message).where(message.c.conversation_id == conversation_id, message.c.seq == seq)).one()
        home = tx.execute(select(conversation).where(conversation.c.id == conversation_id)).one()
        data = wire(self._base_url, row, home.locale, home.time_zone)
        if row.kind == "state":
            return row, home, [{"type": "text", "text": data["text"], "quiet": True}] if data.get("text") else []
        return row, home, list(data.get("parts", ()))

    def _line(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        conversation_id, seq = out.content["conversation_id"], out.content["seq"]
        row, home, parts = self._read(tx, conversation_id, seq)
        if not parts:
            return []
        say = self.words(home.locale).say
        about: dict[str, Any] = {}
        if row.role == "traveler":
            text = " ".join(str(part.get("text") or part.get("name") or "") for part in parts)
            if out.content.get("staff"):
                name = tx.execute(select(account.c.display_name).where(account.c.id == home.account_id)).scalar_one()
                parts = [{"type": "text", "text": say("door", "traveler_says", name=name or "Guest", text=text)}]
            else:
                parts = [{"type": "text", "text": say("door", "from_web", text=text), "quiet": True}]
        elif row.audience == "staff":
            parts = [{"type": "text", "text": say("door", "note", text=parts[0].get("text", "")), "quiet": True}]
        elif row.data.get("name"):
            about["from"] = row.data["name"] if row.role == "provider" else say("door", "expert_says", name=row.data["name"])
        made = Outgoing(parts, about=about, conversation_id=conversation_id, seq=seq, locale=home.locale)
        if out.content.get("staff"):
            return [Outgoing(_without_buttons(parts), about=about, conversation_id=conversation_id, seq=seq, locale=home.locale)]
        subject, event = subject_of(row.data.get("parts", ()))
        if not subject:
            return [made]
        shown = _shown(tx, out, subject)
        papers = self._papers(tx, out, row, event)
        if shown is None:
            first = Outgoing(parts, subject=subject, version=event, conversation_id=conversation_id, seq=seq, locale=home.locale)
            return [first, *papers]
        ping = [{"type": "text", "text": str(parts[0].get("title") or parts[0].get("text") or "")}]
        edit = Outgoing(
            parts, op="edit", replaces=shown, subject=subject, version=event, conversation_id=conversation_id, seq=seq, locale=home.locale
        )
        return [edit, Outgoing(ping, reply_to=shown, conversation_id=conversation_id, locale=home.locale), *papers]

    def _papers(self, tx: Connection, out: Row[Any], row: Row[Any], event: str) -> list[Outgoing]:
        """The vouchers of what has just been confirmed, as files, where the traveler is alone with us."""
        if event not in ("booking_confirmed", "request_approved") or out.channel not in WITH_FILES or not _is_private(tx, out):
            return []
        facts = row.data["parts"][0]["facts"]
        ids = [one["booking_id"] for one in facts.get("bookings") or [facts] if one.get("booking_id")]
        booked = tx.execute(select(booking).where(booking.c.id.in_(ids), booking.c.status == "CONFIRMED").order_by(booking.c.id)).all()
        return [
            Outgoing(
                op="voucher",
                about={
                    "facts": itinerary.voucher(tx, one),
                    "url": f"{self._base_url}{links.voucher_path(tx, one)}",
                    "at": row.created_at,
                },
            )
            for one in booked
        ]

    def _page(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        """Another card of an answer, in the place of the one that is shown."""
        given = out.content
        _, home, parts = self._read(tx, given["conversation_id"], given["seq"])
        part = parts[given["part"]]
        return [
            Outgoing(
                [{**part, "at": given["at"] % len(part["items"]), "part": given["part"]}],
                op="edit",
                replaces=given["replaces"],
                conversation_id=given["conversation_id"],
                locale=home.locale,
            )
        ]

    def _pick(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        """The same form with what has been picked so far."""
        given = out.content
        _, home, parts = self._read(tx, given["conversation_id"], given["seq"])
        part = {**parts[given["part"]], "picked": given["picked"], "part": given["part"]}
        return [Outgoing([part], op="edit", replaces=given["replaces"], conversation_id=given["conversation_id"], locale=home.locale)]

    def _contact(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        given = out.content
        _, home, parts = self._read(tx, given["conversation_id"], given["seq"])
        return [Outgoing([{**parts[given["part"]], **given["form"]}], conversation_id=given["conversation_id"], locale=home.locale)]

    def _parts(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        given = out.content
        return [
            Outgoing(
                given["parts"],
                op=given.get("op", "send"),
                replaces=given.get("replaces", ""),
                reply_to=given.get("reply_to", ""),
                hangs_on=given.get("hangs_on", ""),
                subject=given.get("subject", ""),
                conversation_id=given.get("conversation_id", ""),
                locale=given.get("locale", "en"),
            )
        ]

    def _act(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        return [Outgoing(op=out.notice, about=out.content, conversation_id=out.content.get("conversation_id", ""))]

    def _home(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        """A page of one's own: what is booked, the next first."""
        words = self.words(out.content["locale"])
        mine = (
            select(booking)
            .join(conversation, conversation.c.id == booking.c.conversation_id)
            .where(conversation.c.account_id == out.content["account_id"], booking.c.status.in_(ON_THE_PAGE))
            .order_by(booking.c.local_date.desc())
            .limit(MOST_TRIPS)
        )
        parts: list[Mapping[str, Any]] = [{"type": "header", "text": words.say("door", "home_title")}]
        for row in reversed(tx.execute(mine).all()):
            state = words.say("booking_status", row.status)
            lines = [booking_line(words, bookings.facts_of(row)), words.price(row.amount, row.currency)]
            parts.append({"type": "status", "tone": TONE_OF_BOOKING[row.status], "title": state, "text": "", "lines": lines, "buttons": []})
        if len(parts) == 1:
            parts.append({"type": "text", "text": words.say("door", "home_empty")})
        return [Outgoing(parts, op="home", about={"user": out.content["user"]}, locale=words.locale)]

    # the provider's side

    def _request(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        facts = out.content["facts"]
        return self._request_card(tx, out, facts["request_id"], out.content["account_id"], out.content.get("locale", "en"))

    def _request_again(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        return self._request_card(tx, out, out.content["request_id"], "", "en", replaces=out.content["replaces"])

    def _request_card(
        self, tx: Connection, out: Row[Any], request_id: str, account_id: str, locale: str, *, replaces: str = ""
    ) -> list[Outgoing]:
        asked = tx.execute(select(booking_request).where(booking_request.c.id == request_id)).one()
        row = tx.execute(select(booking).where(booking.c.id == asked.booking_id)).one()
        words = self.words(locale, row.time_zone)
        waits = requests.live_offer(tx, request_id)
        wish = waits if waits is not None and waits.side == "traveler" else None
        part = request_part(words, asked, row, wish)
        minted: list[dict[str, Any]] = []
        if asked.status == "open" and account_id:
            unpriced = asked.kind == "quote" and wish is None and not row.amount
            for verb, style in (("decline", "plain"),) if unpriced else (("approve", "primary"), ("decline", "plain")):
                action = derived(out.key, verb)
                minted.append(
                    {
                        "action": action,
                        "verb": f"request.{verb}",
                        "params": {"request_id": request_id},
                        "conversation_id": row.conversation_id,
                        "account_id": account_id,
                    }
                )
                part["buttons"].append({"label": words.say("request", verb), "action": action, "style": style})
        elif asked.status != "open" and asked.decided_at is not None:
            name = tx.execute(select(account.c.display_name).where(account.c.id == asked.decided_by)).scalar_one_or_none()
            if name:
                part["lines"].append(words.say("request", "by", name=name, at=words.moment(asked.decided_at.isoformat(), row.time_zone)))
        return [
            Outgoing(
                [part],
                op="edit" if replaces else "send",
                replaces=replaces,
                about={"mint": minted},
                subject=f"request:{request_id}",
                version=asked.status,
                conversation_id=row.conversation_id,
                locale=locale,
            )
        ]

    def _provider_notice(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        facts, words = out.content["facts"], self.words(out.content.get("locale", "en"))
        title, tone = PROVIDER_NOTICES[out.notice]
        lines = [booking_line(words, facts), words.say("request", "guest", name=facts.get("traveler") or "\u2013")]
        lines += [words.say("request", "wish", note=facts["requests"])] if facts.get("requests") else []
        lines += [words.say("request", "wish", note=facts["reason"])] if facts.get("reason") else []
        part = {"type": "status", "tone": tone, "title": words.say("request", title), "text": "", "lines": lines, "buttons": []}
        return [Outgoing([part], subject=f"letter:{facts['booking_id']}" if facts.get("booking_id") else "", locale=words.locale)]

    def _letter(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        """What a guest writes about a booking; an answer to it goes back to them."""
        facts, words = out.content["facts"], self.words(out.content.get("locale", "en"))
        title = words.say("request", "letter_title", name=facts.get("traveler") or "\u2013")
        lines = [booking_line(words, facts), words.say("request", "letter_how")]
        part = {"type": "status", "tone": "info", "title": title, "text": facts["text"], "lines": lines, "buttons": []}
        return [Outgoing([part], subject=f"letter:{facts['booking_id']}", locale=words.locale)]

    def _payout(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        facts, words = out.content["facts"], self.words(out.content.get("locale", "en"))
        title = words.say("request", "payout_title", amount=words.price(facts["amount"], facts["currency"]))
        lines = [f"{facts['title']} \u00b7 {facts['reference']}"]
        return [
            Outgoing([{"type": "status", "tone": "ok", "title": title, "text": "", "lines": lines, "buttons": []}], locale=words.locale)
        ]

    def _payout_state(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        facts, words = out.content["facts"], self.words(out.content.get("locale", "en"))
        title = words.say("request", "payout_state_title", state=words.say("payout_state", facts["state"]))
        tone = "ok" if facts["state"] == "active" else "warn"
        part = {"type": "status", "tone": tone, "title": title, "text": "", "lines": list(facts["needs"]), "buttons": []}
        return [Outgoing([part], locale=words.locale)]

    # the experts' desk

    def _desk_card(self, tx: Connection, out: Row[Any]) -> list[Outgoing]:
        """Who waits, why, and what is known, with the buttons that fit; the first is sent, later ones edit it."""
        conversation_id = out.content["conversation_id"]
        home = tx.execute(select(conversation).where(conversation.c.id == conversation_id)).one()
        part, minted = desk_part(tx, self.words("en"), home, out.key)
        shown = _shown(tx, out, f"desk:{conversation_id}")
        made = {"about": {"mint": minted}, "subject": f"desk:{conversation_id}", "conversation_id": conversation_id}
        if shown is None:
            return [Outgoing([part], **made)]
        if out.content.get("closed"):
            part, made = {**part, "buttons": []}, {**made, "about": {}}
        return [Outgoing([part], op="edit", replaces=shown, **made)]


def derived(key: str, verb: str) -> str:
    """A button's opaque id that stays the same when its message is made again."""
    return hashlib.sha256(f"{key}:{verb}".encode()).hexdigest()[:20]


def subject_of(parts: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Which booking's status message a line is, and which event it tells; ("", "") for every other line."""
    part = parts[0] if len(parts) == 1 else {}
    if part.get("type") != "event" or part.get("event") not in STATUS_EVENTS:
        return "", ""
    facts = part.get("facts", {})
    ids = sorted(str(one["booking_id"]) for one in (facts.get("bookings") or [facts]) if one.get("booking_id"))
    if not ids:
        return "", ""
    return f"booking:{ids[0] if len(ids) == 1 else hashlib.sha256(','.join(ids).encode()).hexdigest()[:32]}", str(part["event"])


def _shown(tx: Connection, out: Row[Any], subject: str) -> str | None:
    """The platform's id of our message about this, in the chat this row goes to."""
    channel, workspace, chat_id, _ = out.lane.split(":", 3)
    return tx.execute(
        select(message_ref.c.external_id)
        .where(
            message_ref.c.subject == subject,
            message_ref.c.channel == channel,
            message_ref.c.workspace == workspace,
            message_ref.c.chat_id == chat_id,
        )
        .order_by(message_ref.c.created_at.desc())
        .limit(1)
    ).scalar_one_or_none()


def _without_buttons(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What experts read of an answer: the traveler's buttons are not theirs to press."""
    shown = []
    for part in parts:
        if part["type"] == "cards":
            text = "\n".join(f"\u2022 {card['title']} {card.get('price', '')}".strip() for card in part["items"])
            shown.append({"type": "text", "text": text})
        elif part["type"] == "form":
            shown.append({"type": "text", "text": part["title"]})
        elif part["type"] != "quick_replies":
            bare = {**part, "buttons": []}
            if part["type"] == "summary":
                bare["groups"] = [
                    {**group, "lines": [{k: v for k, v in line.items() if k != "button"} for line in group["lines"]]}
                    for group in part["groups"]
                ]
            shown.append(bare)
    return shown or [{"type": "text", "text": "\u2026"}]


def _is_private(tx: Connection, out: Row[Any]) -> bool:
    channel, workspace, chat_id, thread_id = out.lane.split(":", 3)
    here = (place.c.channel == channel, place.c.workspace == workspace, place.c.chat_id == chat_id, place.c.thread_id == thread_id)
    return tx.execute(select(place.c.kind).where(*here)).scalar_one_or_none() == "private"


def booking_line(words: Words, one: Mapping[str, Any]) -> str:
    return " \u00b7 ".join(shown for shown in (one["title"], words.when(one), words.party(one.get("units")), one["reference"]) if shown)


def request_part(words: Words, asked: Row[Any], row: Row[Any], wish: Row[Any] | None = None) -> dict[str, Any]:
    """A booking request as its provider sees it; `wish` is the traveler's own price in answer to an offer."""
    facts = bookings.facts_of(row)
    total = words.price(row.amount, row.currency)
    if wish is not None:
        money = words.say("request", "wish_price", amount=words.price(wish.amount, wish.currency))
    elif asked.kind == "quote" and not row.amount:
        money = words.say("request", "no_price")
    elif row.pay_at_provider:
        money = words.say("request", "at_provider", total=total)
    elif row.amount:
        money = words.say("request", "payout", amount=words.price(row.amount - row.fee_amount, row.currency), total=total)
    else:
        money = words.say("request", "free")
    lines = [money, words.say("request", "guest", name=str(row.contact.get("name", "")).split(" ")[0] or "\u2013")]
    lines += [words.say("request", "wish", note=asked.note)] if asked.note else []
    is_open = asked.status == "open"
    if is_open:
        lines += [
            words.say("request", "until", until=words.moment(asked.respond_by.isoformat(), row.time_zone)),
            words.say("request", "how"),
        ]
    elif asked.answer:
        lines.append(words.say("request", "wish", note=asked.answer))
    return {
        "type": "status",
        "tone": TONE_OF.get(asked.status, "info"),
        "title": words.say("request", "title" if is_open else asked.status),
        "text": booking_line(words, facts),
        "lines": lines,
        "buttons": [],
    }


def desk_part(tx: Connection, words: Words, home: Row[Any], key: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A conversation's card at the desk, and the actions its buttons stand for."""
    facts = handoff.packet_of(tx, home.id)
    waiting = facts["handoff"]
    human = facts["controller"] == "human"
    name = facts["traveler"]["name"] or "A visitor"
    if human:
        expert = tx.execute(select(account.c.display_name).where(account.c.id == facts["expert_id"])).scalar_one_or_none()
        title, tone = words.say("desk", "active", expert=expert or "\u2013"), "ok"
    elif waiting is not None:
        title, tone = words.say("desk", "waiting", name=name), "warn"
    else:
        title, tone = words.say("desk", "bot"), "info"
    lines = [f"{name} \u00b7 {facts['traveler']['locale']} \u00b7 {home.channel}"]
    if waiting is not None:
        lines.append(words.say("desk", "reason", reason=f"{waiting['reason'].replace('_', ' ')} {waiting['note']}".strip()))
    trip = ", ".join(
        f"{key_}: {value}" for key_, value in facts["trip"].items() if key_ in ("city", "kind", "start_date", "end_date", "party")
    )
    lines += [words.say("desk", "trip", text=trip)] if trip else []
    cart = [f"{line['title']} {words.price(line['amount'], line['currency'])}" for line in facts["cart"]["lines"]]
    lines += [words.say("desk", "cart", text="; ".join(cart))] if cart else []
    lines += [
        words.say("desk", "booked", reference=one["reference"], title=one["title"], status=one["status"].lower())
        for one in facts["bookings"][:5]
    ]
    lines.append(words.say("desk", "hint"))
    buttons, minted = [], []
    for verb, style in (("return", "primary"), ("close", "plain")) if human else (("claim", "primary"),):
        action = derived(key, verb)
        minted.append({"action": action, "verb": f"desk.{verb}", "params": {}, "conversation_id": home.id, "account_id": None})
        buttons.append({"label": words.say("desk", verb), "action": action, "style": style})
    return {"type": "status", "tone": tone, "title": title, "text": "", "lines": lines, "buttons": buttons}, minted


def provider_name(tx: Connection, provider_id: str) -> str:
    return str(tx.execute(select(provider.c.name).where(provider.c.id == provider_id)).scalar_one())


def now_in(zone: str, at: datetime) -> datetime:
    from zoneinfo import ZoneInfo

    return at.astimezone(ZoneInfo(zone)) if zone else at.astimezone(UTC)


def known_locales() -> list[str]:
    """The languages the doors speak."""
    from importlib import resources

    return sorted(one.name.removesuffix(".toml") for one in resources.files("channels.phrases").iterdir() if one.name.endswith(".toml"))


def door_words(name: str, locale: str = "en", /, **facts: Any) -> str:
    return str(phrase(locale, "door", name)).format(**facts)
