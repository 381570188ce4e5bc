"""The rest of a booking that was made with a deposit: reminded of, paid by a link of its own, and what happens when it is not.

What is owed is always derived (the booking's amount less what was paid and not given back), so there is no second truth
to drift. The moment at which an unpaid booking ends stands in its `pay_by`; jobs are wake-ups, and the sweep finds the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from core import cancellations, jobs, notices
from core.bookings import facts_of
from core.engine import SYSTEM, Actor, Engine
from core.errors import CoreError, Refused
from core.payments import collect
from core.payments.gateway import GatewayUnknown
from core.payments.schedule import open_payment, owed, paid_of, plan_balance
from core.schema import booking, payment, provider, share


def pay(engine: Engine, actor: Actor, named: str) -> dict[str, Any]:
    """The page on which the traveler pays what is left of a booking (id or reference), together with what is due on the same
    day in this conversation. Returns the payment as `collect.ensure_link` does. Raises NotFound, Refused where nothing is owed.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        one = cancellations.find(tx, actor, named)
        payment_id = _open(tx, engine, one, now)
    return collect.ensure_link(engine, payment_id)


def _open(tx: Connection, engine: Engine, one: Row[Any], now: datetime) -> str:
    rows = _due_together(tx, one)
    paid = paid_of(tx, [row.id for row in rows])
    due = [(row, owed(row, paid[row.id])) for row in rows]
    due = [(row, amount) for row, amount in due if amount]
    if one.id not in {row.id for row, _ in due}:
        raise Refused(f"Nothing is left to pay for {one.title}.")
    waiting = tx.execute(
        select(payment.c.id)
        .join(share, share.c.payment_id == payment.c.id)
        .where(share.c.booking_id == one.id, payment.c.kind == "BALANCE", payment.c.status.in_(collect.OPEN))
    ).first()
    if waiting is not None:
        return str(waiting.id)
    return open_payment(
        tx,
        conversation_id=one.conversation_id,
        account_id=one.account_id,
        kind="BALANCE",
        bookings=[row for row, _ in due],
        amounts=[amount for _, amount in due],
        proposal_id=None,
        expires_at=now + engine.rules.payment_window,
        now=now,
    )


def _due_together(tx: Connection, one: Row[Any]) -> Sequence[Row[Any]]:
    """One link a due date: what this traveler owes on the same day in the same currency, locked in the order of the ids."""
    query = select(booking).where(booking.c.account_id == one.account_id, booking.c.conversation_id == one.conversation_id)
    same_day = (booking.c.balance_due_at == one.balance_due_at) if one.balance_due_at is not None else (booking.c.id == one.id)
    query = query.where(booking.c.status.in_(collect.SOLD), booking.c.currency == one.currency, same_day | (booking.c.id == one.id))
    return tx.execute(query.order_by(booking.c.id).with_for_update()).all()


def wake(engine: Engine, booking_id: str) -> None:
    """Remind of what is due, or end what was not paid in time. Safe to call at any time and any number of times."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(booking).where(booking.c.id == booking_id).with_for_update()).one()
        left = owed(row, paid_of(tx, [row.id])[row.id]) if row.status == "CONFIRMED" else 0
        if not left or row.balance_due_at is None or row.pay_by is None:  # paid whole once: what was given back later is not asked for
            return
        over = row.pay_by <= now
        if not over:
            _remind(tx, engine, row, left, now)
            plan_balance(tx, engine.rules, row, now)
    if over:
        lapse(engine, booking_id)


def _remind(tx: Connection, engine: Engine, row: Row[Any], left: int, now: datetime) -> None:
    passed = [before for before in engine.rules.balance_reminders if row.balance_due_at - before <= now]
    if not passed:
        return
    stage = int(min(passed).total_seconds())
    facts = {**facts_of(row), "left": left, "due_at": row.balance_due_at.isoformat(), "ends_at": row.pay_by.isoformat()}
    key = f"balance:{row.id}:{row.balance_due_at:%Y%m%d}:{stage}"
    notices.tell(tx, row.conversation_id, "balance_due", facts, now, key=key, actions=collect.pay_again([row]))
    notices.mail_traveler(tx, row, "balance_due", facts, now, key=key)


def lapse(engine: Engine, booking_id: str) -> bool:
    """End a booking whose balance was not paid in time, by its cancellation policy. An open page is closed first: what was
    paid on it meanwhile counts. Returns whether the booking ended."""
    with engine.db.read() as tx:
        pages = open_pages(tx, booking_id)
    for payment_id in pages:
        collect.close_link(engine, payment_id)
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(booking).where(booking.c.id == booking_id).with_for_update()).one()
        late = row.status == "CONFIRMED" and row.pay_by is not None and row.pay_by <= now
        left = owed(row, paid_of(tx, [row.id])[row.id])
        if not late or not left or open_pages(tx, booking_id):
            return False
        terms = cancellations.terms_of(tx, row, now)
        owner = tx.execute(select(provider.c.name).where(provider.c.id == row.provider_id)).one()
        reason = f"the balance was not paid in time ({owner.name})"
        cancellations.end(tx, row, SYSTEM, terms["refund"], reason, now)
        return True


def open_pages(tx: Connection, booking_id: str) -> list[str]:
    """Payments for this booking that could still be paid."""
    rows = tx.execute(
        select(payment.c.id)
        .join(share, share.c.payment_id == payment.c.id)
        .where(share.c.booking_id == booking_id, payment.c.status.in_(collect.OPEN))
        .distinct()
    )
    return sorted(rows.scalars())


def sweep(engine: Engine) -> int:
    """Find bookings whose balance was due without a wake-up; returns how many were looked at."""
    now = engine.clock()
    with engine.db.read() as tx:
        late = tx.execute(select(booking.c.id).where(booking.c.status == "CONFIRMED", booking.c.pay_by <= now).limit(200)).scalars().all()
    refused: CoreError | None = None
    for booking_id in late:
        try:
            lapse(engine, booking_id)
        except GatewayUnknown:
            raise
        except CoreError as error:  # one that the gateway refuses does not keep the others waiting
            refused = error
    if refused is not None:
        raise refused
    return len(late)


def rewake(tx: Connection, booking_id: str, now: datetime) -> None:
    """After a change of the booking: look at its balance again at once."""
    jobs.enqueue(tx, "balance.wake", {"booking_id": booking_id}, run_at=now, now=now, dedupe=f"balance:{booking_id}")
