"""The names of who comes along: one's own bookings only, never more than were booked, and erased with the person."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from core import cancellations, reports
from core.availability import Ask
from core.engine import Engine
from core.errors import Invalid, NotFound, Refused, WrongState
from core.payments import collect
from core.privacy import erase, export
from core.schema import booking, booking_event, refund
from core.travelers import give_names
from tests import market
from tests.conftest import Clock
from tests.core.test_cancellations import buy
from tests.core.test_holds import SATURDAY, traveler
from tests.gateway import MemoryGateway

SAIL = Ask("sunset-sail", None, SATURDAY, None, "17:30", {"ADULT": 2})


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    market.load(engine, tmp_path)
    return engine


def kept(engine: Engine) -> tuple[object, list[str]]:
    with engine.db.read() as tx:
        contact = tx.execute(select(booking.c.contact)).scalar_one()
        events = tx.execute(select(booking_event.c.event, booking_event.c.reason).order_by(booking_event.c.id)).all()
        return contact.get("travelers"), [reason for event, reason in events if event == "travelers"]


def test_names_reach_the_provider_s_list_and_replace_those_before(shop: Engine, gateway: MemoryGateway) -> None:
    ana = traveler(shop)
    (sail,) = buy(shop, gateway, ana, SAIL)
    assert give_names(shop, ana, sail, ["Ana Silva"])["people"] == 2
    done = give_names(shop, ana, sail, ["  Ana \n Silva ", "Tom\u202e O\u2019Neil"])
    assert done["travelers"] == ["Ana Silva", "Tom O\u2019Neil"]
    (shown,) = reports.upcoming_bookings(shop, ("tejo-days",))
    assert shown["travelers"] == ["Ana Silva", "Tom O\u2019Neil"]
    assert kept(shop)[1] == ["1 of 2 named", "2 of 2 named"]  # the trail counts them; it never repeats them


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["Ana", "Tom", "Kim"], "booked for 2"),
        (["Ana", "  "], "Traveler 2 has no name"),
        (["Ana 4242 4242 4242 4242"], "card number"),
        (["12345"], "Traveler 1 has no name"),
        (["x" * 81], "longer than 80"),
    ],
)
def test_what_is_no_list_of_names_changes_nothing(shop: Engine, gateway: MemoryGateway, names: list[str], says: str) -> None:
    ana = traveler(shop)
    (sail,) = buy(shop, gateway, ana, SAIL)
    give_names(shop, ana, sail, ["Ana Silva"])
    with pytest.raises(Invalid, match=says) as refused:
        give_names(shop, ana, sail, names)
    assert refused.value.field == "travelers"
    assert kept(shop) == (["Ana Silva"], ["1 of 2 named"])


def test_only_one_s_own_and_only_while_it_is_ahead(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    ana, other = traveler(shop), traveler(shop)
    (sail,) = buy(shop, gateway, ana, SAIL)
    with pytest.raises(NotFound):
        give_names(shop, other, sail, ["Mallory"])
    clock.forward(days=5)
    with pytest.raises(Refused, match="already begun"):
        give_names(shop, ana, sail, ["Ana"])


def test_a_cancelled_booking_keeps_its_names_and_erasure_takes_them(shop: Engine, gateway: MemoryGateway, clock: Clock) -> None:
    ana = traveler(shop)
    (sail,) = buy(shop, gateway, ana, SAIL)
    give_names(shop, ana, sail, ["Ana Silva", "Tom Meyer"])
    cancellations.commit(shop, ana, cancellations.propose(shop, ana, sail)["proposal_id"])
    with pytest.raises(WrongState):
        give_names(shop, ana, sail, ["Ana"])
    assert "Tom Meyer" in str(export(shop, ana, ana.account_id))
    with shop.db.read() as tx:
        owed = list(tx.execute(select(refund.c.id)).scalars())
    for refund_id in owed:
        collect.send_refund(shop, refund_id)
    clock.forward(days=60)
    erase(shop, ana, ana.account_id)
    assert kept(shop)[0] is None
