"""A review given by keyboard on a phone in the dark, and read by the one who moderates."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from core import links
from core.schema import booking
from tests import builders
from tests.channels.browser.test_widget import Visit
from tests.channels.conftest import Live
from tests.channels.test_trips import bought
from tests.gateway import MemoryGateway

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_stars_and_words_on_a_phone(live: Live, visit: Visit, gateway: MemoryGateway, tmp_path: Path) -> None:
    engine = live.house.engine
    ana = builders.traveler(engine)
    booking_id = bought(live, ana, gateway)
    with engine.db.write() as tx:
        tx.execute(update(booking).where(booking.c.id == booking_id).values(starts_at=engine.clock() - timedelta(days=2)))
        path = links.trips_path(tx, ana.account_id, engine.clock())
    page = visit(f"{live.url}{path}", viewport={"width": 390, "height": 800}, color_scheme="dark")
    page.screenshot(path=tmp_path / "ask.png", full_page=True)
    page.get_by_label("Good").focus()
    page.keyboard.press("Space")
    page.get_by_label("In your own words").fill("Calm water")
    page.get_by_role("button", name="Send the review").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="Kayak")).to_contain_text("You gave 4 of 5 stars.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=tmp_path / "given.png", full_page=True)
