"""What there is instead, offered without being asked when a request was declined or ran out, or a provider cancelled."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from core import conversations
from core.engine import SYSTEM, Engine
from core.errors import CoreError, Fenced
from core.schema import booking
from tools.outcome import Desk
from tools.planning import like

log = structlog.get_logger()


def offer(engine: Engine, booking_id: str) -> int | None:
    """Show up to three things like the booking that came to nothing; the number of the line, or None where there is nothing to
    show or a person speaks there. A second time is the first time's line."""
    with engine.db.read() as tx:
        row = tx.execute(select(booking).where(booking.c.id == booking_id)).one_or_none()
        if row is None:
            return None
        home = conversations.get(tx, row.conversation_id)
    if home.controller != "bot":
        return None
    try:
        parts = like(Desk(engine, SYSTEM), row.product_id, row.local_date, row.end_date, row.units)
    except CoreError as error:  # the listing is gone with the booking: there is nothing it could be like
        log.info("no_alternatives", booking=booking_id, cause=error.code)
        return None
    if not parts:
        return None
    try:
        with engine.db.write() as tx:
            return conversations.append(
                tx, home.id, "bot", parts, now=engine.clock(), client_id=f"instead-{booking_id}", epoch=home.control_epoch
            )
    except Fenced:
        return None
