"""Every main page, looked at by axe-core on a phone's width, in the light and in the dark: nothing serious, nothing critical."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from sqlalchemy import select

from core import conversations, handoff, links, listings, schedules
from core.engine import Actor
from core.payments import collect
from core.people import grant, sign_in_link
from core.schema import booking
from tests import builders as b
from tests.channels.conftest import wait_for
from tests.stories.conftest import Running, whole_house
from tests.stories.test_browser import chromium, open_page, say, sees

pytestmark = [pytest.mark.browser, pytest.mark.slow]
__all__ = ["chromium"]
GRAVE = ("serious", "critical")
OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}

OPEN = ("/", "/chat", "/signin", "/provider/join", "/api/docs", "/mail-local/", "/sms-local/", "/telegram-local/")
SEATED = {
    "provider": ("/provider", "/bookings", "/calendar", "/listings", "/listings/{listing}", "/payouts", "/staff", "/check-in/{reference}"),
    "operator": ("/ops", "/review", "/payouts"),
    "expert": ("/desk",),
}


@pytest.fixture
def demo_house(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Running]:
    shutil.copy(migrated_sqlite, tmp_path / "traveloure.db")
    with whole_house(tmp_path, phone=True) as one:
        yield one


def wrong(page: Page, named: str) -> list[str]:
    told = Axe().run(page, options=OPTIONS)
    assert told["passes"], "axe looked at nothing"
    found: list[dict[str, Any]] = told["violations"]
    return [
        f"{named}: {one['id']} ({one['impact']}) at {', '.join(str(node['target']) for node in one['nodes'][:4])}"
        for one in found
        if one["impact"] in GRAVE
    ]


def filled(running: Running) -> dict[str, str]:
    """A house in which every page has something to show."""
    engine = running.house.engine
    with engine.db.write() as tx:
        grant(tx, "demo-provider", "provider", "tejo-days")
    owner = Actor("demo-provider", role="provider", provider_ids=("tejo-days", "casa-alta", "roman-holidays"))
    listing = listings.create(engine, owner, "tejo-days", title="Kayak", kind="activity", destination="lisbon")
    option = {"id": "standard", "title": "Two hours", "counts": "PAX", "per": "PERSON", "price": "40", "rules": [{"capacity": 6}]}
    record = listings.find(engine, owner, listing)["record"]
    assert listings.save(engine, owner, listing, {**record, "options": [option]}) == ()
    listings.submit(engine, owner, listing)
    listings.create(engine, owner, "tejo-days", title="Nothing yet", kind="stay", destination="lisbon")
    schedules.block(engine, owner, "PRODUCT", "tile-workshop", b.DAY, b.DAY, reason="holiday")
    ana = b.traveler(engine)
    b.add(engine, ana, "pasta-class")
    b.add(engine, ana, "alfama-walk")
    (payment,) = b.checkout(engine, ana)
    url = collect.ensure_link(engine, payment)["url"]
    conversations.say(engine, ana, "one", "Is there a person?")
    handoff.ask_for_person(engine, ana, "asked_for_human")
    with engine.db.read() as tx:
        row = tx.execute(select(booking).where(booking.c.product_id == "pasta-class")).one()
        trips = links.trips_path(tx, ana.account_id, engine.clock())
    return {"listing": listing, "reference": row.reference, "pay": url, "trips": trips, "booking": row.id}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_grave_on_any_main_page(demo_house: Running, chromium: Browser, dark: bool) -> None:
    ids = filled(demo_house)
    url = demo_house.url
    found: list[str] = []
    seen = 0

    def look(page: Page, address: str) -> None:
        nonlocal seen
        answer = page.goto(address if address.startswith("http") else f"{url}{address}")
        assert answer is not None
        assert answer.status == 200, f"{address}: {answer.status}"
        page.wait_for_load_state("load")
        found.extend(wrong(page, address.removeprefix(url)))
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 391:
            found.append(f"{address}: {width} pixels wide on a phone of 390")
        seen += 1

    anybody = open_page(chromium, width=390, height=844, dark=dark)
    for address in (*OPEN, ids["trips"], ids["pay"]):
        look(anybody, address)
    anybody.goto(f"{url}/chat")
    say(anybody, "something fun in Lisbon next Saturday for two")
    sees(anybody, "activities in Lisbon for two")
    found.extend(wrong(anybody, "/chat with cards"))
    for role, addresses in SEATED.items():
        page = open_page(chromium, width=390, height=844, dark=dark)
        page.goto(f"{url}/signin/{sign_in_link(demo_house.house.engine, f'demo-{role}')}")
        found.extend(wrong(page, "/signin/{token}"))
        page.get_by_role("button").first.click()
        for address in addresses:
            look(page, address.format(**ids))
    anybody.goto(ids["pay"])
    anybody.get_by_role("button").first.click()
    with demo_house.house.engine.db.read() as tx:
        paid = select(booking).where(booking.c.id == ids["booking"])
        held = tx.execute(paid).one()
    if held.status != "CONFIRMED":
        wait_for(lambda: _status(demo_house, ids["booking"]) == "CONFIRMED", 15)
    with demo_house.house.engine.db.read() as tx:
        voucher = links.voucher_path(tx, tx.execute(paid).one())
    look(anybody, voucher)
    assert found == []
    assert seen == len(OPEN) + 2 + sum(len(one) for one in SEATED.values()) + 1


def test_axe_would_say_so(chromium: Browser) -> None:
    page = open_page(chromium)
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><p style='color:#bbb;background:#fff'>hard to read</p><input></main>")
    assert [one.split(" ")[1] for one in wrong(page, "planted:")] == ["color-contrast", "label"]


def _status(running: Running, booking_id: str) -> str:
    with running.house.engine.db.read() as tx:
        return str(tx.execute(select(booking.c.status).where(booking.c.id == booking_id)).scalar_one())
