"""Changing a confirmed booking: a new day or party at today's price, shown first, then the traveler's own yes.

More to pay is paid before the change counts (or added to a balance that is due later); less comes back by the cancellation
conditions, because giving up a place is a cancellation of it. A day can be moved only while cancelling is still free.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from core import alterations, availability, bookings, cancellations, conversations, holds, jobs, pricing
from core.availability import Ask
from core.carts import ask_of, choose_start
from core.catalogue import listing
from core.engine import Actor, Engine, new_id
from core.errors import Expired, Invalid, PriceChanged, Refused, WrongState
from core.fees import platform_fee
from core.money import percent
from core.payments import balances
from core.payments.collect import ask_refund
from core.payments.schedule import open_payment, paid_of
from core.schema import booking, booking_change, cart, proposal

KIND = "change"
FULL = 10_000  # bps


def propose(
    engine: Engine,
    actor: Actor,
    named: str,
    *,
    local_date: date | None = None,
    end_date: date | None = None,
    local_start: str | None = None,
    units: Mapping[str, int] | None = None,
    quantity: int | None = None,
) -> dict[str, Any]:
    """What another day or party would mean for this booking (id or reference), for the traveler to confirm. Changes nothing.

    Returns the booking's facts as they would be, "before" (as they are), "proposal_id", "difference" (more to pay is positive),
    "due_now", "later" (added to the balance) and "refund", all minor units. Raises NotFound, WrongState, Refused (with the
    reason), Invalid (field named), SoldOut with the dates.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        row = cancellations.find(tx, actor, named)
        before = ask_of(row)
        first = local_date or before.local_date
        end = end_date
        if end is None and before.end_date is not None:
            end = first + (before.end_date - before.local_date)
        ask = Ask(
            before.product_id,
            before.option_id,
            first,
            end,
            before.local_start if local_start is None else local_start,
            before.units if units is None else units,
            before.quantity if quantity is None and units is None else (quantity or 1),
        )
        terms = _terms(tx, engine, row, ask, now)
        proposal_id = bookings.make_proposal(tx, engine, actor, KIND, terms, now)
        return {**bookings.facts_of(row), **_facts(terms), "before": bookings.facts_of(row), "proposal_id": proposal_id}


def _facts(terms: Mapping[str, Any]) -> dict[str, Any]:
    values = terms["values"]
    return {
        "date": values["local_date"],
        "end_date": values["end_date"],
        "start": values["local_start"],
        "units": values["units"],
        "amount": values["amount"],
        "price_lines": values["price_lines"],
        **{name: terms[name] for name in ("difference", "due_now", "later", "refund", "kept")},
    }


