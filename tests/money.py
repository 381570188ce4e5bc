"""What must be true of all money at any quiet moment: our rows against what the gateway says it holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from core import holds
from core.db import Database
from core.payments import collect, ledger
from core.schema import booking, booking_event, dispute, hold, job, payee, payment, refund, share
from tests.gateway import MemoryGateway


@dataclass(frozen=True, slots=True)
class Captured:
    """A charge that went through, as the gateway tells it."""

    charge: str
    session: str
    amount: int
    currency: str
    refunded: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A transfer as the gateway tells it; `at` is Unix seconds."""

    id: str
    charge: str
    account: str
    group: str
    share: str
    amount: int
    back: int
    currency: str
    at: int


@dataclass(frozen=True, slots=True)
class Disputed:
    """A dispute as the gateway tells it."""

    id: str
    charge: str
    amount: int
    currency: str
    status: str
    withdrawn: bool


def sent_by(gateway: MemoryGateway) -> list[Sent]:
    back: dict[str, int] = defaultdict(int)
    for name, amount in gateway.reversals:
        back[name] += amount
    currency = {page.charge_id: page.currency.upper() for page in gateway.pages.values()}
    return [
        Sent(name, charge, account, group, share_id, amount, back[name], currency[charge], at)
        for name, (charge, account, amount) in gateway.transfers.items()
        for group, share_id, at in [gateway.told[name]]
    ]


def disputed_by(gateway: MemoryGateway) -> list[Disputed]:
    return [
        Disputed(one.dispute_id, one.charge_id, one.amount, one.currency.upper(), one.status, one.withdrawn)
        for one in gateway.opened.values()
    ]


def captured_by(gateway: MemoryGateway) -> list[Captured]:
    return [
        Captured(page.charge_id, page.session_id, page.amount, page.currency.upper(), gateway.refunded(page.charge_id))
        for page in gateway.pages.values()
        if page.charge_id is not None and page.state == "paid"
    ]


def violations(
    db: Database,
    captured: Sequence[Captured],
    open_sessions: Sequence[tuple[str, str]] = (),
    *,
    sent: Sequence[Sent] = (),
    disputed: Sequence[Disputed] = (),
    now: datetime | None = None,
) -> list[str]:
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
        quarrels = tx.execute(select(dispute)).all()
        events = tx.execute(select(booking_event.c.booking_id, booking_event.c.at).where(booking_event.c.to_status == "CANCELLED"))
        ended = {event.booking_id: event.at for event in events}  # cancelled after it was paid for, it may keep something by its policy
        parties = {(row.party, row.party_id): row for row in tx.execute(select(payee))}
        sold = {row.id: [one for one in collect.bookings_of(tx, row.id) if one.status in ("CONFIRMED", "REDEEMED")] for row in payments}
        at_rest = tx.execute(select(hold.c.id).where(hold.c.status == "active")).all()
        confirmed = {row.id: row.amount for row in tx.execute(select(booking).where(booking.c.status == "CONFIRMED"))}
        kept = set(tx.execute(select(hold.c.booking_id).where(hold.c.status == "consumed")).scalars())
        wrong += [f"the booking {id} is confirmed without places" for id in confirmed if id not in kept]
        wrong += [f"the job {row.kind} was given up: {row.error}" for row in tx.execute(select(job).where(job.c.state == "dead"))]
    theirs: dict[str, set[str]] = defaultdict(set)
    for part in shares:
        theirs[part.payment_id].add(part.booking_id or "")
    lost_of: dict[str, list[int]] = defaultdict(list)
    for quarrel in quarrels:
        lost_of[quarrel.payment_id].append(sum(quarrel.parts.values()))
    held: dict[str, int] = defaultdict(int)
    for one in captured:
        held[one.currency] += one.amount - one.refunded
    for transfer in sent:
        held[transfer.currency] -= transfer.amount - transfer.back
    for claim in disputed:
        held[claim.currency] -= claim.amount if claim.withdrawn else 0
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
        lost = sum(lost_of[row.id])
        given = sum(one.amount for one in refunds if one.payment_id == row.id and one.state != "failed") + lost
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
            elif charge.refunded + lost != row.refunded:
                wrong.append(f"I13 {row.id}: {row.refunded} decided, {charge.refunded} given back, {lost} lost")
            elif (
                not sold[row.id]
                and row.refunded != row.amount
                and not any(ended[id] >= row.paid_at for id in theirs[row.id] & ended.keys())
            ):
                wrong.append(f"I7 {row.id} sold nothing and keeps {row.amount - row.refunded}")
            bought |= {one.id for one in sold[row.id]}
        elif sold[row.id] and row.kind in ("FULL", "DEPOSIT"):
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
    return [*wrong, *_sent_wrong(shares, payments, parties, quarrels, sent, disputed, now)]


