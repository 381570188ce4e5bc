"""The day before: who has booked is reminded once, at an hour at which nobody is woken.

The clock that counts is the one at the place. A reminder's key is the booking and its day, so a booking that is moved is
reminded again, and nothing else is said twice.
"""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from core import notices
from core.bookings import facts_of
from core.engine import Engine
from core.schema import booking, outbound, provider

BEFORE = timedelta(hours=26)  # so that a tour at night is told of on the day before as well
TOO_LATE = timedelta(hours=2)  # who books at the last minute needs no reminder
HOURS = range(9, 21)  # on the clock of the place


def sweep(engine: Engine) -> int:
    """Remind of everything that is near; returns how many were told."""
    now = engine.clock()
    near = (booking.c.status == "CONFIRMED", booking.c.starts_at > now + TOO_LATE, booking.c.starts_at <= now + BEFORE)
    told = 0
    with engine.db.read() as tx:
        rows = tx.execute(select(booking).where(*near).order_by(booking.c.starts_at).limit(500)).all()
        due = []
        for row in rows:
            fresh = row.confirmed_at is not None and row.confirmed_at > now - timedelta(hours=12)
            known = tx.execute(select(outbound.c.id).where(outbound.c.key == f"reminder:{row.id}:{row.local_date}")).first()
            if not fresh and known is None and now.astimezone(ZoneInfo(row.time_zone)).hour in HOURS:
                due.append(row.id)
    for booking_id in due:
        with engine.db.write() as tx:
            found = tx.execute(select(booking).where(booking.c.id == booking_id, *near)).one_or_none()
            if found is None:
                continue
            row = found
            owner = tx.execute(select(provider.c.name).where(provider.c.id == row.provider_id)).scalar_one()
            key = f"reminder:{row.id}:{row.local_date}"
            facts = {**facts_of(row), "provider": owner}
            notices.tell(tx, row.conversation_id, "reminder", facts, now, key=key)
            notices.mail_traveler(tx, row, "reminder", facts, now, key=key)
            told += 1
    return told
