"""A provider's answer to a request: one of several answers wins, the others are told who decided and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from core import bookings, holds, jobs, notices
from core.engine import SYSTEM, Actor, Engine
from core.errors import AlreadyDecided, Expired, NotFound
from core.payments.schedule import open_payment
from core.redact import plain, redact
from core.schema import account, booking, booking_request, payment, provider
from core.states import move_booking, move_request


def pending(engine: Engine, provider_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Open requests of these providers, the most urgent first."""
    with engine.db.read() as tx:
        rows = tx.execute(
            select(booking_request.c.id.label("request_id"), booking_request.c.respond_by, booking_request.c.note, booking)
            .join(booking, booking.c.id == booking_request.c.booking_id)
            .where(booking_request.c.provider_id.in_(list(provider_ids)), booking_request.c.status == "open")
            .order_by(booking_request.c.respond_by)
        ).all()
        return [
            {
                **bookings.facts_of(row),
                "request_id": row.request_id,
                "respond_by": row.respond_by.isoformat(),
                "note": row.note,
                "traveler": str(row.contact.get("name", "")).split(" ")[0],
                "payout": row.amount - row.fee_amount,
                "fee": row.fee_amount,
            }
            for row in rows
        ]


def of_bookings(engine: Engine, booking_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The requests of these bookings, with the bookings' facts, in the order of their deadlines."""
    with engine.db.read() as tx:
        rows = tx.execute(
            select(
                booking_request.c.id.label("request_id"),
                booking_request.c.status.label("request_status"),
                booking_request.c.respond_by,
                booking,
            )
            .join(booking, booking.c.id == booking_request.c.booking_id)
            .where(booking_request.c.booking_id.in_(list(booking_ids)))
            .order_by(booking_request.c.respond_by)
        ).all()
    return [
        {
            **bookings.facts_of(row),
            "request_id": row.request_id,
            "request_status": row.request_status,
            "respond_by": row.respond_by.isoformat(),
        }
        for row in rows
    ]


def _own(tx: Connection, actor: Actor, request_id: str) -> Row[Any]:
    query = select(booking_request).where(booking_request.c.id == request_id).with_for_update()
    row = tx.execute(query).one_or_none()
    allowed = row is not None and (actor.role in ("operator", "expert") or row.provider_id in actor.provider_ids)
    if row is None or not allowed:
        raise NotFound("There is no such request.")
    return row


def decide(engine: Engine, actor: Actor, request_id: str, verdict: str, *, answer: str = "") -> dict[str, Any]:
    """Approve or decline, once. `verdict` is "approve" or "decline"; `answer` goes to the traveler.

    Raises AlreadyDecided (with status, by and at), Expired after `respond_by`, NotFound for another provider's request.
    """
    now = engine.clock()
    answer = redact(plain(answer))
    with engine.db.write() as tx:
        request = _own(tx, actor, request_id)
        if request.status != "open":
            by = tx.execute(select(account.c.display_name).where(account.c.id == request.decided_by)).scalar_one_or_none()
            raise AlreadyDecided(
                f"This request was already {request.status}.",
                status=request.status,
                by=by or "",
                at=request.decided_at.isoformat() if request.decided_at else "",
            )
        if request.respond_by <= now:
            raise Expired("The time to answer this request has passed; the places are free again.")
        row = tx.execute(select(booking).where(booking.c.id == request.booking_id)).one()
        status = move_request(tx, request, verdict, actor, now, answer=answer)
        if verdict == "approve":
            _approved(tx, engine, actor, row, answer, now)
        else:
            _declined(tx, actor, row, answer, now)
        return {"request_id": request_id, "status": status, "booking_id": row.id, "reference": row.reference}


def _approved(tx: Connection, engine: Engine, actor: Actor, row: Row[Any], answer: str, now: datetime) -> None:
    owner = tx.execute(select(provider.c.name).where(provider.c.id == row.provider_id)).one()
    facts = {**bookings.facts_of(row), "provider": owner.name, "answer": answer}
    if row.pay_at_provider or row.amount == 0:
        if not holds.consume(tx, [row.id], now):
            raise Expired("The hold on these places ran out.")
        move_booking(tx, row, "approve", actor, now, confirmed_at=now)
        fresh = tx.execute(select(booking).where(booking.c.id == row.id)).one()
        notices.tell(tx, row.conversation_id, "request_approved", {**facts, "status": "CONFIRMED"}, now, key=f"approved:{row.id}")
        notices.mail_traveler(
            tx, fresh, "booking_confirmed", {"bookings": [bookings.facts_of(fresh)], "paid": None}, now, key=f"confirmed:{row.id}"
        )
        return
    pay_by = min(now + engine.rules.pay_after_approval, max(now + timedelta(minutes=45), row.starts_at - timedelta(hours=1)))
    if holds.extend(tx, [row.id], pay_by + engine.rules.hold_after_session, now) == 0:
        raise Expired("The hold on these places ran out.")
    late = row.balance_due_at is not None and row.balance_due_at <= now + engine.rules.deposit_margin
    whole = {"deposit_amount": row.amount, "balance_due_at": None} if late else {}  # the answer came too late for a deposit
    move_booking(tx, row, "approve_to_pay", actor, now, pay_by=pay_by, **whole)
    fresh = tx.execute(select(booking).where(booking.c.id == row.id)).one()
    payment_id = open_payment(
        tx,
        conversation_id=row.conversation_id,
        account_id=row.account_id,
        kind="DEPOSIT" if fresh.deposit_amount < fresh.amount else "FULL",
        bookings=[fresh],
        amounts=[fresh.deposit_amount],
        proposal_id=None,
        expires_at=pay_by,
        now=now,
    )
    notices.tell(
        tx,
        row.conversation_id,
        "request_approved",
        {**facts, "status": "ON_HOLD", "pay_by": pay_by.isoformat(), "payment_id": payment_id},
        now,
        key=f"approved:{row.id}",
    )
    jobs.enqueue(tx, "payment.link", {"payment_id": payment_id}, run_at=now, now=now, dedupe=f"link:{payment_id}")


def _declined(tx: Connection, actor: Actor, row: Row[Any], answer: str, now: datetime) -> None:
    holds.release(tx, [row.id])
    move_booking(tx, row, "decline", actor, now, reason=answer)
    owner = tx.execute(select(provider.c.name).where(provider.c.id == row.provider_id)).one()
    notices.tell(
        tx,
        row.conversation_id,
        "request_declined",
        {**bookings.facts_of(row), "provider": owner.name, "answer": answer, "product_id": row.product_id},
        now,
        key=f"declined:{row.id}",
        actions=[{"label": "see_alternatives", "press": {"verb": "alternatives", "params": {"product_id": row.product_id}}}],
    )


def expire_due(engine: Engine, request_id: str) -> bool:
    """End a request nobody answered in time; False where it was decided or is not due yet."""
    now = engine.clock()
    with engine.db.write() as tx:
        request = tx.execute(select(booking_request).where(booking_request.c.id == request_id).with_for_update()).one_or_none()
        if request is None or request.status != "open" or request.respond_by > now:
            return False
        row = tx.execute(select(booking).where(booking.c.id == request.booking_id)).one()
        move_request(tx, request, "expire", SYSTEM, now)
        holds.release(tx, [row.id])
        move_booking(tx, row, "expire", SYSTEM, now, reason="nobody answered in time")
        notices.tell(
            tx,
            row.conversation_id,
            "request_expired",
            {**bookings.facts_of(row), "product_id": row.product_id},
            now,
            key=f"unanswered:{row.id}",
            actions=[{"label": "see_alternatives", "press": {"verb": "alternatives", "params": {"product_id": row.product_id}}}],
        )
        return True


def withdraw(engine: Engine, actor: Actor, booking_id: str) -> dict[str, Any]:
    """The traveler takes a request back before it was answered. Raises NotFound, WrongState."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(booking).where(booking.c.id == booking_id, booking.c.account_id == actor.traveler_id)).one_or_none()
        if row is None:
            raise NotFound("There is no such booking.")
        request = tx.execute(select(booking_request).where(booking_request.c.booking_id == booking_id).with_for_update()).one_or_none()
        if request is None:
            raise NotFound("There is no request for that booking.")
        move_request(tx, request, "withdraw", actor, now)
        holds.release(tx, [row.id])
        move_booking(tx, row, "withdraw", actor, now)
        return {"booking_id": booking_id, "reference": row.reference, "status": "CANCELLED"}


def sweep(engine: Engine) -> int:
    """Find requests and unpaid bookings whose deadline passed without a wake-up; returns how many were ended."""
    now = engine.clock()
    with engine.db.read() as tx:
        late = tx.execute(
            select(booking_request.c.id).where(booking_request.c.status == "open", booking_request.c.respond_by <= now).limit(200)
        ).all()
        stale = tx.execute(
            select(booking.c.id)
            .where(
                booking.c.status == "ON_HOLD",
                booking.c.pay_by < now - timedelta(minutes=10),
                ~select(payment.c.id)
                .where(payment.c.conversation_id == booking.c.conversation_id, payment.c.status.in_(("new", "open")))
                .exists(),
            )
            .limit(200)
        ).all()
    ended = sum(expire_due(engine, row.id) for row in late)
    for row in stale:
        with engine.db.write() as tx:
            one = tx.execute(select(booking).where(booking.c.id == row.id).with_for_update()).one()
            if one.status == "ON_HOLD" and one.pay_by is not None and one.pay_by < now:
                holds.release(tx, [one.id])
                move_booking(tx, one, "expire", SYSTEM, now, reason="not paid in time", pay_by=None)
                ended += 1
    return ended
