"""The expert's desk: who waits and why, the conversation as it happens, the facts beside it, and the claim that one expert wins."""

import functools
import re
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from channels.house import House
from channels.phrases import has, phrase
from channels.web import session
from channels.web.consoles import words
from channels.web.session import Seat
from channels.web.stream import MOST_SEQ, EventStream, Line, Reader, follow, read_page
from channels.web.views import page
from core import carts, conversations, experts, handoff, replies, reports, search, trips
from core.availability import Ask
from core.engine import Actor
from core.errors import Invalid
from core.money import Money
from core.search import Offer, Wish
from tools import payments
from tools.outcome import Desk

REASONS = {
    "asked_for_human": "asked for a person",
    "bot_failed": "the assistant could not help",
    "loop": "the assistant goes in circles",
    "policy": "needs a decision",
    "payment_problem": "a payment problem",
    "large_group": "a large group",
    "large_amount": "a large sum",
    "quote_needed": "needs a quote",
    "provider_overdue": "a host does not answer",
    "model_request": "the assistant asked for help",
    "expert_proactive": "taken over by an expert",
}


class Given(BaseModel):
    """A conversation given to a colleague, or to the queue where nobody is named."""

    to: str | None = Field(None, max_length=64)
    note: str = Field("", max_length=2000)


class Presence(BaseModel):
    away: bool | None = None


class Wanted(BaseModel):
    """A line for the traveler's cart, or what is to be other about one."""

    id: str = Field("", max_length=60, pattern=r"^[A-Za-z0-9-]*$")
    product: str = Field("", max_length=64)
    option: str | None = Field(None, max_length=64)
    day: date | None = None
    end: date | None = None
    start: str = Field("", max_length=5)
    units: dict[str, Annotated[int, Field(ge=0, le=500)]] = {}


class Kept(BaseModel):
    name: str = Field(max_length=80)
    body: str = Field(max_length=2000)


class Written(BaseModel):
    id: str = Field("", max_length=60, pattern=r"^[A-Za-z0-9-]*$")
    text: str = Field(max_length=20_000)


