"""When a traveler's bank takes the money back: booked as it happens, answered with what we have, and settled when it is decided.

While a dispute is open nothing of its payment is sent on. Lost, the amount is given up by the shares pro rata and what was
already sent is taken back; won, everything goes on as if nothing had been.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from core import notices
from core.engine import Actor, Engine
from core.errors import NotAllowed, NotFound, Refused
from core.money import Money, allocate
from core.payments import collect, payouts
from core.payments.gateway import FetchedDispute, GatewayMisused, GatewayRefused
from core.payments.ledger import post
from core.schema import booking, booking_event, dispute, ledger_entry, payment, proposal, refund, share


def sync(engine: Engine, dispute_id: str) -> dict[str, Any]:
    """Fetch a dispute and apply what the gateway says. Safe at any time, in any order. Raises NotFound for a charge that is not
    ours, GatewayUnknown."""
    fetched = engine.gateway.fetch_dispute(dispute_id)
    if fetched.status == "lost":
        _settle_refunds(engine, fetched.charge_id)
    return apply(engine, fetched)


def _settle_refunds(engine: Engine, charge_id: str) -> None:
    """A refund that is only decided in our rows may have gone out just before the dispute: asked for once more under the same
    key, the gateway tells. What it refuses now was never given."""
    with engine.db.read() as tx:
        todo = select(refund.c.id).join(payment, payment.c.id == refund.c.payment_id)
        todo = todo.where(payment.c.charge_id == charge_id, refund.c.state == "todo").order_by(refund.c.id)
        ids = tx.execute(todo).scalars().all()
    for refund_id in ids:
        try:
            collect.send_refund(engine, refund_id)
        except GatewayMisused:
            raise
        except GatewayRefused:
            continue


def apply(engine: Engine, fetched: FetchedDispute) -> dict[str, Any]:
    now = engine.clock()
    with engine.db.write() as tx:
        paid = tx.execute(select(payment).where(payment.c.charge_id == fetched.charge_id).with_for_update()).one_or_none()
        orphan = paid is None
        if paid is None:
            paid = _orphan_of(tx, fetched.charge_id)
        row = tx.execute(select(dispute).where(dispute.c.id == fetched.dispute_id)).one_or_none()
        if row is None:
            row = _open(tx, paid, fetched, now)
        if row.status in ("won", "lost"):  # final; an older answer changes nothing
            return _view(row)
        currency = fetched.currency.upper()
        legs = {"gateway": -row.amount, f"dispute:{row.id}": row.amount}
        if fetched.withdrawn and not row.withdrawn:
            post(tx, f"dispute:{row.id}", legs, currency, now)
        if row.withdrawn and not fetched.withdrawn and fetched.status != "lost":
            post(tx, f"dispute_back:{row.id}", {name: -amount for name, amount in legs.items()}, currency, now)
        over = fetched.status in payouts.CLOSED_DISPUTES
        tx.execute(
            update(dispute)
            .where(dispute.c.id == row.id)
            .values(
                status=fetched.status,
                withdrawn=fetched.withdrawn,
                due_by=fetched.due_by,
                closed_at=now if over else None,
            )
        )
        if fetched.status == "lost":
            if orphan:
                _orphan_lost(tx, row, paid, fetched, now)
            else:
                _lost(tx, row, paid, fetched, now)
        if over:
            payouts.wake(tx, list(tx.execute(select(share.c.id).where(share.c.payment_id == paid.id)).scalars()), now)
        if fetched.status != row.status:
            _alarm(tx, paid, fetched, now)
        return _view(tx.execute(select(dispute).where(dispute.c.id == row.id)).one())


def _open(tx: Connection, paid: Row[Any], fetched: FetchedDispute, now: datetime) -> Row[Any]:
    tx.execute(
        insert(dispute).values(
            id=fetched.dispute_id,
            payment_id=paid.id,
            status="opened",
            reason=fetched.reason[:60],
            currency=fetched.currency.upper(),
            amount=fetched.amount,
            due_by=fetched.due_by,
            parts={},
            opened_at=now,
        )
    )
    return tx.execute(select(dispute).where(dispute.c.id == fetched.dispute_id)).one()


def _orphan_of(tx: Connection, charge_id: str) -> Row[Any]:
    """The payment whose page took money that fitted no sale; locked. Raises NotFound for a charge we have not booked."""
    legs = tx.execute(select(ledger_entry.c.account).where(ledger_entry.c.posting == f"in:{charge_id}")).scalars()
    owner = next((account.removeprefix("traveler:") for account in legs if account.startswith("traveler:")), None)
    if owner is None:
        raise NotFound("That dispute is about a charge we do not know.")
    return collect.get(tx, owner, lock=True)


def _orphan_lost(tx: Connection, row: Row[Any], paid: Row[Any], fetched: FetchedDispute, now: datetime) -> None:
    """Money that fitted no sale was the traveler's anyway; the bank has given it to them. What was refunded as well is the house's
    loss."""
    _withdrawn(tx, row, fetched, now)
    owed = -(tx.execute(select(func.sum(ledger_entry.c.amount)).where(ledger_entry.c.account == f"traveler:{paid.id}")).scalar_one() or 0)
    given = max(0, min(row.amount, int(owed)))
    legs = {f"dispute:{row.id}": -row.amount, f"traveler:{paid.id}": given, "house:disputes": row.amount - given}
    post(tx, f"dispute_lost:{row.id}", {name: amount for name, amount in legs.items() if amount}, row.currency, now)


def _withdrawn(tx: Connection, row: Row[Any], fetched: FetchedDispute, now: datetime) -> None:
    """Lost before we heard that the money was taken: booked now."""
    if not row.withdrawn and not fetched.withdrawn:
        legs = {"gateway": -row.amount, f"dispute:{row.id}": row.amount}
        post(tx, f"dispute:{row.id}", legs, row.currency, now)


def _lost(tx: Connection, row: Row[Any], paid: Row[Any], fetched: FetchedDispute, now: datetime) -> None:
    """The money is the bank's: refunds that were only decided are not paid on top, and the shares give the amount up."""
    _withdrawn(tx, row, fetched, now)
    for todo in tx.execute(select(refund).where(refund.c.payment_id == paid.id, refund.c.state == "todo")).all():
        done = tx.execute(update(refund).where(refund.c.id == todo.id, refund.c.state == "todo").values(state="failed"))
        if done.rowcount == 1:
            for share_id, amount in todo.parts.items():
                tx.execute(update(share).where(share.c.id == share_id).values(reversed=share.c.reversed - amount))
            tx.execute(update(payment).where(payment.c.id == paid.id).values(refunded=payment.c.refunded - todo.amount))
    shares = tx.execute(select(share).where(share.c.payment_id == paid.id).order_by(share.c.id)).all()
    left = [one.amount - one.reversed for one in shares]
    given = min(row.amount, sum(left))
    parts = allocate(given, left) if given else [0] * len(shares)
    legs = {f"dispute:{row.id}": -row.amount}
    for one, part in zip(shares, parts, strict=True):
        legs[f"{one.party}:{one.party_id or 'house'}:{one.id}"] = part
        tx.execute(update(share).where(share.c.id == one.id).values(reversed=share.c.reversed + part))
    if row.amount > given:  # more than was left of it: the house bears the rest
        legs["house:disputes"] = row.amount - given
    post(tx, f"dispute_lost:{row.id}", legs, row.currency, now)
    tx.execute(update(payment).where(payment.c.id == paid.id).values(refunded=payment.c.refunded + given))
    named = {one.id: part for one, part in zip(shares, parts, strict=True) if part}
    tx.execute(update(dispute).where(dispute.c.id == row.id).values(parts=named))