def _sent_wrong(
    shares: Sequence[Any],
    payments: Sequence[Any],
    parties: Mapping[tuple[str, str], Any],
    quarrels: Sequence[Any],
    sent: Sequence[Sent],
    disputed: Sequence[Disputed],
    now: datetime | None,
) -> list[str]:
    """I5, I6, I12: what every party was sent, against the transfers of the gateway."""
    wrong: list[str] = []
    of = {row.id: row for row in payments}
    by_id = {one.id: one for one in shares}
    named = {name: (one, left) for one in shares for name, left in one.transfers}
    for transfer in sent:
        mine = by_id.get(transfer.share)
        if mine is None or transfer.id not in named or named[transfer.id][0].id != mine.id:
            wrong.append(f"I6 no share knows the transfer {transfer.id} of {transfer.amount}")
            continue
        to = parties.get((mine.party, mine.party_id))
        if to is None or (transfer.account, transfer.group, transfer.charge) != (
            to.account,
            mine.payment_id,
            of[mine.payment_id].charge_id,
        ):
            wrong.append(f"I6 the transfer {transfer.id} went to the wrong place")
        if named[transfer.id][1] != transfer.amount - transfer.back:
            wrong.append(f"I5 {transfer.id}: {named[transfer.id][1]} is out by our rows, {transfer.amount - transfer.back} at the gateway")
        if mine.due_at is None or transfer.at + 1 < mine.due_at.timestamp():
            wrong.append(f"I12 the share {mine.id} was sent before it was due")
        for quarrel in quarrels:
            during = quarrel.opened_at.timestamp() < transfer.at < -1 + (quarrel.closed_at or datetime.max.replace(tzinfo=UTC)).timestamp()
            if quarrel.payment_id == mine.payment_id and during:
                wrong.append(f"I12 {transfer.id} was sent while its payment was disputed")
    known = {transfer.id for transfer in sent}
    wrong += [f"I6 the share {one.id} names a transfer {name} that does not exist" for name, (one, _) in named.items() if name not in known]
    booked: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in shares:
        if any(value < 0 for value in (one.amount, one.reversed, one.sent, one.back)) or one.back > one.sent:
            wrong.append(f"I14 the share {one.id} has a negative side")
        if one.party == "platform" or of[one.payment_id].status != "paid":
            continue
        currency = of[one.payment_id].currency
        booked[(one.party, one.party_id, currency)] += (one.sent - one.back) - sum(left for _, left in one.transfers)
        gap = (one.amount - one.reversed) - (one.sent - one.back)
        to = parties.get((one.party, one.party_id))
        frozen = any(quarrel.payment_id == one.payment_id and quarrel.closed_at is None for quarrel in quarrels)
        due = now is not None and one.due_at is not None and one.due_at < now
        if one.pending is not None:
            wrong.append(f"I5 a step of the share {one.id} was never brought to an end")
        if gap > 0 and due and to is not None and to.state == "active" and not frozen:
            wrong.append(f"I5 {gap} of the share {one.id} is due and was not sent")
        if gap < 0 and one.tries == 0 and any(left for _, left in one.transfers):
            wrong.append(f"I5 {-gap} of the share {one.id} was not asked back")
    wrong += [
        f"I5 what was set off for {party} {id} does not cancel out: {amount} {currency}"
        for (party, id, currency), amount in booked.items()
        if amount
    ]
    told = {one.id: one for one in quarrels}
    for claim in disputed:
        mine = told.get(claim.id)
        if mine is None or (mine.status, mine.withdrawn, mine.amount) != (claim.status, claim.withdrawn, claim.amount):
            wrong.append(f"I2 the dispute {claim.id} ({claim.status}) is not in our rows")
    return wrong
