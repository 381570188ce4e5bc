"""The original plan's calls, exactly as it writes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from channels.services import AffiliateService, AvailabilityService, BookingBotService, PricingService
from core.db import Database
from core.engine import Engine
from core.errors import Invalid, NotFound
from core.people import ensure_account, set_contact
from core.schema import booking
from tests import market
from tests.conftest import Clock
from tests.gateway import MemoryGateway


@dataclass
class Thing:
    id: str


@pytest.fixture
def shop(sqlite: Database, clock: Clock, gateway: MemoryGateway, tmp_path: Path) -> Engine:
    engine = Engine(db=sqlite, gateway=gateway, clock=clock)
    market.load(engine, tmp_path)
    with engine.db.write() as tx:
        ensure_account(tx, clock(), "ana", name="", email="ana@example.com")
        set_contact(tx, "ana", name="Ana Silva", email="ana@example.com", terms=True, now=clock())
    return engine


def test_process_cart_books_with_our_prices_once(shop: Engine) -> None:
    items = [
        {"product": Thing("sunset-sail"), "date": "2026-11-28", "start_time": "17:30", "units": {"ADULT": 2}},
        {"product": "alfama-walk", "date": "2026-11-28"},
    ]
    service = BookingBotService(shop)
    made = service.process_cart(user=Thing("ana"), cart_items=items, payment_method="full", key="k")
    assert service.process_cart(user="ana", cart_items=items, payment_method="full", key="k")["bookings"] == made["bookings"]
    assert [(one["title"], one["status"], one["amount"]) for one in made["bookings"]] == [
        ("Sunset sail on the Tejo", "ON_HOLD", 9600),
        ("Private walk through Alfama with Inês", "PENDING", 12000),
    ]
    assert [(one["amount"], one["status"]) for one in made["payments"]] == [(9600, "open")]
    with shop.db.read() as tx:
        assert len(tx.execute(select(booking.c.id)).all()) == 2


def test_prices_of_the_caller_are_refused(shop: Engine) -> None:
    with pytest.raises(Invalid) as caught:
        BookingBotService(shop).process_cart(
            user="ana", cart_items=[{"product": "pasta-class", "date": "2026-11-28", "price": 1}], payment_method="full"
        )
    assert caught.value.field == "price"
    with pytest.raises(Invalid):
        BookingBotService(shop).process_cart(user="ana", cart_items=[], payment_method="full")


def test_availability_and_prices_of_a_provider(shop: Engine) -> None:
    found = AvailabilityService(shop).check_availability(provider=Thing("roman-holidays"), date="2026-11-28", quantity=2)
    assert [(one["product"], one["available"]) for one in found["products"]] == [
        ("pasta-class", True),
        ("trastevere-loft", True),
        ("vatican-quote", True),
    ]
    shown = PricingService(shop).get_price(provider="roman-holidays", date="2026-11-28", travelers=2)
    assert [(one["product"], one["amount"], one["currency"]) for one in shown["prices"]] == [
        ("pasta-class", 11800, "EUR"),
        ("trastevere-loft", 14000, "EUR"),
    ]
    with pytest.raises(NotFound):
        AvailabilityService(shop).check_availability(provider="nobody", date="2026-11-28", quantity=1)


def test_a_link_to_a_partner_is_made_from_what_is_known(shop: Engine) -> None:
    service = AffiliateService(shop)
    made = service.generate_link(item_type="stay", destination="lisbon", date="2026-12-05")
    assert (made["partner"], made["commission"]) == ("booking_com", False)
    assert made["url"].startswith("http://127.0.0.1:8000/r/")
    assert "checkin=2026-12-05" in made["landing_url"]
    assert service.generate_link(item_type="dining", destination=Thing("rome"), date="2026-12-05", adults=2)["partner"] == "opentable"
    with pytest.raises(Invalid):
        service.generate_link(item_type="flight", destination="rome", date="2026-12-05")
    with pytest.raises(Invalid):
        service.generate_link(item_type="stay", destination="lisbon", url="https://evil.example")