def _alarm(tx: Connection, paid: Row[Any], fetched: FetchedDispute, now: datetime) -> None:
    facts = {
        "dispute": fetched.dispute_id,
        "payment_id": paid.id,
        "status": fetched.status,
        "reason": fetched.reason,
        "amount": fetched.amount,
        "currency": fetched.currency.upper(),
        "due_by": fetched.due_by.isoformat() if fetched.due_by else None,
    }
    notices.alarm(tx, "dispute", facts, now)


def _view(row: Row[Any]) -> dict[str, Any]:
    return {
        "dispute_id": row.id,
        "payment_id": row.payment_id,
        "status": row.status,
        "reason": row.reason,
        "amount": row.amount,
        "currency": row.currency,
        "due_by": row.due_by.isoformat() if row.due_by else None,
        "submitted_at": row.submitted_at.isoformat() if row.submitted_at else None,
    }


def listed(engine: Engine, *, limit: int = 50) -> list[dict[str, Any]]:
    """Disputes, the newest first."""
    with engine.db.read() as tx:
        return [_view(row) for row in tx.execute(select(dispute).order_by(dispute.c.opened_at.desc(), dispute.c.id).limit(limit)).all()]


def evidence(tx: Connection, payment_id: str) -> dict[str, str]:
    """What speaks for us, in the gateway's fields: what was sold and confirmed, by whose yes to which terms, and what happened since."""
    paid = tx.execute(select(payment).where(payment.c.id == payment_id)).one()
    ids = select(share.c.booking_id).where(share.c.payment_id == payment_id, share.c.booking_id.is_not(None))
    sold = tx.execute(select(booking).where(booking.c.id.in_(ids)).order_by(booking.c.starts_at)).all()
    if not sold:
        raise Refused("Nothing was sold with this payment, so there is nothing to show.")
    contact = sold[0].contact
    events = tx.execute(
        select(booking_event)
        .where(booking_event.c.booking_id.in_([one.id for one in sold]))
        .order_by(booking_event.c.at, booking_event.c.id)
    ).all()
    terms = None if paid.proposal_id is None else tx.execute(select(proposal).where(proposal.c.id == paid.proposal_id)).one_or_none()
    lines = [
        f"{one.reference}: {one.title}, {one.local_date.isoformat()} {one.local_start} ({one.time_zone}), {one.status},"
        f" {Money(one.amount, one.currency).text()}"
        for one in sold
    ]
    policy = "; ".join(f"{tier['refund_bps'] / 100:g} % until {tier['hours']} h before the start" for tier in sold[0].policy)
    agreed = (
        f"The customer confirmed these terms themselves (proposal {terms.id}, SHA-256 {terms.digest}, shown {terms.created_at.isoformat()})."
        if terms is not None
        else "The customer opened this payment themselves for the booking named above."
    )
    log = "\n".join(
        f"{one.at.isoformat()} {one.event} {one.from_status}->{one.to_status} by {one.actor_role} via {one.source}" for one in events
    )
    return {
        "product_description": "\n".join(lines),
        "customer_name": str(contact.get("name", "")),
        "customer_email_address": str(contact.get("email", "")),
        "service_date": sold[0].local_date.isoformat(),
        "cancellation_policy_disclosure": f"Shown with the price before the booking was confirmed: {policy or 'no refund after booking'}.",
        "uncategorized_text": agreed,
        "access_activity_log": log,
    }


def submit(engine: Engine, actor: Actor, dispute_id: str) -> dict[str, Any]:
    """An operator answers a dispute with what we have; once. Raises NotAllowed, NotFound, Refused, GatewayUnknown."""
    if actor.role != "operator":
        raise NotAllowed("Only an operator answers disputes.")
    with engine.db.write() as tx:
        row = tx.execute(select(dispute).where(dispute.c.id == dispute_id).with_for_update()).one_or_none()
        if row is None:
            raise NotFound("There is no such dispute.")
        if row.submitted_at is not None or row.status in payouts.CLOSED_DISPUTES:
            raise Refused("This dispute was already answered or is closed.")
        told = row.evidence or evidence(tx, row.payment_id)  # frozen before the call
        tx.execute(update(dispute).where(dispute.c.id == dispute_id).values(evidence=told))
    fetched = engine.gateway.submit_evidence(dispute_id, told, key=f"evidence:{dispute_id}")
    now = engine.clock()
    with engine.db.write() as tx:
        tx.execute(update(dispute).where(dispute.c.id == dispute_id).values(submitted_at=now))
    return apply(engine, fetched)
