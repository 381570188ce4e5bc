"""Taking what is reserved on a card, and letting go of it: calls to the gateway, each followed by what it fetched."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from core.engine import Engine
from core.payments import collect
from core.payments.authorise import AUTHORIZED, let_go
from core.payments.gateway import GatewayUnknown
from core.schema import booking, payment, share

SOON = timedelta(minutes=5)  # a job that carries it out has had its chance by then


def capture(engine: Engine, payment_id: str) -> dict[str, Any]:
    """Charge the card for a booking that is agreed. Raises GatewayUnknown where nobody knows yet, for the job to ask again."""
    with engine.db.read() as tx:
        row = collect.get(tx, payment_id)
    if row.status != AUTHORIZED or row.session_id is None:
        return collect.view(row)
    fetched = engine.gateway.capture(row.session_id, key=f"{payment_id}:capture")
    done = collect.apply(engine, payment_id, fetched)
    if fetched.state == "authorized":
        raise GatewayUnknown("The card was not charged yet.")
    return done


def release(engine: Engine, payment_id: str, session_id: str | None = None) -> dict[str, Any]:
    """Close the page of a payment that ended (or an older page of it) and let go of what it reserved. One that was captured
    meanwhile counts as paid, and is given back where nothing is sold for it. Raises GatewayUnknown."""
    with engine.db.read() as tx:
        row = collect.get(tx, payment_id)
    page = session_id or row.session_id
    if page is None or (session_id is None and row.status != "expired"):
        return collect.view(row)
    fetched = engine.gateway.release(page, key=f"{payment_id}:release:{page}")
    if fetched.state == "authorized":
        raise GatewayUnknown("The card still holds the amount.")
    return collect.apply(engine, payment_id, fetched)


def sweep(engine: Engine) -> int:
    """Reserved money that should have moved: captured where the booking is agreed, let go of where it is over, looked up where
    its time is. Returns how many were looked at."""
    now = engine.clock()
    with engine.db.read() as tx:
        rows = tx.execute(
            select(payment.c.id, payment.c.capture_by, booking.c.id.label("booking_id"), booking.c.status)
            .join(share, share.c.payment_id == payment.c.id)
            .join(booking, booking.c.id == share.c.booking_id)
            .where(payment.c.status == AUTHORIZED, payment.c.created_at < now - SOON)
            .distinct()
            .limit(200)
        ).all()
    looked = 0
    for row in rows:
        if row.status == "ON_HOLD":
            capture(engine, row.id)
        elif row.status != "PENDING":
            with engine.db.write() as tx:
                let_go(tx, row.booking_id, now)
        elif row.capture_by is not None and row.capture_by <= now:
            collect.sync(engine, row.id)
        else:
            continue
        looked += 1
    return looked
