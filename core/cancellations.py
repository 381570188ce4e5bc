"""Ending a confirmed booking: what comes back by the policy as sold, a preview first, and then the traveler's own yes.

Tiers count hours before the start in the product's wall clock, because that is what stands on a voucher: "until 18:00 two
days before" means 18:00 there, whatever daylight saving did in between. A provider who cancels gives everything back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, select, update

from core import alterations, bookings, conversations, holds, jobs, notices
from core.engine import Actor, Engine
from core.errors import Expired, NotFound, PriceChanged, Refused, WrongState
from core.money import percent
from core.payments.collect import OPEN, ask_refund
from core.schema import booking, payment, proposal, provider, share
from core.states import move_booking

KIND = "cancellation"


def refund_bps(policy: Sequence[dict[str, int]], starts_at: datetime, time_zone: str, now: datetime) -> int:
    """The share that comes back now, in hundredths of a percent: the best tier whose hours are still kept."""
    zone = ZoneInfo(time_zone)
    start = starts_at.astimezone(zone).replace(tzinfo=None)
    here = now.astimezone(zone).replace(tzinfo=None)
    kept = [tier["refund_bps"] for tier in policy if here <= start - timedelta(hours=tier["hours"])]
    return max(kept, default=0)


def next_step(policy: Sequence[dict[str, int]], starts_at: datetime, time_zone: str, now: datetime) -> datetime | None:
    """When the share that comes back gets smaller next (aware UTC); None where it never does."""
    zone = ZoneInfo(time_zone)
    start = starts_at.astimezone(zone).replace(tzinfo=None)
    today = refund_bps(policy, starts_at, time_zone, now)
    edges = [
        (start - timedelta(hours=tier["hours"])).replace(tzinfo=zone).astimezone(now.tzinfo)
        for tier in policy
        if tier["refund_bps"] == today
    ]
    return max((edge for edge in edges if edge >= now), default=None) if today else None


def paid_for(tx: Connection, booking_id: str) -> list[tuple[Row[Any], int]]:
    """(payment, minor units of it that are still this booking's), the newest payment first."""
    rows = tx.execute(
        select(payment, share.c.amount.label("part"), share.c.reversed)
        .join(share, share.c.payment_id == payment.c.id)
        .where(share.c.booking_id == booking_id, payment.c.status == "paid")
        .order_by(payment.c.paid_at.desc(), payment.c.id)
    ).all()
    left: dict[str, int] = {}
    found: dict[str, Row[Any]] = {}
    for row in rows:
        found.setdefault(row.id, row)
        left[row.id] = left.get(row.id, 0) + row.part - row.reversed
    return [(found[key], amount) for key, amount in left.items() if amount > 0]


def terms_of(tx: Connection, row: Row[Any], now: datetime) -> dict[str, Any]:
    """What cancelling now would mean, in minor units. The policy's share is of the whole price, so of a deposit comes back
    what is left of it once the part that is not refundable has been taken; what was never paid is not asked for."""
    paid = sum(amount for _, amount in paid_for(tx, row.id))
    bps = refund_bps(row.policy, row.starts_at, row.time_zone, now)
    kept = row.amount - percent(row.amount, bps)
    until = next_step(row.policy, row.starts_at, row.time_zone, now)
    return {
        "booking_id": row.id,
        "paid": paid,
        "refund": max(0, paid - kept),
        "refund_bps": bps,
        "until": until.isoformat() if until else None,
        "currency": row.currency,
    }


def find(tx: Connection, actor: Actor, named: str) -> Row[Any]:
    """The traveler's own booking by id or reference. Raises NotFound."""
    key = named.strip()
    row = tx.execute(
        select(booking).where(
            (booking.c.id == key) | (booking.c.reference == key.upper()),
            booking.c.account_id == actor.traveler_id,
            booking.c.invoiced_to.is_(None),  # what a reseller sold is ended over OCTO, where no money of it passes here
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such booking of yours. Say \u201cshow my bookings\u201d to see the references.")
    return row


def _can_be_cancelled(row: Row[Any], now: datetime) -> None:
    if row.status != "CONFIRMED":
        raise WrongState(f"{row.title} is not a confirmed booking, so there is nothing to cancel.", status=row.status)
    if row.starts_at <= now:
        raise Refused(f"{row.title} has already begun; it can no longer be cancelled here. A person can look at it.")


def propose(engine: Engine, actor: Actor, named: str) -> dict[str, Any]:
    """What cancelling this booking would give back, for the traveler to confirm. Changes nothing.

    Returns the booking's facts, "proposal_id", "paid", "refund", "refund_bps", "until" (when the refund gets smaller).
    Raises NotFound, WrongState, Refused once it has begun.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        conversations.hold_fence(tx, actor)
        row = find(tx, actor, named)
        _can_be_cancelled(row, now)
        terms = terms_of(tx, row, now)
        proposal_id = bookings.make_proposal(tx, engine, actor, KIND, terms, now)
        return {**bookings.facts_of(row), **terms, "proposal_id": proposal_id}


def commit(engine: Engine, actor: Actor, proposal_id: str) -> dict[str, Any]:
    """The traveler's yes: the booking ends, its places are free, the refund is on its way. Twice is once.

    Raises Expired for an old proposal, PriceChanged where the refund is another one by now, WrongState, NotAllowed.
    """
    now = engine.clock()
    with engine.db.write() as tx:
        tx.execute(select(proposal.c.id).where(proposal.c.id == proposal_id).with_for_update()).one_or_none()
        offer = bookings.find_proposal(tx, actor, proposal_id)
        if offer.status == "committed":
            result: dict[str, Any] = offer.result
            return {**result, "again": True}
        if offer.kind != KIND or offer.status != "live" or offer.expires_at <= now:
            raise Expired("That preview is no longer current. Ask to cancel again and confirm the new one.")
        row = tx.execute(select(booking).where(booking.c.id == offer.terms["booking_id"]).with_for_update()).one()
        _can_be_cancelled(row, now)
        terms = terms_of(tx, row, now)
        if terms["refund"] != offer.terms["refund"]:
            raise PriceChanged("What comes back has changed since it was shown. Ask to cancel again to see it.", **terms)
        result = end(tx, row, actor, terms["refund"], "cancelled by the traveler", now)
        tx.execute(update(proposal).where(proposal.c.id == offer.id).values(status="committed", result=result))
        return result


def by_provider(engine: Engine, actor: Actor, booking_id: str, *, reason: str = "") -> dict[str, Any]:
    """The provider (or an operator) cannot keep it: everything comes back. Raises NotFound for another provider's, WrongState."""
    now = engine.clock()
    with engine.db.write() as tx:
        row = tx.execute(select(booking).where(booking.c.id == booking_id).with_for_update()).one_or_none()
        if row is None or (actor.role != "operator" and row.provider_id not in actor.provider_ids):
            raise NotFound("There is no such booking.")
        if row.status != "CONFIRMED":
            raise WrongState(f"{row.title} is not a confirmed booking, so there is nothing to cancel.", status=row.status)
        paid = sum(amount for _, amount in paid_for(tx, row.id))
        return end(tx, row, actor, paid, reason or "cancelled by the provider", now, said=reason)


def close_pages(tx: Connection, booking_id: str, now: datetime) -> None:
    """Nobody should pay what is no longer due; who does so all the same gets it back."""
    pages = select(payment.c.id).join(share, share.c.payment_id == payment.c.id).where(share.c.booking_id == booking_id)
    for payment_id in tx.execute(pages.where(payment.c.status.in_(OPEN)).distinct()).scalars():
        jobs.enqueue(tx, "payment.close", {"payment_id": payment_id}, run_at=now, now=now, dedupe=f"close:{payment_id}")


def end(tx: Connection, row: Row[Any], actor: Actor, amount: int, reason: str, now: datetime, *, said: str = "") -> dict[str, Any]:
    """Free the places, decide the refunds (the newest charge first), tell both sides. `amount` is minor units in all."""
    alterations.give_up(tx, row.id)
    holds.give_back(tx, [row.id])
    status = move_booking(tx, row, "cancel", actor, now, reason=reason, pay_by=None)
    close_pages(tx, row.id, now)
    left = amount
    for paid, of_booking in paid_for(tx, row.id):
        part = min(left, of_booking)
        if part > 0:
            ask_refund(tx, paid.id, part, now, booking_id=row.id, reason=reason)
            left -= part
    owner = tx.execute(select(provider).where(provider.c.id == row.provider_id)).one()
    facts = {
        **bookings.facts_of(row),
        "status": status,
        "refund": amount,
        "provider": owner.name,
        "by": "provider" if actor.role in ("provider", "operator") else "house" if actor.role == "system" else "traveler",
        "reason": said[:300],
    }
    actions = []
    if facts["by"] == "provider":
        actions.append({"label": "see_alternatives", "press": {"verb": "alternatives", "params": {"product_id": row.product_id}}})
    notices.tell(tx, row.conversation_id, "booking_cancelled", facts, now, key=f"cancelled:{row.id}", actions=actions)
    if facts["by"] == "provider" and not row.invoiced_to:
        bookings.offer_others(tx, row.id, now)
    notices.mail_traveler(tx, row, "booking_cancelled", facts, now, key=f"cancelled:{row.id}")
    told = {**facts, "traveler": row.contact.get("name", "")}
    notices.tell_provider(tx, owner, "booking_cancelled", told, now, key=f"cancelled:{row.id}")
    return {"booking_id": row.id, "reference": row.reference, "status": status, "refund": amount, "currency": row.currency}
