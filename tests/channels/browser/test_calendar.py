"""A provider's calendar in a real browser: by mouse, by keyboard, on a phone, in the dark."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from channels.web.session import COOKIE
from core import calendars, schedules
from core.engine import Actor
from core.schema import availability_exception, calendar_link
from tests import builders
from tests.channels.browser.test_desk import seated
from tests.channels.browser.test_widget import Visit
from tests.channels.conftest import Live

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEJO = Actor("paul", role="provider", provider_ids=("tejo",))
DAY = builders.DAY
PATH = "/calendar?product=kayak&month=2027-03"


def test_a_row_of_days_is_blocked_and_opened(live: Live, visit: Visit) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak")
    builders.buy(engine, "kayak", people=3)
    page = visit(f"{live.url}{PATH}", cookies=[cookie(live)], offline_ok=True)  # the browser notes the refusal as an error
    month = page.get_by_role("group", name="Days of March 2027")
    month.get_by_role("checkbox", name="Monday 8 March").click()
    month.get_by_role("checkbox", name="Friday 12 March").click(modifiers=["Shift"])
    expect(page.locator("#chosen")).to_contain_text("5 days chosen")
    page.get_by_label("Why, for yourself").fill("The mast is out")
    page.get_by_role("button", name="Block").click()
    expect(page.get_by_role("status").first).to_contain_text("take no bookings now")
    with engine.db.read() as tx:
        row = tx.execute(select(availability_exception)).one()
    assert (row.from_date, row.to_date, row.reason) == (DAY + timedelta(days=4), DAY + timedelta(days=8), "The mast is out")
    month.get_by_role("checkbox", name="Thursday 4 March").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(month.get_by_role("checkbox", name="Thursday 11 March")).to_be_focused()
    page.get_by_role("button", name="Block").focus()
    page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("places are held or sold")
    expect(alert).to_contain_text("Kayak, Thu 4 Mar 2027")


def test_an_address_is_copied_and_the_page_stays_fresh(live: Live, visit: Visit) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak")
    page = seated(visit, live, live.person("Paul Provider", "provider", "tejo"), PATH)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Who is it for?").fill("Other site")
    page.get_by_role("button", name="Make an address").click()
    page.get_by_role("button", name="Copy the address for Other site").click()
    with engine.db.read() as tx:
        token = tx.execute(select(calendar_link.c.token)).scalar_one()
    assert page.evaluate("navigator.clipboard.readText()") == f"http://127.0.0.1:8000/calendars/{token}.ics"
    schedules.block(engine, TEJO, "PRODUCT", "kayak", DAY, DAY, reason="Seen at once")
    expect(page.get_by_text("Seen at once")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_screen(live: Live, visit: Visit, scheme: str, width: int) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak")
    id = calendars.add_feed(engine, TEJO, "kayak", "https://other.example/" + "a" * 200 + ".ics", name="Another site with a long name")
    calendars.broken(engine, id, "It did not answer in time.")
    calendars.share(engine, TEJO, "kayak", name="Other site")
    page = visit(
        f"{live.url}{PATH}",
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        cookies=[cookie(live)],
    )
    expect(page.get_by_role("heading", name="Calendar", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in page.locator(".day input:not(:disabled)").all()[:3]:
        assert box.evaluate("one => one.closest('label').getBoundingClientRect().height") >= 44


def cookie(live: Live) -> dict[str, str]:
    client = live.person("Paul Provider", "provider", "tejo")
    return {"name": COOKIE, "value": client.cookies[COOKIE], "url": live.url}
