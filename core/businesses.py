"""How a provider answers and is reached: set by its owner, for what is asked from now on."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select, update

from core import audit
from core.engine import Actor, Engine
from core.errors import Invalid
from core.schema import provider
from core.staff import ensure_owner

PHONE = re.compile(r"\+[0-9][0-9 ()-]{4,38}")
LONGEST_TO_ANSWER = 168  # hours


def terms_of(engine: Engine, provider_ids: list[str]) -> dict[str, dict[str, Any]]:
    """{provider id: {"phone", "respond_hours", "card_hold"}}."""
    with engine.db.read() as tx:
        rows = tx.execute(select(provider).where(provider.c.id.in_(provider_ids))).all()
    return {row.id: {"phone": row.phone or "", "respond_hours": row.respond_hours, "card_hold": row.card_hold} for row in rows}


def set_terms(engine: Engine, actor: Actor, provider_id: str, *, phone: str, respond_hours: int, card_hold: bool) -> dict[str, Any]:
    """Requests that wait keep the deadline and the way of paying they were made with. Returns what holds now, as `terms_of`.

    Raises NotFound and NotAllowed unless it is the actor's own, Invalid ("phone", "respond_hours").
    """
    phone = " ".join(phone.split())
    if phone and not PHONE.fullmatch(phone):
        raise Invalid("phone", "Please write the phone number with its country, like +351 912 345 678.")
    if not 1 <= respond_hours <= LONGEST_TO_ANSWER:
        raise Invalid("respond_hours", f"Between 1 and {LONGEST_TO_ANSWER} hours to answer a request.")
    now = engine.clock()
    with engine.db.write() as tx:
        ensure_owner(tx, actor, provider_id)
        before = tx.execute(select(provider).where(provider.c.id == provider_id).with_for_update()).one()
        values = {"phone": phone or None, "respond_hours": respond_hours, "card_hold": card_hold}
        tx.execute(update(provider).where(provider.c.id == provider_id).values(**values))
        detail = {"before": {name: getattr(before, name) for name in values}, "after": values}
        audit.record(tx, actor, "set_terms", f"provider:{provider_id}", detail, now)
    return {**values, "phone": phone}
