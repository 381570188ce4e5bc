"""What must be true of all money at any quiet moment: our rows against what the gateway says it holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from core import holds
from core.db import Database
from core.payments import collect, ledger
from core.schema import booking, hold, job, payment, refund, share
from tests.gateway import MemoryGateway


@dataclass(frozen=True, slots=True)
class Captured:
    """A charge that went through, as the gateway tells it."""

    charge: str
    session: str
    amount: int
    currency: str
    refunded: int


def captured_by(gateway: MemoryGateway) -> list[Captured]:
    return [
        Captured(page.charge_id, page.session_id, page.amount, page.currency.upper(), gateway.refunded(page.charge_id))
        for page in gateway.pages.values()
        if page.charge_id is not None
    ]


def violations(db: Database, captured: Sequence[Captured], open_sessions: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Every invariant that does not hold, as a sentence; [] is what everybody wants.

    `open_sessions` are (payment id, session id) of pages that could still be paid at the gateway.
    """
    wrong: list[str] = []
    charges = {one.charge: one for one in captured}
    with db.read() as tx:
        wrong += [f"I1 the posting {one['posting']} sums to {one['sum']} {one['currency']}" for one in ledger.unbalanced(tx)]
        wrong += [f"places: {one}" for one in holds.drift(tx)]
        balances = ledger.balances(tx)
        payments = tx.execute(select(payment)).all()
        shares = tx.execute(select(share)).all()
        refunds = tx.execute(select(refund)).all()
        sold = {row.id: [one for one in collect.bookings_of(tx, row.id) if one.status in ("CONFIRMED", "REDEEMED")] for row in payments}
        at_rest = tx.execute(select(hold.c.id).where(hold.c.status == "active")).all()
        confirmed = {row.id: row.amount for row in tx.execute(select(booking).where(booking.c.status == "CONFIRMED"))}
        kept = set(tx.execute(select(hold.c.booking_id).where(hold.c.status == "consumed")).scalars())
        wrong += [f"the booking {id} is confirmed without places" for id in confirmed if id not in kept]
        wrong += [f"the job {row.kind} was given up: {row.error}" for row in tx.execute(select(job).where(job.c.state == "dead"))]
    held: dict[str, int] = defaultdict(int)
    for one in captured:
        held[one.currency] += one.amount - one.refunded
    for currency in {*held, *(currency for _, currency in balances)}:
        booked = balances.get(("gateway", currency), 0)
        if booked != held[currency]:
            wrong.append(f"I2 the books say {booked} {currency}, the gateway holds {held[currency]}")
    for (name, currency), amount in balances.items():
        if name.startswith("traveler:") and amount:
            wrong.append(f"I7 {amount} {currency} of {name} has not gone back")
    bought: set[str] = set()
    for row in payments:
        mine = [one for one in shares if one.payment_id == row.id]
        given = sum(one.amount for one in refunds if one.payment_id == row.id and one.state != "failed")
        if sum(one.amount for one in mine) != row.amount or any(one.amount < 0 for one in mine):
            wrong.append(f"I3 the shares of {row.id} are not its {row.amount}")
        if not sum(one.reversed for one in mine) == given == row.refunded <= row.amount:
            wrong.append(f"I4 {row.id}: refunds {given}, reversed {sum(one.reversed for one in mine)}, noted {row.refunded}")
        if any(not 0 <= one.reversed <= one.amount for one in mine):
            wrong.append(f"I14 a share of {row.id} is reversed beyond itself")
        if row.status == "paid":
            charge = charges.get(row.charge_id or "")
            if charge is None or (charge.amount, charge.currency, charge.session) != (row.amount, row.currency, row.session_id):
                wrong.append(f"I11 {row.id} is paid without a charge of its amount")
            elif charge.refunded != row.refunded:
                wrong.append(f"I13 {row.id}: {row.refunded} decided, {charge.refunded} given back")
            elif not sold[row.id] and row.refunded != row.amount:
                wrong.append(f"I7 {row.id} sold nothing and keeps {row.amount - row.refunded}")
            bought |= {one.id for one in sold[row.id]}
        elif sold[row.id]:
            wrong.append(f"I11 {row.id} is {row.status}, and a booking of it is confirmed")
    for id, amount in confirmed.items():
        if amount and id not in bought:
            wrong.append(f"I11 the booking {id} is confirmed without a payment")
    recorded = {row.charge_id for row in payments}
    for one in captured:
        if one.charge not in recorded and one.refunded != one.amount:
            wrong.append(f"I7 {one.charge} sold nothing and {one.amount - one.refunded} of it is still here")
    ours = {row.session_id: row.status for row in payments}
    for payment_id, session in open_sessions:
        if ours.get(session) != "open":
            wrong.append(f"I8 the page {session} of {payment_id} can be paid, and we do not wait for it")
    if at_rest and not any(row.status in ("new", "open") for row in payments):
        wrong.append(f"{len(at_rest)} places are held for nobody")
    return wrong
