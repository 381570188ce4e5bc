"""How the house does, over a stretch of days: what an operator looks at, counted from rows and never written.

A conversation belongs to the day it began on; money to the day it was paid on; a wait to the day it was asked on. Days are UTC.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, select

from core import waits
from core.engine import Engine
from core.errors import Invalid
from core.money import exponent
from core.schema import booking, cart, cart_item, conversation, handoff, message, payment, share, trip_state

LONGEST = 370  # days
SOLD = ("CONFIRMED", "REDEEMED")


def days(first: date, last: date) -> list[date]:
    if last < first or (last - first).days >= LONGEST:
        raise Invalid("last", "Choose up to a year, from an earlier to a later day.")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def read(engine: Engine, first: date, last: date) -> dict[str, Any]:
    """Everything the dashboard shows for these days, both included. Amounts are {currency: minor units}.

    `funnel` counts conversations that got so far; `containment` is the share of them that no person had to step into.
    """
    shown = days(first, last)
    start, end = _bounds(first, last)
    with engine.db.read() as tx:
        talks = _talks(tx, start, end)
        paid = _payments(tx, start, end)
        sold = _sold(tx, start, end)
        asked = tx.execute(select(handoff).where(handoff.c.queued_at >= start, handoff.c.queued_at < end)).all()
        helped = set(tx.execute(select(handoff.c.conversation_id).where(handoff.c.conversation_id.in_(talks))).scalars())
        funnel = _funnel(tx, talks)
        due = _payouts_due(tx, engine.clock())
    return {
        "days": [day.isoformat() for day in shown],
        "funnel": funnel,
        "revenue": _sum((row.currency, row.amount - row.refunded) for row in paid),
        "fees": _sum((row.currency, row.fee_amount) for row in sold),
        "payouts_due": due,
        "bookings": len(sold),
        "conversations": len(talks),
        "containment": None if not talks else 1 - len(helped & set(talks)) / len(talks),
        "reasons": dict(Counter(one["reason"] for row in asked for one in row.triggers or [{"reason": row.reason}]).most_common()),
        "first_response_s": _spread(row.first_human_message_at - row.queued_at for row in asked if row.first_human_message_at),
        "resolution_s": _spread(row.closed_at - row.queued_at for row in asked if row.closed_at and row.status == "closed"),
        "handoffs": len(asked),
        "abandoned": sum(1 for row in asked if row.status == "abandoned"),
        "promises": _promises(asked, engine.clock()),
        "by_day": _by_day(shown, talks, paid, sold, asked),
    }


def _bounds(first: date, last: date) -> tuple[datetime, datetime]:
    return datetime.combine(first, time(), UTC), datetime.combine(last + timedelta(days=1), time(), UTC)


def _talks(tx: Connection, start: datetime, end: datetime) -> dict[str, datetime]:
    """Conversations begun then in which a traveler has written or pressed something."""
    spoke = select(message.c.seq).where(message.c.conversation_id == conversation.c.id, message.c.role == "traveler").exists()
    rows = tx.execute(
        select(conversation.c.id, conversation.c.created_at).where(
            conversation.c.created_at >= start, conversation.c.created_at < end, spoke
        )
    )
    return {row.id: row.created_at for row in rows}


def _payments(tx: Connection, start: datetime, end: datetime) -> list[Row[Any]]:
    return list(tx.execute(select(payment).where(payment.c.status == "paid", payment.c.paid_at >= start, payment.c.paid_at < end)))


def _sold(tx: Connection, start: datetime, end: datetime) -> list[Row[Any]]:
    where = (booking.c.status.in_(SOLD), booking.c.confirmed_at >= start, booking.c.confirmed_at < end)
    return list(tx.execute(select(booking).where(*where)))


def _funnel(tx: Connection, talks: dict[str, datetime]) -> dict[str, int]:
    """Asked, were shown something, put something into the cart, and have it. Whoever got further counts in all steps before."""
    ids = list(talks)
    shown: set[str] = set()
    filled: set[str] = set()
    bought: set[str] = set()
    for at in range(0, len(ids), 500):
        part = ids[at : at + 500]
        rows = tx.execute(select(trip_state.c.conversation_id, trip_state.c.facts).where(trip_state.c.conversation_id.in_(part)))
        shown |= {row.conversation_id for row in rows if row.facts.get("shown") or row.facts.get("focus")}
        in_cart = select(cart.c.conversation_id).join(cart_item, cart_item.c.cart_id == cart.c.id).where(cart.c.conversation_id.in_(part))
        filled |= set(tx.execute(in_cart.distinct()).scalars())
        had = select(booking.c.conversation_id).where(booking.c.conversation_id.in_(part), booking.c.confirmed_at.is_not(None))
        bought |= set(tx.execute(had.distinct()).scalars())
    filled |= bought
    return {"asked": len(ids), "offered": len(shown | filled), "cart": len(filled), "paid": len(bought)}


def _payouts_due(tx: Connection, now: datetime) -> dict[str, int]:
    """What may be sent on to providers and experts now and was not yet."""
    rows = tx.execute(
        select(share.c.amount, share.c.reversed, share.c.sent, share.c.back, payment.c.currency)
        .join(payment, payment.c.id == share.c.payment_id)
        .where(share.c.party != "platform", share.c.due_at <= now, payment.c.status == "paid")
    )
    return _sum((row.currency, max(0, row.amount - row.reversed - row.sent + row.back)) for row in rows)


def _sum(parts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for currency, amount in parts:
        sums[currency] = sums.get(currency, 0) + amount
    return dict(sorted(sums.items()))


def _spread(waited: Iterable[timedelta]) -> dict[str, int] | None:
    """Median and ninth decile, whole seconds."""
    ordered = sorted(int(one.total_seconds()) for one in waited)
    if not ordered:
        return None
    return {"p50": ordered[len(ordered) // 2], "p90": ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))], "n": len(ordered)}


def _promises(asked: Iterable[Any], now: datetime) -> dict[str, int]:
    promised = [row for row in asked if row.promise_at is not None]
    held = [waits.kept(row) if row.first_human_message_at or row.closed_at or row.promise_at < now else None for row in promised]
    return {"given": len(promised), "kept": held.count(True), "broken": held.count(False)}


def _by_day(shown: list[date], talks: dict[str, datetime], paid: list[Any], sold: list[Any], asked: Iterable[Any]) -> list[dict[str, Any]]:
    begun = Counter(at.astimezone(UTC).date() for at in talks.values())
    booked = Counter(row.confirmed_at.astimezone(UTC).date() for row in sold)
    helped = Counter(row.queued_at.astimezone(UTC).date() for row in asked)
    money: dict[date, dict[str, int]] = {}
    for row in paid:
        of_day = money.setdefault(row.paid_at.astimezone(UTC).date(), {})
        of_day[row.currency] = of_day.get(row.currency, 0) + row.amount - row.refunded
    return [
        {
            "day": day.isoformat(),
            "conversations": begun[day],
            "bookings": booked[day],
            "handoffs": helped[day],
            "revenue": money.get(day, {}),
        }
        for day in shown
    ]


def as_csv(figures: dict[str, Any]) -> str:
    """A line a day, with a column of revenue for every currency (RFC 4180)."""
    currencies = sorted(figures["revenue"])
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["day", "conversations", "bookings", "handoffs", *(f"revenue_{one}" for one in currencies)])
    for row in figures["by_day"]:
        money = [f"{Decimal(row['revenue'].get(one, 0)).scaleb(-exponent(one)):f}" for one in currencies]
        writer.writerow([row["day"], row["conversations"], row["bookings"], row["handoffs"], *money])
    return out.getvalue()
