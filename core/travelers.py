"""Who comes along: the names of the travelers of one booking, for the provider's list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update

from core import conversations
from core.cancellations import find
from core.engine import Actor, Engine
from core.errors import Invalid, Refused, WrongState
from core.redact import plain, redact
from core.schema import booking
from core.states import record

LONGEST = 80  # characters of one name
STILL_AHEAD = frozenset({"ON_HOLD", "PENDING", "CONFIRMED"})


def give_names(engine: Engine, actor: Actor, named: str, names: Sequence[str]) -> dict[str, Any]:
    """Set the travelers' names of a booking (id or reference) of one's own; the list replaces the one before, an empty one clears it.

    Returns {"booking_id", "reference", "people" (how many the booking is for), "travelers" ([name...])}. Raises NotFound, Invalid
    (field "travelers": an empty or overlong name, or more names than people), WrongState once it is over, Refused once it has begun.
    """
    now = engine.clock()
    told = [" ".join(plain(one).split()) for one in names]
    for place, one in enumerate(told, start=1):
        if redact(one) != one:
            raise Invalid("travelers", f"The name of traveler {place} holds a card number; please leave it out.")
        if not one or not any(c.isalpha() for c in one):
            raise Invalid("travelers", f"Traveler {place} has no name.")
        if len(one) > LONGEST:
            raise Invalid("travelers", f"The name of traveler {place} is longer than {LONGEST} characters.")
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        seen = find(tx, actor, named)
        row = tx.execute(select(booking).where(booking.c.id == seen.id).with_for_update()).one()
        if row.status not in STILL_AHEAD:
            raise WrongState(f"{row.title} is over, so its travelers stay as they were.", status=row.status)
        if row.starts_at <= now:
            raise Refused(f"{row.title} has already begun; tell the provider who comes.")
        people = sum(row.units.values())  # an infant counts for no place and still has a name
        if len(told) > people:
            raise Invalid("travelers", f"{row.title} is booked for {people}; that is {len(told)} names.")
        tx.execute(
            update(booking).where(booking.c.id == row.id).values(contact={**row.contact, "travelers": told}, version=booking.c.version + 1)
        )
        record(tx, row.id, "travelers", row.status, row.status, actor, now, reason=f"{len(told)} of {people} named")
        return {"booking_id": row.id, "reference": row.reference, "people": people, "travelers": told}


def names_of(row: Any) -> list[str]:
    """The names given for a booking, in the order given; empty where none were."""
    return [str(one) for one in (row.contact or {}).get("travelers", [])]
