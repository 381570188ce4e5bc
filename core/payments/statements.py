"""What a provider or an expert earned, gave back and was sent, line by line from the ledger."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from core.money import exponent
from core.schema import booking, ledger_entry, payment, share

KINDS = {
    "in": "sale",
    "refund": "refund",
    "refund_failed": "refund returned",
    "send": "payout",
    "take": "payout taken back",
    "net": "set off",
    "dispute_lost": "dispute lost",
}
COLUMNS = ("date", "kind", "reference", "title", "service_date", "currency", "amount", "posting")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lines(tx: Connection, party: str, party_id: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Postings of a party in [start, end), the oldest first. `amount` in minor units: earned is positive, sent on or given back
    negative, so that the sum is what is still owed to them. An amount set off against another sale appears twice and sums to 0."""
    rows = tx.execute(
        select(share.c.id, booking.c.reference, booking.c.title, booking.c.local_date)
        .outerjoin(booking, booking.c.id == share.c.booking_id)
        .join(payment, payment.c.id == share.c.payment_id)
        .where(share.c.party == party, share.c.party_id == party_id)
    ).all()
    by_name = {f"{party}:{party_id}:{row.id}": row for row in rows}
    found = []
    names = sorted(by_name)
    for at in range(0, len(names), 500):
        entries = tx.execute(
            select(ledger_entry).where(
                ledger_entry.c.account.in_(names[at : at + 500]), ledger_entry.c.at >= start, ledger_entry.c.at < end
            )
        )
        for entry in entries:
            sold = by_name[entry.account]
            kind = entry.posting.partition(":")[0]
            found.append(
                {
                    "at": entry.at,
                    "kind": KINDS.get(kind, kind),
                    "reference": sold.reference or "",
                    "title": sold.title or "Travel expert's fee",
                    "service_date": sold.local_date.isoformat() if sold.local_date else "",
                    "currency": entry.currency,
                    "amount": -entry.amount,
                    "posting": entry.posting,
                }
            )
    return sorted(found, key=lambda line: (line["at"], line["posting"], line["reference"]))


def detailed(tx: Connection, party: str, party_id: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """`lines` with the whole "price" of the booking, the "tax" in it and our "fee" on it, minor units; None where there is no booking."""
    found = lines(tx, party, party_id, start, end)
    named = sorted({line["reference"] for line in found if line["reference"]})
    rows = tx.execute(
        select(booking.c.reference, booking.c.amount, booking.c.tax_amount, booking.c.fee_amount).where(booking.c.reference.in_(named))
    )
    of = {row.reference: {"price": row.amount, "tax": row.tax_amount, "fee": row.fee_amount} for row in rows}
    return [{**line, **of.get(line["reference"], {"price": None, "tax": None, "fee": None})} for line in found]


def as_csv(rows: list[dict[str, Any]]) -> str:
    """The lines as CSV (RFC 4180) with amounts in units of their currency. Text that a spreadsheet would run is defused."""
    return in_csv(COLUMNS, [{**row, "date": row["at"].date().isoformat()} for row in rows], money=("amount",))


def in_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, money: Sequence[str] = ()) -> str:
    """Rows as CSV; the `money` columns are minor units of the row's "currency" and are written in whole units."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_units(row[name], row["currency"]) if name in money else _plain(str(row[name])) for name in columns])
    return out.getvalue()


def _units(amount: int, currency: str) -> str:
    return f"{Decimal(amount).scaleb(-exponent(currency)):f}"


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