def _terms(tx: Connection, engine: Engine, row: Row[Any], ask: Ask, now: datetime) -> dict[str, Any]:
    """Everything a yes stands for. Raises what `propose` raises."""
    _ensure_changeable(tx, row, now)
    listed = listing(tx, row.product_id)
    option = listed.option(row.option_id)
    ask = choose_start(option.starts, ask)
    units = {kind: count for kind, count in (ask.units or {}).items() if count}
    quantity = availability.quantity_for(option, units, ask.quantity)
    ask = Ask(ask.product_id, option.id, ask.local_date, ask.end_date, ask.local_start, units, quantity)
    if ask == ask_of(row):
        raise Invalid("date", "That is what is booked already. Name another day, time or number of people.")
    availability.check(listed, option, ask, now, engine.rules)
    gain, shed = alterations.difference(tx, row.id, availability.wants(listed, option, ask))
    bps = cancellations.refund_bps(row.policy, row.starts_at, row.time_zone, now)
    moved = (ask.local_date, ask.end_date, ask.local_start) != (row.local_date, row.end_date, row.local_start)
    if moved and bps < FULL:
        raise Refused(
            f"The day of {row.title} can no longer be changed by its cancellation conditions. A person can ask the provider for you."
        )
    promo = tx.execute(select(cart.c.promo_code).where(cart.c.id == row.cart_id)).scalar_one_or_none()
    today = now.astimezone(availability.zone(listed)).date()
    priced = pricing.price(listed, ask, today=today, promo=promo)
    if priced.currency != row.currency or pricing.on_quote([line.as_json() for line in priced.lines]):
        raise Refused(f"{row.title} has no price to change to here. Please ask for a person.")
    less = max(0, row.amount - priced.total)
    kept = less - percent(less, bps)
    lines = [line.as_json() for line in priced.lines]
    if kept:
        said = "kept by the cancellation conditions"
        lines.append(pricing.PriceLine("change", row.id, kept, said, {"bps": bps}).as_json())
    amount = priced.total + kept
    money = _money(tx, engine, row, ask, amount, now)
    fee = platform_fee(tx, engine.rules, provider_id=row.provider_id, kind=listed.product.kind, amount=amount, tax=priced.tax)
    starts_at = availability.starts_at(listed, ask.local_date, ask.local_start)
    values = {
        "local_date": ask.local_date.isoformat(),
        "end_date": ask.end_date.isoformat() if ask.end_date else None,
        "local_start": ask.local_start,
        "starts_at": starts_at.isoformat(),
        "units": dict(units),
        "quantity": quantity,
        "amount": amount,
        "tax_amount": priced.tax,
        "fee_amount": fee,
        "price_lines": lines,
        **money["values"],
    }
    return {
        "booking_id": row.id,
        "version": row.version,
        "values": values,
        "gain": alterations.pack(gain),
        "shed": alterations.pack(shed),
        "difference": amount - row.amount,
        "kept": kept,
        "currency": row.currency,
        **{name: money[name] for name in ("due_now", "later", "refund")},
    }


def _ensure_changeable(tx: Connection, row: Row[Any], now: datetime) -> None:
    if row.status != "CONFIRMED":
        raise WrongState(f"{row.title} is not a confirmed booking, so there is nothing to change.", status=row.status)
    if row.starts_at <= now:
        raise Refused(f"{row.title} has already begun; it can no longer be changed here. A person can look at it.")
    if row.booking_type != "INSTANT":
        raise Refused(f"{row.title} needs the provider's yes to any change. A person can ask them for you.")
    open_change = select(booking_change.c.id).where(booking_change.c.booking_id == row.id, booking_change.c.status == "waiting")
    if tx.execute(open_change).first() is not None:
        raise Refused("A change of this booking waits for its payment already. Pay it, or let it run out first.")


def _money(tx: Connection, engine: Engine, row: Row[Any], ask: Ask, amount: int, now: datetime) -> dict[str, Any]:
    """What is paid now, what joins the balance, and what comes back; with the columns of the schedule as they will be."""
    paid = 0 if row.pay_at_provider else paid_of(tx, [row.id])[row.id]
    if row.pay_at_provider:
        return {"due_now": 0, "later": 0, "refund": 0, "values": {"deposit_amount": amount}}
    missing = amount - paid
    if missing <= 0:
        return {"due_now": 0, "later": 0, "refund": -missing, "values": {"deposit_amount": amount, "balance_due_at": None, "pay_by": None}}
    if row.balance_due_at is None:
        return {"due_now": missing, "later": 0, "refund": 0, "values": {"deposit_amount": amount}}
    due_at = row.balance_due_at + (ask.local_date - row.local_date)
    if due_at > now + engine.rules.deposit_margin:
        ends = min(due_at + engine.rules.balance_grace, row.starts_at + timedelta(days=(ask.local_date - row.local_date).days))
        values = {"deposit_amount": min(paid, amount), "balance_due_at": due_at.isoformat(), "pay_by": ends.isoformat()}
        return {"due_now": 0, "later": missing, "refund": 0, "values": values}
    return {"due_now": missing, "later": 0, "refund": 0, "values": {"deposit_amount": amount, "balance_due_at": None, "pay_by": None}}