def router(house: House) -> APIRouter:
    api = APIRouter(prefix="/desk")
    engine = house.engine
    seat_of = session.need(house, "expert")
    Expert = Annotated[Seat, Depends(seat_of)]

    def proven(request: Request) -> Actor:
        """Whoever changes something carries the session's proof."""
        seat = seat_of(request)
        session.check_proof(seat, request)
        return seat.actor("expert")

    Proven = Annotated[Actor, Depends(proven)]

    @api.get("")
    def desk(request: Request, seat: Expert) -> Response:
        return page(request, "desk.html", seat=seat)

    @api.get("/queue")
    def queue(seat: Expert) -> dict[str, Any]:
        """Waiting first, then what people hold, then the latest conversations of the assistant."""
        open_ones = handoff.queue(engine, seat.actor("expert"))
        now = engine.clock()
        recent = reports.recent_conversations(engine)
        for one in open_ones:
            one["why"] = ", ".join(REASONS.get(reason, reason) for reason in one["reasons"])
        for one in (*open_ones, *recent):
            if has("buttons", one["last"]):  # a press is kept by the name of its button
                one["last"] = phrase("en", "buttons", one["last"])
        me = seat.person.account_id
        taken = {one["conversation_id"] for one in open_ones}
        return {
            "now": now.isoformat(),
            "waiting": [one for one in open_ones if one["status"] in handoff.WAITING],
            "mine": [one for one in open_ones if one["status"] not in handoff.WAITING and one["expert_id"] == me],
            "others": [one for one in open_ones if one["status"] not in handoff.WAITING and one["expert_id"] != me],
            "assistant": [one for one in recent if one["conversation_id"] not in taken],
        }

    @api.get("/c/{conversation_id}")
    def one(conversation_id: str, seat: Expert) -> dict[str, Any]:
        facts = handoff.packet(engine, conversation_id)
        reader = _reader(conversation_id)
        log: list[dict[str, Any]] = []
        while batch := _read(conversation_id, reader, log[-1]["seq"] if log else 0):
            log.extend(line for _, line in batch)
        return {"packet": _words(facts, seat.person.account_id), "log": log}

    def _reader(conversation_id: str) -> Reader:
        """Experts read what the traveler reads."""
        with engine.db.read() as tx:
            row = conversations.get(tx, conversation_id)
        return Reader(row.locale, row.time_zone)

    def _read(conversation_id: str, reader: Reader, after: int) -> list[Line]:
        return read_page(house, conversation_id, after, reader, staff=True)

    @api.get("/events")
    def events(
        seat: Expert,
        c: Annotated[str, Query(max_length=64)] = "",
        after: Annotated[int, Query(ge=0, le=MOST_SEQ)] = 0,
        last_event_id: Annotated[str, Header()] = "",
    ) -> EventStream:
        """One stream a desk: the queue's touches and, where one is open, every line of a conversation, notes included."""
        topics = ("desk", "conversations", *((f"conversation:{c}", f"desk:{c}") if c else ()))
        start = int(last_event_id) if re.fullmatch(r"\d{1,9}", last_event_id) else after
        if not c:
            return EventStream(house.bus, topics, lambda heard: follow(lambda _: [], heard, 0, touched="queue"))
        read = functools.partial(_read, c, _reader(c))
        return EventStream(house.bus, topics, lambda heard: follow(read, heard, start, touched="queue"))

    @api.post("/c/{conversation_id}/claim")
    def claim(conversation_id: str, actor: Proven) -> dict[str, Any]:
        return handoff.claim(engine, actor, conversation_id)

    @api.post("/c/{conversation_id}/reply", status_code=202)
    def reply(conversation_id: str, written: Written, actor: Proven) -> dict[str, int]:
        client_id = f"e-{actor.account_id[:8]}-{written.id}" if written.id else None
        return {
            "seq": handoff.reply(engine, actor, conversation_id, written.text, client_id=client_id or f"e-{engine.clock().timestamp()}")
        }

    @api.post("/c/{conversation_id}/note", status_code=202)
    def note(conversation_id: str, written: Written, actor: Proven) -> dict[str, int]:
        with engine.db.read() as tx:
            conversations.get(tx, conversation_id)
        return {"seq": handoff.note(engine, actor, conversation_id, written.text)}

    @api.post("/c/{conversation_id}/transfer")
    def transfer(conversation_id: str, given: Given, actor: Proven) -> dict[str, Any]:
        return handoff.transfer(engine, actor, conversation_id, to=given.to or None, note=given.note)

    @api.get("/colleagues")
    def colleagues(seat: Expert) -> list[dict[str, Any]]:
        return experts.colleagues(engine, seat.actor("expert"))

    @api.post("/beat", status_code=204)
    def beat(presence: Presence, actor: Proven) -> Response:
        """The page says every now and then that somebody sits before it."""
        experts.beat(engine, actor, away=presence.away)
        return Response(status_code=204)

    # what experts have at hand

    @api.get("/c/{conversation_id}/replies")
    def saved(conversation_id: str, seat: Expert) -> list[dict[str, Any]]:
        known = _variables(handoff.packet(engine, conversation_id), seat.person.display_name)
        return [{**one, "text": replies.fill(one["body"], known)} for one in replies.every(engine)]

    @api.post("/replies", status_code=201)
    def keep(kept: Kept, actor: Proven) -> dict[str, str]:
        return {"id": replies.keep(engine, actor, kept.name, kept.body)}

    @api.post("/replies/{reply_id}/remove", status_code=204)
    def drop(reply_id: str, actor: Proven) -> Response:
        replies.drop(engine, actor, reply_id)
        return Response(status_code=204)

    # booking for the traveler: the same verbs, under both names

    @api.get("/c/{conversation_id}/search")
    def find(
        conversation_id: str,
        seat: Expert,
        q: Annotated[str, Query(max_length=200)] = "",
        day: date | None = None,
        adults: Annotated[int, Query(ge=1, le=500)] = 2,
    ) -> list[dict[str, Any]]:
        with engine.db.read() as tx:
            conversations.get(tx, conversation_id)
            known = trips.facts(tx, conversation_id)
        wish = Wish(city=known.get("city"), words=q, start=day, end=day, units={"ADULT": adults}, limit=8)
        return [_found(one) for one in search.search(engine, wish)]

    @api.post("/c/{conversation_id}/cart", status_code=201)
    def add(conversation_id: str, wanted: Wanted, actor: Proven) -> dict[str, Any]:
        if wanted.day is None:
            raise Invalid("day", "Choose a day.")
        acting = _acting(actor, conversation_id, wanted.id)
        ask = Ask(wanted.product, wanted.option, wanted.day, wanted.end, wanted.start, wanted.units or None)
        return {"added": carts.add(engine, acting, ask)["added"]}

    @api.post("/c/{conversation_id}/cart/{item_id}")
    def change(conversation_id: str, item_id: str, wanted: Wanted, actor: Proven) -> dict[str, Any]:
        named = {"local_date": wanted.day, "end_date": wanted.end, "local_start": wanted.start or None, "units": wanted.units or None}
        changes = {name: value for name, value in named.items() if value is not None}
        return {"changed": carts.change(engine, _acting(actor, conversation_id, wanted.id), item_id, changes)["changed"]}

    @api.post("/c/{conversation_id}/cart/{item_id}/remove")
    def remove(conversation_id: str, item_id: str, actor: Proven) -> dict[str, Any]:
        return {"removed": carts.remove(engine, handoff.acting(engine, actor, conversation_id), item_id)["removed"]}

    @api.post("/c/{conversation_id}/total", status_code=202)
    def total(conversation_id: str, wanted: Wanted, actor: Proven) -> dict[str, int]:
        """Put the total before the traveler, who alone can confirm it."""
        made = payments.propose_checkout(Desk(engine, handoff.acting(engine, actor, conversation_id)))
        client_id = f"e-{actor.account_id[:8]}-{wanted.id or made.data['proposal_id']}"
        return {"seq": handoff.show(engine, actor, conversation_id, made.parts, client_id=client_id[:80])}

    def _acting(actor: Actor, conversation_id: str, key: str) -> Actor:
        """Keyed by what the page sent, so that a press that comes twice adds once."""
        acting = handoff.acting(engine, actor, conversation_id)
        return replace(acting, key=f"desk:{conversation_id}:{key}") if key else acting

    @api.post("/c/{conversation_id}/return")
    def give_back(conversation_id: str, actor: Proven) -> dict[str, Any]:
        return handoff.give_back(engine, actor, conversation_id)

    @api.post("/c/{conversation_id}/typing", status_code=204)
    def typing(request: Request, conversation_id: str, seat: Expert) -> Response:
        """Shown to the traveler only while this expert really has the conversation."""
        session.check_proof(seat, request)
        with engine.db.read() as tx:
            row = conversations.get(tx, conversation_id)
        if row.controller == "human" and row.controller_expert_id == seat.person.account_id:
            house.bus.publish(f"conversation:{conversation_id}", {"kind": "typing", "data": {"who": seat.person.display_name, "on": True}})
        return Response(status_code=204)

    return api


