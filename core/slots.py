"""Bringing new capacities to the slots that somebody touched before: each keeps the capacity it was opened with.

A slot is closed where nobody who sells it may sell; it keeps its capacity then, because its bookings stand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, tuple_, update

from core import availability, holds, schema
from core.availability import SlotKey, Want
from core.catalogue import Listing, Option, listings

Sellers = Mapping[str, Sequence[tuple[Listing, Option]]]


@dataclass(frozen=True, slots=True)
class Overfull:
    """A slot in which more is held or sold than the catalogue now allows."""

    resource_id: str
    product_id: str
    option_id: str
    local_date: date
    local_start: str
    sold: int
    capacity: int


def fit(tx: Connection, resource_ids: set[str], today: date) -> list[Overfull]:
    """Give the touched slots from today on the capacity the catalogue says now; returns those where more is sold than that.

    Call it in the transaction that changes rules, capacities or exceptions, and decide there what the returned ones mean.

    A closed day keeps its slot: its bookings stand, and nobody can add to them.
    """
    overfull: list[Overfull] = []
    for rows, sellers in _touched(tx, resource_ids, today):
        for row in rows:
            one = _fit(tx, row, sellers.get(row.resource_id, []))
            if one is not None:
                overfull.append(one)
    return overfull


def _touched(tx: Connection, resource_ids: Collection[str], today: date) -> Iterator[tuple[Sequence[Row[Any]], Sellers]]:
    """The slots that exist from yesterday on (zones differ), some resources at a time, with who sells them."""
    slot, ordered = schema.slot.c, sorted(resource_ids)
    for at in range(0, len(ordered), 200):
        some = ordered[at : at + 200]
        rows = tx.execute(
            select(schema.slot)
            .where(slot.resource_id.in_(some), slot.local_date >= today - timedelta(days=1))
            .order_by(slot.resource_id, slot.local_date, slot.local_start)
        ).all()
        if rows:
            yield rows, _sellers(tx, {row.resource_id for row in rows})


def _sellers(tx: Connection, resource_ids: set[str]) -> Sellers:
    query = select(schema.option.c.product_id).distinct().where(schema.option.c.resource_id.in_(resource_ids))
    sellers: dict[str, list[tuple[Listing, Option]]] = {}
    for listed in listings(tx, sorted(tx.execute(query).scalars())).values():
        if listed.product.published:
            for option in listed.options:
                sellers.setdefault(option.resource_id, []).append((listed, option))
    return sellers


def _capacities(row: Any, sellers: Sequence[tuple[Listing, Option]]) -> list[tuple[int, Listing, Option]]:
    """What each option that uses this slot may sell of it."""
    return [
        (availability.capacity_on(listed, option, row.local_date, row.local_start), listed, option)
        for listed, option in sellers
        if row.local_start in ({label for start in option.starts for label in start.occupies} or {""})
    ]


def _fit(tx: Connection, row: Any, sellers: Sequence[tuple[Listing, Option]]) -> Overfull | None:
    best = max(_capacities(row, sellers), key=lambda one: one[0], default=None)
    if best is None:
        return None
    capacity, listed, option = best
    sold = row.held + row.booked
    if capacity == 0 and (sold == 0 or not availability.unruled(listed, option, row.local_date, row.local_start)):
        _set(tx, row, row.capacity, closed=True)
        return None
    if _set(tx, row, capacity, closed=False):
        return None
    return Overfull(row.resource_id, listed.id, option.id, row.local_date, row.local_start, sold, capacity)


def _set(tx: Connection, row: Any, capacity: int, *, closed: bool) -> bool:
    """False where more is sold than that, by the database's own count."""
    if (row.capacity, row.closed) == (capacity, closed):
        return True
    slot = schema.slot
    done = tx.execute(
        update(slot)
        .where(
            slot.c.resource_id == row.resource_id,
            slot.c.local_date == row.local_date,
            slot.c.local_start == row.local_start,
            slot.c.held + slot.c.booked <= capacity,
        )
        .values(capacity=capacity, closed=closed)
    )
    return done.rowcount == 1