def commit(engine: Engine, actor: Actor, proposal_id: str) -> dict[str, Any]:
    """The traveler's yes. What costs nothing more counts at once; else the gained places are held and a payment is opened.

    Returns {"booking_id", "reference", "status": "applied" or "waiting", "payment": id or None, "refund"}. Twice is once. Raises
    Expired, PriceChanged (the new terms differ from what was shown), SoldOut, WrongState, Refused, NotAllowed.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        tx.execute(select(proposal.c.id).where(proposal.c.id == proposal_id).with_for_update()).one_or_none()
        offer = bookings.find_proposal(tx, actor, proposal_id)
        if offer.status == "committed":
            result: dict[str, Any] = offer.result
            return {**result, "again": True}
        if offer.kind != KIND or offer.status != "live" or offer.expires_at <= now:
            raise Expired("That preview is no longer current. Ask for the change again and confirm the new one.")
        row = tx.execute(select(booking).where(booking.c.id == offer.terms["booking_id"]).with_for_update()).one()
        holds.stand_still(tx, [row.option_id])
        shown = offer.terms["values"]
        ask = Ask(
            row.product_id,
            row.option_id,
            date.fromisoformat(shown["local_date"]),
            date.fromisoformat(shown["end_date"]) if shown["end_date"] else None,
            shown["local_start"],
            shown["units"],
            shown["quantity"],
        )
        terms = _terms(tx, engine, row, ask, now)
        if any(terms[name] != offer.terms[name] for name in ("difference", "due_now", "later", "refund")):
            raise PriceChanged("What this change costs is another amount by now. Ask for it again to see it.")
        result = _carry_out(tx, engine, actor, row, terms, now)
        tx.execute(update(proposal).where(proposal.c.id == offer.id).values(status="committed", result=result))
        return result


def _carry_out(tx: Connection, engine: Engine, actor: Actor, row: Row[Any], terms: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    result = {"booking_id": row.id, "reference": row.reference, "refund": terms["refund"], "currency": row.currency}
    if not terms["due_now"]:
        fresh = alterations.apply(tx, engine.rules, row, terms, actor, now)
        _send_back(tx, row, terms["refund"], now)
        if fresh.balance_due_at is not None:
            balances.rewake(tx, row.id, now)
        cancellations.close_pages(tx, row.id, now)  # a page for the old balance asks for a sum that is wrong now
        return {**result, "status": "applied", "payment": None}
    gain = alterations.unpack(terms["gain"])
    expires_at = now + engine.rules.hold
    holds.take(tx, {row.id: gain} if gain else {}, expires_at=expires_at, now=now)
    cancellations.close_pages(tx, row.id, now)
    payment_id = open_payment(
        tx,
        conversation_id=row.conversation_id,
        account_id=row.account_id,
        kind="CHANGE",
        bookings=[_as_changed(row, terms)],
        amounts=[terms["due_now"]],
        proposal_id=None,
        expires_at=expires_at,
        now=now,
    )
    tx.execute(
        insert(booking_change).values(
            id=new_id(),
            booking_id=row.id,
            status="waiting",
            terms=dict(terms),
            difference=terms["difference"],
            payment_id=payment_id,
            expires_at=expires_at,
            made_by=actor.account_id,
            created_at=now,
        )
    )
    jobs.enqueue(tx, "payment.link", {"payment_id": payment_id}, run_at=now + timedelta(seconds=3), now=now, dedupe=f"link:{payment_id}")
    return {**result, "status": "waiting", "payment": payment_id}


def _as_changed(row: Row[Any], terms: Mapping[str, Any]) -> Any:
    """The booking as a payment's shares see it: with the price and the fee it will have."""
    values = terms["values"]
    return SimpleNamespace(
        id=row.id, provider_id=row.provider_id, currency=row.currency, amount=values["amount"], fee_amount=values["fee_amount"]
    )


def _send_back(tx: Connection, row: Row[Any], amount: int, now: datetime) -> None:
    left = amount
    for paid, of_booking in cancellations.paid_for(tx, row.id):
        part = min(left, of_booking)
        if part > 0:
            ask_refund(tx, paid.id, part, now, booking_id=row.id, reason="the booking was changed")
            left -= part
