"""A confirmed booking becomes another day or party: the places move first, then the booking; both or neither.

Only the difference moves: what is gained is held (or taken at once), what is given up is free again when the change counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from core import holds, hooks, notices
from core.availability import Want
from core.bookings import facts_of
from core.engine import SYSTEM, Actor
from core.errors import SoldOut
from core.payments import payouts
from core.schema import booking, booking_change, hold, provider
from core.settings import Rules
from core.states import record

Key = tuple[str, date, str]


def difference(tx: Connection, booking_id: str, wanted: Sequence[Want]) -> tuple[list[Want], list[Want]]:
    """(places to gain, places to give up) between what the booking has sold to it and what it wants."""
    has: dict[Key, int] = {}
    rows = tx.execute(select(hold).where(hold.c.booking_id == booking_id, hold.c.status == "consumed"))
    for row in rows:
        key = (row.resource_id, row.local_date, row.local_start)
        has[key] = has.get(key, 0) + row.quantity
    wants = {(want.resource_id, want.local_date, want.local_start): want for want in wanted}
    gain = [
        Want(*key, want.quantity - has.get(key, 0), want.capacity) for key, want in sorted(wants.items()) if want.quantity > has.get(key, 0)
    ]
    shed = [
        Want(*key, count - (wants[key].quantity if key in wants else 0), 0)
        for key, count in sorted(has.items())
        if count > (wants[key].quantity if key in wants else 0)
    ]
    return gain, shed


def pack(wants: Sequence[Want]) -> list[list[Any]]:
    """Places as JSON."""
    return [[want.resource_id, want.local_date.isoformat(), want.local_start, want.quantity, want.capacity] for want in wants]


def unpack(rows: Sequence[Sequence[Any]]) -> list[Want]:
    return [Want(row[0], date.fromisoformat(row[1]), row[2], row[3], row[4]) for row in rows]


def apply(tx: Connection, rules: Rules, row: Row[Any], terms: Mapping[str, Any], actor: Actor, now: datetime) -> Row[Any]:
    """Make the change count; `row` is the confirmed booking, locked. Raises SoldOut where the gained places are gone, and then
    nothing has moved. Returns the changed booking."""
    gain = unpack(terms["gain"])
    if gain and not holds.settle(tx, row.id, gain, now):
        holds.release(tx, [row.id])  # what is left of holds that had partly run out
        holds.take(tx, {row.id: gain}, expires_at=now + rules.hold, now=now)
        holds.settle(tx, row.id, gain, now)
    holds.shed(tx, row.id, unpack(terms["shed"]))
    values = {name: _value(name, terms["values"][name]) for name in terms["values"]}
    tx.execute(update(booking).where(booking.c.id == row.id).values(version=booking.c.version + 1, **values))
    record(tx, row.id, "change", row.status, row.status, actor, now, _said(row, values))
    fresh = tx.execute(select(booking).where(booking.c.id == row.id)).one()
    hooks.booking_changed(tx, row.id, now)
    payouts.refresh_due(tx, row.id, now)
    _tell(tx, row, fresh, int(terms["refund"]), now)
    return fresh


MOMENTS = ("starts_at", "balance_due_at", "pay_by")
DAYS = ("local_date", "end_date")


def _value(name: str, given: Any) -> Any:
    if given is not None and name in MOMENTS:
        return datetime.fromisoformat(given)
    return date.fromisoformat(given) if given is not None and name in DAYS else given


def _said(row: Row[Any], values: Mapping[str, Any]) -> str:
    """What was changed, for the booking's own history."""
    shown = ("local_date", "end_date", "local_start", "units", "quantity", "amount")
    return ", ".join(
        f"{name} {getattr(row, name)} -> {values[name]}" for name in shown if name in values and getattr(row, name) != values[name]
    )


def _tell(tx: Connection, before: Row[Any], fresh: Row[Any], refund: int, now: datetime) -> None:
    owner = tx.execute(select(provider).where(provider.c.id == fresh.provider_id)).one()
    facts = {**facts_of(fresh), "before": facts_of(before), "refund": refund, "provider": owner.name}
    key = f"changed:{fresh.id}:{fresh.version}"
    notices.tell(tx, fresh.conversation_id, "booking_changed", facts, now, key=key)
    notices.mail_traveler(tx, fresh, "booking_changed", facts, now, key=key)
    notices.tell_provider(tx, owner, "booking_changed", {**facts, "traveler": fresh.contact.get("name", "")}, now, key=key)


def waiting(tx: Connection, payment_id: str) -> Row[Any] | None:
    """The change that waits for this payment."""
    query = select(booking_change).where(booking_change.c.payment_id == payment_id, booking_change.c.status == "waiting")
    return tx.execute(query.with_for_update()).one_or_none()


def paid(tx: Connection, rules: Rules, payment_id: str, now: datetime) -> bool:
    """The difference has arrived: the change counts. False where it can no longer be had, so the money has to go back."""
    found = waiting(tx, payment_id)
    if found is None:
        return False
    row = tx.execute(select(booking).where(booking.c.id == found.booking_id).with_for_update()).one()
    holds.stand_still(tx, [row.option_id])
    if row.status != "CONFIRMED":  # it has begun, or ended, while its page was open
        give_up(tx, row.id)
        return False
    try:
        with tx.begin_nested():
            apply(tx, rules, row, found.terms, SYSTEM, now)
    except SoldOut:
        holds.release(tx, [row.id])
        _end(tx, found.id, "expired", None)
        return False
    _end(tx, found.id, "applied", now)
    return True


def give_up(tx: Connection, booking_id: str) -> None:
    """A change that waits is not coming: its places are free again, the booking stays what it is."""
    query = select(booking_change.c.id).where(booking_change.c.booking_id == booking_id, booking_change.c.status == "waiting")
    for change_id in tx.execute(query).scalars().all():
        holds.release(tx, [booking_id])
        _end(tx, change_id, "expired", None)


def _end(tx: Connection, change_id: str, status: str, applied_at: datetime | None) -> None:
    tx.execute(
        update(booking_change)
        .where(booking_change.c.id == change_id, booking_change.c.status == "waiting")
        .values(status=status, applied_at=applied_at)
    )
