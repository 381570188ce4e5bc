"""Another day or party: previewed, then the traveler's yes; places and cents move together, or nothing does."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from core import bookings, cancellations, carts, changes
from core.availability import Ask
from core.engine import Actor, Engine
from core.errors import Expired, Invalid, NotFound, PriceChanged, Refused, SoldOut, WrongState
from core.payments import balances, collect, ledger
from core.schema import booking, booking_change, payment, provider, rate_plan, share, slot
from tests import builders as b
from tests import market
from tests.conftest import Clock
from tests.core.test_deposits import book, events, rows, settle
from tests.core.test_holds import SATURDAY, counters, order
from tests.gateway import MemoryGateway
from tests.jobs import work

SUNDAY = SATURDAY + timedelta(days=1)
SAIL = Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 2})  # 48.00 each, 10 places


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    return engine


@pytest.fixture
def ana(shop: Engine, gateway: MemoryGateway) -> Actor:
    """She has paid for two on Saturday."""
    actor = b.traveler(shop)
    carts.add(shop, actor, SAIL)
    (payment_id,) = bookings.commit_checkout(shop, actor, bookings.propose_checkout(shop, actor)["proposal_id"])["payments"]
    settle(shop, gateway, payment_id)
    return actor


def sold(engine: Engine) -> dict[str, tuple[int, int]]:
    counters(engine)
    with engine.db.read() as tx:
        return {row.local_date.isoformat(): (row.held, row.booked) for row in tx.execute(select(slot))}


def mine(engine: Engine):
    return rows(engine)["sunset-sail"]


def in_balance(engine: Engine, gateway: MemoryGateway) -> None:
    """The books sum to nothing, and what is at the gateway is what the booking costs."""
    work(engine)
    with engine.db.read() as tx:
        assert ledger.unbalanced(tx) == []
        parts = {"provider": 0, "platform": 0}
        for one in tx.execute(select(share).join(payment, payment.c.id == share.c.payment_id).where(payment.c.status == "paid")):
            parts[one.party] += one.amount - one.reversed
    assert gateway.balance() == sum(parts.values())


def test_another_day_at_the_same_price_counts_at_once(shop: Engine, ana: Actor, gateway: MemoryGateway) -> None:
    shown = changes.propose(shop, ana, mine(shop).reference, local_date=SUNDAY)
    assert (shown["difference"], shown["due_now"], shown["refund"], shown["date"]) == (0, 0, 0, "2026-11-29")
    assert mine(shop).local_date == SATURDAY
    done = changes.commit(shop, ana, shown["proposal_id"])
    assert (done["status"], done["payment"]) == ("applied", None)
    assert changes.commit(shop, ana, shown["proposal_id"]) == {**done, "again": True}
    assert (mine(shop).local_date, mine(shop).starts_at.isoformat()) == (SUNDAY, "2026-11-29T17:30:00+00:00")
    assert sold(shop) == {"2026-11-28": (0, 0), "2026-11-29": (0, 2)}
    assert events(shop)[-1] == "booking_changed"
    in_balance(shop, gateway)


def test_more_people_are_held_paid_and_only_then_counted(shop: Engine, ana: Actor, gateway: MemoryGateway) -> None:
    shown = changes.propose(shop, ana, mine(shop).id, units={"ADULT": 3, "CHILD": 1})
    assert (shown["amount"], shown["due_now"]) == (16_800, 7_200)
    done = changes.commit(shop, ana, shown["proposal_id"])
    assert done["status"] == "waiting"
    assert (mine(shop).amount, mine(shop).units) == (9_600, {"ADULT": 2})
    assert sold(shop) == {"2026-11-28": (2, 2)}
    with pytest.raises(Refused, match="waits for its payment"):
        changes.propose(shop, ana, mine(shop).id, local_date=SUNDAY)
    settle(shop, gateway, done["payment"])
    assert (mine(shop).amount, mine(shop).units, mine(shop).fee_amount) == (16_800, {"ADULT": 3, "CHILD": 1}, 2_016)
    assert sold(shop) == {"2026-11-28": (0, 4)}
    with shop.db.read() as tx:
        parts = [(one.party, one.amount) for one in tx.execute(select(share))]
    assert sum(amount for party, amount in parts if party == "platform") == 2_016
    in_balance(shop, gateway)


def test_fewer_people_get_their_money_back_by_the_conditions(shop: Engine, ana: Actor, gateway: MemoryGateway, clock: Clock) -> None:
    with shop.db.write() as tx:
        tx.execute(update(booking).values(policy=[{"hours": 48, "refund_bps": 10_000}, {"hours": 24, "refund_bps": 5_000}]))
    clock.forward(hours=40)  # now only half comes back
    with pytest.raises(Refused, match="no longer be changed"):
        changes.propose(shop, ana, mine(shop).id, local_date=SUNDAY)
    shown = changes.propose(shop, ana, mine(shop).id, units={"ADULT": 1})
    assert (shown["kept"], shown["refund"], shown["amount"]) == (2_400, 2_400, 7_200)
    changes.commit(shop, ana, shown["proposal_id"])
    assert sold(shop) == {"2026-11-28": (0, 1)}
    assert sum(line["amount"] for line in mine(shop).price_lines) == mine(shop).amount == 7_200
    in_balance(shop, gateway)
    assert gateway.balance() == 7_200


def test_what_is_not_paid_in_time_leaves_the_booking_as_it_was(shop: Engine, ana: Actor, gateway: MemoryGateway, clock: Clock) -> None:
    done = changes.commit(shop, ana, changes.propose(shop, ana, mine(shop).id, units={"ADULT": 5})["proposal_id"])
    collect.ensure_link(shop, done["payment"])
    clock.forward(minutes=40)
    work(shop)
    assert (mine(shop).units, sold(shop)) == ({"ADULT": 2}, {"2026-11-28": (0, 2)})
    assert events(shop)[-1] == "change_expired"
    again = changes.commit(shop, ana, changes.propose(shop, ana, mine(shop).id, units={"ADULT": 3})["proposal_id"])
    settle(shop, gateway, again["payment"])
    assert sold(shop) == {"2026-11-28": (0, 3)}


def test_a_payment_that_comes_too_late_goes_back_where_the_places_are_gone(
    shop: Engine, ana: Actor, gateway: MemoryGateway, clock: Clock
) -> None:
    done = changes.commit(shop, ana, changes.propose(shop, ana, mine(shop).id, units={"ADULT": 5})["proposal_id"])
    collect.ensure_link(shop, done["payment"])
    clock.forward(minutes=45)
    order(shop, b.traveler(shop, email="bob@example.com"), Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 8}))
    with shop.db.read() as tx:
        gateway.pay(collect.get(tx, done["payment"]).session_id)
    collect.sync(shop, done["payment"])
    assert "change_too_late" in events(shop)
    with shop.db.read() as tx:
        one = tx.execute(select(booking).where(booking.c.account_id == ana.account_id)).one()
        assert (one.status, one.units) == ("CONFIRMED", {"ADULT": 2})
        assert tx.execute(select(booking_change.c.status)).scalar_one() == "expired"
    in_balance(shop, gateway)
    assert gateway.balance() == 9_600


def test_a_full_boat_refuses_the_preview_and_a_boat_that_filled_up_the_yes(shop: Engine, ana: Actor) -> None:
    shown = changes.propose(shop, ana, mine(shop).id, units={"ADULT": 6})
    order(shop, b.traveler(shop, email="bob@example.com"), Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 7}))
    with pytest.raises(SoldOut):
        changes.commit(shop, ana, shown["proposal_id"])
    assert sold(shop) == {"2026-11-28": (7, 2)}


def test_a_price_that_moved_asks_again(shop: Engine, ana: Actor) -> None:
    shown = changes.propose(shop, ana, mine(shop).id, units={"ADULT": 3})
    with shop.db.write() as tx:
        tx.execute(update(rate_plan).values(amount=6_000))
    with pytest.raises(PriceChanged):
        changes.commit(shop, ana, shown["proposal_id"])


def test_with_a_deposit_the_difference_joins_the_balance(shop: Engine, gateway: MemoryGateway) -> None:
    with shop.db.write() as tx:
        tx.execute(update(provider).values(deposit_bps=5_000))
    actor = b.traveler(shop)
    day = date(2027, 2, 20)
    (first,) = book(shop, actor, Ask("sunset-sail", None, day, None, "17:30", {"ADULT": 2}))["payments"]
    settle(shop, gateway, first)
    shown = changes.propose(shop, actor, mine(shop).id, local_date=day + timedelta(days=2), units={"ADULT": 4})
    assert (shown["due_now"], shown["later"]) == (0, 14_400)
    changes.commit(shop, actor, shown["proposal_id"])
    assert mine(shop).balance_due_at.date() == date(2027, 2, 8)
    rest = balances.pay(shop, actor, mine(shop).id)
    assert rest["amount"] == 14_400
    settle(shop, gateway, rest["payment_id"])
    in_balance(shop, gateway)
    assert gateway.balance() == 19_200


def test_cancelling_while_a_change_waits_ends_both(shop: Engine, ana: Actor, gateway: MemoryGateway) -> None:
    done = changes.commit(shop, ana, changes.propose(shop, ana, mine(shop).id, units={"ADULT": 5})["proposal_id"])
    collect.ensure_link(shop, done["payment"])
    cancellations.commit(shop, ana, cancellations.propose(shop, ana, mine(shop).id)["proposal_id"])
    assert sold(shop) == {"2026-11-28": (0, 0)}
    with shop.db.read() as tx:
        gateway.pay(collect.get(tx, done["payment"]).session_id)
    work(shop)
    assert gateway.balance() == 0


def test_what_cannot_be_changed_says_why(shop: Engine, ana: Actor, clock: Clock) -> None:
    with pytest.raises(Invalid, match="booked already"):
        changes.propose(shop, ana, mine(shop).id, units={"ADULT": 2})
    with pytest.raises(NotFound):
        changes.propose(shop, b.traveler(shop, email="eve@example.com"), mine(shop).id, local_date=SUNDAY)
    with pytest.raises(Invalid) as caught:
        changes.propose(shop, ana, mine(shop).id, local_start="03:00")
    assert caught.value.field == "local_start"
    shown = changes.propose(shop, ana, mine(shop).id, local_date=SUNDAY)
    clock.forward(minutes=31)
    with pytest.raises(Expired):
        changes.commit(shop, ana, shown["proposal_id"])
    clock.forward(days=4)
    with pytest.raises(Refused, match="already begun"):
        changes.propose(shop, ana, mine(shop).id, local_date=SATURDAY + timedelta(days=7))
    with shop.db.write() as tx:
        tx.execute(update(booking).values(status="CANCELLED"))
    with pytest.raises(WrongState):
        changes.propose(shop, ana, mine(shop).id, local_date=SUNDAY)


STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.booleans()), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_row_of_changes_keeps_places_and_cents_together(
    shop: Engine, gateway: MemoryGateway, steps: list[tuple[int, int, bool]]
) -> None:
    actor = b.traveler(shop)
    with shop.db.write() as tx:
        tx.execute(update(slot).values(capacity=1_000))
    carts.add(shop, actor, Ask("pasta-class", None, SATURDAY, None, "", {"ADULT": 2}))
    done = bookings.commit_checkout(shop, actor, bookings.propose_checkout(shop, actor)["proposal_id"])
    settle(shop, gateway, done["payments"][0])
    with shop.db.read() as tx:
        booking_id = tx.execute(select(booking.c.id).where(booking.c.account_id == actor.account_id)).scalar_one()
    for days, people, pays in steps:
        try:
            shown = changes.propose(shop, actor, booking_id, local_date=SATURDAY + timedelta(days=days), units={"ADULT": people})
        except Invalid:
            continue
        made = changes.commit(shop, actor, shown["proposal_id"])
        if made["payment"] and pays:
            settle(shop, gateway, made["payment"])
        elif made["payment"]:
            collect.close_link(shop, made["payment"])
        work(shop)
        counters(shop)
        with shop.db.read() as tx:
            row = tx.execute(select(booking).where(booking.c.id == booking_id)).one()
            (one,) = bookings.with_payment(tx, [row])
        assert (one["paid"], one["owed"]) == (row.amount, 0)
        assert sum(line["amount"] for line in row.price_lines) == row.amount
