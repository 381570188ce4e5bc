"""The main job in a real browser, with all three people at their own pages; screenshots are kept in test-results/."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import select

from core.schema import booking, slot
from tests.setup_machine import browser as find_browser
from tests.stories.conftest import Running

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SHOTS = Path(__file__).parent.parent.parent / "test-results"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SOON = 15_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = find_browser()
    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        except Exception as error:
            if os.environ.get("TRAVELOURE_NOTHING_SKIPPED"):
                raise
            pytest.skip(f"no browser on this machine: {type(error).__name__}")
        yield opened
        opened.close()


def open_page(chromium: Browser, *, width: int = 1280, height: int = 860, dark: bool = False) -> Page:
    context = chromium.new_context(
        viewport={"width": width, "height": height}, locale="en-GB", timezone_id="Europe/Lisbon", color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    return page


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def say(page: Page, words: str) -> None:
    box = page.get_by_placeholder(re.compile("Where would you|Write to"))
    box.fill(words)
    box.press("Enter")


def sees(page: Page, words: str) -> None:
    expect(page.get_by_text(re.compile(words)).last).to_be_visible(timeout=SOON)


def press(page: Page, label: str, *, exact: bool = False) -> None:
    page.get_by_role("button", name=label if exact else re.compile(f"^{label}"), exact=exact).last.click()


def test_a_traveler_books_and_pays_a_provider_approves_an_expert_takes_over(running_sqlite: Running, chromium: Browser) -> None:
    traveler = open_page(chromium, width=390, height=844, dark=True)
    traveler.goto(f"{running_sqlite.url}/chat")
    sees(traveler, "a computer program")
    say(traveler, "something fun in Lisbon next Saturday for two")
    sees(traveler, "activities in Lisbon for two")
    shot(traveler, "1-cards-phone-dark")
    traveler.get_by_role("button", name="Add to trip").first.click()
    sees(traveler, "is in your trip")
    say(traveler, "and dinner in the evening")
    sees(traveler, "Dinner with fado")
    press(traveler, "Add to trip")
    sees(traveler, "At what time")
    press(traveler, "21:00")
    sees(traveler, "Sat 5 Dec, 21:00")
    say(traveler, "a private guide")
    sees(traveler, "Private walk through Alfama")
    press(traveler, "Request")
    sees(traveler, "€120\\.")
    say(traveler, "checkout")
    sees(traveler, "Please check and confirm")
    sees(traveler, "€300")
    shot(traveler, "2-total")
    press(traveler, "Confirm", exact=True)
    sees(traveler, "Who is booking")
    traveler.get_by_label("Name").fill("Ana Silva")
    traveler.get_by_label("E-mail").fill("not an address")
    traveler.get_by_label(re.compile("I accept")).check()
    traveler.get_by_label("E-mail").fill("ana@example.com")
    press(traveler, "Confirm and book")
    sees(traveler, "Request sent to Tejo Days")
    sees(traveler, "Please pay €180")
    shot(traveler, "3-pay")

    with traveler.context.expect_page() as opened:
        traveler.get_by_role("link", name=re.compile("Pay now")).last.click()
    pay = opened.value
    pay.get_by_role("button", name=re.compile("Be declined")).click()
    sees(pay, "declined")
    shot(pay, "4-payment-page")
    pay.get_by_role("button", name=re.compile("Confirm at the bank")).click()
    pay.get_by_role("button", name=re.compile("Approve")).click()
    pay.wait_for_url(re.compile("/pay/done"), timeout=SOON)
    sees(pay, "[Cc]onfirmed")
    expect(traveler.get_by_text("Booked and confirmed")).to_be_visible(timeout=2_000)
    expect(traveler.get_by_role("link", name=re.compile("^Pay"))).to_have_count(0)  # nothing invites to pay again
    expect(traveler.get_by_text("Paid", exact=True).first).to_be_visible()
    shot(traveler, "5-confirmed")

    provider = open_page(chromium)
    provider.goto(running_sqlite.sign_in("provider"))
    provider.get_by_role("button").first.click()
    sees(provider, "Private walk through Alfama")
    provider.get_by_placeholder(re.compile("own words")).fill("yes but only at 3pm")
    provider.get_by_placeholder(re.compile("own words")).press("Enter")
    sees(provider, "You wrote")
    shot(provider, "6-provider")
    provider.get_by_role("button", name="Approve").click()
    sees(provider, "You said yes")
    sees(traveler, "Tejo Days said yes")
    sees(traveler, "Please pay €120")

    say(traveler, "I want to talk to a person")
    sees(traveler, "asked a travel expert")
    expert = open_page(chromium, width=1400, height=900)
    expert.goto(running_sqlite.sign_in("expert"))
    expert.get_by_role("button").first.click()
    expert.get_by_text("Ana Silva").first.click()
    expert.get_by_role("button", name="Take over").click()
    expert.get_by_placeholder("Write to the traveler").fill("Hello Ana, this is Jonas.")
    expert.get_by_placeholder("Write to the traveler").press("Control+Enter")
    sees(traveler, "this is Jonas")
    say(traveler, "Is the dinner outside?")
    sees(expert, "Is the dinner outside")
    expert.get_by_placeholder("Write to the traveler").fill("It is, with heaters.")
    expert.get_by_placeholder("Write to the traveler").press("Control+Enter")
    sees(traveler, "with heaters")
    shot(expert, "7-desk")
    expert.get_by_role("button", name="Return to assistant").click()
    sees(traveler, "back with the assistant")
    say(traveler, "show my bookings")
    sees(traveler, "Here is what you have booked")
    shot(traveler, "8-back-with-the-assistant")

    with running_sqlite.house.engine.db.read() as tx:
        found = {row.product_id: row.status for row in tx.execute(select(booking.c.product_id, booking.c.status))}
        sold = {(row.resource_id.split(".")[0], row.held, row.booked) for row in tx.execute(select(slot))}
    assert found == {"sunset-sail": "CONFIRMED", "fado-dinner": "CONFIRMED", "alfama-walk": "ON_HOLD"}
    assert sold == {("sunset-sail", 0, 2), ("fado-dinner", 0, 2), ("alfama-walk", 1, 0)}
