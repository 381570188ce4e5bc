"""What has to be paid, when, and whose it is: payments are opened with their shares, which sum to them exactly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from core.engine import new_id
from core.money import allocate
from core.schema import payment, share


def open_payment(
    tx: Connection,
    *,
    conversation_id: str,
    account_id: str,
    kind: str,
    bookings: Sequence[Any],
    amounts: Sequence[int],
    extra: Sequence[tuple[str, str, int]] = (),
    proposal_id: str | None,
    expires_at: datetime,
    now: datetime,
) -> str:
    """A payment row and one share per party and booking. `amounts[i]` is what is due now for `bookings[i]`; `extra` are
    further parts as (party, party id, amount), such as an expert's fee. Returns the payment's id."""
    payment_id = new_id()
    currency = bookings[0].currency
    total = sum(amounts) + sum(amount for _, _, amount in extra)
    tx.execute(
        insert(payment).values(
            id=payment_id,
            conversation_id=conversation_id,
            account_id=account_id,
            kind=kind,
            status="new",
            currency=currency,
            amount=total,
            proposal_id=proposal_id,
            frozen={},
            expires_at=expires_at,
            created_at=now,
        )
    )
    rows = []
    for row, amount in zip(bookings, amounts, strict=True):
        provider_part, platform_part = split(row.amount, row.fee_amount, amount)
        rows.append(_share(payment_id, row.id, "provider", row.provider_id, provider_part))
        rows.append(_share(payment_id, row.id, "platform", "", platform_part))
    rows += [_share(payment_id, None, party, party_id, amount) for party, party_id, amount in extra]
    tx.execute(insert(share), rows)
    return payment_id


def split(whole: int, fee: int, now_due: int) -> tuple[int, int]:
    """(provider's part, platform's part) of what is due now, pro rata to the whole booking; they sum to `now_due`."""
    if whole == 0:
        return now_due, 0
    provider_part, platform_part = allocate(now_due, [whole - fee, fee])
    return provider_part, platform_part


def _share(payment_id: str, booking_id: str | None, party: str, party_id: str, amount: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "payment_id": payment_id,
        "booking_id": booking_id,
        "party": party,
        "party_id": party_id,
        "amount": amount,
        "transfers": [],
    }
