"""A provider's own changes: what is closed or cut reaches the slots at once, and nobody loses places over it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from core import audit, availability, bookings, carts, holds, schedules, schema, slots
from core.availability import Ask
from core.catalogue import listing
from core.engine import Actor, Engine
from core.errors import Invalid, NotFound, PlacesSold, Refused, SoldOut
from core.schedules import Week
from tests import builders
from tests.conftest import Clock
from tests.core.test_catalogue_files import DAY, book, take_in, traveler

TEJO = Actor("paul", role="provider", provider_ids=("tejo",))
NEXT = DAY + timedelta(days=1)


def half(people: int = 2, day: date = DAY, start: str = "09:00") -> Ask:
    return Ask("sail", "sail.half", day, local_start=start, units={"ADULT": people})


def full(people: int = 2, day: date = DAY) -> Ask:
    return Ask("sail", "sail.full", day, local_start="09:00", units={"ADULT": people})


@pytest.fixture
def boat(engine: Engine, tmp_path: Path) -> Engine:
    """A boat sold by the half and by the full day, eight places; and a villa on request."""
    take_in(engine.db, tmp_path)
    return engine


def slot_rows(engine: Engine) -> list[tuple[Any, ...]]:
    slot = schema.slot
    with engine.db.read() as tx:
        assert holds.drift(tx) == []
        rows = tx.execute(select(slot).order_by(slot.c.local_date, slot.c.local_start))
        return [(row.local_date, row.local_start, row.capacity, row.held, row.booked, row.closed) for row in rows]


def everything(engine: Engine) -> list[str]:
    tables = (schema.availability_exception, schema.availability_rule, schema.slot, schema.resource, schema.audit_log, schema.product)
    with engine.db.read() as tx:
        return sorted(str(row) for table in tables for row in tx.execute(select(table)))


def status(engine: Engine, option: str = "sail.half", day: date = DAY) -> list[tuple[str, int]]:
    with engine.db.read() as tx:
        listed = listing(tx, "sail")
        rows = availability.touched(tx, ["gaivota"], day, day)
        return [(one.status, one.vacancies) for one in availability.vacancies(listed, listed.option(option), [day], rows)]


def test_a_blocked_day_closes_the_slots_there_are_and_those_to_come(boat: Engine) -> None:
    schedules.block(boat, TEJO, "PRODUCT", "sail", DAY, NEXT, reason="the mast is out")
    for ask in (half(), full(), half(day=NEXT)):
        with pytest.raises(SoldOut):
            book(boat, traveler(boat), ask)
    assert [one for one, _ in status(boat)] == ["CLOSED", "CLOSED"]
    book(boat, traveler(boat), half(day=NEXT + timedelta(days=1)))
    schedules.unblock(boat, TEJO, "PRODUCT", "sail", DAY, DAY)
    book(boat, traveler(boat), half())
    with pytest.raises(SoldOut):
        book(boat, traveler(boat), half(day=NEXT))


def test_a_block_over_sold_days_names_the_bookings_and_changes_nothing(boat: Engine) -> None:
    booked = book(boat, traveler(boat), half(3))
    before = everything(boat)
    with pytest.raises(PlacesSold) as refused:
        schedules.block(boat, TEJO, "PROVIDER", "tejo", DAY - timedelta(days=3), NEXT)
    (one,) = refused.value.facts["bookings"]
    assert (one["booking_id"], one["date"], one["start"], one["quantity"], one["status"]) == (
        booked,
        DAY.isoformat(),
        "09:00",
        3,
        "ON_HOLD",
    )
    assert one["reference"] in refused.value.message
    assert refused.value.facts["dates"] == [DAY.isoformat()]
    assert everything(boat) == before
    schedules.block(boat, TEJO, "PRODUCT", "sail", DAY, DAY, start="14:00")  # the other half is nobody's
    assert status(boat) == [("AVAILABLE", 5), ("CLOSED", 0)]
    assert status(boat, "sail.full") == [("CLOSED", 0)]


def test_places_that_ran_out_do_not_stand_in_the_way(boat: Engine, clock: Clock) -> None:
    book(boat, traveler(boat), half(3))
    clock.forward(minutes=16)
    schedules.block(boat, TEJO, "PRODUCT", "sail", DAY, DAY)
    assert slot_rows(boat) == [(DAY, "09:00", 8, 0, 0, True)]


def test_half_and_full_days_share_the_places_that_are_set(boat: Engine) -> None:
    book(boat, traveler(boat), full(3))
    assert status(boat) == [("AVAILABLE", 5), ("AVAILABLE", 5)]
    schedules.set_places(boat, TEJO, "sail", DAY, DAY, 5, start="14:00")
    assert slot_rows(boat) == [(DAY, "09:00", 8, 3, 0, False), (DAY, "14:00", 5, 3, 0, False)]
    assert status(boat) == [("AVAILABLE", 5), ("LIMITED", 2)]
    assert status(boat, "sail.full") == [("LIMITED", 2)]
    before = everything(boat)
    with pytest.raises(PlacesSold) as refused:
        schedules.set_places(boat, TEJO, "sail", DAY, DAY, 2)
    assert [one["title"] for one in refused.value.facts["bookings"]] == ["Sailing past Belém: Full day"]
    assert everything(boat) == before
    schedules.set_places(boat, TEJO, "sail", DAY, DAY, 3, start="14:00")
    assert status(boat, "sail.full") == [("SOLD_OUT", 0)]
    schedules.set_places(boat, TEJO, "sail", DAY, DAY, None, start="14:00")
    assert status(boat, "sail.full") == [("AVAILABLE", 5)]


def test_a_later_word_about_places_goes_before_an_earlier_one(boat: Engine) -> None:
    schedules.set_places(boat, TEJO, "sail", DAY, DAY, 4)
    schedules.set_places(boat, TEJO, "sail", DAY - timedelta(days=2), NEXT, 6)
    assert status(boat) == [("AVAILABLE", 6), ("AVAILABLE", 6)]
    schedules.set_places(boat, TEJO, "sail", DAY, DAY, None)
    assert status(boat) == [("AVAILABLE", 8), ("AVAILABLE", 8)]
    assert status(boat, day=NEXT) == [("AVAILABLE", 6), ("AVAILABLE", 6)]


def test_the_usual_week_is_replaced_as_a_whole(boat: Engine) -> None:
    book(boat, traveler(boat), half(4))
    before = everything(boat)
    with pytest.raises(PlacesSold):
        schedules.set_week(boat, TEJO, "sail", [Week(8, weekdays=0b0011111)])  # DAY is a Saturday
    with pytest.raises(PlacesSold):
        schedules.set_week(boat, TEJO, "sail", [Week(3)])
    assert everything(boat) == before
    schedules.set_week(boat, TEJO, "sail", [Week(6, start="09:00"), Week(2, weekdays=0b0000001, start="14:00")])
    assert slot_rows(boat) == [(DAY, "09:00", 6, 4, 0, False)]
    assert status(boat) == [("LIMITED", 2), ("CLOSED", 0)]
    with pytest.raises(Refused, match="no weekly places"):
        schedules.set_week(boat, TEJO, "villa", [Week(1)])


def test_switched_off_sells_nothing_and_keeps_what_is_sold(boat: Engine) -> None:
    book(boat, traveler(boat), half())
    assert schedules.switch(boat, TEJO, "PRODUCT", "sail", False) == {"accepting": False, "standing": 1}
    with pytest.raises(SoldOut):
        book(boat, traveler(boat), half())
    assert slot_rows(boat) == [(DAY, "09:00", 8, 2, 0, True)]
    schedules.switch(boat, TEJO, "PROVIDER", "tejo", False)
    schedules.switch(boat, TEJO, "PRODUCT", "sail", True)
    assert status(boat) == [("CLOSED", 0), ("CLOSED", 0)]  # the provider is off as a whole
    schedules.switch(boat, TEJO, "PROVIDER", "tejo", True)
    assert slot_rows(boat) == [(DAY, "09:00", 8, 2, 0, False)]
    book(boat, traveler(boat), half())


def test_one_product_stays_open_on_a_holiday_of_all(boat: Engine) -> None:
    schedules.block(boat, TEJO, "PROVIDER", "tejo", DAY, NEXT, reason="Holiday")
    done = schedules.unblock(boat, TEJO, "PRODUCT", "sail", NEXT, NEXT)
    assert done["still_closed"] == []
    assert status(boat, day=NEXT) == [("AVAILABLE", 8), ("AVAILABLE", 8)]
    assert [one for one, _ in status(boat)] == ["CLOSED", "CLOSED"]
    with boat.db.read() as tx:
        villa = listing(tx, "villa")
        assert availability.capacity_on(villa, villa.options[0], NEXT, "") == 0
    schedules.block(boat, TEJO, "RESOURCE", "gaivota", NEXT, NEXT)  # what closes the boat itself always counts
    assert [one for one, _ in status(boat, day=NEXT)] == ["CLOSED", "CLOSED"]


def test_one_start_is_taken_out_of_a_whole_day(boat: Engine) -> None:
    schedules.block(boat, TEJO, "PRODUCT", "sail", DAY - timedelta(days=1), NEXT)
    schedules.unblock(boat, TEJO, "PRODUCT", "sail", DAY, DAY, start="14:00")
    assert [one for one, _ in status(boat)] == ["CLOSED", "AVAILABLE"]
    for day in (DAY - timedelta(days=1), NEXT):
        assert [one for one, _ in status(boat, day=day)] == ["CLOSED", "CLOSED"]
    schedules.unblock(boat, TEJO, "PRODUCT", "sail", DAY - timedelta(days=1), NEXT)
    with pytest.raises(Refused, match="Nothing is blocked"):
        schedules.unblock(boat, TEJO, "PRODUCT", "sail", DAY, DAY)


def test_every_change_is_written_down_with_before_and_after(boat: Engine) -> None:
    schedules.switch(boat, TEJO, "PRODUCT", "sail", False)
    schedules.switch(boat, TEJO, "PRODUCT", "sail", False)  # says nothing new, so nothing is written
    schedules.switch(boat, TEJO, "PRODUCT", "sail", True)
    expert = Actor("eva", role="expert", acting_for="ana")
    schedules.block(boat, expert, "PRODUCT", "sail", DAY, DAY, reason="the mast is out")
    with boat.db.read() as tx:
        block, on, off = audit.of(tx, "product:sail")
    assert (off.verb, off.detail, on.detail) == ("switch", {"before": True, "after": False}, {"before": False, "after": True})
    stretch = {"from": DAY.isoformat(), "to": DAY.isoformat(), "start": "", "closed": True, "places": None}
    assert block.detail == {"before": [], "after": [{**stretch, "reason": "the mast is out", "source": "manual"}]}
    assert (block.actor_id, block.role, block.acting_for) == ("eva", "expert", "ana")


VERBS: dict[str, Callable[[Engine, Actor], object]] = {
    "switch": lambda engine, actor: schedules.switch(engine, actor, "PROVIDER", "tejo", False),
    "block": lambda engine, actor: schedules.block(engine, actor, "RESOURCE", "gaivota", DAY, DAY),
    "unblock": lambda engine, actor: schedules.unblock(engine, actor, "PRODUCT", "sail", DAY, DAY),
    "set_places": lambda engine, actor: schedules.set_places(engine, actor, "sail", DAY, DAY, 2),
    "set_week": lambda engine, actor: schedules.set_week(engine, actor, "sail", []),
    "set_capacity": lambda engine, actor: schedules.set_capacity(engine, actor, "villa", 2),
    "calendar": lambda engine, actor: schedules.calendar(engine, actor, "sail", DAY, DAY),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "actor", [Actor("tom"), Actor("other", role="provider", provider_ids=("other",)), Actor("x", provider_ids=("tejo",))]
)
def test_nobody_else_may(boat: Engine, verb: str, actor: Actor) -> None:
    before = everything(boat)
    with pytest.raises(NotFound):
        VERBS[verb](boat, actor)
    assert everything(boat) == before


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("to", lambda engine: schedules.block(engine, TEJO, "PRODUCT", "sail", NEXT, DAY)),
        ("to", lambda engine: schedules.block(engine, TEJO, "PRODUCT", "sail", DAY, DAY + timedelta(days=801))),
        ("from", lambda engine: schedules.block(engine, TEJO, "PRODUCT", "sail", date(2026, 11, 1), date(2026, 11, 2))),
        ("start", lambda engine: schedules.block(engine, TEJO, "PRODUCT", "sail", DAY, DAY, start="10:00")),
        ("scope", lambda engine: schedules.block(engine, TEJO, "CITY", "sail", DAY, DAY)),
        ("scope", lambda engine: schedules.switch(engine, TEJO, "RESOURCE", "gaivota", False)),
        ("places", lambda engine: schedules.set_places(engine, TEJO, "sail", DAY, DAY, 0)),
        ("places", lambda engine: schedules.set_places(engine, TEJO, "sail", DAY, DAY, 100_001)),
        ("capacity", lambda engine: schedules.set_capacity(engine, TEJO, "villa", 0)),
        ("rules[1].places", lambda engine: schedules.set_week(engine, TEJO, "sail", [Week(1), Week(-1)])),
        ("rules[0].weekdays", lambda engine: schedules.set_week(engine, TEJO, "sail", [Week(1, weekdays=128)])),
        ("rules[0].start", lambda engine: schedules.set_week(engine, TEJO, "sail", [Week(1, start="10:00")])),
        ("rules[0].last", lambda engine: schedules.set_week(engine, TEJO, "sail", [Week(1, first=NEXT, last=DAY)])),
        ("rules", lambda engine: schedules.set_week(engine, TEJO, "sail", [Week(1)] * 101)),
        ("to", lambda engine: schedules.calendar(engine, TEJO, "sail", NEXT, DAY)),
    ],
)
def test_what_can_never_be_right_names_its_field(boat: Engine, field: str, change: Callable[[Engine], object]) -> None:
    before = everything(boat)
    with pytest.raises(Invalid) as refused:
        change(boat)
    assert refused.value.field == field
    assert everything(boat) == before


def test_a_block_and_buyers_at_the_same_moment_never_both_win(engine: Engine) -> None:
    """Eight days, each wanted by a buyer and blocked by the provider at once, on slots that nobody has touched yet."""
    builders.products(engine, "kayak", places=2)
    days = [builders.DAY + timedelta(days=i) for i in range(8)]
    buyers = []
    for day in days:
        actor = builders.traveler(engine)
        builders.add(engine, actor, "kayak", day=day)
        buyers.append((actor, bookings.propose_checkout(engine, actor)["proposal_id"]))
    gate = threading.Barrier(16)

    def buy(at: int) -> bool:
        gate.wait()
        try:
            bookings.commit_checkout(engine, *buyers[at])
        except SoldOut:
            return False
        return True

    def close(at: int) -> bool:
        gate.wait()
        try:
            schedules.block(engine, TEJO, "PRODUCT", "kayak", days[at], days[at])
        except PlacesSold:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        sold, closed = [pool.submit(buy, at) for at in range(8)], [pool.submit(close, at) for at in range(8)]
        outcomes = [(one.result(), other.result()) for one, other in zip(sold, closed, strict=True)]
    assert all(bought != blocked for bought, blocked in outcomes), outcomes
    with engine.db.read() as tx:
        assert holds.drift(tx) == []


@pytest.mark.parametrize("db", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_buyer_who_began_before_the_block_is_waited_for(engine: Engine) -> None:
    """Deterministic: the block waits for the buyer's transaction, then sees what was taken on a slot that was not there before."""
    builders.products(engine, "kayak", places=2)
    actor = builders.traveler(engine)
    builders.add(engine, actor, "kayak")
    begun, go_on = threading.Event(), threading.Event()

    def buy() -> None:
        with engine.db.write() as tx:
            holds.stand_still(tx, ["kayak-1"])
            listed = listing(tx, "kayak")
            wanted = availability.wants(listed, listed.options[0], Ask("kayak", None, builders.DAY))
            begun.set()
            assert go_on.wait(5)
            row = tx.execute(select(schema.booking.c.id)).scalars().first()
            holds.take(tx, {row: wanted}, expires_at=engine.clock() + timedelta(hours=1), now=engine.clock())

    builders.add(engine, actor, "kayak", day=builders.DAY + timedelta(days=9))
    builders.checkout(engine, actor)
    with engine.db.write() as tx:
        tx.execute(update(schema.hold).values(status="released"))
        tx.execute(update(schema.slot).values(held=0))
        tx.execute(schema.slot.delete())
    with ThreadPoolExecutor(2) as pool:
        buyer = pool.submit(buy)
        assert begun.wait(5)
        closer = pool.submit(schedules.block, engine, TEJO, "PRODUCT", "kayak", builders.DAY, builders.DAY)
        with pytest.raises(TimeoutError):
            closer.result(0.3)
        go_on.set()
        buyer.result(5)
        with pytest.raises(PlacesSold):
            closer.result(5)


