"""Money that is only reserved: with a request the card is held for the price, charged once the provider has said yes, and let go
of where it comes to nothing.

One payment a booking, never one for a cart: what is captured in part lets go of the rest. What was agreed at another price than
is reserved is let go of as well and paid by a link, as every request is whose provider asks for no card.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from core import jobs, notices
from core.payments.gateway import FetchedPayment
from core.payments.schedule import open_payment, split
from core.schema import booking, booking_request, payment, provider, share

AUTHORIZED = "authorized"
STANDING = ("new", "open", AUTHORIZED)
ANSWER_BEFORE = timedelta(hours=12)  # so long before the card lets go the provider's time is over


def reserve(tx: Connection, row: Row[Any], ends: datetime, now: datetime) -> str:
    """Open the payment that reserves the price of a request (or its deposit), and have its page made. Returns its id."""
    payment_id = open_payment(
        tx,
        conversation_id=row.conversation_id,
        account_id=row.account_id,
        kind="DEPOSIT" if row.deposit_amount < row.amount else "FULL",
        bookings=[row],
        amounts=[row.deposit_amount],
        proposal_id=None,
        expires_at=ends,
        now=now,
        manual=True,
    )
    jobs.enqueue(tx, "payment.link", {"payment_id": payment_id}, run_at=now, now=now, dedupe=f"link:{payment_id}")
    return payment_id


def standing(tx: Connection, booking_id: str, *, lock: bool = False) -> Row[Any] | None:
    """The payment that reserves, or has reserved, the price of this booking."""
    mine = select(share.c.payment_id).where(share.c.booking_id == booking_id)
    query = select(payment).where(payment.c.id.in_(mine), payment.c.manual, payment.c.status.in_(STANDING))
    return tx.execute(query.with_for_update() if lock else query).one_or_none()


def agreed(tx: Connection, row: Row[Any], now: datetime) -> Row[Any] | None:
    """The booking was agreed: the payment that is captured for it, which is asked for here. None where nothing is reserved for
    exactly this price and split; what is reserved otherwise is let go of."""
    held = standing(tx, row.id, lock=True)
    if held is None:
        return None
    parts = select(share.c.party, share.c.amount).where(share.c.payment_id == held.id)
    shares = {one.party: one.amount for one in tx.execute(parts)}
    theirs, ours = split(row.amount, row.fee_amount, row.deposit_amount)
    if held.status != AUTHORIZED or shares != {"provider": theirs, "platform": ours}:
        _end(tx, held, now)
        return None
    jobs.enqueue(tx, "payment.capture", {"payment_id": held.id}, run_at=now, now=now, dedupe=f"capture:{held.id}")
    return held


def let_go(tx: Connection, booking_id: str, now: datetime) -> None:
    """The request came to nothing: so does what is reserved for it."""
    held = standing(tx, booking_id, lock=True)
    if held is not None:
        _end(tx, held, now)


def _end(tx: Connection, held: Row[Any], now: datetime) -> None:
    tx.execute(update(payment).where(payment.c.id == held.id).values(status="expired"))
    jobs.enqueue(tx, "payment.release", {"payment_id": held.id}, run_at=now, now=now, dedupe=f"release:{held.id}")


def reserved(tx: Connection, row: Row[Any], fetched: FetchedPayment, now: datetime) -> None:
    """The gateway says the money is reserved: kept while its request waits, let go of where nobody waits for it any more."""
    if row.status in (AUTHORIZED, "paid") and fetched.session_id == row.session_id:
        return
    fits = fetched.amount == row.amount and fetched.currency.upper() == row.currency and fetched.session_id == row.session_id
    one = _booking_of(tx, row.id)
    if not (fits and row.manual and row.status in STANDING and one.status == "PENDING"):
        if row.status in STANDING and fetched.session_id == row.session_id:
            tx.execute(update(payment).where(payment.c.id == row.id).values(status="expired"))
        again = {"payment_id": row.id, "session_id": fetched.session_id}
        jobs.enqueue(tx, "payment.release", again, run_at=now, now=now, dedupe=f"release:{fetched.session_id}")
        return
    tx.execute(
        update(payment)
        .where(payment.c.id == row.id)
        .values(status=AUTHORIZED, intent_id=fetched.intent_id, charge_id=fetched.charge_id, capture_by=fetched.capture_by)
    )
    if fetched.capture_by is not None:
        latest = max(now + timedelta(minutes=15), fetched.capture_by - ANSWER_BEFORE)
        waits = (booking_request.c.booking_id == one.id) & (booking_request.c.respond_by > latest)
        tx.execute(update(booking_request).where(waits).values(respond_by=latest))
    owner = tx.execute(select(provider.c.name).where(provider.c.id == one.provider_id)).scalar_one()
    facts = {"amount": row.amount, "currency": row.currency, "provider": owner, "title": one.title, "reference": one.reference}
    notices.tell(tx, row.conversation_id, "card_reserved", {**facts, "payment_id": row.id}, now, key=f"reserved:{row.id}")


def _booking_of(tx: Connection, payment_id: str) -> Row[Any]:
    mine = select(share.c.booking_id).where(share.c.payment_id == payment_id)
    return tx.execute(select(booking).where(booking.c.id.in_(mine))).one()


def lapsed(tx: Connection, row: Row[Any], now: datetime) -> None:
    """The card has let go, by its bank's word or because time ran out. A booking that is agreed is paid by a link instead."""
    one = _booking_of(tx, row.id)
    if one.status != "ON_HOLD":
        tx.execute(update(payment).where(payment.c.id == row.id).values(status="expired"))
        return
    fresh = {"intent_id": None, "charge_id": None, "session_id": None, "url": None, "capture_by": None}
    tx.execute(update(payment).where(payment.c.id == row.id).values(status="new", manual=False, frozen={}, **fresh))
    jobs.enqueue(tx, "payment.link", {"payment_id": row.id}, run_at=now, now=now, dedupe=f"link:{row.id}:again")
