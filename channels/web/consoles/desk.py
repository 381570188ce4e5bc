"""The expert's desk: who waits and why, the conversation as it happens, the facts beside it, and the claim that one expert wins."""

import functools
import re
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
from core import conversations, handoff, reports
from core.engine import Actor
from core.money import Money

REASONS = {
    "asked_for_human": "asked for a person",
    "bot_failed": "the assistant could not help",
    "policy": "needs a decision",
    "payment_problem": "a payment problem",
    "large_group": "a large group",
    "quote_needed": "needs a quote",
    "provider_overdue": "a host does not answer",
    "model_request": "the assistant asked for help",
    "expert_proactive": "taken over by an expert",
}


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
        open_ones = handoff.queue(engine)
        now = engine.clock()
        recent = reports.recent_conversations(engine)
        for one in open_ones:
            one["why"] = REASONS.get(one["reason"], one["reason"])
        for one in (*open_ones, *recent):
            if has("buttons", one["last"]):  # a press is kept by the name of its button
                one["last"] = phrase("en", "buttons", one["last"])
        me = seat.person.account_id
        taken = {one["conversation_id"] for one in open_ones}
        return {
            "now": now.isoformat(),
            "waiting": [one for one in open_ones if one["status"] == "queued"],
            "mine": [one for one in open_ones if one["status"] != "queued" and one["expert_id"] == me],
            "others": [one for one in open_ones if one["status"] != "queued" and one["expert_id"] != me],
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


def _words(facts: dict[str, Any], me: str) -> dict[str, Any]:
    cart = facts["cart"]
    waiting = facts["handoff"]
    return {
        "conversation_id": facts["conversation_id"],
        "controller": facts["controller"],
        "mine": facts["controller"] == "human" and facts["expert_id"] == me,
        "traveler": facts["traveler"] | {"name": facts["traveler"]["name"] or "A visitor"},
        "handoff": None if waiting is None else waiting | {"why": REASONS.get(waiting["reason"], waiting["reason"])},
        "trip": [{"name": name, "value": _trip_value(key, facts["trip"][key])} for key, name in TRIP.items() if facts["trip"].get(key)],
        "cart": [
            {
                "title": line["title"],
                "detail": ", ".join(
                    part
                    for part in (
                        words.when(line["date"], line["end_date"], line["start"]),
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
        "bookings": [
            {
                "title": one["title"],
                "detail": f"{words.when(one['date'], one['end_date'], one['start'])}, {words.party(one['units'])}",
                "amount": Money(one["amount"], one["currency"]).text(),
                "reference": one["reference"],
                "status": one["status"].replace("_", " ").lower(),
            }
            for one in facts["bookings"]
        ],
    }


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