def test_stays_are_offered_as_ranges_with_the_departure_outside(boat: Engine) -> None:
    schedules.set_capacity(boat, TEJO, "villa", 2)
    book(boat, traveler(boat), Ask("villa", None, DAY, DAY + timedelta(days=3), "", {"ADULT": 2}))
    schedules.block(boat, TEJO, "PRODUCT", "villa", DAY + timedelta(days=5), DAY + timedelta(days=5))
    schedules.block(boat, TEJO, "PRODUCT", "villa", DAY + timedelta(days=7), DAY + timedelta(days=7))
    stays = availability.available_stays(boat, "villa", DAY, DAY + timedelta(days=9), party=2)
    at = [DAY + timedelta(days=i) for i in range(11)]
    assert [(one["from"], one["to"], one["nights"], one["vacancies"]) for one in stays] == [
        (at[0].isoformat(), at[5].isoformat(), 5, 1),
        (at[8].isoformat(), at[10].isoformat(), 2, 2),
    ]  # the single night between the two blocks is too short for the shortest stay
    assert stays[0]["arrivals"] == [day.isoformat() for day in at[:4]]
    with pytest.raises(Invalid, match="not sold by the night"):
        availability.available_stays(boat, "sail", DAY, DAY)


def test_free_sale_stays_free_sale_after_a_sale(engine: Engine) -> None:
    builders.products(engine, "walk", places=None)
    builders.buy(engine, "walk", people=3)
    (day,) = availability.available_days(engine, "walk", builders.DAY, builders.DAY)
    assert (day["status"], day["vacancies"]) == ("FREESALE", availability.UNLIMITED)


