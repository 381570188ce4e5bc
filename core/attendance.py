"""Whether people came: a voucher is taken once, and a guest who stays away is noted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from core import notices
from core.bookings import facts_of
from core.engine import Actor, Engine
from core.errors import AlreadyDecided, NotFound, Refused, WrongState
from core.schema import booking, booking_event
from core.states import move_booking, record

EARLY = timedelta(hours=24)  # a voucher can be taken so long before the start


def _own(tx: Connection, actor: Actor, named: str) -> Row[Any]:
    key = named.strip()
    query = select(booking).where((booking.c.id == key) | (booking.c.reference == key.upper())).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None or (actor.role != "operator" and row.provider_id not in actor.provider_ids):
        raise NotFound("There is no such booking of yours.")
    return row


def redeem(engine: Engine, actor: Actor, named: str) -> dict[str, Any]:
    """The provider takes a voucher (booking id or reference), once. Returns the booking's facts with status REDEEMED.

    Raises NotFound for another provider's, AlreadyDecided saying when it was taken, Refused more than a day early, WrongState.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        row = _own(tx, actor, named)
        if row.status == "REDEEMED":
            at = _when(tx, row.id, "redeem")
            raise AlreadyDecided(f"{row.reference} was already taken.", status=row.status, by="", at=at.isoformat() if at else "")
        if row.status == "CONFIRMED" and now < row.starts_at - EARLY:
            raise Refused(f"{row.reference} is for {row.local_date:%A %d %B}; a voucher is taken at the earliest a day before.")
        if row.status != "CONFIRMED":
            raise WrongState(f"{row.reference} is not a confirmed booking.", status=row.status)
        move_booking(tx, row, "redeem", actor, now)
        return {**facts_of(row), "status": "REDEEMED"}


def no_show(engine: Engine, actor: Actor, named: str) -> dict[str, Any]:
    """The provider notes that nobody came; once, after the start. The booking keeps its status, and nothing is given back.

    Raises NotFound, Refused before the start, AlreadyDecided, WrongState.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        row = _own(tx, actor, named)
        if row.status != "CONFIRMED":
            raise WrongState(f"{row.reference} is not a confirmed booking that is still open.", status=row.status)
        if now < row.starts_at:
            raise Refused(f"{row.reference} has not begun yet.")
        at = _when(tx, row.id, "no_show")
        if at is not None:
            raise AlreadyDecided(f"{row.reference} was already noted as not shown up.", status=row.status, by="", at=at.isoformat())
        record(tx, row.id, "no_show", row.status, row.status, actor, now)
        notices.mail_traveler(tx, row, "missed", facts_of(row), now, key=f"missed:{row.id}")
        return facts_of(row)


def _when(tx: Connection, booking_id: str, event: str) -> datetime | None:
    found: datetime | None = tx.execute(
        select(booking_event.c.at).where(booking_event.c.booking_id == booking_id, booking_event.c.event == event).limit(1)
    ).scalar_one_or_none()
    return found