TRIP = {
    "city": "Where",
    "kind": "What",
    "words": "Looking for",
    "start_date": "From",
    "end_date": "Until",
    "start_time": "Time",
    "party": "Who",
    "rooms": "Rooms",
    "budget": "Budget",
    "preferences": "Likes",
    "plans": "Plans",
    "question": "We asked for",
}
HOW = {
    "pay_now": "to be paid now",
    "if_approved": "if the host says yes",
    "at_provider": "paid at the host's",
    "external": "on a partner's site",
}


def _found(one: Offer) -> dict[str, Any]:
    amount = one.amount if one.amount is not None else one.from_amount
    return {
        "product": one.listing.id,
        "option": one.option_id,
        "title": one.listing.product.title,
        "host": one.listing.provider.name,
        "stay": one.listing.is_stay,
        "how": {"INSTANT": "instant", "REQUEST": "on request", "EXTERNAL": "partner site"}[one.listing.product.booking_type],
        "day": one.day.isoformat() if one.day else None,
        "starts": list(one.starts),
        "left": one.left,
        "price": ("" if one.amount is not None else "from ") + Money(amount, one.currency).text() if amount is not None else "on request",
    }


def _variables(facts: dict[str, Any], expert: str) -> dict[str, str]:
    """What saved replies are filled in with."""
    told = {
        "name": str(facts["traveler"]["name"] or "").split(" ")[0],
        "expert": expert.split(" ")[0],
        "total": " + ".join(Money(one["payable"], currency).text() for currency, one in facts["cart"]["totals"].items()),
        "reference": facts["bookings"][0]["reference"] if facts["bookings"] else "",
        "city": _trip_value("city", facts["trip"]["city"]) if facts["trip"].get("city") else "",
    }
    return {name: value for name, value in told.items() if value}