def test_the_provider_s_calendar_says_what_is_taken_and_why_a_day_is_closed(boat: Engine) -> None:
    book(boat, traveler(boat), half(3))
    schedules.block(boat, TEJO, "PROVIDER", "tejo", NEXT, NEXT, reason="Holiday")
    schedules.set_places(boat, TEJO, "sail", DAY, DAY, 7)
    seen = schedules.calendar(boat, TEJO, "sail", DAY, NEXT)
    first, second = seen["days"]
    assert [(one["start"], one["status"], one["left"], one["held"]) for one in first["starts"]] == [
        ("09:00", "AVAILABLE", 4, 3),
        ("14:00", "AVAILABLE", 7, 0),
    ]
    assert first["places"] == 7
    assert [(one["scope"], one["reason"]) for one in second["closed_by"]] == [("PROVIDER", "Holiday")]
    assert seen["labels"] == ["09:00", "14:00"]


def test_the_cart_asks_the_same_question(boat: Engine) -> None:
    """A block that comes between the cart and the checkout is met with a sentence and nothing is held."""
    late = traveler(boat)
    carts.add(boat, late, half())
    proposal = bookings.propose_checkout(boat, late)["proposal_id"]
    schedules.block(boat, TEJO, "RESOURCE", "gaivota", DAY, DAY)
    with pytest.raises(SoldOut):
        bookings.commit_checkout(boat, late, proposal)
    assert [row[3:] for row in slot_rows(boat)] == []


def test_an_import_opens_a_slot_that_it_no_longer_closes(boat: Engine, tmp_path: Path) -> None:
    book(boat, traveler(boat), half())
    closing = {"id": "c", "scope": "RESOURCE", "scope_id": "gaivota", "from_date": DAY, "to_date": DAY, "source": "catalogue"}
    with boat.db.write() as tx:
        tx.execute(insert(schema.availability_exception).values(closing))
    with boat.db.write() as tx:
        assert slots.fit(tx, {"gaivota"}, boat.clock().date()) == []
    assert slot_rows(boat) == [(DAY, "09:00", 8, 2, 0, True)]
    with boat.db.write() as tx:
        tx.execute(schema.availability_exception.delete().where(schema.availability_exception.c.id == "c"))
        assert slots.fit(tx, {"gaivota"}, boat.clock().date()) == []
    assert slot_rows(boat) == [(DAY, "09:00", 8, 2, 0, False)]
