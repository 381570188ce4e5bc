"""Our books, our rows and the gateway side by side: every difference is a sentence, and there should be none."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from core import holds
from core.engine import Engine
from core.payments import ledger
from core.payments.gateway import Movement
from core.schema import ledger_entry, payment, refund, share

POSTING = {"charge": ("in", 1), "refund": ("refund", -1), "transfer": ("send", -1), "reversal": ("take", 1)}
SETTLING = timedelta(minutes=10)  # what the gateway did this recently may not be in our books yet


def differences(engine: Engine, since: datetime) -> dict[str, Any]:
    """{"movements": how many the gateway told, "differences": [sentence, ...]} since a moment.

    The gateway is asked outside any transaction. Raises GatewayRefused, GatewayUnknown.
    """
    now = engine.clock()
    told = list(engine.gateway.movements(since))
    with engine.db.read() as tx:
        wrong = [*_against_books(tx, told, since, now), *_rows(tx)]
        wrong += [f"the posting {one['posting']} sums to {one['sum']} {one['currency']}" for one in ledger.unbalanced(tx)]
        wrong += [f"the slot {one['resource_id']} {one['local_date']} is counted wrong" for one in holds.drift(tx)]
    return {"movements": len(told), "differences": wrong}


def _against_books(tx: Connection, told: list[Movement], since: datetime, now: datetime) -> list[str]:
    """Each movement needs its posting with the same amount, and each posting its movement."""
    prefixes = tuple(f"{name}:" for name, _ in POSTING.values())
    booked: dict[str, tuple[int, str, datetime]] = {}
    rows = tx.execute(select(ledger_entry).where(ledger_entry.c.account == "gateway"))
    for row in rows:
        if row.posting.startswith(prefixes):
            booked[row.posting] = (int(row.amount), row.currency, row.at)
    failed = {row.removeprefix("refund_failed:") for row in _postings(tx, "refund_failed:")}
    wrong = []
    seen = set()
    for one in told:
        name, sign = POSTING[one.kind]
        key = f"{name}:{one.id}"
        seen.add(key)
        if key not in booked:
            if one.at < now - SETTLING:
                wrong.append(f"the gateway's {one.kind} {one.id} of {one.amount} {one.currency} is not in our books")
        elif booked[key][:2] != (sign * one.amount, one.currency):
            amount, currency, _ = booked[key]
            wrong.append(f"the {one.kind} {one.id} is {one.amount} {one.currency} at the gateway and {abs(amount)} {currency} in our books")
    for key, (amount, currency, at) in booked.items():
        back = key.startswith("refund:") and key.removeprefix("refund:") in failed
        if key not in seen and not back and at > since + SETTLING:
            wrong.append(f"our posting {key} of {abs(amount)} {currency} is unknown to the gateway")
    return wrong


def _postings(tx: Connection, prefix: str) -> list[str]:
    return list(tx.execute(select(ledger_entry.c.posting).where(ledger_entry.c.posting.startswith(prefix)).distinct()).scalars())


def _rows(tx: Connection) -> list[str]:
    """Payments and shares against the ledger accounts they should stand behind."""
    balances = ledger.balances(tx)
    wrong = []
    paid = {row.id: row for row in tx.execute(select(payment).where(payment.c.status == "paid"))}
    sums = dict.fromkeys(paid, 0)
    decided: dict[str, int] = {}  # refunds that are in the shares, and in the ledger only once they were carried out
    for todo in tx.execute(select(refund).where(refund.c.state == "todo")):
        for share_id, amount in todo.parts.items():
            decided[share_id] = decided.get(share_id, 0) + amount
    for one in tx.execute(select(share)):
        row = paid.get(one.payment_id)
        name = f"{one.party}:{one.party_id or 'house'}:{one.id}"
        expected = 0 if row is None else (one.sent - one.back) - (one.amount - one.reversed)
        currency = row.currency if row is not None else None
        found = sum(amount for (account, of), amount in balances.items() if account == name and currency in (None, of))
        if found != expected - decided.get(one.id, 0):
            wrong.append(f"the share {one.id} of {one.party} {one.party_id or 'house'} should stand at {expected}, the ledger says {found}")
        if row is not None:
            sums[one.payment_id] += one.amount
    wrong += [
        f"the shares of payment {id} sum to {total}, not to {paid[id].amount}" for id, total in sums.items() if total != paid[id].amount
    ]
    return wrong