PAID = {"new": "being made", "open": "waits to be paid", "paid": "paid", "expired": "ran out", "orphan": "has no booking"}


def _words(facts: dict[str, Any], me: str) -> dict[str, Any]:
    cart = facts["cart"]
    waiting = facts["handoff"]
    return {
        "conversation_id": facts["conversation_id"],
        "controller": facts["controller"],
        "mine": facts["controller"] == "human" and facts["expert_id"] == me,
        "traveler": facts["traveler"] | {"name": facts["traveler"]["name"] or "A visitor"},
        "handoff": None if waiting is None else waiting | {"why": _why(waiting)},
        "trip": [{"name": name, "value": _trip_value(key, facts["trip"][key])} for key, name in TRIP.items() if facts["trip"].get(key)],
        "cart": [
            {
                "item_id": line["item_id"],
                "kind": line["kind"],
                "title": line["title"],
                "units": line["units"],
                "day": line["date"],
                "detail": ", ".join(
                    part
                    for part in (
                        words.when(line["date"], line["end_date"], line["start"]) if line["date"] else "",
                        words.party(line["units"]),
                        HOW.get(line["how"], ""),
                    )
                    if part
                ),
                "amount": Money(line["amount"], line["currency"]).text(),
            }
            for line in cart["lines"]
        ],
        "totals": [Money(total["payable"], currency).text() for currency, total in cart["totals"].items()],
        "held": [
            {
                "title": one["title"],
                "detail": f"until {words.moment(one['until'])}" if one["until"] else "",
                "amount": Money(one["amount"], one["currency"]).text(),
                "reference": one["reference"],
                "status": "waits for the host" if one["status"] == "PENDING" else "waits to be paid",
            }
            for one in facts["held"]
        ],
        "bookings": [
            {
                "title": one["title"],
                "detail": ", ".join(
                    part
                    for part in (
                        words.when(one["date"], one["end_date"], one["start"]),
                        words.party(one["units"]),
                        f"{Money(one['owed'], one['currency']).text()} to pay" if one["owed"] and one["status"] == "CONFIRMED" else "",
                    )
                    if part
                ),
                "amount": Money(one["amount"], one["currency"]).text(),
                "reference": one["reference"],
                "status": one["status"].replace("_", " ").lower(),
            }
            for one in facts["bookings"]
            if one["status"] not in ("ON_HOLD", "PENDING")
        ],
        "payments": [
            {
                "title": f"{one['kind'].lower()} payment".capitalize(),
                "detail": PAID.get(one["status"], one["status"])
                + (f", {Money(one['refunded'], one['currency']).text()} given back" if one["refunded"] else ""),
                "amount": Money(one["amount"], one["currency"]).text(),
            }
            for one in facts["payments"]
        ],
        "errors": facts["errors"],
        "draft": facts["draft"],
        "suggested": facts["suggested"],
    }


def _why(waiting: dict[str, Any]) -> str:
    reasons = list(dict.fromkeys([waiting["reason"], *(one["reason"] for one in waiting["triggers"])]))
    return ", ".join(REASONS.get(reason, reason) for reason in reasons)


def _plan(plan: dict[str, Any]) -> str:
    """What was said of one kind: when, at what time and for whom."""
    day = words.when(plan["date"], plan.get("end_date"), plan.get("time") or "") if plan.get("date") else ""
    return ", ".join(part for part in (day, words.party(plan["party"]) if plan.get("party") else "") if part)


def _trip_value(key: str, value: Any) -> str:
    if key.endswith("_date"):
        return words.day(value)
    if key == "city":
        return str(value).replace("-", " ").title()
    if key == "party":
        return words.party(value)
    if key == "budget":
        return f"{Money(value['amount'], value['currency']).text()} {value.get('per', '')}".strip()
    if key == "plans":
        return "; ".join(f"{kind}: {_plan(plan)}" for kind, plan in value.items() if _plan(plan))
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value).replace("_", " ")
