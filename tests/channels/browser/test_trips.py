"""The traveler's own page in a real browser, on a phone and by keyboard, and the way back into the conversation."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from core import links
from core.payments import collect
from tests import builders
from tests.channels.browser.conftest import text
from tests.channels.browser.test_widget import Visit
from tests.channels.conftest import Live
from tests.gateway import MemoryGateway

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_booking_is_cancelled_by_keyboard_on_a_phone_and_the_conversation_goes_on(
    live: Live, visit: Visit, gateway: MemoryGateway
) -> None:
    engine = live.house.engine
    builders.products(engine)
    ana = builders.traveler(engine)
    payment_id = builders.buy(engine, actor=ana)
    collect.ensure_link(engine, payment_id)
    gateway.pay("cs_1")
    collect.sync(engine, payment_id)
    live.say(ana.conversation_id, "bot", text("Have a good trip"))
    with engine.db.read() as tx:
        path = links.trips_path(tx, ana.account_id, engine.clock())
    page = visit(f"{live.url}{path}", viewport={"width": 360, "height": 740}, color_scheme="dark")
    card = page.get_by_role("article", name="Kayak")
    expect(card).to_contain_text("Confirmed")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    card.get_by_role("button", name="Cancel Kayak").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Cancel Kayak?")).to_be_visible()
    page.get_by_role("button", name="Cancel this booking").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Your booking is cancelled")
    expect(page.get_by_role("article", name="Kayak")).to_contain_text("Cancelled")
    page.get_by_role("button", name="Back to the conversation").click()
    expect(page.get_by_text("Have a good trip")).to_be_visible()
    assert page.url == f"{live.url}/chat"
