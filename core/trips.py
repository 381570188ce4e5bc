"""The trip state: typed facts of what the traveler wants, written only by code, shown to both models and to people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from core import conversations, remembering
from core.db import upsert
from core.engine import Actor, Engine
from core.errors import Invalid
from core.schema import trip_state

FACTS = {
    "city": str,  # destination id
    "kind": str,
    "words": str,
    "start_date": str,  # ISO date
    "end_date": str,
    "start_time": str,
    "party": dict,  # {"ADULT": 2, "CHILD": 1}
    "rooms": int,
    "budget": dict,  # {"amount": minor units, "currency": "EUR", "per": "person" | "total" | "night"}
    "must": dict,  # {"stay": ["north", "wifi"]}: tags that what is shown of a kind has to carry
    "plans": dict,  # {"stay": {"city": ..., "date": ..., "end_date": ..., "time": ..., "party": {...}}}: what was said of each kind
    "time_from": str,  # HH:MM, the earliest that would do
    "arrive_by": str,  # HH:MM, of a ride
    "preferences": list,
    "currency": str,  # in which prices are shown about, beside their own
    "outline": dict,  # {"brief": what a plan was asked for, "plans": [[what each puts into the cart]]}
    "shown": list,  # [{"n": 1, "product_id": ..., "title": ...}] as last offered
    "shown_in": str,  # the run of a turn they were offered in
    "focus": str,  # the product talked about
    "asked_about": str,  # the product that question was about
    "question": str,  # what we last asked for
}


def facts(tx: Connection, conversation_id: str) -> dict[str, Any]:
    row = tx.execute(select(trip_state.c.facts).where(trip_state.c.conversation_id == conversation_id)).one_or_none()
    return remembering.start_with(tx, conversation_id) if row is None else dict(row.facts)


def planned(known: Mapping[str, Any], kind: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The plans with what was now told of a kind of service laid over what was known of it; the kind talked about comes last."""
    plans: dict[str, Any] = dict(known.get("plans") or {})
    mine = {**plans.pop(kind, {}), **{name: value for name, value in told.items() if value}}
    return {**plans, kind: mine}


def note(tx: Connection, conversation_id: str, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Merge facts in; a None takes one out. Raises Invalid for a fact the house does not know or a wrong type."""
    merged = facts(tx, conversation_id)
    for key, value in changes.items():
        wanted = FACTS.get(key)
        if wanted is None:
            raise Invalid(key, f"A trip has no fact called {key!r}.")
        if value is None:
            merged.pop(key, None)
            continue
        if not isinstance(value, wanted):
            raise Invalid(key, f"{key} has to be {wanted.__name__}.")
        if key.endswith("_date"):
            date.fromisoformat(str(value))
        merged[key] = value
    statement = upsert(tx)(trip_state).values(conversation_id=conversation_id, facts=merged, updated_at=now)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["conversation_id"],
            set_={"facts": merged, "updated_at": now, "version": trip_state.c.version + 1},
        )
    )
    remembering.keep(tx, conversation_id, merged)
    return merged


def remember(engine: Engine, actor: Actor, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge facts in behind the bot's fence; returns them all. Raises Fenced, Invalid."""
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        return note(tx, actor.conversation_id, changes, engine.clock())
