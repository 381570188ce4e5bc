"""Counters that no longer are the sum of their holds are found, mended and told to the operator."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update

from channels.worker import HANDLERS, LOOKS, sweep
from core import counters, holds, reports
from core.engine import Engine
from core.schema import hold, job, slot
from tests import builders
from tests.conftest import Clock


def bend(engine: Engine, **values: int) -> None:
    with engine.db.write() as tx:
        tx.execute(update(slot).values(**values))


def health(engine: Engine) -> Any:
    return reports.health(engine)["counters"]


def test_what_is_right_is_left_alone(engine: Engine) -> None:
    assert health(engine) is None
    builders.products(engine, "kayak")
    builders.buy(engine, "kayak", people=3)
    assert counters.verify(engine, repair=True) == {"slots": 1, "drift": [], "repaired": 0, "oversold": []}
    assert builders.places(engine.db) == (3, 0)
    assert (health(engine)["slots"], health(engine)["drift"]) == (1, 0)


def test_looking_names_the_slot_and_changes_nothing_and_mending_sets_it(engine: Engine) -> None:
    builders.products(engine, "kayak")
    builders.buy(engine, "kayak", people=3)
    bend(engine, held=1, booked=2)
    found = counters.verify(engine)
    expected = {"resource": "kayak", "date": builders.DAY.isoformat(), "start": "", "held": 1, "booked": 2}
    assert found["drift"] == [{**expected, "held_by_holds": 3, "booked_by_holds": 0}]
    assert builders.places(engine.db) == (1, 2)
    assert (health(engine)["drift"], health(engine)["repaired"]) == (1, 0)
    assert counters.verify(engine, repair=True)["repaired"] == 1
    assert builders.places(engine.db) == (3, 0)
    assert (health(engine)["drift"], health(engine)["repaired"]) == (1, 1)
    with engine.db.read() as tx:
        assert holds.drift(tx) == []


def test_more_holds_than_places_stand_and_are_shown(engine: Engine) -> None:
    builders.products(engine, "kayak", places=4)
    builders.buy(engine, "kayak", people=3)
    with engine.db.write() as tx:
        row = tx.execute(select(hold)).one()
        tx.execute(insert(hold).values(**{key: value for key, value in row._mapping.items() if key != "id"}))
    (one,) = counters.verify(engine, repair=True)["oversold"]
    assert (one["taken"], one["capacity"]) == (6, 4)
    assert builders.places(engine.db) == (6, 0)
    assert health(engine)["oversold"] == 1
    with engine.db.read() as tx:
        assert tx.execute(select(slot.c.capacity)).scalar_one() == 6  # full, so nothing more is sold


def test_the_rounds_start_by_themselves_and_go_on(engine: Engine, clock: Clock) -> None:
    looks = [one for one in LOOKS if one[0] == "slots"]
    for _ in range(2):
        sweep(engine, looks)

    def waiting() -> list[Any]:
        with engine.db.read() as tx:
            return list(tx.execute(select(job.c.run_at).where(job.c.kind == counters.JOB)).scalars())

    assert waiting() == [clock()]
    with engine.db.write() as tx:
        tx.execute(job.delete())
    HANDLERS[counters.JOB](engine, {})
    assert waiting() == [clock() + counters.EVERY]
    assert health(engine)["at"] == clock()
