"""Double entry, append-only: every posting sums to zero per currency and is keyed by the gateway's own id."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from core.errors import CoreError
from core.schema import ledger_entry


class Unbalanced(CoreError):
    """A posting whose legs do not sum to zero; a bug, never written."""

    code = "unbalanced"


def post(tx: Connection, posting: str, legs: Mapping[str, int], currency: str, now: datetime) -> bool:
    """Write the legs {account: minor units} once; False where this posting is already there."""
    if sum(legs.values()) != 0:
        raise Unbalanced(f"The posting {posting} does not sum to zero.", legs=dict(legs))
    if tx.execute(select(ledger_entry.c.posting).where(ledger_entry.c.posting == posting).limit(1)).first() is not None:
        return False
    rows = [
        {"posting": posting, "account": name, "currency": currency, "amount": amount, "at": now} for name, amount in legs.items() if amount
    ]
    if rows:
        tx.execute(insert(ledger_entry), rows)
    return True


def balances(tx: Connection) -> dict[tuple[str, str], int]:
    """{(account, currency): minor units}."""
    rows = tx.execute(
        select(ledger_entry.c.account, ledger_entry.c.currency, func.sum(ledger_entry.c.amount)).group_by(
            ledger_entry.c.account, ledger_entry.c.currency
        )
    )
    return {(name, currency): int(amount) for name, currency, amount in rows}


def unbalanced(tx: Connection) -> list[dict[str, Any]]:
    """Postings that do not sum to zero per currency: must be empty."""
    rows = tx.execute(
        select(ledger_entry.c.posting, ledger_entry.c.currency, func.sum(ledger_entry.c.amount).label("sum"))
        .group_by(ledger_entry.c.posting, ledger_entry.c.currency)
        .having(func.sum(ledger_entry.c.amount) != 0)
    )
    return [dict(row._mapping) for row in rows]
