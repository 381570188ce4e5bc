"""What a traveler has: their bookings with what can be done about each, and the voucher of one. Read, never written."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from core import cancellations, links, reviews
from core.bookings import payment_of, with_payment
from core.engine import Engine
from core.payments import authorise
from core.schema import booking, booking_change, booking_request, offer, option, payment, product, provider, unit
from core.travelers import STILL_AHEAD, names_of

MOST = 200
LATELY = timedelta(days=180)


def of_account(engine: Engine, account_id: str) -> list[dict[str, Any]]:
    """Bookings of the last months and all ahead, the next first and what is over last. Each has the facts of a booking, `paid`
    and `owed`, and what can be done: `verbs` of pay, change, cancel, withdraw; `offer` where the provider offers other terms; `travelers` are the
    names given so far of `people`, and `names_wanted` says whether they can still be given; `review`
    is what was said of it or an open one without stars, and None where there is nothing to say yet."""
    now = engine.clock()
    with engine.db.read() as tx:
        query = (
            select(booking, provider.c.name.label("provider_name"))
            .join(provider, provider.c.id == booking.c.provider_id)
            .where(booking.c.account_id == account_id, booking.c.starts_at > now - LATELY)
            .order_by(booking.c.starts_at, booking.c.id)
            .limit(MOST)
        )
        rows = tx.execute(query).all()
        offers = _offers(tx, [row.id for row in rows])
        waiting = _changes(tx, [row.id for row in rows])
        kinds = _kinds(tx, [row.option_id for row in rows])
        said = reviews.of_bookings(tx, rows, now)
        found = []
        for row, facts in zip(rows, with_payment(tx, rows), strict=True):
            open_payment = _to_pay(tx, account_id, row)
            over = row.status in ("CANCELLED", "EXPIRED", "REJECTED", "REDEEMED") or row.starts_at <= now
            verbs = _verbs(row, facts, now, to_pay=open_payment is not None, changing=row.id in waiting)
            found.append(
                {
                    **facts,
                    "provider": row.provider_name,
                    "conversation_id": row.conversation_id,
                    "time_zone": row.time_zone,
                    "pay_by": row.pay_by,
                    "over": over,
                    "payment_id": open_payment,
                    "unit_types": kinds.get(row.option_id, []),
                    "offer": offers.get(row.id),
                    "change": waiting.get(row.id),
                    "voucher": links.voucher_path(tx, row) if row.status in links.VOUCHED and row.confirmed_at else "",
                    "travelers": names_of(row),
                    "people": sum(row.units.values()),
                    "names_wanted": row.status in STILL_AHEAD and not over,
                    "review": said.get(row.id),
                    "verbs": verbs,
                }
            )
    return sorted(found, key=lambda one: bool(one["over"]))


def _to_pay(tx: Connection, account_id: str, row: Any) -> str | None:
    """The payment whose page waits for the traveler: of places that are held, or of a card to be reserved for a request."""
    if row.status == "ON_HOLD":
        waiting = authorise.standing(tx, row.id)
        return None if waiting is not None and waiting.status == authorise.AUTHORIZED else payment_of(tx, account_id, row.id)
    if row.status != "PENDING":
        return None
    waiting = authorise.standing(tx, row.id)
    return None if waiting is None or waiting.status == authorise.AUTHORIZED else str(waiting.id)


def _verbs(row: Any, facts: dict[str, Any], now: datetime, *, to_pay: bool, changing: bool) -> list[str]:
    ahead = row.starts_at > now
    verbs = []
    if to_pay or (row.status == "CONFIRMED" and facts["owed"] and not changing):
        verbs.append("pay")
    if row.status == "CONFIRMED" and ahead:
        verbs += ["change"] * (row.booking_type == "INSTANT" and not changing) + ["cancel"]
    if row.status == "PENDING":
        verbs.append("withdraw")
    return verbs


def _offers(tx: Connection, booking_ids: list[str]) -> dict[str, dict[str, Any]]:
    rows = tx.execute(
        select(offer)
        .join(booking_request, booking_request.c.id == offer.c.request_id)
        .where(offer.c.booking_id.in_(booking_ids), offer.c.status == "offered", offer.c.side == "provider")
    )
    return {
        row.booking_id: {
            "offer_id": row.id,
            "amount": row.amount,
            "currency": row.currency,
            "date": row.local_date.isoformat(),
            "end_date": row.end_date.isoformat() if row.end_date else None,
            "start": row.local_start,
            "message": row.message,
            "valid_until": row.valid_until,
        }
        for row in rows
    }


def _changes(tx: Connection, booking_ids: list[str]) -> dict[str, dict[str, Any]]:
    """Changes that wait for their payment."""
    rows = tx.execute(
        select(booking_change.c.booking_id, booking_change.c.terms, booking_change.c.expires_at, payment.c.id.label("payment_id"))
        .join(payment, payment.c.id == booking_change.c.payment_id)
        .where(booking_change.c.booking_id.in_(booking_ids), booking_change.c.status == "waiting")
    )
    return {
        row.booking_id: {"payment_id": row.payment_id, "due": row.terms["due_now"], "until": row.expires_at, "values": row.terms["values"]}
        for row in rows
    }


def _kinds(tx: Connection, option_ids: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in tx.execute(select(unit.c.option_id, unit.c.type).where(unit.c.option_id.in_(option_ids)).order_by(unit.c.type)):
        found.setdefault(row.option_id, []).append(row.type)
    return found


def voucher(tx: Connection, row: Any) -> dict[str, Any]:
    """Everything that stands on the voucher of this booking. The provider's phone and mail are shown while it is to be kept."""
    sold = tx.execute(
        select(
            product.c.meeting_point,
            product.c.latitude,
            product.c.longitude,
            product.c.duration_minutes,
            option.c.title.label("option"),
            provider.c.name,
            provider.c.phone,
            provider.c.email,
        )
        .join(provider, provider.c.id == product.c.provider_id)
        .join(option, option.c.product_id == product.c.id)
        .where(product.c.id == row.product_id, option.c.id == row.option_id)
    ).one()
    (facts,) = with_payment(tx, [row])
    kept = row.status == "CONFIRMED"
    return {
        **facts,
        "name": str(row.contact.get("name", "")),
        "requests": str(row.contact.get("requests", "")),
        "version": row.version,
        "starts_at": row.starts_at,
        "time_zone": row.time_zone,
        "tiers": list(row.policy),
        "free_until": cancellations.next_step(row.policy, row.starts_at, row.time_zone, row.confirmed_at or row.created_at),
        "meeting_point": sold.meeting_point,
        "place": (sold.latitude, sold.longitude) if sold.latitude is not None and sold.longitude is not None else None,
        "duration_minutes": sold.duration_minutes,
        "provider": sold.name,
        "provider_phone": (sold.phone or "") if kept else "",
        "provider_email": (sold.email or "") if kept else "",
    }
