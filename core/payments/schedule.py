"""What has to be paid, when, and whose it is: payments are opened with their shares, which sum to them exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, insert, select

from core import jobs
from core.catalogue import Listing
from core.engine import new_id
from core.money import allocate, percent
from core.schema import payment, share
from core.settings import Rules

NOON = time(12, 0)


@dataclass(frozen=True, slots=True)
class Deposit:
    """What may be paid now instead of everything (minor units), and when the rest is due (aware UTC)."""

    amount: int
    balance_due_at: datetime


def deposit_for(listed: Listing, amount: int, local_date: date, now: datetime, margin: timedelta) -> Deposit | None:
    """The deposit of one line, by the product's rule or else the provider's; None where all is due at once.

    The rest is due at noon in the product's zone, `balance_days` before the start; nearer than `margin` there is no deposit.
    """
    product, provider = listed.product, listed.provider
    own = product.deposit_bps is not None or product.deposit_amount is not None
    bps, fixed = (product.deposit_bps, product.deposit_amount) if own else (provider.deposit_bps, provider.deposit_amount)
    due = fixed if fixed is not None else percent(amount, bps or 0)
    if product.pay_at_provider or not 0 < due < amount:
        return None
    days = product.balance_days if product.balance_days is not None else provider.balance_days
    at = datetime.combine(local_date - timedelta(days=days), NOON, ZoneInfo(product.time_zone)).astimezone(now.tzinfo)
    return Deposit(due, at) if at > now + margin else None


def lapses_at(row: Any, rules: Rules) -> datetime | None:
    """When a booking whose rest was not paid ends (aware UTC); None where nothing is due later."""
    return None if row.balance_due_at is None else min(row.balance_due_at + rules.balance_grace, row.starts_at)


def next_wake(row: Any, rules: Rules, now: datetime) -> datetime | None:
    """The next moment at which the rest of a booking needs attention: a reminder, or its end."""
    end = lapses_at(row, rules)
    if end is None:
        return None
    reminders = [row.balance_due_at - before for before in rules.balance_reminders]
    return min((at for at in reminders if now < at < end), default=end)


def plan_balance(tx: Connection, rules: Rules, row: Any, now: datetime) -> None:
    """Wake the one who reminds of the rest; `row` is a confirmed booking of which only the deposit was paid."""
    at = next_wake(row, rules, now)
    if at is not None:
        jobs.enqueue(tx, "balance.wake", {"booking_id": row.id}, run_at=at, now=now, dedupe=f"balance:{row.id}")


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
    manual: bool = False,
) -> str:
    """A payment row and one share per party and booking. `amounts[i]` is what is due now for `bookings[i]`; `extra` are
    further parts as (party, party id, amount), such as an expert's fee; `manual` money is only reserved at first. Returns the payment's id."""
    payment_id = new_id()
    currency = bookings[0].currency
    total = sum(amounts) + sum(amount for _, _, amount in extra)
    before = _paid_to(tx, [row.id for row in bookings])
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
            manual=manual,
            expires_at=expires_at,
            created_at=now,
        )
    )
    rows = []
    for row, amount in zip(bookings, amounts, strict=True):
        provider_part, platform_part = split(row.amount, row.fee_amount, amount, before.get(row.id, (0, 0)))
        rows.append(_share(payment_id, row.id, "provider", row.provider_id, provider_part))
        rows.append(_share(payment_id, row.id, "platform", "", platform_part))
    rows += [_share(payment_id, None, party, party_id, amount) for party, party_id, amount in extra]
    tx.execute(insert(share), rows)
    return payment_id


def split(whole: int, fee: int, now_due: int, before: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """(provider's part, platform's part) of what is due now; they sum to `now_due`.

    A first part is taken pro rata of the whole; one that completes it is the remainder over what each `before` got, so that
    deposit and balance together are to the cent what one payment would have been.
    """
    if whole == 0:
        return now_due, 0
    if now_due + sum(before) < whole:
        provider_part, platform_part = allocate(now_due, [whole - fee, fee])
        return provider_part, platform_part
    platform_part = min(max(0, fee - before[1]), now_due)
    return now_due - platform_part, platform_part


def _paid_to(tx: Connection, booking_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
    """{booking id: (provider's, platform's part)} of what was paid and not given back."""
    rows = tx.execute(
        select(share.c.booking_id, share.c.party, func.sum(share.c.amount - share.c.reversed).label("kept"))
        .join(payment, payment.c.id == share.c.payment_id)
        .where(share.c.booking_id.in_(list(booking_ids)), payment.c.status == "paid")
        .group_by(share.c.booking_id, share.c.party)
    ).all()
    kept = {(row.booking_id, row.party): int(row.kept) for row in rows}
    return {one: (kept.get((one, "provider"), 0), kept.get((one, "platform"), 0)) for one in {row.booking_id for row in rows}}


def paid_of(tx: Connection, booking_ids: Iterable[str]) -> dict[str, int]:
    """{booking id: minor units that were paid and not given back}; bookings without a payment are 0."""
    wanted = list(booking_ids)
    return {one: sum(parts) for one, parts in {**dict.fromkeys(wanted, (0, 0)), **_paid_to(tx, wanted)}.items()}


def owed(row: Any, paid: int) -> int:
    """What a confirmed booking still costs the traveler here, minor units; nothing where it is paid on site or by a reseller's invoice."""
    if row.status not in ("CONFIRMED", "REDEEMED") or row.pay_at_provider or row.invoiced_to:
        return 0
    return max(0, int(row.amount) - paid)


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
