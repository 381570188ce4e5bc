"""No place is ever sold twice, whoever comes at the same moment, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from core import availability, bookings, carts, conversations, holds, jobs, requests
from core.availability import Ask
from core.engine import Actor, Engine
from core.errors import Expired, Invalid, NotFound, SoldOut
from core.people import set_contact
from core.schema import booking, hold, job, slot
from tests import market
from tests.conftest import Clock

SATURDAY = date(2026, 11, 28)
SAIL = Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 2})


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    return engine


def traveler(engine: Engine, *, named: bool = True) -> Actor:
    conversation_id, _ = conversations.start(engine, channel="web")
    with engine.db.write() as tx:
        owner = conversations.get(tx, conversation_id).account_id
        if named:
            set_contact(tx, owner, name="Ana Silva", email="ana@example.com", terms=True, now=engine.clock())
    return Actor(owner, conversation_id=conversation_id)


def order(engine: Engine, actor: Actor, *asks: Ask) -> dict[str, object]:
    for ask in asks:
        carts.add(engine, actor, ask)
    return bookings.commit_checkout(engine, actor, bookings.propose_checkout(engine, actor)["proposal_id"])


def counters(engine: Engine) -> dict[str, tuple[int, int]]:
    with engine.db.read() as tx:
        assert holds.drift(tx) == []
        return {row.resource_id: (row.held, row.booked) for row in tx.execute(select(slot))}


def test_ten_places_are_sold_to_five_pairs_out_of_twelve_at_once(shop: Engine) -> None:
    actors = [traveler(shop) for _ in range(12)]
    proposals = []
    for actor in actors:
        carts.add(shop, actor, SAIL)
        proposals.append(bookings.propose_checkout(shop, actor)["proposal_id"])
    start = threading.Barrier(12)

    def buy(n: int) -> str:
        start.wait()
        try:
            bookings.commit_checkout(shop, actors[n], proposals[n])
        except SoldOut as error:
            assert error.facts["titles"] == ["Sunset sail on the Tejo"]
            return "sold out"
        return "held"

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(buy, range(12)))
    assert outcomes.count("held") == 5
    assert [value for key, value in counters(shop).items() if key.startswith("sunset-sail")] == [(10, 0)]


def test_a_cart_is_held_whole_or_not_at_all(shop: Engine) -> None:
    first, second = traveler(shop), traveler(shop)
    order(shop, first, Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 9}))
    carts.add(shop, second, Ask("pasta-class", None, SATURDAY, None, "", {"ADULT": 2}))
    with pytest.raises(SoldOut):
        carts.add(shop, second, SAIL)
    carts.add(shop, second, Ask("sunset-sail", None, SATURDAY + timedelta(days=1), None, "17:30", {"ADULT": 2}))
    proposal = bookings.propose_checkout(shop, second)["proposal_id"]
    order(shop, traveler(shop), Ask("sunset-sail", None, SATURDAY + timedelta(days=1), None, "17:30", {"ADULT": 9}))
    before = counters(shop)
    with pytest.raises(SoldOut, match="Nothing was booked"):
        bookings.commit_checkout(shop, second, proposal)
    assert counters(shop) == before
    with shop.db.read() as tx:
        assert tx.execute(select(booking.c.id).where(booking.c.account_id == second.account_id)).all() == []


def test_a_stay_takes_every_night(shop: Engine) -> None:
    order(shop, traveler(shop), Ask("trastevere-loft", None, SATURDAY, SATURDAY + timedelta(days=3), "", {"ADULT": 2}))
    with shop.db.read() as tx:
        nights = tx.execute(select(slot.c.local_date, slot.c.held).order_by(slot.c.local_date)).all()
    assert [(night.isoformat(), held) for night, held in nights] == [("2026-11-28", 1), ("2026-11-29", 1), ("2026-11-30", 1)]
    with pytest.raises(SoldOut) as caught:
        carts.add(
            shop, traveler(shop), Ask("trastevere-loft", None, SATURDAY + timedelta(days=2), SATURDAY + timedelta(days=4), "", {"ADULT": 2})
        )
    assert caught.value.facts["dates"] == ["2026-11-30"]
    carts.add(
        shop, traveler(shop), Ask("trastevere-loft", None, SATURDAY + timedelta(days=3), SATURDAY + timedelta(days=4), "", {"ADULT": 2})
    )


def test_expired_holds_are_given_to_the_next_who_asks(shop: Engine, clock: Clock) -> None:
    order(shop, traveler(shop), Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 10}))
    with pytest.raises(SoldOut):
        carts.add(shop, traveler(shop), SAIL)
    other = traveler(shop)
    clock.forward(minutes=16)
    requests.sweep(shop)
    with shop.db.read() as tx:
        (row,) = tx.execute(select(booking.c.status)).all()
    assert row.status == "ON_HOLD"  # its payment is still being made: the payment's own end decides
    with shop.db.write() as tx:
        resource = tx.execute(select(hold.c.resource_id)).scalar_one()
        assert holds.reclaim(tx, [availability.Want(resource, SATURDAY, "17:30", 2, 10)], clock()) == 1
    carts.add(shop, other, SAIL)


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (Ask("nothing-like-it", None, SATURDAY), NotFound, "There is no product"),
        (Ask("sunset-sail", "no-option", SATURDAY), NotFound, "has no option"),
        (Ask("sunset-sail", None, date(2026, 11, 24), None, "17:30"), Invalid, "in the past"),
        (Ask("sunset-sail", None, date(2029, 1, 1), None, "17:30"), Invalid, "too far ahead"),
        (Ask("sunset-sail", None, SATURDAY, None, "03:00"), Invalid, "starts at 17:30"),
        (Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 0}), Invalid, "At least one person"),
        (Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 500}), Invalid, "Up to 50 people"),
        (Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 11}), SoldOut, "not available"),
        (Ask("casa-miradouro", None, SATURDAY), Invalid, "check-out"),
        (Ask("casa-miradouro", None, SATURDAY, SATURDAY), Invalid, "after the check-in"),
        (Ask("casa-miradouro", None, SATURDAY, SATURDAY + timedelta(days=90)), Invalid, "Up to 60 nights"),
    ],
)
def test_what_cannot_be_booked_says_why_and_changes_nothing(shop: Engine, ask: Ask, error: type[Exception], says: str) -> None:
    actor = traveler(shop)
    with pytest.raises(error, match=says):
        carts.add(shop, actor, ask)
    assert carts.show(shop, actor)["lines"] == []


def test_two_yeses_are_one_order_and_a_changed_cart_needs_a_new_one(shop: Engine) -> None:
    actor = traveler(shop)
    carts.add(shop, actor, SAIL)
    proposal = bookings.propose_checkout(shop, actor)["proposal_id"]
    assert bookings.propose_checkout(shop, actor)["proposal_id"] == proposal  # same terms, same proposal
    carts.add(shop, actor, Ask("airport-car", None, SATURDAY, None, "", {"ADULT": 2}))
    with pytest.raises(Expired, match="cart has changed"):
        bookings.commit_checkout(shop, actor, proposal)
    fresh = bookings.propose_checkout(shop, actor)["proposal_id"]
    first = bookings.commit_checkout(shop, actor, fresh)
    again = bookings.commit_checkout(shop, actor, fresh)
    assert again == {**first, "again": True}
    with shop.db.read() as tx:
        assert len(tx.execute(select(booking.c.id)).all()) == 2


def test_nobody_confirms_for_somebody_else(shop: Engine) -> None:
    owner, stranger = traveler(shop), traveler(shop)
    carts.add(shop, owner, SAIL)
    proposal = bookings.propose_checkout(shop, owner)["proposal_id"]
    with pytest.raises(NotFound):
        bookings.commit_checkout(shop, stranger, proposal)
    with pytest.raises(bookings.DetailsNeeded):
        nameless = traveler(shop, named=False)
        carts.add(shop, nameless, Ask("airport-car", None, SATURDAY))
        bookings.commit_checkout(shop, nameless, bookings.propose_checkout(shop, nameless)["proposal_id"])
    assert counters(shop) == {}


def test_a_lost_worker_gives_its_jobs_back(shop: Engine, clock: Clock) -> None:
    with shop.db.write() as tx:
        jobs.enqueue(tx, "deliver", {}, run_at=clock(), now=clock(), dedupe="deliver")
        jobs.enqueue(tx, "deliver", {}, run_at=clock(), now=clock(), dedupe="deliver")
        (taken,) = jobs.claim(tx, ["deliver"], clock())
        assert jobs.claim(tx, ["deliver"], clock()) == []
        jobs.enqueue(tx, "deliver", {}, run_at=clock(), now=clock(), dedupe="deliver")  # a wake-up while it runs is kept
    clock.forward(minutes=2)
    with shop.db.write() as tx:
        assert jobs.rescue(tx, clock()) == 1
        rows = tx.execute(select(job.c.state, job.c.attempts)).all()
    assert [(row.state, row.attempts) for row in rows] == [("ready", 0)]  # the one waiting stands for both
    assert taken.attempts == 1