# ── a provider's change ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A slot whose capacity a change took away from somebody who had sold of it."""

    resource_id: str
    local_date: date
    local_start: str
    sold: int
    capacity: int
    bookings: tuple[Row[Any], ...]  # booking rows with `taken`, the places of this slot


class Before:
    """What could be sold of the touched slots before a change, to say afterwards whose places it took."""

    def __init__(self, tx: Connection, resource_ids: Collection[str], today: date) -> None:
        self._ids, self._today = resource_ids, today
        self._was = {key: {option: capacity for option, (_, capacity) in of.items()} for key, (_, of) in self._look(tx).items()}

    def _look(self, tx: Connection) -> dict[SlotKey, tuple[Row[Any], dict[str, tuple[Option, int]]]]:
        return {
            (row.resource_id, row.local_date, row.local_start): (
                row,
                {option.id: (option, capacity) for capacity, _, option in _capacities(row, sellers.get(row.resource_id, []))},
            )
            for rows, sellers in _touched(tx, self._ids, self._today)
            for row in rows
        }

    def shrunk(self, tx: Connection, now: datetime) -> list[Shrunk]:
        """Slots in which something is held or sold that the change no longer allows. Expired holds are given back first."""
        smaller = [key for key, (_, of) in self._look(tx).items() if self._smaller(key, of)]
        if not smaller:
            return []
        holds.reclaim(tx, [Want(*key, 0, 0) for key in smaller], now)
        fresh = self._look(tx)
        taken = takers(tx, smaller)
        found = []
        for key in smaller:
            row, of = fresh[key]
            best = max((capacity for _, capacity in of.values()), default=0)
            sold = row.held + row.booked
            lost = {option for option, (_, capacity) in of.items() if capacity == 0 and self._was[key].get(option, 0) > 0}
            concerned = taken.get(key, []) if sold > best else [one for one in taken.get(key, []) if one.option_id in lost]
            if concerned:
                found.append(Shrunk(*key, sold, best, tuple(concerned)))
        return found

    def _smaller(self, key: SlotKey, of: Mapping[str, tuple[Option, int]]) -> bool:
        return any(capacity < self._was.get(key, {}).get(option, 0) for option, (_, capacity) in of.items())


def takers(tx: Connection, keys: Sequence[SlotKey]) -> dict[SlotKey, list[Row[Any]]]:
    """Who holds or bought places of these slots: booking rows, the earliest booked first."""
    hold, booking = schema.hold, schema.booking
    found: dict[SlotKey, list[Row[Any]]] = {}
    for at in range(0, len(keys), 200):
        rows = tx.execute(
            select(
                booking, hold.c.resource_id, hold.c.local_date.label("day"), hold.c.local_start.label("at"), hold.c.quantity.label("taken")
            )
            .join(booking, booking.c.id == hold.c.booking_id)
            .where(
                hold.c.status.in_(("active", "consumed")),
                tuple_(hold.c.resource_id, hold.c.local_date, hold.c.local_start).in_(keys[at : at + 200]),
            )
            .order_by(booking.c.created_at, booking.c.id)
        )
        for row in rows:
            found.setdefault((row.resource_id, row.day, row.at), []).append(row)
    return found


def lock(tx: Connection, resource_ids: Collection[str], today: date) -> None:
    """Let nobody take places of these resources until this transaction ends, and wait for those who are taking some now.

    `holds.stand_still` is the other side. Then the slots from yesterday on, in the one order there is. SQLite has one writer.
    """
    if tx.dialect.name != "postgresql":
        return
    table, slot, ids = schema.resource.c, schema.slot.c, list(resource_ids)
    tx.execute(select(table.id).where(table.id.in_(ids)).order_by(table.id).with_for_update(key_share=True)).all()
    tx.execute(
        select(slot.resource_id)
        .where(slot.resource_id.in_(ids), slot.local_date >= today - timedelta(days=1))
        .order_by(slot.resource_id.collate("C"), slot.local_date, slot.local_start.collate("C"))
        .with_for_update()
    ).all()
