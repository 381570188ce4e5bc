"""What goes out by mail: on a fresh machine it is caught and shown on a page, marked as such and sent to nobody."""

from __future__ import annotations

from sqlalchemy import select, update

from core.engine import Engine
from core.schema import outbound

BATCH = 50


def deliver(engine: Engine) -> int:
    """Take everything that is due; returns how many rows were dealt with. No mail server is configured, so they are caught."""
    now = engine.clock()
    with engine.db.write() as tx:
        due = tx.execute(
            select(outbound.c.id).where(outbound.c.state == "queued", outbound.c.not_before <= now).order_by(outbound.c.id).limit(BATCH)
        ).all()
        if due:
            ids = [row.id for row in due]
            tx.execute(update(outbound).where(outbound.c.id.in_(ids)).values(state="caught", attempts=outbound.c.attempts + 1))
        return len(due)
