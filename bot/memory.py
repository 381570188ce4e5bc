"""What of the conversation the model sees: the last turns as they were, and one fresh snapshot of facts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from langchain_core.messages import BaseMessage, HumanMessage, messages_from_dict

from core import bookings, carts, conversations, trips
from core.engine import Actor, Engine
from prompts import read
from tools.cart import cart_for_model
from tools.outcome import price_text

TURNS = 12
LATELY = 8
CONTEXT_NAME = "booking_system"


def history(engine: Engine, conversation_id: str) -> list[BaseMessage]:
    """The last whole turns, oldest first, tool calls and their answers included."""
    with engine.db.read() as tx:
        rows = conversations.past_turns(tx, conversation_id, limit=TURNS)
    return [message for row in rows for message in messages_from_dict(list(row.transcript or ()))]


def snapshot(engine: Engine, actor: Actor, before_seq: int) -> dict[str, Any]:
    """The facts of this moment: today, the trip, the cart, the bookings, and what happened outside the model's turns."""
    now = engine.clock()
    with engine.db.read() as tx:
        row = conversations.get(tx, actor.conversation_id)
        trip = trips.facts(tx, actor.conversation_id)
        cart = carts.view(tx, actor.conversation_id)
        lately = _lately(
            conversations.log_after(tx, actor.conversation_id, max(0, before_seq - 1 - 2 * LATELY), limit=2 * LATELY), before_seq
        )
    local = now.astimezone(ZoneInfo(row.time_zone))
    booked = bookings.of_conversation(engine, actor, limit=10)
    return {
        "today": local.date().isoformat(),
        "weekday": f"{local:%A}",
        "time": f"{local:%H:%M}",
        "language": row.locale,
        "trip": _short(trip),
        "cart": cart_for_model(cart),
        "bookings": [
            {
                "booking_id": one["booking_id"],
                "reference": one["reference"],
                "title": one["title"],
                "date": one["date"],
                **({"end_date": one["end_date"]} if one["end_date"] else {}),
                "status": one["status"],
                "price": price_text(one["amount"], one["currency"]),
            }
            for one in booked
        ],
        "lately": lately,
    }


def _short(trip: Mapping[str, Any]) -> Mapping[str, Any]:
    """The trip without the lines of shown plans: how many there are is enough, taking one is by its number."""
    outline = trip.get("outline")
    return {**trip, "outline": {**outline, "plans": len(outline["plans"])}} if outline else trip


def _lately(rows: Sequence[Any], before_seq: int) -> list[str]:
    """Taps, a person's lines and notices, which are in no transcript, in a few words each."""
    told = []
    for row in rows:
        if row.seq >= before_seq or row.audience != "all" or (row.kind == "message" and row.role in ("traveler", "bot") and row.turn_id):
            continue
        for part in row.data.get("parts", ()):
            if part.get("type") == "event":
                told.append(f"{part['event']}: {part.get('facts', {}).get('title', '')}".strip(": "))
            elif part.get("type") == "text" and row.role == "expert":
                told.append(f"human expert said: {part['text'][:200]}")
            elif part.get("type") == "pressed":
                told.append(f"traveler pressed {part['label']}")
    return told[-LATELY:]


def context_message(facts: Mapping[str, Any]) -> HumanMessage:
    """The snapshot as data in the user's role, so that nothing a listing says ever stands where instructions do."""
    text = f"{read('context')}\n{json.dumps(facts, ensure_ascii=False, default=str)}"
    return HumanMessage(text, name=CONTEXT_NAME)
