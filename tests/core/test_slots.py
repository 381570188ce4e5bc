"""A capacity that changes after a slot was opened counts for the next hold, and reaches the slot itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from core import bookings, carts, schema, slots
from core.availability import Ask
from core.engine import Engine
from core.errors import SoldOut
from tests.core.test_catalogue_files import DAY, book, take_in, traveler


def close_down_to(engine: Engine, capacity: int) -> None:
    """The provider says: only so many on that day."""
    values = {"id": f"only-{capacity}", "scope": "RESOURCE", "scope_id": "gaivota", "from_date": DAY, "to_date": DAY, "closed": False}
    with engine.db.write() as tx:
        tx.execute(insert(schema.availability_exception).values(**values, capacity=capacity))


def test_a_hold_asks_today_s_capacity_not_the_one_the_slot_was_opened_with(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path)
    ask = Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 2})
    late = traveler(engine)
    carts.add(engine, late, ask)
    proposal = bookings.propose_checkout(engine, late)["proposal_id"]
    book(engine, traveler(engine), ask)
    close_down_to(engine, 3)
    with pytest.raises(SoldOut, match="Sailing past Belém: Half day: the places have just gone"):
        bookings.commit_checkout(engine, late, proposal)
    with engine.db.read() as tx:
        assert tx.execute(select(schema.slot.c.held)).scalar_one() == 2
        assert tx.execute(select(schema.booking.c.id).where(schema.booking.c.account_id == late.account_id)).all() == []


def test_fitting_brings_the_new_capacity_and_names_what_is_overfull(engine: Engine, tmp_path: Path) -> None:
    take_in(engine.db, tmp_path)
    book(engine, traveler(engine), Ask("sail", "sail.half", DAY, local_start="09:00", units={"ADULT": 4}))
    close_down_to(engine, 6)
    with engine.db.write() as tx:
        assert slots.fit(tx, {"gaivota"}, engine.clock().date()) == []
        assert tx.execute(select(schema.slot.c.capacity)).scalar_one() == 6
        tx.execute(schema.availability_exception.delete().where(schema.availability_exception.c.id == "only-6"))
    close_down_to(engine, 1)
    with engine.db.write() as tx:
        (one,) = slots.fit(tx, {"gaivota"}, engine.clock().date())
        assert (one.resource_id, one.local_date, one.local_start, one.sold, one.capacity) == ("gaivota", DAY, "09:00", 4, 1)
        assert slots.fit(tx, {"gaivota"}, DAY + timedelta(days=2)) == []  # what is past is past
        assert tx.execute(select(schema.slot.c.capacity)).scalar_one() == 6
