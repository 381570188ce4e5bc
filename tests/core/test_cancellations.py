"""What comes back when a booking ends: by tier and wall clock, once, whole where the provider cancels, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from core import bookings, cancellations, carts
from core.availability import Ask
from core.cancellations import next_step, refund_bps
from core.engine import Actor, Engine
from core.errors import Expired, NotFound, PriceChanged, Refused, WrongState
from core.payments import collect, ledger
from core.schema import booking, payment, refund
from tests import market
from tests.conftest import Clock
from tests.core.test_holds import SATURDAY, counters, traveler
from tests.gateway import MemoryGateway

TIERS = ({"hours": 48, "refund_bps": 10_000}, {"hours": 24, "refund_bps": 5_000})


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    return engine


def buy(engine: Engine, gateway: MemoryGateway, actor: Actor, *asks: Ask) -> list[str]:
    """Booked and paid; returns the booking ids in the order asked."""
    for ask in asks:
        carts.add(engine, actor, ask)
    done = bookings.commit_checkout(engine, actor, bookings.propose_checkout(engine, actor)["proposal_id"])
    for payment_id in done["payments"]:
        collect.ensure_link(engine, payment_id)
        with engine.db.read() as tx:
            session = collect.get(tx, payment_id).session_id
        gateway.pay(session)
        collect.sync(engine, payment_id)
    with engine.db.write() as tx:
        tx.execute(update(booking).values(policy=list(TIERS)))
        found = {
            row.product_id: row.id for row in tx.execute(select(booking.c.product_id, booking.c.id).where(booking.c.status == "CONFIRMED"))
        }
    return [found[ask.product_id] for ask in asks]


def refunds(engine: Engine) -> list[tuple[str, int]]:
    with engine.db.read() as tx:
        return [(row.state, row.amount) for row in tx.execute(select(refund).order_by(refund.c.created_at, refund.c.amount))]


SAIL = Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 2})
PASTA = Ask("pasta-class", None, SATURDAY, None, "", {"ADULT": 2})


def test_a_yes_ends_the_booking_frees_the_places_and_sends_the_money_back_once(shop: Engine, gateway: MemoryGateway) -> None:
    actor = traveler(shop)
    sail, _pasta = buy(shop, gateway, actor, SAIL, PASTA)
    preview = cancellations.propose(shop, actor, sail)
    assert (preview["paid"], preview["refund"], preview["refund_bps"]) == (9600, 9600, 10_000)
    assert preview["until"] == "2026-11-26T17:30:00+00:00"
    with shop.db.read() as tx:
        assert tx.execute(select(booking.c.status).where(booking.c.id == sail)).scalar_one() == "CONFIRMED"
    first = cancellations.commit(shop, actor, preview["proposal_id"])
    assert cancellations.commit(shop, actor, preview["proposal_id"]) == {**first, "again": True}
    assert first["refund"] == 9600
    assert refunds(shop) == [("todo", 9600)]
    with shop.db.read() as tx:
        refund_id = tx.execute(select(refund.c.id)).scalar_one()
    collect.send_refund(shop, refund_id)
    collect.send_refund(shop, refund_id)
    assert gateway.refunds == [("ch_1", 9600)]
    assert {(held, sold) for held, sold in counters(shop).values()} == {(0, 0), (0, 2)}
    with shop.db.read() as tx:
        assert ledger.unbalanced(tx) == []
        row = tx.execute(select(payment)).one()
        assert (row.amount, row.refunded) == (9600 + 11800, 9600)
    with pytest.raises(WrongState):
        cancellations.propose(shop, actor, sail)


def test_half_comes_back_in_the_second_tier_and_nothing_after_it(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor = traveler(shop)
    (sail,) = buy(shop, gateway, actor, SAIL)
    clock.at = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)  # 31.5 hours before
    preview = cancellations.propose(shop, actor, sail)
    assert (preview["refund"], preview["until"]) == (4800, "2026-11-27T17:30:00+00:00")
    clock.at = datetime(2026, 11, 27, 17, 31, tzinfo=UTC)
    with pytest.raises(Expired):
        cancellations.commit(shop, actor, preview["proposal_id"])
    late = cancellations.propose(shop, actor, sail)
    assert (late["refund"], late["until"]) == (0, None)
    cancellations.commit(shop, actor, late["proposal_id"])
    assert refunds(shop) == []


def test_a_tier_that_passes_between_preview_and_yes_is_shown_again(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor = traveler(shop)
    (sail,) = buy(shop, gateway, actor, SAIL)
    clock.at = datetime(2026, 11, 26, 17, 25, tzinfo=UTC)
    preview = cancellations.propose(shop, actor, sail)
    clock.forward(minutes=10)
    with pytest.raises(PriceChanged):
        cancellations.commit(shop, actor, preview["proposal_id"])
    with shop.db.read() as tx:
        assert tx.execute(select(booking.c.status)).scalar_one() == "CONFIRMED"


def test_the_provider_gives_everything_back_whatever_the_policy(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor = traveler(shop)
    (sail,) = buy(shop, gateway, actor, SAIL)
    clock.at = datetime(2026, 11, 28, 16, 0, tzinfo=UTC)
    with pytest.raises(NotFound):
        cancellations.by_provider(shop, Actor("q", role="provider", provider_ids=("casa-alta",)), sail)
    done = cancellations.by_provider(shop, Actor("p", role="provider", provider_ids=("tejo-days",)), sail, reason="storm")
    assert done["refund"] == 9600
    assert refunds(shop) == [("todo", 9600)]
    with pytest.raises(WrongState):
        cancellations.by_provider(shop, Actor("p", role="provider", provider_ids=("tejo-days",)), sail)


def test_nobody_cancels_for_somebody_else_or_after_the_start(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    actor = traveler(shop)
    (sail,) = buy(shop, gateway, actor, SAIL)
    with pytest.raises(NotFound):
        cancellations.propose(shop, traveler(shop), sail)
    preview = cancellations.propose(shop, actor, sail)
    with pytest.raises(NotFound):
        cancellations.commit(shop, traveler(shop), preview["proposal_id"])
    with pytest.raises(Expired):
        bookings.commit_checkout(shop, actor, preview["proposal_id"])  # a yes to one thing is no yes to another
    clock.at = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
    with pytest.raises(Refused, match="already begun"):
        cancellations.propose(shop, actor, sail)
    assert refunds(shop) == []


@pytest.mark.parametrize(
    ("day", "zone", "start", "now", "bps"),
    [
        (date(2027, 3, 29), "Europe/Lisbon", 10, datetime(2027, 3, 27, 10, 0, tzinfo=UTC), 10_000),
        (date(2027, 3, 29), "Europe/Lisbon", 10, datetime(2027, 3, 27, 10, 1, tzinfo=UTC), 5_000),
        (date(2027, 11, 1), "Europe/Lisbon", 10, datetime(2027, 10, 30, 8, 59, tzinfo=UTC), 10_000),
        (date(2027, 11, 1), "Europe/Lisbon", 10, datetime(2027, 10, 30, 9, 1, tzinfo=UTC), 5_000),
        (date(2027, 6, 10), "Asia/Tokyo", 10, datetime(2027, 6, 8, 1, 0, tzinfo=UTC), 10_000),
        (date(2027, 6, 10), "Asia/Tokyo", 10, datetime(2027, 6, 9, 1, 1, tzinfo=UTC), 0),
    ],
)
def test_tiers_count_on_the_wall_clock_over_daylight_saving(day: date, zone: str, start: int, now: datetime, bps: int) -> None:
    begins = datetime(day.year, day.month, day.day, start, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert refund_bps(TIERS, begins, zone, now) == bps
    step = next_step(TIERS, begins, zone, now)
    if step is not None:
        assert refund_bps(TIERS, begins, zone, step) == bps
        assert refund_bps(TIERS, begins, zone, step + timedelta(minutes=1)) < bps
