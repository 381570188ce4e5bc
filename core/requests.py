"""A provider's answer to a request: one of several answers wins, the others are told who decided and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from core import availability, bookings, holds, jobs, notices, pricing
from core.availability import Ask
from core.catalogue import listing
from core.engine import SYSTEM, Actor, Engine
from core.errors import AlreadyDecided, Expired, Invalid, NotFound
from core.fees import platform_fee
from core.money import allocate
from core.payments import authorise
from core.payments.schedule import deposit_for, open_payment
from core.redact import plain, redact
from core.schema import account, booking, booking_request, offer, payment, provider
from core.states import move_booking, move_offer, move_request

WAITING = ("open", "countered")


def pending(engine: Engine, provider_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Open requests of these providers, the most urgent first.

    `kind` is request or quote (no price yet); `wished_amount` and `wish` are the traveler's answer to an earlier offer.
    """
    with engine.db.read() as tx:
        rows = tx.execute(
            select(
                booking_request.c.id.label("request_id"),
                booking_request.c.kind.label("request_kind"),
                booking_request.c.respond_by,
                booking_request.c.note,
                offer.c.amount.label("wished_amount"),
                offer.c.message.label("wish"),
                booking,
            )
            .join(booking, booking.c.id == booking_request.c.booking_id)
            .outerjoin(offer, (offer.c.request_id == booking_request.c.id) & (offer.c.status == "offered"))
            .where(booking_request.c.provider_id.in_(list(provider_ids)), booking_request.c.status == "open")
            .order_by(booking_request.c.respond_by)
        ).all()
        return [
            {
                **bookings.facts_of(row),
                "request_id": row.request_id,
                "kind": row.request_kind,
                "respond_by": row.respond_by.isoformat(),
                "note": row.note,
                "wished_amount": row.wished_amount,
                "wish": row.wish or "",
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


def own(tx: Connection, actor: Actor, request_id: str) -> Row[Any]:
    query = select(booking_request).where(booking_request.c.id == request_id).with_for_update()
    row = tx.execute(query).one_or_none()
    allowed = row is not None and (actor.role in ("operator", "expert") or row.provider_id in actor.provider_ids)
    if row is None or not allowed:
        raise NotFound("There is no such request.")
    return row


def ensure_open(tx: Connection, request: Row[Any], now: datetime) -> None:
    """Raises AlreadyDecided saying what was decided, by whom and when; Expired once the time has passed."""
    if request.status in WAITING and request.respond_by <= now:
        raise Expired("The time to answer this request has passed; the places are free again.")
    if request.status == "countered":
        raise AlreadyDecided("You have offered other terms; the traveler is being asked.", status="countered", by="", at="")
    if request.status != "open":
        by = tx.execute(select(account.c.display_name).where(account.c.id == request.decided_by)).scalar_one_or_none()
        raise AlreadyDecided(
            f"This request was already {request.status}.",
            status=request.status,
            by=by or "",
            at=request.decided_at.isoformat() if request.decided_at else "",
        )


def live_offer(tx: Connection, request_id: str) -> Row[Any] | None:
    """The one offer of a request that still waits for its answer."""
    return tx.execute(select(offer).where(offer.c.request_id == request_id, offer.c.status == "offered")).one_or_none()


def take_over(tx: Connection, engine: Engine, row: Row[Any], agreed: Row[Any], now: datetime) -> Row[Any]:
    """The booking becomes what was offered: its days, its price with the tax and the fee in it, and a deposit where one was chosen."""
    listed = listing(tx, row.product_id)
    ask = Ask(row.product_id, row.option_id, agreed.local_date, agreed.end_date, agreed.local_start, row.units, row.quantity)
    listed_price = pricing.price(listed, ask, today=now.astimezone(availability.zone(listed)).date())
    tax = allocate(agreed.amount, [listed_price.tax, listed_price.total - listed_price.tax])[0] if listed_price.tax else 0
    kind = listed.product.kind
    fee = platform_fee(tx, engine.rules, provider_id=row.provider_id, kind=kind, amount=agreed.amount, tax=tax)
    said = "as offered" if agreed.side == "provider" else "as agreed"
    lines = [pricing.PriceLine("offer", agreed.id, agreed.amount, said, {}).as_json()]
    margin = engine.rules.deposit_margin
    deposit = deposit_for(listed, agreed.amount, agreed.local_date, now, margin) if row.balance_due_at else None
    tx.execute(
        update(booking)
        .where(booking.c.id == row.id)
        .values(
            local_date=agreed.local_date,
            end_date=agreed.end_date,
            local_start=agreed.local_start,
            starts_at=availability.starts_at(listed, agreed.local_date, agreed.local_start),
            amount=agreed.amount,
            tax_amount=tax,
            fee_amount=fee,
            price_lines=lines,
            deposit_amount=deposit.amount if deposit else agreed.amount,
            balance_due_at=deposit.balance_due_at if deposit else None,
        )
    )
    return tx.execute(select(booking).where(booking.c.id == row.id)).one()


def decide(engine: Engine, actor: Actor, request_id: str, verdict: str, *, answer: str = "") -> dict[str, Any]:
    """Approve or decline, once. `verdict` is "approve" or "decline"; `answer` goes to the traveler.

    Approving what the traveler answered to an offer takes their price. Raises AlreadyDecided (with status, by and at),
    Expired after `respond_by`, Invalid for a yes to a quote (it needs a price), NotFound for another provider's request.
    """
    now = engine.clock()
    answer = redact(plain(answer))
    with engine.db.write() as tx:
        request = own(tx, actor, request_id)
        if verdict != "decline" or request.status != "countered":
            ensure_open(tx, request, now)
        row = tx.execute(select(booking).where(booking.c.id == request.booking_id)).one()
        wish = live_offer(tx, request_id)
        if verdict == "approve":
            if wish is not None:
                move_offer(tx, wish, "accept", actor, now)
                row = take_over(tx, engine, row, wish, now)
            elif request.kind == "quote":
                raise Invalid("amount", "This asks for a price. Answer with the price you offer.")
            status = move_request(tx, request, verdict, actor, now, answer=answer)
            approved(tx, engine, actor, row, answer, now)
        else:
            if wish is not None:
                move_offer(tx, wish, "decline" if wish.side == "traveler" else "withdraw", actor, now)
            status = move_request(tx, request, verdict, actor, now, answer=answer)
            _declined(tx, actor, row, answer, now)
        return {"request_id": request_id, "status": status, "booking_id": row.id, "reference": row.reference}


def approved(
    tx: Connection,
    engine: Engine,
    actor: Actor,
    row: Row[Any],
    answer: str,
    now: datetime,
    *,
    event: str = "approve",
    told: str = "request_approved",
) -> None:
    """Both sides agree: confirm what costs nothing here, else hold it until it is paid. `event` names the booking's move, which
    is "<event>_to_pay" where something is due, and `told` what the traveler is told."""
    owner = tx.execute(select(provider.c.name).where(provider.c.id == row.provider_id)).one()
    facts = {**bookings.facts_of(row), "provider": owner.name, "answer": answer}
    if row.pay_at_provider or row.amount == 0:
        if not holds.consume(tx, [row.id], now):
            raise Expired("The hold on these places ran out.")
        move_booking(tx, row, event, actor, now, confirmed_at=now)
        fresh = tx.execute(select(booking).where(booking.c.id == row.id)).one()
        notices.tell(tx, row.conversation_id, told, {**facts, "status": "CONFIRMED"}, now, key=f"approved:{row.id}")
        notices.mail_traveler(
            tx, fresh, "booking_confirmed", {"bookings": [bookings.facts_of(fresh)], "paid": None}, now, key=f"confirmed:{row.id}"
        )
        return
    pay_by = min(now + engine.rules.pay_after_approval, max(now + timedelta(minutes=45), row.starts_at - timedelta(hours=1)))
    if holds.extend(tx, [row.id], pay_by + engine.rules.hold_after_session, now) == 0:
        raise Expired("The hold on these places ran out.")
    late = row.balance_due_at is not None and row.balance_due_at <= now + engine.rules.deposit_margin
    whole = {"deposit_amount": row.amount, "balance_due_at": None} if late else {}  # the answer came too late for a deposit
    move_booking(tx, row, f"{event}_to_pay", actor, now, pay_by=pay_by, **whole)
    fresh = tx.execute(select(booking).where(booking.c.id == row.id)).one()
    reserved = authorise.agreed(tx, fresh, now)
    if reserved is not None:
        charged = {"status": "ON_HOLD", "pay_by": pay_by.isoformat(), "payment_id": reserved.id, "charging": True}
        notices.tell(tx, row.conversation_id, told, {**facts, **charged}, now, key=f"approved:{row.id}")
        return
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
        told,
        {**facts, "status": "ON_HOLD", "pay_by": pay_by.isoformat(), "payment_id": payment_id},
        now,
        key=f"approved:{row.id}",
    )
    jobs.enqueue(tx, "payment.link", {"payment_id": payment_id}, run_at=now, now=now, dedupe=f"link:{payment_id}")


def _declined(tx: Connection, actor: Actor, row: Row[Any], answer: str, now: datetime) -> None:
    holds.release(tx, [row.id])
    authorise.let_go(tx, row.id, now)
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
    bookings.offer_others(tx, row.id, now)


def expire_due(engine: Engine, request_id: str) -> bool:
    """End a request, or an offer made to it, that nobody answered in time; False where it was decided or is not due yet."""
    now = engine.clock()
    with engine.db.write() as tx:
        request = tx.execute(select(booking_request).where(booking_request.c.id == request_id).with_for_update()).one_or_none()
        if request is None or request.status not in WAITING or request.respond_by > now:
            return False
        row = tx.execute(select(booking).where(booking.c.id == request.booking_id)).one()
        waiting = live_offer(tx, request_id)
        if waiting is not None:
            move_offer(tx, waiting, "expire", SYSTEM, now)
        move_request(tx, request, "expire", SYSTEM, now)
        holds.release(tx, [row.id])
        authorise.let_go(tx, row.id, now)
        move_booking(tx, row, "expire", SYSTEM, now, reason="nobody answered in time")
        notices.tell(
            tx,
            row.conversation_id,
            "offer_expired" if request.status == "countered" else "request_expired",
            {**bookings.facts_of(row), "product_id": row.product_id},
            now,
            key=f"unanswered:{row.id}",
            actions=[{"label": "see_alternatives", "press": {"verb": "alternatives", "params": {"product_id": row.product_id}}}],
        )
        bookings.offer_others(tx, row.id, now)
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
        waiting = live_offer(tx, request.id)
        if waiting is not None:
            move_offer(tx, waiting, "withdraw", actor, now)
        move_request(tx, request, "withdraw", actor, now)
        holds.release(tx, [row.id])
        authorise.let_go(tx, row.id, now)
        move_booking(tx, row, "withdraw", actor, now)
        return {"booking_id": booking_id, "reference": row.reference, "status": "CANCELLED"}


def sweep(engine: Engine) -> int:
    """Find requests and unpaid bookings whose deadline passed without a wake-up; returns how many were ended."""
    now = engine.clock()
    with engine.db.read() as tx:
        late = tx.execute(
            select(booking_request.c.id).where(booking_request.c.status.in_(WAITING), booking_request.c.respond_by <= now).limit(200)
        ).all()
        stale = tx.execute(
            select(booking.c.id)
            .where(
                booking.c.status == "ON_HOLD",
                booking.c.pay_by < now - timedelta(minutes=10),
                ~select(payment.c.id)
                .where(payment.c.conversation_id == booking.c.conversation_id, payment.c.status.in_(authorise.STANDING))
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
