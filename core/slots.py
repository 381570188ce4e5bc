"""Bringing new capacities to the slots that somebody touched before: each keeps the capacity it was opened with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from core import availability, schema
from core.catalogue import Listing, Option, listings


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
    ordered = sorted(resource_ids)
    for at in range(0, len(ordered), 200):
        some = ordered[at : at + 200]
        slots = tx.execute(
            select(schema.slot)
            .where(schema.slot.c.resource_id.in_(some), schema.slot.c.local_date >= today - timedelta(days=1))
            .order_by(schema.slot.c.resource_id, schema.slot.c.local_date, schema.slot.c.local_start)
        ).all()
        if not slots:
            continue
        sellers = _sellers(tx, {row.resource_id for row in slots})
        for row in slots:
            one = _fit(tx, row, sellers.get(row.resource_id, []))
            if one is not None:
                overfull.append(one)
    return overfull


def _sellers(tx: Connection, resource_ids: set[str]) -> dict[str, list[tuple[Listing, Option]]]:
    query = select(schema.option.c.product_id).distinct().where(schema.option.c.resource_id.in_(resource_ids))
    sellers: dict[str, list[tuple[Listing, Option]]] = {}
    for listed in listings(tx, sorted(tx.execute(query).scalars())).values():
        if listed.product.published:
            for option in listed.options:
                sellers.setdefault(option.resource_id, []).append((listed, option))
    return sellers


def _fit(tx: Connection, row: Any, sellers: Sequence[tuple[Listing, Option]]) -> Overfull | None:
    best: tuple[int, Listing, Option] | None = None
    for listed, option in sellers:
        labels = {label for start in option.starts for label in start.occupies} or {""}
        capacity = availability.capacity_on(listed, option, row.local_date, row.local_start)
        if row.local_start in labels and (best is None or capacity > best[0]):
            best = (capacity, listed, option)
    sold = row.held + row.booked
    if best is None:
        return None
    capacity, listed, option = best
    if capacity == 0 and (sold == 0 or not availability.unruled(listed, option, row.local_date, row.local_start)):
        return None
    if capacity == row.capacity:
        return None
    slot = schema.slot
    done = tx.execute(
        update(slot)
        .where(
            slot.c.resource_id == row.resource_id,
            slot.c.local_date == row.local_date,
            slot.c.local_start == row.local_start,
            slot.c.held + slot.c.booked <= capacity,
        )
        .values(capacity=capacity)
    )
    if done.rowcount == 1:
        return None
    return Overfull(row.resource_id, listed.id, option.id, row.local_date, row.local_start, sold, capacity)
